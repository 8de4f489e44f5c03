// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { hintsOf } from '../src/query/hints.ts'
import { parseQuery } from '../src/query/parse.ts'
import { NOW_MS } from './search-arbitraries.ts'

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
        "'stele fields raw.client.name' says whether events have such a field",
      ],
    ],
    ['raw.took:>5', ["'stele fields raw.took' says whether events have such a field"]],
    ['actor.user.uid:1..2', []],
    ['alice or bob failed', ['or is looked for as a word: operators are in capitals']],
    ['after:2298-01-01', ['2298-01-01T00:00:00.000Z, after which events are asked for, has not come yet']],
    ['x', ['2298-01-01T00:00:00.000Z, after which events are asked for, has not come yet'], '2298-01-01'],
    ['x', [], '-1h'],
  ]
  for (const [query, hints, since] of said) {
    it(`is told what may have been meant: ${query}`, () =>
      assert.deepEqual(hintsOf(parseQuery(query, NOW_MS), NOW_MS, since), hints))
  }
})
