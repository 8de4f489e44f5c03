// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The outline of a Zstandard frame (RFC 8878, section 3.1): where it ends and how large it says that its content is,
// without decompressing. Node's decoder stops after the first frame, passes over what follows it and answers nothing
// for a skippable frame, all in silence; whoever asks here first is not deceived.

const MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const BLOCK_HEADER_BYTES = 3
const MAX_BLOCK_BYTES = 128 * 1024

export interface ZstdFrame {
  /** Offset behind the frame. */
  readonly end: number
  /** Undefined where the frame does not say. */
  readonly contentSize: number | undefined
  /** What the decoder must keep at hand. */
  readonly windowBytes: number
}

/** What is wrong with a frame, and where in it. */
export class ZstdFault extends Error {
  override readonly name = 'ZstdFault'
  readonly offset: number

  constructor(what: string, offset: number) {
    super(what)
    this.offset = offset
  }
}

/** Reads the frame at the beginning of `bytes`; throws a ZstdFault where there is none that is whole. */
export function readZstdFrame(bytes: Buffer): ZstdFrame {
  const magic = unsigned(bytes, 0, 4)
  if ((magic & 0xfffffff0) === SKIPPABLE_MAGIC) throw new ZstdFault('a skippable zstd frame', 0)
  if (magic !== MAGIC) throw new ZstdFault('no zstd frame', 0)
  const descriptor = unsigned(bytes, 4, 1)
  if ((descriptor & 0x08) !== 0) throw new ZstdFault('a reserved bit is set in the zstd frame header', 4)
  const singleSegment = (descriptor & 0x20) !== 0
  let p = 5
  const windowBytes = singleSegment ? 0 : windowOf(unsigned(bytes, p++, 1))
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 0x03]!
  if (dictionaryBytes > 0 && unsigned(bytes, p, dictionaryBytes) !== 0)
    throw new ZstdFault('a zstd dictionary is needed', p)
  p += dictionaryBytes
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!
  // The two-byte form counts from 256.
  const contentSize = sizeBytes === 0 ? undefined : unsigned(bytes, p, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  p = blocksEnd(bytes, p + sizeBytes)
  if ((descriptor & 0x04) !== 0) p += 4
  if (p > bytes.length) throw new ZstdFault('the zstd frame is cut off', bytes.length)
  return { end: p, contentSize, windowBytes: singleSegment ? contentSize! : windowBytes }
}

function blocksEnd(bytes: Buffer, start: number): number {
  let p = start
  for (;;) {
    const header = unsigned(bytes, p, BLOCK_HEADER_BYTES)
    const type = (header >>> 1) & 0x03
    const size = header >>> 3
    if (type === 3) throw new ZstdFault('a zstd block of the reserved type', p)
    if (size > MAX_BLOCK_BYTES) throw new ZstdFault('a zstd block of more than 128 KiB', p)
    // A run-length block is one byte that is repeated `size` times.
    p += BLOCK_HEADER_BYTES + (type === 1 ? 1 : size)
    if ((header & 1) !== 0) return p
  }
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3))
  return base + (base / 8) * (descriptor & 0x07)
}

/** Little-endian; exact below 2^53, and above it large enough to pass every limit. */
function unsigned(bytes: Buffer, at: number, size: number): number {
  if (at + size > bytes.length) throw new ZstdFault('the zstd frame is cut off', bytes.length)
  return size === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUIntLE(at, size)
}
