// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What was counted beforehand, held against counting the rows in memory: at every size, in whole slabs and beside them,
// in several parts and in one.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import fc from 'fast-check'

import { RowBlock } from '../src/index/rows.ts'
import { Search, type SearchScope } from '../src/index/search.ts'
import { HOUR_MS, SLAB_COUNT } from '../src/index/tables.ts'
import { emptyDocument, type SearchDocument } from '../src/query/document.ts'
import { matches } from '../src/query/evaluate.ts'
import { parseQuery } from '../src/query/parse.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../src/query/time.ts'
import { fillTable, noClickHouse, startClickHouse, type TestClickHouse } from './clickhouse-fixture.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const DAY_MS = 24 * HOUR_MS
const NOW_MS = Date.parse('2026-01-05T00:00:00Z')
/** Rows of four slabs, without most of their entries. */
const STEP = 997
const ROW_COUNT = Math.floor((4 * SLAB_COUNT) / STEP)

interface Row {
  readonly ledger: string
  readonly index: number
  readonly document: SearchDocument
}

function rowAt(ledger: string, at: number): Row {
  const entry = {
    v: 1,
    at: '2026-01-05T00:00:00.000Z',
    by: 'x',
    media: 'application/json',
    size: 1,
    sha256: '',
  } as const
  const odd = [MIN_TIME_MS, -1, 0, 1, MAX_TIME_MS][at % 97]
  const document: SearchDocument = {
    ...emptyDocument({ ...entry, source: at % 3 === 0 ? 'entra.audit/contoso' : 'okta' }),
    // Some are late, and some are of no time that a clock would show.
    timeMs: odd ?? NOW_MS + Math.floor((at / ROW_COUNT) * 10 * DAY_MS) - (at % 7) * 11 * HOUR_MS,
    classUid: at % 5 === 0 ? 3002 : 3001,
    severity: at % 4,
    outcome: at % 6 === 0 ? [] : [at % 6 === 1 ? 'failure' : 'success'],
  }
  return { ledger, index: at * STEP, document }
}

describe('counts', { skip: noClickHouse }, () => {
  const { signal } = new AbortController()
  const rows = ['main', 'payments'].flatMap((ledger) => Array.from({ length: ROW_COUNT }, (_, at) => rowAt(ledger, at)))
  let server: TestClickHouse
  let search: Search

  before(async () => {
    console.log(`seed ${SEED}`)
    server = await startClickHouse()
    search = new Search(
      () => server.search,
      () => 'events',
    )
    const third = Math.ceil(rows.length / 3)
    const blocks = [0, third, 2 * third].map((start) => {
      const block = new RowBlock()
      for (const { ledger, index, document } of rows.slice(start, start + third)) block.add(ledger, index, document)
      return block
    })
    await fillTable(server, 'events', blocks)
  })

  after(async () => await server[Symbol.asyncDispose]())

  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 4 * SLAB_COUNT + STEP }),
    fc.nat({ max: 4 }).map((slabs) => slabs * SLAB_COUNT),
    fc.integer({ min: -2, max: 2 }).map((beside) => 2 * SLAB_COUNT + beside),
  )
  const hours = fc.option(
    fc.integer({ min: -100, max: 300 }).map((hour) => NOW_MS + hour * HOUR_MS),
    { nil: undefined },
  )
  const asked = fc.record({
    main: sizes,
    payments: fc.option(sizes, { nil: 0 }),
    sinceMs: hours,
    untilMs: hours,
    text: fc.constantFrom(
      '',
      '',
      'outcome:failure',
      '-outcome:success class:3001',
      'severity:>=low OR source:entra',
      'exists:outcome ledger:main',
    ),
    by: fc.constantFrom('outcome', 'class', 'severity', 'source', 'ledger', undefined),
    stepMs: fc.constantFrom(HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS),
    fromMs: fc.constantFrom(NOW_MS, NOW_MS - 30 * DAY_MS, MIN_TIME_MS, -DAY_MS),
  })

  it('are exact at every size', async () => {
    await fc.assert(
      fc.asyncProperty(asked, async ({ main, payments, sinceMs, untilMs, text, by, stepMs, fromMs }) => {
        const scope: SearchScope = {
          ledgers: [
            { name: 'main', size: main },
            { name: 'payments', size: payments },
          ],
          query: parseQuery(text, NOW_MS),
          ...(sinceMs === undefined ? {} : { sinceMs }),
          ...(untilMs === undefined ? {} : { untilMs }),
        }
        const found = rows.filter(({ ledger, index, document }) => {
          const { timeMs } = document
          const isWithin = timeMs >= (sinceMs ?? -Infinity) && timeMs < (untilMs ?? Infinity)
          return isWithin && index < (ledger === 'main' ? main : payments) && matches(scope.query, document, ledger)
        })
        const times = found.map(({ document }) => document.timeMs)
        const span = { firstMs: Math.min(...times), lastMs: Math.max(...times) }
        assert.deepEqual(await search.span(scope, signal), times.length === 0 ? undefined : span)
        const toMs = fromMs + 400 * stepMs
        const request = { fromMs, toMs, stepMs, ...(by === undefined ? {} : { by }) }
        const buckets = await search.histogram(scope, request, signal)
        const counted = new Map<string, number>()
        for (const { ledger, document } of found) {
          const { timeMs, source, classUid, severity, outcome } = document
          if (timeMs < fromMs || timeMs >= toMs) continue
          const values = { outcome: outcome[0] ?? '', class: classUid, severity, source, ledger }
          const key = `${Math.floor((timeMs - fromMs) / stepMs)} ${by === undefined ? '' : values[by]}`
          counted.set(key, (counted.get(key) ?? 0) + 1)
        }
        const told = buckets.flatMap(({ startMs, count, by: values }) => {
          if (by !== undefined)
            assert.equal(
              count,
              values.reduce((sum, one) => sum + one.count, 0),
            )
          const each = by === undefined ? [{ value: '', count }] : values
          return each.map((one) => [`${(startMs - fromMs) / stepMs} ${one.value}`, one.count] as const)
        })
        assert.deepEqual(new Map(told), counted)
      }),
      { seed: SEED, numRuns: 25 },
    )
  })

  it('are read where they tell all that is asked, and rows only beside whole slabs', async () => {
    const plans: string[] = []
    const explaining = new Search(
      () =>
        ({
          exec: async ({ query, ...rest }: { query: string }) => {
            const explained = `EXPLAIN ${query.replace(/ FORMAT JSONCompactEachRow$/, '')}`
            plans.push(
              await (await server.search.query({ ...rest, query: explained, format: 'TabSeparatedRaw' })).text(),
            )
            return await server.search.exec({ query: 'SELECT 1 WHERE 0 FORMAT JSONCompactEachRow' })
          },
        }) as never,
      () => 'events',
    )
    const scope: SearchScope = { ledgers: [{ name: 'main', size: 3 * SLAB_COUNT }], query: parseQuery('', NOW_MS) }
    await explaining.span(scope, signal)
    const request = { fromMs: NOW_MS, toMs: NOW_MS + 30 * DAY_MS, stepMs: DAY_MS, by: 'outcome' } as const
    await explaining.histogram(scope, request, signal)
    assert.equal(plans.length, 2)
    for (const plan of plans) assert.equal(plan.match(/ReadFromMergeTree \(counts\)/g)?.length, 1, plan)
  })
})
