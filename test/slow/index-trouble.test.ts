// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What becomes of search, and of all the rest, when the index's files, its disk or its server fail.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

import { Cli, steleOk, variablesFor } from '../cli-fixture.ts'
import { noClickHouse } from '../clickhouse-fixture.ts'
import { lastFirst } from '../embedded-ground.ts'
import { agrees, append, caughtUp, childOf, CLICKHOUSE, finds, FOLLOWER, ledgerGoesOn } from '../index-children.ts'
import { scratch, SeededRandom } from '../scratch.ts'
import { eventually, problemOf, startTestServer, type TestServer } from '../server-fixture.ts'

const skip = noClickHouse
const config = { noIndex: false }
const MIB = 1024 ** 2
const SMALL_DISK_BYTES = 64 * MIB
const EVENTS = '/v1/ledgers/main/events'

async function rebuiltByCommand(server: TestServer): Promise<void> {
  const made = await new Cli({ variables: variablesFor(server), isTerminal: true }).run('rebuild-index')
  assert.deepEqual(
    [made.code, made.out.replace(/[\d,]+/, 'N')],
    [0, 'The index was made anew: N entries of 3 ledgers.\n'],
  )
  assert.ok(Number(/[\d,]+/.exec(made.out)?.[0].replace(',', '')) >= server.ledgers.log('main').size, made.out)
}

/** Overwrites what is in the files with as much that means nothing. */
function ruin(directory: string, isMeant: (name: string) => boolean): number {
  const random = new SeededRandom(3)
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(isMeant)
  const files = names.map((name) => join(directory, name)).filter((path) => statSync(path).isFile())
  for (const path of files) writeFileSync(path, random.bytes(statSync(path).size))
  return files.length
}

async function ruined(context: TestContext, isMeant: (name: string) => boolean): Promise<TestServer> {
  // The server lets go of the folder before that is removed.
  const t = lastFirst(context)
  const directory = scratch(t)
  const server = await startTestServer(t, { config, directory })
  await append(server, 2_000)
  await caughtUp(server)
  await server.close()
  assert.ok(ruin(join(directory, 'data', 'index', 'data'), isMeant) > 0)
  return await startTestServer(t, { config, directory })
}

test(
  'an index whose files were all overwritten: the ledgers are served, search says what to do, and rebuild-index mends it',
  { skip },
  async (context) => {
    const server = await ruined(context, () => true)
    await eventually(() => server.index.status().state === 'unavailable', 60_000)
    await ledgerGoesOn(server)
    const { detail } = await problemOf(await server.ask(EVENTS), 503, 'search-unavailable')
    assert.match(detail, /cannot be opened, and 'stele rebuild-index' makes it anew from the ledgers/)
    await rebuiltByCommand(server)
    await finds(server, 1_234)
    await agrees(server)
  },
)

test(
  'an index whose rows were overwritten says so instead of finding less, and rebuild-index mends it',
  { skip },
  async (context) => {
    const server = await ruined(context, (name) => name.endsWith('.bin') && name.includes('store'))
    await eventually(() => server.index.status().state === 'unavailable', 60_000)
    await ledgerGoesOn(server)
    const { detail } = await problemOf(await server.ask(EVENTS), 503, 'search-unavailable')
    assert.match(detail, /the index is damaged, and 'stele rebuild-index' makes it anew from the ledgers/)
    await rebuiltByCommand(server)
    await finds(server, 1_234)
    await agrees(server)
  },
)

function smallDisk(path: string): boolean {
  mkdirSync(path)
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES}`, 'tmpfs', path]).status === 0
}

test(
  'the disk of the index alone is full: what is indexed is found, answers say what holds the rest up, appends go on; with room it catches up',
  { skip },
  async (context) => {
    const t = lastFirst(context)
    const directory = scratch(t)
    await (await startTestServer(t, { directory })).close()
    const disk = join(directory, 'data', 'index')
    if (!smallDisk(disk)) return context.skip('only root can mount a small disk')
    t.after(() => spawnSync('umount', ['-l', disk]))
    const server = await startTestServer(t, { config, directory })
    await append(server, 1_000)
    await caughtUp(server)
    const ballast = join(disk, 'ballast')
    assert.throws(() => writeFileSync(ballast, Buffer.alloc(SMALL_DISK_BYTES)), /ENOSPC/)
    await append(server, 50)
    await eventually(() => server.index.status().reason !== undefined)
    const full = /^the index's disk is full: /
    const { state, reason } = await server.askJson('/v1/index')
    assert.equal(state, 'ready')
    assert.match(reason, full)
    assert.match((await server.askJson('/v1/status')).index.reason, full)
    const { heldUp, indexed, size } = await server.askJson(`${EVENTS}?q=target:main-999`)
    assert.match(heldUp, full)
    assert.deepEqual([indexed, size], [1_000, 1_050])
    const world = { variables: variablesFor(server) }
    const shown = new Cli({ ...world, isTerminal: true })
    await shown.run('search', 'target:main-999')
    assert.match(shown.err, /indexed up to 1,000 of 1,050, the rest is held up: the index's disk is full/)
    await finds(server, 999)
    await ledgerGoesOn(server)
    rmSync(ballast)
    await agrees(server)
    await finds(server, 1_049)
    assert.equal((await server.askJson(`${EVENTS}?limit=1`)).heldUp, undefined)
    assert.match(await steleOk(world, 'check', 'index'), /agrees/)
  },
)

test(
  'ClickHouse that hangs: searches end in time and say so, appends go on; once it goes on nothing is missing and nothing doubled',
  { skip },
  async (context) => {
    const server = await startTestServer(context, { config })
    await append(server, 1_000)
    await caughtUp(server)
    const quietMs = await append(server, 500, 10)
    await caughtUp(server)
    const clickHouse = childOf(CLICKHOUSE)!
    process.kill(clickHouse, 'SIGSTOP')
    try {
      const startedMs = performance.now()
      const searching = server.ask(`${EVENTS}?q=target:main-5`)
      // Its insert lies with ClickHouse when the follower dies, and that of the next one behind it.
      await append(server, 500, 100)
      await new Promise((resolve) => setTimeout(resolve, 500))
      process.kill(childOf(FOLLOWER)!, 'SIGKILL')
      const hungMs = await append(server, 500, 10)
      await ledgerGoesOn(server)
      const { detail } = await problemOf(await searching, 503, 'search-unavailable')
      const tookMs = performance.now() - startedMs
      assert.match(detail, /^Nothing can be searched now: the search server does not answer\./)
      assert.ok(tookMs < 20_000, `${tookMs} ms`)
      assert.ok(hungMs < Math.max(1_000, 5 * quietMs), `an append took ${hungMs} ms, ${quietMs} before`)
      context.diagnostic(
        `the search ended after ${Math.round(tookMs)} ms; the slowest append took ${Math.round(hungMs)} ms, ${Math.round(quietMs)} ms before`,
      )
    } finally {
      process.kill(clickHouse, 'SIGCONT')
    }
    await agrees(server)
    await finds(server, 2_001)
  },
)
