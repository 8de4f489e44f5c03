// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Parts of a search that need no server: cursors and room.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ByteBudget, Holding } from '../src/http/budget.ts'
import { type Cursor, Cursors, type Question } from '../src/http/cursor.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { Problem } from '../src/schema/problem.ts'

const question: Question = { ledger: '*', q: 'actor:alice', since: '-7d', until: undefined }
const cursors = new Cursors(new SystemRandom())
const names = ['main', 'payments', 'access']
const cursor: Cursor = {
  nowMs: 1_767_000_000_123,
  total: { count: 12_345, exact: false },
  seenCount: 900,
  sizes: [7, 2 ** 40, 0],
  last: { ledger: 1, index: 2 ** 40 - 1, timeMs: -5 },
}

function isForeign(error: unknown): boolean {
  assert.ok(error instanceof Problem, String(error))
  assert.equal(error.code, 'invalid-field')
  assert.match(error.message, /^cursor: it is not one of this search\./)
  return true
}

test('a cursor gives back what it was made of, and a ledger that was created since is none of its search', () => {
  const text = cursors.format(question, names, cursor)
  assert.match(text, /^[A-Za-z0-9_-]+$/)
  assert.deepEqual(cursors.parse(text, question, names), cursor)
  assert.deepEqual(cursors.parse(text, question, [...names, 'new']), cursor)
})

test('a cursor is of one question and of the ledgers that it was made for: it opens no other', () => {
  const text = cursors.format(question, names, cursor)
  const others: readonly (readonly [Question, readonly string[]])[] = [
    [{ ...question, ledger: 'main' }, names],
    [{ ...question, q: 'actor:bob' }, names],
    [{ ...question, since: undefined }, names],
    [{ ...question, until: 'now' }, names],
    [question, ['main', 'payments']],
    [question, ['main', 'access', 'payments']],
    [question, ['secret', 'payments', 'access']],
  ]
  for (const [asked, readable] of others) {
    assert.throws(() => cursors.parse(text, asked, readable), isForeign, JSON.stringify([asked, readable]))
  }
})

test('whatever else is given as a cursor is refused in the same words', () => {
  const text = cursors.format(question, names, cursor)
  const parts = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[]
  const made = (change: (parts: unknown[]) => void): string => {
    const copy = structuredClone(parts)
    change(copy)
    return Buffer.from(JSON.stringify(copy)).toString('base64url')
  }
  const forged = [
    '',
    'x',
    `${text}=`,
    `${text} `,
    text.slice(0, -3),
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"__proto__":1}').toString('base64url'),
    made((parts) => (parts[0] = 1)),
    made((parts) => (parts[1] = 'x'.repeat(22))),
    made((parts) => (parts[2] = -1)),
    made((parts) => (parts[2] = 1.5)),
    made((parts) => (parts[3] = '1')),
    made((parts) => (parts[5] = -1)),
    made((parts) => (parts[5] = 2 ** 40 + 8)),
    made((parts) => (parts[6] = 3)),
    made((parts) => (parts[6] = -1)),
    made((parts) => (parts[7] = 2 ** 60)),
    made((parts) => (parts[7] = 2 ** 40)),
    made((parts) => (parts[8] = null)),
    made((parts) => (parts[8] = 9e15)),
    made((parts) => (parts[9] = [])),
    made((parts) => (parts[9] = [1, 2, 3, 4])),
    made((parts) => (parts[9] = ['7', 1, 0])),
    made((parts) => parts.push(1)),
  ]
  for (const one of forged) assert.throws(() => cursors.parse(one, question, names), isForeign, one)
})

test('P7: what a cursor says of the total goes on record, so nothing that it says can be changed, and it ends with the server', () => {
  const text = cursors.format(question, names, cursor)
  const parts = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[]
  for (const [position, value] of [999_999_999, 999_999, true, 1, 0, 1, 7, [7, 2 ** 40, 1]].entries()) {
    const forged = Buffer.from(JSON.stringify(parts.with(position + 2, value))).toString('base64url')
    assert.throws(() => cursors.parse(forged, question, names), isForeign, JSON.stringify(value))
  }
  const other = new Cursors(new SystemRandom())
  assert.throws(() => other.parse(text, question, names), /begin again without a cursor/)
})

test('a request holds what it took until it settles on less, small ones hold nothing, and none holds more than there is', () => {
  const budget = new ByteBudget(1_000_000)
  const large = new Holding(budget)
  large.take(900_000)
  const held = budget.heldBytes
  assert.ok(held > 800_000)
  const other = new Holding(budget)
  assert.equal(other.tries(400_000), false)
  assert.throws(
    () => other.take(400_000),
    (error: Problem) => error.code === 'overloaded' && error.place.retryAfter === 1,
  )
  other.take(60_000)
  assert.equal(budget.heldBytes, held, 'a small one is not counted')
  large.settle(100_000)
  assert.ok(budget.heldBytes < 100_000)
  other.take(400_000)
  other.release()
  large.release()
  large.release()
  assert.equal(budget.heldBytes, 0)
})
