// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { connect } from '../src/index/connection.ts'
import type { EmbeddedServer } from '../src/index/embedded.ts'
import { column, command, embeddedSkip, isAlive, lastFirst, startEmbedded } from './embedded-ground.ts'
import { scratch } from './scratch.ts'

const skip = embeddedSkip

async function state(server: EmbeddedServer, wanted: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    if (server.status.state === wanted) resolve()
  }
  const off = server.onChange(look)
  look()
  await promise
  off()
}

const KILLS = 6

test('is ready within seconds, takes rows and gives them back', { skip }, async (context) => {
  const t = lastFirst(context)
  const begun = performance.now()
  const { server } = startEmbedded(t)
  const { feed, search } = await server.whenReady()
  const readyMs = performance.now() - begun
  await command(feed, 'CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a')
  await command(feed, 'INSERT INTO t SELECT number FROM numbers(10)')
  assert.deepEqual(await column(search, 'SELECT sum(a) FROM t'), ['45'])
  // Two cores may be shared with the tests beside this one.
  assert.ok(readyMs < 15_000, `${readyMs} ms`)
})

test(
  'comes back with its data each time that it is killed, at another address with other secrets',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const { server } = startEmbedded(t)
    let { feed, search } = await server.whenReady()
    await command(feed, 'CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a')
    const secrets = new Set<string>()
    // test/slow/index-kill.test.ts does it 25 times.
    for (let kill = 0; kill < KILLS; kill++) {
      await command(feed, `INSERT INTO t VALUES (${kill})`)
      for (const access of [feed, search]) secrets.add(JSON.stringify([access.url, access.headers]))
      const client = connect(search)
      // In the middle of work: what was asked fails, it never hangs.
      const asked = client.query({ query: 'SELECT count() FROM numbers(1e12)' }).then(
        () => 'answered',
        () => 'failed',
      )
      const died = state(server, 'starting')
      assert.ok(server.pid !== undefined)
      process.kill(server.pid, 'SIGKILL')
      await died
      assert.equal(await asked, 'failed')
      await client.close()
      assert.equal(server.access, undefined)
      ;({ feed, search } = await server.whenReady())
      assert.deepEqual(await column(search, 'SELECT count() FROM t'), [String(kill + 1)])
    }
    assert.equal(server.startCount, KILLS + 1)
    assert.equal(secrets.size, 2 * KILLS)
  },
)

test('stops within ten seconds, and what was inserted is there at the next start', { skip }, async (context) => {
  const t = lastFirst(context)
  const directory = join(scratch(t), 'index')
  const first = startEmbedded(t, directory)
  const { feed } = await first.server.whenReady()
  await command(feed, 'CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a')
  await command(feed, 'INSERT INTO t SELECT number FROM numbers(100000)')
  const { pid } = first.server
  const begun = performance.now()
  await first.server.close()
  assert.ok(performance.now() - begun < 10_000)
  assert.ok(pid !== undefined && !isAlive(pid))
  assert.deepEqual(first.server.status, { state: 'stopped' })
  await assert.rejects(first.server.whenReady(), /stopped/)

  writeFileSync(join(directory, 'tmp', 'left-by-a-crash'), 'x')
  const second = startEmbedded(t, directory)
  const { search } = await second.server.whenReady()
  assert.deepEqual(await column(search, 'SELECT count() FROM t'), ['100000'])
  assert.ok(!readdirSync(join(directory, 'tmp')).includes('left-by-a-crash'))
})

