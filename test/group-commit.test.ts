// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { rootAt } from '@stele/proof'

import { FaultDisk } from './fault-disk.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, hex, MemoryHeadStore, openStele, readAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

const HUGE = { anchorEveryBytes: 2 ** 40, walFileBytes: 2 ** 40 }

interface Watched {
  readonly stele: Stele
  readonly disk: FaultDisk
  readonly memory: PowerCutDisk
  readonly head: MemoryHeadStore
}

async function watched(sizes = HUGE, memory = new PowerCutDisk(), head = new MemoryHeadStore()): Promise<Watched> {
  const disk = new FaultDisk(memory)
  const parts = { clock: new TurnedClock(), random: new SeededRandom(3), head, sizes }
  return { stele: await openStele({ ...parts, disk, directory }), disk, memory, head }
}

const isWal = (path: string) => path.startsWith(join(directory, 'wal'))
const events = (count: number, from = 0) =>
  Array.from({ length: count }, (_, position) => Buffer.from(`event ${from + position}`))

test('P1: appends that arrive together get contiguous indexes in the order in which they arrived, in every ledger', async () => {
  const { stele } = await watched()
  const { ledgers, administration } = stele
  await administration.createLedger({ name: 'other' }, 'tester')
  const sent = { main: [] as Buffer[], other: [] as Buffer[] }
  const appended = Array.from({ length: 200 }, async (_, number) => {
    const ledger = number % 3 === 0 ? 'other' : 'main'
    const part = events(1 + (number % 4), sent[ledger].length)
    const expectedFirst = sent[ledger].length
    sent[ledger].push(...part)
    const committed = await append(ledgers, ledger, part)
    assert.deepEqual([committed.first, committed.count], [expectedFirst, part.length])
    assert(committed.size >= expectedFirst + part.length)
    assert.equal(hex(await rootAt(committed.size, ledgers.log(ledger).hashes)), hex(committed.root))
  })
  await Promise.all(appended)
  assert.deepEqual(await readAll(ledgers, 'main'), sent.main)
  assert.deepEqual(await readAll(ledgers, 'other'), sent.other)
})

test('one write and one fdatasync make durable all that arrived while the ones before were under way', async () => {
  const { stele, disk } = await watched()
  const before = disk.trace.length
  await Promise.all(events(500).map(async (event) => await append(stele.ledgers, 'main', [event])))
  const operations = disk.trace.slice(before).map(({ operation }) => operation)
  assert.deepEqual(operations, ['write', 'datasync', 'write', 'datasync'])
})

test('P1: nothing is acknowledged or visible before its fdatasync has returned', async () => {
  const { stele, disk } = await watched()
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  disk.delay = async (operation) => {
    if (operation === 'datasync') await held
  }
  let acknowledged = 0
  const first = append(stele.ledgers, 'main', events(1)).then(() => acknowledged++)
  const grown = stele.ledgers
    .log('main')
    .grownBeyond(0, new AbortController().signal)
    .then(() => acknowledged++)
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  assert.equal(acknowledged, 0)
  assert.equal(stele.ledgers.log('main').size, 0)
  release()
  await Promise.all([first, grown])
  assert.equal(acknowledged, 2)
  assert.equal(stele.ledgers.log('main').size, 1)
})

test('the next frame is written only after the fdatasync of the one before', async () => {
  const { stele, disk } = await watched()
  const before = disk.trace.length
  let underWay = 0
  disk.delay = async (operation) => {
    assert.equal(underWay, 0, `${operation} begins while another is under way`)
    underWay++
    await new Promise(setImmediate)
    underWay--
  }
  const late = events(30).map(async (event, turn) => {
    for (let waited = 0; waited < turn; waited++) await new Promise(setImmediate)
    await append(stele.ledgers, 'main', [event])
  })
  await Promise.all(late)
  const operations = disk.trace
    .slice(before)
    .filter(({ path }) => isWal(path))
    .map(({ operation }) => operation)
  assert(operations.length > 4)
  assert(operations.every((operation, at) => operation === (at % 2 === 0 ? 'write' : 'datasync')))
})

