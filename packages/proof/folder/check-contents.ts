// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Holds lines of contents against the entries that they are of.

import { MAX_EVENT_BYTES, parseEntry, ProofError, SALT_BYTES } from '../src/index.ts'
import { maxLineBytes, readContentLine } from './content-line.ts'
import type { FolderFiles, FolderFinding, Hasher } from './files.ts'
import { type Line, Lines } from './lines.ts'
import { contentsPath } from './paths.ts'

/** Contents that are there, of the entries from `first` up to `end`. */
export interface ContentRun {
  readonly first: number
  readonly end: number
}

/** Goes through the files of a unit, whose entries come in order. */
export class ContentCheck {
  readonly runs: ContentRun[] = []
  count = 0
  eventBytes = 0
  readonly #files: FolderFiles
  readonly #hasher: Hasher
  readonly #object: (finding: FolderFinding) => void
  readonly #firsts: number[]
  #open: { readonly path: string; readonly first: number; readonly lines: Lines } | undefined

  /** `firsts` are those of the files, rising. */
  constructor(files: FolderFiles, hasher: Hasher, firsts: readonly number[], object: (finding: FolderFinding) => void) {
    this.#files = files
    this.#hasher = hasher
    this.#firsts = [...firsts]
    this.#object = object
  }

  /** Whether the content of entry `index` is due. */
  isDue(index: number): boolean {
    if (this.#firsts[0] === index) this.#begin(index)
    return this.#open !== undefined
  }

  /** Holds the next line against an entry, which is undefined where it is known to be bad. */
  take(index: number, entry: Uint8Array | undefined): void {
    const open = this.#open
    if (open === undefined) return
    const { path, lines } = open
    const { offset } = lines
    const line = lines.next(maxLineBytes(entry?.length ?? 65_535, MAX_EVENT_BYTES))
    if (line === undefined) return this.#end(index)
    if (typeof line === 'string') {
      const what = line === 'too long' ? 'a line is longer than any can be' : 'the last line is cut off'
      this.#object({ kind: 'content', file: path, offset, index, what })
      return this.#end(index)
    }
    this.count++
    if (entry !== undefined) this.#hold(path, line, index, entry)
  }

  /** Says what the files hold behind the unit's last entry, `end` - 1. */
  finish(end: number): void {
    const open = this.#open
    if (open === undefined) return
    const { offset } = open.lines
    if (open.lines.next(1) !== undefined) {
      const what = `something follows behind the content of entry ${end - 1}`
      this.#object({ kind: 'content', file: open.path, offset, what })
    }
    this.#end(end)
  }

  #begin(index: number): void {
    this.#firsts.shift()
    if (this.#open !== undefined) {
      const { path, lines } = this.#open
      const what = `it goes on where ${contentsPath(index)} begins`
      if (lines.next(1) !== undefined) this.#object({ kind: 'content', file: path, offset: lines.offset, index, what })
      this.#end(index)
    }
    const path = contentsPath(index)
    const file = this.#files.open(path)
    if (file !== undefined) this.#open = { path, first: index, lines: new Lines(file) }
  }

  #end(index: number): void {
    if (this.#open === undefined) return
    const { path, first, lines } = this.#open
    lines.close()
    this.#open = undefined
    if (index > first) this.runs.push({ first, end: index })
    else this.#object({ kind: 'content', file: path, offset: 0, index, what: 'the file has no content' })
  }

  #hold(path: string, { bytes, offset }: Line, index: number, entryBytes: Uint8Array): void {
    const place = { kind: 'content', file: path, offset, index } as const
    try {
      const { salted, eventAt } = readContentLine(bytes, index, entryBytes)
      const { size, sha256 } = parseEntry(entryBytes)
      const found = this.#hasher.text(salted)
      this.eventBytes += salted.length - SALT_BYTES
      if (found === sha256 && salted.length === SALT_BYTES + size) return
      this.#object({
        ...place,
        offset: offset + eventAt,
        what: 'the event is not the one that its entry commits to',
        expected: `${size} bytes, ${sha256}`,
        found: `${salted.length - SALT_BYTES} bytes, ${found}`,
      })
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      this.#object({ ...place, offset: offset + (error.place.offset ?? 0), what: error.message })
    }
  }
}
