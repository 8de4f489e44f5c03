// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A server that lies: whatever it changes in what it serves of a ledger is found.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'

import { toBase64 } from '@stele/proof'

import { HeadsContent } from '../src/evidence/heads-content.ts'
import type { KnownLog } from '../src/evidence/known-logs.ts'
import { Signatures } from '../src/evidence/signatures.ts'
import { type ServedEvent, ServedFault, type ServedLedger } from '../src/evidence/served-ledger.ts'
import { type ServedOptions, type ServedReport, verifyServedLedger } from '../src/evidence/verify-server.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append, MemoryHeadStore, openStele, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

const COUNT = 600
let stele: Stele
let known: KnownLog
before(async () => {
  const ground = { disk: new MemoryDisk(), directory: '/data', clock: new TurnedClock(), random: new SeededRandom(4) }
  stele = await openStele({ ...ground, head: new MemoryHeadStore() })
  const { ledgers } = stele
  await append(ledgers, 'main', many(0, 300))
  await ledgers.publish()
  const head = ledgers.checkpoint('main')
  const seen = { firstSeen: '2026-01-01T00:00:00.000Z', lastSeen: '2026-01-02T00:00:00.000Z', head }
  known = { v: 1, origin: ledgers.origin('main'), vkey: ledgers.vkey('main'), pinned: false, ...seen }
  ground.clock.pass(10)
  await append(ledgers, 'main', many(300, COUNT))
})

function many(first: number, end: number): Buffer[] {
  return Array.from({ length: end - first }, (_, index) => Buffer.from(`event ${first + index}`))
}

/** The ledger as an honest server serves it. */
function served(name: string): ServedLedger {
  const { ledgers } = stele
  return {
    name,
    vkey: ledgers.vkey(name),
    checkpoint: async () => ledgers.checkpoint(name),
    rotations: async () => [],
    tile: async (level, index, width) => await ledgers.log(name).hashes(level, index * 256, width),
    entries: async (index, width) => await ledgers.entries(name, index * 256, index * 256 + width),
    async *events(from) {
      const { size } = ledgers.log(name)
      for (let index = from; index < size;) {
        for (const { entryBytes, salt, event } of await ledgers.events(name, index, size, 65_536)) {
          yield { index: index++, entryLine: entryBytes.toString('latin1'), salt, event }
        }
      }
    },
  }
}

async function verify(change: Partial<ServedLedger> = {}, options: Partial<ServedOptions> = {}): Promise<ServedReport> {
  const ledger = { ...served('main'), ...change }
  return await verifyServedLedger({
    ledger,
    known: undefined,
    withContent: true,
    signatures: new Signatures(),
    ...options,
  })
}

test('P4 P9: an honest server is self-consistent, unchanged since what was seen of it, or signed by a pinned key, and never more', async () => {
  const first = await verify()
  assert.deepEqual(
    [first.verdict, first.size, first.contentCount, first.key],
    ['self-consistent', COUNT, COUNT, 'not pinned'],
  )
  const second = await verify({}, { known })
  assert.deepEqual([second.verdict, second.since], ['unchanged', { size: 300, seen: known.lastSeen }])
  const pinned = await verify({}, { pinnedVkey: known.vkey })
  assert.deepEqual([pinned.verdict, pinned.key], ['signed', 'pinned'])
})

test('P4: an entry, a tile and an event that a server changes are found and named', async () => {
  const honest = served('main')
  const entries: ServedLedger['entries'] = async (index, width) => {
    const some = [...(await honest.entries(index, width))]
    if (index === 1)
      some[7] = Buffer.from(
        Buffer.from(some[7]!).toString('latin1').replace('"by":"tester"', '"by":"nobody"'),
        'latin1',
      )
    return some
  }
  assert.deepEqual((await verify({ entries })).firstBad, { ledger: 'main', index: 263, count: 1 })
  for (const [level, at] of [
    [0, 5],
    [1, 1],
  ] as const) {
    const tile: ServedLedger['tile'] = async (tileLevel, index, width) => {
      const hashes = Buffer.from(await honest.tile(tileLevel, index, width))
      if (tileLevel === level && index === 0) hashes[at * 32]! ^= 1
      return hashes
    }
    const { verdict, firstBad } = await verify({ tile })
    assert.equal(verdict, 'changed')
    assert.deepEqual(firstBad, { ledger: 'main', index: at * 256 ** level, count: 256 ** level })
  }
  for (const change of [
    (event: ServedEvent) => ({ ...event, event: Buffer.from('another') }),
    (event: ServedEvent) => ({ ...event, salt: Buffer.alloc(16) }),
    (event: ServedEvent) => ({ ...event, salt: Buffer.alloc(15) }),
    (event: ServedEvent) => ({ ...event, entryLine: event.entryLine.replace('tester', 'nobody') }),
    (event: ServedEvent) => ({ ...event, index: event.index + 1 }),
  ]) {
    async function* events(): AsyncGenerator<ServedEvent> {
      for await (const event of honest.events(0)) yield event.index === 42 ? change(event) : event
    }
    const { verdict, firstBad } = await verify({ events })
    assert.deepEqual({ verdict, firstBad }, { verdict: 'changed', firstBad: { ledger: 'main', index: 42, count: 1 } })
  }
})

