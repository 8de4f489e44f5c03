// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A small data directory, the same every time, on a disk in memory: stopped, with its head kept outside; and what
// tests of verification do to it.

import assert from 'node:assert/strict'

import type { KeptHead } from '../src/evidence/kept-heads.ts'
import { Signatures } from '../src/evidence/signatures.ts'
import { type DirectoryOptions, type DirectoryReport, verifyDirectory } from '../src/evidence/verify-directory.ts'
import { decodeFileHeader } from '../src/ledger/wal/format.ts'
import { eventBounds, type ReadFrame } from '../src/ledger/wal/frame-reader.ts'
import { framesOf } from './forge.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append, MemoryHeadStore, openStele, sealAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

export const directory = '/data'
export const events = (ledger: string, count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => Buffer.from(`event ${index} of ${ledger}`))

export interface SmallDirectory {
  readonly disk: MemoryDisk
  /** The head of `heads` when it was stopped. */
  readonly head: KeptHead
  /** The same directory and head some commits before. */
  readonly earlier: { readonly disk: MemoryDisk; readonly head: KeptHead }
  /** Keys of the ledgers, by name. */
  readonly vkeys: ReadonlyMap<string, string>
}

/** Ledgers `main` and `pay` with about 20 events in several commits and two WAL files. */
export async function smallDirectory(): Promise<SmallDirectory> {
  const disk = new MemoryDisk()
  const store = new MemoryHeadStore()
  const clock = new TurnedClock()
  const ground = { disk, directory, clock, random: new SeededRandom(1), head: store }
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 40_000 }
  const first = await openStele({ ...ground, sizes })
  disk.put(`${directory}/LOCK`, Buffer.alloc(0))
  disk.put(`${directory}/admin.token`, Buffer.from(`${first.adminTokens[0]}\n`))
  await first.administration.createLedger({ name: 'pay' }, 'tester')
  clock.pass(10)
  await append(first.ledgers, 'main', events('main', 9))
  await first.close()
  const earlier = { disk: disk.copy(), head: keptHead(store) }

  const second = await openStele({ ...ground, sizes })
  clock.pass(10)
  await Promise.all([
    append(second.ledgers, 'main', [Buffer.from('event 9 of main')]),
    append(second.ledgers, 'pay', events('pay', 5)),
  ])
  await second.ledgers.publish()
  clock.pass(10)
  await append(second.ledgers, 'main', [Buffer.from('event 10 of main')])
  const vkeys = new Map(second.ledgers.names.map((name) => [name, second.ledgers.vkey(name)]))
  await second.close()
  return { disk, head: keptHead(store), earlier, vkeys }
}

/** A directory that `fill` has filled and that was then stopped. */
export async function directoryWith(
  fill: (stele: Stele, clock: TurnedClock, disk: MemoryDisk) => Promise<void>,
  walFileBytes = 2 ** 40,
): Promise<Pick<SmallDirectory, 'disk' | 'head'>> {
  const disk = new MemoryDisk()
  const store = new MemoryHeadStore()
  const clock = new TurnedClock()
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes }
  const stele = await openStele({ disk, directory, clock, random: new SeededRandom(2), head: store, sizes })
  disk.put(`${directory}/LOCK`, Buffer.alloc(0))
  disk.put(`${directory}/admin.token`, Buffer.from(`${stele.adminTokens[0]}\n`))
  await fill(stele, clock, disk)
  await stele.close()
  return { disk, head: keptHead(store) }
}

/**
 * Ledgers `main` and `pay`, most of both in segments, whole ones and partial ones, and the last WAL files not sealed;
 * stopped. `snapshots` are the same directory as it was before each time it was sealed.
 */
