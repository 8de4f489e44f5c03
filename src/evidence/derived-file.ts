// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds one derived file (a level of a tree, the places of a ledger) against what the WAL gives, byte for byte, as the
 * WAL is replayed. Nothing is believed because it stands in such a file; but a changed one is named.
 */
import type { DiskFile } from '../platform/disk.ts'
import type { FileCache } from '../ledger/file-cache.ts'

export interface Difference {
  /** Byte of the first record that differs. */
  readonly offset: number
  readonly expected: string
  readonly found: string
}

/** How a derived file compares with what was expected of it. */
export interface Comparison {
  /** Undefined where there is no such file. */
  readonly sizeBytes: number | undefined
  readonly expectedBytes: number
  readonly difference: Difference | undefined
}

export class DerivedFile {
  readonly name: string
  readonly #path: string
  readonly #recordBytes: number
  readonly #files: FileCache
  #parts: Uint8Array[] = []
  #pendingBytes = 0
  #comparedBytes = 0
  #missing = false
  #difference: Difference | undefined

  /** `name` is for people, `path` for the disk. */
  constructor(files: FileCache, path: string, name: string, recordBytes: number) {
    this.#files = files
    this.#path = path
    this.name = name
    this.#recordBytes = recordBytes
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** The file's next bytes should be these; they are kept until `compare`. */
  expect(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.#pendingBytes += bytes.length
  }

  /** Reads what the file has where `expect` said something. */
  async compare(): Promise<void> {
    if (this.#pendingBytes === 0) return
    const expected = Buffer.concat(this.#parts)
    this.#parts = []
    this.#pendingBytes = 0
    if (this.#difference === undefined && !this.#missing) await this.#read(expected)
    this.#comparedBytes += expected.length
  }

  async finish(): Promise<Comparison> {
    await this.compare()
    const sizeBytes = await this.#sizeBytes()
    return { sizeBytes, expectedBytes: this.#comparedBytes, difference: this.#difference }
  }

  /** Reads records of the file as they are, not held against anything; undefined where it has fewer. */
  async records(start: number, count: number): Promise<Buffer | undefined> {
    const bytes = Buffer.alloc(count * this.#recordBytes)
    const got = await this.#use(async (file) => await file.read(bytes, start * this.#recordBytes))
    return got === bytes.length ? bytes : undefined
  }

  async #read(expected: Buffer): Promise<void> {
    const found = Buffer.allocUnsafe(expected.length)
    const got = await this.#use(async (file) => await file.read(found, this.#comparedBytes))
    if (got === undefined) this.#missing = true
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

  async #sizeBytes(): Promise<number | undefined> {
    return await this.#use(async (file) => await file.sizeBytes())
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
