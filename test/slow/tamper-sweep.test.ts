// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { before, test } from 'node:test'
import { Worker } from 'node:worker_threads'

import { directory, placedFrames, verified } from '../evidence-ground.ts'
import { directoryBytes, sweptDirectory, swapSweep, type SweepResult, type SweptDirectory } from '../tamper-sweep.ts'

let swept: SweptDirectory
before(async () => {
  swept = await sweptDirectory()
})

test('P4: every bit of a small stopped directory that is flipped is found against the head outside, and the entry named', async () => {
  await demandAllFound('flip', 8)
})

test('P4: a file of a small stopped directory that is cut to any length is found against the head outside', async () => {
  await demandAllFound('cut', 1)
})

test('P4: a file of a small stopped directory that is removed is found or, where nothing is lost with it, said', async () => {
  for (const path of swept.disk.paths) {
    const disk = swept.disk.copy()
    await disk.remove(path)
    const { verdict, remarks } = await verified({ disk, head: swept.head })
    const name = path.slice(directory.length + 1)
    const isLoss = name.startsWith('wal/') || /^derived\/.*\//.test(name)
    assert.equal(verdict, isLoss ? 'changed' : 'unchanged', name)
    if (!isLoss)
      assert.ok(
        remarks.some((remark) => remark.startsWith(name)),
        name,
      )
  }
})

test('P4: any two files of a small stopped directory that are swapped are found against the head outside', async () => {
  await swapSweep(swept)
})

test('P4: every frame of a small stopped directory that is left out, or stands there twice, is found', async () => {
  for (const { path, frame } of placedFrames(swept.disk)) {
    const file = swept.disk.bytesOf(path)
    const [start, end] = [frame.position, frame.position + frame.header.frameBytes]
    for (const changed of [
      Buffer.concat([file.subarray(0, start), file.subarray(end)]),
      Buffer.concat([file.subarray(0, end), file.subarray(start)]),
    ]) {
      const disk = swept.disk.copy()
      disk.put(path, changed)
      assert.equal((await verified({ disk, head: swept.head })).verdict, 'changed', `${path} ${start}`)
    }
  }
})

/** Sweeps over all bytes, on all cores; there are `each` changes to a byte. */
async function demandAllFound(what: 'flip' | 'cut', each: number): Promise<void> {
  const totalBytes = directoryBytes(swept)
  const parts = availableParallelism()
  const bounds = Array.from({ length: parts + 1 }, (_, part) => Math.floor((totalBytes * part) / parts))
  const results = await Promise.all(
    bounds.slice(1).map(async (end, part) => await inThread({ what, first: bounds[part] ?? 0, end })),
  )
  const missed = results.flatMap((result) => result.missed)
  assert.deepEqual(missed, [])
  assert.equal(
    results.reduce((sum, { count }) => sum + count, 0),
    totalBytes * each,
  )
}

async function inThread(part: { what: string; first: number; end: number }): Promise<SweepResult> {
  return await new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./tamper-sweep-part.ts', import.meta.url), { workerData: part })
    worker.on('message', resolve)
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the thread has ended without a result')))
  })
}
