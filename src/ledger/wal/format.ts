// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The write-ahead log's bytes (docs/format.md, "WAL"). All integers are big-endian.
 *
 * A file is a header block and frames, each starting and ending on a multiple of 4,096 bytes, so that writing one
 * frame never rewrites a sector that holds another. A frame is one commit. Its header hash is keyed by the file's
 * random id: whoever sends events does not know it, so no event can contain something that passes for a frame.
 * The header commits to the table (sizes and roots after the commit) and to the header of the frame before.
 * The body's checksum only tells a torn frame from a whole one; what is evidence is recomputed from the entries.
 */
import { createHash, hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { DataFault } from '../data-fault.ts'

export const WAL_VERSION = 1
export const BLOCK_BYTES = 4_096
export const HASH_BYTES = 32

const FILE_MAGIC = Buffer.from('fffefdfcfbfaf9f8', 'hex')
export const FRAME_MAGIC = Buffer.from('f8f9fafbfcfdfeff', 'hex')

export interface WalFileHeader {
  /** 16 random bytes, drawn when the file was made. */
  readonly fileId: Buffer
  readonly firstCommit: number
  /** Hash of the last frame of the file before; zeros for the first file. */
  readonly previousHash: Buffer
  /** `<name>/<install id>`: origins of this directory's ledgers are this, a slash and the ledger's name. */
  readonly originPrefix: string
}

/*
 * File header: 0 magic 8 | 8 version u32 | 12 header length u32 | 16 file id 16 | 32 first commit u64
 * | 40 previous hash 32 | 72 origin prefix length u8 | 73 origin prefix | … zeros | 4064 SHA-256 of all before
 */
const FILE_HASH_AT = BLOCK_BYTES - HASH_BYTES

export function encodeFileHeader(header: WalFileHeader): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES)
  FILE_MAGIC.copy(bytes, 0)
  bytes.writeUInt32BE(WAL_VERSION, 8)
  bytes.writeUInt32BE(BLOCK_BYTES, 12)
  header.fileId.copy(bytes, 16)
  bytes.writeBigUInt64BE(BigInt(header.firstCommit), 32)
  header.previousHash.copy(bytes, 40)
  bytes.writeUInt8(header.originPrefix.length, 72)
  bytes.write(header.originPrefix, 73, 'latin1')
  createHash('sha256').update(bytes.subarray(0, FILE_HASH_AT)).digest().copy(bytes, FILE_HASH_AT)
  return bytes
}

/** Reads the header block of a WAL file; throws a DataFault where it is not one of this version. */
export function decodeFileHeader(file: string, bytes: Buffer): WalFileHeader {
  if (bytes.length < BLOCK_BYTES) {
    throw new DataFault(file, 0, 'the file header is cut off', `${BLOCK_BYTES} bytes`, `${bytes.length}`)
  }
  if (!bytes.subarray(0, 8).equals(FILE_MAGIC)) {
    throw new DataFault(file, 0, 'not a WAL file', FILE_MAGIC.toString('hex'), bytes.toString('hex', 0, 8))
  }
  const expected = hash('sha256', bytes.subarray(0, FILE_HASH_AT), 'hex')
  const found = bytes.toString('hex', FILE_HASH_AT, BLOCK_BYTES)
  if (expected !== found) throw new DataFault(file, FILE_HASH_AT, 'the file header was changed', expected, found)
  const version = bytes.readUInt32BE(8)
  if (version !== WAL_VERSION) {
    const mend = `format ${WAL_VERSION} (start the Stele version that wrote this directory, or a newer one)`
    throw new DataFault(file, 8, 'the file is of another format', mend, `format ${version}`)
  }
  return {
    fileId: Buffer.from(bytes.subarray(16, 32)),
    firstCommit: Number(bytes.readBigUInt64BE(32)),
    previousHash: Buffer.from(bytes.subarray(40, 72)),
    originPrefix: bytes.toString('latin1', 73, 73 + bytes.readUInt8(72)),
  }
}

export interface FrameHeader {
  readonly sectionCount: number
  readonly frameBytes: number
  readonly commit: number
  readonly rowCount: number
  readonly tableBytes: number
  readonly bodyBytes: number
  readonly bodyCrc: number
  readonly previousHash: Buffer
  readonly tableHash: Buffer
}

/*
 * Frame header: 0 magic 8 | 8 version u32 | 12 sections u32 | 16 frame length u64 | 24 commit u64 | 32 rows u32
 * | 36 table length u32 | 40 body length u64 | 48 body CRC-32 u32 | 52 zero u32 | 56 previous hash 32
 * | 88 table SHA-256 32 | 120 SHA-256(file id ‖ bytes 0–119)
 * then the body (sections), the table, zeros to the next multiple of 4,096.
 */
const FRAME_HASH_AT = 120
export const FRAME_HEADER_BYTES = FRAME_HASH_AT + HASH_BYTES

function frameHash(fileId: Buffer, header: Buffer): Buffer {
  return createHash('sha256').update(fileId).update(header.subarray(0, FRAME_HASH_AT)).digest()
}

/** Writes a frame header at the start of `into` and returns the frame's hash. */
export function encodeFrameHeader(into: Buffer, fileId: Buffer, header: FrameHeader): Buffer {
  FRAME_MAGIC.copy(into, 0)
  into.writeUInt32BE(WAL_VERSION, 8)
  into.writeUInt32BE(header.sectionCount, 12)
  into.writeBigUInt64BE(BigInt(header.frameBytes), 16)
  into.writeBigUInt64BE(BigInt(header.commit), 24)
  into.writeUInt32BE(header.rowCount, 32)
  into.writeUInt32BE(header.tableBytes, 36)
  into.writeBigUInt64BE(BigInt(header.bodyBytes), 40)
  into.writeUInt32BE(header.bodyCrc, 48)
  into.writeUInt32BE(0, 52)
  header.previousHash.copy(into, 56)
  header.tableHash.copy(into, 88)
  const digest = frameHash(fileId, into)
  digest.copy(into, FRAME_HASH_AT)
  return digest
}

