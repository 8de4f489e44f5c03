// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Walks the files of a WAL from frame to frame without believing a length that no header hash vouches for, and steps
 * over what cannot be read to the next frame that can. It gives out blocks of whole frames; what is in them is for
 * frame-check.ts.
 */
import { basename, join } from 'node:path'
import { type Disk, type DiskFile, isIrregular } from '../platform/disk.ts'
import { DataFault } from '../ledger/data-fault.ts'
import {
  BLOCK_BYTES,
  decodeFileHeader,
  decodeFrameHeader,
  encodeFileHeader,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type WalFileHeader,
} from '../ledger/wal/format.ts'
import type { Finding } from './finding.ts'

/** Frames that fit are read together up to this; a larger one is a block of its own. */
const TARGET_BLOCK_BYTES = 1024 * 1024
/** A block that a huge frame has made larger is not kept. */
const KEPT_BLOCK_BYTES = 16 * 1024 * 1024
/** No body and no batch makes a frame as large as this. */
const MAX_FRAME_BYTES = 256 * 1024 * 1024

export interface WalkedFile {
  /** Path below the data directory. */
  readonly name: string
  readonly path: string
  readonly sizeBytes: number
  /** Undefined where the header block isn't one; `finding` says why. */
  readonly header: WalFileHeader | undefined
  /** The id that keys the frames' hashes: as found, where the header isn't whole. */
  readonly fileId: Buffer
  readonly finding: Finding | undefined
  /** Open, for a server that runs removes files that it has sealed. */
  readonly file: DiskFile
}

/** All files of a log at one moment. */
export interface WalkedLog {
  readonly files: readonly WalkedFile[]
  readonly strangers: readonly string[]
  /** A file went away between being listed and being opened. */
  readonly isTorn: boolean
  readonly close: () => Promise<void>
}

export interface FrameBlock {
  readonly kind: 'frames'
  readonly position: number
  readonly bytes: Buffer
  /** Offset and length of each frame in `bytes`. */
  readonly places: readonly number[]
}

/** Bytes in which no frame can be found. */
export interface Gap {
  readonly kind: 'gap'
  readonly position: number
  readonly end: number
  readonly why: string
  readonly expected: string
  readonly found: string
}

/** Opens the files under `wal/` and reads their headers, in order of name; tells what else lies there. */
export async function openWal(disk: Disk, directory: string): Promise<WalkedLog> {
  const names = await disk.list(join(directory, 'wal'))
  const irregular = new Set<string>()
  const isWalFile = (name: string) => /^[0-9]{16}$/.test(name) && !irregular.has(name)
  const files: WalkedFile[] = []
  const close = async () => {
    for (const { file } of files) await file.close()
  }
  let isTorn = false
  try {
    for (const name of names.filter(isWalFile)) {
      const walked = await openWalFile(disk, directory, name)
      if (walked === 'irregular') irregular.add(name)
      else if (walked === undefined) isTorn = true
      else files.push(walked)
    }
  } catch (error) {
    await close()
    throw error
  }
  const strangers = names.filter((name) => !isWalFile(name)).map((name) => `wal/${name}`)
  return { files, strangers, isTorn, close }
}

