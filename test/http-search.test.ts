// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the server makes of an index: the index here is in memory, finds what it should, and lies where a test says so.

import assert from 'node:assert/strict'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { foundSchema, facetsSchema, histogramSchema, indexStatusSchema } from '../src/http/search-schemas.ts'
import { SearchFault } from '../src/index/search-fault.ts'
import type { Found } from '../src/index/search.ts'
import { ListedIndex } from './listed-index.ts'
import { eventsOf, eventually, type Json, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'
const MINUTE_MS = 60_000
const START_MS = Date.parse('2026-01-05T00:00:00Z')

interface Ground {
  readonly server: TestServer
  readonly index: ListedIndex
}

async function ground(context: TestContext): Promise<Ground> {
  const server = await startTestServer(context)
  return { server, index: new ListedIndex(server) }
}

function eventAt(minute: number, rest: object = {}): string {
  return JSON.stringify({ time: new Date(START_MS + minute * MINUTE_MS).toISOString(), actor: 'alice', ...rest })
}

async function append(server: TestServer, events: readonly string[], ledger = 'main'): Promise<void> {
  await server.askJson(`/v1/ledgers/${ledger}/events`, { body: events.join('\n'), type: 'application/x-ndjson' })
}

async function search(
  server: TestServer,
  query: Record<string, string> = {},
  token = server.adminToken,
): Promise<Json> {
  const { ledger = 'main', ...rest } = query
  const answer = await server.askJson(`/v1/ledgers/${ledger}/events?${new URLSearchParams(rest)}`, { token })
  foundSchema.parse(answer)
  return answer
}

function indexesOf({ hits }: Json): number[] {
  return hits.map(({ index }: Json) => index)
}

test('P5 P6: hits come newest first by the time of the event, each as reading it by index gives it', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(5), eventAt(9, { actor: 'bob' }), eventAt(1), eventAt(5, { n: 2 })])
  const found = await search(server)
  assert.deepEqual(indexesOf(found), [1, 3, 0, 2])
  for (const hit of found.hits) assert.deepEqual(hit, await server.askJson(`${EVENTS}/${hit.index}`))
  const { hits: _, ...rest } = found
  assert.deepEqual(rest, { total: { count: 4, exact: true }, indexed: 4, size: 4 })
  assert.deepEqual(indexesOf(await search(server, { q: 'actor:alice' })), [3, 0, 2])
  assert.deepEqual(indexesOf(await search(server, { q: '-actor:alice' })), [1])
  assert.deepEqual(indexesOf(await search(server, { q: 'actor:nobody' })), [])
  assert.deepEqual(
    indexesOf(await search(server, { since: '2026-01-05T00:05:00Z', until: '2026-01-05T00:09:00Z' })),
    [3, 0],
  )
  assert.equal(found.hits[0].ocsf.actor.user.name, 'bob')
  assert.equal(found.hits[0].time, '2026-01-05T00:09:00.000Z')
})

test('P6: what an index claims and the ledger does not bear out is left out, counted, and shown to operators', async (context) => {
  const { server, index } = await ground(context)
  await server.createLedger('secret')
  await append(server, [eventAt(1), eventAt(2, { actor: 'bob' }), eventAt(3)])
  await append(server, [eventAt(4)], 'secret')
  const at = (minute: number) => START_MS + minute * MINUTE_MS
  const lies: readonly Found[] = [
    { ledger: 'main', index: 1, timeMs: at(2) },
    { ledger: 'main', index: 3, timeMs: at(9) },
    { ledger: 'main', index: 0, timeMs: at(2) },
    { ledger: 'main', index: -1, timeMs: at(1) },
    { ledger: 'main', index: 0.5, timeMs: at(1) },
    { ledger: 'main', index: Number.NaN, timeMs: at(1) },
    { ledger: 'secret', index: 0, timeMs: at(4) },
    { ledger: 'none', index: 0, timeMs: at(4) },
    { ledger: '__proto__', index: 0, timeMs: at(4) },
    { ledger: 'main', index: 0, timeMs: Number.NaN },
  ]
  const token = await server.token(['read'], { ledgers: ['main'] })
  for (const lie of lies) {
    for (const place of [0, 1, 2]) {
      index.lie = (found) => found.toSpliced(place, 0, lie)
      const found = await search(server, { q: 'actor:alice' }, token)
      assert.deepEqual([indexesOf(found), found.disagreements], [[2, 0], 1], JSON.stringify([lie, place]))
    }
  }
  index.lie = (found) => [...found, ...found]
  assert.deepEqual(indexesOf(await search(server, { q: 'actor:alice' }, token)), [2, 0])
  index.lie = (found) => found.toReversed()
  const turned = await search(server, { q: 'actor:alice' }, token)
  assert.deepEqual([indexesOf(turned), turned.disagreements], [[0], 1])
  assert.match(await (await server.ask('/metrics')).text(), /^stele_index_disagreements_total 33$/m)
  index.isCurrent = false
  await search(server, { q: 'actor:alice' }, token)
  assert.match(await (await server.ask('/metrics')).text(), /^stele_index_disagreements_total 33$/m)
})