/** What a header that begins at `at` says of its frame's length; it may not be one. */
export function frameBytesAt(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64BE(at + 16))
}

export interface DecodedFrameHeader extends FrameHeader {
  /** SHA-256(file id ‖ header): the frame's name in the chain. */
  readonly hash: Buffer
}

/** Reads a frame header, or returns what is wrong with it: `expected` and `found` of the first check that failed. */
export function decodeFrameHeader(
  bytes: Buffer,
  fileId: Buffer,
): DecodedFrameHeader | { readonly what: string; readonly expected: string; readonly found: string } {
  if (bytes.length < FRAME_HEADER_BYTES) {
    return { what: 'the frame header is cut off', expected: `${FRAME_HEADER_BYTES} bytes`, found: `${bytes.length}` }
  }
  if (!bytes.subarray(0, 8).equals(FRAME_MAGIC)) {
    return { what: 'no frame', expected: FRAME_MAGIC.toString('hex'), found: bytes.toString('hex', 0, 8) }
  }
  const digest = frameHash(fileId, bytes)
  if (!digest.equals(bytes.subarray(FRAME_HASH_AT, FRAME_HEADER_BYTES))) {
    const found = bytes.toString('hex', FRAME_HASH_AT, FRAME_HEADER_BYTES)
    return { what: 'the frame header was changed', expected: digest.toString('hex'), found }
  }
  return {
    sectionCount: bytes.readUInt32BE(12),
    frameBytes: Number(bytes.readBigUInt64BE(16)),
    commit: Number(bytes.readBigUInt64BE(24)),
    rowCount: bytes.readUInt32BE(32),
    tableBytes: bytes.readUInt32BE(36),
    bodyBytes: Number(bytes.readBigUInt64BE(40)),
    bodyCrc: bytes.readUInt32BE(48),
    previousHash: Buffer.from(bytes.subarray(56, 88)),
    tableHash: Buffer.from(bytes.subarray(88, 120)),
    hash: digest,
  }
}

/** CRC-32 keyed by the file's id, so that bytes of another file, or of an event, do not pass. */
export function keyedCrc(fileId: Buffer, bytes: Uint8Array): number {
  return crc32(bytes, crc32(fileId))
}

/** Writes a u64. As a BigInt it would cost an object. */
export function writeSize(into: Buffer, value: number, at: number): void {
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at)
  into.writeUInt32BE(value % 2 ** 32, at + 4)
}

export function alignUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES
}

/*
 * Section: 0 table row u32 | 4 count u32 | 8 first index u64 | 16 section length u64 | 24 leaf hashes 32 × count
 * | per event: end of its entry u32, end of its content u32, counted from the start of the entries and contents
 * | entries, each behind a 0x00 (so that its leaf is hashed where it lies) | contents, each salt 16 ‖ event.
 * All lengths but these ends follow from them, so one event is found with four small reads.
 */
export const SECTION_HEADER_BYTES = 24

export interface SectionLayout {
  readonly hashesAt: number
  readonly endsAt: number
  readonly entriesAt: number
}

/** Offsets inside a section of `count` events, from the section's start. */
export function sectionLayout(count: number): SectionLayout {
  const endsAt = SECTION_HEADER_BYTES + count * HASH_BYTES
  return { hashesAt: SECTION_HEADER_BYTES, endsAt, entriesAt: endsAt + count * 8 }
}

/** A section and where its parts lie: offsets count from the start of `bytes`, which begins with the frame. */
export interface Section {
  readonly ledger: string
  readonly first: number
  readonly count: number
  readonly at: number
  readonly bytes: Buffer
  readonly hashesAt: number
  readonly endsAt: number
  readonly entriesAt: number
  readonly contentsAt: number
}

export interface TableRow {
  readonly ledger: string
  /** The ledger's size and root after this commit. */
  readonly size: number
  readonly root: Uint8Array
}

/** Table row: name length u8 | name | size u64 | root 32. */
export function encodeTable(rows: readonly TableRow[]): Buffer {
  const parts = rows.map((row) => {
    const bytes = Buffer.alloc(1 + row.ledger.length + 8 + HASH_BYTES)
    bytes.writeUInt8(row.ledger.length, 0)
    bytes.write(row.ledger, 1, 'latin1')
    bytes.writeBigUInt64BE(BigInt(row.size), 1 + row.ledger.length)
    bytes.set(row.root, 9 + row.ledger.length)
    return bytes
  })
  return Buffer.concat(parts)
}

export function decodeTable(bytes: Buffer, rowCount: number): TableRow[] | undefined {
  const rows: TableRow[] = []
  let at = 0
  for (let row = 0; row < rowCount; row++) {
    if (at + 1 > bytes.length) return undefined
    const nameLength = bytes.readUInt8(at)
    const end = at + 1 + nameLength + 8 + HASH_BYTES
    if (end > bytes.length) return undefined
    rows.push({
      ledger: bytes.toString('latin1', at + 1, at + 1 + nameLength),
      size: Number(bytes.readBigUInt64BE(at + 1 + nameLength)),
      root: Buffer.from(bytes.subarray(end - HASH_BYTES, end)),
    })
    at = end
  }
  return at === bytes.length ? rows : undefined
}
