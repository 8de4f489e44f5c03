// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A line on the terminal that says how many bytes of a long work are done. Nothing of it goes to a file or a pipe.

import type { Clock } from '../platform/clock.ts'
import { bytesText, clipped } from './display.ts'
import type { Output } from './environment.ts'

const EVERY_MS = 200
const CLEAR = '\r\u001b[K'

export class StatusLine {
  readonly #output: Output
  readonly #startMs: number
  readonly #clock: Clock
  readonly #stop: () => void
  #text = ''

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#clock = clock
    this.#startMs = clock.monotonicMs()
    const show = async () => await output.write(`${CLEAR}${clipped(this.#text, output.columns - 1)}`)
    // A terminal that is gone is told of by what is written to it next.
    this.#stop = output.isTerminal ? clock.every(EVERY_MS, () => void show().catch(() => {})) : () => {}
  }

  get elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs
  }

  /** `done` says what was done with so many bytes. */
  set(done: string, doneBytes: number, totalBytes: number): void {
    const share = totalBytes === 0 ? '' : ` · ${Math.floor((doneBytes / totalBytes) * 100)} %`
    this.#text = `stele: ${bytesText(doneBytes)} of ${bytesText(totalBytes)} ${done}${share}`
  }

  async end(): Promise<void> {
    this.#stop()
    if (this.#output.isTerminal) await this.#output.write(CLEAR)
  }
}
