// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a witness must never forget: power cuts, kills, restored copies, clones, damaged bytes. The fork that it is
// offered afterwards has been signed by the log itself, so nothing but its memory keeps it from cosigning.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MemoryDisk } from './memory-disk.ts'
import { PowerCutDisk } from './power-cut-disk.ts'
import { MemoryHeadStore, SeededRandom } from './scratch.ts'
import { endEverywhere, forkedLogs as logs, openCutWitness as open, trustedLogs as trusted } from './witness-cuts.ts'
import { bareWitness } from './witnessing-ground.ts'

const SEED = 61

for (const end of ['afterPowerCut', 'afterKill'] as const) {
  test(`whenever the witness ends (${end}), at the first start too, it starts again and contradicts nothing that it answered`, async (context) => {
    // Every operation has its turn in test/slow/.
    const { endCount, answeredCount } = await endEverywhere({ end, seed: SEED, first: 1, step: 6 })
    assert(endCount > 20 && answeredCount > 30, `${endCount} ${answeredCount}`)
    context.diagnostic(`seed ${SEED}: ${endCount} ends`)
  })
}

test('a journal that is written anew remembers everything, and each note can still be read', async () => {
  const disk = new PowerCutDisk()
  const witness = await open(disk)
  const [log] = logs
  const names = new Set<string>()
  let old = 0
  for (const size of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) {
    const { status, body } = await witness.add(log!.request('honest', old, size))
    assert.equal(status, 200, body)
    const note = await witness.state.note('a')
    assert.equal(note?.toString('utf8'), `${log!.honest.note(log!.honest.text(size))}${body}`)
    for (const path of disk.paths) if (path.includes('journal')) names.add(path)
    old = size
  }
  assert(names.size > 2, 'it was written anew')
  assert.equal(disk.paths.filter((path) => path.includes('journal')).length, 1)
  const again = await open(disk.afterPowerCut(new SeededRandom(SEED)))
  assert.equal(again.state.latest('a')?.size, 12)
})

test('a restored older copy is refused at the start, whichever it is, and the words say how to mend it', async () => {
  const head = new MemoryHeadStore()
  const disk = new MemoryDisk()
  const copies: MemoryDisk[] = []
  const witness = await bareWitness({ disk, head, logs: trusted })
  for (const size of [2, 3, 5, 8]) {
    copies.push(disk.copy())
    const old = witness.state.latest('a')?.size ?? 0
    assert.equal((await witness.add(logs[0]!.request('honest', old, size))).status, 200)
  }
  for (const copy of copies) {
    await assert.rejects(bareWitness({ disk: copy, head, logs: trusted }), {
      name: 'WitnessFault',
      message: /rolled back.*Bring the newest copy back.*retire the key/,
    })
  }
  await assert.rejects(bareWitness({ disk: new MemoryDisk(), head, logs: trusted }), /has no journal.*Bring it back/)
  await assert.rejects(bareWitness({ disk, head: new MemoryHeadStore(), logs: trusted }), /no head.*--trust-state/)
  assert.equal((await bareWitness({ disk, head, logs: trusted })).state.latest('a')?.size, 8)
})

test('of two copies that run at the same time one stops, before it answers', async () => {
  const head = new MemoryHeadStore()
  const disk = new MemoryDisk()
  const one = await bareWitness({ disk, head, logs: trusted })
  const two = await bareWitness({ disk: disk.copy(), head, logs: trusted })
  assert.equal((await one.add(logs[0]!.request('honest', 0, 5))).status, 200)
  assert.equal((await two.add(logs[0]!.request('forked', 0, 5))).status, 503)
  assert.match(two.state.failure?.message ?? '', /changed by somebody else/)
  assert.equal((await two.add(logs[1]!.request('honest', 0, 5))).status, 503)
  assert.equal((await one.add(logs[1]!.request('honest', 0, 5))).status, 200)
})

test('a copy that went its own way is refused, though it is as long', async () => {
  const head = new MemoryHeadStore()
  const disk = new MemoryDisk()
  const one = await bareWitness({ disk, head, logs: trusted })
  const copy = disk.copy()
  const two = await bareWitness({ disk: copy, head: copyOf(head), logs: trusted })
  await one.add(logs[0]!.request('honest', 0, 5))
  await two.add(logs[0]!.request('forked', 0, 5))
  await assert.rejects(bareWitness({ disk: copy, head, logs: trusted }), /has another past/)
})

test('every changed bit of the journal is found at the start', async () => {
  const head = new MemoryHeadStore()
  const disk = new MemoryDisk()
  const witness = await bareWitness({ disk, head, logs: trusted })
  for (const [old, size] of [
    [0, 3],
    [3, 5],
  ] as const) {
    assert.equal((await witness.add(logs[0]!.request('honest', old, size))).status, 200)
  }
  const [path] = disk.paths
  const length = disk.bytesOf(path!).length
  for (let at = 0; at < length; at++) {
    const copy = disk.copy()
    copy.bytesOf(path!)[at]! ^= 1 << (at % 8)
    await assert.rejects(
      bareWitness({ disk: copy, head: copyOf(head), logs: trusted }),
      { name: 'WitnessFault' },
      `byte ${at}`,
    )
  }
  for (let at = 0; at < length; at += 97) {
    const copy = disk.copy()
    copy.put(path!, copy.bytesOf(path!).subarray(0, at))
    await assert.rejects(
      bareWitness({ disk: copy, head: copyOf(head), logs: trusted }),
      { name: 'WitnessFault' },
      `cut at ${at}`,
    )
  }
})

test('after a sync that failed nothing is answered any more, and a restart knows what was answered', async () => {
  const disk = new PowerCutDisk()
  const witness = await open(disk)
  assert.equal((await witness.add(logs[0]!.request('honest', 0, 3))).status, 200)
  disk.datasyncsLeft = 0
  assert.equal((await witness.add(logs[0]!.request('honest', 3, 5))).status, 503)
  disk.datasyncsLeft = Infinity
  assert.equal((await witness.add(logs[0]!.request('honest', 3, 5))).status, 503)
  for (let round = 0; round < 20; round++) {
    const again = await open(disk.fork().afterPowerCut(new SeededRandom(round)))
    const size = again.state.latest('a')?.size ?? 0
    assert(size === 3 || size === 5)
    assert.equal((await again.add(logs[0]!.request('forked', size, 12))).status, 422)
  }
})

test('a head that cannot be read, or is not of this key, stops the start', async () => {
  const head = new MemoryHeadStore()
  head.kept = Buffer.from('stele/witness-head/v1\nanother+00000000\n3\nAAAA\n')
  await assert.rejects(bareWitness({ disk: new MemoryDisk(), head, logs: trusted }), /is not the head of the witness/)
  head.read = async () => {
    throw new Error('the host is down')
  }
  await assert.rejects(bareWitness({ disk: new MemoryDisk(), head, logs: trusted }), /cannot be read: the host is down/)
})

function copyOf({ kept }: MemoryHeadStore): MemoryHeadStore {
  const copy = new MemoryHeadStore()
  copy.kept = kept
  return copy
}
