// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Idempotency keys: what was answered to each, of the last day and so many of a ledger. The answer to a request that
 * stored something is in the entry of its first new event, so it is durable exactly when the events are, and can be
 * read from there again. Keys and bodies stand there as keyed hashes: entries may be shown to anybody, and what is
 * guessed easily must not be found in them.
 */
import { createHmac, hash, type Hmac } from 'node:crypto'
import type { Entry, JsonObject, JsonValue } from '@stele/proof'
import { timeMs } from '../platform/clock.ts'
import type { Signer } from './signing.ts'

const KEY_WINDOW_MS = 24 * 3_600_000
/** Of one ledger, and of all together (16 MB); beyond, the oldest are forgotten. */
export const MAX_KEYS = 16_384
const MAX_ALL_KEYS = 65_536
/** Longer than this, which entries the duplicates are is not kept. */
const MAX_RUNS_CHARS = 3_000

const STEP_BYTES = 1024 * 1024

/** A request with a key, of which there is to be one effect. */
export interface Once {
  /** Credential that appends, and the key that it chose. */
  readonly by: string
  readonly key: string
  /** What the request says besides its body and what of the answer it asks for. */
  readonly about: string
  readonly body: Uint8Array
}

export interface OnceDigests {
  readonly key: string
  readonly request: string
}

/** What a request did, as far as that is kept. */
export interface KeptAnswer {
  readonly request: string
  /** Entry that holds this; undefined where nothing was stored. */
  readonly entry: number | undefined
  /** Index of the body's first event. */
  readonly first: number
  readonly count: number
  readonly duplicates: number
  readonly atMs: number
  /** It comes from a derived file, which anybody may have changed: it says where to look, and nothing else. */
  readonly isUnproven?: true
}

/** Digests of a request, base64url. Only who has the ledger's key can make them. */
export class OnceDigester {
  readonly #secret: Buffer

  constructor(signer: Signer) {
    this.#secret = hash('sha256', signer.seal('idempotency', 'digests'), 'buffer')
  }

