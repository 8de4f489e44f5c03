// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Writes a segment: entries and contents in order, compressed as they come, nothing at hand but the open bundle, the
 * open block and the hashes. What it is given is held against nothing here; whoever lets the WAL go reads it again.
 */
import assert from 'node:assert/strict'
import { Frontier, MAX_ENTRY_BYTES, MAX_EVENT_BYTES, SALT_BYTES } from '@stele/proof'
import { platformNodeHasher } from '../hash-nodes.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { HASH_BYTES } from '../wal/format.ts'
import { ByteRun } from './byte-run.ts'
import { ObjectWriter } from './object-writer.ts'
import { blockBytes, encodeBlock } from './part.ts'
import { twigsOf } from './perfect-tree.ts'
import { BLOCK_BYTES } from './segment-format.ts'
import type { SegmentReader } from './segment-reader.ts'
import { BUNDLE_ENTRIES, type Segment, SEGMENT_ENTRIES } from './segment.ts'

/** Leaves that are taken over at once. */
const LEAVES_COUNT = 8_192

export interface SegmentWriterOptions {
  readonly store: ObjectStore
  readonly originPrefix: string
  readonly ledger: string
  /** A multiple of 256. */
  readonly first: number
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions
  readonly #log: ObjectWriter
  readonly #content: ObjectWriter
  readonly #tree = new Frontier(platformNodeHasher())
  readonly #leaves = new ByteRun()
  readonly #parents = new ByteRun()
  readonly #bundle = new ByteRun()
  #entryCount = 0
  readonly #block = new ByteRun()
  #blockEnds: number[] = []
  #contentCount = 0

  private constructor(options: SegmentWriterOptions, log: ObjectWriter, content: ObjectWriter) {
    this.#options = options
    this.#log = log
    this.#content = content
  }

  static async begin(options: SegmentWriterOptions): Promise<SegmentWriter> {
    assert(options.first % BUNDLE_ENTRIES === 0, `a segment begins with a bundle, not at ${options.first}`)
    const origin = `${options.originPrefix}/${options.ledger}`
    const log = await ObjectWriter.begin(options.store, 'log', origin)
    try {
      return new SegmentWriter(options, log, await ObjectWriter.begin(options.store, 'content', origin))
    } catch (error) {
      await log.abandon()
      throw error
    }
  }

  get count(): number {
    return this.#tree.size
  }

  /** `leaf` is the leaf hash, `entry` the line without the 0x00, `content` salt ‖ event. It copies what it keeps. */
  async add(entry: Uint8Array, leaf: Uint8Array, content: Uint8Array): Promise<void> {
    assert(leaf.length === HASH_BYTES)
    this.#addLeaf(leaf, 0)
    await this.#addEntry(entry)
    await this.#addContent(content)
  }

