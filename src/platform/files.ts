// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Files that belong to somebody else and may change, be renamed or go while they are read.

import { createReadStream } from 'node:fs'
import { lstat, open, stat } from 'node:fs/promises'

export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'link' | 'other'
  readonly sizeBytes: number
  /** Whether it belongs to the user who runs this. */
  readonly isOwn: boolean
  /** Whether nobody else may read or write it. */
  readonly isPrivate: boolean
  /** Device and inode: the same for as long as it is the same file, whatever it is called. */
  readonly identity: string
}

export interface OpenedFile {
  readonly identity: string
  sizeBytes(): Promise<number>
  /** When it was last changed, its name and mode included, in nanoseconds: while it is the same, the file is. */
  changedNs(): Promise<string>
  /** Reads what is there, at most until `into` is full; 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
}

export interface Files {
  /** Of the file behind the path, or of the link itself; undefined where there is nothing. */
  status(path: string, links: 'follow' | 'show'): Promise<FileStatus | undefined>
  open(path: string): Promise<OpenedFile>
  /** The bytes from first to last, of a pipe too; or those from `start`, and before `end`. */
  stream(path: string, start?: number, end?: number): AsyncIterable<Uint8Array>
}

const CHUNK_BYTES = 256 * 1024

export class NodeFiles implements Files {
  async status(path: string, links: 'follow' | 'show'): Promise<FileStatus | undefined> {
    try {
      const stats = await (links === 'follow' ? stat : lstat)(path, { bigint: true })
      const kind = stats.isFile()
        ? 'file'
        : stats.isDirectory()
          ? 'directory'
          : stats.isSymbolicLink()
            ? 'link'
            : 'other'
      const isOwn = Number(stats.uid) === process.getuid?.()
      const isPrivate = Number(stats.mode) % 64 === 0
      return { kind, sizeBytes: Number(stats.size), isOwn, isPrivate, identity: `${stats.dev}:${stats.ino}` }
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return
      throw error
    }
  }

  async open(path: string): Promise<OpenedFile> {
    const handle = await open(path, 'r')
    const stats = await handle.stat({ bigint: true })
    return {
      identity: `${stats.dev}:${stats.ino}`,
      sizeBytes: async () => (await handle.stat()).size,
      changedNs: async () => String((await handle.stat({ bigint: true })).ctimeNs),
      read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
      close: async () => await handle.close(),
    }
  }

  async *stream(path: string, start = 0, end = Infinity): AsyncIterable<Uint8Array> {
    if (end <= start) return
    // A pipe has no places to begin at.
    const part = start === 0 && end === Infinity ? {} : { start, end: end - 1 }
    // Its `for await` closes the file when the reader stops early.
    for await (const chunk of createReadStream(path, { ...part, highWaterMark: CHUNK_BYTES })) yield chunk as Uint8Array
  }
}
