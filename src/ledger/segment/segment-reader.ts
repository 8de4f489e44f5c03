// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads a segment by index. What it hands out has the form of what was written; whether it is that, the caller sees by
 * the tree: entries by their leaves, contents by what their entries commit to.
 */
import assert from 'node:assert/strict'
import { DataFault } from '../data-fault.ts'
import type { Admit } from '../read.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { HASH_BYTES } from '../wal/format.ts'
import { TWIG_ENTRIES } from './perfect-tree.ts'
import { SegmentObject } from './segment-object.ts'
import type { SpanReading } from './span.ts'
import { BUNDLE_ENTRIES, type Segment } from './segment.ts'

/** Of a row of a table in memory: two numbers of 32 bits and one of 64. */
const TABLE_ROW_BYTES = 16
/** Leaves that are read at once. */
const LEAVES_COUNT = 8_192

export interface SegmentEntry {
  readonly index: number
  readonly entry: Buffer
  readonly leaf: Buffer
  readonly content: Buffer
}

/** Consecutive entries: as many leaf hashes and contents. */
export interface SegmentRun {
  readonly first: number
  readonly entries: readonly Buffer[]
  readonly leaves: Buffer
  readonly contents: readonly Buffer[]
}

export class SegmentReader {
  readonly segment: Segment
  /** `<name>/<install id>/<ledger>` of the log that this was written for. */
  readonly origin: string
  readonly log: SegmentObject
  readonly content: SegmentObject

  private constructor(segment: Segment, log: SegmentObject, content: SegmentObject) {
    this.segment = segment
    this.origin = log.origin
    this.log = log
    this.content = content
  }

  /** Reads headers, footers and tables and holds them against the names; rejects with a DataFault. */
  static async open(store: ObjectStore, segment: Segment, reading?: SpanReading): Promise<SegmentReader> {
    const [log, content] = await Promise.all([
      SegmentObject.open(store, segment, 'log', reading),
      SegmentObject.open(store, segment, 'content', reading),
    ])
    if (log.origin !== content.origin) {
      throw new DataFault(content.file, 16, 'the objects are of two logs', log.origin, content.origin)
    }
    return new SegmentReader(segment, log, content)
  }

  /** Bytes of memory that it takes while it is open. */
  get heldBytes(): number {
    return this.log.table.ends.length * TABLE_ROW_BYTES + this.content.table.ends.length * TABLE_ROW_BYTES
  }

  /** Index behind the last entry. */
  get end(): number {
    return this.segment.first + this.segment.count
  }

  /** Leaf hashes of `count` entries from index `start` on. */
  async leaves(start: number, count: number): Promise<Buffer> {
    const ordinal = this.#ordinal(start, start + count)
    return await this.log.read(this.log.partsEnd + ordinal * HASH_BYTES, count * HASH_BYTES)
  }

  /** Hashes of level 1, by their positions in that level of the whole tree. */
  async parents(start: number, count: number): Promise<Buffer> {
    const ordinal = start - this.segment.first / BUNDLE_ENTRIES
    assert(ordinal >= 0 && count >= 0 && ordinal + count <= Math.floor(this.segment.count / BUNDLE_ENTRIES))
    const before = this.segment.count + Math.floor(this.segment.count / TWIG_ENTRIES)
    return await this.log.read(this.log.partsEnd + (before + ordinal) * HASH_BYTES, count * HASH_BYTES)
  }

  /** Hashes over 16 leaves each, counted from the segment's first. */
  async twigs(start: number, count: number): Promise<Buffer> {
    assert(start >= 0 && count >= 0 && start + count <= Math.floor(this.segment.count / TWIG_ENTRIES))
    return await this.log.read(this.log.partsEnd + (this.segment.count + start) * HASH_BYTES, count * HASH_BYTES)
  }

  async entries(start: number, end: number): Promise<Buffer[]> {
    return await this.#items(this.log, start, end)
  }

  /** Contents (salt ‖ event); `admit` is told of the bytes of all blocks that have to be decompressed, before that. */
  async contents(start: number, end: number, admit?: Admit): Promise<Buffer[]> {
    const { content } = this
    if (admit !== undefined && end > start) {
      const [from, to] = rows(content, this.#ordinal(start, end), end - this.segment.first)
      admit(content.table.rawBytes.subarray(from, to).reduce((sum, bytes) => sum + bytes, 0))
    }
    return await this.#items(content, start, end)
  }

  /** All from index `start` on, in order; no more at hand than what is read at once. */
  async *walk(start: number): AsyncGenerator<SegmentEntry> {
    for await (const { first, entries, leaves, contents } of this.runs(start)) {
      for (const [at, entry] of entries.entries()) {
        const leaf = leaves.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)
        yield { index: first + at, entry, leaf, content: contents[at]! }
      }
    }
  }

  /** The same, a block of contents at a time: for whoever reads all of many segments. */
  async *runs(start: number): AsyncGenerator<SegmentRun> {
    const bundles = this.#parts(this.log, start)
    let entries: Buffer[] = []
    let leaves: Buffer = Buffer.alloc(0)
    let first = start
    for await (const contents of this.#parts(this.content, start)) {
      const count = contents.length
      while (entries.length < count) {
        const bundle = await bundles.next()
        assert(!bundle.done)
        entries = [...entries, ...bundle.value]
      }
      const leavesBytes = count * HASH_BYTES
      if (leaves.length < leavesBytes)
        leaves = await this.leaves(first, Math.max(count, Math.min(LEAVES_COUNT, this.end - first)))
      yield { first, entries: entries.slice(0, count), leaves: leaves.subarray(0, leavesBytes), contents }
      entries = entries.slice(count)
      leaves = leaves.subarray(leavesBytes)
      first += count
    }
  }

  /** What the parts hold from an index on, part by part. */
  async *#parts(object: SegmentObject, start: number): AsyncGenerator<Buffer[]> {
    const ordinal = this.#ordinal(start, this.end)
    const [from, to] = rows(object, ordinal, this.segment.count)
    for await (const part of object.parts(from, to)) {
      yield await object.items(part, ordinal)
    }
  }

  async #items(object: SegmentObject, start: number, end: number): Promise<Buffer[]> {
    const items: Buffer[] = []
    const [ordinal, ordinalEnd] = [this.#ordinal(start, end), end - this.segment.first]
    const [row, rowEnd] = rows(object, ordinal, ordinalEnd)
    if (rowEnd - row === 1) return [...(await object.partItems(row, ordinal, ordinalEnd))]
    for await (const part of object.parts(row, rowEnd)) {
      items.push(...(await object.items(part, ordinal, ordinalEnd)))
    }
    return items
  }

  #ordinal(start: number, end: number): number {
    assert(start >= this.segment.first && start <= end && end <= this.end, `${start} to ${end} are not all of this`)
    return start - this.segment.first
  }
}

/** The parts that hold [start, end). */
function rows(object: SegmentObject, start: number, end: number): [from: number, to: number] {
  return start === end ? [0, 0] : [object.rowOf(start), object.rowOf(end - 1) + 1]
}
