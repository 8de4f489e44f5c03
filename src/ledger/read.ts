// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads entries and contents back, by index, from the WAL or from segments, without holding either in memory. What is
 * handed out was held against the tree: the entry has the leaf hash that the tree has, and the content is what the entry commits to.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { type Entry, hashLeaf, parseEntry, SALT_BYTES } from '@stele/proof'
import type { DiskFile } from '../platform/disk.ts'
import { MAX_BODY_BYTES } from '../schema/limits.ts'
import { commitsTo } from './batch.ts'
import { DataFault } from './data-fault.ts'
import type { FileCache } from './file-cache.ts'
import type { Log, Place } from './log.ts'
import { BUNDLE_ENTRIES } from './segment/segment.ts'
import { ObjectMissing } from './store/object-store.ts'
import { walPath } from './wal/files.ts'
import { HASH_BYTES, sectionLayout } from './wal/format.ts'

export interface StoredEvent {
  readonly index: number
  /** The entry line, exactly. */
  readonly entryBytes: Buffer
  readonly entry: Entry
  readonly salt: Buffer
  /** The event's bytes, exactly as they came. */
  readonly event: Buffer
}

/** Salts and lengths make a section's contents larger than the body they came in, but not twice as large. */
const MAX_PART_BYTES = 2 * MAX_BODY_BYTES

/** Told of the bytes of contents before they are read; it throws where there is no room for them. */
export type Admit = (contentBytes: number) => void

const admitAll: Admit = () => {}

/** Ends of as many entries are read at once as fit one block. */
const NEAR_COUNT = 512

/** What was read is not what was committed to: the disk, or somebody with access to it, changed it. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError'
}

export class Reader {
  readonly #cache: FileCache
  readonly #directory: string

  constructor(cache: FileCache, directory: string) {
    this.#cache = cache
    this.#directory = directory
  }

  async event(log: Log, index: number, admit: Admit = admitAll): Promise<StoredEvent> {
    const read = async () => await this.#events(log, await this.#placeOf(log, index), index, 1, admit)
    const [found] = await this.#read(log, index, read, async () => [await sealedEvent(log, index, admit)])
    if (found === undefined) throw damaged(log, index)
    return found
  }

  /** Events from `start` up to `end` or as many as one place holds and `maxBytes` allows, but at least one. */
  async events(
    log: Log,
    start: number,
    end: number,
    maxBytes: number,
    admit: Admit = admitAll,
  ): Promise<StoredEvent[]> {
    const read = async () => {
      const place = await this.#placeOf(log, start)
      const count = await this.#inPlace(place, async (file) => {
        const bounds = await readBounds(file, log, place, start, Math.min(end, place.first + place.count))
        let fitting = 1
        while (fitting < bounds.count && bounds.contentEnd(fitting) - bounds.contentEnd(-1) <= maxBytes) fitting++
        return fitting
      })
      return await this.#events(log, place, start, count, admit)
    }
    return await this.#read(log, start, read, async () => await sealedEvents(log, start, end, admit, maxBytes))
  }

  /** Entry lines `start` to `end`, which must be durable: what a tlog-tiles bundle holds. */
  async entries(log: Log, start: number, end: number): Promise<Buffer[]> {
    const entries: Buffer[] = []
    while (start + entries.length < end) {
      const from = start + entries.length
      const read = async () => await this.#placedEntries(log, from, end)
      entries.push(...(await this.#read(log, from, read, async () => await sealedEntries(log, from, end))))
    }
    return entries
  }

  /** From segments what is sealed, else from the log, whose file may be given up while it is looked for. */
  async #read<T>(log: Log, index: number, read: () => Promise<T>, readSealed: () => Promise<T>): Promise<T> {
    if (index >= log.sealedSize) {
      try {
        return await read()
      } catch (error) {
        if (index >= log.sealedSize) throw error
      }
    }
    const { sealed } = log
    try {
      return await readSealed()
    } catch (error) {
      if (!(error instanceof DataFault) && !(error instanceof ObjectMissing)) throw error
      // A segment may have been superseded by a longer one meanwhile.
      if (log.sealed !== sealed) return await this.#read(log, index, read, readSealed)
      throw damaged(log, index)
    }
  }

  async #placedEntries(log: Log, from: number, end: number): Promise<Buffer[]> {
    const place = await this.#placeOf(log, from)
    const count = Math.min(end, place.first + place.count) - from
    const read = async (file: DiskFile): Promise<Buffer[]> => {
      const bounds = await readBounds(file, log, place, from, from + count)
      return await readEntries(file, log, place, from, count, bounds)
    }
    const [leaves, found] = await Promise.all([leavesOf(log, from, count), this.#inPlace(place, read)])
    return checkedEntries(log, from, found, leaves)
  }

  async #events(log: Log, place: Place, start: number, count: number, admit: Admit): Promise<StoredEvent[]> {
    // Beside each other, not one inside the other: a file of the cache is not used inside the work on another.
    const [leaves, { entries, contents }] = await Promise.all([
      leavesOf(log, start, count),
      this.#inPlace(place, async (file) => await readStored(file, log, place, start, count, admit)),
    ])
    const checked = checkedEntries(log, start, entries, leaves)
    return checked.map((entry, position) => storedEvent(log, start + position, entry, contents[position]!))
  }

  async #placeOf(log: Log, index: number): Promise<Place> {
    const place = await log.place(index)
    if (index < place.first || index >= place.first + place.count) throw damaged(log, index)
    return place
  }

  async #inPlace<T>(place: Place, work: (file: DiskFile) => Promise<T>): Promise<T> {
    return await this.#cache.use(walPath(this.#directory, place.file), 'read', work)
  }
}