test('runs at a lower priority, in all its threads', { skip }, async (context) => {
  const t = lastFirst(context)
  const { server } = startEmbedded(t)
  await server.whenReady()
  assert.ok(server.pid !== undefined)
  assert.ok(getPriority(server.pid) > getPriority())
  const tasks = readdirSync(`/proc/${server.pid}/task`)
  const nice = tasks.map((task) => {
    const stat = readFileSync(`/proc/${server.pid}/task/${task}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
  })
  // A few are of Node and were there before; what works for ClickHouse came after.
  assert.ok(nice.filter((value) => value > 0).length > 10, nice.join(' '))
})

test('two servers on two directories know nothing of each other', { skip }, async (context) => {
  const t = lastFirst(context)
  const one = startEmbedded(t)
  const other = startEmbedded(t)
  const [first, second] = await Promise.all([one.server.whenReady(), other.server.whenReady()])
  await command(first.feed, 'CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a')
  assert.deepEqual(await column(first.search, 'SHOW TABLES'), ['t'])
  assert.deepEqual(await column(second.search, 'SHOW TABLES'), [])
})

test('ends within seconds when its parent is killed with kill -9', { skip }, async (context) => {
  const t = lastFirst(context)
  const script = fileURLToPath(new URL('embedded-parent.ts', import.meta.url))
  const parent = spawn(process.execPath, [script, join(scratch(t), 'index')], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => parent.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
  const pid = Number(line)
  assert.ok(isAlive(pid))
  parent.kill('SIGKILL')
  const begun = performance.now()
  while (isAlive(pid) && performance.now() - begun < 15_000) await sleep(50)
  assert.ok(!isAlive(pid), 'it lives on')
})

test('says what is wrong with a damaged index, and begins anew when it is told to', { skip }, async (context) => {
  const t = lastFirst(context)
  const directory = join(scratch(t), 'index')
  const first = startEmbedded(t, directory)
  const { feed } = await first.server.whenReady()
  await command(feed, 'CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a')
  await first.server.close()
  writeFileSync(join(directory, 'data', 'metadata', 'stele.sql'), 'nonsense \u0007')

  const { server } = startEmbedded(t, directory)
  await state(server, 'failed')
  const { reason } = server.status as { reason: string }
  assert.match(reason, /cannot be opened, and 'stele rebuild-index' makes it anew/)
  assert.match(reason, /^[\x20-\x7e]*$/)
  server.startAnew()
  const { search } = await server.whenReady()
  assert.deepEqual(await column(search, 'SHOW TABLES'), [])
})

test('a folder that cannot be used and one that is in use are called that', { skip }, async (context) => {
  const t = lastFirst(context)
  const folder = scratch(t)
  writeFileSync(join(folder, 'file'), '')
  const foreign = startEmbedded(t, join(folder, 'file', 'index')).server
  await state(foreign, 'failed')
  assert.match((foreign.status as { reason: string }).reason, /file/)

  const first = startEmbedded(t)
  await first.server.whenReady()
  const second = startEmbedded(t, first.directory).server
  await state(second, 'failed')
  assert.match((second.status as { reason: string }).reason, /another process still uses/)
  assert.equal(first.server.status.state, 'ready')
  await first.server.close()
  await second.whenReady()
})

test('where ClickHouse is not installed it says that search needs --index-url', async (context) => {
  const t = lastFirst(context)
  const { server } = startEmbedded(t, undefined, ['/nowhere/libchdb.so'])
  await assert.rejects(server.whenReady(), /not installed for this platform, so search needs --index-url/)
  assert.equal(server.status.state, 'unavailable')
})

test('where ClickHouse cannot be loaded it says that search needs --index-url', async (context) => {
  const t = lastFirst(context)
  const library = join(scratch(t), 'libchdb.so')
  writeFileSync(library, 'not a library')
  const { server } = startEmbedded(t, undefined, [library])
  await state(server, 'failed')
  assert.match(
    (server.status as { reason: string }).reason,
    /cannot be loaded on this machine, so search needs --index-url/,
  )
})

test('its folders are for its user alone, and its configuration is gone once it runs', { skip }, async (context) => {
  const t = lastFirst(context)
  const { server, directory } = startEmbedded(t)
  const seen: number[] = []
  const off = server.onChange(() => off())
  while (server.status.state === 'starting') {
    await sleep(1)
    try {
      seen.push(statSync(join(directory, 'server.xml')).mode % 0o1000)
    } catch {
      continue
    }
  }
  await server.whenReady()
  assert.deepEqual([...new Set(seen)], [0o600])
  assert.equal(statSync(directory).mode % 0o1000, 0o700)
  assert.deepEqual(readdirSync(directory), ['data', 'tmp'])
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    assert.equal(statSync(join(directory, name)).mode % 0o100, 0, name)
  }
})
