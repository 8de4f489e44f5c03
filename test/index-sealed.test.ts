// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The index of ledgers of which a part is sealed, and no longer in the log.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { StoreFault } from '../src/index/store.ts'
import { tableName } from '../src/index/tables.ts'
import { noClickHouse } from './clickhouse-fixture.ts'
import { type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { type Ground, indexGround } from './index-ground.ts'
import { eventually } from './server-fixture.ts'

const skip = noClickHouse
let server: OwnedClickHouse
before(async () => {
  if (!skip) server = await startOwnedClickHouse()
})
after(async () => await server?.stop())

const firstWalFile = ({ directory }: Ground) => Number(readdirSync(join(directory, 'wal'))[0])

/** Grows two ledgers until some files of the log are complete. */
async function fill(ground: Ground): Promise<void> {
  for (let turn = 0; turn < 12; turn++) {
    await ground.append('main', 100)
    await ground.append('other', 20)
  }
}

async function begun(context: Parameters<typeof indexGround>[0]): Promise<Ground> {
  const ground = await indexGround(context, server.url)
  await ground.stele.administration.createLedger({ name: 'other' }, 'tester')
  await fill(ground)
  return ground
}

async function caughtUpExactly(ground: Ground): Promise<void> {
  await ground.caughtUp()
  const { sizes } = await ground.source.now()
  const size = Object.values(sizes).reduce((sum, one) => sum + one, 0)
  assert.deepEqual(await ground.check(), { checked: size, findings: [], findingCount: 0, ranges: [] })
}

test('an index is fed, checked and fed anew after the log that held its entries is gone', { skip }, async (context) => {
  const ground = await begun(context)
  assert((await ground.seal()) > 0)
  assert(firstWalFile(ground) > 1)
  void ground.feed().run()
  await caughtUpExactly(ground)
  await fill(ground)
  await caughtUpExactly(ground)
  const table = { ...ground.table, generation: 2 }
  await ground.store.create(table)
  void ground.feed({ table }).run()
  const { size } = ground.stele.ledgers.log('main')
  const counted = async () =>
    await ground.store.rows<{ rows: string }>(
      `SELECT toString(count()) AS rows FROM \`${tableName(table)}\` WHERE ledger = 'main'`,
    )
  await eventually(async () => Number((await counted())[0]?.rows) === size)
  assert.deepEqual((await ground.check(table)).findings, [])
})

test(
  'sealing goes on while an index is fed and checked: nothing is missing, doubled or troubled',
  { skip },
  async (context) => {
    const ground = await begun(context)
    void ground.feed().run()
    for (let turn = 0; turn < 4; turn++) {
      await fill(ground)
      const [findings] = await Promise.all([
        ground.check().then((result) => result.findings),
        turn % 2 === 0 ? ground.seal() : undefined,
      ])
      assert.deepEqual(findings, [])
    }
    await caughtUpExactly(ground)
    assert.deepEqual(
      ground.troubles.filter((reason) => reason !== undefined),
      [],
    )
    assert(!ground.logged.some((line) => 'level' in line && line.level === 'warn'), JSON.stringify(ground.logged))
  },
)

test('a row that is altered is found by a check that reads the entry from a segment', { skip }, async (context) => {
  const ground = await begun(context)
  await ground.seal()
  void ground.feed().run()
  await ground.caughtUp()
  await ground.client.command({
    query: `ALTER TABLE ${ground.sql} DELETE WHERE ledger = 'main' AND index IN (3, 700) SETTINGS mutations_sync = 2`,
  })
  const { findings } = await ground.check()
  assert.deepEqual(findings, [
    { ledger: 'main', index: 3, kind: 'missing' },
    { ledger: 'main', index: 700, kind: 'missing' },
  ])
})

test(
  'a damaged segment holds indexing up with its name, and it goes on once that is repaired',
  { skip },
  async (context) => {
    const ground = await begun(context)
    await ground.seal()
    const folder = join(ground.directory, 'segments', 'main')
    const path = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.content'))!,
    )
    const bytes = readFileSync(path)
    const damaged = Buffer.from(bytes)
    damaged[700]! ^= 1
    writeFileSync(path, damaged)
    void ground.feed().run()
    await eventually(() => ground.troubles.some((reason) => reason?.startsWith(path)))
    writeFileSync(path, bytes)
    await caughtUpExactly(ground)
    assert.equal(ground.troubles.at(-1), undefined)
    writeFileSync(path, damaged)
    await assert.rejects(ground.check(), (error: Error) => error.message.startsWith(path))
  },
)

test(
  'an insert that was given up and arrives after what it holds was sealed doubles nothing',
  { skip },
  async (context) => {
    const ground = await begun(context)
    const insert = ground.store.insert.bind(ground.store)
    for (const isBefore of [false, true]) {
      const caught = ground.feed()
      const catching = caught.run()
      await ground.caughtUp()
      caught.stop()
      await catching
      // The log goes on with the one ledger, and what is sealed begins with the other.
      await ground.append('other', 3)
      await fill(ground)
      let late: () => Promise<void> = async () => {}
      const given = Promise.withResolvers<void>()
      ground.store.insert = async (key, rows, token) => {
        const kept = Buffer.from(rows)
        late = async () => await insert(key, kept, token)
        given.resolve()
        throw new StoreFault('gone', 'the connection broke')
      }
      const feed = ground.feed()
      const running = feed.run()
      await given.promise
      feed.stop()
      await running
      assert((await ground.seal()) > 0)
      ground.store.insert = async (...args) => {
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
