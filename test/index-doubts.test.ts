// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beyond, Doubts } from '../src/index/doubts.ts'
import { TurnedClock } from './scratch.ts'

const main = (from: number, to: number) => ({ ledger: 'main', from, to })

test('P6: a range that has grown since it was doubted first is in doubt to its new end', () => {
  const doubts = new Doubts(new TurnedClock(), () => {})
  doubts.raise([main(2_048, 2_500)])
  doubts.raise([main(2_048, 2_600)])
  assert.deepEqual(doubts.counts, { main: 552 })
  doubts.raise([main(2_048, 2_400)])
  assert.deepEqual(doubts.counts, { main: 552 }, 'what was not compared again is as doubtful as it was')
})

test('P6: a doubt ends only where all of it was compared, and was not raised again since', async () => {
  const doubts = new Doubts(new TurnedClock(), () => {})
  doubts.raise([main(2_048, 2_600)])
  doubts.settle(main(0, 2_500), 0)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  assert.deepEqual(doubts.counts, { main: 552 }, 'the end was not compared')
  doubts.settle(main(0, 2_600), 0)
  doubts.raise([main(2_048, 2_700)])
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  assert.deepEqual(doubts.counts, { main: 652 }, 'it was raised again')
  doubts.settle(main(0, 2_700), 0)
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  assert.deepEqual([doubts.counts, doubts.reason], [{}, undefined])
})

test('P6: rows of no entry that cannot be deleted are left until they are gone, and that is known', () => {
  const doubts = new Doubts(new TurnedClock(), () => {})
  doubts.leave([beyond('main')], 'are not deleted: no right to')
  assert.ok(doubts.isLeft(beyond('main')))
  assert.ok(!doubts.isLeft(beyond('other')) && !doubts.isLeft(main(0, 65_536)))
  assert.match(doubts.reason ?? '', /^the index has rows that no entry has made and are not deleted/)
  doubts.settleBeyond([])
  assert.ok(!doubts.isLeft(beyond('main')))
  assert.equal(doubts.reason, undefined)
})
