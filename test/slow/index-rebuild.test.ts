// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The index made anew beside the one that is searched, in a ClickHouse whose queries the tests see.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ClickHouseClient, createClient } from '@clickhouse/client'

import { Feed } from '../../src/index/feed.ts'
import { IndexStore } from '../../src/index/store.ts'
import { createTable, TABLE_VERSION, type TableKey, tableName } from '../../src/index/tables.ts'
import { WriterSide } from '../../src/index/writer-side.ts'
import { filesOf } from '../../src/ledger/entry-stream.ts'
import { SystemClock } from '../../src/platform/clock.ts'
import { NodeDisk } from '../../src/platform/disk.ts'
import { SystemRandom } from '../../src/platform/random.ts'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { type OwnedClickHouse, startOwnedClickHouse } from '../clickhouse-owner.ts'
import { type ClickHouseProxy, startProxy } from '../clickhouse-proxy.ts'
import { lastFirst } from '../embedded-ground.ts'
import { agrees, append, caughtUp, childOf, finds, FOLLOWER } from '../index-children.ts'
import { render, sourceOf } from '../index-ground.ts'
import { scratch } from '../scratch.ts'
import { eventually, startTestServer, type TestServer } from '../server-fixture.ts'

const skip = noClickHouse
/** More than one insert holds. */
const TWO_BLOCKS = 70_000
const BATCH = 5_000

let owned: OwnedClickHouse
let proxy: ClickHouseProxy
let client: ClickHouseClient
before(async () => {
  if (skip !== false) return
  owned = await startOwnedClickHouse()
  proxy = await startProxy(owned.url)
  client = createClient({ url: owned.url, database: 'stele' })
})
after(async () => {
  await client?.close()
  await proxy?.close()
  await owned?.stop()
})

function config(): { noIndex: false; indexUrl: string } {
  return { noIndex: false, indexUrl: `${proxy.url}/stele` }
}

function installOf({ administration }: TestServer): string {
  return administration.state.install.installId
}

async function tablesOf(server: TestServer): Promise<TableKey[]> {
  return await new IndexStore(() => client, installOf(server), new SystemRandom()).tables()
}

/** Inserts into tables of a generation wait, from the `nth` on, until they are let go. */
class Held {
  readonly tokens: string[] = []
  #seen = 0
  #release: () => void = () => {}

  constructor(generation: number, nth = 1) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#release = resolve
    proxy.before = async (query, token) => {
      if (!query.startsWith('INSERT') || !query.includes(`_${generation}_t`)) return
      this.tokens.push(token)
      if (++this.#seen >= nth) await promise
    }
  }

  /** How many inserts have come. */
  get count(): number {
    return this.tokens.length
  }

  release(): void {
    proxy.before = () => {}
    this.#release()
  }
}

async function rebuild(server: TestServer): Promise<void> {
  assert.equal((await server.ask('/v1/index/rebuild', { method: 'POST' })).status, 202)
}

test(
  'while the index is made anew search goes on with the older one; then the new one takes its place, nothing is missing or doubled, and the older one goes',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config: config() })
    await append(server, 2_000)
    await caughtUp(server)
    const held = new Held(2)
    await rebuild(server)
    // Asked again while it goes on, it is the same.
    await rebuild(server)
    await eventually(() => held.count > 0)
    for (let turn = 0; turn < 5; turn++) {
      await append(server, 50)
      const last = server.ledgers.log('main').size - 1
      const { hits } = await server.askJson(`/v1/ledgers/main/events?limit=1&wait=${last}`)
      assert.equal(hits[0].index, last)
      await finds(server, turn * 400)
    }
    const { state, rebuild: progress, generation } = await server.askJson('/v1/index')
    assert.deepEqual({ state, generation, indexed: progress.indexed }, { state: 'building', generation: 1, indexed: 0 })
    assert.ok(progress.size > 0)
    held.release()
    // What can be found is not lost for a moment by the exchange.
    const over = new AbortController()
    const stream = (async () => {
      while (!over.signal.aborted) await append(server, 20)
    })()
    while (server.index.status().generation === 1) {
      const last = server.ledgers.log('main').size - 1
      const { hits } = await server.askJson(`/v1/ledgers/main/events?limit=1&wait=${last}`)
      assert.ok(hits[0].index >= last, `${hits[0].index} and not ${last}`)
    }
    over.abort()
    await stream
    await agrees(server)
    assert.deepEqual(
      (await tablesOf(server)).map(({ generation }) => generation),
      [1, 2],
    )
    await eventually(async () => (await tablesOf(server)).length === 1, 20_000)
    await finds(server, 1_999)
  },
)

