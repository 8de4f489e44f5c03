// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * One ledger as the writer holds it: the right edge of its tree, its durable size and root, and the derived files
 * that answer for everything behind the edge. The size that readers see moves only in `apply`, after the commit is
 * durable; recovery replays frames through the same `advance` and `apply` that appends use.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { EMPTY_ROOT, Frontier, frontierAt, type HashReader } from '@stele/proof'
import type { FileCache } from './file-cache.ts'
import { RecordFile } from './record-file.ts'
import { HASH_BYTES, type Section, type TableRow } from './wal/format.ts'

const TILE_WIDTH = 256
const PLACE_BYTES = 32
/** Places that are read together. */
const PAGE_COUNT = 128
/** Of one ledger, 4 KiB each. */
const KEPT_PAGES = 64

/** Where a run of entries lies in the WAL. */
export interface Place {
  readonly first: number
  readonly count: number
  /** First commit of the WAL file, which names it. */
  readonly file: number
  /** Position of the section in that file. */
  readonly position: number
}

export class Log {
  readonly name: string
  readonly #files: FileCache
  readonly #directory: string
  readonly #levels: RecordFile[] = []
  readonly #places: RecordFile
  readonly #firsts: number[] = []
  readonly #pages = new Map<number, Buffer>()
  #frontier: Frontier
  #reservedSize: number
  #size: number
  #root: Uint8Array
  #staged: Uint8Array[][] = []
  #waiters: { readonly size: number; readonly wake: () => void }[] = []

  private constructor(files: FileCache, directory: string, name: string, size: number, placeCount: number) {
    this.name = name
    this.#files = files
    this.#directory = directory
    this.#places = new RecordFile(files, join(directory, 'places'), PLACE_BYTES, placeCount)
    for (let count = size; count > 0; count = Math.floor(count / TILE_WIDTH)) this.#level(this.#levels.length, count)
    this.#frontier = new Frontier()
    this.#reservedSize = size
    this.#size = size
    this.#root = EMPTY_ROOT
  }

  static empty(files: FileCache, directory: string, name: string): Log {
    return new Log(files, directory, name, 0, 0)
  }

  /** A log of `size` entries whose derived files are there; its root is recomputed from the edge tiles. */
  static async at(files: FileCache, directory: string, name: string, size: number, placeCount: number): Promise<Log> {
    const log = new Log(files, directory, name, size, placeCount)
    log.#frontier = await frontierAt(size, log.hashes)
    log.#root = log.#frontier.root()
    return log
  }

  /** Number of durable entries. */
  get size(): number {
    return this.#size
  }

  /** Root of the tree of the durable entries. */
  get root(): Uint8Array {
    return this.#root
  }

  get placeCount(): number {
    return this.#places.count
  }

  /** Bytes of derived data not yet written to their files. */
  get pendingBytes(): number {
    return this.#levels.reduce((sum, level) => sum + level.pendingBytes, this.#places.pendingBytes)
  }

  /** The tree's hashes, of complete subtrees of 256^level leaves. */
  readonly hashes: HashReader = async (level, start, count) => {
    const file = this.#levels[level]
    assert(file !== undefined || count === 0, `${this.name} has no level ${level}`)
    return file === undefined ? new Uint8Array(0) : await file.read(start, count)
  }

  /** Takes the next `count` indexes; what takes them is committed in this order, or the writer stops. */
  reserve(count: number): number {
    const first = this.#reservedSize
    this.#reservedSize += count
    return first
  }

