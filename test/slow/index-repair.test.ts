// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the check that goes on by itself finds and mends, without anybody asking for it.

import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { createClient } from '@clickhouse/client'
import { type CheckSchedule, DAILY_CHECK } from '../../src/index/background-check.ts'
import type { Disagreement, Report } from '../../src/index/messages.ts'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { byHand, type OwnedClickHouse, startOwnedClickHouse } from '../clickhouse-owner.ts'
import { lastFirst } from '../embedded-ground.ts'
import { type Followed, followed } from '../follower-ground.ts'
import { agrees, append, caughtUp, childOf, finds, FOLLOWER } from '../index-children.ts'
import { eventsOf, eventually, startTestServer } from '../server-fixture.ts'

const skip = noClickHouse
let server: OwnedClickHouse
before(async () => {
  if (skip === false) server = await startOwnedClickHouse()
})
after(async () => await server?.stop())

/** One after the other, without rest. */
const AT_ONCE: CheckSchedule = {
  ...DAILY_CHECK,
  share: 1,
  loadedShare: 1,
  everyMs: 0,
  quickEveryMs: 50,
  againAfterMs: 50,
  settledAfterMs: 500,
}
/** Only the quick pass has a chance. */
const QUICK: CheckSchedule = { ...AT_ONCE, everyMs: 3_600_000 }

async function filled(context: TestContext, schedule: CheckSchedule, count = 2_500): Promise<Followed> {
  const here = await followed(context, server.url, schedule)
  await here.ground.append('main', count)
  here.open()
  await here.caughtUp()
  return here
}

function disagreements({ reports }: Followed): Disagreement[] {
  return reports.flatMap((report) => (report.type === 'disagreed' ? [report.disagreement] : []))
}

function repairs({ reports }: Followed) {
  return reports.flatMap((report) => (report.type === 'repaired' ? [report.repair] : []))
}

/** A pass that began after now, and found all as it must be. */
async function passes({ reports }: Followed): Promise<void> {
  const known = reports.length
  const isOver = (report: Report) => report.type === 'pass' && report.pass.state === 'done'
  await eventually(() => reports.slice(known).filter(isOver).length > 1, 30_000)
}

async function isSound({ ground }: Followed): Promise<void> {
  const check = ground.checkOf(ground.table, (await ground.source.now()).sizes)
  await check.run()
  assert.deepEqual(check.result.findings, [])
}

test(
  'P6: an index that is left alone is checked row by row, again and again, and nothing is found',
  { skip },
  async (context) => {
    const here = await filled(context, AT_ONCE)
    await passes(here)
    const last = here.reports.findLast((report) => report.type === 'pass' && report.pass.state === 'done')
    assert.ok(last?.type === 'pass' && last.pass.checked >= 2_500 && last.pass.checked === last.pass.size)
    assert.deepEqual([disagreements(here), repairs(here)], [[], []])
  },
)

test(
  'P6: rows deleted, altered, doubled and invented by hand are each told of and mended, while events arrive',
  { skip },
  async (context) => {
    const here = await filled(context, AT_ONCE)
    const { ground } = here
    const { sql, client } = ground
    const appending = (async () => {
      for (let turn = 0; turn < 40; turn++) await ground.append('main', 50)
    })()
    await byHand(client, `ALTER TABLE ${sql} DELETE WHERE ledger = 'main' AND index IN (17, 2499)`)
    await byHand(client, `ALTER TABLE ${sql} UPDATE severity = 6 WHERE ledger = 'main' AND index = 1024`)
    await byHand(client, `INSERT INTO ${sql} SELECT * FROM ${sql} WHERE ledger = 'main' AND index = 2000`)
    const of = (index: number) => `FROM (SELECT * FROM ${sql} WHERE ledger = 'main' AND index = ${index})`
    await byHand(client, `INSERT INTO ${sql} SELECT * REPLACE (1000000 AS index) ${of(3)}`)
    await byHand(client, `INSERT INTO ${sql} SELECT * REPLACE ('constructor' AS ledger) ${of(4)}`)
    await appending
    const sum = (kind: 'missing' | 'changed' | 'invented' | 'doubled') =>
      disagreements(here).reduce((total, found) => total + found[kind], 0)
    await eventually(
      () => sum('missing') >= 2 && sum('changed') >= 1 && sum('doubled') >= 1 && sum('invented') >= 2,
      30_000,
    )
    assert.deepEqual([sum('missing'), sum('changed'), sum('doubled'), sum('invented')], [2, 1, 1, 2])
    await passes(here)
    await here.caughtUp()
    await isSound(here)
    assert.deepEqual(await here.generations(), [1], 'the table was mended, and not made anew')
    assert.ok(repairs(here).length > 0)
  },
)

