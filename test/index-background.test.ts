// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the check that goes on by itself does where ClickHouse does not let it compare.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ClickHouseSettings } from '@clickhouse/client'
import { BackgroundCheck, DAILY_CHECK } from '../src/index/background-check.ts'
import { Doubts } from '../src/index/doubts.ts'
import type { Disagreement, Repaired } from '../src/index/messages.ts'
import { StoreFault } from '../src/index/store.ts'
import { filesOf } from '../src/ledger/entry-stream.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { noClickHouse } from './clickhouse-fixture.ts'
import { byHand, type OwnedClickHouse, startOwnedClickHouse } from './clickhouse-owner.ts'
import { IdleClock } from './follower-ground.ts'
import { indexGround } from './index-ground.ts'
import { eventually } from './server-fixture.ts'

const skip = noClickHouse
let server: OwnedClickHouse
before(async () => {
  if (skip === false) server = await startOwnedClickHouse()
})
after(async () => await server?.stop())

test(
  'P6: what counting finds is in doubt at once, and indexed anew even where it cannot be compared, which is said',
  { skip },
  async (context) => {
    const ground = await indexGround(context, server.url)
    const { store, table, source, sql, client } = ground
    await ground.append('main', 500)
    const feed = ground.feed()
    void feed.run()
    await ground.caughtUp()
    const rows = store.rows.bind(store)
    let comparisons = 0
    const doubted: number[] = []
    const clock = new IdleClock()
    const doubts = new Doubts(clock, () => {})
    store.rows = async <Row>(query: string, ...rest: [Record<string, unknown>?, ClickHouseSettings?]) => {
      if (!query.includes('SHA256')) return await rows<Row>(query, ...rest)
      comparisons++
      doubted.push(doubts.counts['main'] ?? 0)
      throw new StoreFault('refused', 'the search server has no memory left')
    }
    const [found, repaired]: [Disagreement[], Repaired[]] = [[], []]
    await byHand(client, `ALTER TABLE ${sql} DELETE WHERE ledger = 'main' AND index = 17`)
    const check = new BackgroundCheck({
      clock,
      random: new SystemRandom(),
      schedule: { ...DAILY_CHECK, share: 1, everyMs: 3_600_000, quickEveryMs: 20, againAfterMs: 5 },
      busyShare: () => 0,
      source,
      opened: () => ({ store, files: filesOf(new NodeDisk(), ground.directory) }),
      live: () => (repaired.length > 1 ? undefined : { key: table, feed, indexed: { main: 500 } }),
      doubts,
      onPass: () => {},
      onDisagreed: (disagreement) => found.push(disagreement),
      onRepaired: (repair) => repaired.push(repair),
      onHopeless: () => assert.fail('one range is not hopeless'),
    })
    void check.found(table, [])
    await eventually(() => /cannot be compared: .* no memory left$/.test(doubts.reason ?? ''), 10_000)
    const whole = { ledger: 'main', from: 0, to: 500 }
    assert.deepEqual(found, [{ ...whole, missing: 1, changed: 0, doubled: 0, invented: 0 }])
    assert.deepEqual(repaired, [{ ...whole, rowCount: 500 }])
    assert.deepEqual(doubts.counts, { main: 500 })
    assert.equal(comparisons, 8, 'four before, four behind')
    assert.deepEqual(new Set(doubted), new Set([500]), 'it was in doubt from the beginning')
    store.rows = rows
    assert.deepEqual((await ground.check()).findings, [])
  },
)
