// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { availableParallelism } from 'node:os'
import { before, test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import assert from 'node:assert/strict'

import { directory, type SealedDirectory, verified } from '../evidence-ground.ts'
import type { MemoryDisk } from '../memory-disk.ts'
import { objection, SAMPLED, sweptPaths, sweptSealedDirectory } from '../sealed-sweep.ts'
import { swapSweep, type SweepResult } from '../tamper-sweep.ts'

let swept: SealedDirectory
before(async () => {
  swept = await sweptSealedDirectory()
})

const bytesOf = (paths: readonly string[]) => paths.reduce((sum, path) => sum + swept.disk.bytesOf(path).length, 0)
/** How many of so many bytes are tried at least. */
const sampled = (bytes: number) => Math.floor(bytes / SAMPLED) - (SAMPLED - 1) * 2
const segments = () => sweptPaths(swept).filter((path) => /\.(?:log|content)$/.test(path))

test('P4: every bit of every segment that is flipped is found by the check of that segment', async (context) => {
  const totalBytes = bytesOf(segments())
  await demandAllFound(context, 'segment-flip', totalBytes, totalBytes * 8)
})

test('P4: in every byte of a directory that is sealed in part, of its segments in one of 32, a flipped bit is found, and the file or the entry named', async (context) => {
  const paths = sweptPaths(swept)
  await demandAllFound(context, 'sealed-flip', bytesOf(paths), sampled(bytesOf(paths) - bytesOf(segments())))
})

test('P4: a file of a directory that is sealed in part that is cut to any length is found', async (context) => {
  const totalBytes = bytesOf(sweptPaths(swept))
  await demandAllFound(context, 'sealed-cut', totalBytes, sampled(totalBytes))
})

test('P4: every file of a directory that is sealed in part that is removed is found or, where nothing is lost with it, said', async (context) => {
  for (const path of swept.disk.paths) {
    const disk = swept.disk.copy()
    await disk.remove(path)
    const report = await verified({ disk, head: swept.head })
    const name = path.slice(directory.length + 1)
    const isLoss = /^(?:wal|segments|derived\/.*)\//.test(name)
    assert.equal(report.verdict, isLoss ? 'changed' : 'unchanged', name)
    if (isLoss) assert.equal(objection(report, path), undefined, name)
    else
      assert(
        report.remarks.some((remark) => remark.startsWith(name)),
        name,
      )
  }
  context.diagnostic(`${swept.disk.paths.length} files removed, each by itself`)
})

test('P4: any two files of a directory that is sealed in part that changed places are found', async (context) => {
  context.diagnostic(`${await swapSweep(swept)} pairs of files swapped`)
})

test('P4: each ledger alone, each part, and all of it rolled back to each older state is found, and what is bad named', async (context) => {
  let count = 0
  const whole = [directory]
  const parts = ['segments', 'wal', 'derived', 'segments/_head'].map((name) => `${directory}/${name}`)
  const ledgers = Object.keys(swept.seal.sizes).flatMap((ledger) => [
    [`${directory}/segments/${ledger}/`],
    [`${directory}/segments/${ledger}/`, `${directory}/derived/${ledger}/`],
  ])
  for (const older of swept.snapshots) {
    for (const rolled of [whole, ...parts.map((part) => [part]), ...ledgers]) {
      const disk = await rolledBack(older.disk, rolled)
      if (isSame(disk, swept.disk)) continue
      const report = await verified({ disk, head: swept.head })
      count++
      if (rolled.join() === `${directory}/derived`) {
        // Nothing is lost with them: a start goes on from an older anchor, or makes them anew.
        assert.equal(report.entriesFit, true)
        continue
      }
      assert.equal(report.verdict, 'changed', rolled.join())
      const [finding] = report.findings
      assert(report.firstBad !== undefined || finding?.file !== undefined, rolled.join())
    }
  }
  assert(count > 20, String(count))
  context.diagnostic(`${count} roll-backs to ${swept.snapshots.length} older states`)
})

/** What lies below these paths is as it was then. */
async function rolledBack(older: MemoryDisk, prefixes: readonly string[]): Promise<MemoryDisk> {
  const disk = swept.disk.copy()
  const isRolled = (path: string) => prefixes.some((prefix) => path.startsWith(prefix))
  for (const path of disk.paths.filter(isRolled)) await disk.remove(path)
  for (const path of older.paths.filter(isRolled)) disk.put(path, older.bytesOf(path))
  return disk
}

function isSame(one: MemoryDisk, other: MemoryDisk): boolean {
  const text = (disk: MemoryDisk) => disk.paths.map((path) => `${path} ${disk.bytesOf(path).toString('latin1')}`).join()
  return text(one) === text(other)
}

/** Sweeps over all bytes, on all cores; there must be so many changes at least. */
async function demandAllFound(
  context: TestContext,
  what: string,
  totalBytes: number,
  leastCount: number,
): Promise<void> {
  const parts = availableParallelism()
  const bounds = Array.from({ length: parts + 1 }, (_, part) => Math.floor((totalBytes * part) / parts))
  const results = await Promise.all(
    bounds.slice(1).map(async (end, part) => await inThread({ what, first: bounds[part] ?? 0, end })),
  )
  const count = results.reduce((sum, result) => sum + result.count, 0)
  const missed = results.flatMap((result) => result.missed)
  context.diagnostic(`${count} changes, ${missed.length} not detected`)
  assert.deepEqual(missed, [])
  assert(count >= leastCount, String(count))
}

async function inThread(part: { what: string; first: number; end: number }): Promise<SweepResult> {
  return await new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./tamper-sweep-part.ts', import.meta.url), { workerData: part })
    worker.on('message', resolve)
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the thread has ended without a result')))
  })
}
