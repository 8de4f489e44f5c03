// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Which entries of a ledger may have an event's id: for the last so many entries, fingerprints, indexes, lengths and the
 * first entry with the id, in 30 bytes each. A ring in the order of the ledger, and chains through it from the newest to the oldest of a bucket. What it
 * answers is where to look, never that something is so: a fingerprint may be another id's, and a part of the ring may
 * have been given up for want of room.
 */
import assert from 'node:assert/strict'

/** high, low, the next older slot of the bucket (from 1; 0 for none), the index's last 32 bits. */
const SLOT_WORDS = 4
const BUCKETS_PER_SLOT = 2
const FIRST_CAPACITY = 256
/** Entries of one id and one length that are looked at, the newest first. */
export const MAX_CANDIDATES = 4
/** Steps in a chain, whatever is in it. */
const MAX_STEPS = 64

export const RECORD_BYTES = 16

/** What is remembered of an event's length: events of one length have the same. */
export function lengthTag(sizeBytes: number): number {
  return 1 + (sizeBytes % 65_535)
}

/** Ids that all ledgers remember together: 63 MB. */
const MAX_SLOTS = 2 ** 21

/** Room for all ledgers: who grows takes from who has most. */
export class IdRoom {
  readonly #maxSlots: number
  readonly #windows = new Set<RecentIds>()

  constructor(maxSlots: number = MAX_SLOTS) {
    this.#maxSlots = maxSlots
  }

  join(window: RecentIds): void {
    this.#windows.add(window)
  }

  /** Whether `window` may have twice as many slots as it has. */
  mayDouble(window: RecentIds): boolean {
    let used = 0
    let largest = window
    for (const other of this.#windows) {
      used += other.capacity
      if (other.capacity > largest.capacity) largest = other
    }
    if (used + window.capacity <= this.#maxSlots) return true
    // Halved it still has twice what the other then has: nobody takes it back at once.
    if (largest.capacity < window.capacity * 4) return false
    largest.halve()
    return true
  }
}

export class RecentIds {
  /** The last entries that count: an older one is forgotten, remembered or not. */
  readonly windowCount: number
  /** Indexes that the last `find` found, the newest first; as many as it said. */
  readonly found = new Float64Array(MAX_CANDIDATES)
  /** The first entry with the id that the last `find` knows of, whatever its length; -1 for none. */
  first = -1
  readonly #room: IdRoom
  #slots = new Uint32Array(FIRST_CAPACITY * SLOT_WORDS)
  #buckets = new Uint32Array(FIRST_CAPACITY * BUCKETS_PER_SLOT)
  /** Of each slot, by its event's length; 0 where that is not known. */
  #tags = new Uint16Array(FIRST_CAPACITY)
  /** Of each slot, how far behind it the first entry with the id is. */
  #priors = new Uint32Array(FIRST_CAPACITY)
  /** How many were ever added; number n is in slot n modulo the capacity. */
  #addedCount: number
  #keptCount = 0
  #next: number
  #newest = -1
  #newestLow = 0
  /** Until so many were added there is no use in asking for more room. */
  #askAgainAt = 0

  /** `addedCount` were added before, and are not here. */
  constructor(room: IdRoom, windowCount: number, addedCount = 0) {
    this.#room = room
    this.windowCount = windowCount
    this.#addedCount = addedCount
    this.#next = addedCount % FIRST_CAPACITY
    room.join(this)
  }

  get capacity(): number {
    return this.#slots.length / SLOT_WORDS
  }

  /** The newest entry that is remembered, -1 for none. */
  get newest(): number {
    return this.#newest
  }

  get addedCount(): number {
    return this.#addedCount
  }

  /**
   * Brings what `find` will look at into the processor's cache: memory answers many loads that do not wait for each other
   * in about the time of one. What it answers means nothing; that it is used keeps the loads from being left out.
   */
  touch(lows: Uint32Array): number {
    const slots = this.#slots
    const buckets = this.#buckets
    const mask = buckets.length - 1
    const heads = new Uint32Array(lows.length)
    for (let at = 0; at < lows.length; at++) heads[at] = buckets[lows[at]! & mask]!
    let used = 0
    for (let at = 0; at < lows.length; at++) if (heads[at]! > 0) used += slots[(heads[at]! - 1) * SLOT_WORDS]!
    return used
  }