test('P4 P6: an event that was changed on the disk is no hit, and readiness says that there is one', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(1, { amount: 1000 }), eventAt(2, { amount: 2000 })])
  const folder = join(server.directory, 'data', 'wal')
  await search(server)
  const [name] = await readdir(folder)
  const file = await open(join(folder, name!), 'r+')
  const at = (await file.readFile()).indexOf('"amount":1000') + '"amount":'.length
  await file.write(Buffer.from('9'), 0, 1, at)
  await file.close()
  const found = await search(server, { q: 'actor:alice' })
  assert.deepEqual([indexesOf(found), found.disagreements], [[1], 1])
  assert.equal((await server.ask('/readyz')).status, 503)
})

test('pages are those of one moment: each event once and in order, while others arrive and relative times move', async (context) => {
  for (const ledger of ['main', '*']) {
    const { server } = await ground(context)
    await server.createLedger('other')
    for (const name of ['main', 'other']) {
      await append(
        server,
        Array.from({ length: 25 }, (_, n) => eventAt(n % 7, { n })),
        name,
      )
    }
    const token = await server.token(['read'], { ledgers: ['main', 'other'] })
    const count = ledger === '*' ? 50 : 25
    const seen: string[] = []
    const times: string[] = []
    let cursor: string | undefined
    do {
      const query = { ledger, limit: '4', q: 'actor:alice before:now' }
      const found = await search(server, cursor === undefined ? query : { ...query, cursor }, token)
      assert.deepEqual(found.total, { count, exact: true })
      for (const hit of found.hits) {
        seen.push(`${hit.ledger ?? 'main'} ${hit.index}`)
        times.push(hit.time)
      }
      await append(server, [eventAt(3, { late: seen.length }), eventAt(1e6)])
      cursor = found.next
    } while (cursor !== undefined)
    assert.deepEqual([new Set(seen).size, seen.length], [count, count])
    assert.deepEqual(times, times.toSorted().reverse())
  }
})

test('a cursor goes on with its own search and its own ledgers only, and never beyond what there is', async (context) => {
  const { server } = await ground(context)
  await server.createLedger('secret')
  await append(server, [eventAt(1), eventAt(2), eventAt(3)])
  await append(server, [eventAt(4), eventAt(5)], 'secret')
  const all = await search(server, { ledger: '*', limit: '1' })
  const bound = await server.token(['read'], { ledgers: ['main'] })
  const own = await search(server, { ledger: '*', limit: '1' }, bound)
  const bad = async (query: Record<string, string>, token?: string) => {
    const { ledger = 'main', ...rest } = query
    const response = await server.ask(`/v1/ledgers/${ledger}/events?${new URLSearchParams(rest)}`, {
      token: token ?? server.adminToken,
    })
    const problem = await problemOf(response, 422, 'invalid-field')
    assert.match(problem.detail, /^cursor: /)
  }
  await bad({ ledger: '*', cursor: all.next }, bound)
  await bad({ ledger: 'main', cursor: own.next }, bound)
  await bad({ ledger: '*', cursor: own.next, q: 'x' }, bound)
  await bad({ ledger: '*', cursor: own.next, since: '2026-01-01' }, bound)
  await bad({ cursor: 'x' })
  const parts = JSON.parse(Buffer.from((await search(server, { limit: '1' })).next, 'base64url').toString())
  parts[8] = [4]
  await bad({ cursor: Buffer.from(JSON.stringify(parts)).toString('base64url') })
  assert.deepEqual(indexesOf(await search(server, { ledger: '*', limit: '1', cursor: own.next }, bound)), [1])
})

