// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Files below a folder and SHA-256, by Node, as the check of a folder asks for them: of `stele-verify` and of Stele. They
// are read at once, by a thread that has nothing else to do, which waiting would only slow down.

import * as crypto from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'

import type { FolderFiles, Hasher, OpenedFile } from '../folder/index.ts'

export class NodeFolderFiles implements FolderFiles {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  read(path: string, maxBytes: number): Uint8Array | undefined {
    const opened = this.#open(path)
    if (opened === undefined) return undefined
    try {
      const bytes = new Uint8Array(Math.min(maxBytes, opened.sizeBytes))
      return bytes.subarray(0, readAt(opened.fd, bytes, 0))
    } finally {
      closeSync(opened.fd)
    }
  }

  open(path: string): OpenedFile | undefined {
    const opened = this.#open(path)
    if (opened === undefined) return undefined
    const { fd } = opened
    return { read: (into, position) => readAt(fd, into, position), close: () => closeSync(fd) }
  }

  list(path: string): readonly string[] {
    try {
      return readdirSync(join(this.#folder, path)).toSorted()
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
      fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    const stats = fstatSync(fd)
    if (stats.isFile()) return { fd, sizeBytes: stats.size }
    closeSync(fd)
    const code = stats.isDirectory() ? 'EISDIR' : 'ENXIO'
    throw Object.assign(new Error(`${code}: not a regular file, open '${file}'`), { code, syscall: 'open', path: file })
  }
}

/** By the one call that newer versions of Node have, which is several times faster. */
export function nodeHasher(): Hasher {
  const digest =
    'hash' in crypto
      ? (bytes: Uint8Array, encoding: 'base64url' | 'binary') => crypto.hash('sha256', bytes, encoding)
      : (bytes: Uint8Array, encoding: 'base64url' | 'binary') =>
          crypto.createHash('sha256').update(bytes).digest(encoding)
  return {
    into: (bytes, into, at) => {
      const hash = digest(bytes, 'binary')
      for (let i = 0; i < hash.length; i++) into[at + i] = hash.charCodeAt(i)
    },
    text: (bytes) => digest(bytes, 'base64url'),
  }
}

function readAt(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}
