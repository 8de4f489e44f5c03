// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The window of ids: where to look, and how much memory that takes.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FileCache } from '../src/ledger/file-cache.ts'
import { Fingerprint } from '../src/ledger/fingerprint.ts'
import { IdRoom, lengthTag, MAX_CANDIDATES, RecentIds } from '../src/ledger/recent-ids.ts'
import { RingFile } from '../src/ledger/ring-file.ts'
import { PowerCutDisk } from './power-cut-disk.ts'
import { SeededRandom } from './scratch.ts'

const found = (ids: RecentIds, high: number, low: number, floor: number, tag = 1) => [
  ...ids.found.subarray(0, ids.find(high, low, floor, tag)),
]

test('what was added within the window is found, the newest first, and nothing else, however it grows and wraps', () => {
  for (const seed of [1, 2, 3]) {
    const random = new SeededRandom(seed)
    const windowCount = 700
    const ids = new RecentIds(new IdRoom(), windowCount)
    const added: { readonly id: number; readonly index: number }[] = []
    let index = seed === 3 ? 2 ** 32 - 2_000 : 0
    for (let step = 0; step < 6_000; step++) {
      const id = random.below(900)
      const floor = index - windowCount
      const expected = added.filter((one) => one.id === id && one.index >= floor).map((one) => one.index)
      // Ids that share a bucket, as an attacker would have them.
      const [high, low] = [id, (id % 7) * 2 ** 20]
      const got = found(ids, high, low, floor)
      // A chain is followed so far and no further; what is found is right in any case.
      assert.deepEqual(
        got,
        expected.toReversed().filter((one) => got.includes(one)),
      )
      if (id % 7 === 0) assert.ok(got.length <= MAX_CANDIDATES)
      ids.add(high, low, index, 1)
      added.push({ id, index })
      index += 1 + random.below(3)
    }
  }
})

test('ids of their own buckets are all found until the window ends, and no longer', () => {
  const ids = new RecentIds(new IdRoom(), 1_000)
  const print = new Fingerprint()
  const prints = Array.from({ length: 5_000 }, (_, number) => {
    const bytes = Buffer.from(`id ${number}`)
    print.take(1, 2, bytes, 0, bytes.length)
    return { high: print.high, low: print.low }
  })
  for (const [index, { high, low }] of prints.entries()) {
    ids.add(high, low, index, 1)
    for (const back of [0, 1, 500, 999]) {
      const old = prints[index - back]
      if (old !== undefined) assert.deepEqual(found(ids, old.high, old.low, index + 1 - 1_000), [index - back])
    }
    const gone = prints[index - 1_000]
    if (gone !== undefined) assert.deepEqual(found(ids, gone.high, gone.low, index + 1 - 1_000), [])
  }
  assert.equal(ids.capacity, 1_024)
})

test('entries of another length are passed over, those whose length is not known are not, and the first one is known', () => {
  const ids = new RecentIds(new IdRoom(), 10_000)
  for (let index = 0; index < 300; index++) {
    ids.find(7, 7, 0, 1)
    const { first } = ids
    assert.equal(first, index === 0 ? -1 : 0)
    ids.add(7, 7, index, index === 250 ? 0 : lengthTag(index % 100), first)
  }
  assert.deepEqual(found(ids, 7, 7, 0, lengthTag(70)), [270, 250])
  assert.deepEqual(found(ids, 7, 7, 260, lengthTag(5)), [])
  assert.equal(ids.first, 0)
  assert.deepEqual(found(ids, 8, 7, 0, lengthTag(5)), [])
  assert.equal(ids.first, -1)
  assert.deepEqual([lengthTag(0), lengthTag(65_534), lengthTag(65_535)], [1, 65_535, 1])
})

test('all windows together stay within their room, and who grows takes from who has most', () => {
  const room = new IdRoom(8_192)
  const windows = Array.from({ length: 3 }, () => new RecentIds(room, 2 ** 20))
  const total = () => windows.reduce((sum, { capacity }) => sum + capacity, 0)
  for (const [number, ids] of windows.entries()) {
    for (let index = 0; index < 20_000; index++) {
      ids.add(index, index, index, 1)
      assert.ok(total() <= 8_192, `${number} ${index} ${total()}`)
    }
  }
  for (const ids of windows) {
    assert.ok(ids.capacity >= 8_192 / 12, String(ids.capacity))
    // What is left are the newest.
    assert.deepEqual(found(ids, 19_999, 19_999, 0), [19_999])
    assert.deepEqual(found(ids, 20_000 - ids.capacity, 20_000 - ids.capacity, 0), [20_000 - ids.capacity])
  }
})

test('a ring file gives back the last records, over its end and back to its beginning, and says where some are not there', async () => {
  const file = new RingFile(new FileCache(new PowerCutDisk()), '/ring', 4, 10)
  const records = (from: number, count: number) => {
    const bytes = Buffer.alloc(count * 4)
    for (let at = 0; at < count; at++) bytes.writeUInt32BE(from + at, at * 4)
    return bytes
  }
  assert.equal(await file.readLast(1, 10), undefined)
  for (let from = 0, count = 1; from < 60; from += count, count = (count * 7) % 13) {
    await file.write(from, records(from, count))
    const end = from + count
    const kept = Math.min(10, end)
    assert.deepEqual(await file.readLast(end, 99), records(end - kept, kept))
    assert.deepEqual(await file.readLast(end, 3), records(Math.max(0, end - 3), Math.min(3, end)))
  }
})
