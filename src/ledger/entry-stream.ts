// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Entries of ledgers from given indexes on, each once and in order, wherever they lie: first those that are sealed,
 * ledger after ledger from its segments, then the rest from the WAL, in the log's order and up to the end that the
 * writer announces. Files go while they are read, for sealing goes on: whoever reads is only told of an error that is
 * still there when the writer has been asked anew.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { type Entry, parseEntry, SALT_BYTES } from '@stele/proof'
import type { Disk } from '../platform/disk.ts'
import { commitsTo } from './batch.ts'
import { DataFault } from './data-fault.ts'
import { coverUpTo } from './recover-sealed.ts'
import { SEGMENTS } from './sealed-entries.ts'
import { listSegments } from './segment/cover.ts'
import { SegmentReader, type SegmentRun } from './segment/segment-reader.ts'
import { DirectoryStore } from './store/directory-store.ts'
import type { ObjectStore } from './store/object-store.ts'
import { walPath } from './wal/files.ts'
import { HASH_BYTES } from './wal/format.ts'
import { eventBounds, type ReadFrame } from './wal/frame-reader.ts'
import { type DurableEnd, FrameTail } from './wal/frame-tail.ts'

const LEAF_PREFIX = Buffer.of(0)

/** Where the files of the ledgers are. */
export interface LedgerFiles {
  readonly disk: Disk
  /** The data directory. */
  readonly directory: string
  /** Of the segments. */
  readonly store: ObjectStore
}

/** The last commit that is sealed, and how many entries of each ledger are sealed. */
export interface Sealed {
  readonly commit: number
  readonly sizes: Counts
}

/** What the writer says of where entries lie. */
export interface Whereabouts {
  readonly sealed: Sealed
  /** Where in the WAL the first entry lies that was asked for and is not sealed; its frame begins before. */
  readonly position: DurableEnd
}

/** How many entries of each ledger are there, or which comes next: 0 where nothing is said. */
export type Counts = Readonly<Record<string, number>>

export interface StreamedEntry {
  readonly ledger: string
  readonly index: number
  readonly entry: Entry
  /** Its bytes are valid until the next entry is asked for. */
  readonly event: Buffer
}

export interface StreamOptions {
  readonly files: LedgerFiles
  /** Which entry of each ledger is wanted first. */
  readonly next: Counts
  readonly isWanted: (ledger: string) => boolean
  /** Asks the writer. */
  readonly locate: (next: Counts) => Promise<Whereabouts>
}

interface SealedRun extends SegmentRun {
  readonly ledger: string
  /** Of the two objects. */
  readonly logFile: string
  readonly contentFile: string
}

export function isSame(one: Sealed, other: Sealed): boolean {
  const sizes = Object.entries(one.sizes)
  const isAsLong = sizes.length === Object.keys(other.sizes).length
  return one.commit === other.commit && isAsLong && sizes.every(([ledger, size]) => other.sizes[ledger] === size)
}

export function filesOf(disk: Disk, directory: string): LedgerFiles {
  return { disk, directory, store: new DirectoryStore(disk, join(directory, SEGMENTS)) }
}

export class EntryStream {
  readonly #options: StreamOptions
  readonly #next: Map<string, number>
  #where: Whereabouts | undefined
  #sealed: AsyncGenerator<SealedRun> | undefined
  #tail: FrameTail | undefined
  #run: Generator<StreamedEntry> | undefined

  constructor(options: StreamOptions) {
    this.#options = options
    this.#next = new Map(Object.entries(options.next))
  }

