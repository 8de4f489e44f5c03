// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What one look over the indexes of all rows tells of a table that somebody has altered.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { quickPass } from '../src/index/quick-pass.ts'
import { noClickHouse } from './clickhouse-fixture.ts'
import { byHand, type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { indexGround } from './index-ground.ts'

const skip = noClickHouse
let server: OwnedClickHouse
before(async () => {
  if (skip === false) server = await startOwnedClickHouse()
})
after(async () => await server?.stop())

test('P6: counting says how much is missing, doubled and invented at the least', { skip }, async (context) => {
  const ground = await indexGround(context, server.url)
  const { sql, client, store, table, source } = ground
  await ground.append('main', 500)
  void ground.feed().run()
  await ground.caughtUp()
  const pass = async () => await quickPass(store, table, source, ground.indexed(), {})
  const ofMain = async () => (await pass()).suspects.filter(({ ledger }) => ledger === 'main')
  assert.deepEqual(await pass(), { suspects: [], invented: [] })
  await byHand(client, `ALTER TABLE ${sql} DELETE WHERE ledger = 'main' AND index IN (17, 18, 400)`)
  const main = { ledger: 'main', from: 0, to: 500, changed: 0 }
  assert.deepEqual(await ofMain(), [{ ...main, missing: 3, doubled: 0 }])
  const copy = `INSERT INTO ${sql} SELECT * FROM ${sql} WHERE ledger = 'main' AND index`
  await byHand(client, `${copy} IN (1, 2, 3)`)
  assert.deepEqual(await ofMain(), [{ ...main, missing: 1, doubled: 0 }], 'as many gaps as doubles')
  await byHand(client, `${copy} IN (30, 40)`)
  assert.deepEqual(await ofMain(), [{ ...main, missing: 0, doubled: 2 }])
  const none = `SELECT * REPLACE (concat('none', toString(index % 50)) AS ledger) FROM (SELECT * FROM ${sql} WHERE ledger = 'main' AND index >= 450)`
  await byHand(client, `INSERT INTO ${sql} ${none}`)
  const { invented } = await pass()
  assert.equal(invented.length, 50)
  assert.ok(invented.every(({ size, count, first, last }) => size === 0 && count === 1 && first === last))
})
