// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How verification in the background goes on: held to its share of a core, in time all the same, pass after pass.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { BackgroundVerification, DAILY, type PassHooks, type PassResult } from '../src/evidence/background.ts'
import { PacedWork } from '../src/platform/paced-work.ts'
import { SealingPace, SealingShare } from '../src/evidence/sealing-share.ts'
import { type DirectoryReport, verifyDirectory } from '../src/evidence/verify-directory.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, MemoryHeadStore, openStele, sealAll, SeededRandom, TurnedClock } from './scratch.ts'

const HOUR_MS = 3_600_000

/** A clock on which sleeping is all that takes time, besides what a test has its work take. */
class WorkClock extends TurnedClock {
  sleptMs = 0

  override async sleep(ms?: number, signal?: AbortSignal): Promise<void> {
    await new Promise(setImmediate)
    signal?.throwIfAborted()
    this.sleptMs += ms ?? 0
    this.pass(ms ?? 0)
  }
}

function pacedWork(clock: WorkClock, share: number, withinMs: number): PacedWork {
  return new PacedWork({ clock, share: () => share, withinMs, signal: new AbortController().signal })
}

test('work that is paced never takes more than its share of a core, at any moment of it', async () => {
  const clock = new WorkClock()
  const begunMs = clock.monotonicMs()
  const work = pacedWork(clock, 0.05, 20 * HOUR_MS)
  const blocks = 2_000
  for (let block = 1; block <= blocks; block++) {
    const tookMs = 1 + (block % 7)
    clock.pass(tookMs)
    await work.rest(block / blocks)
    const workedMs = clock.monotonicMs() - begunMs - clock.sleptMs
    assert(workedMs <= 0.05 * (clock.monotonicMs() - begunMs) + 1, `${workedMs} ms at block ${block}`)
  }
  assert(clock.sleptMs > 100_000)
})

test('work that would take too long at its share rests as much as its time allows, and is done in time', async () => {
  const clock = new WorkClock()
  const begunMs = clock.monotonicMs()
  const work = pacedWork(clock, 0.05, 20 * HOUR_MS)
  const blocks = 5_000
  for (let block = 1; block <= blocks; block++) {
    // Four hours of work in all: a fifth of a core.
    clock.pass((4 * HOUR_MS) / blocks)
    await work.rest(block / blocks)
  }
  const tookMs = clock.monotonicMs() - begunMs
  assert(tookMs <= 20.01 * HOUR_MS, `${tookMs / HOUR_MS} h`)
  assert(clock.sleptMs >= 15.9 * HOUR_MS, 'it rests all the same')
})

test('pieces of sealing beside each other keep to one share of a core, and to another as soon as it is said', async () => {
  const clock = new WorkClock()
  let share = 0.2
  let usedMs = 0
  const measured = async (blocks: number): Promise<number> => {
    const pace = new SealingPace(
      clock,
      () => usedMs,
      () => share,
    )
    const [begunMs, begunUsedMs] = [clock.monotonicMs(), usedMs]
    const one = async () => {
      for (let block = 0; block < blocks; block++) {
        clock.pass(7)
        usedMs += 7
        await pace.rest()
      }
    }
    await Promise.all([one(), one(), one()])
    return (usedMs - begunUsedMs) / (clock.monotonicMs() - begunMs)
  }
  for (const expected of [0.2, 0.5, 1]) {
    share = expected
    const found = await measured(500)
    assert(Math.abs(found - expected) < 0.01, `${found} instead of ${expected}`)
  }
})

test('sealing gives way while the writer is under load, until it lags too far, and has it all again afterwards', () => {
  const share = new SealingShare()
  const looks: readonly (readonly [busy: number, lagBytes: number, share: number])[] = [
    [0.5, 0, 1],
    [0.9, 0, 0.15],
    [0.5, 2 ** 30, 0.15],
    [0.9, 2 ** 32, 1],
    [0.9, 2 ** 31, 0.15],
    [0.3, 2 ** 31, 1],
    [0.5, 2 ** 31, 1],
  ]
  for (const [busy, lagBytes, expected] of looks) assert.equal(share.look(busy, lagBytes), expected)
})

test('a pass that cannot be in time at all does not rest', async () => {
  const clock = new WorkClock()
  const work = pacedWork(clock, 0.05, HOUR_MS)
  for (let block = 1; block <= 100; block++) {
    clock.pass(HOUR_MS / 50)
    await work.rest(block / 100)
  }
  assert.equal(clock.sleptMs, 0)
})

const passed = { verdict: 'unchanged', entryCount: 3, findings: [], findingCount: 0 } as unknown as DirectoryReport

