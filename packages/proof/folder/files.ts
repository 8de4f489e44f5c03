// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the check of a folder asks of its platform: files below the folder, read at once, and SHA-256. A platform's hash
// is several times faster than one that runs anywhere.

/** A part of a file that is read bit by bit. */
export interface OpenedFile {
  /** Reads until `into` is full or the file ends; returns the bytes read. */
  read(into: Uint8Array, position: number): number
  close(): void
}

/** The files of a folder, by paths below it with `/`. What is no regular file is an error. */
export interface FolderFiles {
  /** The first bytes of a file, at most `maxBytes`, in memory of their own; undefined where there is no file. */
  read(path: string, maxBytes: number): Uint8Array | undefined
  /** Undefined where there is no file. */
  open(path: string): OpenedFile | undefined
  /** Names in a folder, sorted; empty where there is none. */
  list(path: string): readonly string[]
}

/** SHA-256 by the platform. */
export interface Hasher {
  /** Writes the hash of `bytes` to `into` at `at`. */
  into(bytes: Uint8Array, into: Uint8Array, at: number): void
  /** The hash of `bytes` in base64url without padding. */
  text(bytes: Uint8Array): string
  /** For a platform that hashes many in less time than one after the other. */
  readonly rows?: RowHasher
}

/** SHA-256 of many at once; what is returned are hashes side by side. */
export interface RowHasher {
  /** The hash of each range of bytes, `bounds[2i]` to `bounds[2i + 1]`; they are in order, and none overlaps another. */
  ranges(bytes: Uint8Array, bounds: Uint32Array): Uint8Array
  /** The root over each `width` hashes of a row, a power of two; what is left at its end has none. */
  fold(row: Uint8Array, width: number): Uint8Array
}

/** What is wrong in a folder, and where; fit to be shown once hostile characters are written out. */
export interface FolderFinding {
  /** `key`: of a signature. `root`: the entries are not those of the signed head. The others: of this part of it. */
  readonly kind: 'key' | 'root' | 'entry' | 'tile' | 'content' | 'missing' | 'file'
  readonly what: string
  /** Path below the folder. */
  readonly file: string
  /** Bytes from the start of the file. */
  readonly offset?: number
  /** The entry, or the first of `count` of which one is meant. */
  readonly index?: number
  readonly count?: number
  readonly expected?: string
  readonly found?: string
}
