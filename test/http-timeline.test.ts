// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Timelines and related events over HTTP; the index is in memory, and lies where a test says so.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { relatedSchema, timelineSchema } from '../src/http/search-schemas.ts'
import { append, eventAt, EVENTS, ground, indexesOf, START_MS } from './search-ground.ts'
import { eventsOf, type Json, problemOf, type TestServer } from './server-fixture.ts'

type Parameters = readonly [string, string][]

async function timeline(server: TestServer, ledger: string, query: Parameters, token = server.adminToken) {
  const path = `/v1/ledgers/${ledger}/timeline?${new URLSearchParams([...query]).toString()}`
  return timelineSchema.parse(await server.askJson(path, { token })) as Json
}

async function related(server: TestServer, ledger: string, index: number, query = '', token = server.adminToken) {
  return relatedSchema.parse(
    await server.askJson(`/v1/ledgers/${ledger}/events/${index}/related${query}`, { token }),
  ) as Json
}

const person = (name: string, id?: string) => ({ name, ...(id === undefined ? {} : { id }) })

test('P6: a timeline has what somebody did and what was done to them, says which, and shows what changed', async (context) => {
  const { server } = await ground(context)
  await append(server, [
    eventAt(1, { action: 'user.update', target: person('bob'), changes: { plan: { old: 'free', new: 'team' } } }),
    eventAt(2, { actor: 'bob', action: 'user.update', target: person('alice') }),
    eventAt(3, { actor: 'bob', action: 'user.update', target: person('carol') }),
    eventAt(4, { action: 'user.update', target: person('alice') }),
  ])
  const told = await timeline(server, 'main', [['entity', 'Alice']])
  assert.deepEqual(
    told.hits.map(({ index, direction }: Json) => [index, direction]),
    [
      [3, 'both'],
      [1, 'done-to'],
      [0, 'did'],
    ],
  )
  assert.deepEqual(told.hits[2].changes, [{ name: 'plan', old: 'free', new: 'team' }])
  assert.deepEqual([told.total, told.indexed, told.size], [{ count: 3, exact: true }, 4, 4])
  const { direction: _, changes: __, ...hit } = told.hits[0]
  assert.deepEqual(hit, await server.askJson(`${EVENTS}/3`))
  const oldest = await timeline(server, 'main', [
    ['entity', 'alice'],
    ['order', 'oldest'],
    ['q', '-target:carol'],
    ['until', '2026-01-05T00:04:00Z'],
  ])
  assert.deepEqual(indexesOf(oldest), [0, 1])
  assert.deepEqual(indexesOf(await timeline(server, 'main', [['entity', 'ali*']])), [], 'a name is no pattern')
  assert.deepEqual(indexesOf(await timeline(server, 'main', [['entity', 'x" OR "alice']])), [])
})

test('what else somebody is called is told with counts, and searched for only where it is asked for', async (context) => {
  const { server } = await ground(context)
  await append(server, [
    eventAt(1, { actor: person('alice@contoso.com', 'id-1') }),
    eventAt(2, { actor: person('alice@contoso.com', 'id-1') }),
    eventAt(3, { actor: { id: 'id-1' } }),
    // Somebody who writes events would like mallory's deeds to be alice's.
    eventAt(4, { actor: person('alice@contoso.com', 'id-mallory') }),
    eventAt(5, { actor: person('mallory', 'id-mallory'), action: 'user.delete', target: person('bob') }),
  ])
  const told = await timeline(server, 'main', [['entity', 'alice@contoso.com']])
  assert.deepEqual(indexesOf(told), [3, 1, 0])
  assert.deepEqual(told.aliases, [
    { value: 'id-1', attribute: 'uid', count: 2 },
    { value: 'id-mallory', attribute: 'uid', count: 1 },
  ])
  const wider = await timeline(server, 'main', [
    ['entity', 'alice@contoso.com'],
    ['entity', 'id-1'],
  ])
  assert.deepEqual(indexesOf(wider), [3, 2, 1, 0])
  assert.deepEqual(wider.aliases, [{ value: 'id-mallory', attribute: 'uid', count: 1 }])
})

test('a timeline takes every query that a search takes, and as many names as it says, whatever they are made of', async (context) => {
  const { server } = await ground(context)
  const names = Array.from({ length: 16 }, (_, at) => String(at).padStart(1_024, 'n'))
  await append(server, [
    eventAt(1, { action: 'user.update', note: 'this or that', target: person(names[15]!) }),
    eventAt(2, { actor: 'bob', action: 'user.update', note: 'that', target: person(names[0]!) }),
    eventAt(3, { actor: 'carol', note: 'that' }),
  ])
  const words = Array.from({ length: 254 }, (_, at) => `-x${at}`).join(' ')
  for (const [entity, q, found] of [
    ['alice', 'or', [0]],
    ['alice', '"', undefined],
    ['alice', `${words} or that`, [0]],
    ['alice', ' ', [0]],
    ['or', 'that', []],
  ] as const) {
    const asked: Parameters = [
      ['entity', entity],
      ['q', q],
    ]
    if (found !== undefined) assert.deepEqual(indexesOf(await timeline(server, 'main', asked)), found, q)
    const search = await server.ask(`${EVENTS}?${new URLSearchParams({ q }).toString()}`)
    assert.equal(search.status, found === undefined ? 400 : 200, q)
  }
  const all = names.map((name): [string, string] => ['entity', name])
  assert.deepEqual(indexesOf(await timeline(server, 'main', [...all, ['q', `${words} that`]])), [1, 0])
})