  digests({ by, key, about, body }: Once): OnceDigests {
    const request = this.#begun(`request ${about}\n`).update(body).digest('base64url')
    return { key: this.#begun(`key ${by} ${key}`).digest('base64url'), request }
  }

  /** The same of a large body, with a pause each so many bytes. */
  async digestsInSteps({ by, key, about, body }: Once, pause: () => Promise<void>): Promise<OnceDigests> {
    const request = this.#begun(`request ${about}\n`)
    for (let at = 0; at < body.length; at += STEP_BYTES) {
      request.update(body.subarray(at, at + STEP_BYTES))
      await pause()
    }
    return { key: this.#begun(`key ${by} ${key}`).digest('base64url'), request: request.digest('base64url') }
  }

  #begun(what: string): Hmac {
    return createHmac('sha256', this.#secret).update(what)
  }
}

/** The `idempotency` member of an entry's `ext`. `indexes` are those of all events of the body. */
export function keyExt(digests: OnceDigests, count: number, indexes: Float64Array): JsonObject {
  const duplicates = indexes.length - count
  if (duplicates === 0) return { key: digests.key, request: digests.request, count }
  const runs = runsOf(indexes)
  const isShort = JSON.stringify(runs).length <= MAX_RUNS_CHARS
  return {
    key: digests.key,
    request: digests.request,
    count,
    duplicates,
    first: indexes[0]!,
    ...(isShort ? { runs } : {}),
  }
}

/** What an entry keeps of the request that it came with; undefined where that had no key. */
export function keptIn(entry: Entry, index: number): { digest: string; kept: KeptAnswer } | undefined {
  const said = entry.ext?.['idempotency']
  if (!isObject(said)) return undefined
  const { key, request, count, duplicates = 0, first = index } = said
  if (typeof key !== 'string' || typeof request !== 'string') return undefined
  if (typeof count !== 'number' || typeof duplicates !== 'number' || typeof first !== 'number') return undefined
  return { digest: key, kept: { request, entry: index, first, count, duplicates, atMs: timeMs(entry.at) } }
}

/** Indexes of all events of the body, where the entry has them. */
export function indexesIn(entry: Entry): Float64Array | undefined {
  const said = entry.ext?.['idempotency']
  const runs = isObject(said) ? said['runs'] : undefined
  if (!Array.isArray(runs)) return undefined
  const indexes: number[] = []
  for (let at = 0; at + 1 < runs.length; at += 2) {
    for (let step = 0; step < Number(runs[at]); step++) indexes.push(Number(runs[at + 1]) + step)
  }
  return Float64Array.from(indexes)
}

/** Runs of indexes that follow each other: length and first index, one run behind the other. */
function runsOf(indexes: Float64Array): number[] {
  const runs: number[] = []
  for (const [position, index] of indexes.entries()) {
    if (position > 0 && index === indexes[position - 1]! + 1) runs[runs.length - 2]!++
    else runs.push(1, index)
  }
  return runs
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Room for all ledgers. */
export class KeyRoom {
  readonly #maxCount: number
  readonly #windows = new Set<RecentKeys>()
  #count = 0

  constructor(maxCount: number = MAX_ALL_KEYS) {
    this.#maxCount = maxCount
  }

  join(window: RecentKeys): void {
    this.#windows.add(window)
  }

  /** One more or less; where there are too many, the ledger that has most gives up its oldest. */
  changed(by: 1 | -1): void {
    this.#count += by
    if (this.#count <= this.#maxCount) return
    let largest: RecentKeys | undefined
    for (const window of this.#windows) if (largest === undefined || window.count > largest.count) largest = window
    largest?.dropOldest()
  }
}

interface Numbered extends KeptAnswer {
  /** Of those that are in entries, in their order; undefined for the others. */
  readonly number: number | undefined
}

export const KEY_RECORD_BYTES = 96

/** The keys of one ledger. */
export class RecentKeys {
  readonly #room: KeyRoom
  readonly #maxCount: number
  readonly #kept = new Map<string, Numbered>()
  #addedCount: number

  constructor(room: KeyRoom, maxCount: number = MAX_KEYS, addedCount = 0) {
    this.#room = room
    this.#maxCount = maxCount
    this.#addedCount = addedCount
    room.join(this)
  }

  get count(): number {
    return this.#kept.size
  }

  get addedCount(): number {
    return this.#addedCount
  }

  find(digest: string, nowMs: number): KeptAnswer | undefined {
    const kept = this.#kept.get(digest)
    // What is unproven may be younger than it says.
    return kept === undefined || (!kept.isUnproven && kept.atMs <= nowMs - KEY_WINDOW_MS) ? undefined : kept
  }

  add(digest: string, kept: KeptAnswer): void {
    const known = this.#kept.get(digest)
    if (known?.entry !== undefined && known.entry === kept.entry) return
    this.#drop(digest)
    const number = kept.entry === undefined ? undefined : this.#addedCount++
    this.#kept.set(digest, { ...kept, number })
    this.#room.changed(1)
    const [oldest] = this.#kept.values()
    const isOver = this.#kept.size > this.#maxCount || oldest!.atMs <= kept.atMs - KEY_WINDOW_MS
    if (isOver) this.dropOldest()
  }

  /** Takes what the entry of an unproven answer says in its place, if it is the same; false where it is not. */
  prove(digest: string, unproven: KeptAnswer, proven: KeptAnswer): boolean {
    const { request, first, count, duplicates, atMs } = proven
    const isSame = request === unproven.request && first === unproven.first && count === unproven.count
    if (!isSame || duplicates !== unproven.duplicates || atMs !== unproven.atMs) return false
    const known = this.#kept.get(digest)
    if (known === unproven) this.#kept.set(digest, { ...proven, number: known.number })
    return true
  }

  /**
   * Takes what the entries themselves say for all that is unproven. That is forgotten, unless entries could not be read
   * that may have told more.
   */
  renew(found: ReadonlyMap<string, KeptAnswer>, isAll: boolean): void {
    const before = [...this.#kept]
    for (const [digest] of before) this.#drop(digest)
    // Only those whose entry is not among what was found: they would come in front of what is older.
    const first = before.filter(([digest, { isUnproven }]) => isUnproven && !isAll && !found.has(digest))
    const rest = before.filter(([, { isUnproven }]) => !isUnproven)
    for (const [digest, { number: _, ...kept }] of [...first, ...found, ...rest] as [string, Numbered][]) {
      this.add(digest, kept)
    }
  }

  dropOldest(): void {
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined) this.#drop(oldest)
  }

  /** Records of those that were added as number `from` and later and are in entries before `size`, as they are kept. */
  records(from: number, size: number): { readonly from: number; readonly bytes: Buffer } {
    const records: { readonly number: number; readonly record: Buffer }[] = []
    for (const [digest, { number, request, entry, first, count, duplicates, atMs }] of this.#kept) {
      if (number === undefined || number < from || entry === undefined) continue
      if (entry >= size) break
      const record = Buffer.alloc(KEY_RECORD_BYTES)
      record.writeBigUInt64BE(BigInt(entry), 0)
      record.writeBigUInt64BE(BigInt(first), 8)
      record.writeUInt32BE(count, 16)
      record.writeUInt32BE(duplicates, 20)
      record.writeBigUInt64BE(BigInt(atMs), 24)
      record.write(request, 32, 'base64url')
      record.write(digest, 64, 'base64url')
      records.push({ number, record })
    }
    const start = records[0]?.number ?? from
    const bytes = Buffer.alloc(((records.at(-1)?.number ?? start - 1) + 1 - start) * KEY_RECORD_BYTES)
    for (const { number, record } of records) record.copy(bytes, (number - start) * KEY_RECORD_BYTES)
    return { from: start, bytes }
  }

  #drop(digest: string): void {
    if (this.#kept.delete(digest)) this.#room.changed(-1)
  }
}

/** The record at `at`: the entry, the key's digest, and what is kept. */
export function readKeyRecord(records: Buffer, at: number): { digest: string; kept: KeptAnswer & { entry: number } } {
  return {
    digest: records.toString('base64url', at + 64, at + 96),
    kept: {
      request: records.toString('base64url', at + 32, at + 64),
      entry: Number(records.readBigUInt64BE(at)),
      first: Number(records.readBigUInt64BE(at + 8)),
      count: records.readUInt32BE(at + 16),
      duplicates: records.readUInt32BE(at + 20),
      atMs: Number(records.readBigUInt64BE(at + 24)),
      isUnproven: true,
    },
  }
}
