// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Which segments hold what is sealed, and their hashes by index. A running server replaces partial segments by longer
 * ones while this reads: where one went away, the list is read anew, for the same entries are in another one then.
 */
import { Frontier, hashLeaf } from '@stele/proof'
import { DataFault } from '../ledger/data-fault.ts'
import { platformNodeHasher } from '../ledger/hash-nodes.ts'
import { coverOf, listSegments } from '../ledger/segment/cover.ts'
import { SegmentReader } from '../ledger/segment/segment-reader.ts'
import { BUNDLE_ENTRIES, type Segment } from '../ledger/segment/segment.ts'
import { readSeal, type Seal } from '../ledger/seal.ts'
import { ObjectMissing, type ObjectStore } from '../ledger/store/object-store.ts'
import { HASH_BYTES } from '../ledger/wal/format.ts'
import type { SealedHashes } from './sealed-roots.ts'

const MAX_TRIES = 1_000
const KEPT_READERS = 64

interface Gap {
  readonly first: number
  readonly end: number
}

export interface CoverParts {
  readonly cover: readonly Segment[]
  readonly gaps: readonly Gap[]
}

export async function listed(store: ObjectStore): Promise<ReadonlyMap<string, readonly Segment[]>> {
  return await listSegments(store)
}

/** The cover as the server reads it, and beyond what is missing. */
export function coverParts(segments: readonly Segment[], size: number): CoverParts {
  const cover: Segment[] = []
  const gaps: Gap[] = []
  for (let from = 0; from < size;) {
    const part = coverOf(segments, size, from)
    cover.push(...part.cover)
    if (part.missing === undefined) break
    gaps.push(part.missing)
    from = part.missing.end
  }
  return { cover, gaps }
}

/** An object's path below the data directory. */
export function fileOf(key: string): string {
  return `segments/${key}`
}

export class SealedSource {
  readonly store: ObjectStore
  readonly #isRunning: boolean
  readonly #amended = new Map<string, Buffer>()
  readonly #excluded = new Set<string>()
  readonly #readers = new Map<string, Promise<SegmentReader>>()
  readonly #proven = new Map<string, Uint8Array>()
  #seal: Seal
  #segments: ReadonlyMap<string, readonly Segment[]> = new Map()
  #covers = new Map<string, CoverParts>()

  private constructor(store: ObjectStore, seal: Seal, isRunning: boolean) {
    this.store = store
    this.#seal = seal
    this.#isRunning = isRunning
  }

  static async open(store: ObjectStore, seal: Seal, isRunning: boolean): Promise<SealedSource> {
    const source = new SealedSource(store, seal, isRunning)
    await source.#list()
    return source
  }

  /** All pairs that are there, by ledger. */
  get segments(): ReadonlyMap<string, readonly Segment[]> {
    return this.#segments
  }

  /** Bytes of all segments that are read. */
  get coverBytes(): number {
    const all = [...this.#covers.values()].flatMap(({ cover }) => cover)
    return all.reduce((sum, { log, content }) => sum + log.sizeBytes + content.sizeBytes, 0)
  }

  /** Those that are read of a ledger, in order. */
  cover(ledger: string): CoverParts {
    return this.#covers.get(ledger) ?? { cover: [], gaps: [] }
  }

  /** Reads the list again; false where that changes nothing, since nobody else is at work here. */
  async refresh(): Promise<boolean> {
    if (!this.#isRunning) return false
    await this.#list()
    return true
  }

  /** Entries of a ledger that are sealed. */
  sizeOf(ledger: string): number {
    return this.#seal.ledgers.find(({ name }) => name === ledger)?.size ?? 0
  }

  /** Whether a segment would be read if its leaf hashes were the right ones. */
  isExcluded({ log }: Segment): boolean {
    return this.#excluded.has(log.key)
  }

  /** Whether a segment is there still. */
  has({ ledger, log }: Segment): boolean {
    return this.#segments.get(ledger)?.some((known) => known.log.key === log.key) === true
  }

  /**
   * Looks whether the leaf hashes of a segment that has flaws are those that its name's root is of, and takes those that
   * its entries have where they are; where neither is so, another segment has to do, or none.
   */
  async settleFlawed(segment: Segment): Promise<void> {
    const leaves = await this.#leavesOf(segment)
    if (leaves === undefined) this.#exclude(segment)
    else if (leaves !== 'stored') this.#amended.set(segment.log.key, leaves)
  }

  /** Takes the hashes of level 1 of a segment that was checked and has no flaw. */
  prove({ log }: Segment, parents: Uint8Array): void {
    this.#proven.set(log.key, parents)
  }

  /** The hash of a whole tile of entries, where all of it lies in one segment that has no flaw; else undefined. */
  provenTile(ledger: string, tile: number): Uint8Array | undefined {
    const { cover } = this.cover(ledger)
    const first = tile * BUNDLE_ENTRIES
    const segment = segmentAt(cover, first, 1)
    if (segment === undefined || segment !== segmentAt(cover, first + BUNDLE_ENTRIES - 1, 1)) return undefined
    const at = ((first - segment.first) / BUNDLE_ENTRIES) * HASH_BYTES
    const parents = Number.isInteger(at) ? this.#proven.get(segment.log.key) : undefined
    return parents !== undefined && at < parents.length ? parents.subarray(at, at + HASH_BYTES) : undefined
  }

  async reader(segment: Segment): Promise<SegmentReader> {
    const { key } = segment.log
    const reader = this.#readers.get(key) ?? SegmentReader.open(this.store, segment)
    this.#readers.delete(key)
    this.#readers.set(key, reader)
    reader.catch(() => this.#readers.delete(key))
    const [oldest] = this.#readers.keys()
    if (this.#readers.size > KEPT_READERS && oldest !== undefined) this.#readers.delete(oldest)
    return await reader
  }

  hashesOf(ledger: string): SealedHashes {
    return {
      leaves: async (start, count) =>
        await this.#each(ledger, 1, start, count, async (segment, from, part) => {
          const amended = this.#amended.get(segment.log.key)
          const at = (from - segment.first) * HASH_BYTES
          if (amended !== undefined) return amended.subarray(at, at + part * HASH_BYTES)
          return await (await this.reader(segment)).leaves(from, part)
        }),
      parents: async (start, count) =>
        await this.#each(ledger, BUNDLE_ENTRIES, start, count, async (segment, from, part) => {
          return await (await this.reader(segment)).parents(from, part)
        }),
    }
  }

