// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { lastFirst } from '../embedded-ground.ts'
import { agrees, childOf, CLICKHOUSE, finds, FOLLOWER } from '../index-children.ts'
import { eventText } from '../index-ground.ts'
import { eventually, startTestServer, type TestServer } from '../server-fixture.ts'
import { scratch, SeededRandom } from '../scratch.ts'

/** Of one server: of forty deaths within ten minutes it rests. */
const KILLS = 25
const SERVERS = 2

async function appendOn(server: TestServer, over: AbortSignal): Promise<void> {
  let next = server.ledgers.log('main').size
  for (let turn = 0; !over.aborted; turn++) {
    const lines = Array.from({ length: 1 + (turn % 20) }, () => `${eventText('main', next++)}\n`).join('')
    const { count } = await server.askJson('/v1/ledgers/main/events', { body: lines, type: 'application/x-ndjson' })
    assert.equal(count, 1 + (turn % 20))
    await sleep(20)
  }
}

async function killed(server: TestServer, random: SeededRandom): Promise<void> {
  const pauseMs = () => {
    const byte = Buffer.alloc(2)
    random.fill(byte, 0, 2)
    return 5 + (byte.readUInt16BE() % 150)
  }
  await eventually(() => server.index.status().state === 'ready', 60_000)
  const over = new AbortController()
  const appending = appendOn(server, over.signal)
  try {
    for (let kill = 0; kill < KILLS;) {
      // In the middle of work: it has gone on since the last one was killed.
      const before = server.index.indexed('main')
      await eventually(() => server.index.indexed('main') > before, 60_000)
      await sleep(pauseMs())
      const [pid, followerPid] = [childOf(CLICKHOUSE), childOf(FOLLOWER)]
      // What was told last may be from before its death.
      if (pid === undefined || server.index.status().state !== 'ready') continue
      process.kill(pid, 'SIGKILL')
      // Each second time the process that feeds it dies with it.
      if (kill++ % 2 === 1 && followerPid !== undefined) process.kill(followerPid, 'SIGKILL')
    }
  } finally {
    over.abort()
  }
  await appending
  const { size } = server.ledgers.log('main')
  await eventually(() => server.index.indexed('main') === size, 60_000)
  const { restarts } = server.index.status()
  assert(restarts.follower > 0 && restarts.server >= KILLS, JSON.stringify(restarts))
}

test(
  'ClickHouse killed 50 times in the middle of work, each second time with its follower: appends go on, nothing is missing in the index and nothing doubled',
  { skip: noClickHouse },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const random = new SeededRandom(KILLS)
    for (let turn = 1; turn <= SERVERS; turn++) {
      const server = await startTestServer(t, { config: { noIndex: false }, directory })
      await killed(server, random)
      await agrees(server)
      const last = server.ledgers.log('main').size - 1
      await finds(server, last)
      context.diagnostic(`${last + 1} events appended, ${server.index.checkReport?.checked ?? 0} rows checked`)
      if (turn < SERVERS) await server.close()
    }
  },
)
