// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The index in a ClickHouse of one's own, by --index-url.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { stele, steleOk, variablesFor } from './cli-fixture.ts'
import { noClickHouse } from './clickhouse-fixture.ts'
import { OWNED_PASSWORD, type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { type ClickHouseProxy, startProxy } from './clickhouse-proxy.ts'
import { agrees, append, caughtUp, childOf, CLICKHOUSE, finds, FOLLOWER, ledgerGoesOn } from './index-children.ts'
import { eventually, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const skip = noClickHouse
const EVENTS = '/v1/ledgers/main/events'

let owned: OwnedClickHouse
let proxy: ClickHouseProxy
before(async () => {
  if (skip !== false) return
  owned = await startOwnedClickHouse()
  proxy = await startProxy(owned.url)
})
after(async () => {
  await proxy?.close()
  await owned?.stop()
})

function config(url = owned.url, database = 'stele', password = OWNED_PASSWORD): { noIndex: false; indexUrl: string } {
  const { host } = new URL(url)
  return { noIndex: false, indexUrl: `http://stele:${encodeURIComponent(password)}@${host}/${database}` }
}

test(
  'by URL events are indexed, found, checked and made anew as ever, and no ClickHouse is started',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config() })
    const world = { variables: variablesFor(server) }
    await append(server, 500)
    await caughtUp(server)
    await finds(server, 123)
    assert.equal(childOf(CLICKHOUSE), undefined)
    const { facets } = await server.askJson('/v1/ledgers/main/facets?fields=outcome')
    assert.equal(
      facets.outcome.reduce((sum: number, one: { count: number }) => sum + one.count, 0),
      500,
    )
    assert.match(await steleOk(world, 'check', 'index'), /^The index agrees/)
    const made = await stele(world, 'rebuild-index')
    assert.deepEqual([made.code, made.err], [0, ''])
    assert.equal(server.index.status().generation, 2)
    await agrees(server)
  },
)

test(
  'an index that cannot be reached says why, in status and search, and never with the password',
  { skip },
  async (context) => {
    const wrong = [
      [
        config(owned.url, 'stele', 'another-secret'),
        /the search server does not know its user: .*Authentication failed/,
      ],
      [config('http://127.0.0.1:1'), /the search server does not answer/],
      [config(owned.url, 'nowhere'), /the search server has no such database: Database nowhere does not exist/],
    ] as const
    for (const [wrongly, said] of wrong) {
      const server = await startTestServer(context, { config: wrongly })
      await eventually(() => server.index.status().state === 'unavailable')
      await ledgerGoesOn(server)
      const { state, reason } = await server.askJson('/v1/index')
      assert.equal(state, 'unavailable')
      assert.match(reason, said)
      const { detail } = await problemOf(await server.ask(EVENTS), 503, 'search-unavailable')
      assert.match(detail, said)
      assert.doesNotMatch(JSON.stringify([reason, detail, server.logged]), /secret/)
      await server.close()
    }
  },
)

test(
  'two installations in one database: each finds, checks and makes anew its own alone',
  { skip },
  async (context) => {
    const one = await startTestServer(context, { config: config() })
    const other = await startTestServer(context, { config: config() })
    await append(one, 300)
    await append(other, 200)
    await Promise.all([caughtUp(one), caughtUp(other)])
    assert.equal((await one.ask('/v1/index/rebuild', { method: 'POST' })).status, 202)
    await append(other, 50)
    await eventually(() => one.index.status().generation === 2)
    await agrees(one)
    await agrees(other)
    assert.equal(other.index.status().generation, 1)
    assert.equal((await one.askJson(`${EVENTS}?limit=1`)).total.count, 300)
    assert.equal((await other.askJson(`${EVENTS}?limit=1`)).total.count, 250)
  },
)

async function isAway(server: TestServer): Promise<void> {
  await eventually(() => server.index.status().state === 'unavailable')
}

test(
  'the server of the index goes away and comes back: search says so meanwhile, and all that came is found then',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config(proxy.url) })
    await append(server, 200)
    await caughtUp(server)
    proxy.before = () => {
      throw new Error('away')
    }
    const { detail } = await problemOf(await server.ask(EVENTS), 503, 'search-unavailable')
    assert.match(detail, /^Nothing can be searched now: the search server does not answer\./)
    await ledgerGoesOn(server)
    await isAway(server)
    await append(server, 100)
    proxy.before = () => {}
    await agrees(server)
    await finds(server, 302)
  },
)

test('a slow server of the index is waited for, and appends are not', { skip }, async (context) => {
  const server = await startTestServer(context, { config: config(proxy.url) })
  await append(server, 100)
  await caughtUp(server)
  proxy.before = async () => await sleep(700)
  const startedMs = performance.now()
  await ledgerGoesOn(server)
  const slowestMs = await append(server, 300, 10)
  assert.ok(slowestMs < 700, `${slowestMs} ms`)
  await finds(server, 50)
  await eventually(() => server.index.indexed('main') === 403)
  assert.ok(performance.now() - startedMs > 700)
  proxy.before = () => {}
  await agrees(server)
})

test('a check whose follower dies says that it failed, and can be made again', { skip }, async (context) => {
  const server = await startTestServer(context, { config: config(proxy.url) })
  await append(server, 100)
  await caughtUp(server)
  let asked = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  proxy.before = async (query) => {
    if (query.includes('SHA256') && ++asked === 1) await promise
  }
  const checking = stele({ variables: variablesFor(server) }, 'check', 'index')
  await eventually(() => asked === 1)
  process.kill(childOf(FOLLOWER)!, 'SIGKILL')
  const { code, err } = await checking
  assert.equal(code, 3)
  assert.match(err, /the index could not be checked: the follower was started again/)
  resolve()
  await agrees(server)
  assert.equal(asked > 1, true)
})
