// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The frames of a WAL file, one behind the other. What comes next is read while the caller works on what is there, into
 * two slabs that are used in turn: fresh memory for each frame costs as much as checking it.
 */
import type { DiskFile } from '../../platform/disk.ts'
import { DataFault } from '../data-fault.ts'
import { BLOCK_BYTES, decodeFrameHeader, FRAME_HEADER_BYTES, frameBytesAt } from './format.ts'
import { cutOff, type FrameFlaw, isFlaw, parseFrame, type ReadFrame } from './frame-reader.ts'

const SLAB_BYTES = 8 * 1024 * 1024

/** Bytes of the file from `position` on. */
interface Window {
  readonly position: number
  readonly bytes: Buffer
}

export class FrameSequence {
  readonly #file: DiskFile
  readonly #fileBytes: number
  readonly #fileId: Buffer
  readonly #slabBytes: number
  readonly #slabs: Buffer[] = []
  /** The slab that holds the window; the other one is being read into. */
  #held: 0 | 1 = 0
  #position: number
  #window: Window
  #ahead: Promise<Window> | undefined

  /** Begins with the frame at `position`. */
  constructor(file: DiskFile, fileBytes: number, fileId: Buffer, position: number, slabBytes: number = SLAB_BYTES) {
    this.#file = file
    this.#fileBytes = fileBytes
    this.#fileId = fileId
    this.#slabBytes = slabBytes
    this.#position = position
    this.#window = { position, bytes: Buffer.alloc(0) }
  }

  /** The next frame, valid until the one after it is asked for; undefined where the file ends cleanly. */
  async next(): Promise<ReadFrame | FrameFlaw | undefined> {
    const position = this.#position
    const leftBytes = this.#fileBytes - position
    if (leftBytes === 0) return undefined
    if (this.#rest().length < Math.min(FRAME_HEADER_BYTES, leftBytes)) await this.#move()
    const header = decodeFrameHeader(this.#rest(), this.#fileId)
    if (!('hash' in header)) return { at: 0, ...header }
    const { frameBytes } = header
    if (frameBytes > leftBytes) return cutOff(header, leftBytes)
    if (this.#rest().length < frameBytes) await this.#move()
    const rest = this.#rest()
    // One that is larger than a slab gets memory of its own.
    const bytes = rest.length < frameBytes ? await this.#read(position, Buffer.allocUnsafeSlow(frameBytes)) : rest
    const frame = parseFrame(bytes.subarray(0, frameBytes), this.#fileId, position)
    if (!isFlaw(frame)) this.#position += frameBytes
    return frame
  }

  /** Resolves once nothing is being read: only then may the file be closed. */
  async settled(): Promise<void> {
    await this.#ahead?.catch(() => {})
  }

  /** What the window has of the next frame and those behind it. */
  #rest(): Buffer {
    return this.#window.bytes.subarray(this.#position - this.#window.position)
  }

  /** Lets the window begin with the next frame, and what will come behind it be read. */
  async #move(): Promise<void> {
    const position = this.#position
    const ahead = await this.#ahead
    this.#ahead = undefined
    if (ahead?.position === position) {
      this.#held = this.#held === 0 ? 1 : 0
      this.#window = ahead
    } else {
      this.#window = { position, bytes: await this.#read(position, this.#slab(this.#held)) }
    }
    const next = this.#firstUnfinished()
    if (next === position || next >= this.#fileBytes) return
    const slab = this.#slab(this.#held === 0 ? 1 : 0)
    this.#ahead = this.#read(next, slab).then((bytes) => ({ position: next, bytes }))
    // Whoever moves on to it hears of its failure.
    this.#ahead.catch(() => {})
  }

  #slab(which: 0 | 1): Buffer {
    return (this.#slabs[which] ??= Buffer.allocUnsafeSlow(
      Math.min(this.#slabBytes, this.#fileBytes - this.#window.position),
    ))
  }

  async #read(position: number, into: Buffer): Promise<Buffer> {
    const bytes = into.subarray(0, Math.min(into.length, this.#fileBytes - position))
    return bytes.subarray(0, await this.#file.read(bytes, position))
  }

  /** The first frame that the window does not hold whole, if the lengths are true, which nobody has checked yet. */
  #firstUnfinished(): number {
    const { position, bytes } = this.#window
    let at = 0
    while (at + FRAME_HEADER_BYTES <= bytes.length) {
      const frameBytes = frameBytesAt(bytes, at)
      if (frameBytes < FRAME_HEADER_BYTES || at + frameBytes > bytes.length) break
      at += frameBytes
    }
    return position + at
  }
}

/**
 * All frames of a file up to `endBytes`, each valid until the next is asked for; throws a DataFault with the place in the
 * file where one is not whole. The file stays open.
 */
export async function* wholeFrames(
  path: string,
  file: DiskFile,
  fileId: Buffer,
  endBytes: number,
): AsyncGenerator<ReadFrame> {
  const frames = new FrameSequence(file, endBytes, fileId, BLOCK_BYTES)
  let position = BLOCK_BYTES
  try {
    for (let frame = await frames.next(); frame !== undefined; frame = await frames.next()) {
      if (isFlaw(frame)) throw new DataFault(path, position + frame.at, frame.what, frame.expected, frame.found)
      yield frame
      position += frame.header.frameBytes
    }
  } finally {
    await frames.settled()
  }
}
