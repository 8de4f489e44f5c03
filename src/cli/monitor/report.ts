// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a monitor says: lines for people, or one line of JSON an event; and on a terminal how far a mirror is.

import type { WitnessSeen } from '../../evidence/monitor/log-trust.ts'
import type { MonitorEvent } from '../../evidence/monitor/monitor.ts'
import { timeText } from '../../platform/clock.ts'
import { clipped, count, entries, jsonLine, printable, witnessTime } from '../display.ts'
import type { Environment } from '../environment.ts'

const EVERY_MS = 200
const CLEAR = '\r\u001b[K'

export class MonitorReport {
  readonly #environment: Environment
  readonly #isJson: boolean
  /** Whether a log that is as it was is said to be so. */
  readonly #isEach: boolean
  readonly #stop: () => void
  #progress = ''
  #isShown = false

  constructor(environment: Environment, how: { readonly isJson: boolean; readonly isEach: boolean }) {
    this.#environment = environment
    this.#isJson = how.isJson
    this.#isEach = how.isEach
    const { stderr, clock } = environment
    // A terminal that is gone is told of by what is written to it next.
    this.#stop = stderr.isTerminal ? clock.every(EVERY_MS, () => void this.#show().catch(() => {})) : () => {}
  }

  progress(name: string, doneCount: number, totalCount: number): void {
    this.#progress = doneCount === totalCount ? '' : `mirrored ${count(doneCount)} of ${entries(totalCount)} of ${name}`
  }

  async event(event: MonitorEvent): Promise<void> {
    if (event.type === 'head' && event.grown === 0 && !this.#isEach) return
    const { stdout, clock } = this.#environment
    await this.#clear()
    const at = timeText(clock.wallMs())
    await stdout.write(this.#isJson ? jsonLine({ at, ...event }) : `${at}  ${printable(eventText(event))}\n`)
  }

  /** A sentence beside what was seen. */
  async say(sentence: string): Promise<void> {
    await this.#clear()
    await this.#environment.stderr.write(`stele: ${printable(sentence)}\n`)
  }

  async end(): Promise<void> {
    this.#stop()
    await this.#clear()
  }

  async #show(): Promise<void> {
    const { stderr } = this.#environment
    if (this.#progress === '') return await this.#clear()
    this.#isShown = true
    await stderr.write(`${CLEAR}${clipped(`stele: ${printable(this.#progress)}`, stderr.columns - 1)}`)
  }

  async #clear(): Promise<void> {
    if (this.#isShown) await this.#environment.stderr.write(CLEAR)
    this.#isShown = false
  }
}

function seenWords(witnesses: readonly WitnessSeen[]): string {
  const seen = witnesses.map(({ witness, time }) => `${witness} on ${witnessTime(time)}`).join(', ')
  return seen === '' ? '' : `, cosigned by ${seen}`
}

function eventText(event: MonitorEvent): string {
  const name = event.ledger ?? event.url
  switch (event.type) {
    case 'head': {
      const grown =
        event.grown === undefined ? 'seen first' : event.grown === 0 ? 'nothing new' : `${count(event.grown)} more`
      const key =
        event.key === 'pinned' ? 'signed by the pinned key' : 'signed; the key is not pinned, it is the server’s word'
      return `${name}: ${entries(event.size)} (${grown}), ${key}${seenWords(event.witnesses)}${event.mirrored ? ', mirrored' : ''}`
    }
    case 'contradiction':
      return `${name}: DO NOT RELY ON IT: ${event.what}. The evidence is in ${event.evidence}`
    case 'evidence-lost':
      return `${name}: DO NOT RELY ON IT: ${event.what}. The evidence could not be kept (${event.why}): --json shows the heads`
    case 'compared':
      return `${name}: ${count(event.agreeing)} of the heads that it published agree with the ledgers${earlierWords(event.earlier)}${event.unseen === 0 ? '' : `, ${count(event.unseen)} are of ledgers that are not seen here`}`
    case 'unreachable':
      return `${name}: nothing was verified: ${event.what}`
    case 'answers-again':
      return `${name}: ${event.what}`
    case 'not-compared':
      return `${name}: not compared: ${event.what}`
    case 'mirror-failed':
      return `${name}: not mirrored: ${event.what}`
    case 'silent':
    case 'still':
      return `${name}: ALARM: ${event.what}`
  }
}

function earlierWords(earlierCount: number): string {
  return earlierCount === 0
    ? ''
    : ` (${count(earlierCount)} are from before the known key: their signatures were not checked)`
}