  /** Finds the entries from `floor` on that may have the id and as many bytes; answers how many `found` holds. */
  find(high: number, low: number, floor: number, tag: number): number {
    const slots = this.#slots
    const newest = this.#newest
    let slot = this.#buckets[low & (this.#buckets.length - 1)]!
    let lastAge = -1
    let count = 0
    let isFirstKnown = false
    this.first = -1
    for (let step = 0; step < MAX_STEPS && slot > 0; step++) {
      const at = (slot - 1) * SLOT_WORDS
      const age = this.#age(slots[at + 3]!)
      // A slot that was used again is younger than what leads to it: the chain ended before.
      if (age <= lastAge || newest - age < floor) break
      lastAge = age
      if (slots[at] === high && slots[at + 1] === low) {
        const slotTag = this.#tags[slot - 1]!
        if (!isFirstKnown) {
          const behind = this.#priors[slot - 1]!
          this.first = newest - age - behind
          isFirstKnown = behind > 0
        }
        if (count < MAX_CANDIDATES && (slotTag === tag || slotTag === 0)) this.found[count++] = newest - age
        if (count === MAX_CANDIDATES && isFirstKnown) break
      }
      slot = slots[at + 2]!
    }
    return count
  }

  /** Remembers that the entry `index`, which is newer than all before, may have the id, and `first` before it. */
  add(high: number, low: number, index: number, tag: number, first = -1): void {
    assert(index > this.#newest)
    if (this.#keptCount === this.capacity && this.#addedCount >= this.#askAgainAt) this.#makeRoom(index)
    this.#put(high, low, lastBits(index), tag, first === -1 || index - first >= 2 ** 32 ? 0 : index - first)
    this.#newest = index
    this.#newestLow = lastBits(index)
    this.#addedCount++
  }

  /** Records of those that were added as number `from` and later and are of entries before `size`, as they are kept. */
  records(from: number, size: number): { readonly from: number; readonly bytes: Buffer } {
    const start = Math.max(from, this.#addedCount - this.#keptCount)
    const bytes = Buffer.allocUnsafe(Math.max(0, this.#addedCount - start) * RECORD_BYTES)
    let end = 0
    for (let number = start; number < this.#addedCount; number++) {
      const slot = number % this.capacity
      const at = slot * SLOT_WORDS
      const index = this.#newest - this.#age(this.#slots[at + 3]!)
      if (index >= size) break
      bytes.writeUInt16BE(this.#tags[slot]!, end)
      bytes.writeUIntBE(index, end + 2, 6)
      bytes.writeUInt32BE(this.#slots[at]!, end + 8)
      bytes.writeUInt32BE(this.#slots[at + 1]!, end + 12)
      end += RECORD_BYTES
    }
    return { from: start, bytes: bytes.subarray(0, end) }
  }

  /** Gives up the older half. */
  halve(): void {
    this.#resize(this.capacity / 2)
  }

  #put(high: number, low: number, indexLow: number, tag: number, behind: number): void {
    const { capacity } = this
    const bucket = low & (this.#buckets.length - 1)
    const at = this.#next * SLOT_WORDS
    this.#slots[at] = high
    this.#slots[at + 1] = low
    this.#slots[at + 2] = this.#buckets[bucket]!
    this.#slots[at + 3] = indexLow
    this.#tags[this.#next] = tag
    this.#priors[this.#next] = behind
    this.#buckets[bucket] = this.#next + 1
    this.#next = this.#next + 1 === capacity ? 0 : this.#next + 1
    if (this.#keptCount < capacity) this.#keptCount++
  }

  /** How far behind the newest entry one is whose index ends in these 32 bits. */
  #age(indexLow: number): number {
    return (this.#newestLow - indexLow) >>> 0
  }

  /** The oldest goes; unless it counts still, and there is room for it. */
  #makeRoom(index: number): void {
    const oldest = this.#newest - this.#age(this.#slots[this.#next * SLOT_WORDS + 3]!)
    if (oldest <= index - this.windowCount) return
    if (this.#room.mayDouble(this)) this.#resize(this.capacity * 2)
    else this.#askAgainAt = this.#addedCount + this.capacity
  }

  #resize(capacity: number): void {
    const old = this.#slots
    const tags = this.#tags
    const priors = this.#priors
    const oldCapacity = this.capacity
    const keptCount = Math.min(this.#keptCount, capacity)
    this.#slots = new Uint32Array(capacity * SLOT_WORDS)
    this.#buckets = new Uint32Array(capacity * BUCKETS_PER_SLOT)
    this.#tags = new Uint16Array(capacity)
    this.#priors = new Uint32Array(capacity)
    this.#keptCount = 0
    this.#next = (this.#addedCount - keptCount) % capacity
    for (let number = this.#addedCount - keptCount; number < this.#addedCount; number++) {
      const slot = number % oldCapacity
      const at = slot * SLOT_WORDS
      this.#put(old[at]!, old[at + 1]!, old[at + 3]!, tags[slot]!, priors[slot]!)
    }
  }
}

/** An index within 2^32 of another can be told from these. */
function lastBits(index: number): number {
  return index >>> 0
}
