// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * From what the index says it found to what is answered. The index is never believed: each event is read from the
 * ledger, where it is held against the tree, put into its OCSF form anew, and asked the query again. What the index
 * claims and the ledger does not bear out is left out and counted. Room for events is taken before they are read, and
 * an answer has a bound in bytes: a page that would be larger ends earlier.
 */
import { DamagedError } from '../ledger/read.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import type { Found, SearchScope } from '../index/search.ts'
import { documentOf } from '../query/document.ts'
import { matches } from '../query/evaluate.ts'
import type { Holding } from './budget.ts'
import { eventBytes, hitOf, hitRoomBytes } from './content.ts'
import type { Normalise } from './route.ts'

const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** Events of which the size is looked up together, and of which as many are read together as have so many bytes. */
const BATCH_COUNT = 32
const BATCH_BYTES = 4 * 1024 * 1024

export interface HitSources {
  readonly ledgers: Ledgers
  readonly normalise: Normalise
  readonly holding: Holding
  readonly gone: AbortSignal
  readonly onDamage: (error: DamagedError) => void
}

export interface HitPage {
  /** Each hit as JSON. */
  readonly texts: readonly Buffer[]
  /** The entries that are in them, in their order, by ledger. */
  readonly shown: ReadonlyMap<string, readonly number[]>
  readonly disagreements: number
  /** How many of the finds were gone through: the rest did not fit. */
  readonly seenCount: number
  /** The last of those that is of the ledgers that were searched. */
  readonly last: Found | undefined
}

/** A find, and the size of its event as its entry says; undefined where the ledger has no such entry intact. */
interface Sized {
  readonly found: Found
  /** What the index names may be anything: only what was searched is looked at. */
  readonly isSearched: boolean
  readonly sizeBytes: number | undefined
}

export class HitReader {
  readonly #sources: HitSources
  readonly #scope: SearchScope
  readonly #withLedger: boolean
  readonly #texts: Buffer[] = []
  readonly #shown = new Map<string, number[]>()
  #shownLast: Found | undefined
  #seenLast: Found | undefined
  #textBytes = 0
  #disagreements = 0
  #seenCount = 0

  /** `after` is the last hit of the page before. */
  constructor(sources: HitSources, scope: SearchScope, after: Found | undefined, withLedger: boolean) {
    this.#shownLast = after
    this.#sources = sources
    this.#scope = scope
    this.#withLedger = withLedger
  }

  /** Reads as many of the finds as fit, but at least one. Throws `overloaded` where there is no room for that. */
  async read(finds: readonly Found[]): Promise<HitPage> {
    for (let at = 0; at < finds.length && at === this.#seenCount; at += BATCH_COUNT) {
      const sized = await Promise.all(finds.slice(at, at + BATCH_COUNT).map(async (found) => await this.#sized(found)))
      for (const batch of batchesOf(sized)) if (!(await this.#readBatch(batch))) break
    }
    return {
      texts: this.#texts,
      shown: this.#shown,
      disagreements: this.#disagreements,
      seenCount: this.#seenCount,
      last: this.#seenLast,
    }
  }

  /** False where the batch no longer fits. */
  async #readBatch(batch: readonly Sized[]): Promise<boolean> {
    const { holding, gone } = this.#sources
    gone.throwIfAborted()
    const sizeBytes = batch.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
    if (this.#seenCount > 0) {
      if (this.#textBytes + sizeBytes > MAX_ANSWER_BYTES || !holding.tries(hitRoomBytes(sizeBytes))) return false
    } else holding.take(hitRoomBytes(sizeBytes))
    const texts = await Promise.all(batch.map(async (sized) => await this.#text(sized)))
    for (const [position, { found, isSearched }] of batch.entries()) {
      const text = texts[position]
      if (text !== undefined && this.#seenCount > 0 && this.#textBytes + text.length > MAX_ANSWER_BYTES) return false
      this.#seenCount++
      if (isSearched) this.#seenLast = found
      if (text !== undefined && isBehind(found, this.#shownLast)) this.#show(found, text)
      else this.#disagreements++
    }
    // The pieces, and the answer that is made of them.
    holding.settle(2 * this.#textBytes)
    return true
  }

  #show(found: Found, text: Buffer): void {
    const { ledger, index } = found
    this.#shownLast = found
    this.#texts.push(text)
    this.#textBytes += text.length
    const indexes = this.#shown.get(ledger)
    if (indexes === undefined) this.#shown.set(ledger, [index])
    else indexes.push(index)
  }

  async #sized(found: Found): Promise<Sized> {
    const { ledger, index, timeMs } = found
    const searched = this.#scope.ledgers.find(({ name }) => name === ledger)
    const isSearched =
      searched !== undefined && Number.isSafeInteger(timeMs) && Number.isSafeInteger(index) && index >= 0 && index < searched.size
    const sizeBytes = isSearched
      ? await this.#intact(async () => await eventBytes(this.#sources.ledgers, ledger, index))
      : undefined
    return { found, isSearched, sizeBytes }
  }

  /** The hit as JSON; undefined where the ledger does not bear the find out. */
  async #text({ found, sizeBytes }: Sized): Promise<Buffer | undefined> {
    if (sizeBytes === undefined) return undefined
    const { ledger, index } = found
    const stored = await this.#intact(async () => await this.#sources.ledgers.event(ledger, index))
    if (stored === undefined) return undefined
    const { ocsf, value } = this.#sources.normalise(stored.entry, stored.event)
    const document = documentOf(stored.entry, ocsf, value)
    const { query, sinceMs = -Infinity, untilMs = Infinity } = this.#scope
    const { timeMs } = document
    const isHit = timeMs === found.timeMs && timeMs >= sinceMs && timeMs < untilMs && matches(query, document, ledger)
    if (!isHit) return undefined
    const hit = hitOf(stored, ocsf)
    return Buffer.from(JSON.stringify(this.#withLedger ? { ledger, ...hit } : hit))
  }

  /** Undefined where what is stored is not what the tree has. */
  async #intact<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error
      this.#sources.onDamage(error)
      return undefined
    }
  }
}

/** Newest first, each once: whatever the index does. */
function isBehind(found: Found, last: Found | undefined): boolean {
  if (last === undefined || found.timeMs !== last.timeMs) return last === undefined || found.timeMs < last.timeMs
  return found.ledger === last.ledger ? found.index < last.index : found.ledger > last.ledger
}

/** Neighbours whose events are read together. */
function batchesOf(sized: readonly Sized[]): Sized[][] {
  const batches: Sized[][] = []
  let bytes = Infinity
  for (const one of sized) {
    const { sizeBytes = 0 } = one
    if (bytes + sizeBytes > BATCH_BYTES) {
      batches.push([])
      bytes = 0
    }
    batches.at(-1)?.push(one)
    bytes += sizeBytes
  }
  return batches
}
