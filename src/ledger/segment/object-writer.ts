// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Writes one object of a segment in order, and hashes it on the way; its name is known when it is whole. */
import { createHash, hash } from 'node:crypto'
import type { ObjectDraft, ObjectInfo, ObjectStore } from '../store/object-store.ts'
import { ByteRun } from './byte-run.ts'
import { compressPart } from './part.ts'
import { encodeFooter, encodeHeader, encodeTable } from './segment-format.ts'
import { segmentKey, type SegmentKind } from './segment.ts'

const WRITE_BYTES = 256 * 1024

export class ObjectWriter {
  readonly #draft: ObjectDraft
  readonly #kind: SegmentKind
  readonly #hash = createHash('sha256')
  readonly #pending = new ByteRun()
  #position = 0
  readonly #firsts: number[] = []
  readonly #ends: number[] = []
  readonly #rawBytes: number[] = []

  private constructor(draft: ObjectDraft, kind: SegmentKind) {
    this.#draft = draft
    this.#kind = kind
  }

  static async begin(store: ObjectStore, kind: SegmentKind, origin: string): Promise<ObjectWriter> {
    const writer = new ObjectWriter(await store.draft(), kind)
    await writer.write(encodeHeader(kind, origin))
    return writer
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#position += bytes.length
    this.#pending.append(bytes)
    if (this.#pending.lengthBytes >= WRITE_BYTES) await this.#flush()
  }

  /** A part that begins with entry `first` of the segment. */
  async part(first: number, raw: Buffer): Promise<void> {
    await this.copy(first, compressPart(raw), raw.length)
  }

  /** A part that is compressed already. */
  async copy(first: number, bytes: Buffer, rawBytes: number): Promise<void> {
    await this.write(bytes)
    this.#firsts.push(first)
    this.#ends.push(this.#position)
    this.#rawBytes.push(rawBytes)
  }

  async finish(run: { ledger: string; first: number; count: number; root: Uint8Array }): Promise<ObjectInfo> {
    const tableAt = this.#position
    const table = encodeTable(this.#kind, {
      firsts: Uint32Array.from(this.#firsts),
      ends: Float64Array.from(this.#ends),
      rawBytes: Uint32Array.from(this.#rawBytes),
    })
    await this.write(table)
    const tableHash = hash('sha256', table, 'buffer')
    await this.write(encodeFooter({ ...run, rowCount: this.#ends.length, tableAt, tableHash }))
    await this.#flush()
    const root = Buffer.from(run.root).toString('hex')
    const key = segmentKey({ ...run, root, kind: this.#kind, sha256: this.#hash.digest('hex') })
    await this.#draft.create(key)
    return { key, sizeBytes: this.#position }
  }

  async abandon(): Promise<void> {
    await this.#draft.abandon()
  }

  async #flush(): Promise<void> {
    const bytes = this.#pending.take()
    this.#hash.update(bytes)
    await this.#draft.write(bytes)
  }
}