/** The event of an entry that was held against its leaf, its content held against the entry. */
function storedEvent(log: Log, index: number, entryBytes: Buffer, content: Buffer): StoredEvent {
  const entry = parseEntry(entryBytes)
  if (!commitsTo(content, entry.sha256, entry.size)) throw damaged(log, index)
  return { index, entryBytes, entry, salt: content.subarray(0, SALT_BYTES), event: content.subarray(SALT_BYTES) }
}

async function sealedEntries(log: Log, start: number, end: number): Promise<Buffer[]> {
  const { sealed } = log
  assert(sealed !== undefined)
  const to = Math.min(end, sealed.endOfSegment(start))
  const [leaves, entries] = await Promise.all([leavesOf(log, start, to - start), sealed.entries(start, to)])
  return heldAgainst(log, start, entries, leaves)
}

/** Entry and content are read beside each other, and held against leaf and entry once both are there. */
async function sealedEvent(log: Log, index: number, admit: Admit): Promise<StoredEvent> {
  const { sealed } = log
  assert(sealed !== undefined)
  const [[line], [content]] = await Promise.all([
    sealedEntries(log, index, index + 1),
    sealed.contents(index, index + 1, admit),
  ])
  return storedEvent(log, index, line!, content!)
}

/** From `start` up to `end`, the end of the segment, or as many as `maxBytes` allows, but at least one. */
async function sealedEvents(
  log: Log,
  start: number,
  end: number,
  admit: Admit,
  maxBytes = Infinity,
): Promise<StoredEvent[]> {
  const { sealed } = log
  assert(sealed !== undefined)
  const lines = await sealedEntries(log, start, Math.min(end, start + BUNDLE_ENTRIES - (start % BUNDLE_ENTRIES)))
  let count = 0
  for (let bytes = 0; count < lines.length; count++) {
    bytes += SALT_BYTES + parseEntry(lines[count]!).size
    if (bytes > maxBytes && count > 0) break
  }
  const contents = await sealed.contents(start, start + count, admit)
  return contents.map((content, position) => storedEvent(log, start + position, lines[position]!, content))
}

/** What the tree has of `count` entries from `start` on. */
async function leavesOf(log: Log, start: number, count: number): Promise<Buffer[]> {
  const hashes = Buffer.from(await log.hashes(0, start, count))
  return Array.from({ length: count }, (_, position) =>
    hashes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES),
  )
}

interface Bounds {
  readonly count: number
  /** Ends of entry and content `at` of the range, from the start of their areas; -1 is what lies before the range. */
  readonly entryEnd: (at: number) => number
  readonly contentEnd: (at: number) => number
}

