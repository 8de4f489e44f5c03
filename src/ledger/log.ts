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
import { platformNodeHasher } from './hash-nodes.ts'
import { CHUNK_RECORDS, RecordFile, type RecordRun } from './record-file.ts'
import type { SealedEntries } from './sealed-entries.ts'
import { HASH_BYTES, type Section, type TableRow, writeSize } from './wal/format.ts'

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

/** Which derived records there are: of leaf hashes those from `leavesFrom` on. */
export interface LogRuns {
  readonly leavesFrom: number
  readonly places: RecordRun
}

/** Where the derived files of a ledger lie. */
export function derivedDirectory(directory: string, ledger: string): string {
  return join(directory, 'derived', ledger)
}

/** Leaf hashes of segments that are read together, 128 KiB. */
const LEAVES_AT_ONCE = 4_096

export class Log {
  readonly name: string
  readonly #files: FileCache
  readonly #directory: string
  readonly #levels: RecordFile[] = []
  readonly #places: RecordFile
  /** Where the leaf hashes and places begin that will be kept, once an anchor has said so. */
  #kept: { readonly leaves: number; readonly places: number }
  readonly #firsts: number[] = []
  readonly #pages = new Map<number, Buffer>()
  #frontier: Frontier
  #reservedSize: number
  #size: number
  #root: Uint8Array
  #staged: Uint8Array[][] = []
  #waiters: { readonly size: number; readonly wake: () => void }[] = []
  /** What is read from segments; all of it is durable. */
  #sealed: SealedEntries | undefined

  private constructor(files: FileCache, directory: string, name: string, size: number, runs: LogRuns) {
    this.name = name
    this.#files = files
    this.#directory = directory
    this.#kept = { leaves: runs.leavesFrom, places: runs.places.from }
    this.#places = RecordFile.chunked(files, join(directory, 'places'), PLACE_BYTES, runs.places)
    const leaves = { from: runs.leavesFrom, count: size }
    this.#levels.push(RecordFile.chunked(files, join(directory, 'level-0'), HASH_BYTES, leaves))
    for (let count = Math.floor(size / TILE_WIDTH); count > 0; count = Math.floor(count / TILE_WIDTH)) {
      this.#level(this.#levels.length, count)
    }
    this.#frontier = new Frontier(platformNodeHasher())
    this.#reservedSize = size
    this.#size = size
    this.#root = EMPTY_ROOT
  }

  static empty(files: FileCache, directory: string, name: string): Log {
    return new Log(files, directory, name, 0, { leavesFrom: 0, places: { from: 0, count: 0 } })
  }

  /** A log of `size` entries whose derived files are there; its root is recomputed from the edge tiles. */
  static async at(
    files: FileCache,
    directory: string,
    name: string,
    size: number,
    runs: LogRuns,
    sealed?: SealedEntries,
  ): Promise<Log> {
    const log = new Log(files, directory, name, size, runs)
    log.#sealed = sealed
    log.#frontier = await frontierAt(size, log.hashes, platformNodeHasher())
    log.#root = log.#frontier.root()
    return log
  }

  /** A log of what is sealed and nothing else, its tree files made anew from the leaf hashes of the segments. */
  static async fromSegments(files: FileCache, directory: string, name: string, sealed: SealedEntries): Promise<Log> {
    // Leaf hashes of whole segments are read from there: only the last, unfinished one's are written.
    const leavesFrom = Math.floor(sealed.size / CHUNK_RECORDS) * CHUNK_RECORDS
    const log = Log.empty(files, directory, name)
    log.#sealed = sealed
    log.#kept = { leaves: leavesFrom, places: 0 }
    const run = { from: leavesFrom, count: leavesFrom }
    log.#levels[0] = RecordFile.chunked(files, join(directory, 'level-0'), HASH_BYTES, run)
    for (let start = 0; start < sealed.size; start += LEAVES_AT_ONCE) {
      const count = Math.min(LEAVES_AT_ONCE, sealed.size - start)
      const leaves = await sealed.storedLeaves(start, count)
      for (let at = 0; at < count; at++) log.#frontier.append(leaves, at * HASH_BYTES, log.#stage)
      if (start >= leavesFrom) log.#level(0, 0).append(leaves)
      log.#settleStaged()
      await log.flush(false)
    }
    log.#reservedSize = sealed.size
    log.#size = sealed.size
    log.#root = log.#frontier.root()
    return log
  }

  /** Number of durable entries. */
  get size(): number {
    return this.#size
  }

  /** The right edge of the tree with what is not durable yet: to prove by where it is of the size that is asked for. */
  get edge(): Frontier {
    return this.#frontier
  }

  /** Root of the tree of the durable entries. */
  get root(): Uint8Array {
    return this.#root
  }

  /** How many of the entries are read from segments. */
  get sealedSize(): number {
    return this.#sealed?.size ?? 0
  }