  /** Segments are removed behind the seal: a list between two looks at the same one has all that it needs. */
  async #list(): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const head = this.#isRunning ? await this.store.readHead() : undefined
      const segments = await listed(this.store)
      if (this.#isRunning && (await this.store.readHead())?.version !== head?.version) continue
      const read = head === undefined ? undefined : readSeal(head.bytes)
      if (typeof read === 'object' && read.seal.commit > this.#seal.commit) this.#seal = read.seal
      this.#segments = segments
      this.#covers = this.#coversOf()
      return
    }
    throw new Error(`segments in ${this.store.where} come and go while they are listed`)
  }

  async #leavesOf(segment: Segment): Promise<Buffer | 'stored' | undefined> {
    const { first, count, root } = segment
    try {
      const reader = await this.reader(segment)
      const stored = await reader.leaves(first, count)
      if (rootOf(stored) === root) return 'stored'
      const amended = Buffer.from(stored)
      for (let start = first; start < first + count; start += BUNDLE_ENTRIES) {
        const entries = await reader.entries(start, Math.min(start + BUNDLE_ENTRIES, first + count))
        for (const [at, entry] of entries.entries()) amended.set(hashLeaf(entry), (start - first + at) * HASH_BYTES)
      }
      return rootOf(amended) === root ? amended : undefined
    } catch (error) {
      if (error instanceof DataFault || error instanceof ObjectMissing) return undefined
      throw error
    }
  }

  #exclude({ ledger, log }: Segment): void {
    this.#excluded.add(log.key)
    this.#covers.set(ledger, this.#coverOf(ledger, this.sizeOf(ledger)))
  }

  #coverOf(ledger: string, size: number): CoverParts {
    const segments = this.#segments.get(ledger) ?? []
    return coverParts(
      segments.filter(({ log }) => !this.#excluded.has(log.key)),
      size,
    )
  }

  #coversOf(): Map<string, CoverParts> {
    return new Map(this.#seal.ledgers.map(({ name, size }) => [name, this.#coverOf(name, size)]))
  }

  /** Reads hashes that stand for `width` entries each, from all segments that they lie in. */
  async #each(
    ledger: string,
    width: number,
    start: number,
    count: number,
    read: (segment: Segment, from: number, count: number) => Promise<Buffer>,
  ): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let from = start, tries = 0; from < start + count;) {
      const segment = segmentAt(this.cover(ledger).cover, from, width)
      if (segment === undefined) throw new ObjectMissing(`${ledger} ${from * width}`)
      const end = Math.floor((segment.first + segment.count) / width)
      const part = Math.min(start + count, end) - from
      try {
        parts.push(await read(segment, from, part))
        from += part
      } catch (error) {
        if (!(error instanceof ObjectMissing) || ++tries > MAX_TRIES || !(await this.refresh())) throw error
      }
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }
}

function rootOf(leaves: Buffer): string {
  const tree = new Frontier(platformNodeHasher())
  for (let at = 0; at < leaves.length; at += HASH_BYTES) tree.append(leaves, at)
  return Buffer.from(tree.root()).toString('hex')
}

/** The last segment of a cover that holds all entries below hash `at` of a level whose hashes stand for `width`. */
function segmentAt(cover: readonly Segment[], at: number, width: number): Segment | undefined {
  const [start, end] = [at * width, (at + 1) * width]
  let low = 0
  for (let high = cover.length; high - low > 1;) {
    const middle = Math.floor((low + high) / 2)
    if (cover[middle]!.first <= start) low = middle
    else high = middle
  }
  const segment = cover[low]
  return segment !== undefined && segment.first <= start && segment.first + segment.count >= end ? segment : undefined
}
