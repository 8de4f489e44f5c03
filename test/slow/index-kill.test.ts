// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { eventText } from '../index-ground.ts'
import { eventually, startTestServer, type TestServer } from '../server-fixture.ts'
import { SeededRandom } from '../scratch.ts'

const KILLS = 50
const SCRIPTS = ['follower.ts', 'embedded-child.ts'] as const

/** Processes that this one has started, by their script. */
function childOf(script: string): number | undefined {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1])
      if (parent === process.pid && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(script)) return Number(name)
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined
}

async function appendOn(server: TestServer, until: () => boolean): Promise<number> {
  let next = 0
  for (let turn = 0; !until(); turn++) {
    const lines = Array.from({ length: 1 + (turn % 200) }, () => `${eventText('main', next++)}\n`).join('')
    const { count } = await server.askJson('/v1/ledgers/main/events', { body: lines, type: 'application/x-ndjson' })
    assert.equal(count, 1 + (turn % 200))
    await sleep(20)
  }
  return next
}

test(
  'both children killed 50 times in the middle of work: appends go on, nothing is missing in the index and nothing doubled',
  { skip: noClickHouse },
  async (context) => {
    const server = await startTestServer(context, { config: { noIndex: false } })
    const random = new SeededRandom(KILLS)
    const pauseMs = () => {
      const byte = Buffer.alloc(2)
      random.fill(byte, 0, 2)
      return 5 + (byte.readUInt16BE() % 150)
    }
    await eventually(() => server.index.status().state === 'ready', 30_000)
    let done = false
    const appending = appendOn(server, () => done)
    const killed = { 'follower.ts': 0, 'embedded-child.ts': 0 }
    try {
      while (SCRIPTS.some((script) => killed[script] < KILLS)) {
        for (const script of SCRIPTS.filter((name) => killed[name] < KILLS)) {
          // In the middle of work: it has gone on since the last one was killed.
          const before = server.index.indexed('main')
          await eventually(() => server.index.indexed('main') > before, 60_000)
          await sleep(pauseMs())
          const pid = childOf(script)
          if (pid === undefined) continue
          process.kill(pid, 'SIGKILL')
          killed[script]++
        }
      }
    } finally {
      done = true
    }
    const appended = await appending
    await eventually(() => server.index.indexed('main') === appended, 60_000)
    const { restarts } = server.index.status()
    assert(restarts.follower >= KILLS && restarts.server >= KILLS, JSON.stringify(restarts))
    assert.equal((await server.ask('/v1/index/check', { method: 'POST' })).status, 202)
    await eventually(() => server.index.checkReport?.state === 'done', 60_000)
    const { findings, checked } = server.index.checkReport!
    assert.deepEqual(findings, [])
    assert(checked >= appended)
    const found = await server.askJson(`/v1/ledgers/main/events?q=target:main-${appended - 1}`)
    assert.equal(found.hits.length, 1)
    assert.equal(found.hits[0].index, appended - 1)
    context.diagnostic(`${appended} events appended, ${checked} rows checked`)
  },
)
