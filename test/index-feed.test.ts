// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TableDisagrees } from '../src/index/feed.ts'
import { StoreFault } from '../src/index/store.ts'
import { noClickHouse } from './clickhouse-fixture.ts'
import { type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { eventText, type Ground, indexGround, render } from './index-ground.ts'

const skip = noClickHouse
let server: OwnedClickHouse
before(async () => {
  if (!skip) server = await startOwnedClickHouse()
})
after(async () => await server?.stop())

async function rowsOf({
  store,
  sql,
}: Ground): Promise<{ ledger: string; count: number; distinct: number; next: number }[]> {
  const rows = await store.rows<Record<'ledger' | 'count' | 'distinct' | 'next', string>>(
    `SELECT ledger, toString(count()) AS count, toString(uniqExact(index)) AS distinct, toString(max(index) + 1) AS next FROM ${sql} GROUP BY ledger ORDER BY ledger`,
  )
  return rows.map(({ ledger, count, distinct, next }) => ({
    ledger,
    count: Number(count),
    distinct: Number(distinct),
    next: Number(next),
  }))
}

test(
  'every entry of every ledger but heads gets one row, whatever order the ledgers grow in',
  { skip },
  async (context) => {
    const ground = await indexGround(context, server.url)
    await ground.stele.administration.createLedger({ name: 'other' }, 'tester')
    await ground.append('main', 700)
    void ground.feed().run()
    for (let turn = 0; turn < 30; turn++) {
      await ground.append(turn % 3 === 0 ? 'other' : 'main', 1 + (turn % 5))
      if (turn % 10 === 0) await ground.caughtUp()
    }
    await ground.caughtUp()
    const { sizes } = await ground.source.now()
    assert.deepEqual(
      await rowsOf(ground),
      Object.entries(sizes)
        .filter(([, size]) => size > 0)
        .map(([ledger, size]) => ({ ledger, count: size, distinct: size, next: size }))
        .toSorted((one, other) => (one.ledger < other.ledger ? -1 : 1)),
    )
    assert.deepEqual((await ground.check()).findings, [])
  },
)

test(
  'a feed that ends anywhere is taken up by the next one: nothing is missing and nothing doubled',
  { skip },
  async (context) => {
    const ground = await indexGround(context, server.url)
    for (let turn = 0; turn < 15; turn++) {
      await ground.append('main', 200)
      const feed = ground.feed()
      const running = feed.run()
      await new Promise((resolve) => setTimeout(resolve, turn * 7))
      feed.stop()
      await running
    }
    void ground.feed().run()
    await ground.caughtUp()
    assert.deepEqual((await ground.check()).findings, [])
  },
)

test('an insert whose answer is lost is not inserted again', { skip }, async (context) => {
  const ground = await indexGround(context, server.url)
  await ground.append('main', 300)
  const insert = ground.store.insert.bind(ground.store)
  let lost = 0
  ground.store.insert = async (...args) => {
    await insert(...args)
    if (lost++ < 2) throw new StoreFault('gone', 'the answer was lost')
  }
  void ground.feed().run()
  await ground.caughtUp()
  await ground.append('main', 20)
  await ground.caughtUp()
  assert(lost >= 2)
  assert.deepEqual((await ground.check()).findings, [])
})

test('an insert that fails while nothing else comes is noticed and made good', { skip }, async (context) => {
  const ground = await indexGround(context, server.url)
  void ground.feed().run()
  await ground.caughtUp()
  const insert = ground.store.insert.bind(ground.store)
  let failures = 0
  ground.store.insert = async (...args) => {
    if (failures++ === 0) throw new StoreFault('full', 'no space left')
    await insert(...args)
  }
  await ground.append('main', 1)
  await ground.caughtUp()
  assert.equal(failures, 2)
  assert(ground.troubles.includes('no space left'))
  assert.equal(ground.troubles.at(-1), undefined)
  assert.deepEqual((await ground.check()).findings, [])
})

test(
  'an event of which the mapping throws, and rows that ClickHouse refuses, hold nothing else up',
  { skip },
  async (context) => {
    const ground = await indexGround(context, server.url)
    await ground.append('main', 500)
    const poisoned = eventText('main', 100)
    const insert = ground.store.insert.bind(ground.store)
    const refused = Buffer.from('main-333')
    ground.store.insert = async (key, rows, token) => {
      if (rows.includes(refused)) throw new StoreFault('rows', 'cannot parse')
      await insert(key, rows, token)
    }
    void ground
      .feed({
        render: (entry, event) => {
          if (event.toString() === poisoned) throw new Error('a bug')
          return render(entry, event)
        },
      })
      .run()
    await ground.caughtUp()
    const [main] = (await rowsOf(ground)).filter(({ ledger }) => ledger === 'main')
    assert.deepEqual(main, { ledger: 'main', count: 500, distinct: 500, next: 500 })
    const { findings } = await ground.check()
    assert.deepEqual(
      findings.map(({ index, kind }) => ({ index, kind })),
      [
        { index: 100, kind: 'changed' },
        { index: 333, kind: 'changed' },
      ],
    )
    assert(ground.logged.some((line) => 'index' in line && line.index === 100))
  },
)

test('a table that holds other rows than it was given is no cursor any more', { skip }, async (context) => {
  const ground = await indexGround(context, server.url)
  await ground.append('main', 50)
  const feed = ground.feed()
  void feed.run()
  await ground.caughtUp()
  feed.stop()
  const statements = [
    `ALTER TABLE ${ground.sql} DELETE WHERE index = 7 AND ledger = 'main'`,
    `INSERT INTO ${ground.sql} (ledger, index) VALUES ('main', 7), ('main', 999999999)`,
  ]
  for (const query of statements) {
    await ground.client.command({ query, clickhouse_settings: { mutations_sync: '2' } })
    await assert.rejects(ground.feed().run(), TableDisagrees)
  }
})

test(
  'a table that lost its last rows and still knows their tokens is not waited for, but built anew',
  { skip },
  async (context) => {
    const ground = await indexGround(context, server.url)
    const feed = ground.feed()
    void feed.run()
    await ground.caughtUp()
    await ground.append('main', 50)
    await ground.caughtUp()
    feed.stop()
    const query = `ALTER TABLE ${ground.sql} DELETE WHERE ledger = 'main'`
    await ground.client.command({ query, clickhouse_settings: { mutations_sync: '2' } })
    await assert.rejects(ground.feed().run(), TableDisagrees)
  },
)

test(
  'an insert that was given up and arrives late doubles nothing, whether before or after the one in its place',
  { skip },
  async (context) => {
    const ground = await indexGround(context, server.url)
    const insert = ground.store.insert.bind(ground.store)
    let late: () => Promise<void> = async () => {}
    for (const isBefore of [false, true]) {
      await ground.append('main', 30)
      const feed = ground.feed()
      const sent = new Promise<void>((resolve) => {
        ground.store.insert = async (key, rows, token) => {
          const kept = Buffer.from(rows)
          late = async () => await insert(key, kept, token)
          resolve()
          throw new StoreFault('gone', 'the connection broke')
        }
      })
      const running = feed.run()
      await sent
      feed.stop()
      await running
      await ground.append('main', 5)
      ground.store.insert = async (...args) => {
        // Between the question of the next feed and its insert.
        if (isBefore) await late()
        ground.store.insert = insert
        await insert(...args)
      }
      const next = ground.feed()
      void next.run()
      await ground.caughtUp()
      if (!isBefore) await late()
      next.stop()
      assert.deepEqual((await ground.check()).findings, [])
    }
  },
)