async function readBounds(file: DiskFile, log: Log, place: Place, start: number, end: number): Promise<Bounds> {
  const before = start === place.first ? 0 : 1
  const at = place.position + sectionLayout(place.count).endsAt + (start - place.first - before) * 8
  const ends = await readPart(file, log, start, at, (end - start + before) * 8)
  const read = (position: number, offset: number) =>
    position + before < 0 ? 0 : ends.readUInt32BE((position + before) * 8 + offset)
  return { count: end - start, entryEnd: (position) => read(position, 0), contentEnd: (position) => read(position, 4) }
}

/** Entries as they lie there, each behind the 0x00 with which its leaf is hashed. */
async function readEntries(
  file: DiskFile,
  log: Log,
  place: Place,
  start: number,
  count: number,
  bounds: Bounds,
): Promise<Buffer[]> {
  const from = bounds.entryEnd(-1)
  const area = place.position + sectionLayout(place.count).entriesAt
  const bytes = await readPart(file, log, start, area + from, bounds.entryEnd(count - 1) - from)
  return slices(bytes, count, bounds.entryEnd)
}

/** Entries and contents as they lie there: held against nothing yet. */
async function readStored(
  file: DiskFile,
  log: Log,
  place: Place,
  start: number,
  count: number,
  admit: Admit,
): Promise<{ readonly entries: Buffer[]; readonly contents: Buffer[] }> {
  const last = place.first + place.count - 1
  // Where the contents begin is said at the end of the place: mostly that is read along.
  const isNear = last - start < NEAR_COUNT
  const bounds = await readBounds(file, log, place, start, isNear ? last + 1 : start + count)
  const end = isNear ? bounds : await readBounds(file, log, place, last, last + 1)
  const area = place.position + sectionLayout(place.count).entriesAt + end.entryEnd(end.count - 1)
  const from = bounds.contentEnd(-1)
  const [entries, bytes] = await Promise.all([
    readEntries(file, log, place, start, count, bounds),
    readPart(file, log, start, area + from, bounds.contentEnd(count - 1) - from, admit),
  ])
  return { entries, contents: slices(bytes, count, bounds.contentEnd) }
}

function slices(bytes: Buffer, count: number, endOf: (at: number) => number): Buffer[] {
  const from = endOf(-1)
  return Array.from({ length: count }, (_, at) => bytes.subarray(endOf(at - 1) - from, endOf(at) - from))
}

/** The entries, each held against its leaf of the tree; as they lie in the log, behind a 0x00. */
function checkedEntries(log: Log, start: number, entries: readonly Buffer[], leaves: readonly Buffer[]): Buffer[] {
  return entries.map((entry, position) => {
    if (entry[0] !== 0 || !hash('sha256', entry, 'buffer').equals(leaves[position]!)) {
      throw damaged(log, start + position)
    }
    return entry.subarray(1)
  })
}

/** The same of bare lines. */
function heldAgainst(log: Log, start: number, lines: readonly Buffer[], leaves: readonly Buffer[]): Buffer[] {
  for (const [position, line] of lines.entries()) {
    const leaf = leaves[position]
    if (leaf === undefined || Buffer.compare(hashLeaf(line), leaf) !== 0) throw damaged(log, start + position)
  }
  return [...lines]
}

/** Reads a part whose place and length come from the disk and may be anything. */
async function readPart(
  file: DiskFile,
  log: Log,
  index: number,
  position: number,
  lengthBytes: number,
  admit: Admit = admitAll,
): Promise<Buffer> {
  if (lengthBytes < 0 || lengthBytes > MAX_PART_BYTES || !Number.isSafeInteger(position)) throw damaged(log, index)
  admit(lengthBytes)
  const part = Buffer.allocUnsafe(lengthBytes)
  if ((await file.read(part, position)) !== lengthBytes) throw damaged(log, index)
  return part
}

function damaged(log: Log, index: number): DamagedError {
  const mend = 'Run stele verify on the data directory: it says what was changed, and where.'
  return new DamagedError(
    `what lies on the disk as entry ${index} of ${log.name} is not what the tree has there. ${mend}`,
  )
}