test(
  'a rebuild goes on where it was when the follower is killed in the middle of it, and when the server is stopped',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const server = await startTestServer(t, { config: config(), directory })
    await append(server, TWO_BLOCKS, BATCH)
    await caughtUp(server)
    const held = new Held(2, 2)
    await rebuild(server)
    await eventually(() => held.count === 2, 30_000)
    const [first, second] = held.tokens
    assert.notEqual(second, first)
    process.kill(childOf(FOLLOWER)!, 'SIGKILL')
    await eventually(() => held.count === 3)
    assert.equal(held.tokens[2], second, 'what was inserted is not inserted again')
    await finds(server, 7)
    assert.equal(server.index.status().state, 'building')
    await server.close()

    const again = await startTestServer(t, { config: config(), directory })
    await eventually(() => held.count === 4)
    assert.equal(held.tokens[3], second)
    await eventually(() => again.index.status().state === 'building')
    await finds(again, 7)
    held.release()
    await eventually(() => again.index.status().generation === 2)
    await agrees(again)
  },
)

/** Fills a table from the server's ledgers, as an older version would have. */
async function fillOlder(server: TestServer, key: TableKey): Promise<void> {
  const store = new IndexStore(() => client, key.installId, new SystemRandom())
  const source = sourceOf(new WriterSide(server.ledgers))
  const done = Promise.withResolvers<void>()
  const feed = new Feed({
    store,
    table: key,
    source,
    render: (entry, event) => {
      const document = render(entry, event)
      return { ...document, actor: document.actor.map((actor) => `older ${actor}`) }
    },
    files: filesOf(new NodeDisk(), `${server.directory}/data`),
    clock: new SystemClock(),
    log: () => {},
    onTrouble: () => {},
    onProgress: ({ main = 0 }) => (main >= server.ledgers.log('main').size ? done.resolve() : undefined),
  })
  const running = feed.run()
  await done.promise
  feed.stop()
  await running
}

test(
  'an index of older mappings is made anew beside it by itself, and what it finds is shown meanwhile',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const without = await startTestServer(t, { directory })
    await append(without, 300)
    const older = { installId: installOf(without), tableVersion: TABLE_VERSION, mapperVersion: 0, generation: 3 }
    await fillOlder(without, older)
    await without.close()

    const held = new Held(4)
    const server = await startTestServer(t, { config: config(), directory })
    await eventually(() => held.count > 0)
    await eventually(() => server.index.status().state === 'building')
    assert.equal((await server.askJson('/v1/index')).mapperVersion, 0)
    const { hits, disagreements } = await server.askJson('/v1/ledgers/main/events?q=actor:older*&limit=1000')
    assert.equal(hits.length, 300)
    assert.equal(disagreements, undefined)
    held.release()
    await eventually(() => server.index.status().generation === 4)
    await agrees(server)
    const now = await server.askJson('/v1/ledgers/main/events?q=actor:older*&limit=1000')
    assert.equal(now.hits.length, 0)
    assert.equal((await server.askJson('/v1/index')).mapperVersion > 0, true)
  },
)

test('a table of other columns goes at once, and search says how far the new one is', { skip }, async (context) => {
  const t = lastFirst(context)
  const directory = scratch(t)
  const without = await startTestServer(t, { directory })
  await append(without, 300)
  const other = { installId: installOf(without), tableVersion: TABLE_VERSION - 1, mapperVersion: 1, generation: 5 }
  await client.command({
    query: createTable(tableName(other)).replace('`country` Array(LowCardinality(String)), ', ''),
  })
  await without.close()

  const held = new Held(6)
  const server = await startTestServer(t, { config: config(), directory })
  await eventually(() => held.count > 0)
  await eventually(() => server.index.status().state === 'building')
  assert.deepEqual(
    (await tablesOf(server)).map(({ generation }) => generation),
    [6],
  )
  const { state, rebuild: progress } = await server.askJson('/v1/index')
  assert.deepEqual({ state, indexed: progress.indexed }, { state: 'building', indexed: 0 })
  assert.ok(progress.size >= 300)
  const { hits, indexed, size } = await server.askJson('/v1/ledgers/main/events')
  assert.deepEqual({ hits, indexed, size }, { hits: [], indexed: 0, size: 300 })
  held.release()
  await agrees(server)
})

test(
  'rows that somebody took away while the follower slept are found missing at its next start, and the index is made anew by itself',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const server = await startTestServer(t, { config: config(), directory })
    await append(server, 500)
    await caughtUp(server)
    const [key] = await tablesOf(server)
    await client.command({
      query: `ALTER TABLE ${tableName(key!)} DELETE WHERE index = 77`,
      clickhouse_settings: { mutations_sync: '2' },
    })
    process.kill(childOf(FOLLOWER)!, 'SIGKILL')
    await eventually(() => server.index.status().generation === 2)
    await agrees(server)
  },
)
