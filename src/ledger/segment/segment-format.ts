// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The fixed blocks of a segment's two objects (docs/format.md, "Segments"). All integers are big-endian. An object is
 * a header, parts, a table of the parts and a footer, in this order, so that it can be hashed while it is written.
 */
import { MAX_ENTRY_BYTES, MAX_EVENT_BYTES, SALT_BYTES } from '@stele/proof'
import { DataFault } from '../data-fault.ts'
import { HASH_BYTES } from '../wal/format.ts'
import { TWIG_ENTRIES } from './perfect-tree.ts'
import { BUNDLE_ENTRIES, type SegmentKind } from './segment.ts'

export const HEADER_BYTES = 512
export const FOOTER_BYTES = 128
/** A block takes contents until it has as many bytes raw. */
export const BLOCK_BYTES = 64 * 1024

const MAGIC = Buffer.from('f7f6f5f4f3f2f1f0', 'hex')
const VERSION = 1
const KIND_NUMBERS: Readonly<Record<SegmentKind, number>> = { log: 1, content: 2 }
const ROW_BYTES: Readonly<Record<SegmentKind, number>> = { log: 12, content: 16 }

/** The largest raw part: a bundle of the longest entries; a block that was all but full when the largest event came. */
const MAX_PART_BYTES: Readonly<Record<SegmentKind, number>> = {
  log: BUNDLE_ENTRIES * (2 + MAX_ENTRY_BYTES),
  content: BLOCK_BYTES + 4 + SALT_BYTES + MAX_EVENT_BYTES,
}

/*
 * Header: 0 magic 8 | 8 version u32 | 12 kind u32 | 16 origin length u8 | 17 origin | … zeros
 */
export function encodeHeader(kind: SegmentKind, origin: string): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  MAGIC.copy(bytes, 0)
  bytes.writeUInt32BE(VERSION, 8)
  bytes.writeUInt32BE(KIND_NUMBERS[kind], 12)
  bytes.writeUInt8(origin.length, 16)
  bytes.write(origin, 17, 'latin1')
  return bytes
}

/** Reads the origin out of a header; throws a DataFault where it is not one of this version, kind and ledger. */
export function decodeHeader(file: string, bytes: Buffer, kind: SegmentKind, ledger: string): string {
  checkMagic(file, bytes, 0)
  const version = bytes.readUInt32BE(8)
  if (version !== VERSION) {
    const mend = `format ${VERSION} (start the Stele version that wrote this directory, or a newer one)`
    throw new DataFault(file, 8, 'the object is of another format', mend, `format ${version}`)
  }
  const kindNumber = bytes.readUInt32BE(12)
  if (kindNumber !== KIND_NUMBERS[kind]) {
    throw new DataFault(file, 12, 'the object is of another kind', `${KIND_NUMBERS[kind]}`, `${kindNumber}`)
  }
  const origin = bytes.toString('latin1', 17, 17 + bytes.readUInt8(16))
  if (!origin.endsWith(`/${ledger}`)) {
    throw new DataFault(file, 16, 'the object is of another ledger', ledger, JSON.stringify(origin))
  }
  const canonical = encodeHeader(kind, origin)
  if (!bytes.equals(canonical)) throw changed(file, 0, 'the header', canonical, bytes)
  return origin
}

export interface Footer {
  readonly first: number
  readonly count: number
  readonly root: Uint8Array
  readonly rowCount: number
  readonly tableAt: number
  readonly tableHash: Uint8Array
}

/*
 * Footer: 0 magic 8 | 8 first u64 | 16 count u32 | 20 table rows u32 | 24 root 32 | 56 table position u64
 * | 64 table SHA-256 32 | … zeros
 */
export function encodeFooter(footer: Footer): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  MAGIC.copy(bytes, 0)
  bytes.writeBigUInt64BE(BigInt(footer.first), 8)
  bytes.writeUInt32BE(footer.count, 16)
  bytes.writeUInt32BE(footer.rowCount, 20)
  bytes.set(footer.root, 24)
  bytes.writeBigUInt64BE(BigInt(footer.tableAt), 56)
  bytes.set(footer.tableHash, 64)
  return bytes
}

