// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The entries of one ledger that are read from segments. Leaf hashes are held against the roots in the segments' names,
 * which a start holds against the seal; entries and contents are, by whoever hands them out, against these.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type Hash, type Subtree, TILE_WIDTH } from '@stele/proof'
import type { Disk } from '../platform/disk.ts'
import type { FileCache } from './file-cache.ts'
import type { Admit } from './read.ts'
import { PerfectTrees } from './segment/perfect-tree.ts'
import { ProvenLeaves } from './segment/proven-leaves.ts'
import type { Segment } from './segment/segment.ts'
import { SegmentReader } from './segment/segment-reader.ts'
import type { SpanReading } from './segment/span.ts'
import { DirectoryStore } from './store/directory-store.ts'
import type { ObjectStore } from './store/object-store.ts'
import { HASH_BYTES } from './wal/format.ts'

/** Of open segments: of whole ones with events of 1 KB, one takes 36 KB. */
const KEPT_BYTES = 48 * 1024 * 1024
/** Of one beside its tables: the hashes that lead to its tiles, and the objects themselves. */
const READER_BYTES = 16 * 1024

export interface OpenSegment {
  readonly reader: SegmentReader
  readonly proven: ProvenLeaves
}

async function openSegment(store: ObjectStore, segment: Segment, reading?: SpanReading): Promise<OpenSegment> {
  const reader = await SegmentReader.open(store, segment, reading)
  return { reader, proven: new ProvenLeaves(reader) }
}

/** Open segments, bounded; segments never change, so one that was opened stays good. */
export class SegmentReaders {
  readonly #store: ObjectStore
  readonly #reading: SpanReading | undefined
  readonly #keptBytes: number
  readonly #kept = new Map<string, { readonly opened: Promise<OpenSegment>; heldBytes: number }>()
  #heldBytes = 0

  constructor(store: ObjectStore, reading?: SpanReading, keptBytes = KEPT_BYTES) {
    this.#store = store
    this.#reading = reading
    this.#keptBytes = keptBytes
  }

  /** Bytes of memory that open segments take. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  async open(segment: Segment): Promise<OpenSegment> {
    const { key } = segment.log
    const kept = this.#kept.get(key) ?? this.#opening(segment)
    // The last used stands last.
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    return await kept.opened
  }

  #opening(segment: Segment): { readonly opened: Promise<OpenSegment>; heldBytes: number } {
    const { key } = segment.log
    const kept = { opened: openSegment(this.#store, segment, this.#reading), heldBytes: 0 }
    kept.opened.then(
      ({ reader }) => this.#hold(key, kept, READER_BYTES + reader.heldBytes),
      () => this.#drop(key, kept),
    )
    return kept
  }

  #hold(key: string, kept: { heldBytes: number }, bytes: number): void {
    if (this.#kept.get(key) !== kept) return
    kept.heldBytes = bytes
    this.#heldBytes += bytes
    for (const [oldest, { heldBytes }] of this.#kept) {
      if (this.#heldBytes <= this.#keptBytes) return
      this.#kept.delete(oldest)
      this.#heldBytes -= heldBytes
    }
  }

  #drop(key: string, kept: { heldBytes: number }): void {
    if (this.#kept.get(key) === kept) this.#kept.delete(key)
  }
}

/** Below the data directory. */
export const SEGMENTS = 'segments'

/** Where the segments of a data directory are, and those of them that are open. */
export interface SegmentParts {
  readonly store: ObjectStore
  readonly readers: SegmentReaders
}

export function segmentParts(disk: Disk, directory: string, cache: FileCache, reading?: SpanReading): SegmentParts {
  const store = new DirectoryStore(disk, join(directory, SEGMENTS), cache)
  return { store, readers: new SegmentReaders(store, reading) }
}

export class SealedEntries {
  /** Entries below it are sealed. */
  readonly size: number
  readonly cover: readonly Segment[]
  readonly #readers: SegmentReaders

  /** `cover` leaves no gap from 0 to `size`. */
  constructor(readers: SegmentReaders, cover: readonly Segment[], size: number) {
    this.#readers = readers
    this.cover = cover
    this.size = size
  }

  /** Where the segment ends that holds entry `index`, as far as it is sealed. */
  endOfSegment(index: number): number {
    const { first, count } = this.#at(index)
    return first + count
  }

  /** Leaf hashes that were held against the roots of their segments. */
  async leaves(start: number, count: number): Promise<Buffer> {
    const parts: Buffer[] = []
    await this.#each(start, start + count, async ({ proven }, from, end) => {
      parts.push(await proven.leaves(from, end - from))
    })
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Roots of subtrees of one tile, held against the root of its segment; undefined where the tile is not whole there. */
  async subtrees(tile: number, subtrees: readonly Subtree[]): Promise<Hash[] | undefined> {
    const start = tile * TILE_WIDTH
    if (start + TILE_WIDTH > this.size) return undefined
    const segment = this.#at(start)
    if (start + TILE_WIDTH > segment.first + segment.count) return undefined
    const { proven } = await this.#readers.open(segment)
    return await proven.subtrees(tile, subtrees)
  }

  /** Leaf hashes held against nothing: for whoever computes the root of all. */
  async storedLeaves(start: number, count: number): Promise<Buffer> {
    const parts: Buffer[] = []
    await this.#each(start, start + count, async ({ reader }, from, end) => {
      parts.push(await reader.leaves(from, end - from))
    })
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Root, hex, of the tree that the roots in the names of the segments make, with the leaves of those that are no subtrees. */
  async root(): Promise<string> {
    const tree = new PerfectTrees()
    for (const segment of this.cover) {
      const end = Math.min(segment.first + segment.count, this.size)
      if (tree.size === segment.first && end === segment.first + segment.count && tree.takes(segment.count)) {
        tree.add(Buffer.from(segment.root, 'hex'), segment.count)
        continue
      }
      const { proven } = await this.#readers.open(segment)
      const leaves = await proven.leaves(tree.size, end - tree.size)
      for (let at = 0; at < leaves.length; at += HASH_BYTES) tree.add(leaves.subarray(at, at + HASH_BYTES), 1)
    }
    return Buffer.from(tree.root()).toString('hex')
  }

  async entries(start: number, end: number): Promise<Buffer[]> {
    const entries: Buffer[] = []
    await this.#each(start, end, async ({ reader }, from, to) => {
      entries.push(...(await reader.entries(from, to)))
    })
    return entries
  }

  async contents(start: number, end: number, admit: Admit): Promise<Buffer[]> {
    const contents: Buffer[] = []
    await this.#each(start, end, async ({ reader }, from, to) => {
      contents.push(...(await reader.contents(from, to, admit)))
    })
    return contents
  }

  async #each(
    start: number,
    end: number,
    read: (open: OpenSegment, from: number, end: number) => Promise<void>,
  ): Promise<void> {
    for (let from = start; from < end;) {
      const segment = this.#at(from)
      const to = Math.min(end, segment.first + segment.count)
      await read(await this.#readers.open(segment), from, to)
      from = to
    }
  }

  /** By bisection: the last segment that begins at or before the index. */
  #at(index: number): Segment {
    assert(index >= 0 && index < this.size)
    let low = 0
    for (let high = this.cover.length; high - low > 1;) {
      const middle = Math.floor((low + high) / 2)
      if (this.cover[middle]!.first <= index) low = middle
      else high = middle
    }
    return this.cover[low]!
  }
}
