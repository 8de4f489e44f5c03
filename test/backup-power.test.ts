// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Backups during which the power fails.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { restore } from '../src/backup/restore.ts'
import { type BackupReport, takeBackup } from '../src/backup/take-backup.ts'
import type { Disk } from '../src/platform/disk.ts'
import { PowerCutDisk, powerCutDirectory as data } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, sealAll, SeededRandom, TurnedClock } from './scratch.ts'

const to = '/backup'
const SIZES = { anchorEveryBytes: 30_000, walFileBytes: 30_000, segmentEntries: 256 }
const SEED = 23

async function grow(disk: Disk, head: MemoryHeadStore, random: SeededRandom): Promise<void> {
  const stele = await openStele({ disk, directory: data, clock: new TurnedClock(), random, head, sizes: SIZES })
  for (let batch = 0; batch < 12; batch++) {
    await append(
      stele.ledgers,
      'main',
      Array.from({ length: 40 }, () => random.bytes(random.below(200))),
    )
  }
  await sealAll(stele, disk, data)
  await stele.close()
}

async function backup(disk: Disk): Promise<BackupReport> {
  return await takeBackup({
    disk,
    clock: new TurnedClock(),
    from: data,
    to,
    withKeys: true,
    isRunning: false,
    version: 'test',
    lock: () => ({ release() {} }),
    onProgress: () => {},
  })
}

/** The commit up to which the backup on a disk goes, if all of it is as it must be. */
async function commitOf(disk: PowerCutDisk): Promise<number> {
  const { manifest, verified } = await restore({
    disk: disk.fork(),
    from: to,
    to: '/restored',
    heads: async () => [],
    isForReading: true,
    threadCount: 0,
    random: new SeededRandom(SEED),
    lock: () => ({ release() {} }),
    onProgress: () => {},
  })
  assert.equal(verified.findingCount, 0)
  return manifest.commit
}

test('whenever the power fails during a backup there is the one of before or the new one, whole, and the next goes on', async (context) => {
  const random = new SeededRandom(SEED)
  const disk = new PowerCutDisk()
  const head = new MemoryHeadStore()
  await grow(disk, head, random)
  const first = (await backup(disk)).manifest.commit
  await grow(disk, head, random)
  const second = (await backup(disk.fork())).manifest.commit
  assert(first < second)
  const left = { first: 0, second: 0 }
  for (let operations = 1; ; operations += 7) {
    const failing = disk.fork()
    failing.operationsLeft = operations
    const outcome = await backup(failing).catch((error: Error) => error)
    const image = failing.afterPowerCut(random)
    const commit = await commitOf(image)
    assert(commit === first || commit === second, `${commit} after ${operations} operations, seed ${SEED}`)
    left[commit === first ? 'first' : 'second']++
    assert.equal((await backup(image)).manifest.commit, second)
    assert.equal(await commitOf(image), second)
    if (outcome instanceof Error) continue
    assert.equal(commit, second)
    break
  }
  assert(left.first > 3 && left.second > 1, JSON.stringify(left))
  context.diagnostic(`seed ${SEED}: ${left.first} times the one of before, ${left.second} times the new one`)
})
