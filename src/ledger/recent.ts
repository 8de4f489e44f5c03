// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What each ledger remembers of its last entries: ids that sources gave, and idempotency keys. It lies in derived
 * files up to the anchor, and is read from the entries behind it; where the files are lost, from the entries alone.
 */
import { join } from 'node:path'
import { AssertionError } from 'node:assert'
import { type Entry, parseEntry, SALT_BYTES } from '@stele/proof'
import type { Random } from '../platform/random.ts'
import { RESERVED_LEDGERS } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import type { RecentMark } from './anchor.ts'
import { type IdSeeds, sourceSeeds } from './claim.ts'
import type { FileCache } from './file-cache.ts'
import { Fingerprint } from './fingerprint.ts'
import {
  KEY_RECORD_BYTES,
  KeyRoom,
  keptIn,
  type KeptAnswer,
  MAX_KEYS,
  readKeyRecord,
  RecentKeys,
} from './idempotency.ts'
import { derivedDirectory, type Log } from './log.ts'
import type { Reader } from './read.ts'
import { IdRoom, lengthTag, RECORD_BYTES, RecentIds } from './recent-ids.ts'
import { RingFile } from './ring-file.ts'
import type { Section } from './wal/format.ts'
import { eventBounds } from './wal/frame-reader.ts'

/** The last entries of a ledger whose ids and keys count. */
export const RECENT_ENTRIES = 2 ** 20
const SCANNED_COUNT = 4_096
const READ_BYTES = 1024 * 1024
/** Of a line of an entry, before its source. */
const SOURCE_AT = '{"v":1,"at":"2000-01-01T00:00:00.000Z","source":"'.length
/** Behind what says of an entry whose it is; no value before it can hold a quote. */
const SIZE_KEY = ',"size":'
/** Ways in which entries begin that are known again without being parsed. */
const MAX_HEADS = 1_000
const CLOSING_BRACE = 0x7d

/** How ids are found in events; the ledger itself knows no source. */
export interface NativeIds {
  has(type: string): boolean
  /** Of events that lie in `bytes`. */
  in(bytes: Buffer): NativeIdOf
}

/** Where the own id stands of the event from `start` to `end`, of a source type; undefined where it has none. */
export type NativeIdOf = (
  type: string,
  start: number,
  end: number,
) => { readonly start: number; readonly end: number } | undefined

const noIds: NativeIds = { has: () => false, in: () => () => undefined }

export interface RecentOf {
  readonly ids: RecentIds
  readonly keys: RecentKeys
  /** Appends that were claimed and are not durable yet. */
  readonly inFlight: Set<Promise<unknown>>
}

interface Files {
  readonly idsFile: RingFile
  readonly keysFile: RingFile
}

interface Kept extends RecentOf, Files {
  writtenIds: number
  writtenKeys: number
  /** Reads the keys from the entries; begun once. */
  renewal?: Promise<void>
}

/** Of which source type an event is, where that may give it an id, and with what the fingerprint of its id begins. */
interface GivenBy extends IdSeeds {
  readonly type: string | undefined
}

const NOBODY = { head: SIZE_KEY, by: { type: undefined, high: 0, low: 0 } }

export class Recent {
  readonly nativeIds: NativeIds
  seeds: IdSeeds
  readonly #files: FileCache
  readonly #directory: string
  readonly #windowCount: number
  readonly #idRoom = new IdRoom()
  readonly #keyRoom = new KeyRoom()
  readonly #kept = new Map<string, Kept>()
  readonly #print = new Fingerprint()
  readonly #given = new Map<string, GivenBy>()
  #lastGiven: { readonly head: string; readonly by: GivenBy } = NOBODY

  constructor(
    options: { readonly directory: string; readonly random: Random; readonly nativeIds?: NativeIds },
    files: FileCache,
    windowCount: number = RECENT_ENTRIES,
  ) {
    const { directory, random, nativeIds = noIds } = options
    this.nativeIds = nativeIds
    this.#files = files
    this.#directory = directory
    this.#windowCount = windowCount
    const seed = Buffer.alloc(8)
    random.fill(seed, 0, seed.length)
    this.seeds = { high: seed.readUInt32BE(0), low: seed.readUInt32BE(4) }
  }