test('P4: a server that leaves out events, serves another tree than it signed, or answers nonsense is found', async () => {
  const honest = served('main')
  async function* fewer(): AsyncGenerator<ServedEvent> {
    for await (const event of honest.events(0)) if (event.index < 100) yield event
  }
  assert.equal((await verify({ events: fewer })).verdict, 'changed')
  const swapped: ServedLedger['entries'] = async (index, width) => (await honest.entries(index, width)).toReversed()
  assert.equal((await verify({ entries: swapped })).verdict, 'changed')
  const checkpoint = async () => (await honest.checkpoint()).replace(`\n${COUNT}\n`, `\n${COUNT - 1}\n`)
  assert.match((await verify({ checkpoint })).findings[0]?.what ?? '', /not signed by its key/)
  for (const nonsense of [
    { checkpoint: async () => 'nothing' },
    { tile: async () => Buffer.alloc(3) },
    { entries: async () => await Promise.reject(new ServedFault('the bundle is cut off')) },
  ]) {
    assert.equal((await verify(nonsense)).verdict, 'changed')
  }
})

test('P4: every event that a server says it cannot hand out is named, and those between and behind are verified', async () => {
  const honest = served('main')
  const lost = new Set([0, 41, 42, 599])
  async function* events(from: number): AsyncGenerator<ServedEvent> {
    for await (const event of honest.events(from)) {
      if (lost.has(event.index)) throw new ServedFault('it was changed on the disk')
      yield event
    }
  }
  const { verdict, findings, contentCount, firstBad } = await verify({ events })
  assert.equal(verdict, 'changed')
  assert.deepEqual(
    findings.map(({ kind, ledger, index }) => ({ kind, ledger, index })),
    [...lost].map((index) => ({ kind: 'content', ledger: 'main', index })),
  )
  assert.equal(contentCount, COUNT - lost.size)
  assert.deepEqual(firstBad, { ledger: 'main', index: 0, count: 1 })
})

test('P4: a server that can hand out no event is asked for a bounded number of them', async () => {
  let asked = 0
  const events = (): AsyncIterable<ServedEvent> => ({
    [Symbol.asyncIterator]: () => ({ next: async () => await Promise.reject(new ServedFault(`number ${++asked}`)) }),
  })
  const { verdict, contentCount, findingCount } = await verify({ events })
  assert.deepEqual({ verdict, contentCount, findingCount }, { verdict: 'changed', contentCount: 0, findingCount: 100 })
  assert.equal(asked, 100)
})

test('P4: the first entry that a server cannot hand out is named', async () => {
  const honest = served('main')
  for (const lost of [0, 255, 256, 300, 599]) {
    const entries: ServedLedger['entries'] = async (index, width) => {
      if (lost >= index * 256 && lost < index * 256 + width) throw new ServedFault('it was changed on the disk')
      return await honest.entries(index, width)
    }
    const { verdict, firstBad } = await verify({ entries })
    assert.deepEqual({ verdict, firstBad }, { verdict: 'changed', firstBad: { ledger: 'main', index: lost, count: 1 } })
  }
})

test('P4: a server whose key changed, that was rolled back, or that has another history than was seen is found, with both heads', async () => {
  const other = stele.ledgers.vkey('access').replace('/access+', '/main+')
  const changed = await verify({}, { known: { ...known, vkey: other } })
  assert.deepEqual([changed.verdict, changed.findings[0]?.kind], ['changed', 'key'])
  const older = await verify(
    { checkpoint: async () => known.head ?? '' },
    { known: { ...known, head: stele.ledgers.checkpoint('main') } },
  )
  assert.equal(older.verdict, 'changed')
  assert.deepEqual(older.firstBad, { ledger: 'main', index: 300, count: 300 })
  assert.equal(older.contradicting.length, 2)
  const forged = (known.head ?? '').replace(/\n300\n.*\n/, `\n300\n${toBase64(Buffer.alloc(32, 9))}\n`)
  const forked = await verify({}, { known: { ...known, head: forged } })
  assert.deepEqual([forked.verdict, forked.contradicting], ['changed', [forged, stele.ledgers.checkpoint('main')]])
})

test('what heads published of a ledger is held against it, and checkpoints in heads that the key did not sign are found', async () => {
  const { ledgers } = stele
  const signatures = new Signatures()
  const heads = new HeadsContent(
    signatures,
    (origin) => (origin === known.origin ? known.vkey : undefined),
    async () => [],
  )
  const ofHeads = await verify(served('heads'), { onEvent: async (event) => await heads.add(event), signatures })
  assert.equal(ofHeads.verdict, 'self-consistent')
  const report = await verify({}, { published: heads.of(known.origin) })
  assert.deepEqual([report.verdict, report.publishedCount], ['self-consistent', 1])
  const published = [{ size: 299, root: Buffer.alloc(32, 9).toString('hex') }]
  assert.equal((await verify({}, { published })).findings[0]?.kind, 'published')
  const unsigned = Buffer.from(ledgers.checkpoint('main').replace(`\n${COUNT}\n`, `\n${COUNT - 1}\n`))
  assert.match((await heads.add(unsigned)) ?? '', /not signed by its key/)
  assert.match((await heads.add(Buffer.from('x'))) ?? '', /not a signed checkpoint/)
})
