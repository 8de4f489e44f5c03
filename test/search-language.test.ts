// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// ClickHouse against the plain evaluation in memory, over random events and random queries.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { ClickHouseClient } from '@clickhouse/client'
import fc from 'fast-check'

import { RowBlock } from '../src/index/rows.ts'
import { type Found, type HitOrder, Search, SearchFault, type SearchScope } from '../src/index/search.ts'
import type { SearchDocument } from '../src/query/document.ts'
import { matches } from '../src/query/evaluate.ts'
import { type FieldName, fields } from '../src/query/fields.ts'
import { formatQuery } from '../src/query/format.ts'
import { MAX_QUERY_CHARS, parseQuery } from '../src/query/parse.ts'
import { fillTable, noClickHouse, startClickHouse, type TestClickHouse } from './clickhouse-fixture.ts'
import { countedValues } from './counted-values.ts'
import { beyond } from './listed-index.ts'
import { documents, NOW_MS, oddTexts, queryTexts } from './search-arbitraries.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 10)
const LEDGERS = ['main', 'access', 'payments-2']
const EVENT_COUNT = 400

interface Row {
  readonly ledger: string
  readonly index: number
  readonly document: SearchDocument
}

/** Newest first, by ledger, highest index first. */
function inOrder(one: Row, other: Row): number {
  const byTime = other.document.timeMs - one.document.timeMs
  if (byTime !== 0) return byTime
  if (one.ledger !== other.ledger) return one.ledger < other.ledger ? -1 : 1
  return other.index - one.index
}

