// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The index spread over the shards of a ClickHouse cluster, by --index-url with ?cluster=: two servers that ask each
// other, each at a loopback address of its own.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Entry } from '@stele/proof'

import { clusterNodes } from '../../src/index/cluster-nodes.ts'
import { connect, IndexUrlFault, parseIndexUrl } from '../../src/index/connection.ts'
import { RowBlock } from '../../src/index/rows.ts'
import { Cluster } from '../../src/index/shards.ts'
import { IndexStore } from '../../src/index/store.ts'
import { TABLE_VERSION } from '../../src/index/tables.ts'
import { randomBase32, SystemRandom } from '../../src/platform/random.ts'
import { emptyDocument } from '../../src/query/document.ts'
import { steleOk, variablesFor } from '../cli-fixture.ts'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { OWNED_PASSWORD, type OwnedCluster, startOwnedCluster } from '../clickhouse-owner.ts'
import { agrees, append, caughtUp, childOf, finds, FOLLOWER, ledgerGoesOn } from '../index-children.ts'
import { eventually, problemOf, startTestServer, type TestServer } from '../server-fixture.ts'

const skip = noClickHouse
const EVENTS = '/v1/ledgers/main/events'
const KILLS = 4
const ENTRY: Entry = {
  at: '2026-01-02T03:04:05.678Z',
  source: 'generic',
  by: 'x5dowcyt2hwt',
  media: 'application/json',
  size: 2,
  sha256: 'A'.repeat(43),
}

let cluster: OwnedCluster
before(async () => {
  if (skip === false) cluster = await startOwnedCluster(2)
})
after(async () => await cluster?.stop())

function config(name = cluster.name): { noIndex: false; indexUrl: string } {
  const { host } = new URL(cluster.urls[0]!)
  const user = `stele:${encodeURIComponent(OWNED_PASSWORD)}`
  return { noIndex: false, indexUrl: `http://${user}@${host}/stele?cluster=${name}` }
}

/** What one shard answers of itself. */
async function asked(shard: number, query: string): Promise<string> {
  const parameters = new URLSearchParams({ user: 'stele', password: OWNED_PASSWORD, database: 'stele', query })
  const answer = await fetch(`${cluster.urls[shard]}/?${parameters.toString()}`, { method: 'POST' })
  assert.equal(answer.status, 200, query)
  return (await answer.text()).trim()
}

function installOf({ ledgers }: TestServer): string {
  return ledgers.originPrefix.split('/').at(-1)!
}

/** How many rows of an installation each shard holds, and in how many tables. */
async function held(install: string): Promise<{ readonly rows: number[]; readonly tables: number[] }> {
  const where = `WHERE database = 'stele' AND position(name, '${install}') > 0`
  const counts = await Promise.all(
    cluster.urls.keys().map(async (shard) => ({
      rows: Number(await asked(shard, `SELECT sum(total_rows) FROM system.tables ${where} AND engine = 'MergeTree'`)),
      tables: Number(await asked(shard, `SELECT count() FROM system.tables ${where}`)),
    })),
  )
  return { rows: counts.map(({ rows }) => rows), tables: counts.map(({ tables }) => tables) }
}

/** The table of a shard that the rows of a server lie in. */
async function rowsTable(server: TestServer, shard: number): Promise<string> {
  const name = await asked(
    shard,
    `SELECT name FROM system.tables WHERE name LIKE 'rows_of_events_${installOf(server)}%'`,
  )
  return `\`${name}\``
}

async function mainRows(server: TestServer, shard: number): Promise<number> {
  return Number(await asked(shard, `SELECT count() FROM ${await rowsTable(server, shard)} WHERE ledger = 'main'`))
}

/** Appends blocks until either shard has one. */
async function appendSpread(server: TestServer, block: number): Promise<number> {
  do {
    await append(server, block)
    await caughtUp(server)
  } while ((await mainRows(server, 0)) === 0 || (await mainRows(server, 1)) === 0)
  return server.ledgers.log('main').size
}

test(
  'over two shards events are indexed, found, counted, checked and made anew as with one server',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config() })
    const world = { variables: variablesFor(server) }
    await append(server, 300)
    const size = await appendSpread(server, 60)
    await finds(server, 123)
    await finds(server, size - 1)
    const { hits, total, next } = await server.askJson(`${EVENTS}?limit=30`)
    const indexes = hits.map(({ index }: { index: number }) => index)
    const newest = Array.from({ length: 30 }, (_, at) => size - 1 - at)
    assert.deepEqual([indexes, total], [newest, { count: size, exact: true }])
    const further = await server.askJson(`${EVENTS}?limit=1&cursor=${next}`)
    assert.equal(further.hits[0].index, size - 31)
    const { facets } = await server.askJson('/v1/ledgers/main/facets?fields=outcome,actor&top=3')
    assert.deepEqual(facets.outcome, [
      { value: 'success', count: (size * 2) / 3 },
      { value: 'failure', count: size / 3 },
    ])
    const { buckets } = await server.askJson('/v1/ledgers/main/histogram?buckets=5&by=outcome')
    assert.equal(
      buckets.reduce((sum: number, { count }: { count: number }) => sum + count, 0),
      size,
    )
    assert.match(await steleOk(world, 'check', 'index'), /^The index agrees/)
    await steleOk(world, 'rebuild-index')
    assert.equal(server.index.status().generation, 2)
    await agrees(server)
  },
)

