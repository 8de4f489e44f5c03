// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Searching through the client: whatever an answer can be caught lying about, it is.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { ListedIndex } from '../../../test/listed-index.ts'
import { SteleClient, type SteleError } from '../src/index.ts'
import { altered, misshapen } from './lies.ts'
import { type Call, demandFoundOut, type Ground, ground, isFoundOut, isUnderstanding, isWord } from './lying-ground.ts'

async function searched(context: TestContext): Promise<Ground & { readonly index: ListedIndex }> {
  const here = await ground(context)
  const index = ListedIndex.of(here.server)
  const events = ['09', '07', '08'].map((hour) => `{"actor":"alice","time":"2026-01-05T${hour}:00:00Z"}`)
  await here.client().append('main', events.join('\n'), { media: 'application/x-ndjson' })
  return { ...here, index }
}

const page: Call = { path: /\/events$/, make: async (client) => await client.search('main', { q: 'actor:alice' }) }

test('every field of a page of hits is checked, and each hit against its entry', async (context) => {
  const here = await searched(context)
  const { hits, total, indexed, size, disagreements } = await here.client().search('main')
  assert.deepEqual(
    hits.map(({ ledger, index, time }) => [ledger, index, time]),
    [
      ['main', 0, '2026-01-05T09:00:00.000Z'],
      ['main', 2, '2026-01-05T08:00:00.000Z'],
      ['main', 1, '2026-01-05T07:00:00.000Z'],
    ],
  )
  assert.deepEqual([total, indexed, size, disagreements], [{ count: 3, exact: true }, 3, 3, 0])
  assert.deepEqual(hits[0]?.ocsf, (await here.client().event('main', 0)).ocsf)
  // What only the server can know: that there are fewer, or more, and how far it is.
  await demandFoundOut(here, page, misshapen, (what) => isUnderstanding(what) || /^hits: \[\]|exact: true/.test(what))
  const unknowable = /entry: |^total\.count: [13] more|^indexed: -1|^size: [13] more|^hits: without the first/
  await demandFoundOut(here, page, altered, (what) => isWord(what) || unknowable.test(what))
})

test('hits in another order, twice, too many, of a ledger that was not searched or beyond its end are found out', async (context) => {
  const here = await searched(context)
  await here.client().checkpoint('main')
  const client = (change: (answer: { hits: object[]; [key: string]: unknown }) => unknown) =>
    here.client({
      path: /\/events$/,
      change: (body) => Buffer.from(JSON.stringify(change(JSON.parse(body.toString('utf8'))))),
    })
  const lies: readonly Parameters<typeof client>[0][] = [
    (answer) => ({ ...answer, hits: answer.hits.toReversed() }),
    (answer) => ({ ...answer, hits: [...answer.hits, ...answer.hits.slice(-1)] }),
    (answer) => ({ ...answer, hits: answer.hits.map((hit) => ({ ...hit, ledger: 'main' })) }),
    (answer) => ({ ...answer, ledgers: { main: { indexed: 3, size: 3 } } }),
    (answer) => ({ ...answer, indexed: 4 }),
    (answer) => ({ ...answer, indexed: 2, size: 2 }),
    (answer) => ({ ...answer, disagreements: 0 }),
    (answer) => ({ ...answer, disagreements: '1' }),
    (answer) => ({ ...answer, next: 7 }),
    (answer) => ({ ...answer, total: { count: 2, exact: true } }),
  ]
  for (const lie of lies) await assert.rejects(client(lie).search('main'), isFoundOut, String(lie))
  const asked = here.client({ path: /\/events$/, change: (body) => body })
  assert.equal((await asked.search('main', { limit: 2 })).hits.length, 2)
  const three = JSON.stringify(await here.server.askJson('/v1/ledgers/main/events'))
  await assert.rejects(client(() => JSON.parse(three)).search('main', { limit: 2 }), isFoundOut)
  // A client that has seen more of the ledger believes no answer of less.
  const seeing = client((answer) => ({ ...answer, hits: [], indexed: 2, size: 2 }))
  await seeing.checkpoint('main')
  await assert.rejects(seeing.search('main'), isFoundOut)
})

