// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Audit } from '../src/access/audit.ts'
import { SpaceGuard } from '../src/access/space.ts'
import type { Disk } from '../src/platform/disk.ts'
import { Problem } from '../src/schema/problem.ts'
import { type Fault, FaultDisk } from './fault-disk.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, readAll, SeededRandom, TurnedClock } from './scratch.ts'

const GIB = 2 ** 30

/** A Stele with its audit, on a disk whose free space a test sets. */
async function audited(fault?: Fault) {
  const clock = new TurnedClock()
  const disk = new FaultDisk(new PowerCutDisk(), fault)
  const room = { freeBytes: 100 * GIB, totalBytes: 100 * GIB }
  const roomy: Disk = Object.assign(Object.create(disk) as Disk, { space: async () => room })
  const parts = { disk, directory, clock, random: new SeededRandom(1), head: new MemoryHeadStore() }
  const stele = await openStele(parts)
  const space = await SpaceGuard.open(roomy, directory, clock)
  const audit = new Audit(stele.ledgers, stele.administration, space, clock)
  return { ...stele, audit, space, clock, disk, room }
}

type Audited = Awaited<ReturnType<typeof audited>>

async function recorded({ ledgers }: Audited, ledger: string, type: string): Promise<Record<string, unknown>[]> {
  const events = (await readAll(ledgers, ledger)).map(
    (event) => JSON.parse(event.toString()) as Record<string, unknown>,
  )
  return events.filter((event) => event['type'] === type)
}

const read = { by: 'x5dowcyt2hwt', via: '127.0.0.1', action: 'event.read', ledger: 'main', first: 7, count: 1 }

test('P7: a read is recorded, durably, before it is answered: who, from where, what, of which ledger and entries', async () => {
  const stele = await audited()
  const durable = stele.disk.count('datasync')
  await stele.audit.read(read)
  assert.equal(stele.disk.count('datasync'), durable + 1)
  assert.deepEqual(await recorded(stele, 'access', 'read'), [{ type: 'read', v: 1, ...read }])
  await stele.audit.read({ by: 'a', via: '::1', action: 'tail', ledger: 'main', phase: 'open' })
  assert.equal((await recorded(stele, 'access', 'read')).length, 2)
  const { entry } = await stele.ledgers.event('access', 0)
  assert.deepEqual([entry.source, entry.by, entry.media], ['stele.access', read.by, 'application/json'])
})

test('P7: a read is refused when its record cannot be written: the disk fails, the writer has stopped, the reserve is used up', async () => {
  const counting = await audited()
  const failing = await audited({
    operation: 'datasync',
    nth: counting.disk.count('datasync'),
    done: 'not',
    code: 'EIO',
  })
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(failing.audit.read(read), (error) => {
      assert(error instanceof Problem && error.code === 'audit-unavailable' && error.status === 503)
      assert.match(error.message, /^Reading is refused because it cannot be recorded: The writer has stopped/)
      return true
    })
  }
  const full = await audited()
  full.room.freeBytes = GIB / 4
  await full.space.look()
  await assert.rejects(full.audit.read(read), { code: 'audit-unavailable', message: /MB are free/ })
  full.room.freeBytes = GIB
  await full.space.look()
  await full.audit.read(read)
})

test('P8: refused attempts are counted and summed up once a minute per credential, address, code and action', async () => {
  const stele = await audited()
  const { audit, clock } = stele
  for (let attempt = 0; attempt < 50; attempt++) {
    audit.refuse({ by: 'x', via: '10.0.0.1', code: 'scope-missing', action: 'event.read' })
    audit.refuse({ by: undefined, via: '10.0.0.2', code: 'unauthenticated', action: 'event.read' })
    clock.pass(1_000)
  }
  audit.refuse({ by: 'x', via: '10.0.0.1', code: 'scope-missing', action: 'append' })
  assert.equal((await recorded(stele, 'system', 'refused')).length, 0)
  clock.tick()
  while ((await recorded(stele, 'system', 'refused')).length === 0) await new Promise(setImmediate)
  const summaries = await recorded(stele, 'system', 'refused')
  assert.deepEqual(
    summaries.map(({ credential, via, code, action, count }) => [credential, via, code, action, count]),
    [
      ['x', '10.0.0.1', 'scope-missing', 'event.read', 50],
      [undefined, '10.0.0.2', 'unauthenticated', 'event.read', 50],
      ['x', '10.0.0.1', 'scope-missing', 'append', 1],
    ],
  )
  assert.deepEqual(
    [summaries[0]?.['since'], summaries[0]?.['until']],
    ['2026-01-02T03:04:05.678Z', '2026-01-02T03:04:54.678Z'],
  )
  await audit.sumUp()
  assert.equal((await recorded(stele, 'system', 'refused')).length, 3)
})

