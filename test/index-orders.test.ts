// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the follower makes of orders that come in a heap, or while its server is away.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { noClickHouse } from './clickhouse-fixture.ts'
import { type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { followed } from './follower-ground.ts'
import { eventually } from './server-fixture.ts'

const skip = noClickHouse
let owned: OwnedClickHouse
before(async () => {
  if (skip === false) owned = await startOwnedClickHouse()
})
after(async () => await owned?.stop())

test(
  'opened twice and told three times at once to make the index anew, a follower makes one table more, with each entry once',
  { skip },
  async (context) => {
    const { ground, follower, open, generations, caughtUp, progress, checks } = await followed(context, owned.url)
    await ground.append('main', 400)
    open()
    open()
    await caughtUp()
    for (let turn = 0; turn < 3; turn++) follower.take({ type: 'rebuild' })
    open()
    await ground.append('main', 100)
    await eventually(() => progress.at(-1)?.table.includes('_2_t') === true)
    await caughtUp()
    assert.deepEqual(await generations(), [1, 2])
    follower.take({ type: 'check' })
    follower.take({ type: 'check' })
    await eventually(() => checks.some(({ state }) => state === 'done'))
    assert.deepEqual(checks.at(-1)?.findings, [])
    assert.equal(checks.filter(({ state }) => state === 'done').length, 1)
  },
)

test(
  'orders that come while the server is away are done once it is there, and the trouble is over then',
  { skip },
  async (context) => {
    const { ground, follower, open, generations, caughtUp, progress, troubles, checks } = await followed(
      context,
      owned.url,
    )
    await ground.append('main', 100)
    follower.take({ type: 'check' })
    await eventually(() => checks.length === 2)
    assert.match(checks.at(-1)?.reason ?? '', /not open yet/)
    open('http://127.0.0.1:1')
    follower.take({ type: 'rebuild' })
    await eventually(() => troubles.at(-1)?.isGone === true)
    open()
    await caughtUp()
    assert.equal(troubles.at(-1), undefined)
    await eventually(() => progress.at(-1)?.rebuild === undefined)
    assert.ok((await generations()).length <= 2)
  },
)

test('a table that disagrees while another is built beside it is left to that one', { skip }, async (context) => {
  const { ground, follower, open, generations, caughtUp, progress } = await followed(context, owned.url)
  await ground.append('main', 200)
  open()
  await caughtUp()
  const [key] = await ground.store.tables()
  await ground.client.command({
    query: `ALTER TABLE events_${key!.installId}_1_t${key!.tableVersion}_m1 DELETE WHERE index = 5`,
    clickhouse_settings: { mutations_sync: '2' },
  })
  follower.take({ type: 'rebuild' })
  // The tables are asked again, and the first one has lost a row.
  open()
  await eventually(async () => (await generations()).join() === '2')
  await ground.append('main', 10)
  await caughtUp()
  assert.match(progress.at(-1)?.table ?? '', /_2_t/)
  assert.deepEqual((await ground.check(await ground.store.tables().then(([only]) => only!))).findings, [])
})
