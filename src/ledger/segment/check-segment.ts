// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Checks every byte of a segment, each read once: both objects are what their names say, every entry has its leaf,
 * every content is what its entry commits to, and the hashes above the leaves are those of the leaves.
 */
import { createHash, hash, type Hash } from 'node:crypto'
import { type Entry, parseEntry, ProofError, SALT_BYTES } from '@stele/proof'
import { platformRows, type RowHasher } from '../../platform/row-hasher.ts'
import { DataFault } from '../data-fault.ts'
import { EntryForms } from '../entry-forms.ts'
import { type ObjectInfo, ObjectMissing, type ObjectStore } from '../store/object-store.ts'
import { HASH_BYTES } from '../wal/format.ts'
import { HEADER_BYTES } from './segment-format.ts'
import { bundleLeaves } from './part.ts'
import { SegmentObject } from './segment-object.ts'
import { SegmentReader } from './segment-reader.ts'
import { hashesAbove, TWIG_ENTRIES } from './perfect-tree.ts'
import { BUNDLE_ENTRIES, parseSegmentKey, type Segment, type SegmentKind } from './segment.ts'

export interface SegmentFlaw {
  readonly key: string
  readonly offset?: number
  readonly index?: number
  readonly what: string
  readonly expected: string
  readonly found: string
}

/** What is hashed of an object even where its outline is not right, to say all that is wrong with it. */
const MAX_STRANGE_BYTES = 256 * 1024 * 1024

/** `content` is undefined where contents are not read. */
type OnEntry = (index: number, entry: Buffer, content: Buffer | undefined) => void | Promise<void>
export type Pace = (bytes: number) => Promise<void>

export interface CheckOptions {
  /** Told of the entries that could be read, flawed or not. Views hold during a call. */
  readonly onEntry?: OnEntry
  /** Told of the hashes of level 1 that the leaves have, once the leaves were held against the entries. */
  readonly onParents?: (parents: Buffer) => void
  readonly pace?: Pace | undefined
  /** Without the contents, what is checked is entries and tree; of the object of contents, its outline. */
  readonly withContent?: boolean
  /** What hashes leaves and nodes; by default, the platform. */
  readonly rows?: RowHasher | undefined
}

export async function* checkSegment(
  store: ObjectStore,
  segment: Segment,
  options: CheckOptions = {},
): AsyncGenerator<SegmentFlaw> {
  const { pace, withContent = true } = options
  const log = new HashedObject(store, segment.log, pace)
  const content = new HashedObject(store, segment.content, pace)
  try {
    const reader = await SegmentReader.open(store, segment)
    yield* new Check(reader, log, content, options).run()
  } catch (error) {
    // That one is missing is said once, by its end.
    if (error instanceof DataFault) {
      yield flawOfFault(error, error.file.endsWith(segment.content.key) ? content.key : log.key)
    } else if (!(error instanceof ObjectMissing)) throw error
  }
  yield* (await mayBeHashed(store, segment, 'log')) ? log.finish() : [tooLarge(segment.log)]
  if (!withContent) return
  yield* (await mayBeHashed(store, segment, 'content')) ? content.finish() : [tooLarge(segment.content)]
}

/** Whether an object's length is one that its outline accounts for; a file with a hole may have any. */
async function mayBeHashed(store: ObjectStore, segment: Segment, kind: SegmentKind): Promise<boolean> {
  if (segment[kind].sizeBytes <= MAX_STRANGE_BYTES) return true
  try {
    await SegmentObject.open(store, segment, kind)
    return true
  } catch (error) {
    // One that is missing is said by its end.
    if (error instanceof ObjectMissing) return true
    if (error instanceof DataFault) return false
    throw error
  }
}

function tooLarge({ key, sizeBytes }: ObjectInfo): SegmentFlaw {
  const expected = `at most ${MAX_STRANGE_BYTES} bytes where header, table and footer are not of their form`
  return { key, what: 'the object is not hashed: nothing accounts for its length', expected, found: `${sizeBytes}` }
}

class Check {
  readonly #reader: SegmentReader
  readonly #log: HashedObject
  readonly #contents: Contents
  readonly #options: CheckOptions
  /** Leaves of the entries that were read; zeros where one was not. */
  readonly #leaves: Buffer
  readonly #isRead: Uint8Array
  readonly #forms = new EntryForms()
  readonly #rows: RowHasher

  constructor(reader: SegmentReader, log: HashedObject, content: HashedObject, options: CheckOptions) {
    this.#reader = reader
    this.#log = log
    this.#contents = new Contents(reader.content, content)
    this.#options = options
    this.#rows = options.rows ?? platformRows
    this.#leaves = Buffer.alloc(reader.segment.count * HASH_BYTES)
    this.#isRead = new Uint8Array(reader.segment.count)
  }