describe('the search language in ClickHouse', { skip: noClickHouse }, () => {
  const { signal } = new AbortController()
  let server: TestClickHouse
  let search: Search
  let rows: Row[]

  before(async () => {
    console.log(`seed ${SEED}`)
    server = await startClickHouse()
    search = new Search(
      () => server.search,
      () => 'events',
      // Of a machine that is busy; what is too heavy has a test of its own.
      { timeMs: 60_000, countTimeMs: 60_000, memoryBytes: 2 ** 30, threadCount: 2 },
    )
    const sampled = fc.sample(documents, { seed: SEED, numRuns: EVENT_COUNT })
    rows = sampled.map((document, at) => ({
      ledger: LEDGERS[at % LEDGERS.length]!,
      index: Math.floor(at / LEDGERS.length),
      document,
    }))
    // Several parts, so that an answer is put together of them.
    const third = Math.ceil(EVENT_COUNT / 3)
    const blocks = [0, third, 2 * third].map((start) => {
      const block = new RowBlock()
      for (const { ledger, index, document } of rows.slice(start, start + third)) block.add(ledger, index, document)
      return block
    })
    await fillTable(server, 'events', blocks)
    rows.sort(inOrder)
  })

  after(async () => await server[Symbol.asyncDispose]())

  function scopeOf(text: string, rest: Partial<SearchScope> = {}): SearchScope {
    const ledgers = LEDGERS.map((name) => ({ name, size: EVENT_COUNT }))
    return { ledgers, query: parseQuery(text, NOW_MS), ...rest }
  }

  function expected({ ledgers, query, sinceMs = -Infinity, untilMs = Infinity }: SearchScope): Row[] {
    return rows.filter(({ ledger, index, document }) => {
      const size = ledgers.find(({ name }) => name === ledger)?.size ?? 0
      const { timeMs } = document
      return index < size && timeMs >= sinceMs && timeMs < untilMs && matches(query, document, ledger)
    })
  }

  function foundOf({ ledger, index, document }: Row): Found {
    return { ledger, index, timeMs: document.timeMs }
  }

  async function pages(scope: SearchScope, limit: number, order: HitOrder = 'newest'): Promise<Found[]> {
    const all: Found[] = []
    for (;;) {
      const last = all.at(-1)
      const wish = { limit, order, ...(last === undefined ? {} : { after: last }) }
      const { hits } = await search.hits(scope, wish, signal)
      all.push(...hits)
      if (hits.length < limit) return all
    }
  }

  function countsOf(found: readonly Row[], field: FieldName, absent: boolean): { value: string; count: number }[] {
    const counts = new Map<string, number>()
    for (const { document, ledger } of found) {
      const values = countedValues(field, document, ledger)
      for (const value of values.length === 0 && absent ? [''] : values) counts.set(value, (counts.get(value) ?? 0) + 1)
    }
    return [...counts].map(([value, count]) => ({ value, count }))
  }

  function byValue(one: { value: string }, other: { value: string }): number {
    return Buffer.compare(Buffer.from(one.value), Buffer.from(other.value))
  }

  const scopes = fc.record({
    ledgers: fc.oneof(
      fc.constant(LEDGERS.map((name) => ({ name, size: EVENT_COUNT }))),
      fc.uniqueArray(fc.record({ name: fc.constantFrom(...LEDGERS), size: fc.integer({ min: 0, max: 140 }) }), {
        selector: ({ name }) => name,
        maxLength: 3,
      }),
      fc.constant([{ name: 'main', size: 120 }]),
    ),
    since: fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined, freq: 4 }),
    until: fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined, freq: 4 }),
  })

  it('finds what the evaluation in memory finds, in the same order, each hit on one page', async () => {
    let hitCount = 0
    await fc.assert(
      fc.asyncProperty(
        queryTexts,
        scopes,
        fc.integer({ min: 1, max: 60 }),
        async (text, { ledgers, since, until }, limit) => {
          fc.pre(text.length <= MAX_QUERY_CHARS)
          const scope = scopeOf(text, {
            ledgers,
            ...(since === undefined ? {} : { sinceMs: NOW_MS + since * 1_000 }),
            ...(until === undefined ? {} : { untilMs: NOW_MS + until * 1_000 }),
          })
          const wanted = expected(scope)
          hitCount += wanted.length
          // Each run asks in one of the orders: both would take twice as long and show no more.
          const order = limit % 4 === 0 ? 'oldest' : 'newest'
          const inAsked = order === 'newest' ? wanted : wanted.toReversed()
          assert.deepEqual(await pages(scope, limit, order), inAsked.map(foundOf))
          assert.deepEqual(await search.count(scope, signal), { count: wanted.length, exact: true })
        },
      ),
      { seed: SEED, numRuns: RUNS },
    )
    // Queries that find nothing, or all, would show nothing.
    assert.ok(hitCount > RUNS, `only ${hitCount} hits`)
  })

  it('counts values and spans of time as the evaluation in memory does', async () => {
    const requests = fc.record({
      counted: fc.subarray(
        fields.map(({ name }) => name),
        { minLength: 1, maxLength: 8 },
      ),
      stepMs: fc.constantFrom(1, 7, 1_000, 86_400_000),
      from: fc.integer({ min: -6_000, max: 1_000 }),
    })
    await fc.assert(
      fc.asyncProperty(queryTexts, requests, async (text, { counted, stepMs, from }) => {
        const scope = scopeOf(text)
        const found = expected(scope)
        const facets = await search.facets(scope, counted, 5_000, signal)
        const few = await search.facets(scope, counted, 2, signal)
        for (const field of counted) {
          assert.deepEqual(facets[field].toSorted(byValue), countsOf(found, field, false).toSorted(byValue), field)
          assert.deepEqual(
            facets[field].map(({ count }) => count),
            facets[field].map(({ count }) => count).toSorted((one, other) => other - one),
          )
          assert.deepEqual(few[field], facets[field].slice(0, 2))
        }
        const times = found.map(({ document }) => document.timeMs)
        const span = await search.span(scope, signal)
        assert.deepEqual(
          span,
          times.length === 0 ? undefined : { firstMs: Math.min(...times), lastMs: Math.max(...times) },
        )
        const [fromMs, toMs] = [NOW_MS + from, NOW_MS + 5_000]
        const within = found.filter(({ document: { timeMs } }) => timeMs >= fromMs && timeMs < toMs)
        const startOf = ({ document: { timeMs } }: Row) => fromMs + Math.floor((timeMs - fromMs) / stepMs) * stepMs
        const wanted = [...Map.groupBy(within, startOf)].toSorted(([one], [other]) => one - other)
        for (const by of ['outcome', 'actor'] as const) {
          assert.deepEqual(
            await search.histogram(scope, { fromMs, toMs, stepMs, by }, signal),
            wanted.map(([startMs, group]) => {
              const values = countsOf(group, by, true).toSorted(
                (one, other) => other.count - one.count || byValue(one, other),
              )
              return { startMs, count: group.length, by: values.slice(0, 20), ...beyond(values, 20) }
            }),
          )
        }
      }),
      { seed: SEED, numRuns: Math.ceil(RUNS / 4) },
    )
  })

  it('takes every odd text as what it is: in each field, as a phrase, with a wildcard on either side', async () => {
    for (const odd of oddTexts) {
      const inQuotes = `"${odd.replaceAll(/["\\*]/g, '\\$&')}"`
      for (const text of [
        inQuotes,
        `actor:${inQuotes}`,
        `-action:${inQuotes}`,
        `target:${inQuotes.slice(0, -1)}*"`,
        `"*${inQuotes.slice(1)}`,
      ]) {
        let scope
        try {
          scope = scopeOf(text)
        } catch {
          continue
        }
        const { hits } = await search.hits(scope, { limit: 1_000 }, signal)
        assert.deepEqual(hits, expected(scope).map(foundOf), text)
        assert.deepEqual(parseQuery(formatQuery(scope.query), NOW_MS), scope.query, text)
      }
    }
  })

  it('carries the largest query that is read', async () => {
    const many = Array.from({ length: 256 }, (_, at) => `"王*小${at}"`).join(' OR ')
    const long = `"${'王'.repeat(1_020)}*"`
    for (const text of [
      many,
      Array.from({ length: 7 }, () => long).join(' '),
      'a* '.repeat(256).trim(),
      `actor:"${'*a'.repeat(16)}"`,
    ]) {
      const scope = scopeOf(text)
      assert.deepEqual((await search.hits(scope, { limit: 5 }, signal)).hits, expected(scope).slice(0, 5).map(foundOf))
    }
  })

  it('finds hundreds of values at one path at once, and refuses as too heavy what is more than ClickHouse takes', async () => {
    const many = (of: (at: number) => string) => Array.from({ length: 120 }, (_, at) => of(at)).join(' OR ')
    let hitCount = 0
    for (const path of ['raw.key', 'raw.a', 'raw.b']) {
      const ranges = `${many((at) => `${at}..${at + 0.5}`)} OR >1000 OR <-2 OR >=900 OR <=-1.5`
      const values = many((at) => (at === 7 ? 'true' : `v${at}`))
      const mixed = '<0 OR 10.0.0.0/8 OR *e* OR fe80::/16 OR 5..6 OR x OR true'
      for (const text of [ranges, values, mixed, `${ranges} OR ${values}`].map((of) => `${path}:(${of})`)) {
        const all = expected(scopeOf(text))
        hitCount += all.length
        assert.deepEqual(await pages(scopeOf(text), 1_000), all.map(foundOf), text)
      }
    }
    assert.ok(hitCount > 50, `${hitCount} hits`)
    const wide = scopeOf(Array.from({ length: 256 }, (_, at) => `raw.x${at}:${at}..${at + 1}`).join(' OR '))
    await assert.rejects(
      search.hits(wide, { limit: 1 }, signal),
      (error: unknown) => error instanceof SearchFault && error.reason === 'too-heavy' && !error.isOfTime,
    )
  })

  it('says that a search is too heavy, that nothing is there to ask, and stops when nobody waits', async () => {
    const scope = scopeOf('*e*')
    const heavy = scopeOf(Array.from({ length: 256 }, (_, at) => `*${at}*x*`).join(' OR '))
    const limits = { timeMs: 1, countTimeMs: 1, memoryBytes: 1e9, threadCount: 1 }
    const hurried = new Search(
      () => server.search,
      () => 'events',
      limits,
    )
    const isHeavy = (error: unknown) => error instanceof SearchFault && error.reason === 'too-heavy'
    await assert.rejects(hurried.facets(heavy, ['actor'], 10, signal), isHeavy)
    assert.equal((await hurried.count(heavy, signal)).exact, false)
    const missing = new Search(
      () => server.search,
      () => 'nothing',
    )
    const isGone = (error: unknown) => error instanceof SearchFault && error.reason === 'unavailable'
    await assert.rejects(missing.hits(scope, { limit: 1 }, signal), isGone)
    const left = new AbortController()
    const waiting = search.hits(scope, { limit: 1 }, left.signal)
    left.abort(new Error('left'))
    await assert.rejects(waiting, /left/)
  })

  it('tells as many hits as it found in time, where counting takes longer than it may', async () => {
    const endless = 'SELECT 1 FROM numbers(1000000000000) WHERE cityHash64(number) % 200000 = 7 LIMIT 10001'
    const client: Pick<ClickHouseClient, 'exec'> = {
      exec: async (request) =>
        await server.search.exec({ ...request, query: `${endless} FORMAT JSONCompactEachRow`, query_params: {} }),
    }
    const limits = { timeMs: 10_000, countTimeMs: 600, memoryBytes: 1e9, threadCount: 1 }
    const counting = new Search(
      () => client as ClickHouseClient,
      () => 'events',
      limits,
    )
    const { count, exact } = await counting.count(scopeOf(''), signal)
    assert.equal(exact, false)
    assert.ok(count > 0 && count < 10_000, `${count}`)
  })

  /** A search whose statements are exchanged for what `rewrite` makes of them; with the same settings and signal. */
  function rewritten(rewrite: (sql: string) => string, answers: string[] = []): Search {
    const ask = async (request: Parameters<ClickHouseClient['exec']>[0]) => {
      const query = rewrite(request.query.replace(/ FORMAT JSONCompactEachRow$/, ''))
      const { values: _, ...rest } = { values: undefined, ...request }
      const answer = await server.search.query({ ...rest, query, format: 'TabSeparatedRaw' })
      answers.push(await answer.text())
      return await server.search.exec({ ...rest, query: 'SELECT 1 WHERE 0 FORMAT JSONCompactEachRow' })
    }
    const client: Pick<ClickHouseClient, 'exec'> = { exec: ask }
    return new Search(
      () => client as ClickHouseClient,
      () => 'events',
    )
  }

  it('answers whole values and whole words out of the indexes, without the text of the events', async () => {
    for (const [text, index] of [
      ['actor:alice', 'actor_values'],
      ['target:(alice OR bob)', 'target_values'],
      ['session:x', 'session_values'],
      ['correlation:x', 'correlation_values'],
      ['alice', 'text_tokens'],
      ['alice bob', 'text_tokens'],
    ] as const) {
      const plans: string[] = []
      const explaining = rewritten((sql) => `EXPLAIN indexes = 1, actions = 1 ${sql}`, plans)
      const scope = scopeOf(text, { ledgers: [{ name: 'main', size: EVENT_COUNT }] })
      await explaining.hits(scope, { limit: 50 }, signal)
      assert.match(plans[0] ?? '', new RegExp(`Name: ${index}`), text)
      assert.match(plans[0] ?? '', /Read type: InReverseOrder/, text)
      if (index === 'text_tokens') assert.match(plans[0] ?? '', /__text_index_text_tokens/, text)
    }
  })

  it('ends the work in ClickHouse too when nobody waits any more', async () => {
    const running = async () => {
      const answer = await server.feed.query({
        query: `SELECT query FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'`,
        format: 'JSONCompactEachRow',
      })
      return (await answer.json()).length
    }
    const left = new AbortController()
    const slow = rewritten(() => 'SELECT count() FROM numbers(10000000000000) WHERE NOT ignore(sipHash64(number))')
    const waiting = slow.hits(scopeOf('*'), { limit: 1 }, left.signal)
    while ((await running()) === 0) await sleep(10)
    left.abort(new Error('left'))
    await assert.rejects(waiting, /left/)
    const endMs = performance.now() + 5_000
    while ((await running()) > 0) {
      assert.ok(performance.now() < endMs, 'it is still running')
      await sleep(20)
    }
  })
})
