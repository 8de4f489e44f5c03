// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { complete } from '../src/query/complete.ts'
import { QueryFault } from '../src/query/fault.ts'
import { highlight } from '../src/query/highlight.ts'
import { MAX_QUERY_CHARS, parseQuery } from '../src/query/parse.ts'
import { NOW_MS, oddTexts, queryTexts } from './search-arbitraries.ts'

const KNOWN = ['raw.properties.category', 'raw.my key.x', 'actor.user.name']

const typed = fc
  .array(
    fc.oneof(
      fc.constantFrom(...oddTexts),
      fc.constantFrom(
        'actor:',
        'outcome:',
        '(',
        ')',
        '"',
        '*',
        '-',
        ' ',
        ' OR ',
        'NOT ',
        'raw.',
        'raw."',
        'exists:',
        ':',
      ),
      fc.constantFrom('time:', '..', '>=', '\\', 'severity:(', '.'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

describe('the parts of a query', () => {
  const shown = (text: string) =>
    highlight(text, NOW_MS).map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`)

  it('are told apart', () => {
    assert.deepEqual(shown('actor:ali* -("a\\*b" OR x) raw."my key":>=5'), [
      'field actor:',
      'value ali',
      'wildcard *',
      'operator -(',
      'text "a\\*b"',
      'operator OR',
      'text x',
      'operator )',
      'field raw."my key":',
      'value >=5',
    ])
    assert.deepEqual(shown('ip:(10.0.0.1 OR ::1)'), [
      'field ip:',
      'operator (',
      'value 10.0.0.1',
      'operator OR',
      'value ::1',
      'operator )',
    ])
  })

  it('are told behind a fault too, which is marked', () => {
    assert.deepEqual(shown('actr:a outcome:failure'), [
      'error actr',
      'field :',
      'value a',
      'field outcome:',
      'value failure',
    ])
    assert.deepEqual(shown('a && outcome:x'), ['text a', 'error &&', 'field outcome:', 'value x'])
    assert.deepEqual(shown('a "b'), ['text a', 'error "b'])
  })

  it('never throws, lies within the text, overlaps nowhere, and marks a fault where parsing finds one', () => {
    fc.assert(
      fc.property(fc.oneof(typed, queryTexts), (text) => {
        const spans = highlight(text, NOW_MS)
        let end = 0
        for (const span of spans) {
          assert.ok(span.start >= end && span.end > span.start && span.end <= text.length)
          end = span.end
        }
        let isRead = true
        try {
          parseQuery(text, NOW_MS)
        } catch (error) {
          assert.ok(error instanceof QueryFault)
          isRead = error.column > text.length
        }
        if (isRead) assert.ok(spans.every(({ kind }) => kind !== 'error') || text.length === 0, text)
        else
          assert.ok(
            spans.some(({ kind }) => kind === 'error'),
            text,
          )
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('completion', () => {
  const texts = (written: string) => complete(written, written.length, KNOWN).suggestions.map(({ text }) => text)

  it('knows names, by what others call them too, and paths of the ledger before those of OCSF', () => {
    assert.deepEqual(texts('targ'), ['target:'])
    assert.equal(texts('-usern')[0], 'actor:')
    assert.deepEqual(texts('raw.'), ['raw.properties.category:', 'raw."my key.x":'])
    assert.ok(texts('src_endpoint.loc').includes('src_endpoint.location.country:'))
    assert.equal(texts('exists:sess')[0], 'session')
    assert.ok(!texts('exists:').includes('severity'))
  })

  it('knows the values of which all are known, behind a sign and in a list, and else says whose are wanted', () => {
    assert.deepEqual(texts('a outcome:'), ['success', 'failure', 'unknown'])
    assert.deepEqual(texts('actor:x outcome:f'), ['failure'])
    assert.deepEqual(texts('outcome:(success OR '), ['success', 'failure', 'unknown'])
    assert.deepEqual(texts('severity:>=h'), ['>=high'])
    assert.deepEqual(texts('class:account'), ['"account change"'])
    const wanted = (written: string) => complete(written, written.length, KNOWN).wanted
    assert.deepEqual(wanted('x actor:"Ali'), { field: 'actor', begin: 'ali' })
    assert.deepEqual(wanted('raw.a.b:'), { field: 'raw.a.b', begin: '' })
    assert.equal(wanted('nothing:x'), undefined)
  })

  it('offers operators where one can stand, and nothing within a phrase', () => {
    assert.deepEqual(texts('a ').slice(0, 3), ['AND', 'OR', 'NOT'])
    assert.deepEqual(texts('a A').slice(0, 1), ['AND'])
    assert.ok(!texts('').includes('AND') && !texts('a (').includes('AND'))
    assert.deepEqual(texts('"ab'), [])
  })

  it('replaces what is written before the cursor', () => {
    assert.deepEqual(complete('act outcome:x', 3, []).suggestions[0]?.text, 'actor:')
    const { start, end } = complete('act outcome:x', 3, [])
    assert.deepEqual([start, end], [0, 3])
  })

  it('never throws and is bounded, whatever is typed and wherever the cursor is', () => {
    fc.assert(
      fc.property(fc.oneof(typed, queryTexts), fc.integer({ min: -5, max: 200 }), (text, cursor) => {
        const { start, end, suggestions } = complete(text, cursor, KNOWN)
        assert.ok(start >= 0 && start <= end && end <= text.length && suggestions.length <= 20)
      }),
      { numRuns: 3_000 },
    )
  })

  it('takes no time for hostile text', () => {
    const startedMs = performance.now()
    for (const piece of [
      'actor:',
      '-a:',
      'raw."',
      '"',
      '(',
      '-(',
      'a:"',
      ':',
      '*',
      '\\',
      'raw.a.',
      '!a ',
      '&& ',
      'a OR ',
      '“',
      ' ',
    ]) {
      const text = piece.repeat(Math.ceil(MAX_QUERY_CHARS / piece.length)).slice(0, MAX_QUERY_CHARS)
      highlight(text, NOW_MS)
      complete(text, text.length, KNOWN)
      highlight(text + text, NOW_MS)
      complete(text + text, 2 * text.length, KNOWN)
    }
    // A tenth of this; the bound is for a machine that is busy.
    assert.ok(performance.now() - startedMs < 10_000)
  })
})
