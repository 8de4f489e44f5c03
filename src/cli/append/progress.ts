// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A line on the terminal that says how far it is. Nothing of it goes to a file or a pipe.

import type { Clock } from '../../platform/clock.ts'
import { bytesText, clipped, count } from '../display.ts'
import type { Output } from '../environment.ts'

const EVERY_MS = 200
const CLEAR = '\r\u001b[K'

export interface Amount {
  readonly events: number
  /** Bytes of the files as they are on the disk. */
  readonly readBytes: number
  /** Of these, what an earlier run has sent. */
  readonly sentBytes?: number
  /** Undefined where nobody knows. */
  readonly totalBytes: number | undefined
}

export class Progress {
  readonly #output: Output
  readonly #clock: Clock
  readonly #amount: () => Amount
  readonly #startMs: number
  #isShown = false
  #stop = () => {}

  constructor(output: Output, clock: Clock, amount: () => Amount) {
    this.#output = output
    this.#clock = clock
    this.#amount = amount
    this.#startMs = clock.monotonicMs()
    // A terminal that is gone is told of by what is written to it next.
    if (output.isTerminal) this.#stop = clock.every(EVERY_MS, () => void this.#show().catch(() => {}))
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs
  }

  /** Writes a line of its own, with the progress below it. */
  async say(text: string): Promise<void> {
    await this.#clear()
    await this.#output.write(`stele: ${text}\n`)
  }

  async end(): Promise<void> {
    this.#stop()
    await this.#clear()
  }

  async #clear(): Promise<void> {
    if (this.#isShown) await this.#output.write(CLEAR)
    this.#isShown = false
  }

  async #show(): Promise<void> {
    this.#isShown = true
    await this.#output.write(
      `${CLEAR}${clipped(progressText(this.#amount(), this.elapsedMs), this.#output.columns - 1)}`,
    )
  }
}

export function progressText({ events, readBytes, sentBytes = 0, totalBytes }: Amount, elapsedMs: number): string {
  const seconds = Math.max(elapsedMs / 1000, 0.001)
  const read = totalBytes === undefined ? bytesText(readBytes) : `${bytesText(readBytes)} of ${bytesText(totalBytes)}`
  const leftMs =
    totalBytes === undefined || readBytes <= sentBytes
      ? undefined
      : (elapsedMs * (totalBytes - readBytes)) / (readBytes - sentBytes)
  const parts = [`${count(events)} events`, read, `${count(Math.round(events / seconds))} events/s`]
  return [...parts, ...(leftMs === undefined ? [] : [`${durationText(leftMs)} left`])].join(' · ')
}

function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 100) return `${seconds} s`
  if (seconds < 6000) return `${Math.ceil(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
