// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The contents of an export: lines in files that are named by their first entry. A file ends where a segment would,
 * and before that at the end of a bundle once it is large, so that files are checked beside each other.
 */
import { type Content, contentsFirst, contentsPath, formatContentLine, formatRange, PATHS } from '@stele/proof/folder'
import type { DiskFile } from '../platform/disk.ts'
import type { ExportFiles } from './export-files.ts'

const FILE_ENTRIES = 65_536
const BUNDLE_ENTRIES = 256
const LARGE_BYTES = 64 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024
const NEWLINE = 0x0a

/** The contents of the entries from `first` up to `end`. */
export interface ContentRange {
  readonly first: number
  readonly end: number
}

interface OpenContents {
  readonly file: DiskFile
  sizeBytes: number
  pieces: Uint8Array[]
  pieceBytes: number
}

export class ExportContents {
  readonly #files: ExportFiles
  #open: OpenContents | undefined
  #range: ContentRange | undefined

  constructor(files: ExportFiles) {
    this.#files = files
  }

  /** Whether no file is under way: the contents so far are whole files. */
  get isBetween(): boolean {
    return this.#open === undefined
  }

  /** Of which entries the contents are there, as far as that is known: of a run that was interrupted it is not. */
  get range(): ContentRange | undefined {
    return this.#range
  }

  /** Goes on at entry `next`, to which the contents reach; what lies behind it goes, for it is of a run that was interrupted. */
  async goOnAt(next: number): Promise<void> {
    const named = /^([0-9]{1,16}) ([0-9]{1,16})\n$/.exec(String(await this.#files.read(PATHS.range)))
    if (named !== null) this.#range = { first: Number(named[1]), end: Math.min(Number(named[2]), next) }
    const firsts = (await this.#files.list(PATHS.contents)).map(contentsFirst).filter((first) => first !== undefined)
    for (const first of firsts.filter((first) => first >= next)) await this.#files.remove(contentsPath(first))
    const last = firsts.findLast((first) => first < next)
    if (last === undefined || next % FILE_ENTRIES === 0) return
    const file = await this.#files.open(contentsPath(last))
    try {
      const sizeBytes = await endOfLines(file, next - last)
      // Of a range, the contents end before the entries do.
      if (sizeBytes !== undefined) await file.truncate(sizeBytes)
      if (sizeBytes === undefined || isEnd(next, sizeBytes)) await file.close()
      else this.#open = { file, sizeBytes, pieces: [], pieceBytes: 0 }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async add(index: number, entry: Uint8Array, isJson: boolean, content: Content): Promise<void> {
    const file = (this.#open ??= await this.#begin(index))
    this.#range = { first: this.#range?.first ?? index, end: index + 1 }
    const line = formatContentLine(index, entry, isJson, content)
    file.pieces.push(line)
    file.pieceBytes += line.length
    if (file.pieceBytes >= PIECE_BYTES) await this.#flush(file)
    if (isEnd(index + 1, file.sizeBytes + file.pieceBytes)) await this.close()
  }

  /** Makes what is there durable. */
  async settle(): Promise<void> {
    if (this.#open === undefined) return
    await this.#flush(this.#open)
    await this.#open.file.datasync()
  }

  async close(): Promise<void> {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    try {
      await this.#flush(open)
      await open.file.datasync()
    } finally {
      await open.file.close()
    }
  }

  /** Names the range in a file of its own, so that contents which are lost at its ends are missed. */
  async nameRange({ first, end }: ContentRange): Promise<void> {
    await this.#files.replace(PATHS.range, Buffer.from(formatRange(first, end)))
  }

  /** Gives a file up that is not to be gone on with. */
  async abandon(): Promise<void> {
    await this.#open?.file.close()
    this.#open = undefined
  }

  async #begin(index: number): Promise<OpenContents> {
    const file = await this.#files.open(contentsPath(index))
    await file.truncate(0)
    return { file, sizeBytes: 0, pieces: [], pieceBytes: 0 }
  }

  async #flush(open: OpenContents): Promise<void> {
    const bytes = Buffer.concat(open.pieces)
    if (bytes.length > 0) await open.file.write(bytes, open.sizeBytes)
    open.sizeBytes += bytes.length
    open.pieces = []
    open.pieceBytes = 0
  }
}

/** Whether a file ends before entry `next`, given its bytes. */
function isEnd(next: number, sizeBytes: number): boolean {
  return next % FILE_ENTRIES === 0 || (next % BUNDLE_ENTRIES === 0 && sizeBytes >= LARGE_BYTES)
}

/** Where the first `count` lines end; undefined where there are not as many. */
async function endOfLines(file: DiskFile, count: number): Promise<number | undefined> {
  const piece = Buffer.alloc(PIECE_BYTES)
  for (let [position, left] = [0, count]; ; position += piece.length) {
    const read = piece.subarray(0, await file.read(piece, position))
    for (let at = read.indexOf(NEWLINE); at !== -1; at = read.indexOf(NEWLINE, at + 1)) {
      if (--left === 0) return position + at + 1
    }
    if (read.length < piece.length) return undefined
  }
}
