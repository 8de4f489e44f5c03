// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Data directories as somebody left them, on a disk in memory, to be changed and opened again.

import assert from 'node:assert/strict'
import { join } from 'node:path'

import { DataFault } from '../src/ledger/data-fault.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import {
  append,
  type Ground,
  hex,
  MemoryHeadStore,
  openStele,
  readAll,
  SeededRandom,
  type Stele,
  TurnedClock,
} from './scratch.ts'

const SMALL = { anchorEveryBytes: 2 ** 40, walFileBytes: 30_000 }
export const anchor = join(directory, 'derived', 'anchor.json')
export const wal = (disk: PowerCutDisk) => disk.paths.filter((path) => path.startsWith(join(directory, 'wal')))
export const last = (disk: PowerCutDisk) => wal(disk).at(-1)!

/** What was there when a directory was left, and what a start without it has to agree with. */
export interface Left {
  readonly disk: PowerCutDisk
  readonly head: Buffer | undefined
  readonly events: readonly Buffer[]
  readonly roots: ReadonlyMap<string, string>
  /** Where the last frame begins in the last file. */
  readonly lastFrameAt: number
}

export function ground(disk: PowerCutDisk, head: Buffer | undefined): Ground {
  const store = new MemoryHeadStore()
  store.kept = head
  return { disk, directory, clock: new TurnedClock(), random: new SeededRandom(7), head: store, sizes: SMALL }
}

/** A directory with some WAL files, killed right after the last append, so without an anchor; or stopped. */
export async function leave(how: 'killed' | 'stopped', fileCount: number): Promise<Left> {
  const disk = new PowerCutDisk()
  const parts = ground(disk, undefined)
  const stele = await openStele(parts)
  const random = new SeededRandom(8)
  const events: Buffer[] = []
  while (events.length < 3 || wal(disk).length < fileCount || disk.bytes(last(disk)).length < 12_000) {
    const event = random.bytes(1_000)
    await append(stele.ledgers, 'main', [event])
    events.push(event)
    await stele.ledgers.publish()
  }
  const final = random.bytes(900)
  const lastFrameAt = disk.bytes(last(disk)).length
  await append(stele.ledgers, 'main', [final])
  events.push(final)
  if (how === 'stopped') await stele.close()
  const kept = await parts.head.read()
  const roots = new Map(
    stele.ledgers.names.map((name) => [name, `${stele.ledgers.log(name).size} ${hex(stele.ledgers.log(name).root)}`]),
  )
  return { disk: disk.copy(), head: kept, events, roots, lastFrameAt }
}

export const reopen = async (disk: PowerCutDisk, head: Buffer | undefined): Promise<Stele> =>
  await openStele(ground(disk, head))

export async function systemEvents({ ledgers }: Stele): Promise<{ type: string; [key: string]: unknown }[]> {
  return (await readAll(ledgers, 'system')).map((event) => JSON.parse(event.toString()))
}

export function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at]! ^= 1
  return changed
}

/** The start must be refused with a DataFault that names this file. */
export async function refused(disk: PowerCutDisk, file: string, what: RegExp, head?: Buffer): Promise<void> {
  await assert.rejects(reopen(disk, head), (error) => {
    assert(error instanceof DataFault, String(error))
    assert.match(error.message, what)
    assert.equal(error.file, file)
    assert(error.expected !== error.found && error.expected !== '')
    return true
  })
}