export async function sealedDirectory(
  eventCount = 700,
  eventBytes = 40,
  { batch = 35, sealEvery = 6, walFileBytes = 40_000 } = {},
): Promise<SealedDirectory> {
  const disk = new MemoryDisk()
  const store = new MemoryHeadStore()
  const clock = new TurnedClock()
  const sizes = { anchorEveryBytes: 20_000, walFileBytes, segmentEntries: 256 }
  const stele = await openStele({ disk, directory, clock, random: new SeededRandom(3), head: store, sizes })
  disk.put(`${directory}/LOCK`, Buffer.alloc(0))
  disk.put(`${directory}/admin.token`, Buffer.from(`${stele.adminTokens[0]}\n`))
  await stele.administration.createLedger({ name: 'pay' }, 'tester')
  const random = new SeededRandom(4)
  const snapshots: { disk: MemoryDisk; head: KeptHead }[] = []
  for (let made = 0, round = 0; made < eventCount; round++) {
    clock.pass(10)
    const events = Array.from({ length: Math.min(batch, eventCount - made) }, () => random.bytes(eventBytes))
    made += events.length
    await append(stele.ledgers, 'main', events)
    if (round % 3 === 0) await append(stele.ledgers, 'pay', events.slice(0, 3))
    await stele.ledgers.publish()
    if (round % sealEvery !== sealEvery - 1) continue
    snapshots.push({ disk: disk.copy(), head: keptHead(store) })
    await sealAll(stele, disk, directory)
  }
  const vkeys = new Map(stele.ledgers.names.map((name) => [name, stele.ledgers.vkey(name)]))
  const seal = stele.ledgers.sealed
  await stele.close()
  return { disk, head: keptHead(store), vkeys, snapshots, seal }
}

export interface SealedDirectory extends Omit<SmallDirectory, 'earlier'> {
  readonly snapshots: readonly { readonly disk: MemoryDisk; readonly head: KeptHead }[]
  readonly seal: { readonly commit: number; readonly sizes: Readonly<Record<string, number>> }
}

/** Paths of the objects of a ledger's segments. */
export function segmentPaths(disk: MemoryDisk, ledger = ''): string[] {
  return disk.paths.filter(
    (path) => path.startsWith(`${directory}/segments/${ledger}`) && /\.(log|content)$/.test(path),
  )
}

function keptHead(store: MemoryHeadStore): KeptHead {
  assert(store.kept !== undefined)
  return { where: 'kept.head', bytes: store.kept }
}

const signatures = new Signatures()

export async function verified(
  { disk, head }: { readonly disk: MemoryDisk; readonly head?: KeptHead | undefined },
  options: Partial<DirectoryOptions> = {},
): Promise<DirectoryReport> {
  const heads = head === undefined ? [] : [head]
  return await verifyDirectory({ disk, directory, heads, signatures, ...options })
}

/** Paths of the WAL files of the small directory. */
export function walFiles(disk: MemoryDisk): string[] {
  return disk.paths.filter((path) => path.startsWith(`${directory}/wal/`))
}

export interface PlacedFrame {
  readonly path: string
  readonly fileId: Buffer
  readonly frame: ReadFrame
}

export function placedFrames(disk: MemoryDisk): PlacedFrame[] {
  return walFiles(disk).flatMap((path) => {
    const file = disk.bytesOf(path)
    const { fileId } = decodeFileHeader(path, file.subarray(0, 4_096))
    return framesOf(file, fileId).map((frame) => ({ path, fileId, frame }))
  })
}

/** Where an event's entry and content lie in its file. */
export interface EventPlace extends PlacedFrame {
  readonly ledger: string
  readonly index: number
  readonly entryStart: number
  readonly entryEnd: number
  readonly contentStart: number
  readonly contentEnd: number
}

export function eventPlaces(disk: MemoryDisk): EventPlace[] {
  return placedFrames(disk).flatMap((placed) => {
    const { position, sections } = placed.frame
    return sections.flatMap((section) =>
      Array.from({ length: section.count }, (_, at) => {
        const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, at)
        return {
          ...placed,
          ledger: section.ledger,
          index: section.first + at,
          entryStart: position + entryStart,
          entryEnd: position + entryEnd,
          contentStart: position + contentStart,
          contentEnd: position + contentEnd,
        }
      }),
    )
  })
}

export function eventPlace(disk: MemoryDisk, ledger: string, index: number): EventPlace {
  const place = eventPlaces(disk).find((candidate) => candidate.ledger === ledger && candidate.index === index)
  assert(place !== undefined, `${ledger} ${index}`)
  return place
}
