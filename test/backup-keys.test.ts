// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Backups of directories whose keys change, or are kept elsewhere.

import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { noteKeysDirectory } from '../src/ledger/keys-directory.ts'
import { backupGround } from './backup-ground.ts'
import { MemoryHeadStore, openStele, SeededRandom, TurnedClock } from './scratch.ts'

test('keys that are rotated while a backup is taken: it starts with the keys that it names', async (context) => {
  const ground = await backupGround(context)
  await ground.grow()
  for (let round = 0; round < 4; round++) {
    const { administration } = ground.stele
    const rotate = async () => {
      for (let wait = 0; wait < 100 * round; wait++) await new Promise(setImmediate)
      for (const ledger of ['heads', 'main']) await administration.rotateKey(ledger, 'tester')
    }
    await Promise.all([ground.backup(), rotate()])
    const target = join(ground.folder, `restored-${round}`)
    const { verified } = await ground.restore(target, { isForReading: true })
    assert.deepEqual(verified.findings, [])
    const parts = { clock: new TurnedClock(), random: new SeededRandom(1), head: new MemoryHeadStore() }
    const opened = await openStele({ disk: ground.disk, directory: target, ...parts })
    await opened.close()
    rmSync(target, { recursive: true })
    await ground.fill(2)
  }
})

test('keys that are kept outside are in no backup, which says where they were', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(3)
  await ground.stele.close()
  const keys = join(ground.folder, 'keys')
  renameSync(join(ground.data, 'keys'), keys)
  await noteKeysDirectory(ground.disk, ground.data, keys)
  const { manifest } = await ground.backup({ isRunning: false })
  assert.deepEqual([manifest.withKeys, manifest.keysOutside], [false, keys])
  const target = join(ground.folder, 'restored')
  assert.equal((await ground.restore(target)).verified.verdict, 'unchanged')
  await noteKeysDirectory(ground.disk, target, keys)
  const parts = { clock: new TurnedClock(), random: new SeededRandom(1), head: ground.head }
  const opened = await openStele({ disk: ground.disk, directory: target, keys, ...parts })
  assert.equal(opened.ledgers.vkey('main'), ground.stele.ledgers.vkey('main'))
  await opened.close()
})