test('all hits come page by page, each once, and a page that repeats an earlier one is found out', async (context) => {
  const here = await searched(context)
  const { server } = here
  await server.createLedger('other')
  const events = Array.from({ length: 20 }, (_, n) => `{"n":${n},"actor":"alice","time":"2026-01-06T00:00:0${n % 3}Z"}`)
  await here.client(undefined, false).append('other', events.join('\n'), { media: 'application/x-ndjson' })
  const token = await server.token(['read'], { ledgers: ['main', 'other'] })
  const client = new SteleClient({ url: server.url, token })
  const seen: string[] = []
  for await (const { ledger, index } of client.searchAll('*', { q: 'actor:alice', limit: 4 }))
    seen.push(`${ledger} ${index}`)
  assert.deepEqual([seen.length, new Set(seen).size], [23, 23])
  let first: Uint8Array<ArrayBuffer> | undefined
  const repeating = new SteleClient({
    url: server.url,
    token,
    fetch: async (url, init) => {
      first ??= new Uint8Array(await (await fetch(url, init)).arrayBuffer())
      return new Response(first, { headers: { 'content-type': 'application/json' } })
    },
  })
  await assert.rejects(async () => {
    for await (const hit of repeating.searchAll('*', { limit: 4 })) assert.ok(hit)
  }, isFoundOut)
})

test('facets, histograms and what is said of the index are checked field by field', async (context) => {
  const here = await searched(context)
  const startedAt = '2026-01-01T00:00:00.000Z'
  const findings = [{ ledger: 'main', index: 0, kind: 'changed' as const, columns: ['actor'] }]
  here.index.check = { state: 'done', checked: 3, size: 3, findings, findingCount: 1, startedAt, endedAt: startedAt }
  here.index.rebuild = { indexed: 1, size: 3 }
  const calls: readonly (Call & { readonly words: RegExp; readonly figures: RegExp })[] = [
    {
      path: /\/facets$/,
      make: (client) => client.facets('main', ['actor', 'class'], { top: 2 }),
      words: /(?:value|name): (?:"|undefined)|^facets\.\w+: \[\]/,
      figures: /value: |name: |count: |^indexed: -1|^size: [13] more|without the first/,
    },
    {
      path: /\/histogram$/,
      make: (client) => client.histogram('main', { buckets: 3, by: 'actor' }),
      words: /value: "|by: (?:\[\]|undefined)/,
      figures: /value: |count: |^indexed: -1|^size: [13] more|by: without/,
    },
    {
      path: /\/index$/,
      make: (client) => client.indexStatus(),
      words:
        /^ledgers: \{\}|^ledgers\.\w+: undefined|^rebuild: undefined|^background(?:\.(?:running|last))?: undefined/,
      figures: /mapperVersion|generation|indexed: |size: |^background/,
    },
    {
      path: /\/index\/check$/,
      make: (client) => client.startIndexCheck().then(() => client.indexCheck()),
      words: /columns|^findings: \[\]/,
      figures: /(?:checked|size|findingCount|index): |At: |ledger: |columns|without/,
    },
  ]
  for (const { words, figures, ...call } of calls) {
    await demandFoundOut(here, call, misshapen, (what) => words.test(what))
    await demandFoundOut(here, call, altered, (what) => figures.test(what)).catch((error: unknown) => {
      // Most of what a check says is its word.
      if (!String(error).includes('lies were told')) throw error
    })
  }
  const { facets } = await here.client().facets('main', ['severity'])
  assert.deepEqual(facets['severity'], [{ value: '1', name: 'informational', count: 3 }])
  const status = await here.client().indexStatus()
  assert.deepEqual([status.state, status.generation, status.rebuild], ['ready', 1, { indexed: 1, size: 3 }])
  assert.equal((await here.client().rebuildIndex()).state, 'ready')
  here.index.check = undefined
  assert.equal(await here.client().indexCheck(), undefined)
})

test('a query that cannot be read comes back with its place, and no index with a reason', async (context) => {
  const here = await searched(context)
  await assert.rejects(here.client().search('main', { q: 'acter:x' }), (error: SteleError) => {
    const { column, length, suggestion } = error.problem
    assert.deepEqual([error.code, error.status, column, length, suggestion], ['query-malformed', 400, 1, 5, 'actor'])
    return true
  })
  Object.assign(here.index, { state: 'unavailable', reason: 'it was killed' })
  await assert.rejects(here.client().search('main'), (error: SteleError) => {
    assert.deepEqual([error.code, error.problem.retryAfterMs], ['search-unavailable', 5_000])
    return /it was killed/.test(error.message)
  })
})
