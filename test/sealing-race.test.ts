// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the simulation found between sealing and appending.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sealWalFile } from '../src/ledger/sealing.ts'
import { FaultDisk } from './fault-disk.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, recovery, SeededRandom, TurnedClock } from './scratch.ts'

test('a WAL file that is completed while the anchor before a seal is written does not move what the seal leads to', async () => {
  const disk = new FaultDisk(new PowerCutDisk())
  const random = new SeededRandom(1)
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 20_000, segmentEntries: 256 }
  const parts = { clock: new TurnedClock(), random, head: new MemoryHeadStore(), sizes }
  const { ledgers } = await openStele({ ...parts, disk, directory })
  const completed: number[] = []
  ledgers.onFileCompleted(() => completed.push(ledgers.durableEnd.file))
  const complete = async (count: number) => {
    while (completed.length < count) await append(ledgers, 'main', [random.bytes(3_000)])
  }
  await complete(1)
  const task = ledgers.sealTask()
  assert(task !== undefined)
  const seal = await sealWalFile({ disk, directory, store: recovery(disk, directory).store }, task)
  disk.delay = async (operation, path) => {
    if (operation === 'rename' && path.endsWith('anchor.json')) await complete(2)
  }
  await ledgers.acceptSeal(seal)
  assert.equal(completed.length, 2)
  assert.equal(ledgers.sealed.commit, seal.commit)
})
