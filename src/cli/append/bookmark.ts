// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Where a run has come to in a file, so that the next run of the same command goes on there, also after a kill. It is
// noted before each request how far that reaches, and after its answer that it is stored: so a next run knows which one
// request may or may not have been carried out, and repeats that one, the same bytes under the same Idempotency-Key.
//
// A file is known by its device and inode, and held against its beginning and the bytes before the place: one that was
// written anew is begun anew. What was changed in between is not noticed. Of large files the note stays when all is
// stored (completion.ts).

import { hash } from 'node:crypto'
import { join } from 'node:path'

import { timeText } from '../../platform/clock.ts'
import type { DiskFile } from '../../platform/disk.ts'
import type { OpenedFile } from '../../platform/files.ts'
import { printable } from '../display.ts'
import { type Environment, stateDirectory } from '../environment.ts'
import { Failure } from '../failure.ts'
import { type Completion, type FileState, holds, isKept, isSameFile, type LedgerState } from './completion.ts'
import { formatOf, MAGIC_BYTES } from './decompress.ts'
import type { Input } from './inputs.ts'
import type { Place } from './piece.ts'
import type { Form } from './pieces.ts'

const FOLDER = 'append'
const RUN_BYTES = 16
const HEAD_BYTES = 64 * 1024
const TAIL_BYTES = 4 * 1024
/** More than any note: what is written over another covers it. */
const NOTE_BYTES = 2_048

/** What a file holds up to some place in it. */
interface Print {
  /** The place, in the file as it is on the disk. */
  readonly end: number
  readonly head: string
  readonly tail: string
}

/** Offsets, lines and events count from the beginning of the file, decompressed. */
interface Noted {
  readonly v: 1
  /** Random, of the run that began the file: the same file sent once more on purpose has other keys. */
  readonly run: string
  readonly form: Form
  /** Whether it can be gone on in without reading what is before: lines that are not compressed. */
  readonly isSeekable: boolean
  readonly stored: Place & { readonly events: number }
  /** How far the request reaches of which it is not known whether it was carried out. */
  readonly sendingTo?: number
  readonly isWhole: boolean
  readonly print: Print
  readonly completion?: Completion
}

/** What sets apart the runs that go on where another one stopped. */
interface Scope {
  readonly url: string
  readonly ledger: string
  readonly source: string | undefined
  /** How the files are read, where the command line says it. */
  readonly form: Form | undefined
}

/** The bookmarks of one run. */
export class Bookmarks {
  readonly #environment: Environment
  readonly #scope: Scope
  readonly #opened: Bookmark[] = []

  constructor(environment: Environment, scope: Scope) {
    this.#environment = environment
    this.#scope = scope
  }

