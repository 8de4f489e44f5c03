// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Files below a folder and SHA-256, by Node, as the check of a folder asks for them: of `stele-verify` and of Stele. They
// are read at once, by a thread that has nothing else to do, which waiting would only slow down.

import * as crypto from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { MAX_ROTATIONS } from '../folder/given-rotations.ts'
import { type FolderFiles, type Hasher, type OpenedFile, rotationPath } from '../folder/index.ts'
import { MAX_NOTE_BYTES } from '../src/index.ts'

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

/** No longer than that are the statements of a thousand rotations, of whichever keys. */
const MAX_ROTATIONS_BYTES = 16_000_000

/**
 * The bytes of a file of statements of rotation, or of those in a folder as an export has it, or in an export; undefined
 * where there is none. Throws what reading fails with, and a RangeError for more than any log has.
 */
export function readRotations(path: string): Uint8Array | undefined {
  const files = new NodeFolderFiles(path)
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  const bytes = isFolder
    ? statementsIn(files)
    : new NodeFolderFiles(dirname(path)).read(basename(path), MAX_ROTATIONS_BYTES + 1)
  if (bytes === undefined || bytes.length <= MAX_ROTATIONS_BYTES) return bytes
  throw new RangeError(`it has more than ${MAX_ROTATIONS_BYTES} bytes, which no rotations have`)
}

function statementsIn(files: NodeFolderFiles): Uint8Array | undefined {
  const statements: Uint8Array[] = []
  let sizeBytes = 0
  for (let position = 0; position <= MAX_ROTATIONS && sizeBytes <= MAX_ROTATIONS_BYTES; position++) {
    const path = rotationPath(position)
    const statement = files.read(path, MAX_NOTE_BYTES) ?? files.read(basename(path), MAX_NOTE_BYTES)
    if (statement === undefined) break
    statements.push(statement)
    sizeBytes += statement.length
  }
  return statements.length === 0 ? undefined : Buffer.concat(statements)
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
