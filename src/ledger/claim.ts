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
import type { RecentIds } from './recent-ids.ts'

/** Entries in all that one batch may have held against it, for each of its events. */
const MAX_SUSPICIONS_PER_EVENT = 2
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
  #same: ReadonlyMap<number, number> = new Map()
  #prior: ReadonlyMap<number, number> = new Map()
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
    const isJudged = this.#same.size + this.#prior.size > 0
    let indexes: Float64Array | undefined
    let positions = new Uint32Array(0)
    let storedCount = 0
    for (let position = 0; position < count; position++) {
      let same = isJudged ? this.#same.get(position) : undefined
      if (same === undefined && ids!.ends[position]! > 0) {
        const high = this.#highs[position]!
        const low = this.#lows[position]!
        const found = this.#ids.find(high, low, first)
        if (found > 0) same = this.#sameWithin(position, first, found, positions, indexes !== undefined, priors)
        if (same === undefined) this.#ids.add(high, low, first + storedCount)
      }
      if (same !== undefined && indexes === undefined) {
        indexes = Float64Array.from({ length: count }, (_, at) => first + at)
        positions = Uint32Array.from({ length: count }, (_, at) => at)
      }
      if (same === undefined) {
        const prior = isJudged ? this.#prior.get(position) : undefined
        if (prior !== undefined) priors.set(position, prior)
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
    const maxCount = MAX_SUSPICIONS_PER_EVENT * count + SPARE_SUSPICIONS
    for (let position = 0; position < count; position++) {
      if (ids!.ends[position] === 0) continue
      const found = this.#ids.find(this.#highs[position]!, this.#lows[position]!, first - this.#ids.windowCount)
      if (found === 0) continue
      lookedInto[position] = this.#ids.found[0]!
      for (let at = 0; at < found && suspicions.length < maxCount; at++) {
        suspicions.push({ position, index: this.#ids.found[at]! })
      }
    }
    this.#lookedInto = lookedInto
    return suspicions
  }

  found({ same, prior }: Verdicts): void {
    this.#same = same
    this.#prior = prior
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
      const found = this.#ids.find(this.#highs[position]!, this.#lows[position]!, floor)
      if (found > 0 && this.#ids.found[0]! > (this.#lookedInto?.[position] ?? -1)) return false
    }
    return true
  }

  /** The index of an event of this batch with the same bytes; where one has only the id, notes it as the prior one. */
  #sameWithin(
    position: number,
    first: number,
    foundCount: number,
    positions: Uint32Array,
    isSelected: boolean,
    priors: Map<number, number>,
  ): number | undefined {
    const { body, starts, ends, kinds, ids } = this.#batch
    const event = body.subarray(starts[position], ends[position])
    const id = body.subarray(ids!.starts[position], ids!.ends[position])
    for (let at = foundCount - 1; at >= 0; at--) {
      const index = this.#ids.found[at]!
      const other = isSelected ? positions[index - first]! : index - first
      if (kinds[other] !== kinds[position]) continue
      if (event.equals(body.subarray(starts[other], ends[other]))) return index
      if (!priors.has(position) && id.equals(body.subarray(ids!.starts[other], ids!.ends[other]))) {
        priors.set(position, priors.get(other) ?? index)
      }
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
