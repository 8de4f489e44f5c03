// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { type ClockJump, LedgerTime } from '../src/ledger/ledger-time.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, readAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR

function timed(clock: TurnedClock, lastMs = 0): { time: LedgerTime; jumps: ClockJump[] } {
  const jumps: ClockJump[] = []
  return { time: new LedgerTime(clock, lastMs, (jump) => jumps.push(jump)), jumps }
}

test('ledger time follows the wall clock while both clocks agree', () => {
  const clock = new TurnedClock()
  const { time, jumps } = timed(clock)
  for (let step = 0; step < 5_000; step++) {
    clock.pass(step * 7)
    assert.equal(time.nowMs(), clock.wall)
  }
  assert.deepEqual(jumps, [])
})

for (const [name, jumpMs] of Object.entries({ 'an hour back': -HOUR, 'a year on': YEAR, 'two seconds back': -2_000 })) {
  test(`when the wall clock jumps ${name}, ledger time goes on with the monotonic clock, and the jump is told once`, () => {
    const clock = new TurnedClock()
    const { time, jumps } = timed(clock)
    const before = time.nowMs()
    clock.pass(100)
    clock.wall += jumpMs
    assert.equal(time.nowMs(), before + 100)
    clock.pass(HOUR)
    assert.equal(time.nowMs(), before + 100 + HOUR)
    assert.deepEqual(jumps, [{ wallMs: before + 100 + jumpMs, ledgerMs: before + 100 }])
  })
}

test('when the wall clock is frozen, ledger time goes on all the same', () => {
  const clock = new TurnedClock()
  const { time, jumps } = timed(clock)
  const before = time.nowMs()
  for (let second = 0; second < 10; second++) {
    clock.monotonic += 1_000
    time.nowMs()
  }
  assert.equal(time.nowMs(), before + 10_000)
  assert.equal(jumps.length, 1)
})

test('many small steps do not walk ledger time away: together they are a jump', () => {
  for (const stepMs of [-500, 500]) {
    const clock = new TurnedClock()
    const { time, jumps } = timed(clock)
    const before = time.nowMs()
    for (let step = 0; step < 100; step++) {
      clock.pass(10)
      clock.wall += stepMs
      time.nowMs()
    }
    assert.equal(jumps.length, 1)
    assert(Math.abs(time.nowMs() - (before + 1_000)) <= 2_000)
  }
})

test('a machine that slept is no jump where the boot clock says so, and one where there is none', () => {
  const clock = new TurnedClock()
  const { time, jumps } = timed(clock)
  clock.pass(1_000)
  clock.wall += 8 * HOUR
  clock.boot! += 8 * HOUR
  assert.equal(time.nowMs(), clock.wall)
  assert.deepEqual(jumps, [])
  clock.wall += 8 * HOUR
  clock.boot! += 7 * HOUR
  assert.notEqual(time.nowMs(), clock.wall)
  assert.equal(jumps.length, 1)

  const without = new TurnedClock()
  without.boot = undefined
  const other = timed(without)
  without.wall += 8 * HOUR
  other.time.nowMs()
  assert.equal(other.jumps.length, 1)
})

test('once confirmed, ledger time follows the wall clock again, but never goes back', () => {
  const clock = new TurnedClock()
  const { time } = timed(clock)
  const before = time.nowMs()
  clock.wall += YEAR
  time.nowMs()
  time.confirm()
  assert.equal(time.nowMs(), before + YEAR)
  clock.wall -= YEAR
  time.nowMs()
  time.confirm()
  clock.pass(5_000)
  assert.equal(time.nowMs(), before + YEAR)
})

test('a start whose wall clock is behind what is on record is a jump; one that is level or ahead is none', () => {
  const clock = new TurnedClock()
  const behind = timed(clock, clock.wall + HOUR)
  assert.equal(behind.jumps.length, 1)
  clock.pass(10)
  assert.equal(behind.time.nowMs(), clock.wall + HOUR)
  assert.deepEqual(timed(clock, clock.wall).jumps, [])
  assert.deepEqual(timed(clock, clock.wall + 900).jumps, [])
  const ahead = timed(clock, clock.wall - YEAR)
  assert.equal(ahead.time.nowMs(), clock.wall)
  assert.deepEqual(ahead.jumps, [])
})

