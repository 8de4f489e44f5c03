// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Builds one frame in one slab of memory, so that a commit is one contiguous write: every append reserves its section
 * and fills it while the frame before is on its way to the disk; sealing adds the table and the header.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  alignUp,
  encodeFrameHeader,
  encodeTable,
  FRAME_HEADER_BYTES,
  keyedCrc,
  type Section,
  sectionLayout,
  type TableRow,
  writeSize,
} from './format.ts'

const SLAB_BYTES = 4 * 1024 * 1024
/** A slab that a huge body has made larger than this is given back after its commit. */
const KEPT_SLAB_BYTES = 16 * 1024 * 1024
/** Upper bound for the table and the padding, kept free behind the sections. */
const TABLE_ROW_BYTES = 1 + 255 + 8 + 32

export interface SealedFrame {
  readonly bytes: Buffer
  readonly hash: Buffer
  readonly commit: number
  readonly rows: readonly TableRow[]
}

export class FrameBuilder {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #end = FRAME_HEADER_BYTES
  #sections: Section[] = []
  readonly #rowOf = new Map<string, number>()

  /** Bytes taken so far, header included. */
  get usedBytes(): number {
    return this.#end
  }

  get sections(): readonly Section[] {
    return this.#sections
  }

  /** Ledgers in the frame, in the order of the table. */
  get ledgers(): Iterable<string> {
    return this.#rowOf.keys()
  }

  /**
   * Reserves a section. `entriesBytes` counts the 0x00 before each entry, `contentsBytes` the salts. The space stays
   * valid until `reset`: a later section may move the slab, and moves what was filled with it.
   */
  addSection(ledger: string, first: number, count: number, entriesBytes: number, contentsBytes: number): Section {
    const layout = sectionLayout(count)
    const sectionBytes = layout.entriesAt + entriesBytes + contentsBytes
    this.#makeRoom(sectionBytes + (this.#rowOf.size + 1) * TABLE_ROW_BYTES)
    let row = this.#rowOf.get(ledger)
    if (row === undefined) {
      row = this.#rowOf.size
      this.#rowOf.set(ledger, row)
    }
    const at = this.#end
    const slab = this.#slab
    slab.writeUInt32BE(row, at)
    slab.writeUInt32BE(count, at + 4)
    writeSize(slab, first, at + 8)
    writeSize(slab, sectionBytes, at + 16)
    const entriesAt = at + layout.entriesAt
    const space: Section = {
      ledger,
      first,
      count,
      at,
      bytes: slab,
      hashesAt: at + layout.hashesAt,
      endsAt: at + layout.endsAt,
      entriesAt,
      contentsAt: entriesAt + entriesBytes,
    }
    this.#sections.push(space)
    this.#end += sectionBytes
    return space
  }

  /** Closes the frame: `rows` in the order of `ledgers`, after this commit. Nothing may be added until `reset`. */
  seal(fileId: Buffer, commit: number, previousHash: Buffer, rows: readonly TableRow[]): SealedFrame {
    assert(rows.length === this.#rowOf.size)
    const table = encodeTable(rows)
    const bodyBytes = this.#end - FRAME_HEADER_BYTES
    const frameBytes = alignUp(this.#end + table.length)
    this.#makeRoom(frameBytes - this.#end)
    const slab = this.#slab
    table.copy(slab, this.#end)
    slab.fill(0, this.#end + table.length, frameBytes)
    const hash = encodeFrameHeader(slab, fileId, {
      sectionCount: this.#sections.length,
      frameBytes,
      commit,
      rowCount: rows.length,
      tableBytes: table.length,
      bodyBytes,
      bodyCrc: keyedCrc(fileId, slab.subarray(FRAME_HEADER_BYTES, this.#end)),
      previousHash,
      tableHash: createHash('sha256').update(table).digest(),
    })
    return { bytes: slab.subarray(0, frameBytes), hash, commit, rows }
  }

  reset(): void {
    if (this.#slab.length > KEPT_SLAB_BYTES) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
    this.#end = FRAME_HEADER_BYTES
    this.#sections = []
    this.#rowOf.clear()
  }

  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return
    const larger = Buffer.allocUnsafeSlow(alignUp(Math.max(this.#end + bytes, this.#slab.length * 2)))
    this.#slab.copy(larger, 0, 0, this.#end)
    this.#slab = larger
    this.#sections = this.#sections.map((section) => ({ ...section, bytes: larger }))
  }
}
