// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { type HintContext, hintsOf, wantedFor } from '../src/query/hints.ts'
import { parseQuery } from '../src/query/parse.ts'
import { NOW_MS } from './search-arbitraries.ts'

function hinted(query: string, context: Partial<HintContext> = {}): readonly string[] {
  const fieldsCommand = (path: string) => `stele fields ${path}`
  return hintsOf(parseQuery(query, NOW_MS), { nowMs: NOW_MS, fieldsCommand, ...context })
}

describe('a query that found nothing', () => {
  const said: readonly (readonly [query: string, hints: readonly string[], since?: string])[] = [
    ['actor:alice', ['actor:alice is compared as a whole: try actor:alice*']],
    ['action:"Add member"', ['action:"add member" is compared as a whole: try action:"add member*"']],
    ['actor:alice* outcome:failure alice', []],
    ['-actor:alice', []],
    [
      'raw.Client.name:x',
      [
        'raw.client.name:x is compared as a whole: try raw.client.name:x*',
        'whether events have such a field, this says: stele fields raw.client.name',
      ],
    ],
    ['raw.took:>5', ['whether events have such a field, this says: stele fields raw.took']],
    ['actor.user.uid:1..2', []],
    ['raw.targets.0.id:x', ['members of an array have no number: try raw.targets.id:x']],
    ['outcome:sucess', ['outcome:sucess: did you mean outcome:success']],
    ['alice or bob failed', ['or is looked for as a word: operators are in capitals']],
    ['after:2298-01-01', ['2298-01-01T00:00:00.000Z, after which events are asked for, has not come yet']],
    ['x', ['2298-01-01T00:00:00.000Z, after which events are asked for, has not come yet'], '2298-01-01'],
    ['x', [], '-1h'],
    ['after:2025-01-20 before:2025-01-21', []],
    [
      'a after:2025-01-20 before:2025-01-19',
      [
        'nothing is after 2025-01-20T00:00:00.000Z and before 2025-01-19T00:00:00.000Z: ' +
          'try after:2025-01-19T00:00:00.000Z before:2025-01-20T00:00:00.000Z',
      ],
    ],
    [
      'time:2025-01-02T03:04:05.678Z',
      ['2025-01-02T03:04:05.678Z is a moment: time:>=2025-01-02T03:04:05.678Z is all since then'],
    ],
  ]
  for (const [query, hints, since] of said) {
    it(`is told what may have been meant: ${query}`, () => assert.deepEqual(hinted(query, { since }), hints))
  }

  const known = {
    values: new Map([
      ['actor', ['alice@contoso.com', 'bob@contoso.com']],
      ['action', ['add member to role', 'add member to group']],
    ] as const),
    paths: ['raw.properties.category', 'raw.properties.targetresources.id', 'raw."odd name"', 'raw.location.city'],
  }
  const knowing: readonly (readonly [query: string, hints: readonly string[]])[] = [
    ['actor:alise@contoso.com', ['actor:alise@contoso.com: did you mean actor:alice@contoso.com']],
    ['actor:alice@contoso.com outcome:failure', []],
    ['actor:zed', ['actor:zed is compared as a whole: try actor:zed*']],
    ['raw.properties.catgory:x', [`${most('raw.properties.catgory')}: did you mean raw.properties.category`]],
    ['raw."odd nam":x', [`${most('raw."odd nam"')}: did you mean raw."odd name"`]],
    ['raw.city:x', [`${most('raw.city')}: did you mean raw.location.city`]],
    ['raw.nowhere:x', [`${most('raw.nowhere')}; this lists them: stele fields raw.`]],
    [
      'raw.properties:x',
      ['raw.properties has no value of its own: try raw.properties.category or raw.properties.targetresources.id'],
    ],
    ['raw.location.city:rom', ['raw.location.city:rom is compared as a whole: try raw.location.city:rom*']],
  ]
  for (const [query, hints] of knowing) {
    it(`is held against what events have: ${query}`, () => assert.deepEqual(hinted(query, { known }), hints))
  }

  it('asks to know no more than what helps', () => {
    const wanted = (query: string) => wantedFor(parseQuery(query, NOW_MS))
    assert.deepEqual(wanted('actor:a actor:b -app:c target:d* outcome:failure -raw.x:1 word'), {
      fields: ['actor'],
      hasPath: false,
    })
    assert.deepEqual(wanted('ledger:x (raw.x:1 OR action:y)'), { fields: ['action'], hasPath: true })
  })
})

function most(path: string): string {
  return `${path} is not among the fields that most events have`
}