test('pages of a timeline are those of one moment in both orders, while events arrive', async (context) => {
  for (const [order, ledger] of [
    ['oldest', 'main'],
    ['newest', '*'],
    ['oldest', '*'],
  ] as const) {
    const { server } = await ground(context)
    await server.createLedger('other')
    for (const name of ['main', 'other']) {
      await append(
        server,
        Array.from({ length: 12 }, (_, n) => eventAt(n % 5, { n })),
        name,
      )
    }
    const whole = await timeline(server, ledger, [
      ['entity', 'alice'],
      ['order', order],
      ['limit', '100'],
    ])
    const keys = (page: Json) => page.hits.map(({ ledger: name = 'main', index }: Json) => `${name} ${index}`)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const asked: Parameters = [
        ['entity', 'alice'],
        ['order', order],
        ['limit', '5'],
      ]
      const page = await timeline(server, ledger, cursor === undefined ? asked : [...asked, ['cursor', cursor]])
      seen.push(...keys(page))
      await append(server, [eventAt(2, { late: seen.length }), eventAt(1e6)])
      cursor = page.next
    } while (cursor !== undefined)
    assert.deepEqual(seen, keys(whole))
    const turned = await timeline(server, ledger, [
      ['entity', 'alice'],
      ['limit', '1'],
    ])
    const other = `order=oldest&entity=alice&cursor=${turned.next}`
    await problemOf(await server.ask(`/v1/ledgers/${ledger}/timeline?${other}`), 422, 'invalid-field')
  }
})

test('P6: what an index claims to be of a timeline, or related, and the ledger does not bear out is left out and counted', async (context) => {
  const { server, index } = await ground(context)
  await append(server, [eventAt(1), eventAt(2, { actor: 'bob', session: 's' }), eventAt(3, { session: 's' })])
  const lie = { ledger: 'main', index: 1, timeMs: START_MS + 2 * 60_000 }
  index.lie = (found) => found.toSpliced(1, 0, lie)
  const told = await timeline(server, 'main', [['entity', 'alice']])
  assert.deepEqual([indexesOf(told), told.disagreements], [[2, 0], 1])
  index.isCurrent = false
  assert.deepEqual(indexesOf(await timeline(server, 'main', [['entity', 'alice']])), [2, 0], 'it plays no part in it')
  index.isCurrent = true
  index.lie = (found) => [...found, { ...lie, index: 0, timeMs: START_MS + 60_000 }]
  const around = await related(server, 'main', 2)
  assert.deepEqual([indexesOf(around), around.disagreements], [[1, 2], 2])
})

test('related events stand in order around the one that was asked about, each with the ids that it shares', async (context) => {
  const { server, index } = await ground(context)
  await server.createLedger('other')
  const one = (minute: number, rest: object) => eventAt(minute, { action: 'sign in', ...rest })
  await append(server, [
    one(5, { correlation_id: 'c*', session: 's"1' }),
    one(1, { correlation_id: 'c*' }),
    one(9, { session: 'S"1' }),
    one(2, { correlation_id: 'cx', session: 's' }),
    one(7, { correlation_id: 'C*', session: 's"1' }),
    one(8, {}),
  ])
  await append(server, [one(6, { correlation_id: 'c*' })], 'other')
  const told = await related(server, 'main', 0)
  assert.deepEqual(
    told.hits.map(({ index, by }: Json) => [index, by]),
    [
      [1, ['correlation']],
      [0, ['correlation', 'session']],
      [4, ['correlation', 'session']],
      [2, ['session']],
    ],
  )
  assert.deepEqual(told.ids, { correlation: ['c*'], session: ['s"1'] })
  assert.deepEqual([told.earlier, told.later, told.total], [false, false, { count: 4, exact: true }])
  assert.deepEqual(indexesOf(await related(server, 'main', 0, '?by=session')), [0, 4, 2])
  const few = await related(server, 'main', 0, '?limit=2')
  assert.deepEqual([indexesOf(few), few.earlier, few.later], [[0, 4], true, true])
  assert.deepEqual(indexesOf(await related(server, 'main', 2, '?limit=3')), [0, 4, 2])
  const all = await related(server, 'main', 0, '?everyLedger=true')
  assert.deepEqual(
    all.hits.map(({ ledger, index }: Json) => `${ledger} ${index}`),
    ['main 1', 'main 0', 'other 0', 'main 4', 'main 2'],
  )
  const bound = await server.token(['read'], { ledgers: ['main'] })
  assert.deepEqual(indexesOf(await related(server, 'main', 0, '?everyLedger=true', bound)), [1, 0, 4, 2])
  const alone = await related(server, 'main', 5)
  assert.deepEqual([indexesOf(alone), alone.ids, alone.total], [[5], {}, { count: 1, exact: true }])
  // What was just appended is there before it is indexed.
  index.indexed = 2
  assert.deepEqual(indexesOf(await related(server, 'main', 4)), [1, 0, 4])
  assert.deepEqual(indexesOf(await related(server, 'system', 0)), [0])
})

