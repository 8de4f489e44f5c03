// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * From what the index says it found to what is answered. The index is never believed: each event is read from the
 * ledger, where it is held against the tree, put into its OCSF form anew, and asked the query again. What the index
 * claims and the ledger does not bear out is left out and counted. Room for events is taken before they are read, and
 * an answer has a bound in bytes: a page that would be larger ends earlier.
 */
import { DamagedError, type StoredEvent } from '../ledger/read.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import type { Found, HitOrder, SearchScope } from '../index/search.ts'
import { documentOf, type SearchDocument } from '../query/document.ts'
import { costOf, matches } from '../query/evaluate.ts'
import type { OcsfEvent } from '../schema/ocsf.ts'
import type { Holding } from './budget.ts'
import { hitOf, hitRoomBytes } from './content.ts'
import type { Normalise } from './route.ts'

const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** Characters that asking the events of one page may look at: about a tenth of a second of this process. */
const MAX_ASKED_CHARS = 32 * 1024 * 1024
/** Events that are read at the same time. */
const BATCH_COUNT = 64

export interface HitSources {
  readonly ledgers: Ledgers
  readonly normalise: Normalise
  readonly holding: Holding
  readonly gone: AbortSignal
  /** Whether the index's rows were made by these mappings, so that an event must say what its row says. */
  readonly isCurrent: boolean
  readonly onDamage: (error: DamagedError) => void
}

/** An event that the ledger bears out. */
export interface ReadHit {
  readonly ledger: string
  readonly stored: StoredEvent
  readonly ocsf: OcsfEvent
  readonly document: SearchDocument
}

/** How a hit is answered; undefined where it is not what was asked for. */
export type HitForm = (hit: ReadHit) => Buffer | undefined | Promise<Buffer | undefined>

/** The hit alone, as JSON; `withLedger` where several were searched. */
export function hitForm(withLedger: boolean): HitForm {
  return (hit) => Buffer.from(JSON.stringify(hitMembers(hit, withLedger)))
}

export function hitMembers({ ledger, stored, ocsf }: ReadHit, withLedger: boolean): object {
  const hit = hitOf(stored, ocsf)
  return withLedger ? { ledger, ...hit } : hit
}

export interface HitWish {
  readonly scope: SearchScope
  readonly order: HitOrder
  /** The last hit of the page before. */
  readonly after: Found | undefined
  readonly form: HitForm
  readonly maxBytes?: number
}

export interface HitPage {
  /** Each hit in its form. */
  readonly texts: readonly Buffer[]
  /** The entries that are in them, in their order, by ledger. */
  readonly shown: ReadonlyMap<string, readonly number[]>
  readonly disagreements: number
  /** How many of the finds were gone through: the rest did not fit. */
  readonly seenCount: number
  /** The last of those that is of the ledgers that were searched. */
  readonly last: Found | undefined
  /** The last that is shown, on this page or one before. */
  readonly shownLast: Found | undefined
}

/** What became of a find. */
type Read =
  | { readonly text: Buffer }
  /** The ledger does not bear it out. */
  | 'disagrees'
  /** It is not even of what was searched. */
  | 'foreign'
  | 'does not fit'

class NoRoom extends Error {
  override readonly name = 'NoRoom'
}

export class HitReader {
  #askedChars = 0
  readonly #sources: HitSources
  readonly #wish: HitWish
  readonly #maxBytes: number
  readonly #texts: Buffer[] = []
  readonly #shown = new Map<string, number[]>()
  #shownLast: Found | undefined
  #seenLast: Found | undefined
  #textBytes = 0
  /** Of events that are being read. */
  #pendingBytes = 0
  #disagreements = 0
  #seenCount = 0

  constructor(sources: HitSources, wish: HitWish) {
    this.#sources = sources
    this.#wish = wish
    this.#shownLast = wish.after
    this.#maxBytes = wish.maxBytes ?? MAX_ANSWER_BYTES
  }

