// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Files below a folder, read at once: for a thread that has nothing else to do, which waiting would only slow down. */
import * as fs from 'node:fs'
import { join } from 'node:path'

/** A file that is read bit by bit. */
interface OpenedFile {
  read(into: Uint8Array, position: number): number
  close(): void
}

export class NodeFolderFiles {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The first bytes of a regular file, at most `maxBytes`; undefined where there is none. */
  read(path: string, maxBytes: number): Uint8Array | undefined {
    const opened = this.#open(path)
    if (opened === undefined) return undefined
    try {
      const bytes = new Uint8Array(Math.min(maxBytes, opened.sizeBytes))
      return bytes.subarray(0, readAt(opened.fd, bytes, 0))
    } finally {
      fs.closeSync(opened.fd)
    }
  }

  open(path: string): OpenedFile | undefined {
    const opened = this.#open(path)
    if (opened === undefined) return undefined
    const { fd } = opened
    return { read: (into, position) => readAt(fd, into, position), close: () => fs.closeSync(fd) }
  }

  /** Names in a folder, sorted; empty where there is none. */
  list(path: string): string[] {
    try {
      return fs.readdirSync(join(this.#folder, path)).toSorted()
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  #open(path: string): { readonly fd: number; readonly sizeBytes: number } | undefined {
    const file = join(this.#folder, path)
    let fd: number
    try {
      // A pipe that somebody put there would be waited for without end.
      fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    const stats = fs.fstatSync(fd)
    if (stats.isFile()) return { fd, sizeBytes: stats.size }
    fs.closeSync(fd)
    const code = stats.isDirectory() ? 'EISDIR' : 'ENXIO'
    throw Object.assign(new Error(`${code}: not a regular file, open '${file}'`), { code, syscall: 'open', path: file })
  }
}

function readAt(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = fs.readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
