// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What `stele monitor --mirror` keeps: every tile and entry, verified before it is written, whole at every moment.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { NodeDisk } from '../src/platform/disk.ts'
import { stele, steleOk, type World } from './cli-fixture.ts'
import { ToyLog, watched, type Watched } from './monitor-ground.ts'
import { scratch } from './scratch.ts'
import { eventually, startTestServer } from './server-fixture.ts'

test('a tile that is not the signed one, of any level, is found; one wrong answer of a cache is not', async (context) => {
  const demandFound = async ({ log, look, folder }: Watched, wrong: string, ...more: readonly string[]) => {
    let times = 9
    log.lie = ({ path, response }) => {
      if (path !== wrong || times-- <= 0) return false
      response.end(Buffer.alloc(Number(/\.p\/(\d+)/.exec(path)?.[1] ?? 256) * 32, 3))
      return true
    }
    const { code, events } = await look(...more)
    assert.deepEqual([code, events[0].kind], [1, 'tree'], wrong)
    await rm(join(folder, 'seen', 'evidence'), { recursive: true })
    times = 1
    const again = await look(...more)
    assert.equal(again.code, 0, again.out)
  }
  const large = await watched(context, 256)
  await large.look()
  large.log.tree.grow(69_744)
  // The first is needed to go on from 256; the others are the edge.
  for (const wrong of ['tile/1/000', 'tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1']) {
    await demandFound(large, wrong)
  }
  const small = await watched(context, 600)
  await demandFound(small, 'tile/0/001', '--mirror', join(small.folder, 'mirror'))
})

test('a mirror is what a verifier reads, grows, and holds every entry; a wrong entry is found and not written', async (context) => {
  const { log, look, folder } = await watched(context, 300)
  const mirror = join(folder, 'mirror')
  for (const count of [0, 1, 211, 1, 900, 66_000]) {
    log.tree.grow(count)
    const { code, events } = await look('--mirror', mirror)
    assert.equal(code, 0, JSON.stringify(events))
    await demandMirror(mirror, log)
  }
  log.tree.grow(300)
  const held = await readFile(join(mirror, 'checkpoint'), 'utf8')
  log.lie = ({ path, response }) => {
    if (!path.startsWith('tile/entries/')) return false
    const width = Number(/\.p\/(\d+)/.exec(path)?.[1] ?? 256)
    const one = Buffer.from([0, 1, 65])
    response.end(Buffer.concat(Array.from({ length: width }, () => one)))
    return true
  }
  const { code, events } = await look('--mirror', mirror)
  assert.deepEqual([code, events[0].kind], [1, 'entries'])
  assert.equal(await readFile(join(mirror, 'checkpoint'), 'utf8'), held)
  log.lie = undefined
  await rm(join(folder, 'seen', 'evidence'), { recursive: true })
  assert.equal((await look('--mirror', mirror)).code, 0)
  await demandMirror(mirror, log)
})