  /** Adds the leaves of a frame's sections of this ledger to the tree and returns the row for the frame's table. */
  advance(sections: readonly Section[]): TableRow {
    for (const section of sections) {
      assert(section.first === this.#frontier.size, `${this.name}: ${section.first} after ${this.#frontier.size}`)
      for (let position = 0; position < section.count; position++) {
        this.#frontier.append(section.bytes, section.hashesAt + position * HASH_BYTES, this.#stage)
      }
    }
    this.#reservedSize = Math.max(this.#reservedSize, this.#frontier.size)
    return { ledger: this.name, size: this.#frontier.size, root: this.#frontier.root() }
  }

  /** Makes visible what `advance` added: called once the frame that holds the sections is durable. */
  apply(sections: readonly Section[], row: TableRow, file: number, framePosition: number): void {
    for (const section of sections) {
      const { bytes, hashesAt, count } = section
      this.#level(0, 0).append(bytes.subarray(hashesAt, hashesAt + count * HASH_BYTES))
      this.#places.append(encodePlace({ first: section.first, count, file, position: framePosition + section.at }))
    }
    for (const [index, hashes] of this.#staged.entries()) {
      for (const hash of hashes) this.#level(index + 1, 0).append(hash)
    }
    this.#staged = []
    this.#size = row.size
    this.#root = row.root
    const ready = this.#waiters.filter((waiter) => waiter.size < row.size)
    this.#waiters = this.#waiters.filter((waiter) => waiter.size >= row.size)
    for (const waiter of ready) waiter.wake()
  }

  /** Resolves once the durable size is beyond `size`, or the signal fires. */
  async grownBeyond(size: number, signal: AbortSignal): Promise<void> {
    if (this.#size > size || signal.aborted) return
    await new Promise<void>((resolve) => {
      const waiter = { size, wake: () => {} }
      const done = () => {
        signal.removeEventListener('abort', done)
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        resolve()
      }
      waiter.wake = done
      signal.addEventListener('abort', done, { once: true })
      this.#waiters.push(waiter)
    })
  }

  /** Whether the derived files reach as far as the log; rejects where one is cut. Their middle is not looked at. */
  async reachesItsEnd(): Promise<boolean> {
    for (const level of this.#levels) await level.read(level.count - 1, 1)
    if (this.#size === 0) return this.#places.count === 0
    const { first, count } = decodePlace(await this.#places.read(this.#places.count - 1, 1), 0)
    return first + count === this.#size
  }

  /** The place that holds entry `index`, by bisection; it is as good as the file it comes from. */
  async place(index: number): Promise<Place> {
    assert(index >= 0 && index < this.#size)
    let low = 0
    let high = Math.ceil(this.#places.count / PAGE_COUNT)
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if ((await this.#firstOfPage(middle)) <= index) low = middle
      else high = middle
    }
    const page = await this.#page(low)
    let at = 0
    for (let end = page.length / PLACE_BYTES; end - at > 1;) {
      const middle = Math.floor((at + end) / 2)
      if (firstOf(page, middle * PLACE_BYTES) <= index) at = middle
      else end = middle
    }
    return decodePlace(page, at * PLACE_BYTES)
  }

  async flush(sync: boolean): Promise<void> {
    for (const level of this.#levels) await level.flush(sync)
    await this.#places.flush(sync)
  }

  readonly #stage = (level: number, hash: Uint8Array, offset: number) => {
    const staged = (this.#staged[level - 1] ??= [])
    staged.push(hash.slice(offset, offset + HASH_BYTES))
  }

  /** A page of places. Full ones never change, and the last read are kept. */
  async #page(number: number): Promise<Buffer> {
    const kept = this.#pages.get(number)
    if (kept !== undefined) return kept
    const start = number * PAGE_COUNT
    const count = Math.min(PAGE_COUNT, this.#places.count - start)
    const page = await this.#places.read(start, count)
    if (count < PAGE_COUNT) return page
    const [oldest] = this.#pages.keys()
    if (this.#pages.size >= KEPT_PAGES && oldest !== undefined) this.#pages.delete(oldest)
    this.#pages.set(number, page)
    return page
  }

  /** Index of the first entry of a page of places: kept once read, since places never change. */
  async #firstOfPage(page: number): Promise<number> {
    return (this.#firsts[page] ??= firstOf(await this.#places.read(page * PAGE_COUNT, 1), 0))
  }

  #level(level: number, count: number): RecordFile {
    const path = join(this.#directory, `level-${level}`)
    return (this.#levels[level] ??= new RecordFile(this.#files, path, HASH_BYTES, count))
  }
}

/** Place: first index u64 | WAL file's first commit u64 | position u64 | count u32 | zero u32. */
export function encodePlace(place: Place): Buffer {
  const bytes = Buffer.alloc(PLACE_BYTES)
  bytes.writeBigUInt64BE(BigInt(place.first), 0)
  bytes.writeBigUInt64BE(BigInt(place.file), 8)
  bytes.writeBigUInt64BE(BigInt(place.position), 16)
  bytes.writeUInt32BE(place.count, 24)
  return bytes
}

function firstOf(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
}

function decodePlace(bytes: Buffer, at: number): Place {
  return {
    first: firstOf(bytes, at),
    file: Number(bytes.readBigUInt64BE(at + 8)),
    position: Number(bytes.readBigUInt64BE(at + 16)),
    count: bytes.readUInt32BE(at + 24),
  }
}
