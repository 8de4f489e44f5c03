// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, type Ground, MemoryHeadStore, openStele, readAll, SeededRandom, TurnedClock } from './scratch.ts'

test('P1: a frame whose sync failed, and that can be read all the same, is written again before anything is built on it', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const head = new MemoryHeadStore()
    const random = new SeededRandom(seed)
    const ground = (disk: PowerCutDisk): Ground => ({ disk, directory, clock: new TurnedClock(), random, head })
    const disk = new PowerCutDisk()
    const first = await openStele(ground(disk))
    await append(first.ledgers, 'main', [Buffer.from('one')])
    disk.datasyncsLeft = 0
    await assert.rejects(append(first.ledgers, 'main', [Buffer.from('two')]), /writer has stopped|stopped/)
    const killed = disk.afterKill(random)
    const second = await openStele(ground(killed))
    await append(second.ledgers, 'main', [Buffer.from('three')])
    const acknowledged = (await readAll(second.ledgers, 'main')).map(String)
    const third = await openStele(ground(killed.afterPowerCut(random)))
    assert.deepEqual((await readAll(third.ledgers, 'main')).map(String), acknowledged, `seed ${seed}`)
  }
})
