// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Events of a served ledger in order, past those that the server fails to hand out: each of them is a finding. */
import type { Findings } from './finding.ts'
import { type ServedEvent, ServedFault, type ServedLedger } from './served-ledger.ts'

/** Events that a server may fail to hand out before no more are asked for: each costs it a read that it records. */
const MAX_LOST = 100

export class ServedEvents {
  readonly #ledger: ServedLedger
  readonly #findings: Findings
  readonly #size: number
  #lostCount = 0
  /** Undefined where no more are read. */
  #events: AsyncIterator<ServedEvent, unknown> | undefined

  constructor(ledger: ServedLedger, findings: Findings, size: number) {
    this.#ledger = ledger
    this.#findings = findings
    this.#size = size
    if (size > 0) this.#readFrom(0)
  }

  /** The event at `index`, which is the next one; undefined where there is none to be had. */
  async next(index: number): Promise<ServedEvent | undefined> {
    if (this.#events === undefined) return undefined
    const place = { ledger: this.#ledger.name, index }
    try {
      const next = await this.#events.next()
      if (next.done !== true) return next.value
      const what = 'the server ends its events here'
      this.#findings.add({ kind: 'missing', what, ...place, count: this.#size - index })
      this.#events = undefined
    } catch (error) {
      if (!(error instanceof ServedFault)) throw error
      this.#findings.add({
        kind: 'content',
        what: `the server does not hand out the event: ${error.message}`,
        ...place,
      })
      this.#lostCount++
      this.#events = undefined
      if (this.#lostCount < MAX_LOST && index + 1 < this.#size) this.#readFrom(index + 1)
    }
    return undefined
  }

  async close(): Promise<void> {
    await this.#events?.return?.()
  }

  #readFrom(index: number): void {
    this.#events = this.#ledger.events(index)[Symbol.asyncIterator]()
  }
}
