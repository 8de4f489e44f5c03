// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Remembers the logs that this user has seen: origin, key and largest head of each, a file a log in the user's state
 * directory. A log's key does not change, so another key for a known origin is an alarm and never replaces the first.
 */
import { dirname, join } from 'node:path'
import { type KeyPeriod, toBase64 } from '@stele/proof'
import { z } from 'zod'
import { type Clock, timeText } from '../platform/clock.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import { pathDigest } from '../ledger/keys.ts'
import { toHex } from './ledger-replay.ts'
import { readCheckpoint } from './signatures.ts'

const LOCK_TRIES = 200
const LOCK_WAIT_MS = 10

const retiredSchema = z.strictObject({
  vkey: z.string(),
  /** The ML-DSA-44 key that was beside it and ended with it, where it is known. */
  mldsaVkey: z.string().optional(),
  /** The last head that it stands for: size, and root in base64. */
  size: z.int().nonnegative(),
  root: z.string(),
})

const knownLogSchema = z.strictObject({
  v: z.literal(1),
  origin: z.string(),
  vkey: z.string(),
  /** The ML-DSA-44 key beside it, where it is known. */
  mldsaVkey: z.string().optional(),
  /** Keys that signed rotations have led on from, the oldest first. */
  retired: z.array(retiredSchema).optional(),
  /** Somebody gave the key, rather than take it from the server. */
  pinned: z.boolean(),
  firstSeen: z.string(),
  lastSeen: z.string(),
  /** The largest head that was seen: a signed note. */
  head: z.string().optional(),
})

export type KnownLog = Readonly<z.infer<typeof knownLogSchema>>
export type RetiredKey = Readonly<z.infer<typeof retiredSchema>>

/** The keys of these periods that another followed. */
export function retiredKeys(periods: readonly KeyPeriod[]): RetiredKey[] {
  return periods.flatMap(({ vkey, mldsaVkey, until }) => {
    if (until === undefined) return []
    const beside = mldsaVkey === undefined ? {} : { mldsaVkey }
    return [{ vkey, ...beside, size: until.size, root: toBase64(until.root) }]
  })
}

/** Whether somebody gave a log's key, now or before; a key that is only remembered was its server's own word. */
export type KeyStanding = 'pinned' | 'not pinned'

/** What was seen of a log: a key that is sure to be its own, and a head that was verified with it. */
export interface Sighting {
  readonly origin: string
  readonly vkey: string
  /** The ML-DSA-44 key beside it. */
  readonly mldsaVkey?: string
  /** Keys that rotations, which were verified, have led on from. */
  readonly retired?: readonly RetiredKey[]
  readonly pinned: boolean
  readonly head?: string
}

/** Another key than the one that is remembered, or a file of this memory that cannot be used. */
export class KnownLogFault extends Error {
  override readonly name = 'KnownLogFault'
}

export class KnownLogs {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #tryLock: (path: string) => Lock | undefined
  readonly #stateDirectory: string

  constructor(disk: Disk, clock: Clock, tryLock: (path: string) => Lock | undefined, stateDirectory: string) {
    this.#disk = disk
    this.#clock = clock
    this.#tryLock = tryLock
    this.#stateDirectory = stateDirectory
  }

