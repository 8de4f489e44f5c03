// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What tests of the ledger stand on: temporary folders, a clock that they turn, randomness that a seed repeats, a head
// kept in memory, and a Stele opened over any disk, as src/directory.ts opens it over the machine's.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { mintToken } from '../src/access/credentials.ts'
import { ownBatch } from '../src/ledger/batch.ts'
import type { Committed } from '../src/ledger/commit.ts'
import { FileCache } from '../src/ledger/file-cache.ts'
import { type HeadStore, sameBytes } from '../src/ledger/head-store.ts'
import { Ledgers } from '../src/ledger/ledgers.ts'
import type { LedgerSizes } from '../src/ledger/opening.ts'
import type { RecoveryOptions } from '../src/ledger/replay.ts'
import { segmentParts } from '../src/ledger/sealed-entries.ts'
import { sealWalFile } from '../src/ledger/sealing.ts'
import type { Clock } from '../src/platform/clock.ts'
import type { Disk } from '../src/platform/disk.ts'
import { type Lock } from '../src/platform/lock.ts'
import type { Random } from '../src/platform/random.ts'
import { NativeIdFinder } from '../src/sources/native-id.ts'
import { Administration } from '../src/state/administration.ts'

/** A folder of its own for a test, removed after it. */
export function scratch(test: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'stele-test-'))
  test.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Numbers that a seed repeats (mulberry32); below 1, or as bytes. */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) % 2 ** 32
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count)
    this.fill(bytes, 0, count)
    return bytes
  }

  fill(into: Uint8Array, offset: number, length: number): void {
    for (let at = offset; at < offset + length; at++) into[at] = this.below(256)
  }
}

/** Clocks that stand still until a test moves them; what is to happen every so often happens when a test says so. */
export class TurnedClock implements Clock {
  wall = Date.parse('2026-01-02T03:04:05.678Z')
  monotonic = 1_000
  boot: number | undefined = 1_000
  readonly #ticks = new Set<() => void>()

  wallMs(): number {
    return this.wall
  }

  monotonicMs(): number {
    return this.monotonic
  }

  bootMs(): number | undefined {
    return this.boot
  }

  async sleep(): Promise<void> {
    await new Promise(setImmediate)
  }

  every(_: number, tick: () => void): () => void {
    this.#ticks.add(tick)
    return () => this.#ticks.delete(tick)
  }

  /** Time goes by as it should. */
  pass(ms: number): void {
    this.wall += ms
    this.monotonic += ms
    if (this.boot !== undefined) this.boot += ms
  }

  tick(): void {
    for (const tick of this.#ticks) tick()
  }
}

/** The head outside, in memory: it survives whatever happens to the disk. */
export class MemoryHeadStore implements HeadStore {
  readonly where = 'memory'
  kept: Buffer | undefined

  async read(): Promise<Buffer | undefined> {
    return this.kept
  }

  async swap(expected: Buffer | undefined, next: Buffer): Promise<boolean> {
    if (!sameBytes(this.kept, expected)) return false
    this.kept = next
    return true
  }
}

/** For disks that are not the machine's: nobody else can have them. */
const noLock = (): Lock => ({ release() {} })

export interface Ground {
  readonly disk: Disk
  readonly directory: string
  readonly clock: Clock
  readonly random: Random
  readonly head: HeadStore
  readonly lock?: (path: string) => Lock | undefined
  /** The folder that holds the keys, where it is another. */
  readonly keys?: string
  readonly sizes?: Partial<LedgerSizes>
}

export interface Stele {
  readonly ledgers: Ledgers
  readonly administration: Administration
  /** Texts of admin tokens that were handed out when the directory was begun. */
  readonly adminTokens: readonly string[]
  readonly failures: readonly unknown[]
  readonly close: () => Promise<void>
}

/** Opens ledgers and their administration as src/directory.ts does, over any ground. */
export async function openStele(ground: Ground): Promise<Stele> {
  const { head, sizes, random } = ground
  const failures: unknown[] = []
  const adminTokens: string[] = []
  let administration: Administration | undefined
  const ledgers = await Ledgers.open({
    ...ground,
    lock: ground.lock ?? noLock,
    newOriginPrefix: () => 'stele.test/abcdefghijklm',
    headStore: () => head,
    nativeIds: new NativeIdFinder(),
    ...(sizes === undefined ? {} : { sizes }),
    onClockJump: (jump) => void administration?.clockJumped(jump).catch((error: unknown) => failures.push(error)),
    onFailure: (error) => failures.push(error),
  })
  try {
    administration = await Administration.open({
      ledgers,
      version: '0.0.0',
      mintToken: () => mintToken(random),
      keepAdminToken: async (token) => void adminTokens.push(token),
    })
  } catch (error) {
    await ledgers.close().catch(() => {})
    throw error
  }
  const opened = administration
  return {
    ledgers,
    administration: opened,
    adminTokens,
    failures,
    close: async () => {
      if (ledgers.failure === undefined) await opened.recordStop()
      await ledgers.close()
    },
  }
}

/** What `recover` is given for a directory. */
export function recovery(disk: Disk, directory: string): RecoveryOptions {
  const cache = new FileCache(disk)
  return { disk, directory, cache, ...segmentParts(disk, directory, cache) }
}

/** Seals every completed WAL file, as the keeper does. */
export async function sealAll({ ledgers }: Pick<Stele, 'ledgers'>, disk: Disk, directory: string): Promise<number> {
  let count = 0
  await ledgers.finishSealing()
  for (let task = ledgers.sealTask(); task !== undefined; task = ledgers.sealTask()) {
    const { store } = recovery(disk, directory)
    await ledgers.acceptSeal(await sealWalFile({ disk, directory, store }, task))
    count++
  }
  return count
}

/** Appends events as the HTTP interface would. */
export async function append(ledgers: Ledgers, ledger: string, events: readonly Buffer[]): Promise<Committed> {
  return await ledgers.append(ledger, ownBatch(events, 'generic', 'application/octet-stream', 'tester'))
}

/** Every event of a ledger, held against the tree as they are read. */
export async function readAll(ledgers: Ledgers, ledger: string): Promise<Buffer[]> {
  const { size } = ledgers.log(ledger)
  const events: Buffer[] = []
  while (events.length < size) {
    const stored = await ledgers.events(ledger, events.length, size, 1024 * 1024)
    events.push(...stored.map(({ event }) => Buffer.from(event)))
  }
  return events
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