test('P5: a body larger than the memory kept for frames is stored whole, and so is what arrives beside it', async () => {
  const { stele } = await watched()
  const random = new SeededRandom(4)
  const large = Array.from({ length: 3 }, () => Buffer.alloc(7_000_000, random.below(256)))
  const small = events(20)
  await Promise.all([
    append(stele.ledgers, 'main', small.slice(0, 10)),
    append(stele.ledgers, 'main', large),
    append(stele.ledgers, 'main', small.slice(10)),
  ])
  assert.deepEqual(await readAll(stele.ledgers, 'main'), [...small.slice(0, 10), ...large, ...small.slice(10)])
})

test('a huge body that is hashed in slices is whole, though records of Stele move its frame in memory meanwhile', async () => {
  const { stele } = await watched()
  const huge = Array.from({ length: 9_000 }, (_, number) => Buffer.alloc(1_000 + (number % 7), number))
  const own = Array.from({ length: 4 }, (_, number) => Buffer.alloc(3_000_000, number))
  const first = append(stele.ledgers, 'main', events(1))
  const sliced = append(stele.ledgers, 'main', huge)
  const moving = own.map(async (event) => await append(stele.ledgers, 'access', [event]))
  await Promise.all([first, sliced, ...moving])
  assert.deepEqual(await readAll(stele.ledgers, 'main'), [...events(1), ...huge])
  assert.deepEqual((await readAll(stele.ledgers, 'access')).slice(-4), own)
})

test('appends wait for the next frame once one is full, and keep their order', async () => {
  const { stele, disk } = await watched()
  const before = disk.trace.length
  const bodies = Array.from({ length: 12 }, (_, number) => Buffer.alloc(3_000_000, number))
  const firsts = await Promise.all(bodies.map(async (body) => (await append(stele.ledgers, 'main', [body])).first))
  assert.deepEqual(
    firsts,
    bodies.map((_, number) => number),
  )
  const writes = disk.trace.slice(before).filter(({ operation }) => operation === 'write')
  assert(writes.length >= 4 && writes.every(({ sizeBytes }) => sizeBytes! < 13_000_000))
})

test('P1: over several WAL files everything is read back, before and after a restart, and the chain holds', async () => {
  const sizes = { anchorEveryBytes: 30_000, walFileBytes: 20_000 }
  const { stele, memory, head } = await watched(sizes)
  const sent = events(40)
  for (const event of sent) await append(stele.ledgers, 'main', [event])
  const root = hex(stele.ledgers.log('main').root)
  assert.deepEqual(await readAll(stele.ledgers, 'main'), sent)
  assert(memory.paths.filter(isWal).length > 5)
  const killed = { disk: memory.copy(), kept: head.kept }
  await stele.close()
  for (const left of [killed, { disk: memory.copy(), kept: head.kept }]) {
    const store = new MemoryHeadStore()
    store.kept = left.kept
    const again = await watched(sizes, left.disk, store)
    assert.equal(hex(again.stele.ledgers.log('main').root), root)
    assert.deepEqual(await readAll(again.stele.ledgers, 'main'), sent)
    assert(again.stele.ledgers.opening.replayedBytes < 100_000)
  }
})

test('a stop finishes what was accepted and refuses what comes after', async () => {
  const { stele } = await watched()
  const accepted = events(50).map(async (event) => await append(stele.ledgers, 'main', [event]))
  const closing = stele.ledgers.close()
  for (const committed of await Promise.all(accepted)) assert(committed.count === 1)
  await closing
  await assert.rejects(append(stele.ledgers, 'main', events(1)), { code: 'writer-stopped' })
})

test('an append that fails after it was given its indexes stops the writer instead of leaving a hole', async () => {
  const { stele } = await watched()
  const { ledgers } = stele
  const good = append(ledgers, 'main', events(1))
  Object.assign(ledgers.time, { nowMs: () => Number.NaN })
  const bad = append(ledgers, 'main', events(1))
  Reflect.deleteProperty(ledgers.time, 'nowMs')
  await assert.rejects(bad, { code: 'writer-stopped' })
  await assert.rejects(append(ledgers, 'main', events(1)), { code: 'writer-stopped' })
  assert.equal(stele.failures.length, 1)
  await good.catch(() => {})
  assert(ledgers.log('main').size <= 1)
})
