// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Starting and stopping with an index: in the middle of work, twice on one directory, by force, and at odd times.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { OwnedError } from '../../src/ledger/opening.ts'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { isAlive, lastFirst } from '../embedded-ground.ts'
import { agrees, append, caughtUp, childrenOf, finds } from '../index-children.ts'
import { scratch } from '../scratch.ts'
import { eventually, MovedClock, startTestServer } from '../server-fixture.ts'

const skip = noClickHouse
const config = { noIndex: false }
const BATCH = 5_000
const HOUR_MS = 3_600_000

test(
  'a stop in the middle of a large backlog is prompt and leaves no process, and the next start goes on where it was',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const without = await startTestServer(t, { directory })
    await append(without, 140_000, BATCH)
    await without.close()
    const server = await startTestServer(t, { config, directory })
    await eventually(() => server.index.indexed('main') > 0, 30_000)
    const reached = server.index.indexed('main')
    const children = childrenOf(process.pid)
    assert.ok(children.length >= 2)
    const startedMs = performance.now()
    await server.close()
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs < 12_000, `${tookMs} ms`)
    assert.deepEqual(children.filter(isAlive), [])
    assert.ok(!server.logged.some((line) => 'level' in line && line.level === 'error'), JSON.stringify(server.logged))

    const again = await startTestServer(t, { config, directory })
    let least = Infinity
    await eventually(() => {
      const indexed = again.index.indexed('main')
      if (indexed > 0) least = Math.min(least, indexed)
      return indexed === 140_000
    }, 60_000)
    assert.ok(least >= reached, `${least} and not ${reached}`)
    await agrees(again)
    context.diagnostic(`stopped at ${reached} in ${Math.round(tookMs)} ms`)
  },
)

test(
  'a server that is killed while it makes its index anew takes its children with it, and goes on with that at the next start',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const script = join(import.meta.dirname, '..', 'index-parent.ts')
    const parent = spawn(process.execPath, [script, directory, '70000'], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => void parent.kill('SIGKILL'))
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    const children = line.split(' ').map(Number)
    assert.ok(children.length >= 2 && children.every(isAlive))
    parent.kill('SIGKILL')
    const startedMs = performance.now()
    while (children.some(isAlive)) {
      assert.ok(performance.now() - startedMs < 5_000, 'they live on')
      await sleep(20)
    }
    context.diagnostic(`its children ended ${Math.round(performance.now() - startedMs)} ms after it`)
    const server = await startTestServer(t, { config, directory })
    await eventually(() => server.index.status().generation === 2, 30_000)
    await agrees(server)
    await finds(server, 69_999)
  },
)

test(
  'a second server on one directory is refused, and never touches the index of the first',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    const server = await startTestServer(t, { config, directory })
    await append(server, 100)
    await caughtUp(server)
    const children = childrenOf(process.pid)
    const index = join(directory, 'data', 'index')
    const seen = () =>
      ['.', 'data', 'tmp'].map((name) => [readdirSync(join(index, name)), statSync(join(index, name)).ino])
    const before = seen()
    await assert.rejects(startTestServer(t, { config, directory }), OwnedError)
    assert.deepEqual(seen(), before)
    assert.deepEqual(childrenOf(process.pid), children)
    assert.equal(server.index.status().restarts.server, 0)
    await agrees(server)
  },
)

test('a wall clock that jumps an hour back and a year ahead has no effect on indexing', { skip }, async (context) => {
  const clock = new MovedClock()
  const server = await startTestServer(context, { config, parts: { clock } })
  for (const movedMs of [0, -HOUR_MS, 365 * 24 * HOUR_MS, 0]) {
    clock.movedMs = movedMs
    await append(server, 50)
    const last = server.ledgers.log('main').size - 1
    await eventually(() => server.index.status().state === 'ready', 30_000)
    const { hits } = await server.askJson(`/v1/ledgers/main/events?q=target:main-${last}&wait=${last}`)
    assert.equal(hits.length, 1)
  }
  await agrees(server)
})