  get sealed(): SealedEntries | undefined {
    return this.#sealed
  }

  /** What an anchor that is written now counts on: the runs as they are once `dropSealed` has been called. */
  get keptRuns(): LogRuns {
    return { leavesFrom: this.#kept.leaves, places: { from: this.#kept.places, count: this.#places.count } }
  }

  /** Bytes of derived data not yet written to their files. */
  get pendingBytes(): number {
    return this.#levels.reduce((sum, level) => sum + level.pendingBytes, this.#places.pendingBytes)
  }

  /** How many hashes a level of the tree has. */
  hashCount(level: number): number {
    return Math.floor(this.#size / TILE_WIDTH ** level)
  }

  /** The tree's hashes, of complete subtrees of 256^level leaves. */
  readonly hashes: HashReader = async (level, start, count) => {
    const file = this.#levels[level]
    assert(file !== undefined || count === 0, `${this.name} has no level ${level}`)
    if (file === undefined || count === 0) return new Uint8Array(0)
    const given = Math.min(count, file.from - start)
    if (given <= 0) return await file.read(start, count)
    assert(this.#sealed !== undefined && level === 0)
    const leaves = await this.#sealed.leaves(start, given)
    return given === count ? leaves : Buffer.concat([leaves, await file.read(start + given, count - given)])
  }

  /**
   * What is called makes these entries be read from segments from then on; where the derived files may begin is said by
   * `keptRuns`. All that can fail has been done by then.
   */
  async preparedSeal(sealed: SealedEntries): Promise<() => void> {
    assert(sealed.size >= this.sealedSize && sealed.size <= this.#size)
    const place = sealed.size === this.#size ? this.#places.count : await this.#recordOf(sealed.size)
    return () => {
      this.#sealed = sealed
      this.#kept = { leaves: this.#level(0, 0).runFrom(sealed.size), places: this.#places.runFrom(place) }
    }
  }

  /** Gives up the derived data that an anchor no longer counts on. */
  async dropSealed({ leavesFrom, places }: LogRuns): Promise<void> {
    await this.#level(0, 0).drop(leavesFrom)
    await this.#places.drop(places.from)
    for (const page of this.#pages.keys()) if (page * PAGE_COUNT < places.from) this.#pages.delete(page)
  }

  /** The index that the next entry takes: behind those that are on their way to the disk. */
  get reservedSize(): number {
    return this.#reservedSize
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
    this.#settleStaged()
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

  /**
   * Whether the derived files reach as far as the log, and every place that is kept follows the one before: a power cut
   * may have left a hole in the middle. Rejects where a file is cut.
   */
  async reachesItsEnd(): Promise<boolean> {
    for (const level of this.#levels) if (level.count > level.from) await level.read(level.count - 1, 1)
    const { from, count } = this.#places
    let next: number | undefined
    for (let start = from; start < count; start += CHUNK_RECORDS) {
      const places = await this.#places.read(start, Math.min(CHUNK_RECORDS, count - start))
      for (let at = 0; at < places.length; at += PLACE_BYTES) {
        const place = decodePlace(places, at)
        if (place.count === 0 || (next !== undefined && place.first !== next)) return false
        next = place.first + place.count
      }
    }
    return next === undefined ? this.#size === this.sealedSize : next === this.#size
  }

  /** The place that holds entry `index`, which is not sealed, by bisection; it is as good as the file it comes from. */
  async place(index: number): Promise<Place> {
    const record = await this.#recordOf(index)
    const page = await this.#page(Math.floor(record / PAGE_COUNT))
    return decodePlace(page, (record % PAGE_COUNT) * PLACE_BYTES)
  }

  async #recordOf(index: number): Promise<number> {
    assert(index >= 0 && index < this.#size)
    let low = this.#places.from / PAGE_COUNT
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
    return low * PAGE_COUNT + at
  }

  async flush(sync: boolean): Promise<void> {
    for (const level of this.#levels) await level.flush(sync)
    await this.#places.flush(sync)
  }

  #settleStaged(): void {
    for (const [index, hashes] of this.#staged.entries()) {
      for (const hash of hashes) this.#level(index + 1, 0).append(hash)
    }
    this.#staged = []
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
    const known = this.#levels[level]
    if (known !== undefined) return known
    const path = join(this.#directory, `level-${level}`)
    return (this.#levels[level] = RecordFile.whole(this.#files, path, HASH_BYTES, count))
  }
}

/** Place: first index u64 | WAL file's first commit u64 | position u64 | count u32 | zero u32. */
export function encodePlace(place: Place): Buffer {
  const bytes = Buffer.alloc(PLACE_BYTES)
  writeSize(bytes, place.first, 0)
  writeSize(bytes, place.file, 8)
  writeSize(bytes, place.position, 16)
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
