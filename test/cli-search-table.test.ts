// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How hits and queries are shown: no server is needed for that.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Hit } from '@stele/sdk'

import { footText } from '../src/cli/search/foot.ts'
import { markedQuery } from '../src/cli/search/query-fault.ts'
import { headText, layoutOf, rowOf, rowText } from '../src/cli/search/table.ts'

function hit(index: number, ocsf: object, rest: object = {}): Hit {
  const shape = { ledger: 'main', index, at: '2026-01-02T03:04:06.000Z', time: '2026-01-02T03:04:05.678Z', text: '{}' }
  return { ...shape, event: Buffer.from('{}'), ocsf: { class_uid: 3001, time: 0, ...ocsf }, ...rest } as unknown as Hit
}

const grant = hit(929, {
  class_uid: 3005,
  message: 'alice@contoso.com gave bob@contoso.com the role Global Administrator',
  actor: { user: { name: 'alice@contoso.com' } },
  user: { name: 'bob@contoso.com' },
  status_id: 1,
  src_endpoint: { ip: '203.0.113.9' },
})
const signIn = hit(12, {
  class_uid: 3002,
  message: 'carol@contoso.com failed to sign in to Azure Portal: invalid username or password',
  user: { name: 'carol@contoso.com' },
  status_id: 2,
  src_endpoint: { ip: '2001:db8::1' },
})

function shown(hits: readonly Hit[], columns: number | undefined, withLedger = false): string[] {
  const rows = hits.map(rowOf)
  const layout = layoutOf(rows, columns, withLedger)
  return (headText(layout) + rows.map((row) => rowText(layout, row)).join('')).trimEnd().split('\n')
}

test('a wide table says when, what, who, to whom, with what outcome and from where, with the index to prove it by', () => {
  assert.deepEqual(shown([grant, signIn], 200), [
    'INDEX  TIME (UTC)           EVENT                                                                              ACTOR              TARGET           OUTCOME  ADDRESS',
    '  929  2026-01-02 03:04:05  alice@contoso.com gave bob@contoso.com the role Global Administrator               alice@contoso.com  bob@contoso.com  success  203.0.113.9',
    '   12  2026-01-02 03:04:05  carol@contoso.com failed to sign in to Azure Portal: invalid username or password  carol@contoso.com                   failure  2001:db8::1',
  ])
  assert.match(shown([grant], 200, true)[1]!, /^main {4}929 {2}|^main {2,}929/)
})

test('a terminal with less room shortens domains of names, then the sentence, and then gives each hit two lines', () => {
  const [alice, bob] = ['alexandra.kowalska@larkfield.example', 'bob@larkfield.example']
  const long = hit(929, {
    class_uid: 3005,
    message: `${alice} gave ${bob} the role Global Administrator`,
    actor: { user: { name: alice } },
    user: { name: bob },
    status_id: 1,
    src_endpoint: { ip: '203.0.113.9' },
  })
  assert.deepEqual(shown([long], 195).slice(1), [
    '  929  2026-01-02 03:04:05  alexandra.kowalska@larkfield.example gave bob@larkfield.example the role Global Administrator  alexandra.kowalska@larkfie…  bob@larkfield.example  success  203.0.113.9',
  ])
  assert.deepEqual(shown([long], 180).slice(1), [
    '  929  2026-01-02 03:04:05  alexandra.kowalska@larkfield.example gave bob@larkfield.example the role Global Admi…  alexandra.kowalska@…  bob@larkfield.example  success  203.0.113.9',
  ])
  assert.deepEqual(shown([long, signIn], 80), [
    'INDEX  TIME (UTC)           EVENT',
    '  929  2026-01-02 03:04:05  alexandra.kowalska@larkfield.example gave',
    '                            bob@larkfield.example the role Global Administrator',
    '       alexandra.kowalska@… → bob@larkfield.example · success · 203.0.113.9',
    '   12  2026-01-02 03:04:05  carol@contoso.com failed to sign in to Azure Portal:',
    '                            invalid username or password',
    '       carol@contoso.com · failure · 2001:db8::1',
  ])
  assert.match(shown([long], 80, true)[1]!, /^main {4}929 {2}|^main {2,}929/)
})

