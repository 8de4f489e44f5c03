// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * An append-only run of records of one size that was derived from the log: hashes of a tree's level, places of
 * sections. It may be lost at any time and is made again; so it is written lazily, and only what the anchor counts
 * is believed after a start. Reads see what was appended, written or not. Where its beginning will be given up one day,
 * it lies in files of 65,536 records each, so that whole files can go.
 */
import assert from 'node:assert/strict'
import type { FileCache } from './file-cache.ts'

/** Records of one file of a run whose beginning may be given up. */
export const CHUNK_RECORDS = 65_536

export interface RecordRun {
  /** Records before it were given up: a multiple of 65,536. */
  readonly from: number
  /** All records that there ever were. */
  readonly count: number
}

export class RecordFile {
  readonly #files: FileCache
  readonly #path: string
  readonly #recordBytes: number
  readonly #isChunked: boolean
  #from: number
  #writtenCount: number
  #pending = Buffer.alloc(0)
  #pendingBytes = 0
  readonly #unsynced = new Set<string>()
  #flushing: Promise<void> | undefined

  private constructor(files: FileCache, path: string, recordBytes: number, isChunked: boolean, run: RecordRun) {
    this.#files = files
    this.#path = path
    this.#recordBytes = recordBytes
    this.#isChunked = isChunked
    this.#from = run.from
    this.#writtenCount = run.count
  }

  /** In one file, for ever. */
  static whole(files: FileCache, path: string, recordBytes: number, count: number): RecordFile {
    return new RecordFile(files, path, recordBytes, false, { from: 0, count })
  }

  /** In files `<path>-<8 digits>`, of which the first may be given up. */
  static chunked(files: FileCache, path: string, recordBytes: number, run: RecordRun): RecordFile {
    assert(run.from % CHUNK_RECORDS === 0 && run.count >= run.from)
    return new RecordFile(files, path, recordBytes, true, run)
  }

  /** The first record that is kept. */
  get from(): number {
    return this.#from
  }

  get count(): number {
    return this.#writtenCount + this.#pendingBytes / this.#recordBytes
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  append(bytes: Uint8Array): void {
    assert(bytes.length % this.#recordBytes === 0)
    const needed = this.#pendingBytes + bytes.length
    if (needed > this.#pending.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#pending.length * 2, 1_024))
      this.#pending.copy(larger, 0, 0, this.#pendingBytes)
      this.#pending = larger
    }
    this.#pending.set(bytes, this.#pendingBytes)
    this.#pendingBytes = needed
  }

  /** Records `start` to `start + count`, all of which must be there. */
  async read(start: number, count: number): Promise<Buffer> {
    assert(
      start >= this.#from && count >= 0 && start + count <= this.count,
      `${this.#path}: ${start} + ${count} of ${this.#from} to ${this.count}`,
    )
    const recordBytes = this.#recordBytes
    const bytes = Buffer.allocUnsafe(count * recordBytes)
    const writtenEnd = Math.max(start, Math.min(start + count, this.#writtenCount))
    if (writtenEnd < start + count) {
      const pendingStart = (writtenEnd - this.#writtenCount) * recordBytes
      const at = (writtenEnd - start) * recordBytes
      this.#pending.copy(bytes, at, pendingStart, pendingStart + bytes.length - at)
    }
    for (const part of this.#parts(start, writtenEnd)) {
      const into = bytes.subarray((part.start - start) * recordBytes, (part.end - start) * recordBytes)
      const position = part.at * recordBytes
      const got = await this.#files.use(part.path, 'write', async (file) => await file.read(into, position))
      if (got !== into.length) throw new Error(`${part.path} ends before record ${part.end}`)
    }
    return bytes
  }

  /** Hands what is pending to the operating system; `sync` makes it durable too. */
  async flush(sync: boolean): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#pendingBytes === 0 && !(sync && this.#unsynced.size > 0)) return
    this.#flushing = this.#write(sync)
    try {
      await this.#flushing
    } finally {
      this.#flushing = undefined
    }
  }

  /** Where a run that needs no record before this one begins: only whole files are given up. */
  runFrom(record: number): number {
    return Math.max(this.#from, Math.floor(Math.min(record, this.count) / CHUNK_RECORDS) * CHUNK_RECORDS)
  }

  /** Gives up what lies before `from`, which `runFrom` said and a flush has written, and removes those files. */
  async drop(from: number): Promise<void> {
    assert(this.#isChunked && from % CHUNK_RECORDS === 0 && from <= this.#writtenCount)
    const before = this.#from
    this.#from = Math.max(before, from)
    for (let chunk = before; chunk < from; chunk += CHUNK_RECORDS) await this.#files.remove(this.#pathOf(chunk))
  }

  async #write(sync: boolean): Promise<void> {
    const pending = this.#pending.subarray(0, this.#pendingBytes)
    const start = this.#writtenCount
    const end = start + pending.length / this.#recordBytes
    for (const part of this.#parts(start, end)) {
      const bytes = pending.subarray((part.start - start) * this.#recordBytes, (part.end - start) * this.#recordBytes)
      this.#unsynced.add(part.path)
      await this.#files.use(part.path, 'write', async (file) => await file.write(bytes, part.at * this.#recordBytes))
    }
    this.#writtenCount = end
    const rest = Buffer.from(this.#pending.subarray(pending.length, this.#pendingBytes))
    this.#pending = rest
    this.#pendingBytes = rest.length
    if (!sync) return
    for (const path of this.#unsynced) {
      await this.#files.use(path, 'write', async (file) => await file.datasync())
      await this.#files.syncName(path)
    }
    this.#unsynced.clear()
  }

  /** What lies in which file, of the records `start` to `end`; `at` counts in that file. */
  *#parts(start: number, end: number): Generator<{ path: string; start: number; end: number; at: number }> {
    for (let from = start; from < end;) {
      const chunk = this.#isChunked ? Math.floor(from / CHUNK_RECORDS) * CHUNK_RECORDS : 0
      const to = this.#isChunked ? Math.min(end, chunk + CHUNK_RECORDS) : end
      yield { path: this.#pathOf(chunk), start: from, end: to, at: from - chunk }
      from = to
    }
  }

  #pathOf(firstRecord: number): string {
    return this.#isChunked ? chunkPath(this.#path, firstRecord) : this.#path
  }
}

/** The file of a run in which a record lies. */
export function chunkPath(path: string, record: number): string {
  return `${path}-${String(Math.floor(record / CHUNK_RECORDS)).padStart(8, '0')}`
}
