// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What somebody can do who has the disk, the format's description and no key: change a frame and make every checksum
// and every link of the chain right again.

import { createHash } from 'node:crypto'

import {
  BLOCK_BYTES,
  decodeFrameHeader,
  encodeFrameHeader,
  FRAME_HEADER_BYTES,
  keyedCrc,
} from '../src/ledger/wal/format.ts'
import { isFlaw, parseFrame, type ReadFrame } from '../src/ledger/wal/frame-reader.ts'

/** All frames of a WAL file. */
export function framesOf(file: Buffer, fileId: Buffer): ReadFrame[] {
  const frames: ReadFrame[] = []
  for (let position = BLOCK_BYTES; position < file.length; position += frames.at(-1)!.header.frameBytes) {
    const { frameBytes } = headerOf(file.subarray(position), fileId)
    const frame = parseFrame(file.subarray(position, position + frameBytes), fileId, position)
    if (isFlaw(frame)) throw new Error(frame.what)
    frames.push(frame)
  }
  return frames
}

/** Makes the header of a changed frame fit it, and the frame before it if another is named; returns its hash. */
export function resealFrame(frame: Buffer, fileId: Buffer, previousHash?: Buffer): Buffer {
  const header = headerOf(frame, fileId)
  const tableAt = FRAME_HEADER_BYTES + header.bodyBytes
  return encodeFrameHeader(frame, fileId, {
    ...header,
    ...(previousHash === undefined ? {} : { previousHash }),
    bodyCrc: keyedCrc(fileId, frame.subarray(FRAME_HEADER_BYTES, tableAt)),
    tableHash: createHash('sha256')
      .update(frame.subarray(tableAt, tableAt + header.tableBytes))
      .digest(),
  })
}

function headerOf(frame: Buffer, fileId: Buffer) {
  const header = decodeFrameHeader(frame.subarray(0, FRAME_HEADER_BYTES), fileId)
  if (!('hash' in header)) throw new Error(header.what)
  return header
}