test('a flood of refusals from everywhere is counted whole, and neither fills the memory nor the log', async () => {
  const stele = await audited()
  for (let attempt = 0; attempt < 20_000; attempt++) {
    stele.audit.refuse({
      by: undefined,
      via: `10.${attempt % 251}.${attempt}`,
      code: 'unauthenticated',
      action: `act ${attempt % 7}`,
    })
  }
  await stele.audit.sumUp()
  const summaries = await recorded(stele, 'system', 'refused')
  assert(summaries.length <= 1_100, `${summaries.length} summaries`)
  assert.equal(
    summaries.reduce((sum, { count }) => sum + Number(count), 0),
    20_000,
  )
  assert.equal(summaries.filter(({ via }) => via === 'others').length, 1)
})

test('P8: counts for which there is no room are kept until there is, and a stop writes the last ones', async () => {
  const stele = await audited()
  const refusal = { by: 'x', via: '10.0.0.1', code: 'scope-missing' as const, action: 'append' }
  stele.audit.refuse(refusal)
  stele.room.freeBytes = 0
  await stele.space.look()
  await assert.rejects(stele.audit.sumUp(), { code: 'disk-reserve' })
  stele.audit.refuse(refusal)
  stele.room.freeBytes = 100 * GIB
  await stele.space.look()
  await stele.audit.sumUp()
  stele.audit.refuse(refusal)
  await stele.audit.close()
  assert.deepEqual(
    (await recorded(stele, 'system', 'refused')).map(({ count }) => count),
    [2, 1],
  )
})

test('an address that fails to authenticate again and again has to wait, until the minute is over; others do not', async () => {
  const { audit } = await audited()
  for (let attempt = 0; attempt < 120; attempt++) {
    assert.equal(audit.throttled('10.0.0.1'), false)
    audit.refuse({ by: undefined, via: '10.0.0.1', code: 'unauthenticated', action: 'append' })
    audit.refuse({ by: 'x', via: '10.0.0.2', code: 'scope-missing', action: 'append' })
  }
  assert.equal(audit.throttled('10.0.0.1'), true)
  assert.equal(audit.throttled('10.0.0.2'), false)
  await audit.sumUp()
  assert.equal(audit.throttled('10.0.0.1'), false)
})

const written = async () => {}

test('events stop at the reserve, the record of reads at a quarter of it, and the refusal says the figures', async () => {
  const { space, room, ledgers, audit } = await audited()
  assert.equal(space.reserveBytes, GIB)
  room.freeBytes = GIB + 100_000
  await space.look()
  await space.admit('events', 50_000, 1, written)
  await assert.rejects(space.admit('events', 50_000, 1, written), (error) => {
    assert(error instanceof Problem && error.code === 'disk-reserve' && error.status === 507)
    assert.equal(error.place.limit, GIB)
    assert.match(error.message, /1073\.\d MB are free, 1073\.7 MB are kept in reserve/)
    return true
  })
  await audit.read(read)
  room.freeBytes = GIB / 4
  await space.look()
  await assert.rejects(space.admit('audit', 100, 1, written), /268\.4 MB are kept in reserve/)
  await append(ledgers, 'main', [Buffer.from('x')])
})

test('on a small disk the reserve is a twentieth of it', async () => {
  const { room } = await audited()
  Object.assign(room, { freeBytes: 10_000_000, totalBytes: 20_000_000 })
  const disk = Object.assign(Object.create(new PowerCutDisk()) as Disk, { space: async () => room })
  const space = await SpaceGuard.open(disk, directory, new TurnedClock())
  assert.equal(space.reserveBytes, 1_000_000)
})

test('what many small events take beside their own bytes is reckoned with', async () => {
  const { ledgers, space, room, disk } = await audited()
  const events = Array.from({ length: 5_000 }, () => Buffer.from('{}'))
  const before = space.freeBytes
  const tracedBefore = disk.trace.length
  await space.admit('events', 10_000, events.length, async () => await append(ledgers, 'main', events))
  const reckoned = before - space.freeBytes
  const grown = disk.trace.slice(tracedBefore).reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
  assert(reckoned > grown, `${reckoned} reckoned, ${grown} written`)
  room.freeBytes = GIB + 1_000_000
  await space.look()
  await assert.rejects(space.admit('events', 10_000, events.length, written), { code: 'disk-reserve' })
})

test('a look neither forgets what is on its way nor counts twice what was written before it', async () => {
  const { space, room } = await audited()
  const free = (room.freeBytes = 3 * GIB)
  await space.look()
  const ways = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const writes = ways.map(async ({ promise }) => await space.admit('events', GIB / 2, 1, async () => await promise))
  const reckoned = free - space.freeBytes
  assert.ok(reckoned > GIB)
  await space.look()
  assert.equal(space.freeBytes, free - reckoned, 'both are on their way')
  ways[0]!.resolve()
  await writes[0]
  assert.equal(space.freeBytes, free - reckoned, 'written, and not yet seen')
  room.freeBytes = free - GIB / 2
  await space.look()
  assert.equal(space.freeBytes, free - GIB / 2 - reckoned / 2, 'seen, and no more reckoned')
  ways[1]!.reject(new Error('refused'))
  await assert.rejects(writes[1]!, /refused/)
  assert.equal(space.freeBytes, free - GIB / 2, 'what was refused takes no room')
})
