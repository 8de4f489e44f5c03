// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * An append-only file of records of one size that was derived from the WAL: hashes of a tree's level, places of
 * sections. It may be lost at any time and is made again; so it is written lazily, and only what the anchor counts
 * is believed after a start. Reads see what was appended, written or not.
 */
import assert from 'node:assert/strict'
import type { FileCache } from './file-cache.ts'

export class RecordFile {
  readonly #files: FileCache
  readonly #path: string
  readonly #recordBytes: number
  #writtenCount: number
  #pending = Buffer.alloc(0)
  #pendingBytes = 0
  #unsynced = false
  #flushing: Promise<void> | undefined

  constructor(files: FileCache, path: string, recordBytes: number, count: number) {
    this.#files = files
    this.#path = path
    this.#recordBytes = recordBytes
    this.#writtenCount = count
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
      start >= 0 && count >= 0 && start + count <= this.count,
      `${this.#path}: ${start} + ${count} of ${this.count}`,
    )
    const recordBytes = this.#recordBytes
    const bytes = Buffer.allocUnsafe(count * recordBytes)
    const fromFile = Math.max(0, Math.min(count, this.#writtenCount - start))
    if (fromFile < count) {
      const pendingStart = (start + fromFile - this.#writtenCount) * recordBytes
      this.#pending.copy(bytes, fromFile * recordBytes, pendingStart, pendingStart + (count - fromFile) * recordBytes)
    }
    if (fromFile > 0) {
      const part = bytes.subarray(0, fromFile * recordBytes)
      const got = await this.#files.use(this.#path, 'write', async (file) => await file.read(part, start * recordBytes))
      if (got !== part.length) throw new Error(`${this.#path} ends before record ${start + fromFile}`)
    }
    return bytes
  }

  /** Hands what is pending to the operating system; `sync` makes it durable too. */
  async flush(sync: boolean): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#pendingBytes === 0 && !(sync && this.#unsynced)) return
    this.#flushing = this.#write(sync)
    try {
      await this.#flushing
    } finally {
      this.#flushing = undefined
    }
  }

  async #write(sync: boolean): Promise<void> {
    const part = this.#pending.subarray(0, this.#pendingBytes)
    await this.#files.use(this.#path, 'write', async (file) => {
      if (part.length > 0) await file.write(part, this.#writtenCount * this.#recordBytes)
      if (sync) await file.datasync()
    })
    this.#unsynced = !sync
    this.#writtenCount += part.length / this.#recordBytes
    const rest = Buffer.from(this.#pending.subarray(part.length, this.#pendingBytes))
    this.#pending = rest
    this.#pendingBytes = rest.length
  }
}