test('a total is no less than what was found so far, and exact once all of it was, where counting was given up', async (context) => {
  const { server, index } = await ground(context)
  await append(
    server,
    Array.from({ length: 7 }, (_, n) => eventAt(n, { session: 's' })),
  )
  index.counted = { count: 0, exact: false }
  const totals = async (path: string) => {
    const found: Json[] = []
    for (let cursor = ''; ;) {
      const page = await server.askJson(`/v1/ledgers/main/${path}&limit=3${cursor}`)
      found.push([page.total.count, page.total.exact])
      if (page.next === undefined) return found
      cursor = `&cursor=${page.next}`
    }
  }
  const growing = [
    [4, false],
    [7, false],
    [7, true],
  ]
  assert.deepEqual(await totals('events?q=actor:alice'), growing)
  assert.deepEqual(await totals('timeline?entity=alice'), growing)
  assert.deepEqual(
    (await related(server, 'main', 3)).total,
    { count: 7, exact: true },
    'both sides were seen to the end',
  )
  const few = await related(server, 'main', 3, '?limit=3')
  assert.deepEqual([few.hits.length, few.total], [3, { count: 7, exact: false }])
  index.counted = { count: 1, exact: true }
  assert.deepEqual(await totals('events?q=actor:alice'), growing, 'a count below what was found is not exact')
  index.counted = { count: 5_000, exact: false }
  assert.deepEqual((await totals('events?q=actor:alice'))[0], [5_000, false])
})

test('P7: a timeline and related events are on record before their first byte, with the names, the ids and what was shown', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(1, { session: 's1' }), eventAt(2, { session: 's1' })])
  const last = async (path: string): Promise<Json> => {
    const { size } = server.ledgers.log('access')
    const response = await server.ask(path)
    const records = await eventsOf(server, 'access')
    assert.equal(records.length, size + 1)
    assert.equal(response.status, 200)
    await response.text()
    const { action, query, ledgers, total } = records.at(-1)
    return [action, query, ledgers, total]
  }
  assert.deepEqual(await last('/v1/ledgers/main/timeline?entity=alice&entity=A%22&q=-x&limit=1'), [
    'timeline.read',
    '(actor:alice OR actor:"a\\"" OR target:alice OR target:"a\\"") (-x)',
    [{ ledger: 'main', indexes: [1] }],
    2,
  ])
  assert.deepEqual(await last(`${EVENTS}/0/related`), [
    'related.read',
    'session:"s1"',
    [{ ledger: 'main', indexes: [0, 1] }],
    2,
  ])
  const { size } = server.ledgers.log('access')
  const wrong: readonly (readonly [path: string, said: RegExp, code?: string])[] = [
    ['/timeline', /^entity: it is missing/],
    ['/timeline?entity=', /^entity: it is empty/],
    [`/timeline?entity=${'x'.repeat(1_025)}`, /^entity: a name has at most 1024/],
    [`/timeline?${'entity=x&'.repeat(17)}`, /^entity: /],
    ['/timeline?entity=x&order=up', /^order: /],
    ['/timeline?entity=x&since=2026-01-02&until=2026-01-01', /^since: it is later than until/],
    ['/events/0/related?by=actor', /^by.*there are correlation and session/],
    ['/events/0/related?limit=0', /^limit: /],
  ]
  for (const [path, said] of wrong) {
    const { detail } = await problemOf(await server.ask(`/v1/ledgers/main${path}`), 422, 'invalid-field')
    assert.match(detail, said, path)
  }
  const { column } = await problemOf(
    await server.ask('/v1/ledgers/main/timeline?entity=x&q=a%20acter:b'),
    400,
    'query-malformed',
  )
  assert.equal(column, 3)
  const closing = await server.ask('/v1/ledgers/main/timeline?entity=x&q=a)%20OR%20(b')
  await problemOf(closing, 400, 'query-malformed')
  await problemOf(await server.ask(`${EVENTS}/2/related`), 404, 'index-unknown')
  await problemOf(await server.ask('/v1/ledgers/heads/timeline?entity=x'), 403, 'ledger-reserved')
  assert.equal(server.ledgers.log('access').size, size)
})
