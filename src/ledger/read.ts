// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads entries and contents back from the WAL, by index, without holding either in memory. What is handed out was
 * held against the tree: the entry has the leaf hash that the tree has, and the content is what the entry commits to.
 */
import { parseEntry, type Entry, SALT_BYTES } from '@stele/proof'
import { hash } from 'node:crypto'
import { type DiskFile, readExactly } from '../platform/disk.ts'
import { commitsTo } from './batch.ts'
import type { FileCache } from './file-cache.ts'
import type { Log, Place } from './log.ts'
import { walPath } from './wal/files.ts'
import { sectionLayout } from './wal/format.ts'

export interface StoredEvent {
  readonly index: number
  /** The entry line, exactly. */
  readonly entryBytes: Buffer
  readonly entry: Entry
  readonly salt: Buffer
  /** The event's bytes, exactly as they came. */
  readonly event: Buffer
}

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

  async event(log: Log, index: number): Promise<StoredEvent> {
    const place = await log.place(index)
    return await this.#inPlace(place, async (file) => {
      const [found] = await readEvents(file, log, place, index, index + 1)
      if (found === undefined) throw new Error(`${log.name} ${index} is not in its place`)
      return found
    })
  }

  /** Events from `start` up to `end` or as many as one place holds and `maxBytes` allows, but at least one. */
  async events(log: Log, start: number, end: number, maxBytes: number): Promise<StoredEvent[]> {
    const place = await log.place(start)
    return await this.#inPlace(place, async (file) => {
      const bounds = await readBounds(file, place, start, Math.min(end, place.first + place.count))
      let count = 1
      while (count < bounds.count && bounds.contentEnd(count) - bounds.contentEnd(-1) <= maxBytes) count++
      return await readEvents(file, log, place, start, start + count)
    })
  }

  /** Entry lines `start` to `end`, which must be durable: what a tlog-tiles bundle holds. */
  async entries(log: Log, start: number, end: number): Promise<Buffer[]> {
    const entries: Buffer[] = []
    while (start + entries.length < end) {
      const from = start + entries.length
      const place = await log.place(from)
      const to = Math.min(end, place.first + place.count)
      entries.push(...(await this.#inPlace(place, async (file) => await readEntries(file, place, from, to))))
    }
    return entries
  }

  async #inPlace<T>(place: Place, work: (file: DiskFile) => Promise<T>): Promise<T> {
    return await this.#cache.use(walPath(this.#directory, place.file), 'read', work)
  }
}

interface Bounds {
  readonly count: number
  /** Ends of entry and content `at` of the range, from the start of their areas; -1 is what lies before the range. */
  readonly entryEnd: (at: number) => number
  readonly contentEnd: (at: number) => number
}

async function readBounds(file: DiskFile, place: Place, start: number, end: number): Promise<Bounds> {
  const before = start === place.first ? 0 : 1
  const at = place.position + sectionLayout(place.count).endsAt + (start - place.first - before) * 8
  const ends = await readExactly(file, at, (end - start + before) * 8)
  const read = (position: number, offset: number) =>
    position + before < 0 ? 0 : ends.readUInt32BE((position + before) * 8 + offset)
  return { count: end - start, entryEnd: (position) => read(position, 0), contentEnd: (position) => read(position, 4) }
}

async function readEntries(file: DiskFile, place: Place, start: number, end: number): Promise<Buffer[]> {
  const bounds = await readBounds(file, place, start, end)
  const from = bounds.entryEnd(-1)
  const area = place.position + sectionLayout(place.count).entriesAt
  const bytes = await readExactly(file, area + from, bounds.entryEnd(bounds.count - 1) - from)
  return Array.from({ length: bounds.count }, (_, position) =>
    bytes.subarray(bounds.entryEnd(position - 1) - from + 1, bounds.entryEnd(position) - from),
  )
}

async function readEvents(file: DiskFile, log: Log, place: Place, start: number, end: number): Promise<StoredEvent[]> {
  const entries = await readEntries(file, place, start, end)
  const bounds = await readBounds(file, place, start, end)
  const entriesBytes = (await readBounds(file, place, place.first + place.count - 1, place.first + place.count)).entryEnd(0)
  const area = place.position + sectionLayout(place.count).entriesAt + entriesBytes
  const from = bounds.contentEnd(-1)
  const contents = await readExactly(file, area + from, bounds.contentEnd(bounds.count - 1) - from)
  const leaves = Buffer.from(await log.hashes(0, start, end - start))
  return entries.map((entryBytes, position) => {
    const content = contents.subarray(bounds.contentEnd(position - 1) - from, bounds.contentEnd(position) - from)
    return checked(log.name, start + position, entryBytes, content, leaves.toString('hex', position * 32, position * 32 + 32))
  })
}

function checked(ledger: string, index: number, entryBytes: Buffer, content: Buffer, leaf: string): StoredEvent {
  const found = hash('sha256', Buffer.concat([Buffer.of(0), entryBytes]), 'hex')
  if (found !== leaf) throw new DamagedError(`entry ${index} of ${ledger} has the leaf hash ${found}, not ${leaf}`)
  const entry = parseEntry(entryBytes)
  if (!commitsTo(content, entry.sha256, entry.size)) {
    throw new DamagedError(`the content of entry ${index} of ${ledger} is not what the entry commits to`)
  }
  return { index, entryBytes, entry, salt: content.subarray(0, SALT_BYTES), event: content.subarray(SALT_BYTES) }
}
