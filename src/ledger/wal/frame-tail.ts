// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads the WAL behind the writer, frame after frame, from another process. It never looks beyond the end that the
 * writer announced, whatever the file holds there: what is behind it is not durable. Frames are checked as recovery
 * checks them, except for the tree: whoever shows an event to somebody reads it again through the ledger.
 */
import { type Disk, type DiskFile, readExactly } from '../../platform/disk.ts'
import { walPath } from './files.ts'
import { DataFault } from '../data-fault.ts'
import { BLOCK_BYTES, decodeFileHeader, decodeFrameHeader, FRAME_HEADER_BYTES, type WalFileHeader } from './format.ts'
import { isFlaw, type ReadFrame, readFrame } from './frame-reader.ts'

/** Where the log is durable up to: a position in the WAL file whose first commit is `file`. */
export interface DurableEnd {
  readonly file: number
  readonly position: number
}

export function isBehind(one: DurableEnd, other: DurableEnd): boolean {
  return one.file < other.file || (one.file === other.file && one.position < other.position)
}

interface OpenFile {
  readonly file: DiskFile
  readonly path: string
  readonly header: WalFileHeader
}

export class FrameTail {
  readonly #disk: Disk
  readonly #directory: string
  #open: OpenFile | undefined
  #position: DurableEnd
  /** The commit that comes next. */
  #commit = 0

  private constructor(disk: Disk, directory: string, position: DurableEnd) {
    this.#disk = disk
    this.#directory = directory
    this.#position = position
  }

  /** Begins with the frame that holds `position`, which may lie anywhere in it. */
  static async at(disk: Disk, directory: string, position: DurableEnd): Promise<FrameTail> {
    const tail = new FrameTail(disk, directory, { file: position.file, position: BLOCK_BYTES })
    try {
      await tail.#skipTo(position.position)
    } catch (error) {
      await tail.close()
      throw error
    }
    return tail
  }

  /** Where the next frame begins. */
  get position(): DurableEnd {
    return this.#position
  }

  /**
   * The next frame, or undefined where the announced end is reached. Throws a DataFault where a frame was changed: it
   * stays before that frame.
   */
  async next(end: DurableEnd): Promise<ReadFrame | undefined> {
    if (!isBehind(this.#position, end)) return undefined
    const { file, path, header } = await this.#opened()
    const { position } = this.#position
    const fileBytes = this.#position.file === end.file ? end.position : await file.sizeBytes()
    const frame = await readFrame(file, fileBytes, header.fileId, position)
    if (frame === undefined) {
      await this.#enterNextFile()
      return await this.next(end)
    }
    if (isFlaw(frame)) throw new DataFault(path, position + frame.at, frame.what, frame.expected, frame.found)
    this.#position = { file: this.#position.file, position: position + frame.header.frameBytes }
    this.#commit = frame.header.commit + 1
    return frame
  }

  async close(): Promise<void> {
    await this.#open?.file.close()
    this.#open = undefined
  }

  /** Walks from frame to frame by their headers, which are checked apart from the bodies. */
  async #skipTo(position: number): Promise<void> {
    const { file, path, header } = await this.#opened()
    const head = Buffer.alloc(FRAME_HEADER_BYTES)
    for (let at = BLOCK_BYTES; at < position;) {
      const got = await file.read(head, at)
      const decoded = decodeFrameHeader(head.subarray(0, got), header.fileId)
      if (!('hash' in decoded)) throw new DataFault(path, at, decoded.what, decoded.expected, decoded.found)
      if (at + decoded.frameBytes > position) return
      at += decoded.frameBytes
      this.#position = { file: this.#position.file, position: at }
      this.#commit = decoded.commit + 1
    }
  }

  async #enterNextFile(): Promise<void> {
    await this.close()
    this.#position = { file: this.#commit, position: BLOCK_BYTES }
  }

  async #opened(): Promise<OpenFile> {
    if (this.#open !== undefined) return this.#open
    const path = walPath(this.#directory, this.#position.file)
    const file = await this.#disk.open(path, 'read')
    try {
      const header = decodeFileHeader(path, await readExactly(file, 0, BLOCK_BYTES))
      // Before its first frame a file's next commit is the one that names it.
      if (this.#position.position === BLOCK_BYTES) this.#commit = header.firstCommit
      return (this.#open = { file, path, header })
    } catch (error) {
      await file.close()
      throw error
    }
  }
}