test('tables are made and dropped on every shard, and a block that is sent again is taken once', { skip }, async () => {
  const installId = randomBase32(new SystemRandom(), 13)
  const access = parseIndexUrl(config().indexUrl)
  const client = connect(access)
  const shards = new Cluster(access, cluster.name)
  const store = new IndexStore(() => client, installId, new SystemRandom(), shards)
  const key = { installId, tableVersion: TABLE_VERSION, mapperVersion: 1, generation: 3, isSpread: true }
  try {
    await store.create(key)
    await store.create(key)
    assert.deepEqual(await store.tables(), [key])
    for (let index = 0; index < 16; index++) {
      const block = new RowBlock()
      block.add('main', index, emptyDocument(ENTRY))
      for (let time = 0; time < 3; time++) await store.insert(key, block.bytes, `state ${index}`)
    }
    assert.deepEqual([...(await store.cursors(key))], [['main', { next: 16, count: 16 }]])
    const { rows, tables } = await held(installId)
    assert.deepEqual([rows[0]! + rows[1]!, tables], [16, [2, 2]])
    assert(rows[0]! > 0 && rows[1]! > 0, rows.join())
    await store.drop(key)
    assert.deepEqual([await store.tables(), (await held(installId)).tables], [[], [0, 0]])
  } finally {
    await Promise.all([client.close(), shards.close()])
  }
})

test(
  'a row that is altered or doubled on any shard is found by the check, and indexed anew',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config() })
    await appendSpread(server, 20)
    const tables = await Promise.all([0, 1].map(async (shard) => await rowsTable(server, shard)))
    const place = async (shard: number) =>
      Number(await asked(shard, `SELECT max(index) FROM ${tables[shard]} WHERE ledger = 'main'`))
    const [changed, doubled] = [await place(0), await place(1)]
    await asked(
      0,
      `ALTER TABLE ${tables[0]} UPDATE outcome = 'unknown' WHERE ledger = 'main' AND index = ${changed} SETTINGS mutations_sync = 2`,
    )
    await asked(1, `INSERT INTO ${tables[1]} SELECT * FROM ${tables[1]} WHERE ledger = 'main' AND index = ${doubled}`)
    const checked = async () => {
      assert.equal((await server.ask('/v1/index/check', { method: 'POST' })).status, 202)
      await eventually(() => server.index.checkReport?.state === 'done', 30_000)
      return server.index.checkReport!.findings
    }
    const findings = (await checked()).map(({ index, kind }) => [index, kind])
    assert.deepEqual(
      findings.toSorted(([one], [other]) => Number(one) - Number(other)),
      [
        [changed, 'changed'],
        [doubled, 'doubled'],
      ].toSorted(([one], [other]) => Number(one) - Number(other)),
    )
    await eventually(async () => (await checked()).length === 0, 30_000)
  },
)

test(
  'a shard that is away is said, is never left out of an answer, and what came meanwhile is found once it is back',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config() })
    await append(server, 200)
    await caughtUp(server)
    await cluster.stopShard(1)
    try {
      for (const path of [EVENTS, `${EVENTS}?q=target:main-7`, '/v1/ledgers/main/facets?fields=outcome']) {
        const { detail } = await problemOf(await server.ask(path), 503, 'search-unavailable')
        assert.match(detail, /a server of the search cluster does not answer|the search server does not answer/)
      }
      await ledgerGoesOn(server)
      // What belongs to the other shard is indexed meanwhile.
      await eventually(async () => {
        await append(server, 5)
        return server.index.status().reason !== undefined
      }, 30_000)
    } finally {
      await cluster.startShard(1)
    }
    await agrees(server)
    await finds(server, server.ledgers.log('main').size - 1)
  },
)

test(
  'a follower that is killed in the middle of inserts leaves no row out and none twice',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config() })
    await append(server, 50)
    await caughtUp(server)
    for (let kill = 0; kill < KILLS; kill++) {
      await append(server, 400, 100)
      await sleep(kill * 37)
      const pid = childOf(FOLLOWER)
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
      await eventually(() => childOf(FOLLOWER) !== undefined && childOf(FOLLOWER) !== pid, 30_000)
    }
    await agrees(server)
    assert.equal((await server.askJson(`${EVENTS}?limit=1`)).total.count, 50 + KILLS * 400)
    // That search is on record, too, and its record on its way into the index.
    await eventually(async () => {
      const { rows } = await held(installOf(server))
      const heldCount = rows.reduce((sum, count) => sum + count, 0)
      const names = server.ledgers.names.filter((name) => name !== 'heads')
      return heldCount === names.reduce((sum, name) => sum + server.index.indexed(name), 0)
    })
  },
)

test(
  'a cluster that there is none of, or that would hold rows twice, is refused in plain words',
  { skip },
  async () => {
    const wrong = [
      ['nowhere', /the search server knows no cluster nowhere; it has .*spread/],
      ['doubled', /the cluster doubled has several replicas of a shard/],
    ] as const
    for (const [name, said] of wrong) {
      const access = parseIndexUrl(config(name).indexUrl)
      const client = connect(access)
      const store = new IndexStore(() => client, 'install', new SystemRandom(), new Cluster(access, name))
      await assert.rejects(store.tables(), (fault) => fault instanceof IndexUrlFault && said.test(fault.message))
      await client.close()
    }
  },
)

test('servers of a cluster on other machines are asked over TLS alone, at the port of the address', () => {
  const nodes = [1, 2].map((shard) => ({ cluster: 'c', shard, host: `search${shard}.example` }))
  assert.deepEqual(clusterNodes(nodes, 'c', 'https://any.example:8443'), [
    'https://search1.example:8443',
    'https://search2.example:8443',
  ])
  assert.deepEqual(clusterNodes([{ cluster: 'c', shard: 1, host: '::1' }], 'c', 'http://127.0.0.1:8123'), [
    'http://[::1]:8123',
  ])
  assert.throws(
    () => clusterNodes(nodes, 'c', 'http://127.0.0.1:8123'),
    /search1.example of the cluster is on another machine/,
  )
})