test('* is all that the token may read, and nothing shows that there is more', async (context) => {
  const { server } = await ground(context)
  for (const name of ['one', 'two']) await server.createLedger(name)
  await append(server, [eventAt(1)], 'one')
  await append(server, [eventAt(2)], 'two')
  const token = await server.token(['read', 'append'], { ledgers: ['one', 'main'] })
  const before = await search(server, { ledger: '*' }, token)
  await server.createLedger('three')
  await append(server, [eventAt(3), eventAt(4)], 'three')
  await append(server, [eventAt(5)], 'two')
  assert.deepEqual(await search(server, { ledger: '*' }, token), before)
  assert.deepEqual(before.ledgers, { main: { indexed: 0, size: 0 }, one: { indexed: 1, size: 1 } })
  assert.deepEqual([before.indexed, before.size, before.total.count], [1, 1, 1])
  assert.deepEqual(
    before.hits.map(({ ledger }: Json) => ledger),
    ['one'],
  )
  for (const below of ['facets?fields=actor,ledger', 'histogram']) {
    const text = JSON.stringify(await server.askJson(`/v1/ledgers/*/${below}`, { token }))
    assert.ok(text.includes('"one"') && !text.includes('two') && !text.includes('three'), text)
  }
  const status = indexStatusSchema.parse(await server.askJson('/v1/index', { token }))
  assert.deepEqual(Object.keys(status.ledgers), ['main', 'one'])
  // Stele's own ledgers are for those who may read them; heads holds no events.
  const { ledgers } = await search(server, { ledger: '*' })
  assert.deepEqual(Object.keys(ledgers), ['system', 'access', 'main', 'one', 'two', 'three'])
  const reserved = await server.token(['read'], { ledgers: ['system'] })
  assert.deepEqual(Object.keys((await search(server, { ledger: '*' }, reserved)).ledgers), ['system'])
  const appender = await server.token(['append'], { ledgers: ['*'] })
  await problemOf(await server.ask('/v1/ledgers/*/events', { token: appender }), 403, 'scope-missing')
  await problemOf(await server.ask('/v1/ledgers/heads/events'), 403, 'ledger-reserved')
  await problemOf(await server.ask('/v1/ledgers/*/events/0'), 404, 'ledger-unknown')
  await problemOf(await server.ask('/v1/ledgers/*'), 404, 'ledger-unknown')
})

