// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A folder large enough for threads: they and the main thread check units of it in turn, and report as one thread does. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { entriesPath, tilePath } from '@stele/proof'
import { KnownLogs } from '../../src/evidence/known-logs.ts'
import { type VerifiedFolder, verifyFolder } from '../../src/evidence/verify-folder.ts'
import { SystemClock } from '../../src/platform/clock.ts'
import { NodeDisk } from '../../src/platform/disk.ts'
import { tryLock } from '../../src/platform/lock.ts'
import { exported, signer, writeFolder } from '../export-ground.ts'
import { scratch } from '../scratch.ts'

const UNIT_ENTRIES = 65_536
/** Two units and a part of one, of which two go to a thread beside before any is checked here. */
const COUNT = 2 * UNIT_ENTRIES + 1_000

async function verify(folder: string, state: string, threadCount: number): Promise<VerifiedFolder> {
  const knownLogs = new KnownLogs(new NodeDisk(), new SystemClock(), tryLock, state)
  return await verifyFolder({ folder, vkey: signer.vkey, knownLogs, threadCount })
}

test('P4: a folder is checked by any number of threads with one and the same report, whichever unit is changed', async (t) => {
  const path = scratch(t)
  const folder = join(path, 'log')
  await writeFolder(
    new NodeDisk(),
    folder,
    exported(COUNT, () => false),
  )
  const flip = (file: string, at: number) => {
    const bytes = readFileSync(join(folder, file))
    bytes[at]! ^= 1
    writeFileSync(join(folder, file), bytes)
  }
  const changes: [string, number, number | undefined][] = [[entriesPath(0), 100, 0]]
  for (const unit of [1, 2]) changes.push([entriesPath(unit * 256), 100, unit * UNIT_ENTRIES])
  changes.push([tilePath(0, 300), 40, undefined])
  for (const [file, at, index] of changes) {
    flip(file, at)
    const [one, two, three] = [
      await verify(folder, join(path, 'known-1'), 1),
      await verify(folder, join(path, 'known-2'), 2),
      await verify(folder, join(path, 'known-3'), 3),
    ]
    assert.equal(one.verdict, 'changed', file)
    assert.equal(one.firstBad?.index, index)
    assert.deepEqual(two, one)
    assert.deepEqual(three, one)
    flip(file, at)
  }
  for (const threadCount of [1, 2, 3]) {
    const { verdict, size } = await verify(folder, join(path, 'known'), threadCount)
    assert.deepEqual({ verdict, size }, { verdict: threadCount === 1 ? 'signed' : 'unchanged', size: COUNT })
  }
})
