// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * One append of events that have ids, up to the moment at which it takes its indexes. `claim` is that moment: nothing
 * else happens between its look at what the ledger remembers and its own events being remembered, so two requests
 * with the same event never both store it. Where it finds an entry that nobody has looked into, it withdraws.
 */
import assert from 'node:assert/strict'
import { type Batch, selection } from './batch.ts'
import type { Verdicts, Suspicion } from './duplicates.ts'
import { Fingerprint } from './fingerprint.ts'
import { lengthTag, type RecentIds } from './recent-ids.ts'

/** Entries in all that one batch may have held against it: one for each of its events, and these. */
const SPARE_SUSPICIONS = 64

export interface IdSeeds {
  readonly high: number
  readonly low: number
}

export class Claim {
  /** What is to be stored, once the claim is made. */
  stored: Batch
  /** Index of each event of the batch, once the claim is made. */
  indexes: Float64Array | undefined
  readonly #batch: Batch
  readonly #ids: RecentIds
  readonly #highs: Uint32Array
  readonly #lows: Uint32Array
  readonly #same = new Map<number, number>()
  /** The newest entry that was looked into for each event; undefined before the first look. */
  #lookedInto: Float64Array | undefined

  constructor(batch: Batch, ids: RecentIds, seeds: IdSeeds) {
    this.stored = batch
    this.#batch = batch
    this.#ids = ids
    this.#highs = new Uint32Array(batch.count)
    this.#lows = new Uint32Array(batch.count)
    this.#takeFingerprints(seeds)
  }

  /**
   * Takes indexes from `first` on for what is new: false where an event may be in an entry that was not looked into,
   * unless that does not matter any more. `ext` texts and `stored` are set, and `indexes` where they do not follow
   * each other.
   */
  make(first: number, demand: 'looked into' | 'whatever'): boolean {
    if (demand === 'looked into' && !this.#isLookedInto(first)) return false
    const { count, ids } = this.#batch
    const priors = new Map<number, number>()
    const floor = first - this.#ids.windowCount
    const isJudged = this.#same.size > 0
    let indexes: Float64Array | undefined
    let positions = new Uint32Array(0)
    let storedCount = 0
    for (let position = 0; position < count; position++) {
      let same = isJudged ? this.#same.get(position) : undefined
      if (same === undefined && ids!.ends[position]! > 0) {
        const high = this.#highs[position]!
        const low = this.#lows[position]!
        const tag = this.#tag(position)
        const found = this.#ids.find(high, low, floor, tag)
        const prior = this.#ids.first
        if (found > 0) same = this.#sameWithin(position, first, found, positions, indexes !== undefined)
        if (same === undefined) {
          this.#ids.add(high, low, first + storedCount, tag, prior)
          if (prior !== -1) priors.set(position, prior)
        }
      }
      if (same !== undefined && indexes === undefined) {
        indexes = Float64Array.from({ length: count }, (_, at) => first + at)
        positions = Uint32Array.from({ length: count }, (_, at) => at)
      }
      if (same === undefined) {
        if (indexes !== undefined) {
          positions[storedCount] = position
          indexes[position] = first + storedCount
        }
        storedCount++
      } else indexes![position] = same
    }
    this.indexes = indexes
    this.stored = this.#toStore(indexes === undefined ? undefined : positions.subarray(0, storedCount), priors)
    return true
  }

  /** The entries that are to be looked into, of which `found` is told afterwards. */
  suspicions(first: number): Suspicion[] {
    const { count, ids } = this.#batch
    const lookedInto = new Float64Array(count).fill(-1)
    const suspicions: Suspicion[] = []
    const maxCount = count + SPARE_SUSPICIONS
    const floor = first - this.#ids.windowCount
    for (let position = 0; position < count; position++) {
      if (ids!.ends[position] === 0) continue
      const found = this.#find(position, floor)
      if (found === 0) continue
      lookedInto[position] = this.#ids.found[0]!
      for (let at = 0; at < found && suspicions.length < maxCount; at++) {
        const index = this.#ids.found[at]!
        // What was looked into before has other bytes, or is known.
        if (index > (this.#lookedInto?.[position] ?? -1)) suspicions.push({ position, index })
      }
    }
    this.#lookedInto = lookedInto
    return suspicions
  }

  found({ same }: Verdicts): void {
    for (const [position, index] of same) if (!this.#same.has(position)) this.#same.set(position, index)
  }

  #tag(position: number): number {
    return lengthTag(this.#batch.ends[position]! - this.#batch.starts[position]!)
  }

  #find(position: number, floor: number): number {
    return this.#ids.find(this.#highs[position]!, this.#lows[position]!, floor, this.#tag(position))
  }

  #takeFingerprints(seeds: IdSeeds): void {
    const { body, count, ids, kinds, sources, asserted } = this.#batch
    assert(ids !== undefined)
    const print = new Fingerprint()
    const seedsOf = sources.map((source) => sourceSeeds(seeds, source, asserted))
    for (let position = 0; position < count; position++) {
      const start = ids.starts[position]!
      const end = ids.ends[position]!
      if (end === 0) continue
      const { high, low } = seedsOf[kinds[position]!]!
      print.take(high, low, body, start, end)
      this.#highs[position] = print.high
      this.#lows[position] = print.low
    }
  }

  #isLookedInto(first: number): boolean {
    const { count, ids } = this.#batch
    const floor = first - this.#ids.windowCount
    assert(this.#ids.touch(this.#lows) >= 0)
    for (let position = 0; position < count; position++) {
      if (ids!.ends[position] === 0) continue
      const found = this.#find(position, floor)
      if (found > 0 && this.#ids.found[0]! > (this.#lookedInto?.[position] ?? -1)) return false
    }
    return true
  }

  /** The index of an event of this batch with the same bytes. */
  #sameWithin(
    position: number,
    first: number,
    foundCount: number,
    positions: Uint32Array,
    isSelected: boolean,
  ): number | undefined {
    const { body, starts, ends, kinds } = this.#batch
    for (let at = foundCount - 1; at >= 0; at--) {
      const index = this.#ids.found[at]!
      if (index < first) continue
      const other = isSelected ? positions[index - first]! : index - first
      if (kinds[other] !== kinds[position]) continue
      // Compared where they lie: views would cost more than the bytes.
      if (body.compare(body, starts[other], ends[other], starts[position], ends[position]) === 0) return index
    }
    return undefined
  }

  #toStore(positions: Uint32Array | undefined, priors: ReadonlyMap<number, number>): Batch {
    const chosen = positions === undefined ? this.#batch : selection(this.#batch, positions)
    if (priors.size === 0) return chosen
    const ext = new Map<number, string>()
    for (let at = 0; at < chosen.count; at++) {
      const prior = priors.get(positions === undefined ? at : positions[at]!)
      if (prior !== undefined) ext.set(at, JSON.stringify({ prior }))
    }
    return { ...chosen, ext }
  }
}

/** With what the fingerprints of a source's ids are begun: another where its type was recognised and not named. */
export function sourceSeeds({ high, low }: IdSeeds, source: string, asserted: boolean): IdSeeds {
  const print = new Fingerprint()
  const bytes = Buffer.from(`${asserted ? '' : '?'}${source}`)
  print.take(high, low, bytes, 0, bytes.length)
  return { high: print.high, low: print.low }
}
