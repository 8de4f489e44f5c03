// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What of the log a backup writes where the one before has most of it.

import assert from 'node:assert/strict'
import { appendFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { BackupReport } from '../src/backup/take-backup.ts'
import { backupGround, filesIn } from './backup-ground.ts'

test('of the log a second backup writes only what is new, behind what it has, and anew what it has not', async (context) => {
  const ground = await backupGround(context)
  await ground.fill(25)
  const first = await ground.backup()
  const names = first.manifest.files.map(({ path }) => path).filter((path) => path.startsWith('wal/'))
  assert(names.length > 2)
  const inodes = () => names.map((path) => statSync(join(ground.to, path)).ino)
  const before = inodes()
  const logBytes = ({ manifest }: BackupReport) =>
    manifest.files.reduce((sum, { path, sizeBytes }) => sum + (path.startsWith('wal/') ? sizeBytes : 0), 0)
  assert.equal((await ground.backup()).copiedBytes, 0)
  await ground.fill(6)
  const second = await ground.backup()
  assert.equal(second.copiedBytes, logBytes(second) - logBytes(first))
  assert(second.copiedBytes > 0)
  assert.deepEqual(inodes(), before)
  // What an interrupted backup left behind the bytes that count.
  await ground.fill(2)
  const last = join(
    ground.to,
    second.manifest.files.map(({ path }) => path).findLast((path) => path.startsWith('wal/'))!,
  )
  appendFileSync(last, Buffer.alloc(30_000, 7))
  const third = await ground.backup()
  assert.equal(third.copiedBytes, logBytes(third) - logBytes(second))
  truncateSync(join(ground.to, names[0]!), 5_000)
  rmSync(join(ground.to, names[1]!))
  const sizeOf = (name: string) => third.manifest.files.find(({ path }) => path === name)!.sizeBytes
  assert.equal((await ground.backup()).copiedBytes, sizeOf(names[0]!) + sizeOf(names[1]!))
  await ground.restore(join(ground.folder, 'restored'))
  const copied = filesIn(ground.to)
  for (const [path, bytes] of filesIn(ground.data)) {
    if (path.startsWith('wal/')) assert(copied.get(path)?.equals(bytes), path)
  }
})