test('ledger time never goes back, whatever the clocks do, over restarts and confirmations', () => {
  const act = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5 * HOUR }) }),
    fc.record({ kind: fc.constant('wall' as const), ms: fc.integer({ min: -2 * YEAR, max: 2 * YEAR }) }),
    fc.record({ kind: fc.constant('sleep' as const), ms: fc.integer({ min: 0, max: 9 * HOUR }) }),
    fc.constant({ kind: 'restart' as const, ms: 0 }),
    fc.constant({ kind: 'confirm' as const, ms: 0 }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const clock = new TurnedClock()
      let { time } = timed(clock)
      let last = time.nowMs()
      for (const { kind, ms } of acts) {
        if (kind === 'pass') clock.pass(ms)
        if (kind === 'wall' || kind === 'sleep') clock.wall += ms
        if (kind === 'sleep') clock.boot! += ms
        if (kind === 'restart') time = timed(clock, time.lastMs).time
        if (kind === 'confirm') time.confirm()
        const now = time.nowMs()
        assert(Number.isSafeInteger(now) && now >= last)
        assert.equal(time.lastMs, now)
        last = now
      }
    }),
    { seed: 42, numRuns: 300 },
  )
})

const open = async (disk: PowerCutDisk, clock: TurnedClock): Promise<Stele> =>
  await openStele({ disk, directory, clock, random: new SeededRandom(1), head: new MemoryHeadStore() })

async function times({ ledgers }: Stele, ledger: string): Promise<string[]> {
  const all: string[] = []
  while (all.length < ledgers.log(ledger).size) all.push((await ledgers.event(ledger, all.length)).entry.at)
  return all
}

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

test('P8: a jump of the wall clock is recorded in system, with both times, until an administrator confirms', async () => {
  const clock = new TurnedClock()
  const stele = await open(new PowerCutDisk(), clock)
  await append(stele.ledgers, 'main', [Buffer.from('one')])
  clock.pass(1_000)
  clock.wall -= HOUR
  await append(stele.ledgers, 'main', [Buffer.from('two')])
  await settle()
  assert.deepEqual(stele.administration.state.clockJump, {
    wall: '2026-01-02T02:04:06.678Z',
    ledger: '2026-01-02T03:04:06.678Z',
  })
  await stele.administration.confirmClock('tester')
  assert.equal(stele.administration.state.clockJump, undefined)
  clock.pass(2 * HOUR)
  const { first } = await append(stele.ledgers, 'main', [Buffer.from('three')])
  assert.equal(first, 2)
  assert.deepEqual(await times(stele, 'main'), [
    '2026-01-02T03:04:05.678Z',
    '2026-01-02T03:04:06.678Z',
    '2026-01-02T04:04:06.678Z',
  ])
  const acts = (await readAll(stele.ledgers, 'system')).map((event) => JSON.parse(event.toString()))
  assert.deepEqual(
    acts.slice(-2).map(({ type, by }) => [type, by]),
    [
      ['clock.jumped', undefined],
      ['clock.confirmed', 'tester'],
    ],
  )
})

test('a restart does not make a jump that nobody confirmed good: ledger time goes on without the wall clock', async () => {
  const clock = new TurnedClock()
  const disk = new PowerCutDisk()
  const stele = await open(disk, clock)
  clock.wall += YEAR
  await append(stele.ledgers, 'main', [Buffer.from('one')])
  await settle()
  await stele.close()
  clock.pass(HOUR)
  const again = await open(disk, clock)
  assert.notEqual(again.administration.state.clockJump, undefined)
  clock.pass(10)
  await append(again.ledgers, 'main', [Buffer.from('two')])
  assert.match((await times(again, 'main'))[1]!, /^2026-/)
  await again.administration.confirmClock('tester')
  await append(again.ledgers, 'main', [Buffer.from('three')])
  assert.match((await times(again, 'main'))[2]!, /^2027-/)
})

test('entries of every ledger have times that never go back over restarts with a clock set back', async () => {
  const clock = new TurnedClock()
  const disk = new PowerCutDisk()
  for (let life = 0; life < 4; life++) {
    const stele = await open(disk, clock)
    await append(stele.ledgers, 'main', [Buffer.from(`life ${life}`)])
    await stele.close()
    clock.wall -= HOUR
    clock.pass(10)
  }
  const stele = await open(disk, clock)
  for (const ledger of ['main', 'system', 'heads']) {
    const all = await times(stele, ledger)
    assert.deepEqual(all, all.toSorted(), ledger)
  }
})
