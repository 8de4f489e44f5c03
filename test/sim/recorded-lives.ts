// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A few short lives of a directory, everything that they do to the disk recorded, and what had been acknowledged by
// then. Before each change of the disk is a moment at which the power may fail.

import { join } from 'node:path'

import { FileHeadStore } from '../../src/ledger/head-store.ts'
import { FaultDisk } from '../fault-disk.ts'
import { type PowerCutDisk, powerCutDirectory as directory } from '../power-cut-disk.ts'
import { append, openStele, sealAll, SeededRandom, type Stele, TurnedClock } from '../scratch.ts'
import type { Oracle } from './oracle.ts'

/** Small, so that anchors are written, and the WAL goes on in another file and is sealed, after a few appends. */
const SIZES = { anchorEveryBytes: 20_000, walFileBytes: 24_000, segmentEntries: 256 }

/** A moment at which the power may fail, and what is owed from then on. */
export interface Moment {
  readonly disk: PowerCutDisk
  readonly oracle: Oracle
  /** What was about to be done. */
  readonly before: string
}

/** Opens the directory with the head kept on the same disk; `locks` is a folder of the machine's, for its lock. */
export async function openOn(disk: PowerCutDisk | FaultDisk, locks: string, seed: number): Promise<Stele> {
  const clock = new TurnedClock()
  const head = new FileHeadStore(disk, clock, join(locks, 'one.head'))
  return await openStele({ disk, directory, clock, random: new SeededRandom(seed), head, sizes: SIZES })
}

/** Everything that a life does to a disk, and to the oracle. */
export async function recorded(
  memory: PowerCutDisk,
  oracle: Oracle,
  life: (disk: FaultDisk) => Promise<void>,
): Promise<readonly Moment[]> {
  const moments: Moment[] = []
  const disk = new FaultDisk(memory)
  disk.delay = async (operation, path) => {
    if (operation === 'open' && memory.has(path)) return
    moments.push({ disk: memory.fork(), oracle: oracle.copy(), before: `${operation} ${path}` })
  }
  memory.beforeStep = (step) => moments.push({ disk: memory.fork(), oracle: oracle.copy(), before: step })
  await life(disk)
  moments.push({ disk: memory.fork(), oracle: oracle.copy(), before: 'the end' })
  return moments
}

/**
 * A directory's first life: begun, appended to by several at once, published, over several anchors and files; sealed
 * in between and, with an append beside it, at the end; stopped.
 */
export async function firstLife(disk: FaultDisk, oracle: Oracle, locks: string): Promise<void> {
  const stele = await openOn(disk, locks, 1)
  const random = new SeededRandom(2)
  for (let round = 0; round < 4; round++) {
    if (round < 2) {
      await stele.administration.createLedger({ name: `ledger-${round}` }, 'tester')
      oracle.ledgers.add(`ledger-${round}`)
    }
    if (round === 2) {
      const { id } = await stele.administration.createToken({ scopes: ['read'], ledgers: ['*'] }, 'tester')
      oracle.tokens.add(id)
    }
    await Promise.all(
      ['main', 'ledger-0', 'main'].map(async (ledger) => await appendNoted(stele, oracle, ledger, random)),
    )
    await stele.ledgers.publish()
    if (round === 1) await sealAll(stele, disk, directory)
  }
  await Promise.all([appendNoted(stele, oracle, 'main', random), sealAll(stele, disk, directory)])
  await stele.close()
}

/** A start on what another life left, one append, what can be sealed is sealed, and no stop. */
export async function nextLife(disk: FaultDisk, oracle: Oracle, locks: string): Promise<void> {
  const stele = await openOn(disk, locks, 3)
  await appendNoted(stele, oracle, 'main', new SeededRandom(4))
  await stele.ledgers.publish()
  await sealAll(stele, disk, directory)
}

async function appendNoted(stele: Stele, oracle: Oracle, ledger: string, random: SeededRandom): Promise<void> {
  const events = oracle.send(ledger, random, 2_000)
  const { first, size, root } = await append(stele.ledgers, ledger, events)
  oracle.acknowledge(ledger, first, events, size, root)
}