export function decodeFooter(file: string, position: number, bytes: Buffer): Footer {
  checkMagic(file, bytes, position)
  const footer: Footer = {
    first: Number(bytes.readBigUInt64BE(8)),
    count: bytes.readUInt32BE(16),
    root: bytes.subarray(24, 56),
    rowCount: bytes.readUInt32BE(20),
    tableAt: Number(bytes.readBigUInt64BE(56)),
    tableHash: bytes.subarray(64, 96),
  }
  if (!Number.isSafeInteger(footer.first) || !Number.isSafeInteger(footer.tableAt)) {
    const found = `first ${footer.first}, table at ${footer.tableAt}`
    throw new DataFault(file, position, 'the footer names what no object has', 'integers below 2^53', found)
  }
  const canonical = encodeFooter(footer)
  if (!bytes.equals(canonical)) throw changed(file, position, 'the footer', canonical, bytes)
  return footer
}

/** Where the parts of an object lie: part i ends at `ends[i]`, holds `rawBytes[i]` and begins with entry `firsts[i]`. */
export interface PartTable {
  /** Counted from the segment's first entry. */
  readonly firsts: Uint32Array
  readonly ends: Float64Array
  readonly rawBytes: Uint32Array
}

/*
 * Table row of a log object, a bundle: end position u64 | raw bytes u32.
 * Of a content object, a block: first entry of it, from the segment's first, u32 | end position u64 | raw bytes u32.
 */
export function encodeTable(kind: SegmentKind, { firsts, ends, rawBytes }: PartTable): Buffer {
  const rowBytes = ROW_BYTES[kind]
  const bytes = Buffer.alloc(ends.length * rowBytes)
  for (let row = 0; row < ends.length; row++) {
    const at = (row + 1) * rowBytes
    if (kind === 'content') bytes.writeUInt32BE(firsts[row]!, at - 16)
    bytes.writeBigUInt64BE(BigInt(ends[row]!), at - 12)
    bytes.writeUInt32BE(rawBytes[row]!, at - 4)
  }
  return bytes
}

export function tableBytes(kind: SegmentKind, rowCount: number): number {
  return rowCount * ROW_BYTES[kind]
}

/** Reads a table that is what its footer says; throws a DataFault where it says what no writer writes. */
export function decodeTable(file: string, kind: SegmentKind, { count, tableAt }: Footer, bytes: Buffer): PartTable {
  const rowBytes = ROW_BYTES[kind]
  const rowCount = bytes.length / rowBytes
  const table = {
    firsts: new Uint32Array(rowCount),
    ends: new Float64Array(rowCount),
    rawBytes: new Uint32Array(rowCount),
  }
  let start = HEADER_BYTES
  for (let row = 0; row < rowCount; row++) {
    const at = (row + 1) * rowBytes
    const first = kind === 'content' ? bytes.readUInt32BE(at - 16) : row * BUNDLE_ENTRIES
    const end = Number(bytes.readBigUInt64BE(at - 12))
    const raw = bytes.readUInt32BE(at - 4)
    const isNext = row === 0 ? first === 0 : first > table.firsts[row - 1]! && first < count
    if (!isNext || end <= start || end - start > compressedBound(raw) || raw > MAX_PART_BYTES[kind]) {
      const found = `first ${first}, end ${end}, ${raw} bytes raw`
      throw new DataFault(file, tableAt + row * rowBytes, 'the table does not add up', `a part behind ${start}`, found)
    }
    table.firsts[row] = first
    table.ends[row] = end
    table.rawBytes[row] = raw
    start = end
  }
  return table
}

/** Bytes of the hashes that stand behind the bundles of a log object. */
export function hashAreaBytes(count: number): number {
  return HASH_BYTES * (count + Math.floor(count / TWIG_ENTRIES) + Math.floor(count / BUNDLE_ENTRIES))
}

/** Zstandard grows what it cannot compress by less than this. */
function compressedBound(rawBytes: number): number {
  return rawBytes + rawBytes / 128 + 512
}

function checkMagic(file: string, bytes: Buffer, position: number): void {
  const found = bytes.subarray(0, MAGIC.length)
  if (found.equals(MAGIC)) return
  throw new DataFault(file, position, 'not an object of a segment', MAGIC.toString('hex'), found.toString('hex'))
}

function changed(file: string, position: number, what: string, expected: Buffer, found: Buffer): DataFault {
  const at = expected.findIndex((byte, offset) => byte !== found[offset])
  const hex = (bytes: Buffer) => bytes.toString('hex', at, at + 8)
  return new DataFault(file, position + at, `${what} is not of its form`, hex(expected), hex(found))
}
