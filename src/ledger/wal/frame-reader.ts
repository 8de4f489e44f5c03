// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads frames back and checks them. What it returns has been held against the frame's own hashes; whether a frame
 * belongs in the chain, and whether its roots follow from its entries, is for the caller that knows the tree.
 */
import { createHash, hash } from 'node:crypto'
import { SALT_BYTES } from '@stele/proof'
import type { DiskFile } from '../../platform/disk.ts'
import {
  alignUp,
  BLOCK_BYTES,
  decodeFrameHeader,
  type DecodedFrameHeader,
  decodeTable,
  FRAME_HEADER_BYTES,
  HASH_BYTES,
  keyedCrc,
  type Section,
  SECTION_HEADER_BYTES,
  sectionLayout,
  type TableRow,
} from './format.ts'

export interface ReadFrame {
  readonly header: DecodedFrameHeader
  readonly position: number
  readonly bytes: Buffer
  readonly rows: readonly TableRow[]
  readonly sections: readonly Section[]
}

/** What is wrong with a frame, in the words of a fault; `at` counts from the start of the frame. */
export interface FrameFlaw {
  readonly at: number
  readonly what: string
  readonly expected: string
  readonly found: string
}

export function isFlaw(result: object): result is FrameFlaw {
  return 'expected' in result
}

/** The bounds of event `position` of a section: its entry (without the 0x00) and its content (salt and event). */
export function eventBounds(
  section: Section,
  position: number,
): { entryStart: number; entryEnd: number; contentStart: number; contentEnd: number } {
  const { bytes, endsAt, entriesAt, contentsAt } = section
  const at = endsAt + position * 8
  return {
    entryStart: entriesAt + (position === 0 ? 0 : bytes.readUInt32BE(at - 8)) + 1,
    entryEnd: entriesAt + bytes.readUInt32BE(at),
    contentStart: contentsAt + (position === 0 ? 0 : bytes.readUInt32BE(at - 4)),
    contentEnd: contentsAt + bytes.readUInt32BE(at + 4),
  }
}

/** Reads the frame at `position`; undefined where the file ends cleanly there. */
export async function readFrame(
  file: DiskFile,
  fileBytes: number,
  fileId: Buffer,
  position: number,
): Promise<ReadFrame | FrameFlaw | undefined> {
  if (position === fileBytes) return undefined
  const head = Buffer.alloc(FRAME_HEADER_BYTES)
  const got = await file.read(head, position)
  const header = decodeFrameHeader(head.subarray(0, got), fileId)
  if (!('hash' in header)) return { at: 0, ...header }
  if (position + header.frameBytes > fileBytes) return cutOff(header, fileBytes - position)
  const bytes = Buffer.allocUnsafeSlow(header.frameBytes)
  await file.read(bytes, position)
  return parseFrame(bytes, fileId, position)
}

/** The flaw of a frame of which only so many bytes are there. */
export function cutOff({ frameBytes }: DecodedFrameHeader, leftBytes: number): FrameFlaw {
  const found = `${leftBytes} bytes up to the end of the file`
  return { at: 0, what: 'the frame is cut off', expected: `${frameBytes} bytes`, found }
}

/** Takes a whole frame apart: header, body checksum, table, padding, and the arithmetic of every section. */
export function parseFrame(bytes: Buffer, fileId: Buffer, position: number): ReadFrame | FrameFlaw {
  const header = decodeFrameHeader(bytes, fileId)
  if (!('hash' in header)) return { at: 0, ...header }
  const tableAt = FRAME_HEADER_BYTES + header.bodyBytes
  const tableEnd = tableAt + header.tableBytes
  if (alignUp(tableEnd) !== header.frameBytes || bytes.length !== header.frameBytes) {
    return { at: 16, what: 'lengths do not add up', expected: `${alignUp(tableEnd)}`, found: `${header.frameBytes}` }
  }
  const crc = keyedCrc(fileId, bytes.subarray(FRAME_HEADER_BYTES, tableAt))
  if (crc !== header.bodyCrc) {
    return { at: FRAME_HEADER_BYTES, what: 'the body was changed', expected: hex32(header.bodyCrc), found: hex32(crc) }
  }
  const table = bytes.subarray(tableAt, tableEnd)
  const tableHash = createHash('sha256').update(table).digest()
  const rows = decodeTable(table, header.rowCount)
  if (!tableHash.equals(header.tableHash) || rows === undefined) {
    const expected = header.tableHash.toString('hex')
    return { at: tableAt, what: 'the table was changed', expected, found: tableHash.toString('hex') }
  }
  for (let at = tableEnd; at < bytes.length; at++) {
    if (bytes[at] !== 0) return { at, what: 'the padding was changed', expected: '00', found: hex8(bytes[at] ?? 0) }
  }
  const sections = parseSections(bytes, tableAt, header.sectionCount, rows)
  return isFlaw(sections) ? sections : { header, position, bytes, rows, sections }
}

