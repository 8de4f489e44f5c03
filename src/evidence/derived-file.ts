// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds one run of derived records (a level of a tree, the places of a ledger) against what the log gives, byte for
 * byte, as the log is replayed. Nothing is believed because it stands in such a file; but a changed one is named. A run
 * whose beginning may be given up lies in files of 65,536 records each, any other in one file.
 */
import type { DiskFile } from '../platform/disk.ts'
import type { FileCache } from '../ledger/file-cache.ts'
import { CHUNK_RECORDS, chunkPath } from '../ledger/record-file.ts'

interface Difference {
  /** Byte of the first record that differs. */
  readonly offset: number
  readonly expected: string
  readonly found: string
}

/** How a derived file compares with what was expected of it. */
export interface Comparison {
  /** Path below the data directory. */
  readonly name: string
  /** Number of its first record in the run. */
  readonly firstRecord: number
  /** Undefined where there is no such file. */
  readonly sizeBytes: number | undefined
  /** Where what was expected ends, from the start of the file. */
  readonly expectedBytes: number
  readonly difference: Difference | undefined
}

interface DerivedPlace {
  /** Of the whole run: for the disk, and below the data directory for people. */
  readonly path: string
  readonly name: string
  readonly recordBytes: number
  readonly isChunked: boolean
}

export class DerivedRun {
  readonly #files: FileCache
  readonly #place: DerivedPlace
  #parts: Uint8Array[] = []
  #pendingBytes = 0
  #comparedRecords = 0
  #current: DerivedFile | undefined
  readonly #done: Comparison[] = []

  constructor(files: FileCache, place: DerivedPlace) {
    this.#files = files
    this.#place = place
  }

  get isChunked(): boolean {
    return this.#place.isChunked
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** The run's next records should be these; they are kept until `compare`. */
  expect(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#pendingBytes += bytes.length
  }

  /** The run's next records are up to this one; what they should be is not known. */
  async skipTo(record: number): Promise<void> {
    await this.compare()
    while (this.#comparedRecords < record) {
      const file = await this.#fileOf(this.#comparedRecords)
      const end = Math.min(record, this.#endOf(this.#comparedRecords))
      file.skip((end - this.#comparedRecords) * this.#place.recordBytes)
      this.#comparedRecords = end
    }
  }

  /** Reads what the files have where `expect` said something. */
  async compare(): Promise<void> {
    if (this.#pendingBytes === 0) return
    const { recordBytes } = this.#place
    const expected = Buffer.concat(this.#parts)
    this.#parts = []
    this.#pendingBytes = 0
    for (let at = 0; at < expected.length;) {
      const file = await this.#fileOf(this.#comparedRecords)
      const count = Math.min(
        (expected.length - at) / recordBytes,
        this.#endOf(this.#comparedRecords) - this.#comparedRecords,
      )
      await file.compare(expected.subarray(at, at + count * recordBytes))
      at += count * recordBytes
      this.#comparedRecords += count
    }
  }

  /** How each file of the run compares, those that nothing was expected of left out. */
  async finish(): Promise<readonly Comparison[]> {
    await this.compare()
    await this.#finishCurrent()
    return this.#done
  }

  /** Reads records as they are, not held against anything; undefined where they are not there. */
  async records(start: number, count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = []
    for (let at = start; at < start + count;) {
      const end = Math.min(start + count, this.#endOf(at))
      const first = this.#firstOf(at)
      const part = await this.#opened(first).read(at - first, end - at)
      if (part === undefined) return undefined
      parts.push(part)
      at = end
    }
    return Buffer.concat(parts)
  }

  #firstOf(record: number): number {
    return this.#place.isChunked ? Math.floor(record / CHUNK_RECORDS) * CHUNK_RECORDS : 0
  }

  #endOf(record: number): number {
    return this.#place.isChunked ? this.#firstOf(record) + CHUNK_RECORDS : Number.MAX_SAFE_INTEGER
  }

  async #fileOf(record: number): Promise<DerivedFile> {
    const first = this.#firstOf(record)
    if (this.#current?.firstRecord === first) return this.#current
    await this.#finishCurrent()
    this.#current = this.#opened(first)
    return this.#current
  }

  async #finishCurrent(): Promise<void> {
    if (this.#current?.isHeld === true) this.#done.push(await this.#current.finish())
    this.#current = undefined
  }

  #opened(firstRecord: number): DerivedFile {
    const { path, name, recordBytes, isChunked } = this.#place
    const of = (run: string) => (isChunked ? chunkPath(run, firstRecord) : run)
    return new DerivedFile(this.#files, of(path), of(name), recordBytes, firstRecord)
  }
}

class DerivedFile {
  readonly firstRecord: number
  readonly #files: FileCache
  readonly #path: string
  readonly #name: string
  readonly #recordBytes: number
  #comparedBytes = 0
  #unknownBytes = 0
  #isMissing = false
  #difference: Difference | undefined

  constructor(files: FileCache, path: string, name: string, recordBytes: number, firstRecord: number) {
    this.#files = files
    this.#path = path
    this.#name = name
    this.#recordBytes = recordBytes
    this.firstRecord = firstRecord
  }

  /** Whether something was expected of it. */
  get isHeld(): boolean {
    return this.#comparedBytes > this.#unknownBytes
  }

  skip(bytes: number): void {
    this.#comparedBytes += bytes
    this.#unknownBytes += bytes
  }

  async compare(expected: Buffer): Promise<void> {
    if (this.#difference === undefined && !this.#isMissing) await this.#hold(expected)
    this.#comparedBytes += expected.length
  }

  async finish(): Promise<Comparison> {
    return {
      name: this.#name,
      firstRecord: this.firstRecord,
      sizeBytes: await this.#use(async (file) => await file.sizeBytes()),
      expectedBytes: this.#comparedBytes,
      difference: this.#difference,
    }
  }

  async read(start: number, count: number): Promise<Buffer | undefined> {
    const bytes = Buffer.alloc(count * this.#recordBytes)
    const got = await this.#use(async (file) => await file.read(bytes, start * this.#recordBytes))
    return got === bytes.length ? bytes : undefined
  }

  async #hold(expected: Buffer): Promise<void> {
    const found = Buffer.allocUnsafe(expected.length)
    const got = await this.#use(async (file) => await file.read(found, this.#comparedBytes))
    if (got === undefined) this.#isMissing = true
    if (got === undefined || expected.subarray(0, got).equals(found.subarray(0, got))) return
    const differs = expected.findIndex((byte, at) => byte !== found[at])
    const at = differs - (differs % this.#recordBytes)
    const end = Math.min(at + this.#recordBytes, got)
    this.#difference = {
      offset: this.#comparedBytes + at,
      expected: expected.toString('hex', at, end),
      found: found.toString('hex', at, end),
    }
  }

  async #use<T>(work: (file: DiskFile) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#files.use(this.#path, 'read', work)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }
}
