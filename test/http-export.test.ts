// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Exports over HTTP; the index is in memory, and lies where a test says so.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { get } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ed25519Verifier, fromBase64, hashLeaf, openExportSummary, utf8, verifyInclusion } from '@stele/proof'

import { CSV_COLUMNS } from '../src/http/export-rows.ts'
import { SearchFault } from '../src/index/search.ts'
import { csvRecords } from './csv-records.ts'
import { ListedIndex } from './listed-index.ts'
import { append, eventAt, EVENTS, ground, MINUTE_MS, search, START_MS } from './search-ground.ts'
import { eventsOf, eventually, type Json, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const EXPORT = `${EVENTS}/export`

async function summaryOf(server: TestServer, name: string, token = server.adminToken) {
  const response = await server.ask(`/v1/ledgers/main/exports/${name}`, { token })
  assert.equal(response.status, 200, await response.clone().text())
  const note = await response.text()
  return (await openExportSummary(utf8(note), [ed25519Verifier(server.ledgers.vkey('main'))])).summary
}

const linesOf = (text: string): Json[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line): Json => JSON.parse(line))

test('P6: an export has every hit as a search has it, and a summary that the ledger signed ties its bytes to the question', async (context) => {
  const { server } = await ground(context)
  const events = Array.from({ length: 1_100 }, (_, n) => eventAt(n % 50, { n, actor: n % 3 === 0 ? 'bob' : 'alice' }))
  await append(server, events)
  const asked = 'q=actor:bob&since=2026-01-05&until=2027-01-01'
  const response = await server.ask(`${EXPORT}?${asked}&name=case-17`)
  assert.equal(response.headers.get('content-type'), 'application/x-ndjson')
  assert.match(response.headers.get('content-disposition') ?? '', /^attachment; filename="main-export\.ndjson"$/)
  const text = await response.text()
  const found: Json[] = []
  for (let cursor = ''; ;) {
    const page = await server.askJson(`${EVENTS}?${asked}&limit=300${cursor}`)
    found.push(...page.hits)
    if (page.next === undefined) break
    cursor = `&cursor=${page.next}`
  }
  assert.deepEqual(linesOf(text), found)
  const { root, sha256, asked: at, ...summary } = await summaryOf(server, 'case-17')
  assert.deepEqual(summary, {
    origin: server.ledgers.origin('main'),
    size: 1_100,
    entries: 1_100,
    format: 'ndjson',
    query: 'actor:bob',
    since: '2026-01-05T00:00:00.000Z',
    until: '2027-01-01T00:00:00.000Z',
    bytes: Buffer.byteLength(text),
    count: 367,
    first: 0,
    last: 1_098,
    leftOut: 0,
  })
  assert.deepEqual(Buffer.from(sha256), createHash('sha256').update(text).digest())
  assert.deepEqual(Buffer.from(root), Buffer.from(server.ledgers.log('main').root))
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000)
})

test('an export speaks of one moment: of what is indexed when it begins, whose root is shown to be the beginning of the tree', async (context) => {
  const { server, index } = await ground(context)
  await append(server, [eventAt(1), eventAt(2), eventAt(3)])
  index.indexed = 2
  const root = Buffer.from(server.ledgers.log('main').root)
  const first = await server.ask(`${EXPORT}?receipts=true&name=early`)
  await append(server, [eventAt(4)])
  const hits = linesOf(await first.text())
  assert.deepEqual(
    hits.map(({ index }) => index),
    [1, 0],
  )
  const summary = await summaryOf(server, 'early')
  assert.deepEqual([summary.size, summary.entries, summary.count], [2, 3, 2])
  assert.notDeepEqual(Buffer.from(summary.root), root)
  for (const { index, entry, proof } of hits) {
    verifyInclusion(hashLeaf(utf8(entry)), index, 2, proof.map(fromBase64), summary.root)
  }
  index.indexed = 0
  assert.equal(await (await server.ask(`${EXPORT}?name=none`)).text(), '')
  const none = await summaryOf(server, 'none')
  assert.deepEqual([none.size, none.count, none.first], [0, 0, undefined])
})

