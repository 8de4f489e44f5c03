// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where `heads` says what of which ledger. Whoever has an entry of `heads` in a witnessed head has that ledger's head
 * vouched for. Nothing is kept for it on the disk: what was said is read back as far as somebody asks, once.
 */
import { publishedHead } from '../ledger/published-head.ts'

/** An entry of `heads`. */
export interface Statement {
  /** Of `heads`. */
  readonly index: number
  /** Entries that the ledger had. */
  readonly size: number
}

/** Reads the events of `heads` from `start` on: at least one, at most up to `end`. */
export type HeadsReader = (start: number, end: number) => Promise<readonly { readonly event: Uint8Array }[]>

const BATCH = 1_024

export class Statements {
  readonly #read: HeadsReader
  /** By ledger, the newest last; of those that were read. */
  readonly #said = new Map<string, Statement[]>()
  /** Entries of `heads` from here to there were read. */
  #from: number | undefined
  /** Nobody asks for less than the first so many entries. */
  #floor = 0
  #to = 0
  #reading: Promise<unknown> = Promise.resolve()

  constructor(read: HeadsReader) {
    this.#read = read
  }

  /** What the first `headsSize` entries of `heads` say last of a ledger; undefined where they say nothing. */
  async newest(ledger: string, headsSize: number, signal: AbortSignal): Promise<Statement | undefined> {
    const search = async () => {
      await this.#readUpTo(headsSize)
      for (;;) {
        const found = this.#said.get(ledger)?.findLast(({ index }) => index < headsSize)
        if (found !== undefined || this.#from === 0) return found
        signal.throwIfAborted()
        await this.#readBack()
      }
    }
    // One after another: each goes on where the one before it has read to.
    const searching = this.#reading.then(search)
    this.#reading = searching.catch(() => {})
    return await searching
  }

  /** Nobody asks for less than the first `headsSize` entries any more. */
  forgetBefore(headsSize: number): void {
    this.#floor = Math.max(this.#floor, headsSize)
    for (const [ledger, statements] of this.#said) {
      const last = statements.findLastIndex(({ index }) => index < headsSize)
      if (last > 0) this.#said.set(ledger, statements.slice(last))
    }
  }

  async #readUpTo(end: number): Promise<void> {
    this.#from ??= end
    this.#to = Math.max(this.#to, this.#from)
    while (this.#to < end) {
      const read = await this.#read(this.#to, Math.min(end, this.#to + BATCH))
      for (const { event } of read) {
        const { ledger, size } = publishedHead(event)
        const statement = { index: this.#to++, size }
        const known = this.#said.get(ledger)
        if (known === undefined) this.#said.set(ledger, [statement])
        else known.push(statement)
      }
    }
  }

  async #readBack(): Promise<void> {
    const end = this.#from ?? 0
    const start = Math.max(0, end - BATCH)
    const older: { ledger: string; statement: Statement }[] = []
    for (let index = start; index < end;) {
      for (const { event } of await this.#read(index, end)) {
        const { ledger, size } = publishedHead(event)
        older.push({ ledger, statement: { index: index++, size } })
      }
    }
    for (const { ledger, statement } of older.toReversed()) {
      const known = this.#said.get(ledger)
      if (known === undefined) this.#said.set(ledger, [statement])
      // Of what lies before the floor, only the last word of a ledger can be asked for.
      else if (known[0]!.index >= this.#floor) known.unshift(statement)
    }
    this.#from = start
  }
}