test('at every width no line is longer, and who, to whom, with what outcome and from where is there', () => {
  for (let columns = 220; columns >= 60; columns--) {
    const lines = shown([grant, signIn], columns)
    for (const line of lines) assert.ok(line.length <= columns, `${columns}: ${line}`)
    assert.match(lines[0]!, /^INDEX {2}TIME \(UTC\) {2,}EVENT/)
    const text = lines.join('\n')
    for (const word of ['alice@contoso.com', 'bob@contoso.com', 'success', '203.0.113.9', '2001:db8::1']) {
      assert.ok(text.includes(word), `${columns}: ${word}`)
    }
  }
})

test('where the output is no terminal nothing is shortened, whatever comes later', () => {
  const name = `${'x'.repeat(300)}@contoso.com`
  const long = hit(7, { class_uid: 3002, message: 'word '.repeat(150).trimEnd(), user: { name }, status_id: 1 })
  const [, line = ''] = shown([long], undefined)
  assert.ok(line.includes('word '.repeat(150).trimEnd()) && line.includes(name) && line.endsWith('success'))
  const layout = layoutOf([rowOf(signIn)], undefined, false)
  assert.ok(rowText(layout, rowOf(long)).includes(name))
})

test('a column that would be empty is not there, and what an event has no sentence for is its beginning', () => {
  const plain = hit(0, { class_uid: 0 }, { text: 'plain text', event: Buffer.from('plain text') })
  const bytes = hit(1, { class_uid: 0 }, { text: undefined, event: Buffer.alloc(3) })
  assert.deepEqual(shown([plain, bytes], 100), [
    'INDEX  TIME (UTC)           EVENT',
    '    0  2026-01-02 03:04:05  plain text',
    '    1  2026-01-02 03:04:05  3 bytes that are not text',
  ])
})

test('what an event says is shown in characters that a terminal does not act on, and hostile forms break nothing', () => {
  const hostile = hit(3, {
    class_uid: 3002,
    message: 'a\u001b[2Jb\u202ec\nd',
    user: { name: ['x'], uid: '\u0007' },
    actor: 'none',
    src_endpoint: null,
    status_id: '1',
    evidences: 7,
  })
  const text = shown([hostile], 200).join('\n')
  assert.match(text, /a\\u\{1b\}\[2Jb\\u\{202e\}c\\nd/)
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u202e]/)
})

test('a query that cannot be read is shown with a mark below the place, and what may have been meant', () => {
  assert.equal(
    markedQuery('acter:alice outcome:failure', { column: 1, length: 5, suggestion: 'actor' }),
    '  acter:alice outcome:failure\n  ^^^^^\n  Did you mean actor:alice outcome:failure\n',
  )
  assert.equal(markedQuery('(a b', { column: 5, length: 1 }), '  (a b\n      ^\n')
  assert.equal(markedQuery('a\tb c:d', { column: 5, length: 1 }), '  a\\tb c:d\n       ^\n')
  const long = `${'x'.repeat(200)} wrong:1 ${'y'.repeat(200)}`
  const [line = '', mark = ''] = markedQuery(long, { column: 202, length: 5 }).split('\n')
  assert.equal(line.slice(mark.indexOf('^'), mark.indexOf('^') + 5), 'wrong')
  assert.ok(line.length < 120)
  for (const [column, length] of [
    [1, 0],
    [99, 3],
    [0, -1],
  ] as const) {
    assert.match(markedQuery('abc', { column, length }), /^ {2}abc\n *\^+\n$/)
  }
})

test('the last line says how much there is, how much of it is shown, and how far the index is', () => {
  const total = { count: 12, exact: true }
  assert.equal(
    footText(12, { total, indexed: 1064, size: 1064 }, false),
    '12 of 12 events · indexed up to 1,064 of 1,064',
  )
  assert.equal(
    footText(50, { total: { count: 50, exact: false }, indexed: 900, size: 1064 }, true),
    '50 of at least 50 events · indexed up to 900 of 1,064, the rest is on its way · --limit shows more',
  )
})