test('an export as CSV has the columns that are written down, values as the event writes them, and the event itself', async (context) => {
  const { server } = await ground(context)
  const hostile = eventAt(2, {
    actor: '=HYPERLINK("http://x","y")',
    action: 'user.update',
    target: { name: 'Bob "B"' },
  })
  await append(server, [eventAt(1, { actor: 'Alice', action: 'sign in', session: 'S1' }), hostile])
  await server.askJson(EVENTS, { body: Buffer.from([0, 255]), type: 'application/octet-stream' })
  const text = await (await server.ask(`${EXPORT}?format=csv&name=table`)).text()
  const [head, ...rows] = csvRecords(text)
  assert.deepEqual(head, CSV_COLUMNS)
  const hits = (await server.askJson(EVENTS)).hits
  assert.equal(rows.length, 3)
  for (const [at, row] of rows.entries()) {
    const cell = (name: string) => row[CSV_COLUMNS.indexOf(name)]!
    const hit = hits[at]
    assert.deepEqual(
      [cell('index'), cell('at'), cell('time'), cell('source'), cell('entry'), cell('salt').replace(/^'/, '')],
      [String(hit.index), hit.at, hit.time, hit.source, hit.entry, hit.salt],
    )
    assert.equal(cell('event'), hit.event ?? '')
    assert.equal(cell('event_base64').replace(/^'/, ''), hit.eventBase64 ?? '')
  }
  const named = (name: string) => rows.map((row) => row[CSV_COLUMNS.indexOf(name)])
  assert.deepEqual(named('actor'), ['', '\'=HYPERLINK("http://x","y")', 'Alice'])
  assert.deepEqual(named('target'), ['', 'Bob "B"', ''])
  assert.deepEqual(named('session'), ['', '', 'S1'])
  assert.ok(text.split('\r\n').every((line) => line === '' || (line.startsWith('"') && line.endsWith('"'))))
  assert.equal((await summaryOf(server, 'table')).format, 'csv')
})

test('P6: what the index claims and the ledger does not bear out is left out of an export, and the summary says how often', async (context) => {
  const { server, index } = await ground(context)
  await append(server, [eventAt(1), eventAt(2, { actor: 'bob' }), eventAt(3)])
  const lie = { ledger: 'main', index: 1, timeMs: START_MS + 2 * MINUTE_MS }
  index.lie = (found) => [{ ...lie, ledger: 'other' }, ...found, lie]
  const text = await (await server.ask(`${EXPORT}?q=actor:alice&name=lied`)).text()
  assert.deepEqual(
    linesOf(text).map(({ index }) => index),
    [2, 0],
  )
  assert.equal((await summaryOf(server, 'lied')).leftOut, 2)
  assert.match(await (await server.ask('/metrics')).text(), /^stele_index_disagreements_total 2$/m)
  // One that gives the same page again and again would never end.
  await append(
    server,
    Array.from({ length: 1_100 }, (_, n) => eventAt(n)),
  )
  const first: { found: readonly (typeof lie)[] } = { found: [] }
  index.lie = (found) => (first.found = first.found.length > 0 ? first.found : found)
  await assert.rejects((await server.ask(`${EXPORT}?name=circle`)).text())
  const { detail } = await problemOf(await server.ask('/v1/ledgers/main/exports/circle'), 404, 'not-found')
  assert.match(detail, /broke off: the index leads in a circle/)
})

test('P7: an export is on record before its first byte, and when it ends with what was given and whether it was whole', async (context) => {
  const { server } = await ground(context)
  const large = 'x'.repeat(100_000)
  await append(
    server,
    Array.from({ length: 200 }, (_, n) => eventAt(n, { large })),
  )
  const who = ['type', 'v', 'by', 'via', 'label']
  const records = async () =>
    (await eventsOf(server, 'access')).map((record): Json =>
      Object.fromEntries(Object.entries(record).filter(([name]) => !who.includes(name))),
    )
  const response = await server.ask(`${EXPORT}?q=actor:alice&since=2026-01-05&format=csv&name=a`)
  const begun = {
    action: 'events.export',
    ledger: 'main',
    query: 'actor:alice',
    since: '2026-01-05',
    format: 'csv',
  }
  assert.deepEqual((await records()).at(-1), { ...begun, phase: 'open', ledgers: [{ ledger: 'main', size: 200 }] })
  const text = await response.text()
  const sha256 = createHash('sha256').update(text).digest('base64')
  await eventually(async () => (await records()).at(-1).phase === 'close')
  assert.deepEqual((await records()).at(-1), {
    ...begun,
    count: 200,
    phase: 'close',
    ledgers: [{ ledger: 'main', first: 0, last: 199, count: 200 }],
    leftOut: 0,
    whole: true,
    sha256,
  })
  // A reader who takes nothing holds up nothing, and one who leaves ends it.
  const before = server.ledgers.log('access').size
  const request = get(`${server.url}${EXPORT}?name=left`, { headers: { authorization: `Bearer ${server.adminToken}` } })
  const [begin] = (await new Promise((resolve) => request.once('response', (...all) => resolve(all)))) as [Json]
  begin.pause()
  await sleep(100)
  assert.equal((await server.ask('/metrics').then((answer) => answer.text())).includes('stele_exports_running 1'), true)
  await problemOf(await server.ask('/v1/ledgers/main/exports/left'), 404, 'not-found')
  request.destroy()
  await eventually(() => server.ledgers.log('access').size === before + 2)
  const last = (await records()).at(-1)
  assert.deepEqual([last.whole, last.sha256, last.phase], [false, undefined, 'close'])
  assert.ok(last.count < 200, `${last.count} were read for nobody`)
  const { detail } = await problemOf(await server.ask('/v1/ledgers/main/exports/left'), 404, 'not-found')
  assert.match(detail, /broke off: its reader left/i)
})

test('an export that cannot go on breaks off its connection, whatever the reason, and an index that comes back is waited for', async (context) => {
  const { server, index } = await ground(context)
  await append(
    server,
    Array.from({ length: 1_500 }, (_, n) => eventAt(n)),
  )
  let asked = 0
  index.lie = (found) => {
    asked++
    if (asked === 2) throw new SearchFault('unavailable', 'it is started again')
    return found
  }
  assert.equal(linesOf(await (await server.ask(EXPORT)).text()).length, 1_500)
  assert.equal(asked, 3)
  const token = await server.token(['read'])
  const large = Array.from({ length: 40 }, (_, n) => eventAt(n, { large: 'x'.repeat(200_000) }))
  index.lie = (found) => found
  await append(server, large)
  const stream = await server.ask(`${EXPORT}?name=r`, { token })
  await server.ask(`/v1/tokens/${token.split('_')[1]}`, { method: 'DELETE' })
  await assert.rejects(stream.text(), 'a token that was revoked')
  const others = [await server.ask(EXPORT), await server.ask(EXPORT)]
  await problemOf(await server.ask(EXPORT), 429, 'too-many-requests')
  for (const other of others) await other.body?.cancel()
  await eventually(async () =>
    (await server.ask('/metrics').then((answer) => answer.text())).includes('exports_running 0'),
  )
  index.fault = new SearchFault('too-heavy', 'it would take too long')
  await problemOf(await server.ask(EXPORT), 422, 'query-too-heavy')
  index.fault = undefined
  index.state = 'unavailable'
  await problemOf(await server.ask(EXPORT), 503, 'search-unavailable')
  index.state = 'ready'
  const { detail } = await problemOf(await server.ask('/v1/ledgers/*/events/export'), 404, 'ledger-unknown')
  assert.match(detail, /asked of one ledger, not of all: put the name of one/)
  await problemOf(await server.ask(`${EXPORT}?format=csv&receipts=true`), 422, 'invalid-field')
  await problemOf(await server.ask(`${EXPORT}?name=${'x'.repeat(65)}`), 422, 'invalid-field')
  await problemOf(await server.ask('/v1/ledgers/heads/events/export'), 403, 'ledger-reserved')
  await problemOf(await server.ask('/v1/ledgers/*/events/export'), 404, 'ledger-unknown')
  await problemOf(await server.ask('/v1/ledgers/main/exports/none'), 404, 'not-found')
})

test('every page of an export is a search of its token: it uses up the budget, and waits while there is none left', async (context) => {
  const server = await startTestServer(context, { config: { searchBudgetMs: 1_000 } })
  const index = ListedIndex.of(server)
  await append(
    server,
    Array.from({ length: 3_100 }, (_, n) => eventAt(n % 50, { n })),
  )
  // Its rows are made now.
  await search(server)
  index.delayMs = 400
  const token = await server.token(['read'])
  const before = index.askedCount
  const text = (await server.ask(`${EXPORT}?name=waits`, { token })).text()
  await eventually(() => index.askedCount > before + 1)
  await sleep(1_800)
  assert.ok(index.askedCount < before + 4, 'a later page waits')
  await problemOf(await server.ask(EVENTS, { token }), 429, 'too-many-requests')
  const other = await server.token(['read'])
  assert.equal((await server.ask(`${EVENTS}?limit=1`, { token: other })).status, 200, 'another token')
  // Whoever may not search any more does not wait on.
  await server.ask(`/v1/tokens/${token.split('_')[1]}`, { method: 'DELETE' })
  await assert.rejects(text)
})

test("an export's summary is for the token that made it", async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(1)])
  await (await server.ask(`${EXPORT}?name=mine`)).text()
  await summaryOf(server, 'mine')
  const token = await server.token(['read'])
  await problemOf(await server.ask('/v1/ledgers/main/exports/mine', { token }), 404, 'not-found')
})
