// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { routes } from '../src/http/routes.ts'
import type { Route } from '../src/http/route.ts'
import { SCOPES } from '../src/schema/system-events.ts'
import { witnessSigner } from '../packages/proof/test/signers.ts'
import { ListedIndex } from './listed-index.ts'
import { type Ask, eventsOf, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

/**
 * Who may call what, written down a second time on purpose: a change of the table has to be made here too.
 * `open` is for everybody; `+public` without a token where the ledger is public.
 */
const expectedRights: Readonly<Record<string, string>> = {
  appendEvents: 'append',
  searchEvents: 'read',
  readTimeline: 'read',
  exportEvents: 'read',
  readExportSummary: 'read',
  readRelated: 'read',
  readFacets: 'read',
  readHistogram: 'read',
  readFields: 'read',
  readIndex: 'read admin',
  rebuildIndex: 'admin',
  startIndexCheck: 'admin',
  readIndexCheck: 'admin',
  readEvent: 'read',
  readEventBytes: 'read',
  readProof: 'read verify +public',
  readCheckpoint: 'read verify +public',
  readTile: 'read verify +public',
  tailEvents: 'read',
  listLedgers: 'append read verify admin',
  createLedger: 'admin',
  listKeys: 'read verify +public',
  rotateKey: 'admin',
  showLedger: 'append read verify admin +public',
  listTokens: 'admin',
  createToken: 'admin',
  revokeToken: 'admin',
  readVerification: 'verify admin',
  startVerification: 'admin',
  listWitnesses: 'read verify admin',
  addWitness: 'admin',
  removeWitness: 'admin',
  setWitnessQuorum: 'admin',
  readWitnessPolicy: 'read verify admin',
  confirmClock: 'admin',
  readStatus: 'verify admin',
  readHealth: 'open',
  readReadiness: 'open',
  readMetrics: 'verify',
  readRoot: 'open',
  readOpenApi: 'open',
  readVerifierPage: 'open',
}

const NOW = new Date().toISOString()
let numbered = 0

/** A request that is granted to whoever has the right. */
async function soundRequest(server: TestServer, route: Route, ledger: string): Promise<{ path: string; ask: Ask }> {
  const id = route.operation === 'revokeToken' ? (await server.token(['read'])).split('_')[1]! : ''
  const name = route.operation === 'removeWitness' ? await addedWitness(server) : 'x'
  const path = route.path
    .replace(':ledger', ledger)
    .replace(':index', '0')
    .replace(':id', id)
    .replace(':name', name)
    .replace('*', '0/000.p/1')
  const bodies: Record<string, string> = {
    appendEvents: '{"granted":true}',
    createLedger: `{"name":"made-${numbered++}"}`,
    createToken: '{"scopes":["read"],"ledgers":["*"]}',
    addWitness: JSON.stringify(nextWitness()),
    setWitnessQuorum: '{"count":"all"}',
  }
  const body = bodies[route.operation]
  const queries: Record<string, string> = { readFacets: '?fields=actor', readTimeline: '?entity=alice' }
  const query = queries[route.operation] ?? ''
  return { path: path + query, ask: { method: route.method, ...(body === undefined ? {} : { body }) } }
}

function nextWitness() {
  const name = `witness-${numbered++}`
  return { name, vkey: witnessSigner(name).vkey, url: 'https://witness.invalid/w' }
}

async function addedWitness(server: TestServer): Promise<string> {
  const witness = nextWitness()
  await server.askJson('/v1/witnesses', { body: JSON.stringify(witness) })
  return witness.name
}

async function outcome(server: TestServer, route: Route, ledger: string, token: string | undefined): Promise<string> {
  if (route.operation === 'readExportSummary' && token !== undefined) {
    const asked = { token, method: 'GET' }
    await (await server.ask(`/v1/ledgers/${ledger}/events/export?name=x`, asked)).text()
  }
  const { path, ask } = await soundRequest(server, route, ledger)
  const stop = new AbortController()
  const response = await server.ask(path, { ...ask, token, signal: stop.signal })
  if (route.operation === 'tailEvents' && response.ok) {
    stop.abort()
    return 'granted'
  }
  const text = await response.text()
  return response.ok ? 'granted' : JSON.parse(text).code
}

function isHeldOnLedger(route: Route): boolean {
  return route.permission !== 'public' && route.permission.ledger === 'path'
}

suite('the access matrix', () => {
  let server: TestServer
  const afterwards: (() => Promise<void> | void)[] = []

  before(async () => {
    server = await startTestServer({ after: (hook) => void afterwards.push(hook as () => Promise<void>) })
    const index = ListedIndex.of(server)
    index.check = { state: 'running', checked: 0, size: 0, findings: [], findingCount: 0, startedAt: NOW }
    await server.createLedger('other')
    await server.createLedger('open', true)
    for (const ledger of ['main', 'other', 'open']) {
      await server.askJson(`/v1/ledgers/${ledger}/events`, { body: '{"first":true}' })
    }
  })
  after(async () => {
    for (const hook of afterwards) await hook()
  })

  test('the table has exactly the routes whose rights are written down here', () => {
    assert.deepEqual(routes.map(({ operation }) => operation).toSorted(), Object.keys(expectedRights).toSorted())
  })

  for (const scope of SCOPES) {
    test(`a token with the scope ${scope} alone opens what it is meant for and nothing else`, async () => {
      const token = await server.token([scope], scope === 'admin' ? {} : { ledgers: ['main'] })
      for (const route of routes) {
        const rights = expectedRights[route.operation]!.split(' ')
        const expected = rights.includes('open') || rights.includes(scope) ? 'granted' : 'scope-missing'
        assert.equal(await outcome(server, route, 'main', token), expected, `${route.operation} with ${scope}`)
      }
    })
  }

  test('without a token only what is open to everybody opens', async () => {
    for (const route of routes) {
      const expected = expectedRights[route.operation] === 'open' ? 'granted' : 'unauthenticated'
      assert.equal(await outcome(server, route, 'main', undefined), expected, route.operation)
    }
  })

  test('of a public ledger hashes, entries and proofs open without a token, content never', async () => {
    for (const route of routes.filter(isHeldOnLedger)) {
      const isOpen = expectedRights[route.operation]!.includes('+public')
      const expected = isOpen ? 'granted' : 'unauthenticated'
      assert.equal(await outcome(server, route, 'open', undefined), expected, route.operation)
    }
  })

  test('a token of another ledger opens nothing of this one', async () => {
    const token = await server.token(['append', 'read', 'verify'], { ledgers: ['other'] })
    for (const route of routes.filter(isHeldOnLedger)) {
      assert.equal(await outcome(server, route, 'main', token), 'scope-missing', route.operation)
      // An administrator is one of all ledgers.
      const isGranted = expectedRights[route.operation] !== 'admin'
      const expected = isGranted ? 'granted' : 'scope-missing'
      assert.equal(await outcome(server, route, 'other', token), expected, route.operation)
    }
  })

  test('a token of another source appends nothing', async () => {
    const token = await server.token(['append'], { sources: ['entra.audit'] })
    const [append] = routes
    assert.equal(await outcome(server, append!, 'main', token), 'source-forbidden')
  })

  test('a token that is wrong, malformed, expired or revoked opens nothing, not even what a public ledger shows', async (context) => {
    // Failures are throttled after a while: a server of its own.
    const server = await startTestServer(context)
    await server.createLedger('open', true)
    const expiring = await server.token(['read'], { expiresAt: new Date(Date.now() + 150).toISOString() })
    const revoked = await server.token(['append', 'read', 'verify', 'admin'])
    await server.askJson(`/v1/tokens/${revoked.split('_')[1]}`, { method: 'DELETE' })
    await sleep(200)
    const wrong = server.adminToken.slice(0, -1) + (server.adminToken.endsWith('A') ? 'E' : 'A')
    for (const [name, token] of Object.entries({ wrong, expiring, revoked, malformed: 'stele_x', twice: 'a b' })) {
      const some = routes.filter(({ operation }) =>
        /^(?:append|read(?:Event|Tile|Status)|create|tail|list)/.test(operation),
      )
      for (const route of some) {
        if (route.permission === 'public') continue
        assert.equal(await outcome(server, route, 'open', token), 'unauthenticated', `${route.operation}: ${name}`)
      }
    }
    const response = await server.ask('/v1/status', { token: undefined })
    assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="stele"')
    await problemOf(response, 401, 'unauthenticated')
  })

  test('nobody appends to a reserved ledger, an administrator neither', async () => {
    for (const ledger of ['system', 'access', 'heads']) {
      const { size } = server.ledgers.log(ledger)
      const forged = '{"type":"token.revoked","v":1,"id":"x","by":"x"}'
      await problemOf(await server.ask(`/v1/ledgers/${ledger}/events`, { body: forged }), 403, 'ledger-reserved')
      assert.ok(server.ledgers.log(ledger).size <= size + 1, 'heads alone may have grown, by a publish')
      const stored = (await server.ledgers.entries(ledger, 0, server.ledgers.log(ledger).size)).map(String)
      assert.ok(stored.every((entry) => entry.includes(`"source":"stele.${ledger}"`)))
    }
  })

  test('whoever has no right on a name cannot tell whether such a ledger exists', async (context) => {
    // One of its own: so many attempts that fail within a minute are throttled.
    const server = await startTestServer(context)
    ListedIndex.of(server)
    await server.createLedger('other')
    const bound = await server.token(['append', 'read', 'verify'], { ledgers: ['other'] })
    for (const route of routes.filter(isHeldOnLedger)) {
      const { path, ask } = await soundRequest(server, route, 'main')
      for (const token of [undefined, bound]) {
        const answers = []
        for (const ledger of ['main', 'missing', 'Not%20A%20Name', 'x'.repeat(90), '__proto__']) {
          const response = await server.ask(path.replace('/main', `/${ledger}`), { ...ask, token })
          answers.push([response.status, await response.text(), response.headers.get('www-authenticate')])
        }
        for (const answer of answers) assert.deepEqual(answer, answers[0], route.operation)
      }
    }
  })

  test('whoever would have the right is told that there is no such ledger, and writing does not create it', async () => {
    for (const route of routes.filter(isHeldOnLedger)) {
      assert.equal(await outcome(server, route, 'missing', server.adminToken), 'ledger-unknown', route.operation)
    }
    assert.ok(!server.ledgers.has('missing'))
    const { ledgers } = await server.askJson('/v1/ledgers')
    assert.ok(!ledgers.some(({ name }: { name: string }) => name === 'missing'))
  })

  test('a list of ledgers shows those on which the token has a right', async () => {
    const names = async (token: string) =>
      (await server.askJson('/v1/ledgers', { token })).ledgers.map(({ name }: { name: string }) => name)
    assert.deepEqual(await names(await server.token(['append'], { ledgers: ['other'] })), ['other'])
    const all = await names(server.adminToken)
    for (const name of ['system', 'access', 'heads', 'main', 'other', 'open']) assert.ok(all.includes(name), name)
  })
})

test('refused attempts are summed up in system, by credential and address', async (context) => {
  const server = await startTestServer(context)
  const reader = await server.token(['read'], { ledgers: ['main'] })
  for (let attempt = 0; attempt < 3; attempt++) await server.ask('/v1/tokens', { token: reader })
  await server.ask('/v1/status', { token: undefined })
  await server.close()
  const again = await startTestServer(context, { directory: server.directory })
  const refused = (await eventsOf(again, 'system')).filter(({ type }) => type === 'refused')
  const shown = refused.map(({ credential, via, code, count }) => ({ credential, via, code, count }))
  assert.deepEqual(
    shown.toSorted((one, other) => other.count - one.count),
    [
      { credential: reader.split('_')[1], via: '127.0.0.1', code: 'scope-missing', count: 3 },
      { credential: undefined, via: '127.0.0.1', code: 'unauthenticated', count: 1 },
    ],
  )
})

test('an address that fails to authenticate again and again is told to wait, and a good token is not in its way', async (context) => {
  const server = await startTestServer(context)
  const attempts = await Promise.all(
    Array.from({ length: 150 }, async () => await server.ask('/v1/status', { token: 'guess' })),
  )
  const last = await server.ask('/v1/status', { token: 'guess' })
  assert.equal(last.headers.get('retry-after'), '60')
  await problemOf(last, 429, 'too-many-requests')
  assert.ok(attempts.some(({ status }) => status === 401))
  await Promise.all(attempts.map(async (response) => await response.text()))
  await server.askJson('/v1/status')
})