function parseSections(
  bytes: Buffer,
  end: number,
  sectionCount: number,
  rows: readonly TableRow[],
): Section[] | FrameFlaw {
  const sections: Section[] = []
  let at = FRAME_HEADER_BYTES
  for (let number = 0; number < sectionCount; number++) {
    if (at + SECTION_HEADER_BYTES > end) return sectionFlaw(at, 'a section header', `${end - at} bytes`)
    const row = rows[bytes.readUInt32BE(at)]
    const count = bytes.readUInt32BE(at + 4)
    const first = Number(bytes.readBigUInt64BE(at + 8))
    const sectionEnd = at + Number(bytes.readBigUInt64BE(at + 16))
    const layout = sectionLayout(count)
    const entriesAt = at + layout.entriesAt
    if (row === undefined || count === 0 || sectionEnd > end || entriesAt > sectionEnd) {
      return sectionFlaw(at, 'a section within the frame', `${count} events up to byte ${sectionEnd}`)
    }
    const endsAt = at + layout.endsAt
    const entriesBytes = bytes.readUInt32BE(entriesAt - 8)
    const contentsAt = entriesAt + entriesBytes
    if (contentsAt + bytes.readUInt32BE(entriesAt - 4) !== sectionEnd) {
      return sectionFlaw(at, `contents up to byte ${sectionEnd}`, `${contentsAt + bytes.readUInt32BE(entriesAt - 4)}`)
    }
    const section = {
      ledger: row.ledger,
      first,
      count,
      at,
      bytes,
      hashesAt: at + layout.hashesAt,
      endsAt,
      entriesAt,
      contentsAt,
    }
    const disorder = firstDisorder(section)
    if (disorder !== undefined) return sectionFlaw(endsAt + disorder * 8, 'ends in rising order', `event ${disorder}`)
    sections.push(section)
    at = sectionEnd
  }
  return at === end ? sections : sectionFlaw(at, `sections up to byte ${end}`, `${at}`)
}

function firstDisorder(section: Section): number | undefined {
  let entryEnd = 0
  let contentEnd = 0
  for (let position = 0; position < section.count; position++) {
    const at = section.endsAt + position * 8
    const nextEntryEnd = section.bytes.readUInt32BE(at)
    const nextContentEnd = section.bytes.readUInt32BE(at + 4)
    if (nextEntryEnd < entryEnd + 2 || nextContentEnd < contentEnd + SALT_BYTES) return position
    if (section.bytes[section.entriesAt + entryEnd] !== 0) return position
    entryEnd = nextEntryEnd
    contentEnd = nextContentEnd
  }
  return undefined
}

function sectionFlaw(at: number, expected: string, found: string): FrameFlaw {
  return { at, what: 'the sections do not add up', expected, found }
}

/** Position in the section of the first entry that its leaf hash does not match, if any. */
export function firstBadLeaf(section: Section): number | undefined {
  const { bytes, count, hashesAt } = section
  const leaves = bytes.toString('latin1', hashesAt, hashesAt + count * HASH_BYTES)
  for (let position = 0; position < count; position++) {
    const { entryStart, entryEnd } = eventBounds(section, position)
    const leaf = hash('sha256', bytes.subarray(entryStart - 1, entryEnd), 'binary')
    if (!leaves.startsWith(leaf, position * HASH_BYTES)) return position
  }
  return undefined
}

/**
 * Where the log goes on behind a bad frame at `position`, if it does: that tells a torn tail from damage, for a frame
 * is written only after the one before is durable. So one byte behind the end that a whole header names is enough, and
 * so is a whole header behind one that is not whole.
 */
export async function goesOnAt(
  file: DiskFile,
  fileBytes: number,
  fileId: Buffer,
  position: number,
): Promise<number | undefined> {
  const head = Buffer.alloc(FRAME_HEADER_BYTES)
  for (let at = position; at + FRAME_HEADER_BYTES <= fileBytes; at += BLOCK_BYTES) {
    await file.read(head, at)
    const header = decodeFrameHeader(head, fileId)
    if (!('hash' in header)) continue
    if (at > position) return at
    const end = position + header.frameBytes
    return end < fileBytes ? end : undefined
  }
  return undefined
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

function hex8(value: number): string {
  return value.toString(16).padStart(2, '0')
}
