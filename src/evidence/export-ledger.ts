// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Exports a ledger into a folder, from wherever it can be read. Nothing that the source says is believed: the head must
 * be signed by the ledger's key, the entries must give its root, each content must be what its entry commits to; else
 * the folder never becomes whole.
 */
import { parseEntry, ProofError, SALT_BYTES, TILE_WIDTH, tileWidthAt, toBase64 } from '@stele/proof'
import { commitsTo } from '../ledger/batch.ts'
import { timeMs } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import type { ContentRange } from './export-contents.ts'
import { type Draft, ExportPlace, ExportRefused } from './export-draft.ts'
import { ExportFolder, type ExportedEntry } from './export-folder.ts'
import { FolderFault } from './folder-fault.ts'
import type { ServedEvent, ServedLedger } from './served-ledger.ts'
import { readCheckpoint, Signatures } from './signatures.ts'

/** Requests under way at the same time. */
const FETCH_COUNT = 8
/** Entries after which it is noted how far the export is. */
const NOTE_EVERY = 65_536

/** A head with what shows whose it is. */
export interface ExportHead {
  readonly checkpoint: string
  readonly vkey: string
  readonly rotations: readonly string[]
}

/** Where a ledger is read. */
export interface ExportSource extends Pick<ServedLedger, 'name' | 'entries' | 'events'> {
  readonly origin: string
  head(): Promise<ExportHead>
}

/** From which entry on, or up to which: by its index, or by ledger time in Unix milliseconds. */
export type Bound = { readonly index: number } | { readonly atMs: number }

export interface ExportOptions {
  readonly disk: Disk
  /** Absolute. */
  readonly folder: string
  readonly source: ExportSource
  /** What was asked for, in words that are compared with those of an export that was interrupted. */
  readonly asked: string
  /** Whose contents are exported: all where neither bound is there. */
  readonly contents: { readonly from?: Bound; readonly to?: Bound } | undefined
  readonly lock: (path: string) => Lock | undefined
  readonly onProgress?: (progress: {
    readonly doneCount: number
    readonly totalCount: number
    readonly bytes: number
  }) => void
  /** What speaks against the key of a head; undefined where nothing does. */
  readonly keyObjection: (head: ExportHead) => Promise<string | undefined>
  /** Throws where the export is to end. */
  readonly demandGoingOn: () => void
}

export interface ExportSummary {
  readonly origin: string
  readonly size: number
  /** base64. */
  readonly root: string
  readonly vkey: string
  readonly rotations: readonly string[]
  readonly head: string
  readonly contents?: ContentRange
  /** Bytes of the events of this run. */
  readonly eventBytes: number
  /** Entries that were there already. */
  readonly resumedAt: number
}

/** What the source gave is not what its signed head is of. */
export class ExportFault extends Error {
  override readonly name = 'ExportFault'
}

/** Throws ExportRefused, ExportFault, and whatever source and disk throw. */
export async function exportLedger(options: ExportOptions): Promise<ExportSummary> {
  const { disk, folder, asked, lock } = options
  const place = await ExportPlace.take(disk, folder, asked, lock)
  try {
    const draft = place.draft ?? (await begin(options))
    const head = await openHead(draft, options)
    if (place.draft === undefined) await place.note(draft)
    const eventBytes = await new Run(options, place, draft, head.size).run()
    await place.finish()
    const { checkpoint, vkey, rotations, contents, done } = draft
    return {
      ...head,
      vkey,
      rotations,
      head: checkpoint,
      ...(contents === undefined ? {} : { contents }),
      eventBytes,
      resumedAt: done,
    }
  } finally {
    await place.release()
  }
}

async function begin({ source, asked, contents }: ExportOptions): Promise<Draft> {
  const { checkpoint, vkey, rotations } = await source.head()
  const read = readCheckpoint(Buffer.from(checkpoint))
  if (typeof read === 'string') throw new ExportFault(`the head of ${source.name} cannot be read: ${read}`)
  const range = contents === undefined ? undefined : await rangeOf(source, read.size, contents)
  const base = { v: 1 as const, checkpoint, vkey, rotations: [...rotations], asked, done: 0 }
  return range === undefined ? base : { ...base, contents: range }
}

async function openHead(
  draft: Draft,
  { source, folder, keyObjection }: ExportOptions,
): Promise<Pick<ExportSummary, 'origin' | 'size' | 'root'>> {
  const { checkpoint, vkey } = draft
  const note = Buffer.from(checkpoint)
  const read = readCheckpoint(note)
  const fault = typeof read === 'string' ? read : await new Signatures().fault(note, { vkey })
  if (typeof read === 'string' || fault !== undefined) {
    throw new ExportFault(`the head of ${source.name} is not signed by its key: ${fault}`)
  }
  const objection = await keyObjection(draft)
  if (objection !== undefined) throw new ExportFault(objection)
  if (read.origin === source.origin) return { origin: read.origin, size: read.size, root: toBase64(read.root) }
  const what = `the export that was begun in ${folder} is of ${read.origin}, not of ${source.origin}`
  throw new ExportRefused(what, 'Name another folder')
}

async function rangeOf(
  source: ExportSource,
  size: number,
  { from, to }: NonNullable<ExportOptions['contents']>,
): Promise<ContentRange> {
  demandRange(source.name, size, from, to)
  const placeOf = async (bound: Bound): Promise<number> => {
    if ('index' in bound) return Math.min(bound.index, size)
    return await firstNotBefore(source, size, bound.atMs)
  }
  const first = from === undefined ? 0 : await placeOf(from)
  const end = to === undefined ? size : await placeOf(to)
  if (first > end) throw new ExportRefused(ENDS_FIRST, MEND_RANGE)
  return { first, end }
}

