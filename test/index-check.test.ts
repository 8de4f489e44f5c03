// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ClickHouseSettings } from '@clickhouse/client'
import { noClickHouse } from './clickhouse-fixture.ts'
import { byHand, type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { type Ground, indexGround } from './index-ground.ts'

const skip = noClickHouse
let server: OwnedClickHouse
before(async () => {
  if (!skip) server = await startOwnedClickHouse()
})
after(async () => await server?.stop())

async function filled(context: Parameters<typeof indexGround>[0]): Promise<Ground> {
  const ground = await indexGround(context, server.url)
  await ground.append('main', 2_500)
  void ground.feed().run()
  await ground.caughtUp()
  return ground
}

test('P6: an index that was left alone agrees with the ledgers', { skip }, async (context) => {
  const ground = await filled(context)
  const { findings, findingCount, checked } = await ground.check()
  assert.deepEqual(findings, [])
  assert.equal(findingCount, 0)
  assert.equal(
    checked,
    Object.values(ground.indexed()).reduce((sum, count) => sum + count, 0),
  )
})

test(
  'P6: rows deleted, altered, doubled and invented by hand are each reported, and no other',
  { skip },
  async (context) => {
    const ground = await filled(context)
    const { sql } = ground
    await byHand(ground.client, `ALTER TABLE ${sql} DELETE WHERE ledger = 'main' AND index IN (17, 2499)`)
    await byHand(
      ground.client,
      `ALTER TABLE ${sql} UPDATE actor = ['mallory'], severity = 6 WHERE ledger = 'main' AND index = 1024`,
    )
    await byHand(
      ground.client,
      `ALTER TABLE ${sql} UPDATE text = concat(text, ' ') WHERE ledger = 'main' AND index = 1025`,
    )
    await byHand(ground.client, `INSERT INTO ${sql} SELECT * FROM ${sql} WHERE ledger = 'main' AND index = 2000`)
    await byHand(
      ground.client,
      `INSERT INTO ${sql} SELECT * REPLACE (1000000 AS index) FROM (SELECT * FROM ${sql} WHERE ledger = 'main' AND index = 3)`,
    )
    await byHand(
      ground.client,
      `INSERT INTO ${sql} SELECT * REPLACE ('constructor' AS ledger) FROM (SELECT * FROM ${sql} WHERE ledger = 'main' AND index = 4)`,
    )
    const { findings, findingCount } = await ground.check()
    const sorted = findings.toSorted((one, other) => one.index - other.index)
    assert.deepEqual(sorted, [
      { ledger: 'constructor', index: 4, kind: 'invented' },
      { ledger: 'main', index: 17, kind: 'missing' },
      { ledger: 'main', index: 1024, kind: 'changed', columns: ['severity', 'actor'] },
      { ledger: 'main', index: 1025, kind: 'changed', columns: ['text'] },
      { ledger: 'main', index: 2000, kind: 'doubled' },
      { ledger: 'main', index: 2499, kind: 'missing' },
      { ledger: 'main', index: 1_000_000, kind: 'invented' },
    ])
    assert.equal(findingCount, 7)
  },
)

test('P6: rows made too large to be held together are found all the same', { skip }, async (context) => {
  const ground = await filled(context)
  const { sql } = ground
  const bounded = ground.store.rows.bind(ground.store)
  ground.store.rows = async <Row>(query: string, parameters?: Record<string, unknown>, settings?: ClickHouseSettings) =>
    await bounded<Row>(query, parameters, { max_threads: 1, ...settings, max_memory_usage: '200000000' })
  const some = `FROM (SELECT * FROM ${sql} WHERE ledger = 'main' AND index < 10)`
  for (let insert = 0; insert < 7; insert++) {
    const large = "SELECT * REPLACE (100 AS index, repeat(repeat('a', 1000000), 4) AS text)"
    await byHand(ground.client, `INSERT INTO ${sql} ${large} ${some}`)
  }
  const { findings } = await ground.check()
  assert.deepEqual(findings, [{ ledger: 'main', index: 100, kind: 'doubled' }])
})

test('P6: an index that was emptied by hand is reported entry by entry', { skip }, async (context) => {
  const ground = await filled(context)
  await byHand(ground.client, `TRUNCATE TABLE ${ground.sql}`)
  const { findings, findingCount } = await ground.check()
  assert.equal(
    findingCount,
    Object.values(ground.indexed()).reduce((sum, count) => sum + count, 0),
  )
  assert.equal(findings.length, 1_000)
  assert(findings.every(({ kind }) => kind === 'missing'))
})

test('events that arrive during a check are no findings', { skip }, async (context) => {
  const ground = await filled(context)
  const checking = ground.check()
  for (let turn = 0; turn < 20; turn++) await ground.append('main', 50)
  assert.deepEqual((await checking).findings, [])
  await ground.caughtUp()
  assert.deepEqual((await ground.check()).findings, [])
})

test('a check that fails before its end has what it found by then', { skip }, async (context) => {
  const ground = await filled(context)
  await byHand(ground.client, `ALTER TABLE ${ground.sql} DELETE WHERE ledger = 'main' AND index = 17`)
  const rows = ground.store.rows.bind(ground.store)
  ground.store.rows = async <Row>(query: string, parameters?: Record<string, unknown>) => {
    if (query.includes('GROUP BY ledger')) throw new Error('gone')
    return await rows<Row>(query, parameters)
  }
  const check = ground.checkOf()
  await assert.rejects(check.run(), /gone/)
  assert.deepEqual(check.result.findings, [{ ledger: 'main', index: 17, kind: 'missing' }])
})
