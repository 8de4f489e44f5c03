// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The compressed parts of a segment's objects, bundles of entries and blocks of contents. What is read is decompressed
 * into no more than the table says, and only where it is one frame that says the same, with nothing behind it.
 */
import { promisify } from 'node:util'
import { constants, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import type { RowHasher } from '../../platform/row-hasher.ts'
import { readZstdFrame, ZstdFault } from '../../platform/zstd-frame.ts'
import type { SegmentKind } from './segment.ts'

/** Of Entra sign-ins level 3 leaves 9 % and levels above it hardly less, at half its speed. */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 3 }
/** What is larger is decompressed beside the others' work. */
const SYNC_BYTES = 256 * 1024

const decompress = promisify(zstdDecompress)

/** More than the compressor makes of so much, however little it finds in it. */
const mostBytes = (rawBytes: number): number => rawBytes + Math.ceil(rawBytes / 128) + 1_024

export function compressPart(raw: Buffer): Buffer {
  // In one chunk that is never full: a frame that fills its last chunk to the byte is given an empty one behind it.
  return zstdCompressSync(raw, { params: PARAMS, chunkSize: mostBytes(raw.length) })
}

/** Throws a ZstdFault where `bytes` is not one frame of `rawBytes`. */
export async function decompressPart(bytes: Buffer, rawBytes: number): Promise<Buffer> {
  const { end, contentSize, windowBytes } = readZstdFrame(bytes)
  if (contentSize !== rawBytes)
    throw new ZstdFault(`the zstd frame says that it holds ${contentSize ?? 'any'} bytes`, 4)
  if (windowBytes > rawBytes) throw new ZstdFault(`the zstd frame has a window of ${windowBytes} bytes`, 4)
  if (end !== bytes.length) throw new ZstdFault('bytes follow the zstd frame', end)
  // One chunk that is never full, so nothing is joined.
  const options = { maxOutputLength: rawBytes, chunkSize: Math.max(64, rawBytes + 1) }
  let raw: Buffer
  try {
    raw = rawBytes > SYNC_BYTES ? await decompress(bytes, options) : zstdDecompressSync(bytes, options)
  } catch (error) {
    if (!isZstdError(error)) throw error
    throw new ZstdFault(`the zstd frame does not decompress: ${error.message}`, 0)
  }
  if (raw.length !== rawBytes) throw new ZstdFault(`the zstd frame holds ${raw.length} bytes`, 0)
  return raw
}

/** Entries or contents `from` to `to` of a part, as views; undefined where it is not one of `count`. */
export function partItems(
  kind: SegmentKind,
  raw: Buffer,
  count: number,
  from: number,
  to: number,
): Buffer[] | undefined {
  return kind === 'log' ? bundleEntries(raw, count, from, to) : blockContents(raw, count, from, to)
}

/** Entries `from` to `to` of a bundle, as views; undefined where it is not one of `count`. */
function bundleEntries(raw: Buffer, count: number, from: number, to: number): Buffer[] | undefined {
  const entries: Buffer[] = []
  let at = 0
  for (let position = 0; position < count; position++) {
    if (at + 2 > raw.length) return undefined
    const end = at + 2 + raw.readUInt16BE(at)
    if (end > raw.length) return undefined
    if (position >= from && position < to) entries.push(raw.subarray(at + 2, end))
    at = end
  }
  return at === raw.length ? entries : undefined
}

/** The leaf hashes of entries that `bundleEntries` gave; their lengths, two bytes before each, are given up for it. */
export function bundleLeaves(entries: readonly Buffer[], rows: RowHasher): Uint8Array {
  const [first, last] = [entries[0], entries.at(-1)]
  if (first === undefined || last === undefined) return new Uint8Array(0)
  const start = first.byteOffset - 1
  const bytes = new Uint8Array(first.buffer, start, last.byteOffset + last.length - start)
  const bounds = new Uint32Array(2 * entries.length)
  for (const [position, { byteOffset, length }] of entries.entries()) {
    const at = byteOffset - 1 - start
    bytes[at] = 0
    bounds[2 * position] = at
    bounds[2 * position + 1] = at + 1 + length
  }
  return rows.ranges(bytes, bounds)
}

/** A block: count u32 | for each its end u32, counted from behind these | contents, each salt ‖ event. */
export function encodeBlock(ends: readonly number[], contents: Buffer): Buffer {
  const raw = Buffer.allocUnsafe(blockBytes(ends.length, contents.length))
  let at = raw.writeUInt32BE(ends.length)
  for (const end of ends) at = raw.writeUInt32BE(end, at)
  contents.copy(raw, at)
  return raw
}

export function blockBytes(count: number, contentsBytes: number): number {
  return 4 + 4 * count + contentsBytes
}

/** Contents `from` to `to` of a block, as views; undefined where it is not one of `count`. */
function blockContents(raw: Buffer, count: number, from: number, to: number): Buffer[] | undefined {
  const area = blockBytes(count, 0)
  if (raw.length < area || raw.readUInt32BE(0) !== count) return undefined
  const contents: Buffer[] = []
  let start = area
  for (let position = 0; position < count; position++) {
    const end = area + raw.readUInt32BE(4 + 4 * position)
    if (end < start || end > raw.length) return undefined
    if (position >= from && position < to) contents.push(raw.subarray(start, end))
    start = end
  }
  return start === raw.length ? contents : undefined
}

function isZstdError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(?:ZSTD_|ERR_BUFFER_TOO_LARGE)/.test(String(error.code))
}
