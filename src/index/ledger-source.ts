// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Counts, Whereabouts } from '../ledger/entry-stream.ts'
import type { DurableEnd } from '../ledger/wal/frame-tail.ts'

/** What a follower asks the writer, which alone knows how far the log is durable. */
export interface LedgerSource {
  /** Where the log ends, and how many entries each ledger has by then. */
  now(): Promise<Durable>
  /** The same, once the end lies beyond `position`. */
  beyond(position: DurableEnd): Promise<Durable>
  /** Where these entries lie: `next` says for each ledger which comes next, 0 where it says nothing. */
  locate(next: Counts): Promise<Whereabouts>
}

export interface Durable {
  readonly end: DurableEnd
  /** Of the ledgers that are indexed. */
  readonly sizes: Counts
}

/** How many entries of a ledger are meant; a ledger may be called `constructor`, and the index may claim any name. */
export function countIn(counts: Counts, ledger: string): number {
  return Object.hasOwn(counts, ledger) ? (counts[ledger] ?? 0) : 0
}

/** The heads of the ledgers are no events. */
export function isIndexed(ledger: string): boolean {
  return ledger !== 'heads'
}