test('P7: a search is on record before its first byte, with the question and every event that it shows', async (context) => {
  const { server } = await ground(context)
  await server.createLedger('other')
  await append(
    server,
    Array.from({ length: 60 }, (_, n) => eventAt(n)),
  )
  await append(server, [eventAt(100)], 'other')
  const token = await server.token(['read'], { ledgers: ['main', 'other'] })
  const by = token.split('_')[1]
  const last = async (path: string): Promise<Json> => {
    const { size } = server.ledgers.log('access')
    const response = await server.ask(path, { token })
    // The headers are here, the body is not read yet: the record is durable already.
    const records = await eventsOf(server, 'access')
    assert.equal(records.length, size + 1)
    assert.equal(response.status, 200)
    await response.text()
    const { type, v, via, ...record } = records.at(-1)
    assert.deepEqual([type, v, via, record.by], ['read', 1, '127.0.0.1', by])
    return record
  }
  assert.deepEqual(await last(`${EVENTS}?q=actor:alice&limit=2&since=2026-01-01&until=2027-01-01`), {
    action: 'events.search',
    ledger: 'main',
    count: 2,
    query: 'actor:alice',
    since: '2026-01-01',
    until: '2027-01-01',
    ledgers: [{ ledger: 'main', indexes: [59, 58] }],
    by,
  })
  assert.deepEqual(await last('/v1/ledgers/*/events?limit=60'), {
    action: 'events.search',
    ledger: '*',
    count: 60,
    query: '',
    ledgers: [
      { ledger: 'other', first: 0, last: 0, count: 1 },
      { ledger: 'main', first: 1, last: 59, count: 59 },
    ],
    by,
  })
  assert.deepEqual((await last(`${EVENTS}?q=actor:nobody`)).ledgers, [], 'that nothing was found is read, too')
  // Its 1,024th character is the first half of one.
  const long = `aa ${`${'\u{1F600}'.repeat(5)} `.repeat(200)}`
  const { query, queryChars } = await last(`${EVENTS}?${new URLSearchParams({ q: long })}`)
  assert.deepEqual([query.length, queryChars, query.isWellFormed()], [1_024, long.length, true])
  assert.deepEqual(await last('/v1/ledgers/*/facets?fields=actor,action&q=x'), {
    action: 'facets.read',
    ledger: '*',
    query: 'x',
    fields: ['actor', 'action'],
    ledgers: [
      { ledger: 'main', size: 60 },
      { ledger: 'other', size: 1 },
    ],
    by,
  })
  assert.equal((await last('/v1/ledgers/main/histogram?by=outcome')).action, 'histogram.read')
  const { size } = server.ledgers.log('access')
  await problemOf(await server.ask(`${EVENTS}?q=(`, { token }), 400, 'query-malformed')
  await problemOf(await server.ask(`${EVENTS}?limit=0`, { token }), 422, 'invalid-field')
  assert.equal(server.ledgers.log('access').size, size)
})

test('a question that cannot be asked is refused, with the place in the query and what may have been meant', async (context) => {
  const { server } = await ground(context)
  const problem = await problemOf(
    await server.ask(`${EVENTS}?${new URLSearchParams({ q: 'a acter:b' })}`),
    400,
    'query-malformed',
  )
  assert.deepEqual([problem.column, problem.length, problem.suggestion], [3, 5, 'actor'])
  assert.match(problem.detail, /^[A-Z].*\.$/)
  const wrong: readonly (readonly [path: string, said: RegExp])[] = [
    ['/events?limit=1001', /^limit: is not a number from 1 to 1000\.$/],
    ['/events?limit=1e3', /^limit: /],
    ['/events?since=soon', /^since: use a date/],
    ['/events?until=2026-13-01', /^until: use a date/],
    ['/events?wait=-1', /^wait: /],
    ['/events?sort=time', /Unrecognized key/],
    ['/facets', /^fields: /],
    ['/facets?fields=actor,nope', /^fields: the fields are actor, target, /],
    ['/facets?fields=', /^fields: the fields are actor/],
    ['/facets?fields=__proto__', /^fields: the fields are actor/],
    ['/facets?fields=actor,target,action,outcome,ip,source,app,session,correlation', /^fields: ask for 8 at most/],
    ['/facets?fields=actor&top=0', /^top: /],
    ['/histogram?buckets=501', /^buckets: /],
    ['/histogram?by=text', /^by: the fields are /],
  ]
  for (const [path, said] of wrong) {
    const { detail } = await problemOf(await server.ask(`/v1/ledgers/main${path}`), 422, 'invalid-field')
    assert.match(detail, said, path)
  }
})

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
    for (const path of ['/v1/index/rebuild', '/v1/index/check']) {
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
  await eventually(() => index.askedCount >= 8)
  const refused = await server.ask(EVENTS)
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.equal((await problemOf(refused, 429, 'too-many-requests')).limit, 8)
  const other = await server.token(['read'])
  const last = server.ask(EVENTS, { token: other, signal: stop.signal }).catch(() => 'left')
  await eventually(() => index.askedCount >= 10)
  stop.abort()
  assert.deepEqual(new Set(await Promise.all([...running, last])), new Set(['left']))
  await eventually(() => index.abortedCount >= 9)
  await eventually(async () => /^stele_searches_running 0$/m.test(await (await server.ask('/metrics')).text()))
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
    const text = await (await server.ask(`${EVENTS}?${query}`)).text()
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