  async *run(): AsyncGenerator<SegmentFlaw> {
    const { log } = this.#reader
    const { onEntry, withContent = true } = this.#options
    await this.#log.take(HEADER_BYTES)
    for (let row = 0; row < log.table.ends.length; row++) {
      const first = log.table.firsts[row]!
      const bytes = await this.#log.take(log.table.ends[row]! - log.startOf(row))
      const entries = await itemsOf(log, row, bytes)
      if (!Array.isArray(entries)) yield { ...flawOfFault(entries, this.#log.key), index: this.#index(first) }
      else this.#hashLeaves(first, entries)
      // Awaits and generators of their own for each entry would cost more than its hashes.
      for (let at = 0; at < log.countOf(row); at++) {
        if (withContent && this.#contents.isAtEnd) {
          const flaw = await this.#contents.nextBlock()
          if (flaw !== undefined) yield { ...flaw, index: this.#index(first + at) }
        }
        const content = withContent ? this.#contents.take() : undefined
        if (!Array.isArray(entries)) continue
        const entry = entries[at]!
        if (withContent && content === undefined) continue
        const flaw =
          content === undefined ? this.#formFlawOf(first + at, entry) : this.#flawOf(first + at, entry, content)
        if (flaw !== undefined) yield flaw
        const told = onEntry?.(this.#index(first + at), entry, content)
        if (told !== undefined) await told
      }
    }
    yield* this.#hashes()
  }

  #hashLeaves(first: number, entries: readonly Buffer[]): void {
    this.#leaves.set(bundleLeaves(entries, this.#rows), first * HASH_BYTES)
    this.#isRead.fill(1, first, first + entries.length)
  }

  /** What is wrong with an entry's form, whatever it commits to. */
  #formFlawOf(ordinal: number, entry: Buffer): SegmentFlaw | undefined {
    if (this.#forms.timeOfAny(entry) !== undefined) return undefined
    const parsed = parsedEntry(entry)
    if (parsed === undefined) return this.#malformed(ordinal)
    this.#forms.learn(entry, parsed.size, parsed.sha256, parsed.at)
    return undefined
  }

  #malformed(ordinal: number): SegmentFlaw {
    const [key, index] = [this.#log.key, this.#index(ordinal)]
    return { key, index, what: 'an entry is not of its form', expected: 'an entry', found: 'another line' }
  }

  /** What is wrong with an entry's form, or with what it commits to. */
  #flawOf(ordinal: number, entry: Buffer, content: Buffer): SegmentFlaw | undefined {
    const sizeBytes = content.length - SALT_BYTES
    const digest = hash('sha256', content, 'base64url')
    if (this.#forms.timeOf(entry, sizeBytes, digest) !== undefined) return undefined
    const index = this.#index(ordinal)
    const parsed = parsedEntry(entry)
    if (parsed === undefined) return this.#malformed(ordinal)
    if (parsed.size === sizeBytes && parsed.sha256 === digest) {
      this.#forms.learn(entry, sizeBytes, digest, parsed.at)
      return undefined
    }
    const found = `${digest}, ${sizeBytes} bytes and its salt`
    const expected = `${parsed.sha256}, ${parsed.size} bytes and its salt`
    return { key: this.#contents.key, index, what: 'a content is not what its entry commits to', expected, found }
  }

  /** Leaves against the entries, what stands above the leaves and the root against the leaves. */
  async *#hashes(): AsyncGenerator<SegmentFlaw> {
    const { segment } = this.#reader
    const { key } = this.#log
    const leavesAt = this.#log.position
    const leaves = await this.#log.take(segment.count * HASH_BYTES)
    for (let ordinal = 0; ordinal < segment.count && !leaves.equals(this.#leaves); ordinal++) {
      const at = ordinal * HASH_BYTES
      if (this.#isRead[ordinal] === 0 || leaves.compare(this.#leaves, at, at + HASH_BYTES, at, at + HASH_BYTES) === 0) {
        continue
      }
      const [expected, found] = [leaves, this.#leaves].map((bytes) => bytes.toString('hex', at, at + HASH_BYTES))
      const what = 'an entry has not the leaf hash that stands there'
      yield { key, offset: leavesAt + at, index: this.#index(ordinal), what, expected: expected!, found: found! }
    }
    const { twigs, parents, root } = hashesAbove(leaves, this.#rows)
    yield* this.#against(twigs, TWIG_ENTRIES, 'a hash over 16 leaves is not that of its leaves')
    yield* this.#against(parents, BUNDLE_ENTRIES, 'a hash of level 1 is not that of its leaves')
    const found = root.toString('hex')
    if (found !== segment.root) yield { key, what: 'the leaves have another root', expected: segment.root, found }
    else this.#options.onParents?.(parents)
  }

  /** What comes next are these hashes, one for so many entries. */
  async *#against(expected: Buffer, entryCount: number, what: string): AsyncGenerator<SegmentFlaw> {
    const start = this.#log.position
    const stored = await this.#log.take(expected.length)
    for (let at = 0; at < expected.length && !stored.equals(expected); at += HASH_BYTES) {
      if (stored.compare(expected, at, at + HASH_BYTES, at, at + HASH_BYTES) === 0) continue
      const [wanted, found] = [expected, stored].map((bytes) => bytes.toString('hex', at, at + HASH_BYTES))
      const index = this.#index((at / HASH_BYTES) * entryCount)
      yield { key: this.#log.key, offset: start + at, index, what, expected: wanted!, found: found! }
    }
  }

  #index(ordinal: number): number {
    return this.#reader.segment.first + ordinal
  }
}

/** The contents in order; undefined for those of a block that could not be read. */
class Contents {
  readonly #object: SegmentObject
  readonly #bytes: HashedObject
  #row = -1
  #items: readonly (Buffer | undefined)[] = []
  #at = 0

  constructor(object: SegmentObject, bytes: HashedObject) {
    this.#object = object
    this.#bytes = bytes
  }

  get key(): string {
    return this.#bytes.key
  }

  /** Whether the next content is in a block that is yet to be read. */
  get isAtEnd(): boolean {
    return this.#at === this.#items.length
  }

  take(): Buffer | undefined {
    return this.#items[this.#at++]
  }

  /** Reads the next block; resolves to what is wrong with it. */
  async nextBlock(): Promise<SegmentFlaw | undefined> {
    const row = ++this.#row
    const object = this.#object
    if (row === 0) await this.#bytes.take(HEADER_BYTES)
    const bytes = await this.#bytes.take(object.table.ends[row]! - object.startOf(row))
    const items = await itemsOf(object, row, bytes)
    this.#at = 0
    this.#items = Array.isArray(items) ? items : Array.from({ length: object.countOf(row) }, () => undefined)
    return Array.isArray(items) ? undefined : flawOfFault(items, this.key)
  }
}

const READ_BYTES = 1024 * 1024

/** An object's bytes in order, read and hashed once. */
class HashedObject {
  position = 0
  readonly #store: ObjectStore
  readonly #info: ObjectInfo
  readonly #pace: Pace | undefined
  readonly #hash: Hash = createHash('sha256')
  #ahead = Buffer.alloc(0)

  constructor(store: ObjectStore, info: ObjectInfo, pace: Pace | undefined) {
    this.#store = store
    this.#info = info
    this.#pace = pace
  }

  get key(): string {
    return this.#info.key
  }

  async take(lengthBytes: number): Promise<Buffer> {
    if (this.#ahead.length < lengthBytes) {
      const at = this.position + this.#ahead.length
      const wanted = Math.max(lengthBytes - this.#ahead.length, Math.min(READ_BYTES, this.#info.sizeBytes - at))
      const bytes = await this.#store.read(this.#info.key, at, wanted)
      this.#hash.update(bytes)
      await this.#pace?.(bytes.length)
      this.#ahead = Buffer.concat([this.#ahead, bytes])
    }
    const taken = this.#ahead.subarray(0, lengthBytes)
    this.#ahead = this.#ahead.subarray(lengthBytes)
    this.position += lengthBytes
    return taken
  }

  /** Reads what is left and says whether all of it is what the name says. */
  async *finish(): AsyncGenerator<SegmentFlaw> {
    const { key, sizeBytes } = this.#info
    try {
      while (this.position < sizeBytes) await this.take(Math.min(READ_BYTES, sizeBytes - this.position))
    } catch (error) {
      if (error instanceof DataFault) yield flawOfFault(error, key)
      else if (error instanceof ObjectMissing) {
        yield { key, what: 'the object is missing', expected: `${sizeBytes} bytes`, found: 'none' }
      } else throw error
      return
    }
    const expected = parseSegmentKey(key)?.sha256 ?? ''
    const found = this.#hash.digest('hex')
    if (found !== expected) yield { key, what: 'the object has not the SHA-256 of its name', expected, found }
  }
}

async function itemsOf(object: SegmentObject, row: number, bytes: Buffer): Promise<Buffer[] | DataFault> {
  try {
    return await object.items({ row, bytes })
  } catch (error) {
    if (error instanceof DataFault) return error
    throw error
  }
}

function parsedEntry(bytes: Buffer): Entry | undefined {
  try {
    return parseEntry(bytes)
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}

function flawOfFault({ offset, what, expected, found }: DataFault, key: string): SegmentFlaw {
  return { key, offset, what, expected, found }
}
