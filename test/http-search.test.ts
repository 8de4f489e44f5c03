// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the server makes of an index: the index here is in memory, finds what it should, and lies where a test says so.

import assert from 'node:assert/strict'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { indexStatusSchema } from '../src/http/search-schemas.ts'
import type { Found } from '../src/index/search.ts'
import { append, eventAt, EVENTS, ground, indexesOf, MINUTE_MS, search, START_MS } from './search-ground.ts'
import { eventsOf, type Json, problemOf } from './server-fixture.ts'

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
  // What older mappings made of an event may be something else than it is now: that is no lie.
  index.isCurrent = false
  index.lie = (found) => found.toSpliced(1, 0, { ledger: 'main', index: 1, timeMs: at(2) })
  assert.deepEqual(indexesOf(await search(server, { q: 'actor:alice' }, token)), [2, 1, 0])
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
    const response = await server.ask(`/v1/ledgers/${ledger}/events?${new URLSearchParams(rest).toString()}`, {
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
  parts[3] = 999_999
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
  const searched = async (q: string, token?: string) =>
    Object.keys((await search(server, { ledger: '*', q }, token)).ledgers)
  assert.deepEqual(await searched(''), ['main', 'one', 'two', 'three'])
  assert.deepEqual(await searched('stele OR ledger:access'), ['access', 'main', 'one', 'two', 'three'])
  assert.deepEqual(await searched('ledger:(sys* main)'), ['system', 'main', 'one', 'two', 'three'])
  assert.equal((await search(server, { ledger: '*', q: 'actor:alice "events.search"' })).total.count, 0)
  const own = await search(server, { ledger: '*', q: 'ledger:access "events.search"', limit: '1' })
  assert.equal(own.hits[0].ledger, 'access')
  assert.equal(
    (await search(server, { ledger: '*', q: 'ledger:access "events.search"', limit: '1', cursor: own.next })).hits[0]
      .ledger,
    'access',
  )
  assert.equal(
    (await search(server, { ledger: 'access', q: '"events.search"' })).hits[0].ocsf.metadata.log_name,
    'access',
  )
  const facets = await server.askJson('/v1/ledgers/*/facets?fields=ledger')
  assert.deepEqual(Object.keys(facets.ledgers), ['main', 'one', 'two', 'three'])
  const reserved = await server.token(['read'], { ledgers: ['system'] })
  assert.deepEqual(await searched('', reserved), [])
  assert.deepEqual(await searched('ledger:system', reserved), ['system'])
  assert.deepEqual(await searched('ledger:access', reserved), [])
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
  const token = await server.token(['read'], { ledgers: ['main', 'other'], label: 'night shift' })
  const by = token.split('_')[1]
  const last = async (path: string): Promise<Json> => {
    const { size } = server.ledgers.log('access')
    const response = await server.ask(path, { token })
    // The headers are here, the body is not read yet: the record is durable already.
    const records = await eventsOf(server, 'access')
    assert.equal(records.length, size + 1)
    assert.equal(response.status, 200)
    await response.text()
    const { type, v, via, label, ...record } = records.at(-1)
    assert.deepEqual([type, v, via, record.by, label], ['read', 1, '127.0.0.1', by, 'night shift'])
    return record
  }
  assert.deepEqual(await last(`${EVENTS}?q=actor:alice&limit=2&since=2026-01-01&until=2027-01-01`), {
    action: 'events.search',
    ledger: 'main',
    count: 2,
    total: 60,
    exact: true,
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
    total: 61,
    exact: true,
    query: '',
    ledgers: [
      { ledger: 'other', first: 0, last: 0, count: 1 },
      { ledger: 'main', first: 1, last: 59, count: 59 },
    ],
    by,
  })
  assert.deepEqual((await last(`${EVENTS}?q=actor:nobody`)).ledgers, [], 'that nothing was found is read, too')
  const long = `aa ${`${'\u{1F600}'.repeat(5)} `.repeat(200)}`
  const { query } = await last(`${EVENTS}?${new URLSearchParams({ q: long }).toString()}`)
  assert.equal(query, long.toWellFormed())
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
    await server.ask(`${EVENTS}?${new URLSearchParams({ q: 'a acter:b' }).toString()}`),
    400,
    'query-malformed',
  )
  assert.deepEqual([problem.column, problem.length, problem.suggestion], [3, 5, 'actor'])
  assert.match(problem.detail, /^[A-Z].*\.$/)
  const long = await server.ask(`${EVENTS}?${new URLSearchParams({ q: '"é" '.repeat(2_049) }).toString()}`)
  assert.match((await problemOf(long, 400, 'query-malformed')).detail, /at most 8192 characters/)
  const endless = await server.ask(`${EVENTS}?q=${'actor:alice+OR+'.repeat(5_000)}x`)
  const head = await problemOf(endless, 431, 'request-head-too-large')
  assert.match(head.detail, /have 40960 bytes together at most; a query has at most 8192 characters/)
  assert.equal(head.limit, 40_960)
  const wrong: readonly (readonly [path: string, said: RegExp])[] = [
    ['/events?limit=1001', /^limit: is not a number from 1 to 1000\.$/],
    ['/events?limit=1e3', /^limit: /],
    ['/events?since=soon', /^since: a time is written 2026-01-31, /],
    ['/events?until=2026-13-01', /^until: a time is written/],
    ['/events?since=2026-01-02&until=2026-01-01', /^since: it is later than until/],
    ['/facets?fields=actor&since=-1h&until=-2h', /^since: it is later than until/],
    ['/histogram?since=now&until=yesterday', /^since: it is later than until/],
    ['/events?q=a&q=b', /^q: it is there more than once\.$/],
    ['/events?wait=-1', /^wait: /],
    ['/events?sort=time', /^query: there is no "sort"; there are q, since, until, limit, cursor, wait\.$/],
    ['/facets', /^fields: it is missing\.$/],
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

test('classes and severities are counted by number, with their names beside it', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(1, { action: 'sign in' })])
  const { facets } = await server.askJson('/v1/ledgers/main/facets?fields=class,severity,actor')
  assert.deepEqual(facets.class, [{ value: '3002', name: 'Authentication', count: 1 }])
  assert.deepEqual(facets.severity, [{ value: '1', name: 'informational', count: 1 }])
  assert.deepEqual(facets.actor, [{ value: 'alice', count: 1 }])
  const { buckets } = await server.askJson('/v1/ledgers/main/histogram?by=class')
  assert.deepEqual(buckets[0].by, facets.class)
})

test('while nothing can be searched the log says so once in a while and not for each search, and nobody is told addresses', async (context) => {
  const { server, index } = await ground(context)
  index.state = 'unavailable'
  index.reason = 'the search server does not answer: connect ECONNREFUSED 127.0.0.1:23248'
  for (let count = 0; count < 5; count++) {
    const { detail } = await problemOf(await server.ask(EVENTS), 503, 'search-unavailable')
    assert.match(detail, /^Nothing can be searched now: the search server does not answer; it is being started again/)
    assert.doesNotMatch(detail, /ECONN|127\.0/)
  }
  const lines = server.logged.filter((line) => 'code' in line && line.code === 'search-unavailable')
  assert.equal(lines.length, 1)
})
