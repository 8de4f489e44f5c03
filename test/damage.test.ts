// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A running server does not look at what lies behind its anchor until it is read: then it must never hand out anything
// but what was committed to.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'

import { FileCache } from '../src/ledger/file-cache.ts'
import { Log } from '../src/ledger/log.ts'
import { DamagedError, Reader } from '../src/ledger/read.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, SeededRandom, TurnedClock } from './scratch.ts'

const events = [Buffer.from('{"first":1}'), Buffer.from(''), Buffer.from('{"third":"ü"}')]
const derived = join(directory, 'derived', 'main')
const wal = join(directory, 'wal', '0000000000000001')

let disk: PowerCutDisk
let frame: { readonly at: number; readonly end: number }
let size: number

before(async () => {
  disk = new PowerCutDisk()
  const parts = { disk, directory, clock: new TurnedClock(), random: new SeededRandom(1), head: new MemoryHeadStore() }
  const { ledgers, close } = await openStele(parts)
  await append(ledgers, 'main', [Buffer.from('before')])
  const at = disk.bytes(wal).length
  await append(ledgers, 'main', events)
  frame = { at, end: disk.bytes(wal).length }
  await append(ledgers, 'main', [Buffer.from('after')])
  size = ledgers.log('main').size
  await close()
})

async function reading(changed: PowerCutDisk): Promise<{ reader: Reader; log: Log }> {
  const cache = new FileCache(changed)
  return {
    reader: new Reader(cache, directory),
    log: await Log.at(cache, derived, 'main', size, { leavesFrom: 0, places: { from: 0, count: 3 } }),
  }
}

/** Reads the three events and their entries, in each of the ways there are; says how many failed as they should. */
async function readAsItIs(changed: PowerCutDisk): Promise<number> {
  const { reader, log } = await reading(changed)
  let damagedCount = 0
  const attempts = [
    ...events.map((event, position) => async () => {
      const stored = await reader.event(log, 1 + position)
      assert.deepEqual(stored.event, event)
    }),
    async () => {
      const read = (await reader.events(log, 1, 4, 1_000)).map(({ event }) => event)
      assert(read.length > 0)
      assert.deepEqual(read, events.slice(0, read.length))
    },
    async () => void (await reader.entries(log, 1, 4)),
  ]
  for (const attempt of attempts) {
    try {
      await attempt()
    } catch (error) {
      assert(error instanceof DamagedError, String(error))
      assert.match(error.message, /as entry [1-4] of main is not what the tree has there/)
      damagedCount++
    }
  }
  return damagedCount
}

test('P4 P5: whichever bit of a frame was flipped, a read gives the event as it was, or says which entry is damaged', async () => {
  const bytes = disk.bytes(wal)
  const used = bytes.subarray(frame.at, frame.end).findLastIndex((byte) => byte !== 0)
  let found = 0
  for (let bit = 0; bit <= used * 8 + 7; bit++) {
    const changed = Buffer.from(bytes)
    changed[frame.at + Math.floor(bit / 8)]! ^= 1 << (bit % 8)
    const tampered = disk.copy()
    tampered.tamper(wal, changed)
    if ((await readAsItIs(tampered)) > 0) found++
  }
  // All but the header, the section's own header, its leaf hashes and the table, which a read does not need.
  assert(found > used * 8 * 0.6, `${found} of ${used * 8} bits were noticed`)
  assert.equal(await readAsItIs(disk), 0)
})

test('P4: a WAL that was cut while the server runs is damage, not an event', async () => {
  const bytes = disk.bytes(wal)
  const tableBytes = 1 + 'main'.length + 8 + 32
  const contentsEnd = bytes.subarray(0, frame.end).findLastIndex((byte) => byte !== 0) + 1 - tableBytes
  for (let length = frame.at; length < contentsEnd; length += 7) {
    const tampered = disk.copy()
    tampered.tamper(wal, bytes.subarray(0, length))
    assert((await readAsItIs(tampered)) > 0)
  }
})

test('P4: places and leaf hashes that were changed never lead to another event', async () => {
  for (const name of ['places-00000000', 'level-0-00000000']) {
    const path = join(derived, name)
    const bytes = disk.bytes(path)
    const bits =
      name === 'places-00000000'
        ? [...Array(32 * 8).keys()].filter((bit) => bit < 64 || bit >= 128)
        : [...Array(96 * 8).keys()]
    for (const bit of bits) {
      const changed = Buffer.from(bytes)
      changed[32 + Math.floor(bit / 8)]! ^= 1 << (bit % 8)
      const tampered = disk.copy()
      tampered.tamper(path, changed)
      await readAsItIs(tampered)
    }
  }
})