  /** Takes over `start` to `end` of another segment as what comes next here: whole bundles and blocks as they are. */
  async absorb(reader: SegmentReader, start: number, end: number): Promise<void> {
    const { first } = reader.segment
    assert(start === this.#options.first + this.count && start >= first && start < end && end <= reader.end)
    for (let index = start; index < end; index += LEAVES_COUNT) {
      const leaves = await reader.leaves(index, Math.min(LEAVES_COUNT, end - index))
      for (let at = 0; at < leaves.length; at += HASH_BYTES) this.#addLeaf(leaves, at)
    }
    await this.#absorbEntries(reader, start - first, end - first)
    await this.#absorbContents(reader, start - first, end - first)
  }

  async finish(): Promise<Segment> {
    const { ledger, first } = this.#options
    const { count } = this
    assert(count > 0 && count === this.#entryCount && count === this.#contentCount)
    await this.#closeBundle()
    await this.#closeBlock()
    const leaves = this.#leaves.take()
    await this.#log.write(leaves)
    await this.#log.write(twigsOf(leaves))
    await this.#log.write(this.#parents.take())
    const root = this.#tree.root()
    const run = { ledger, first, count, root }
    // A segment is there when its log is, so its contents come first.
    const content = await this.#content.finish(run)
    const log = await this.#log.finish(run)
    return { ledger, first, count, root: Buffer.from(root).toString('hex'), log, content }
  }

  async abandon(): Promise<void> {
    await this.#log.abandon()
    await this.#content.abandon()
  }

  #addLeaf(leaves: Uint8Array, offset: number): void {
    assert(this.count < SEGMENT_ENTRIES, 'a segment is full')
    this.#leaves.append(leaves.subarray(offset, offset + HASH_BYTES))
    this.#tree.append(leaves, offset, (level, hash, at) => {
      if (level === 1) this.#parents.append(hash.subarray(at, at + HASH_BYTES))
    })
  }

  async #addEntry(entry: Uint8Array): Promise<void> {
    assert(entry.length <= MAX_ENTRY_BYTES)
    this.#bundle.append(Uint8Array.of(Math.floor(entry.length / 256), entry.length % 256))
    this.#bundle.append(entry)
    this.#entryCount++
    if (this.#entryCount % BUNDLE_ENTRIES === 0) await this.#closeBundle()
  }

  async #closeBundle(): Promise<void> {
    if (this.#bundle.lengthBytes === 0) return
    const first = Math.floor((this.#entryCount - 1) / BUNDLE_ENTRIES) * BUNDLE_ENTRIES
    await this.#log.part(first, this.#bundle.take())
  }

  async #addContent(content: Uint8Array): Promise<void> {
    assert(content.length >= SALT_BYTES && content.length <= SALT_BYTES + MAX_EVENT_BYTES)
    // A large event is alone in its block, so that its neighbours are read without it.
    if (content.length >= BLOCK_BYTES) await this.#closeBlock()
    this.#block.append(content)
    this.#blockEnds.push(this.#block.lengthBytes)
    this.#contentCount++
    if (blockBytes(this.#blockEnds.length, this.#block.lengthBytes) >= BLOCK_BYTES) await this.#closeBlock()
  }

  async #closeBlock(): Promise<void> {
    const ends = this.#blockEnds
    if (ends.length === 0) return
    this.#blockEnds = []
    await this.#content.part(this.#contentCount - ends.length, encodeBlock(ends, this.#block.take()))
  }

  async #absorbEntries({ log }: SegmentReader, start: number, end: number): Promise<void> {
    for await (const part of log.parts(log.rowOf(start), log.rowOf(end - 1) + 1)) {
      const [first, count] = [log.table.firsts[part.row]!, log.countOf(part.row)]
      const isWhole = count === BUNDLE_ENTRIES && first >= start && first + count <= end
      if (isWhole) {
        await this.#log.copy(this.#entryCount, part.bytes, log.table.rawBytes[part.row]!)
        this.#entryCount += count
        continue
      }
      const entries = (await log.items(part)).slice(Math.max(0, start - first), end - first)
      for (const entry of entries) await this.#addEntry(entry)
    }
  }

  async #absorbContents({ content }: SegmentReader, start: number, end: number): Promise<void> {
    const { firsts, rawBytes } = content.table
    for await (const part of content.parts(content.rowOf(start), content.rowOf(end - 1) + 1)) {
      const [first, count] = [firsts[part.row]!, content.countOf(part.row)]
      const isWhole = first >= start && first + count <= end
      // A block that ended early is filled up, or there would be more of them each time.
      if (isWhole && rawBytes[part.row]! >= BLOCK_BYTES) {
        await this.#closeBlock()
        await this.#content.copy(this.#contentCount, part.bytes, rawBytes[part.row]!)
        this.#contentCount += count
        continue
      }
      const contents = (await content.items(part)).slice(Math.max(0, start - first), end - first)
      for (const each of contents) await this.#addContent(each)
    }
  }
}
