// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The last so many records of one size, in a file that never grows beyond them: record n stands at n modulo their
 * number. It was derived from the log and may be lost; what was written behind the count that a reader was told of
 * stands in the place of the oldest ones, and the reader must be able to tell.
 */
import assert from 'node:assert/strict'
import type { FileCache } from './file-cache.ts'

export class RingFile {
  readonly maxCount: number
  readonly #files: FileCache
  readonly #path: string
  readonly #recordBytes: number

  constructor(files: FileCache, path: string, recordBytes: number, maxCount: number) {
    this.#files = files
    this.#path = path
    this.#recordBytes = recordBytes
    this.maxCount = maxCount
  }

  /** Writes records from number `from` on, of which only the last `maxCount` stay, and makes them durable. */
  async write(from: number, records: Buffer): Promise<void> {
    assert(records.length % this.#recordBytes === 0)
    const skipped = Math.max(0, records.length - this.maxCount * this.#recordBytes)
    const part = records.subarray(skipped)
    await this.#files.use(this.#path, 'write', async (file) => {
      for (const { at, start, end } of this.#runs(from + skipped / this.#recordBytes, part.length)) {
        await file.write(part.subarray(start, end), at)
      }
      await file.datasync()
    })
    await this.#files.syncName(this.#path)
  }

  /** Up to `count` records before number `end`, or undefined where the file does not hold them. */
  async readLast(end: number, count: number): Promise<Buffer | undefined> {
    const first = Math.max(0, end - Math.min(count, this.maxCount))
    const records = Buffer.allocUnsafe((end - first) * this.#recordBytes)
    if (records.length === 0) return records
    return await this.#files.use(this.#path, 'write', async (file) => {
      for (const { at, start, end } of this.#runs(first, records.length)) {
        if ((await file.read(records.subarray(start, end), at)) < end - start) return undefined
      }
      return records
    })
  }

  /** Where records from number `from` on stand: at most two runs. */
  #runs(from: number, lengthBytes: number): { readonly at: number; readonly start: number; readonly end: number }[] {
    const at = (from % this.maxCount) * this.#recordBytes
    const beforeWrap = Math.min(lengthBytes, this.maxCount * this.#recordBytes - at)
    const runs = [{ at, start: 0, end: beforeWrap }]
    return beforeWrap === lengthBytes ? runs : [...runs, { at: 0, start: beforeWrap, end: lengthBytes }]
  }
}