  /** That of a file, what was noted before heeded or not; undefined for what cannot be read twice. */
  async of(
    { path, sizeBytes, name }: Input,
    isHeeded: boolean,
    ledgerState: LedgerState,
  ): Promise<Bookmark | undefined> {
    if (path === undefined || sizeBytes === undefined) return undefined
    const { files } = this.#environment
    const file = await files.open(path)
    try {
      const { url, ledger, source = '', form } = this.#scope
      const id = hash('sha256', JSON.stringify([url, ledger, source, file.identity]), 'hex').slice(0, 32)
      const notePath = join(stateDirectory(this.#environment), FOLDER, `${id}.json`)
      const parts = { path, name, notePath, file, form, isHeeded, ledger: ledgerState }
      const bookmark = await Bookmark.open(this.#environment, parts)
      this.#opened.push(bookmark)
      return bookmark
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** All is stored: the same command begins anew, but for large files. */
  async drop(): Promise<void> {
    for (const bookmark of this.#opened) {
      if (bookmark.found?.completion === undefined) await bookmark.drop()
    }
  }

  async close(): Promise<void> {
    for (const bookmark of this.#opened) await bookmark.close()
  }
}

interface BookmarkParts {
  readonly path: string
  readonly name: string
  readonly notePath: string
  readonly file: OpenedFile
  readonly form: Form | undefined
  readonly isHeeded: boolean
  readonly ledger: LedgerState
}

export class Bookmark {
  readonly #environment: Environment
  readonly #parts: BookmarkParts
  #noted: Noted | undefined
  #note: DiskFile | undefined
  #isClosed = false
  readonly #before: FileState
  /** The file was noted, and is another one now. */
  readonly isChanged: boolean

  private constructor(
    environment: Environment,
    parts: BookmarkParts,
    before: FileState,
    noted: Noted | undefined,
    isChanged: boolean,
  ) {
    this.#environment = environment
    this.#parts = parts
    this.#before = before
    this.#noted = noted
    this.isChanged = isChanged
  }

  static async open(environment: Environment, parts: BookmarkParts): Promise<Bookmark> {
    const note = parts.isHeeded ? await environment.disk.readFile(parts.notePath).catch(() => undefined) : undefined
    const noted = readNote(note, parts)
    const before = await stateOf(parts.file)
    // Where nothing was stored nothing is to be gone on with.
    const isNothing = noted?.stored.events === 0 && noted.sendingTo === undefined
    const isPast = noted?.completion !== undefined && !holds(noted.completion, before, parts.ledger)
    if (noted === undefined || isNothing || isPast) return new Bookmark(environment, parts, before, undefined, false)
    const isForm = parts.form === undefined || parts.form === noted.form
    const isSame = isForm && (await isPrintOf(noted.print, parts.file))
    return new Bookmark(
      environment,
      parts,
      before,
      isSame ? noted : undefined,
      !isSame && noted.completion === undefined,
    )
  }

  /** What an earlier run has left; undefined where there was none, or of another file. */
  get found(): Noted | undefined {
    return this.#noted
  }

  /** Under which the requests of this file are sent, whichever run sends them. */
  get run(): string {
    return this.#noted?.run ?? ''
  }

  /** Begins the file, where it was not begun before. False where nothing can be noted on this machine. */
  async begin(form: Form, start: Place): Promise<boolean> {
    const { disk, random } = this.#environment
    try {
      await disk.makeDirectory(join(this.#parts.notePath, '..'))
      this.#note = await disk.open(this.#parts.notePath, 'write')
    } catch {
      return false
    }
    if (this.#noted !== undefined) return true
    const run = Buffer.alloc(RUN_BYTES)
    random.fill(run, 0, RUN_BYTES)
    const { file } = this.#parts
    const isSeekable = (form === 'lines' || form === 'text') && !(await isPacked(file))
    const print = await printOf(file, isSeekable ? start.offset : await file.sizeBytes())
    await this.#write({
      v: 1,
      run: run.toString('hex'),
      form,
      isSeekable,
      stored: { ...start, events: 0 },
      isWhole: false,
      print,
    })
    return true
  }

  /** A request is about to be sent that reaches to `end`. */
  async sending(end: number): Promise<void> {
    // Where all is read again from the beginning, it is cut as it was.
    if (this.#noted?.isSeekable === true) await this.#write({ ...this.#noted, sendingTo: end })
  }

  /** That request was refused as a whole. */
  async refused(): Promise<void> {
    if (this.#noted === undefined) return
    const { sendingTo: _, ...noted } = this.#noted
    await this.#write(noted)
  }

  /** All before `place` is stored. */
  async stored({ offset, line }: Place, events: number): Promise<void> {
    // What is left out because it is stored is behind the place already.
    if (this.#noted === undefined || events < this.#noted.stored.events) return
    const { sendingTo: _, ...noted } = this.#noted
    const print = noted.isSeekable ? await printOf(this.#parts.file, offset, noted.print) : noted.print
    await this.#write({ ...noted, stored: { offset, line, events }, print })
  }

  /**
   * The file has no more: a next run passes it over while others are not finished, and a large one later, too, where
   * it is now as it was before it was read. `first` is of its events where they lie together.
   */
  async whole(ledger: LedgerState, first: number | undefined): Promise<void> {
    if (this.#noted !== undefined) {
      const state = await stateOf(this.#parts.file)
      const at = timeText(this.#environment.clock.wallMs())
      const completion = { ledger, ...state, at, ...(first === undefined ? {} : { first }) }
      const isNoted = isKept(state) && isSameFile(state, this.#before)
      await this.#write({ ...this.#noted, isWhole: true, ...(isNoted ? { completion } : {}) })
    }
    await this.close()
  }

  async drop(): Promise<void> {
    await this.close()
    await this.#environment.disk.remove(this.#parts.notePath).catch(() => {})
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#note?.close()
    await this.#parts.file.close()
  }

  /** In place: a kill leaves the one or the other, and what a power cut leaves is read for what it is. */
  async #write(noted: Noted): Promise<void> {
    this.#noted = noted
    if (this.#note === undefined) return
    await this.#note.write(Buffer.from(`${JSON.stringify(noted)}\n`.padEnd(NOTE_BYTES)), 0)
  }
}

function readNote(bytes: Buffer | undefined, { notePath, name }: BookmarkParts): Noted | undefined {
  if (bytes === undefined || bytes.length === 0) return undefined
  try {
    const noted = JSON.parse(bytes.toString('utf8')) as Noted
    const { stored, print } = noted
    const figures = [stored.offset, stored.line, stored.events, print.end, noted.sendingTo ?? 0]
    if (noted.v === 1 && /^[0-9a-f]{32}$/.test(noted.run) && figures.every((one) => Number.isSafeInteger(one))) {
      return noted
    }
  } catch {
    // Said below.
  }
  const what = `what an earlier run noted of ${name} in ${printable(notePath)} cannot be read`
  throw new Failure(3, what, 'Nothing was stored', 'Look how much of the file is stored, then give --skip N or --again')
}

async function stateOf(file: OpenedFile): Promise<FileState> {
  return { sizeBytes: await file.sizeBytes(), changedNs: await file.changedNs() }
}

async function printOf(file: OpenedFile, end: number, before?: Print): Promise<Print> {
  // What comes later does not change the beginning.
  const head =
    before !== undefined && before.end >= HEAD_BYTES ? before.head : await digest(file, 0, Math.min(end, HEAD_BYTES))
  return { end, head, tail: await digest(file, Math.max(0, end - TAIL_BYTES), end) }
}

async function isPrintOf(print: Print, file: OpenedFile): Promise<boolean> {
  if ((await file.sizeBytes()) < print.end) return false
  const { head, tail } = await printOf(file, print.end)
  return head === print.head && tail === print.tail
}

async function isPacked(file: OpenedFile): Promise<boolean> {
  const magic = Buffer.alloc(MAGIC_BYTES)
  return formatOf(magic.subarray(0, await file.read(magic, 0))) !== undefined
}

async function digest(file: OpenedFile, start: number, end: number): Promise<string> {
  const bytes = Buffer.alloc(end - start)
  let got = 0
  while (got < bytes.length) {
    const length = await file.read(bytes.subarray(got), start + got)
    if (length === 0) break
    got += length
  }
  return hash('sha256', bytes.subarray(0, got), 'base64url')
}