const ENDS_FIRST = '--to is not after --from: no event is in between'
const MEND_RANGE = 'Give --from the first that is wanted, and --to the one after the last'

/** A range without entries can be what is wanted, as a day on which nothing happened; one that can never have any not. */
function demandRange(name: string, size: number, from: Bound | undefined, to: Bound | undefined): void {
  if (from !== undefined && 'index' in from && from.index > size) {
    throw new ExportRefused(`${name} has no entry ${from.index}: it has ${size}, counted from 0`, MEND_RANGE)
  }
  if (from === undefined || to === undefined) return
  const isEmpty = 'index' in from ? 'index' in to && from.index >= to.index : 'atMs' in to && from.atMs >= to.atMs
  if (isEmpty) throw new ExportRefused(ENDS_FIRST, MEND_RANGE)
}

/** The first entry whose ledger time, which never goes back, is not before this one; `size` where there is none. */
async function firstNotBefore(source: ExportSource, size: number, atMs: number): Promise<number> {
  let [low, high] = [0, size]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const bundle = Math.floor(middle / TILE_WIDTH)
    const entries = await source.entries(bundle, tileWidthAt(size, 0, bundle))
    const entry = entries[middle - bundle * TILE_WIDTH]
    if (entry === undefined) throw new ExportFault(`entry ${middle} of ${source.name} is missing`)
    if (timeMs(entryOf(entry, middle).at) < atMs) low = middle + 1
    else high = middle
  }
  return low
}

class Run {
  readonly #options: ExportOptions
  readonly #place: ExportPlace
  readonly #draft: Draft
  readonly #size: number
  #events: AsyncIterator<ServedEvent, unknown> | undefined
  #eventBytes = 0

  constructor(options: ExportOptions, place: ExportPlace, draft: Draft, size: number) {
    this.#options = options
    this.#place = place
    this.#draft = draft
    this.#size = size
  }

  /** Resolves to the bytes of events that were written. */
  async run(): Promise<number> {
    const { disk, folder: path, source } = this.#options
    const { done, checkpoint, vkey, rotations, contents } = this.#draft
    const folder = await this.#opened(disk, path, done)
    try {
      await this.#copy(folder, source)
      await folder.finish({ checkpoint, vkey, rotations, ...(contents === undefined ? {} : { contents }) })
      return this.#eventBytes
    } catch (error) {
      if (!(error instanceof FolderFault)) throw error
      throw new ExportFault(`what ${source.name} gave is not what its head is of: ${error.message}`)
    } finally {
      await this.#events?.return?.()
      await folder.close()
    }
  }

  async #opened(disk: Disk, path: string, done: number): Promise<ExportFolder> {
    try {
      return await ExportFolder.open(disk, path, done)
    } catch (error) {
      if (!(error instanceof FolderFault)) throw error
      throw new ExportRefused(`${path} cannot be gone on with: ${error.message}`, 'Remove it to begin anew')
    }
  }

  async #copy(folder: ExportFolder, source: ExportSource): Promise<void> {
    const { demandGoingOn, onProgress } = this.#options
    const bundleCount = Math.ceil(this.#size / TILE_WIDTH)
    const ahead: Promise<readonly Uint8Array[]>[] = []
    let noted = folder.size
    for (let index = noted / TILE_WIDTH; index < bundleCount; index++) {
      demandGoingOn()
      while (ahead.length < FETCH_COUNT && index + ahead.length < bundleCount) {
        const next = index + ahead.length
        const fetched = source.entries(next, tileWidthAt(this.#size, 0, next))
        // It is awaited below, unless an earlier one fails.
        fetched.catch(() => {})
        ahead.push(fetched)
      }
      const entries = await ahead.shift()!
      // One by one: an event's bytes may be the source's only until the next is asked for.
      for (const [position, entry] of entries.entries()) {
        await folder.append([await this.#withContent(index * TILE_WIDTH + position, entry)])
      }
      const size = Math.min(this.#size, (index + 1) * TILE_WIDTH)
      if (folder.size !== size)
        throw new ExportFault(`${source.name} ends before entry ${folder.size} of ${this.#size}`)
      if (folder.isBetween && (folder.size - noted >= NOTE_EVERY || this.#isWanted(folder.size - 1))) {
        await folder.settle()
        noted = folder.size
        await this.#place.note({ ...this.#draft, done: noted })
      }
      onProgress?.({ doneCount: folder.size, totalCount: this.#size, bytes: this.#eventBytes })
    }
  }

  #isWanted(index: number): boolean {
    const { contents } = this.#draft
    return contents !== undefined && index >= contents.first && index < contents.end
  }

  async #withContent(index: number, entry: Uint8Array): Promise<ExportedEntry> {
    if (!this.#isWanted(index)) return { entry }
    const { source } = this.#options
    this.#events ??= source.events(index)[Symbol.asyncIterator]()
    const next = await this.#events.next()
    if (next.done === true) throw new ExportFault(`${source.name} ends its events before entry ${index}`)
    const { salt, event, entryLine } = next.value
    const { media, size, sha256 } = entryOf(entry, index)
    const isSame = next.value.index === index && Buffer.from(entryLine).equals(entry)
    if (!isSame || salt.length !== SALT_BYTES || !commitsTo(Buffer.concat([salt, event]), sha256, size)) {
      throw new ExportFault(`the event that ${source.name} gave as ${index} is not the one that its entry commits to`)
    }
    this.#eventBytes += event.length
    return { entry, content: { salt, event, isJson: media === 'application/json' } }
  }
}

function entryOf(bytes: Uint8Array, index: number) {
  try {
    return parseEntry(bytes)
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new ExportFault(`entry ${index} is none of Stele's: ${error.message}`)
  }
}
