// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SearchLanes } from '../src/http/search-lanes.ts'
import { SearchFault } from '../src/index/search-fault.ts'
import type { AskLimits } from '../src/index/search-turn.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { Problem } from '../src/schema/problem.ts'

class TurnedClock extends SystemClock {
  nowMs = 0
  override monotonicMs(): number {
    return this.nowMs
  }
}

const tooLong = new SearchFault('too-heavy', 'It needs more time.', true)
const gone = new AbortController().signal

function lanes(budgetMs = 60_000) {
  const clock = new TurnedClock()
  /** A question that needs so long, and when and how it was asked. */
  const question = (needsMs: number) => {
    const asked: AskLimits[] = []
    const ask = async (limits: AskLimits) => {
      asked.push(limits)
      await Promise.resolve()
      clock.nowMs += Math.min(needsMs, limits.timeMs)
      if (needsMs > limits.timeMs) throw tooLong
      return needsMs
    }
    return { asked, ask }
  }
  return { clock, question, lanes: new SearchLanes({ clock, processors: 2, budgetMs }) }
}

test('a light question is asked once; a heavy one again, with all its time, in the slow lane', async () => {
  const { lanes: all, question } = lanes()
  const light = question(30)
  assert.equal(await all.of('a', gone)(10_000, light.ask), 30)
  assert.deepEqual(light.asked, [{ timeMs: 1_000, lane: 'quick' }])
  const heavy = question(4_000)
  assert.equal(await all.of('a', gone)(10_000, heavy.ask), 4_000)
  assert.deepEqual(heavy.asked, [
    { timeMs: 1_000, lane: 'quick' },
    { timeMs: 10_000, lane: 'slow' },
  ])
  // It has shown that it asks what is heavy: its next tries are shorter, until it is forgotten.
  const next = question(4_000)
  await assert.rejects(all.of('a', gone)(3_000, next.ask), tooLong)
  assert.deepEqual(next.asked, [
    { timeMs: 200, lane: 'quick' },
    { timeMs: 3_000, lane: 'slow' },
  ])
  // What may take no longer than a quick try has all of its time nevertheless.
  const count = question(700)
  assert.equal(await all.of('a', gone)(1_000, count.ask), 700)
  assert.deepEqual(count.asked, [
    { timeMs: 200, lane: 'quick' },
    { timeMs: 1_000, lane: 'slow' },
  ])
  const other = question(4_000)
  await all.of('b', gone)(10_000, other.ask)
  assert.equal(other.asked[0]?.timeMs, 1_000)
})

test('a question that is too heavy in another way than by its time is not asked again', async () => {
  const { lanes: all } = lanes()
  let count = 0
  const fault = new SearchFault('too-heavy', 'It needs more memory.')
  const ask = async () => {
    count++
    return await Promise.reject(fault)
  }
  await assert.rejects(all.of('a', gone)(10_000, ask), fault)
  assert.equal(count, 1)
})

test('in the slow lane tokens take turns, and whoever leaves the line is not waited for', async () => {
  const { lanes: all } = lanes()
  const order: string[] = []
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const left = new AbortController()
  const ask = (name: string) => async (limits: AskLimits) => {
    if (limits.lane === 'quick') throw tooLong
    order.push(name)
    await opened
  }
  const asked = ['a1', 'a2', 'a3', 'a4', 'b1'].map(async (name) => {
    const signal = name === 'a2' ? left.signal : gone
    return await all
      .of(name.charAt(0), signal)(10_000, ask(name))
      .catch(() => order.push(`${name} left`))
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  left.abort()
  open()
  await Promise.all(asked)
  assert.deepEqual(
    order.filter((name) => !name.endsWith('left')),
    ['a1', 'a3', 'b1', 'a4'],
  )
  assert.ok(order.includes('a2 left'))
})

test('a token that has used up its budget is told when to come back, and no other is', async () => {
  const { lanes: all, question, clock } = lanes(20_000)
  for (let turn = 0; turn < 4; turn++) await all.of('a', gone)(10_000, question(9_000).ask)
  const refused = (error: unknown) => error instanceof Problem && error.code === 'too-many-requests'
  assert.throws(() => all.demand('a'), refused)
  all.demand('b')
  clock.nowMs += 60_000
  all.demand('a')
})
