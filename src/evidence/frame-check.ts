// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Checks frames of the WAL by themselves, byte for byte: header, checksums, table, padding, every entry against its
 * leaf hash and its one serialisation, every content against what its entry commits to. It knows no tree and no other
 * frame, so any number of threads may do it. What lies on the disk is taken for an attacker's.
 */
import { hash } from 'node:crypto'
import { parseEntry, ProofError, SALT_BYTES } from '@stele/proof'
import { platformRows, type RowHasher } from '../platform/row-hasher.ts'
import { LEDGER_NAME } from '../schema/limits.ts'
import {
  decodeFrameHeader,
  type DecodedFrameHeader,
  decodeTable,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  HASH_BYTES,
  keyedCrc,
  type Section,
  WAL_VERSION,
} from '../ledger/wal/format.ts'
import { eventBounds, type FrameFlaw, isFlaw, parseFrame, type ReadFrame } from '../ledger/wal/frame-reader.ts'
import { EntryForms } from '../ledger/entry-forms.ts'
import type { FindingKind } from './finding.ts'

/** Something wrong in a frame; `at` counts from the frame's start. */
interface Fault {
  readonly kind: FindingKind
  readonly at: number
  readonly what: string
  readonly ledger?: string
  readonly index?: number
  readonly expected?: string
  readonly found?: string
}

/** A section that holds together; offsets count from the frame's start. */
export interface CheckedSection {
  readonly ledger: string
  readonly first: number
  readonly count: number
  readonly at: number
  readonly hashesAt: number
  readonly endsAt: number
  readonly entriesAt: number
  readonly contentsAt: number
  readonly contentBytes: number
  /** Ledger times of the first and the last entry; empty where those entries are bad. */
  readonly firstTime: string
  readonly lastTime: string
  /** Some entry does not have the leaf hash that stands beside it. */
  readonly isBad: boolean
}

/** A frame after its checks, fit to be sent between threads. Hashes are hex. */
export interface CheckedFrame {
  /** Where it begins in the block that was checked. */
  readonly at: number
  readonly frameBytes: number
  readonly commit: number
  readonly previousHash: string
  readonly hash: string
  /** The rows are not those that the header commits to. */
  readonly isTableChanged: boolean
  readonly rows: readonly { readonly ledger: string; readonly size: number; readonly root: string }[]
  readonly sections: readonly CheckedSection[]
  readonly faults: readonly Fault[]
}

/** Checks the frames of a block: `places` holds offset and length of each in `bytes`. */
export function checkBlock(
  bytes: Buffer,
  fileId: Buffer,
  places: readonly number[],
  rows: RowHasher = platformRows,
): CheckedFrame[] {
  const forms = new EntryForms()
  const frames: CheckedFrame[] = []
  for (let i = 0; i < places.length; i += 2) {
    const [at = 0, length = 0] = places.slice(i, i + 2)
    frames.push(checkFrame(bytes.subarray(at, at + length), fileId, at, forms, rows))
  }
  return frames
}

/** Checks one frame whose header is known to be whole. */
function checkFrame(bytes: Buffer, fileId: Buffer, at: number, forms: EntryForms, hasher: RowHasher): CheckedFrame {
  const header = decodeFrameHeader(bytes, fileId)
  if (!('hash' in header)) throw new Error(`the frame at ${at} of the block has no header: ${header.what}`)
  const faults: Fault[] = []
  const frame = takeApart(bytes, fileId, header, faults)
  const table = bytes.subarray(tableAt(header), tableAt(header) + header.tableBytes)
  const isTableChanged = !hash('sha256', table, 'buffer').equals(header.tableHash)
  const rows = frame?.rows ?? (isTableChanged ? [] : (decodeTable(table, header.rowCount) ?? []))
  const read = frame?.sections ?? []
  if (frame !== undefined) checkRows(frame, faults)
  const sections = read.map((section) => checkSection(section, forms, hasher, faults))
  return {
    at,
    frameBytes: header.frameBytes,
    commit: header.commit,
    previousHash: header.previousHash.toString('hex'),
    hash: header.hash.toString('hex'),
    isTableChanged,
    rows: rows.map(({ ledger, size, root }) => ({ ledger, size, root: Buffer.from(root).toString('hex') })),
    sections,
    faults,
  }
}

/**
 * Parses a frame; where a checksum is wrong, says so and parses it once more as if it were right, so that the entry
 * which was changed can be named. Undefined where even that does not give sections.
 */
function takeApart(bytes: Buffer, fileId: Buffer, header: DecodedFrameHeader, faults: Fault[]): ReadFrame | undefined {
  if (bytes.readUInt32BE(8) !== WAL_VERSION || bytes.readUInt32BE(52) !== 0) {
    const found = `version ${bytes.readUInt32BE(8)}, ${bytes.readUInt32BE(52)}`
    faults.push({
      kind: 'frame',
      at: 8,
      what: 'the frame is of another format',
      expected: `version ${WAL_VERSION}, 0`,
      found,
    })
  }
  let frame = parseFrame(bytes, fileId, 0)
  const mended = isFlaw(frame) ? Buffer.from(bytes) : bytes
  for (const mend of [mendBody, mendTable, mendPadding]) {
    if (!isFlaw(frame)) break
    if (!mend(mended, fileId, header)) continue
    faults.push(frameFault(frame))
    frame = parseFrame(mended, fileId, 0)
  }
  if (!isFlaw(frame)) return frame
  faults.push(frameFault(frame))
  return undefined
}

function frameFault({ at, what, expected, found }: FrameFlaw): Fault {
  return { kind: 'frame', at, what, expected, found }
}