async function openWalFile(disk: Disk, directory: string, name: string): Promise<WalkedFile | 'irregular' | undefined> {
  const path = join(directory, 'wal', name)
  const file = await openIfThere(disk, path)
  if (file === undefined || file === 'irregular') return file
  try {
    const sizeBytes = await file.sizeBytes()
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, sizeBytes))
    const got = await file.read(block, 0)
    const walked = { name: `wal/${name}`, path, sizeBytes, fileId: block.subarray(16, 32), file }
    return { ...walked, ...readHeader(walked.name, path, block.subarray(0, got)) }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function openIfThere(disk: Disk, path: string): Promise<DiskFile | 'irregular' | undefined> {
  try {
    return await disk.open(path, 'read')
  } catch (error) {
    if (isIrregular(error)) return 'irregular'
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function readHeader(file: string, path: string, block: Buffer): Pick<WalkedFile, 'header' | 'finding'> {
  try {
    const header = decodeFileHeader(path, block)
    return { header, finding: headerFinding(file, basename(path), header, block) }
  } catch (fault) {
    if (!(fault instanceof DataFault)) throw fault
    const { offset, what, expected, found } = fault
    return { header: undefined, finding: { kind: 'file', file, offset, what, expected, found } }
  }
}

function headerFinding(file: string, name: string, header: WalFileHeader, block: Buffer): Finding | undefined {
  const [expected, found] = [`commit ${Number(name)}`, `commit ${header.firstCommit}`]
  if (expected !== found) return { kind: 'file', file, offset: 32, what: 'the file has another name', expected, found }
  if (encodeFileHeader(header).equals(block)) return undefined
  return { kind: 'file', file, offset: 0, what: 'the file header holds more than a header' }
}

/** Memory of blocks, used again: fresh megabytes cost as much as hashing a tenth of them. */
export class BlockMemory {
  readonly #free: Buffer[] = []

  take(sizeBytes: number): Buffer {
    const fits = this.#free.findIndex((buffer) => buffer.length >= sizeBytes)
    return fits < 0 ? Buffer.allocUnsafeSlow(sizeBytes) : this.#free.splice(fits, 1)[0]!
  }

  giveBack(block: Buffer): void {
    if (block.buffer.byteLength <= KEPT_BLOCK_BYTES) this.#free.push(Buffer.from(block.buffer as ArrayBuffer))
  }
}

/** Whole frames and gaps of one file from its first frame on, in order, up to `sizeBytes`. */
export async function* walkFrames(
  file: DiskFile,
  sizeBytes: number,
  fileId: Buffer,
  memory: BlockMemory,
): AsyncGenerator<FrameBlock | Gap> {
  let position = BLOCK_BYTES
  while (position < sizeBytes) {
    const block = await readBlock(file, sizeBytes, fileId, position, memory)
    if (block.kind === 'gap') {
      const end = await nextFrame(file, sizeBytes, fileId, position)
      yield { ...block, end }
      position = end
    } else {
      // Whoever takes the block may give its bytes away, to a worker: they are counted before.
      position += block.bytes.length
      yield block
    }
  }
}

async function readBlock(
  file: DiskFile,
  sizeBytes: number,
  fileId: Buffer,
  position: number,
  memory: BlockMemory,
): Promise<FrameBlock | Gap> {
  const head = Buffer.alloc(FRAME_HEADER_BYTES)
  const got = await file.read(head, position)
  const first = frameLength(head.subarray(0, got), fileId, sizeBytes - position)
  if (typeof first !== 'number') return { kind: 'gap', position, end: sizeBytes, ...first }
  const wanted = Math.max(first, Math.min(TARGET_BLOCK_BYTES, sizeBytes - position))
  const bytes = memory.take(wanted).subarray(0, wanted)
  const filled = await file.read(bytes, position)
  const places: number[] = []
  let end = 0
  while (end < filled) {
    const length = frameLength(bytes.subarray(end, filled), fileId, filled - end)
    if (typeof length !== 'number') break
    places.push(end, length)
    end += length
  }
  if (end > 0) return { kind: 'frames', position, bytes: bytes.subarray(0, end), places }
  const found = `${filled} bytes`
  return {
    kind: 'gap',
    position,
    end: sizeBytes,
    why: 'the file was cut while it was read',
    expected: `${first} bytes`,
    found,
  }
}

/** The length of the frame at the start of `bytes`, of which `available` bytes are there; or why there is none. */
function frameLength(
  bytes: Buffer,
  fileId: Buffer,
  available: number,
): number | { readonly why: string; readonly expected: string; readonly found: string } {
  const header = decodeFrameHeader(bytes, fileId)
  if (!('hash' in header)) return { why: header.what, expected: header.expected, found: header.found }
  const { frameBytes } = header
  if (
    !Number.isSafeInteger(frameBytes) ||
    frameBytes < BLOCK_BYTES ||
    frameBytes % BLOCK_BYTES !== 0 ||
    frameBytes > MAX_FRAME_BYTES
  ) {
    const expected = `a multiple of ${BLOCK_BYTES} up to ${MAX_FRAME_BYTES}`
    return { why: 'the frame has a length that no frame has', expected, found: `${frameBytes}` }
  }
  if (frameBytes <= available) return frameBytes
  return {
    why: 'the frame is cut off',
    expected: `${frameBytes} bytes`,
    found: `${available} bytes up to the end of the file`,
  }
}

/** Where the next frame with a whole header begins behind `position`, or the end of the file. */
async function nextFrame(file: DiskFile, sizeBytes: number, fileId: Buffer, position: number): Promise<number> {
  const window = Buffer.alloc(Math.min(TARGET_BLOCK_BYTES, sizeBytes))
  for (let from = position + BLOCK_BYTES; from < sizeBytes; from += window.length) {
    const got = await file.read(window, from)
    for (let at = 0; at + FRAME_HEADER_BYTES <= got; at += BLOCK_BYTES) {
      const head = window.subarray(at, at + FRAME_HEADER_BYTES)
      if (!head.subarray(0, FRAME_MAGIC.length).equals(FRAME_MAGIC)) continue
      if (typeof frameLength(head, fileId, sizeBytes - from - at) === 'number') return from + at
    }
  }
  return sizeBytes
}
