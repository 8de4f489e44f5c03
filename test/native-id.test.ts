// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ids of stored events: the same as when the events came in.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { cut } from '../src/sources/cut.ts'
import { NativeIdFinder } from '../src/sources/native-id.ts'

const finder = new NativeIdFinder()
const types = ['entra.audit', 'entra.signin', 'entra.provisioning', 'entra.risk', 'entra.graph-activity']

function taken(type: string, event: Buffer): string | undefined {
  const { ids, count } = cut(event, 'application/json', { type })
  if (ids === undefined || ids.ends[0] === 0) return undefined
  assert.equal(count, 1)
  return event.toString('utf8', ids.starts[0], ids.ends[0])
}

/** Between other bytes, as it lies in a section. */
function found(type: string, event: Buffer): string | undefined {
  const bytes = Buffer.concat([Buffer.from('"properties":{"id":"before"}'), event, Buffer.from('{"properties":"id"}')])
  const start = 28
  const at = finder.in(bytes)(type, start, start + event.length)
  return at === undefined ? undefined : bytes.toString('utf8', at.start, at.end)
}

const key = fc.constantFrom('id', 'Id', 'requestId', 'RequestId', 'properties', 'time', 'a"b', '', 'x"properties')
const leaf = fc.oneof(
  fc.constantFrom('id', 'properties', '', '"id"', 'x"properties', 'x'.repeat(257), 'x'.repeat(256)),
  fc.constantFrom(null, 1, true),
  fc.string({ maxLength: 6 }),
)
const event = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, leaf, fc.array(tie('value'), { maxLength: 3 }), tie('object')),
  object: fc.dictionary(key, tie('value'), { maxKeys: 6, noNullPrototype: true }),
})).object

test('the id of a stored event is the one that was found when it came, wherever it stands', () => {
  let idCount = 0
  fc.assert(
    fc.property(event, fc.constantFrom(...types), fc.constantFrom(0, 1), (value, type, indent) => {
      const bytes = Buffer.from(JSON.stringify(value, null, indent))
      const expected = taken(type, bytes)
      assert.equal(found(type, bytes), expected)
      if (expected !== undefined) idCount++
    }),
    { numRuns: 5_000, seed: 7 },
  )
  assert.ok(idCount > 300, String(idCount))
})

test('an id that counts more may come behind one that counts less', () => {
  for (const [text, id] of [
    ['{"id":"a","properties":{"x":1,"id":"b"}}', 'b'],
    ['{"Id":"a","x":{"properties":{"id":"c"}},"id":"b"}', 'b'],
    ['{"id":"a","properties":{"id":7}}', 'a'],
    ['{"properties":{"id":""},"Id":"c","x":{"id":"d"}}', 'c'],
    ['{"id":"a","x":[{"id":"properties","properties":{"id":"b"}}]}', 'a'],
  ] as const) {
    assert.equal(taken('entra.audit', Buffer.from(text)), id)
    assert.equal(found('entra.audit', Buffer.from(text)), id)
  }
})

test('what ends elsewhere than it should has no id', () => {
  const bytes = Buffer.from('{"x":1,"properties":{"y":2,"id":"a"}}')
  assert.equal(finder.in(bytes)('entra.audit', 0, 20), undefined)
  assert.equal(finder.in(bytes)('generic', 0, bytes.length), undefined)
})