  path(origin: string): string {
    return join(this.#stateDirectory, 'known-logs', `${pathDigest(origin)}.json`)
  }

  async find(origin: string): Promise<KnownLog | undefined> {
    const path = this.path(origin)
    const bytes = await this.#disk.readFile(path)
    if (bytes === undefined) return undefined
    const known = parseKnownLog(bytes)
    if (known?.origin === origin) return known
    throw new KnownLogFault(`${path} is not what Stele remembers of ${origin}. Put it back as it was, or remove it.`)
  }

  /** What to say where a log that is known comes with another key; undefined where it doesn't. */
  keyObjection(known: KnownLog | undefined, vkey: string): string | undefined {
    if (known === undefined || known.vkey === vkey) return undefined
    if (known.retired?.some((former) => former.vkey === vkey) === true) return undefined
    const { origin, pinned, firstSeen } = known
    const how = pinned ? 'was pinned' : 'was first seen'
    return (
      `the key of ${origin} is not the one that ${how} on ${firstSeen}: then ${known.vkey}, now ${vkey}. A log's key ` +
      `does not change by itself; if its operator can explain it, remove ${this.path(origin)}`
    )
  }

  /** Remembers a sighting; of two heads the larger one stays. Throws a KnownLogFault for another key. */
  async remember({ origin, vkey, mldsaVkey, retired = [], pinned, head }: Sighting): Promise<KnownLog> {
    const path = this.path(origin)
    await this.#disk.makeDirectory(dirname(path))
    const lock = await this.#lock(`${path}.lock`)
    try {
      const known = await this.find(origin)
      const isFollowed = retired.some((former) => former.vkey === known?.vkey)
      const objection = isFollowed ? undefined : this.keyObjection(known, vkey)
      if (objection !== undefined) throw new KnownLogFault(objection)
      // A former key that is given does not bring it back.
      const isFormer = known !== undefined && !isFollowed && known.vkey !== vkey
      const chain = mergedRetired(known, isFormer ? [] : retired)
      const beside = isFormer ? known.mldsaVkey : (mldsaVkey ?? (isFollowed ? undefined : known?.mldsaVkey))
      const now = timeText(this.#clock.wallMs())
      const kept = sizeOf(known?.head) >= sizeOf(head) ? known?.head : head
      const next: KnownLog = {
        v: 1,
        origin,
        vkey: isFormer ? known.vkey : vkey,
        ...(beside === undefined ? {} : { mldsaVkey: beside }),
        ...(chain.length === 0 ? {} : { retired: [...chain] }),
        pinned: pinned || (known?.pinned ?? false),
        firstSeen: known?.firstSeen ?? now,
        lastSeen: now,
        ...(kept === undefined ? {} : { head: kept }),
      }
      await replaceFile(this.#disk, path, Buffer.from(`${JSON.stringify(next)}\n`))
      return next
    } finally {
      lock.release()
    }
  }

  /** Keeps signed heads that contradict each other: with the log's key they convict it. Resolves to the path. */
  async keepEvidence(origin: string, heads: readonly string[]): Promise<string> {
    const time = timeText(this.#clock.wallMs()).replaceAll(':', '')
    const path = join(this.#stateDirectory, 'evidence', `${pathDigest(origin)}-${time}.txt`)
    await this.#disk.makeDirectory(dirname(path))
    await replaceFile(this.#disk, path, Buffer.from(heads.join('\n')))
    return path
  }

  async #lock(path: string): Promise<Lock> {
    for (let tries = 0; tries < LOCK_TRIES; tries++) {
      const lock = this.#tryLock(path)
      if (lock !== undefined) return lock
      await this.#clock.sleep(LOCK_WAIT_MS)
    }
    throw new KnownLogFault(`${path} has been held by another process for ${(LOCK_TRIES * LOCK_WAIT_MS) / 1000} s`)
  }
}

/** How a head contradicts the one that is remembered, as far as the two alone show it; undefined where they don't. */
export function contradiction(known: KnownLog | undefined, head: string): string | undefined {
  if (known?.head === undefined) return undefined
  const [before, now] = [known.head, head].map((note) => readCheckpoint(Buffer.from(note)))
  if (typeof before !== 'object' || typeof now !== 'object' || before.size !== now.size) return undefined
  if (toHex(before.root) === toHex(now.root)) return undefined
  return `the log has signed two roots for ${now.size} entries: one seen before ${known.lastSeen}, and this one`
}

/** Those that are known and those that are new, by their ends; the ML-DSA-44 key beside each, where either knows it. */
export function mergedRetired(known: KnownLog | undefined, found: readonly RetiredKey[]): RetiredKey[] {
  const remembered = known?.retired ?? []
  const isNew = ({ vkey }: RetiredKey) => !remembered.some((former) => former.vkey === vkey)
  const besides = new Map(
    [...found, ...remembered, ...(known === undefined ? [] : [known])].flatMap(({ vkey, mldsaVkey }) =>
      mldsaVkey === undefined ? [] : [[vkey, { mldsaVkey }] as const],
    ),
  )
  return [...remembered, ...found.filter(isNew)]
    .map((key) => ({ ...key, ...besides.get(key.vkey) }))
    .toSorted((a, b) => a.size - b.size)
}

/** The size in a signed head; -1 where there is none. */
function sizeOf(head: string | undefined): number {
  const checkpoint = head === undefined ? 'none' : readCheckpoint(Buffer.from(head))
  return typeof checkpoint === 'string' ? -1 : checkpoint.size
}

function parseKnownLog(bytes: Buffer): KnownLog | undefined {
  try {
    return knownLogSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError) return undefined
    throw error
  }
}