const tableAt = (header: DecodedFrameHeader) => FRAME_HEADER_BYTES + header.bodyBytes

/** Each mends one checksum in place and says whether it was wrong. */
function mendBody(bytes: Buffer, fileId: Buffer, header: DecodedFrameHeader): boolean {
  const bodyCrc = keyedCrc(fileId, bytes.subarray(FRAME_HEADER_BYTES, tableAt(header)))
  if (bodyCrc === header.bodyCrc) return false
  rewriteHeader(bytes, fileId, { bodyCrc })
  return true
}

function mendTable(bytes: Buffer, fileId: Buffer, header: DecodedFrameHeader): boolean {
  const table = bytes.subarray(tableAt(header), tableAt(header) + header.tableBytes)
  const tableHash = hash('sha256', table, 'buffer')
  if (tableHash.equals(header.tableHash)) return false
  rewriteHeader(bytes, fileId, { tableHash })
  return true
}

function mendPadding(bytes: Buffer, _: Buffer, header: DecodedFrameHeader): boolean {
  const padding = bytes.subarray(tableAt(header) + header.tableBytes)
  if (padding.every((byte) => byte === 0)) return false
  padding.fill(0)
  return true
}

function rewriteHeader(bytes: Buffer, fileId: Buffer, change: Partial<DecodedFrameHeader>): void {
  const header = decodeFrameHeader(bytes, fileId)
  if ('hash' in header) encodeFrameHeader(bytes, fileId, { ...header, ...change })
}

/** Each ledger of the frame has one row, stands in it once, and has a name that can be one. */
function checkRows(frame: ReadFrame, faults: Fault[]): void {
  const inOrder = [...new Set(frame.sections.map((section) => section.ledger))]
  const names = frame.rows.map((row) => row.ledger)
  if (inOrder.join() === names.join() && names.every((name) => LEDGER_NAME.test(name))) return
  const [expected, found] = [inOrder.join(', '), names.join(', ')]
  faults.push({
    kind: 'frame',
    at: tableAt(frame.header),
    what: 'the table has other ledgers than the frame',
    expected,
    found,
  })
}

function checkSection(section: Section, forms: EntryForms, rows: RowHasher, faults: Fault[]): CheckedSection {
  const { bytes, ledger, first, count, at, hashesAt, endsAt, entriesAt, contentsAt } = section
  let firstTime = ''
  let lastTime = ''
  let isBad = false
  const leaves = leavesOf(section, rows)
  const areAlike = leaves.equals(bytes.subarray(hashesAt, hashesAt + leaves.length))
  for (let position = 0; position < count; position++) {
    const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, position)
    const leafAt = hashesAt + position * HASH_BYTES
    const index = first + position
    const leaf = leaves.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES)
    if (!areAlike && !leaf.equals(bytes.subarray(leafAt, leafAt + HASH_BYTES))) {
      isBad = true
      const expected = bytes.toString('hex', leafAt, leafAt + HASH_BYTES)
      const found = leaf.toString('hex')
      faults.push({
        kind: 'entry',
        at: entryStart,
        ledger,
        index,
        what: 'the entry does not have its leaf hash',
        expected,
        found,
      })
      continue
    }
    const digest = hash('sha256', bytes.subarray(contentStart, contentEnd), 'base64url')
    const entry = bytes.subarray(entryStart, entryEnd)
    const sizeBytes = contentEnd - contentStart - SALT_BYTES
    let time = forms.timeOf(entry, sizeBytes, digest)
    if (time === undefined) {
      const read = readSlowly(entry, sizeBytes, digest)
      if (typeof read !== 'string') {
        faults.push({ ...read, at: read.kind === 'content' ? contentStart : entryStart, ledger, index })
        continue
      }
      time = read
      forms.learn(entry, sizeBytes, digest, time)
    }
    if (time < lastTime) {
      const what = 'the ledger time goes back'
      faults.push({ kind: 'time', at: entryStart, ledger, index, what, expected: `${lastTime} or later`, found: time })
    }
    if (position === 0) firstTime = time
    lastTime = time
  }
  const contentBytes = eventBounds(section, count - 1).contentEnd - contentsAt
  return { ledger, first, count, at, hashesAt, endsAt, entriesAt, contentsAt, contentBytes, firstTime, lastTime, isBad }
}

/** The hashes of the entries, each behind the 0x00 that stands before it. */
function leavesOf(section: Section, rows: RowHasher): Buffer {
  const bounds = new Uint32Array(2 * section.count)
  for (let position = 0; position < section.count; position++) {
    const { entryStart, entryEnd } = eventBounds(section, position)
    bounds[2 * position] = entryStart - 1
    bounds[2 * position + 1] = entryEnd
  }
  const { buffer, byteOffset, length } = rows.ranges(section.bytes, bounds)
  return Buffer.from(buffer, byteOffset, length)
}

/** The entry's time by the strict parser, or what is wrong with the entry or with its content. */
function readSlowly(
  line: Uint8Array,
  sizeBytes: number,
  digest: string,
): string | Pick<Fault, 'kind' | 'what' | 'expected' | 'found'> {
  try {
    const entry = parseEntry(line)
    if (entry.size === sizeBytes && entry.sha256 === digest) return entry.at
    const what = 'the event is not the one that its entry commits to'
    return {
      kind: 'content',
      what,
      expected: `${entry.size} bytes, ${entry.sha256}`,
      found: `${sizeBytes} bytes, ${digest}`,
    }
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    return { kind: 'entry', what: `the entry is not in its form: ${error.message}` }
  }
}
