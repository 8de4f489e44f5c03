// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a search may cost, what becomes of it where there is no index, and what else asks the index.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { facetsSchema, histogramSchema } from '../src/http/search-schemas.ts'
import { SearchFault } from '../src/index/search-fault.ts'
import { append, eventAt, EVENTS, ground, indexesOf, search } from './search-ground.ts'
import { eventsOf, eventually, type Json, problemOf, startTestServer } from './server-fixture.ts'

test('search says plainly why there is none, and everything else goes on', async (context) => {
  const { server, index } = await ground(context)
  await append(server, [eventAt(1)])
  const paths = ['/events', '/facets?fields=actor', '/histogram', '/events?wait=0']
  const states = [
    { state: 'off', reason: 'the server was started with --no-index' },
    { state: 'starting', reason: undefined },
    { state: 'unavailable', reason: 'ClickHouse was killed and comes back by itself' },
  ]
  for (const { state, reason } of states) {
    Object.assign(index, { state, reason })
    for (const path of paths) {
      const response = await server.ask(`/v1/ledgers/main${path}`)
      assert.equal(response.headers.get('retry-after'), state === 'off' ? null : '5')
      const { detail } = await problemOf(response, 503, 'search-unavailable')
      assert.ok(detail.includes(reason ?? 'the index is starting'), detail)
      assert.match(detail, /Events are stored, read by index and proven as ever\.$/)
    }
    assert.equal((await server.askJson('/v1/status')).index.state, state)
    assert.match(await (await server.ask('/metrics')).text(), /^stele_index_searchable 0$/m)
    // What cannot be opened is begun anew.
    const acts = state === 'unavailable' ? ['/v1/index/check'] : ['/v1/index/check', '/v1/index/rebuild']
    for (const path of acts) {
      await problemOf(await server.ask(path, { method: 'POST' }), 503, 'search-unavailable')
    }
  }
  await append(server, [eventAt(2)])
  await server.askJson(`${EVENTS}/1`)
  assert.equal((await server.ask(`${EVENTS}/1/proof`)).status, 200)
  assert.equal((await server.ask('/readyz')).status, 200, 'readiness is about events')
  Object.assign(index, { state: 'building', reason: undefined })
  await search(server)
  index.fault = new SearchFault('too-heavy', 'The search needs more time than one may have.')
  await problemOf(await server.ask(EVENTS), 422, 'query-too-heavy')
  index.fault = new SearchFault('unavailable', 'the search server does not answer')
  const { detail } = await problemOf(await server.ask(EVENTS), 503, 'search-unavailable')
  assert.match(detail, /^Nothing can be searched now: the search server does not answer\. /)
})

test('wait lets a caller find what was just appended, and says how far the index is where that takes too long', async (context) => {
  const { server, index } = await ground(context)
  index.indexed = 0
  await append(server, [eventAt(1), eventAt(2)])
  const partly = await search(server)
  assert.deepEqual([indexesOf(partly), partly.indexed, partly.size], [[], 0, 2])
  const { detail } = await problemOf(await server.ask(`${EVENTS}?wait=1`), 503, 'search-unavailable')
  assert.match(detail, /entry 1 is not indexed yet, 0 of 2 are/)
  setTimeout(() => (index.indexed = 2), 50)
  assert.deepEqual(indexesOf(await search(server, { wait: '1' })), [1, 0])
  await problemOf(await server.ask(`${EVENTS}?wait=2`), 404, 'index-unknown')
  await problemOf(await server.ask('/v1/ledgers/*/events?wait=0'), 422, 'invalid-field')
})

test('so many searches of a token run at a time, others are told to come back, and one that is left is given up', async (context) => {
  const { server, index } = await ground(context)
  await append(server, [eventAt(1)])
  index.delayMs = 60_000
  const stop = new AbortController()
  const running = Array.from(
    { length: 8 },
    async () => await server.ask(EVENTS, { signal: stop.signal }).catch(() => 'left'),
  )
  // Not all of them are with the index: so many have their turn, the others wait.
  const isRunning = async (count: number) =>
    (await (await server.ask('/metrics')).text()).includes(`\nstele_searches_running ${count}\n`)
  await eventually(async () => await isRunning(8))
  const refused = await server.ask(EVENTS)
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.equal((await problemOf(refused, 429, 'too-many-requests')).limit, 8)
  const other = await server.token(['read'])
  const last = server.ask(EVENTS, { token: other, signal: stop.signal }).catch(() => 'left')
  await eventually(async () => await isRunning(9))
  stop.abort()
  assert.deepEqual(new Set(await Promise.all([...running, last])), new Set(['left']))
  await eventually(() => index.abortedCount > 0 && index.abortedCount === index.askedCount)
  await eventually(async () => await isRunning(0))
  index.delayMs = 0
  assert.deepEqual(indexesOf(await search(server)), [0])
  assert.ok(!server.logged.some((line) => 'level' in line && line.level === 'error'), JSON.stringify(server.logged))
})