interface Run {
  readonly clock: WorkClock
  readonly results: PassResult[]
  readonly background: BackgroundVerification
  readonly begunMs: number[]
}

/** Runs passes, each by the next of `works`; behind the last, none ends any more. */
function passes(works: ((hooks: PassHooks, clock: WorkClock) => Promise<DirectoryReport>)[]): Run {
  const clock = new WorkClock()
  const results: PassResult[] = []
  const begunMs: number[] = []
  const background = new BackgroundVerification({
    clock,
    schedule: DAILY,
    totalBytes: async () => 1_000,
    verify: async (hooks) => {
      begunMs.push(clock.monotonicMs())
      const work = works.shift()
      return work === undefined ? await new Promise(() => {}) : await work(hooks, clock)
    },
    onProgress: () => {},
    onResult: (result) => results.push(result),
  })
  void background.run()
  return { clock, results, background, begunMs }
}

async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    assert(turns < 10_000, `never: ${String(holds)}`)
    await new Promise(setImmediate)
  }
}

test('passes follow each other for ever, no more than one a minute, whatever became of the one before', async () => {
  const { results, begunMs } = passes([
    async () => passed,
    async () => {
      throw new Error('the disk cannot be read')
    },
    async () => ({ ...passed, verdict: 'changed', findings: [{ kind: 'frame', what: 'x' }], findingCount: 1 }),
    async ({ pace }, clock) => {
      clock.pass(90_000)
      await pace(1_000)
      return passed
    },
  ])
  await until(() => begunMs.length === 5)
  assert.deepEqual(
    results.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['passed', undefined],
      ['unfinished', 'the disk cannot be read'],
      ['failed', undefined],
      ['passed', undefined],
    ],
  )
  for (const [position, ms] of begunMs.entries()) {
    if (position > 0) assert(ms - begunMs[position - 1]! >= 60_000)
  }
  assert.equal(results[3]!.readBytes, 1_000)
})

test('a pass that is asked for begins at once, displaces the one that rests, and does not rest itself', async () => {
  const { results, background, clock } = passes([
    async ({ pace }) => {
      for (let block = 0; block < 10; block++) {
        if (block === 3) background.request()
        clock.pass(100)
        await pace(100)
      }
      return passed
    },
    async ({ pace }) => {
      const { sleptMs } = clock
      for (let block = 0; block < 10; block++) {
        clock.pass(100)
        await pace(100)
        // Asked again while it goes on, it is this one.
        background.request()
      }
      assert.equal(clock.sleptMs, sleptMs)
      return passed
    },
  ])
  await until(() => results.length > 0)
  assert.deepEqual(
    results.map(({ isRequested, outcome }) => [isRequested, outcome]),
    [[true, 'passed']],
  )
})

test('of very many findings a hundred are told, and all are counted', async () => {
  const findings = Array.from({ length: 200 }, (_, index) => ({ kind: 'entry' as const, what: 'x', index }))
  const { results } = passes([async () => ({ ...passed, verdict: 'changed', findings, findingCount: 5_000 })])
  await until(() => results.length === 1)
  assert.deepEqual([results[0]!.findings.length, results[0]!.findingCount], [100, 5_000])
})

test('a slow pass, beside which far more is appended and sealed than it reads, finds nothing wrong', async () => {
  const disk = new PowerCutDisk()
  const head = new MemoryHeadStore()
  const sizes = { anchorEveryBytes: 20_000, walFileBytes: 40_000, segmentEntries: 512 }
  const stele = await openStele({ disk, directory, clock: new TurnedClock(), random: new SeededRandom(3), head, sizes })
  const random = new SeededRandom(4)
  const grow = async (): Promise<void> => {
    for (let batch = 0; batch < 8; batch++) {
      await append(
        stele.ledgers,
        'main',
        Array.from({ length: 20 }, () => random.bytes(random.below(200))),
      )
      await stele.ledgers.publish()
    }
    await sealAll(stele, disk, directory)
  }
  for (let round = 0; round < 6; round++) await grow()
  for (let pass = 0; pass < 3; pass++) {
    const before = stele.ledgers.sealed.commit
    let rests = 0
    // One after the other: there is only one keeper.
    let turn = Promise.resolve()
    const report = await verifyDirectory({
      disk,
      directory,
      heads: [{ where: 'memory', bytes: head.kept! }],
      isRunning: true,
      pace: async () => {
        if (rests++ % (pass + 1) === 0 && rests < 24) turn = turn.then(grow)
        await turn
      },
    })
    assert.deepEqual([report.verdict, report.findings], ['unchanged', []])
    assert(
      stele.ledgers.sealed.commit > before + 20,
      `only ${stele.ledgers.sealed.commit - before} commits were sealed`,
    )
  }
  await stele.close()
})
