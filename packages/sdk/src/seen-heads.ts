// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What this client has seen of each ledger. A ledger only grows, so an answer that contradicts an earlier one shows a
// server that forgot, or shows different people different things.

import { equalBytes } from '@stele/proof'

import { untrustworthy } from './error.ts'

interface Seen {
  readonly origin: string | undefined
  readonly size: number
  readonly root: Uint8Array
}

const nothing: Seen = { origin: undefined, size: 0, root: new Uint8Array(0) }

export class SeenHeads {
  readonly #seen = new Map<string, Seen>()
  /** Sizes that answers without a root have told. */
  readonly #claimed = new Map<string, number>()

  /** Size that any answer to a call that begins now must reach. */
  floor(ledger: string): number {
    return Math.max(this.#of(ledger).size, this.#claimed.get(ledger) ?? 0)
  }

  /** The same of every ledger that was seen. */
  floors(): ReadonlyMap<string, number> {
    return new Map([...this.#seen.keys(), ...this.#claimed.keys()].map((ledger) => [ledger, this.floor(ledger)]))
  }

  /** Takes a size without a root: later answers must reach it. `floors` are those of the beginning of the call. */
  claim(floors: ReadonlyMap<string, number>, ledger: string, size: number): void {
    const floor = floors.get(ledger) ?? 0
    if (size < floor) throw untrustworthy(`the ledger ${ledger} had ${floor} entries before, and now has ${size}`)
    this.#claimed.set(ledger, Math.max(size, this.#claimed.get(ledger) ?? 0))
  }

  /** Holds a head against the earlier ones. `floor` is that of the beginning of the call: answers overtake each other. */
  learn(
    ledger: string,
    floor: number,
    head: { readonly origin?: string; readonly size: number; readonly root: Uint8Array },
  ): void {
    const seen = this.#of(ledger)
    const { size, root } = head
    if (size < floor) throw untrustworthy(`the ledger ${ledger} had ${floor} entries before, and now has ${size}`)
    if (size > 0 && size === seen.size && !equalBytes(root, seen.root)) {
      throw untrustworthy(`the ledger ${ledger} has two roots for the size ${size}`)
    }
    if (head.origin !== undefined && seen.origin !== undefined && head.origin !== seen.origin) {
      throw untrustworthy(`the ledger ${ledger} was ${seen.origin} before, and now is ${head.origin}`)
    }
    const origin = head.origin ?? seen.origin
    this.#seen.set(ledger, size < seen.size ? { ...seen, origin } : { origin, size, root })
  }

  #of(ledger: string): Seen {
    return this.#seen.get(ledger) ?? nothing
  }
}