test('a page ends where it would be larger than 32 MiB, and the next one goes on, down to single large events', async (context) => {
  const { server } = await ground(context)
  const mebibyte = 1024 * 1024
  const body = (n: number, bytes: number) => eventAt(n, { pad: 'x'.repeat(bytes) })
  for (let n = 0; n < 20; n++) await server.askJson(EVENTS, { body: body(n, 2 * mebibyte) })
  await server.askJson(EVENTS, { body: body(20, 15 * mebibyte) })
  const seen: number[] = []
  let cursor: string | undefined
  let pages = 0
  do {
    const query = new URLSearchParams({ limit: '1000', ...(cursor === undefined ? {} : { cursor }) })
    const text = await (await server.ask(`${EVENTS}?${query.toString()}`)).text()
    assert.ok(text.length <= 33 * mebibyte, `${text.length}`)
    const found = JSON.parse(text)
    assert.ok(found.hits.length > 0)
    seen.push(...indexesOf(found))
    cursor = found.next
    pages++
  } while (cursor !== undefined)
  assert.deepEqual(
    seen,
    Array.from({ length: 21 }, (_, n) => 20 - n),
  )
  assert.ok(pages > 1)
})

test('facets count the values of fields, the most frequent first', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(1), eventAt(2, { actor: 'bob' }), eventAt(3), eventAt(4, { action: 'sign-in' })])
  const answer = facetsSchema.parse(await server.askJson('/v1/ledgers/main/facets?fields=actor,session,actor&top=1'))
  assert.deepEqual(answer, { facets: { actor: [{ value: 'alice', count: 3 }], session: [] }, indexed: 4, size: 4 })
  const some = await server.askJson('/v1/ledgers/main/facets?fields=actor&q=-actor:alice')
  assert.deepEqual(some.facets.actor, [{ value: 'bob', count: 1 }])
})

test('a histogram has every bucket, begins and ends where it is told or where the events do, and counts by a field', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(0), eventAt(0, { actor: 'bob' }), eventAt(3), eventAt(9)])
  const ask = async (query = '') => histogramSchema.parse(await server.askJson(`/v1/ledgers/main/histogram?${query}`))
  const found = await ask('buckets=10&by=actor')
  assert.deepEqual(
    [found.from, found.to, found.stepSeconds],
    ['2026-01-05T00:00:00.000Z', '2026-01-05T00:10:00.000Z', 60],
  )
  assert.deepEqual(
    found.buckets.map(({ count }) => count),
    [2, 0, 0, 1, 0, 0, 0, 0, 0, 1],
  )
  assert.deepEqual(found.buckets[0], {
    time: '2026-01-05T00:00:00.000Z',
    count: 2,
    by: [
      { value: 'alice', count: 1 },
      { value: 'bob', count: 1 },
    ],
  })
  const bound = await ask('buckets=7&since=2026-01-04&until=2026-01-11&q=actor:alice')
  assert.deepEqual(
    [bound.from, bound.to, bound.buckets.length],
    ['2026-01-04T00:00:00.000Z', '2026-01-11T00:00:00.000Z', 7],
  )
  assert.equal(
    bound.buckets.reduce((sum, { count }) => sum + count, 0),
    3,
  )
  assert.deepEqual((await ask('q=actor:nobody')).buckets, [])
})

test('what a histogram leaves out of a bucket it counts: its numbers add up to those of the events', async (context) => {
  const { server } = await ground(context)
  const actors = Array.from({ length: 97 }, (_, at) => eventAt(at % 2, { actor: `a${at % 60}` }))
  await append(server, [...actors, eventAt(2)])
  const path = '/v1/ledgers/main/histogram?buckets=1&by=actor'
  const { buckets } = histogramSchema.parse(await server.askJson(path))
  const [all] = buckets
  assert.deepEqual([all?.count, all?.by?.length, all?.moreValues, all?.moreCount], [98, 20, 41, 98 - 20 * 2])
  const few = histogramSchema.parse(await server.askJson(`${path}&q=actor:(a1 OR a2)`))
  assert.deepEqual(Object.keys(few.buckets[0]!), ['time', 'count', 'by'])
})

test('making the index anew and checking it are acts on record, and their state can be asked for', async (context) => {
  const { server, index } = await ground(context)
  await append(server, [eventAt(1)])
  const by = server.adminToken.split('_')[1]
  const begun = await server.ask('/v1/index/rebuild', { method: 'POST' })
  assert.equal(begun.status, 202)
  assert.deepEqual((await eventsOf(server, 'system')).at(-1), { type: 'index.rebuild.requested', v: 1, by })
  index.rebuild = { indexed: 1, size: 2 }
  assert.deepEqual((await server.askJson('/v1/index')).rebuild, { indexed: 1, size: 2 })
  const bound = await server.token(['read'], { ledgers: ['main'] })
  assert.equal(
    (await server.askJson('/v1/index', { token: bound })).rebuild,
    undefined,
    'sums of ledgers that are not its own',
  )
  await problemOf(await server.ask('/v1/index/check'), 404, 'not-found')
  const check = await server.ask('/v1/index/check', { method: 'POST' })
  assert.deepEqual([check.status, ((await check.json()) as Json).state], [202, 'running'])
  assert.deepEqual((await eventsOf(server, 'system')).at(-1), { type: 'index.check.requested', v: 1, by })
  assert.deepEqual(index.orders, ['rebuild', 'check'])
  const startedAt = new Date().toISOString()
  const findings = [{ ledger: 'main', index: 0, kind: 'changed' as const, columns: ['actor'] }]
  index.check = { state: 'done', checked: 1, size: 1, findings, findingCount: 1, startedAt, endedAt: startedAt }
  assert.deepEqual(await server.askJson('/v1/index/check'), index.check)
  await server.close()
  await startTestServer(context, { directory: server.directory })
})

test('the address itself says what it is and where to look', async (context) => {
  const { server } = await ground(context)
  const response = await server.ask('/', { token: undefined })
  assert.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
  assert.match(await response.text(), /^This is Stele 0\.0\.0-test, .*\n[^]*\/openapi\.json/)
})