async function demandMirror(mirror: string, log: ToyLog): Promise<void> {
  const { tree } = log
  assert.equal(await readFile(join(mirror, 'checkpoint'), 'utf8'), await log.head())
  const files = (await readdir(mirror, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(mirror.length + 1))
    .filter((path) => path !== 'mirror.lock')
  const expected: string[] = ['checkpoint', 'log.vkey']
  for (let level = 0; 256 ** level <= tree.size; level++) {
    const count = Math.floor(tree.size / 256 ** level)
    for (let index = 0; index * 256 < count; index++) {
      const width = Math.min(256, count - index * 256)
      const number = index < 1000 ? String(index).padStart(3, '0') : assert.fail('larger than the test knows')
      const path = width === 256 ? number : `${number}.p/${width}`
      expected.push(`tile/${level}/${path}`, ...(level === 0 ? [`tile/entries/${path}`] : []))
      assert.ok((await readFile(join(mirror, `tile/${level}/${path}`))).equals(tree.tile(level, index, width)))
    }
  }
  assert.deepEqual(files.toSorted(), expected.toSorted())
}

/** A disk that is full once so many files were written in the mirror. */
class FilledDisk extends NodeDisk {
  left: number

  constructor(left: number) {
    super()
    this.left = left
  }

  override async open(...[path, how, mode]: Parameters<NodeDisk['open']>): ReturnType<NodeDisk['open']> {
    if (how !== 'read' && path.includes('/mirror/') && this.left-- <= 0) {
      throw Object.assign(new Error(`ENOSPC: no space left on device, open '${path}'`), {
        code: 'ENOSPC',
        syscall: 'open',
        path,
      })
    }
    return await super.open(path, how, mode)
  }
}

test('a full disk at any moment of mirroring leaves the mirror of before, and with room it goes on', async (context) => {
  const ground = await watched(context, 700)
  const { log, folder } = ground
  const mirror = join(folder, 'mirror')
  const run = async (disk: NodeDisk) => {
    ground.environment = { disk }
    return await ground.look('--mirror', mirror)
  }
  assert.equal((await run(new NodeDisk())).code, 0)
  const held = await readFile(join(mirror, 'checkpoint'), 'utf8')
  log.tree.grow(2_000)
  let failures = 0
  for (let room = 0; ; room++) {
    const { code, events, err } = await run(new FilledDisk(room))
    if (code === 0) break
    failures++
    assert.equal(code, 3, err)
    assert.match(events.find(({ type }) => type === 'mirror-failed').what, /ENOSPC/)
    const now = await readFile(join(mirror, 'checkpoint'), 'utf8')
    assert.equal(now, held)
  }
  assert.ok(failures > 5, `${failures}`)
  assert.equal(await readFile(join(mirror, 'checkpoint'), 'utf8'), await log.head())
})

test('a monitor that is killed while it mirrors goes on where it was, and asks only for what is missing', async (context) => {
  const log = await ToyLog.start(context)
  log.tree.grow(40_000)
  const folder = scratch(context)
  const mirror = join(folder, 'mirror')
  const main = join(import.meta.dirname, '../src/main.ts')
  const args = ['monitor', log.url, '--key', log.vkey, '--once', '--mirror', mirror, '--state', join(folder, 'seen')]
  const options = { env: { ...process.env, XDG_STATE_HOME: folder }, stdio: 'ignore' as const }
  let bundles = 0
  log.lie = ({ path }) => {
    if (path.startsWith('tile/entries/')) bundles++
    return false
  }
  for (const least of [30, 90]) {
    const child = spawn(process.execPath, [main, ...args], options)
    await eventually(() => bundles >= least, 20_000)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await assert.rejects(readFile(join(mirror, 'checkpoint')), 'there is no mirror until it is whole')
  }
  const child = spawn(process.execPath, [main, ...args], options)
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.equal(await readFile(join(mirror, 'checkpoint'), 'utf8'), await log.head())
  // What was under way at each kill is asked for again, and little else.
  assert.ok(bundles < 157 + 2 * 60, `${bundles} bundles for 157`)
  await rm(mirror, { recursive: true })
})

test('P5: events are mirrored byte for byte, held against their entries; another event is found, and what a token may not read is said', async (context) => {
  const server = await startTestServer(context)
  const append = async (...texts: readonly string[]) => {
    const body = texts.map((text) => `${JSON.stringify({ text })}\n`).join('')
    await server.askJson('/v1/ledgers/main/events', { method: 'POST', body, type: 'application/x-ndjson' })
  }
  await append('one', 'two', 'zwölf')
  await server.askJson('/v1/ledgers/main/events', {
    method: 'POST',
    body: Buffer.from([255, 0, 10]),
    type: 'application/octet-stream',
  })
  const folder = scratch(context)
  const mirror = join(folder, 'mirror')
  const key = server.ledgers.vkey('main')
  const command = ['monitor', server.url, '--once', '--ledger', 'main', '--key', key, '--mirror', mirror]
  const worldWith = (token: string, fetch?: World['environment']): World => ({
    cwd: folder,
    variables: { XDG_STATE_HOME: folder, STELE_TOKEN: token },
    ...(fetch === undefined ? {} : { environment: fetch }),
  })
  const world = worldWith(server.adminToken)
  const demandVerified = async (count: number) => {
    const verified = JSON.parse(await steleOk(world, 'verify', mirror, '--key', key, '--json'))
    assert.equal(verified.contents.end - verified.contents.first, count, JSON.stringify(verified))
  }
  await steleOk(world, ...command, '--content')
  await demandVerified(4)
  await append('five')
  const verifier = await server.token(['verify'])
  const refused = await stele(worldWith(verifier), ...command, '--content')
  assert.equal(refused.code, 3)
  assert.match(refused.out, /nothing was verified: .*403/)
  const without = await stele(world, ...command)
  assert.equal(without.code, 3)
  assert.match(without.out, /not mirrored: the mirror in .* holds events: give --content, or another folder/)
  await demandVerified(4)
  const lying = worldWith(server.adminToken, {
    fetch: async (url, init) => {
      const answer = await fetch(url, init)
      if (!url.includes('/tail')) return answer
      const text = async function* () {
        for await (const chunk of answer.body ?? [])
          yield Buffer.from(Buffer.from(chunk).toString('latin1').replaceAll('five', 'fife'), 'latin1')
      }
      return new Response(ReadableStream.from(text()), { headers: answer.headers })
    },
  })
  const lied = await stele(lying, ...command, '--content')
  assert.equal(lied.code, 1, lied.out + lied.err)
  assert.match(lied.out, /DO NOT RELY ON IT/)
  await demandVerified(4)
  const [monitors = ''] = await readdir(join(folder, 'stele', 'monitors'))
  await rm(join(folder, 'stele', 'monitors', monitors, 'evidence'), { recursive: true })
  await steleOk(world, ...command, '--content')
  await demandVerified(5)
})