  of(ledger: string): RecentOf {
    return this.#of(ledger)
  }

  /**
   * Remembers what the ledgers hold so far; `mark` is the anchor's, where that could be used. What comes behind is
   * handed to `take`.
   */
  async restore(logs: Iterable<Log>, reader: Reader, mark: RecentMark | undefined): Promise<void> {
    if (mark !== undefined) this.seeds = { high: mark.seeds[0], low: mark.seeds[1] }
    for (const log of logs) {
      if (isReserved(log.name)) continue
      const known = mark?.ledgers.find(({ name }) => name === log.name)
      const isLoaded = known !== undefined && (await this.#load(known))
      const oldest = Math.max(0, log.size - this.#windowCount)
      await this.#scan(log, reader, isLoaded ? Math.max(oldest, known.size) : oldest)
    }
  }

  /** Reads the keys of the window from the entries, once: what the file said of one was not what its entry says. */
  async renewKeys(log: Log, reader: Reader): Promise<void> {
    await (this.#of(log.name).renewal ??= this.#renewKeys(log, reader))
  }

  async #renewKeys(log: Log, reader: Reader): Promise<void> {
    const found = new Map<string, KeptAnswer>()
    const { size } = log
    let unreadCount = 0
    for (let from = Math.max(0, size - this.#windowCount); from < size; from += SCANNED_COUNT) {
      const end = Math.min(size, from + SCANNED_COUNT)
      unreadCount += await readable(from, end, async (from, end) => {
        const lines = await reader.entries(log, from, end)
        for (const [position, line] of lines.entries()) {
          const key = keyOf(line, from + position)
          if (key === undefined) continue
          found.delete(key.digest)
          found.set(key.digest, key.kept)
        }
      })
      for (const [digest] of found) {
        if (found.size <= MAX_KEYS) break
        found.delete(digest)
      }
    }
    this.#of(log.name).keys.renew(found, unreadCount === 0)
  }

  /** Writes down what is remembered of durable entries, and answers what the anchor is to say of that. */
  async flush(logs: readonly { readonly name: string; readonly size: number }[]): Promise<RecentMark> {
    const ledgers = []
    for (const { name, size } of logs) {
      if (isReserved(name)) continue
      const kept = this.#of(name)
      const ids = kept.ids.records(kept.writtenIds, size)
      const keys = kept.keys.records(kept.writtenKeys, size)
      const counts = {
        ids: ids.from + ids.bytes.length / RECORD_BYTES,
        keys: keys.from + keys.bytes.length / KEY_RECORD_BYTES,
      }
      if (ids.bytes.length > 0) await kept.idsFile.write(ids.from, ids.bytes)
      if (keys.bytes.length > 0) await kept.keysFile.write(keys.from, keys.bytes)
      kept.writtenIds = counts.ids
      kept.writtenKeys = counts.keys
      ledgers.push({ name, size, ...counts })
    }
    return { seeds: [this.seeds.high, this.seeds.low], ledgers }
  }

  #of(ledger: string): Kept {
    const known = this.#kept.get(ledger)
    return known ?? this.#begin(ledger, this.#filesOf(ledger), 0, 0)
  }

  #filesOf(ledger: string): Files {
    const file = (name: string, recordBytes: number, maxCount: number) =>
      new RingFile(this.#files, join(derivedDirectory(this.#directory, ledger), name), recordBytes, maxCount)
    return { idsFile: file('ids', RECORD_BYTES, this.#windowCount), keysFile: file('keys', KEY_RECORD_BYTES, MAX_KEYS) }
  }

  /** Begins to remember, with so many ids and keys behind that are not here. */
  #begin(ledger: string, files: Files, idCount: number, keyCount: number): Kept {
    const kept = {
      ...files,
      ids: new RecentIds(this.#idRoom, this.#windowCount, idCount),
      keys: new RecentKeys(this.#keyRoom, MAX_KEYS, keyCount),
      inFlight: new Set<Promise<unknown>>(),
      writtenIds: idCount,
      writtenKeys: keyCount,
    }
    this.#kept.set(ledger, kept)
    return kept
  }

  /** Takes over what the files hold up to the anchor; false where they do not hold it. */
  async #load({ name, size, ids: idCount, keys: keyCount }: RecentMark['ledgers'][number]): Promise<boolean> {
    const files = this.#filesOf(name)
    const [ids, keys] = await Promise.all([
      readBefore(files.idsFile, RECORD_BYTES, idCount, size),
      readBefore(files.keysFile, KEY_RECORD_BYTES, keyCount, size),
    ])
    if (ids === undefined || keys === undefined) return false
    const keptIds = ids.length / RECORD_BYTES
    const kept = this.#begin(name, files, idCount - keptIds, keyCount - keys.length / KEY_RECORD_BYTES)
    for (let at = 0; at < ids.length; at += RECORD_BYTES) {
      kept.ids.add(ids.readUInt32BE(at + 8), ids.readUInt32BE(at + 12), indexAt(ids, at), ids.readUInt16BE(at))
    }
    for (let at = 0; at < keys.length; at += KEY_RECORD_BYTES) {
      const { digest, kept: answer } = readKeyRecord(keys, at)
      kept.keys.add(digest, answer)
    }
    kept.writtenIds = idCount
    kept.writtenKeys = keyCount
    return true
  }

  /** Remembers what a section holds whose entries have their leaves; sections of a ledger come in its order. */
  take(section: Section): void {
    if (isReserved(section.ledger)) return
    const kept = this.#of(section.ledger)
    const { bytes, first, count, entriesAt, contentsAt } = section
    const lines = bytes.toString('latin1', entriesAt, contentsAt)
    const idOf = this.nativeIds.in(bytes)
    for (let position = 0; position < count; position++) {
      const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, position)
      const by = this.#givenBy(lines, entryStart - entriesAt, entryEnd - entriesAt)
      this.#takeId(kept, first + position, by, bytes, idOf, contentStart + SALT_BYTES, contentEnd)
      // Only `ext`, which comes last, ends in a brace of its own.
      if (bytes[entryEnd - 2] === CLOSING_BRACE) takeKey(kept, first + position, bytes.subarray(entryStart, entryEnd))
    }
  }

  #takeId(
    { ids }: Kept,
    index: number,
    { type, high, low }: GivenBy,
    bytes: Buffer,
    idOf: NativeIdOf,
    start: number,
    end: number,
  ): void {
    if (type === undefined || index <= ids.newest) return
    const at = idIn(idOf, type, start, end)
    if (at === undefined) return
    this.#print.take(high, low, bytes, at.start, at.end)
    ids.add(this.#print.high, this.#print.low, index, lengthTag(end - start))
  }

  /** Whose event an entry commits to. Lines that begin alike, but for their time, are parsed once. */
  #givenBy(lines: string, start: number, end: number): GivenBy {
    const from = start + SOURCE_AT
    if (lines.startsWith(this.#lastGiven.head, from)) return this.#lastGiven.by
    // Not a slice, which would keep all lines in memory.
    const head = Buffer.from(lines.slice(from, lines.indexOf(SIZE_KEY, from) + SIZE_KEY.length), 'latin1').toString()
    const known = this.#given.get(head)
    const by = known ?? this.#parsedGiven(parseEntry(Buffer.from(lines.slice(start, end), 'latin1')))
    if (known === undefined) {
      if (this.#given.size >= MAX_HEADS) this.#given.clear()
      this.#given.set(head, by)
    }
    this.#lastGiven = { head, by }
    return by
  }

  #givenIn(line: Buffer): GivenBy {
    return this.#givenBy(line.toString('latin1'), 0, line.length)
  }

  #parsedGiven({ source, asserted, media }: Entry): GivenBy {
    const type = typeOf(source)
    const isAsked = media === 'application/json' && this.nativeIds.has(type)
    return { type: isAsked ? type : undefined, ...sourceSeeds(this.seeds, source, asserted ?? true) }
  }

  /** Remembers what the entries from `start` on hold, which are read. */
  async #scan(log: Log, reader: Reader, start: number): Promise<void> {
    const kept = this.#of(log.name)
    for (let from = start; from < log.size; from += SCANNED_COUNT) {
      const end = Math.min(log.size, from + SCANNED_COUNT)
      await readable(from, end, async (from, end) => {
        const lines = await reader.entries(log, from, end)
        for (const [position, line] of lines.entries()) takeKey(kept, from + position, line)
        await this.#scanEvents(log, reader, from, lines)
      })
    }
  }

  /** Reads the events, of entries that follow each other, whose source may have given them ids. */
  async #scanEvents(log: Log, reader: Reader, first: number, lines: readonly Buffer[]): Promise<void> {
    const has = lines.map((line) => this.#givenIn(line).type !== undefined)
    for (let at = 0; at < lines.length; at++) {
      if (!has[at]) continue
      const start = first + at
      while (at + 1 < lines.length && has[at + 1]) at++
      await readable(start, first + at + 1, async (from, end) => await this.#takeEvents(log, reader, from, end))
    }
  }

  async #takeEvents(log: Log, reader: Reader, start: number, end: number): Promise<void> {
    const kept = this.#of(log.name)
    for (let from = start; from < end;) {
      const events = await reader.events(log, from, end, READ_BYTES)
      from += events.length
      for (const { index, entryBytes, event } of events) {
        const by = this.#givenIn(entryBytes)
        this.#takeId(kept, index, by, event, this.nativeIds.in(event), 0, event.length)
      }
    }
  }
}

/** What cannot be scanned, though it was when it came, has no id. */
function idIn(idOf: NativeIdOf, type: string, start: number, end: number): ReturnType<NativeIdOf> {
  try {
    return idOf(type, start, end)
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

function takeKey({ keys }: Kept, index: number, line: Buffer): void {
  const found = keyOf(line, index)
  if (found !== undefined) keys.add(found.digest, found.kept)
}

/** The key that an entry line tells of. */
function keyOf(line: Buffer, index: number): ReturnType<typeof keptIn> {
  return line.includes('"ext":{"idempotency"') ? keptIn(parseEntry(line), index) : undefined
}

function isReserved(ledger: string): boolean {
  return (RESERVED_LEDGERS as readonly string[]).includes(ledger)
}

function typeOf(source: string): string {
  return source.split('/')[0]!
}

/** The entry of a record; what stands before it is the record's own, and was zeros in former versions. */
function indexAt(records: Buffer, at: number): number {
  return records.readUIntBE(at + 2, 6)
}

/** The records before number `end`, of entries before `size`, that were not written over; undefined where some are not there. */
async function readBefore(file: RingFile, recordBytes: number, end: number, size: number): Promise<Buffer | undefined> {
  // What cannot be read is read from the entries: files that are derived may be lost.
  const records = await file.readLast(end, file.maxCount).catch(() => undefined)
  if (records === undefined) return undefined
  let next = size
  for (let at = records.length - recordBytes; at >= 0; at -= recordBytes) {
    const index = indexAt(records, at)
    if (index >= size) return records.subarray(at + recordBytes)
    if (index >= next) return undefined
    next = index
  }
  return records
}

/** Does `work` on a range, leaving out what cannot be read: that counts as not seen. Answers how many those are. */
async function readable(
  start: number,
  end: number,
  work: (start: number, end: number) => Promise<void>,
): Promise<number> {
  try {
    await work(start, end)
    return 0
  } catch (error) {
    if (error instanceof AssertionError) throw error
    if (end - start <= 1) return end - start
    const middle = Math.floor((start + end) / 2)
    return (await readable(start, middle, work)) + (await readable(middle, end, work))
  }
}