test(
  'P6: what is missing, doubled or invented is found by counting alone, and what is missing and doubled at once',
  { skip },
  async (context) => {
    const here = await filled(context, QUICK)
    const { client, sql } = here.ground
    await eventually(
      () => here.reports.some((report) => report.type === 'pass' && report.pass.state === 'done'),
      30_000,
    )
    await byHand(client, `INSERT INTO ${sql} SELECT * FROM ${sql} WHERE ledger = 'main' AND index = 2000`)
    await byHand(client, `ALTER TABLE ${sql} DELETE WHERE ledger = 'main' AND index = 1024`)
    await eventually(() => repairs(here).length > 1 || (repairs(here)[0]?.to ?? 0) > 2_000, 30_000)
    await isSound(here)
    await byHand(
      client,
      `INSERT INTO ${sql} SELECT * REPLACE ('none' AS ledger) FROM (SELECT * FROM ${sql} WHERE ledger = 'main')`,
    )
    await eventually(
      () => repairs(here).some(({ ledger, rowCount }) => ledger === 'none' && rowCount === 2_500),
      30_000,
    )
    await isSound(here)
  },
)

test(
  'P6: while rows are known to be missing that is said, and until no query can be under way that missed them',
  { skip },
  async (context) => {
    const here = await filled(context, { ...AT_ONCE, settledAfterMs: 10_000 })
    const { client, sql } = here.ground
    await byHand(client, `ALTER TABLE ${sql} DELETE WHERE ledger = 'main' AND index = 2000`)
    await eventually(() => repairs(here).length > 0, 30_000)
    const at = here.reports.findIndex(({ type }) => type === 'repaired')
    const told = here.reports.slice(0, at).findLast((report) => report.type === 'progress')
    assert.ok(told?.type === 'progress' && (told.progress.doubted['main'] ?? 0) > 0)
    assert.match(
      here.troubles.at(-1)?.reason ?? '',
      /^1024 to 2047 of main were not indexed as the ledger has them and are indexed anew$/,
    )
    await passes(here)
    const { doubted, indexed } = here.progress.at(-1)!
    assert.deepEqual([doubted['main'], indexed['main']], [1_024, 2_500])
  },
)

test(
  'P6: a range that does not stay as it is indexed anew is left after three times, and that is said',
  { skip },
  async (context) => {
    const here = await filled(context, AT_ONCE)
    const { client, sql } = here.ground
    const over = new AbortController()
    const altering = (async () => {
      while (!over.signal.aborted)
        await byHand(client, `ALTER TABLE ${sql} UPDATE severity = severity + 1 WHERE ledger = 'main' AND index = 5`)
    })()
    try {
      await eventually(() => /do not stay/.test(here.troubles.at(-1)?.reason ?? ''), 30_000)
    } finally {
      over.abort()
      await altering
    }
    const repairedCount = repairs(here).length
    assert.equal(repairedCount, 3)
    await passes(here)
    assert.equal(repairs(here).length, 3)
    assert.ok((here.progress.at(-1)?.doubted['main'] ?? 0) > 0)
  },
)

test('P6: where most is gone the table is made anew beside, instead of piece by piece', { skip }, async (context) => {
  const here = await filled(context, QUICK)
  const { client, sql } = here.ground
  const some = `FROM (SELECT * FROM ${sql} WHERE ledger = 'main' AND index < 40)`
  await byHand(client, `INSERT INTO ${sql} SELECT * REPLACE (concat('ledger', toString(index)) AS ledger) ${some}`)
  await eventually(() => here.progress.at(-1)?.table.includes('_2_t') === true, 30_000)
  await here.caughtUp()
  const none = { missing: 0, changed: 0, doubled: 0 }
  assert.deepEqual(disagreements(here), [{ ledger: '', from: 0, to: 40, ...none, invented: 40 }])
})

test(
  'P6: a follower that is killed again and again while it repairs leaves an index that ends up right',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const running = await startTestServer(t, {
      config: { indexUrl: `${server.url}/stele`, noIndex: false },
      parts: { checking: AT_ONCE },
    })
    await append(running, 2_000)
    await caughtUp(running)
    const client = createClient({ url: server.url, username: 'default', database: 'stele' })
    t.after(async () => await client.close())
    const { installId } = running.administration.state.install
    for (let kill = 0; kill < 5; kill++) {
      const tables = await client.query({ query: 'SHOW TABLES', format: 'JSONEachRow' })
      const names = (await tables.json<{ name: string }>()).map(({ name }) => name)
      const newest = names
        .filter((name) => name.includes(installId))
        .toSorted()
        .at(-1)
      const { missing } = running.index.background.totals.disagreements
      await byHand(client, `ALTER TABLE \`${newest}\` DELETE WHERE ledger = 'main' AND index = ${kill * 300}`)
      await eventually(
        () => running.index.background.totals.disagreements.missing > missing || running.index.status().generation > 1,
        30_000,
      )
      const pid = childOf(FOLLOWER)
      assert.ok(pid !== undefined)
      process.kill(pid, 'SIGKILL')
      await append(running, 20)
      await eventually(() => childOf(FOLLOWER) !== undefined && childOf(FOLLOWER) !== pid, 30_000)
      await caughtUp(running)
    }
    await agrees(running)
    await finds(running, 300)
    const recorded = (await eventsOf(running, 'system')).filter(({ type }) => type === 'index.disagreed')
    assert.ok(recorded.length > 0)
  },
)