  /** Reads as many of the finds as fit, but at least one. Throws `overloaded` where there is no room for that. */
  async read(finds: readonly Found[]): Promise<HitPage> {
    const { holding, gone } = this.#sources
    for (let at = 0; at < finds.length && at === this.#seenCount; at += BATCH_COUNT) {
      gone.throwIfAborted()
      this.#pendingBytes = 0
      const batch = finds.slice(at, at + BATCH_COUNT)
      // All of them have to be over before the room of the request can be given back.
      const reads = await Promise.allSettled(
        batch.map(async (found, position) => await this.#read(found, at + position === 0)),
      )
      for (const [position, found] of batch.entries()) {
        const read = reads[position]!
        if (read.status === 'rejected') throw read.reason
        if (!this.#take(found, read.value)) break
      }
      // The pieces, and the answer that is made of them.
      holding.settle(2 * this.#textBytes)
    }
    return {
      texts: this.#texts,
      shown: this.#shown,
      disagreements: this.#disagreements,
      seenCount: this.#seenCount,
      last: this.#seenLast,
      shownLast: this.#shownLast,
    }
  }

  /** False where the page ends before this one. */
  #take(found: Found, read: Read): boolean {
    if (read === 'does not fit') return false
    const { length } = typeof read === 'string' ? '' : read.text
    if (this.#seenCount > 0 && this.#textBytes + length > this.#maxBytes) return false
    this.#seenCount++
    if (read !== 'foreign') this.#seenLast = found
    if (typeof read !== 'string' && isBehind(found, this.#shownLast, this.#wish.order)) this.#show(found, read.text)
    else this.#disagreements++
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

  async #read(found: Found, isFirst: boolean): Promise<Read> {
    const { ledgers, onDamage } = this.#sources
    if (!isWithin(found, this.#wish.scope)) return 'foreign'
    const { ledger, index } = found
    try {
      const stored = await ledgers.event(ledger, index, (bytes) => this.#admit(bytes, isFirst))
      return await this.#asked(found, stored, isFirst)
    } catch (error) {
      if (error instanceof NoRoom) return 'does not fit'
      if (!(error instanceof DamagedError)) throw error
      onDamage(error)
      return 'disagrees'
    }
  }

  /** The first of a page is always read, or nothing ever would be. */
  #admit(contentBytes: number, isFirst: boolean): void {
    const { holding } = this.#sources
    const bytes = hitRoomBytes(contentBytes)
    if (isFirst) holding.take(bytes)
    else if (this.#textBytes + this.#pendingBytes + contentBytes > this.#maxBytes || !holding.tries(bytes)) {
      throw new NoRoom()
    }
    this.#pendingBytes += contentBytes
  }

  /** Asks the event itself. */
  async #asked({ ledger, timeMs }: Found, stored: StoredEvent, isFirst: boolean): Promise<Read> {
    const { entry, event } = stored
    const { ocsf, value } = this.#sources.normalise(entry, event)
    const document = documentOf(entry, ocsf, value)
    this.#askedChars += costOf(this.#wish.scope.query, document)
    if (this.#askedChars > MAX_ASKED_CHARS && !isFirst) return 'does not fit'
    const { query, sinceMs = -Infinity, untilMs = Infinity } = this.#wish.scope
    const isHit =
      timeMs === document.timeMs && timeMs >= sinceMs && timeMs < untilMs && matches(query, document, ledger)
    if (!isHit && this.#sources.isCurrent) return 'disagrees'
    const text = await this.#wish.form({ ledger, stored, ocsf, document })
    return text === undefined ? 'disagrees' : { text }
  }
}

/** What the index names may be anything: only what was searched is looked at. */
function isWithin({ ledger, index, timeMs }: Found, { ledgers }: SearchScope): boolean {
  const searched = ledgers.find(({ name }) => name === ledger)
  if (searched === undefined || !Number.isSafeInteger(timeMs)) return false
  return Number.isSafeInteger(index) && index >= 0 && index < searched.size
}

/** In their order, each once: whatever the index does. */
function isBehind(found: Found, last: Found | undefined, order: HitOrder): boolean {
  if (last === undefined) return true
  return order === 'newest' ? comesBefore(last, found) : comesBefore(found, last)
}

/** Whether one comes before the other where the newest are first. */
export function comesBefore(one: Found, other: Found): boolean {
  if (one.timeMs !== other.timeMs) return one.timeMs > other.timeMs
  return one.ledger === other.ledger ? one.index > other.index : one.ledger < other.ledger
}