  /** The next entry before `end`, or undefined where all are read. After an error the stream may be asked again. */
  async next(end: DurableEnd): Promise<StreamedEntry | undefined> {
    for (;;) {
      const where = (this.#where ??= await this.#located())
      try {
        const found = await this.#read(where, end)
        if (found !== undefined) this.#next.set(found.ledger, found.index + 1)
        return found
      } catch (error) {
        await this.close()
        const now = await this.#located()
        // What was sealed since may be what was not where it had been.
        if (isSame(now.sealed, where.sealed)) throw error
        this.#where = now
      }
    }
  }

  async close(): Promise<void> {
    const [sealed, tail] = [this.#sealed, this.#tail]
    this.#where = this.#sealed = this.#tail = this.#run = undefined
    await sealed?.return(undefined)
    await tail?.close()
  }

  async #located(): Promise<Whereabouts> {
    return await this.#options.locate(Object.fromEntries(this.#next))
  }

  async #read(where: Whereabouts, end: DurableEnd): Promise<StreamedEntry | undefined> {
    for (;;) {
      const entry = this.#run?.next()
      if (entry !== undefined && entry.done !== true) return entry.value
      this.#run = await this.#nextRun(where, end)
      if (this.#run === undefined) return undefined
    }
  }

  /** What is read at once: a part of a segment, or a frame. */
  async #nextRun({ sealed, position }: Whereabouts, end: DurableEnd): Promise<Generator<StreamedEntry> | undefined> {
    const { disk, directory } = this.#options.files
    if (this.#tail === undefined) {
      this.#sealed ??= this.#sealedRuns(sealed.sizes)
      const run = await this.#sealed.next()
      if (run.done !== true) return sealedEntries(run.value)
      this.#tail = await FrameTail.at(disk, directory, position)
    }
    const frame = await this.#tail.next(end)
    return frame === undefined ? undefined : this.#framedEntries(frame, this.#tail.position.file)
  }

  async *#sealedRuns(sizes: Counts): AsyncGenerator<SealedRun> {
    const { isWanted, files } = this.#options
    const { store } = files
    for (const [ledger, size] of Object.entries(sizes)) {
      if (!isWanted(ledger) || this.#nextOf(ledger) >= size) continue
      const segments = (await listSegments(store, ledger)).get(ledger) ?? []
      for (const segment of coverUpTo(store, ledger, segments, size)) {
        const start = Math.max(segment.first, this.#nextOf(ledger))
        if (start >= segment.first + segment.count) continue
        const [logFile, contentFile] = [segment.log, segment.content].map(({ key }) => `${store.where}/${key}`)
        const reader = await SegmentReader.open(store, segment)
        for await (const run of reader.runs(start)) {
          yield { ...run, ledger, logFile: logFile!, contentFile: contentFile! }
        }
      }
    }
  }

  *#framedEntries(frame: ReadFrame, file: number): Generator<StreamedEntry> {
    const path = walPath(this.#options.files.directory, file)
    for (const section of frame.sections.filter(({ ledger }) => this.#options.isWanted(ledger))) {
      const { ledger, first, count, bytes } = section
      const next = this.#nextOf(ledger)
      if (first > next) {
        const at = frame.position + section.at
        throw new DataFault(path, at, 'entries are missing', `entry ${next} of ${ledger}`, `entry ${first}`)
      }
      for (let index = Math.max(first, next); index < first + count; index++) {
        const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, index - first)
        const entry = parsed(bytes.subarray(entryStart, entryEnd), path, `entry ${index} of ${ledger}`)
        yield { ledger, index, entry, event: bytes.subarray(contentStart + SALT_BYTES, contentEnd) }
      }
    }
  }

  #nextOf(ledger: string): number {
    return this.#next.get(ledger) ?? 0
  }
}

/** Each held against its leaf, and its content against it: a segment has no other checksum of what is read of it. */
function* sealedEntries({
  ledger,
  first,
  entries,
  leaves,
  contents,
  logFile,
  contentFile,
}: SealedRun): Generator<StreamedEntry> {
  for (const [at, line] of entries.entries()) {
    const name = `entry ${first + at} of ${ledger}`
    const leaf = leaves.toString('latin1', at * HASH_BYTES, (at + 1) * HASH_BYTES)
    if (hash('sha256', Buffer.concat([LEAF_PREFIX, line]), 'binary') !== leaf) {
      const expected = Buffer.from(leaf, 'latin1').toString('hex')
      throw new DataFault(logFile, 0, `${name} does not have its leaf hash`, expected, 'another')
    }
    const entry = parsed(line, logFile, name)
    const content = contents[at]!
    if (!commitsTo(content, entry.sha256, entry.size)) {
      throw new DataFault(contentFile, 0, `${name} does not commit to its content`, entry.sha256, 'another')
    }
    yield { ledger, index: first + at, entry, event: content.subarray(SALT_BYTES) }
  }
}

function parsed(line: Buffer, file: string, name: string): Entry {
  try {
    return parseEntry(line)
  } catch (error) {
    throw new DataFault(file, 0, `${name} cannot be read`, 'an entry in its one serialisation', String(error))
  }
}
