// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele append` that was interrupted goes on where it stopped: every event is stored once, in order, whatever broke off.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'

import type { Environment } from '../../src/cli/environment.ts'
import { type Ground, ground, numbered } from '../cli-append-ground.ts'
import { stele, steleOk } from '../cli-fixture.ts'
import { SeededRandom, scratch } from '../scratch.ts'
import { eventsOf, eventually, startTestServer } from '../server-fixture.ts'

/** Runs until the nth request, which is answered and then, or instead, breaks off as told. */
async function interrupted(
  { world }: Ground,
  how: { readonly behind: number; readonly last: 'answered' | 'carried out' | 'lost' },
  ...argv: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const stop = new AbortController()
  let posts = 0
  const environment: Partial<Environment> = {
    fetch: async (url, init) => {
      if (init.method !== 'POST' || ++posts < how.behind) return await fetch(url, init)
      stop.abort()
      const answer = how.last === 'lost' ? undefined : await fetch(url, init)
      if (how.last === 'answered' && answer !== undefined) return answer
      await answer?.arrayBuffer()
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }),
      })
    },
  }
  return await stele({ ...world, interrupted: stop.signal, environment }, 'append', ...argv)
}

const notes = ({ world }: Ground): string[] => {
  try {
    return readdirSync(join(world.variables!['XDG_STATE_HOME']!, 'stele/append'))
  } catch {
    return []
  }
}

test('the same command goes on where an interrupted one stopped, says so, and leaves no note behind', async (context) => {
  const here = await ground(context)
  const events = numbered(5_500)
  here.write('many.ndjson', `${events.join('\n')}\n`)
  const first = await interrupted(here, { behind: 2, last: 'answered' }, 'many.ndjson')
  assert.equal(first.code, 3)
  assert.match(first.out, /To go on where this stopped: the same command once more\n$/)
  assert.equal(notes(here).length, 1)
  const second = await stele(here.world, 'append', 'many.ndjson')
  assert.equal(second.code, 0, second.err)
  assert.match(
    second.err,
    /^stele: many\.ndjson: goes on at 20\.9 kB of 59\.4 kB \(2,000 events were stored before\)\.\n$/,
  )
  assert.match(second.out, /^Stored 3,500 events in the ledger main as numbers 2000 to 5499 /)
  assert.deepEqual(await here.stored(), events)
  assert.deepEqual(notes(here), [])
  await steleOk(here.world, 'append', 'many.ndjson')
  assert.deepEqual(await here.stored(), [...events, ...events], 'what is sent once more on purpose is stored once more')
})

test('P1: a request of which nobody knows what became of it is made again, and stored once', async (context) => {
  for (const last of ['carried out', 'lost'] as const) {
    const here = await ground(context)
    const events = numbered(4_200)
    here.write('many.ndjson', events.join('\n'))
    const broken = await interrupted(here, { behind: 3, last }, 'many.ndjson')
    assert.equal(broken.code, 3)
    assert.match(
      broken.err,
      /it is not known whether .* from line 2,001 on were stored\. .*The same command goes on there: it repeats/,
    )
    // What was the end of the last request is the end no more.
    appendFileSync(join(here.folder, 'many.ndjson'), '\n{"n":4200}')
    assert.equal((await stele(here.world, 'append', 'many.ndjson')).code, 0)
    assert.deepEqual(await here.stored(), numbered(4_201), last)
  }
})

test('compressed files, arrays, documents and text are gone on with, too', async (context) => {
  const events = numbered(3_300)
  const shapes: readonly (readonly [string, string | Buffer, string[], RegExp])[] = [
    ['a.ndjson.gz', gzipSync(events.join('\n')), events, /goes on behind 2,000 events/],
    [
      'b.json',
      `[${Array.from({ length: 70_000 }, (_, n) => n).join(',')}]`,
      Array.from({ length: 70_000 }, (_, n) => `${n}`),
      /goes on behind 2,000 events/,
    ],
    [
      'c.json',
      events.map((event) => `${event}\n${event}`.replace('{', '{\n')).join('\n'),
      events.flatMap((event) => [event.replace('{', '{\n'), event]),
      /goes on behind 2,000 events/,
    ],
    ['d.log', 'one\ntwo\n\nthree\nfour', ['one', 'two', 'three', 'four'], /goes on at 8 B of 19 B \(2 events/],
  ]
  for (const [name, bytes, expected, said] of shapes) {
    const here = await ground(context)
    here.write(name, bytes)
    assert.equal((await interrupted(here, { behind: 2, last: 'answered' }, name)).code, 3)
    const { code, err } = await stele(here.world, 'append', name)
    assert.equal(code, 0, err)
    assert.match(err, said)
    assert.deepEqual(await here.stored(), expected, name)
  }
})

test('of a folder, what was stored whole is passed over, whichever command names it', async (context) => {
  const here = await ground(context)
  for (const name of ['a', 'b', 'c', 'd']) here.write(`in/${name}.json`, `{"of":"${name}"}`)
  await interrupted(here, { behind: 2, last: 'answered' }, 'in')
  const { err } = await stele(here.world, 'append', 'in')
  assert.match(err, /^stele: 2 files with 2 events were stored before\.\n$/)
  assert.deepEqual(
    await here.stored(),
    ['a', 'b', 'c', 'd'].map((name) => `{"of":"${name}"}`),
  )
  assert.deepEqual(notes(here), [])
  await interrupted(here, { behind: 1, last: 'answered' }, 'in')
  const { out } = await stele(here.world, 'append', 'in/a.json')
  assert.match(out, /^Nothing was stored: all of it was before, 1 event\. --again stores it once more\.\n$/)
})

test('a file that was written anew is begun anew; --again and --skip do as they say; a broken note stops', async (context) => {
  const here = await ground(context)
  const events = numbered(3_000)
  here.write('many.ndjson', events.join('\n'))
  const start = async () => await interrupted(here, { behind: 2, last: 'answered' }, 'many.ndjson')
  await start()
  here.write('many.ndjson', events.join('\n').replace('"n":1998}', '"x":1998}'))
  const { err } = await stele(here.world, 'append', 'many.ndjson')
  assert.equal(err, 'stele: many.ndjson was stored in part before, and has changed since: it is begun anew.\n')
  assert.equal((await here.stored()).length, 5_000)
  await start()
  await steleOk(here.world, 'append', '--again', 'many.ndjson')
  assert.equal((await here.stored()).length, 10_000)
  await start()
  await steleOk(here.world, 'append', '--skip', '2500', 'many.ndjson')
  assert.equal((await here.stored()).length, 12_500)
  assert.deepEqual(notes(here), [], 'what was told by hand is not noted besides')
  await start()
  const [note] = notes(here)
  const path = join(here.world.variables!['XDG_STATE_HOME']!, 'stele/append', note!)
  writeFileSync(path, readFileSync(path).subarray(0, 100))
  const broken = await stele(here.world, 'append', 'many.ndjson')
  assert.equal(broken.code, 3)
  assert.match(
    broken.err,
    /cannot be read\. Nothing was stored\. Look how much of the file is stored, then give --skip N or --again\.\n$/,
  )
  await steleOk(here.world, 'append', '--again', 'many.ndjson')
})

test('a large file that was stored whole is not sent again by itself, as long as it and the ledger are those', async (context) => {
  const here = await ground(context)
  const events = numbered(60_000).map((event) => event.replace('}', ',"pad":"pppppppp"}'))
  here.write('large.ndjson', events.join('\n'))
  await steleOk(here.world, 'append', 'large.ndjson')
  assert.equal(notes(here).length, 1)
  const again = await stele(here.world, 'append', 'large.ndjson')
  assert.equal(again.code, 0)
  assert.match(
    again.err,
    /^stele: large\.ndjson was stored before: 60,000 events, as numbers 0 to 59999, on \d{4}-\d\d-\d\d \d\d:\d\d UTC\. Nothing of it was sent\.\n$/,
  )
  assert.match(again.out, /^Nothing was stored: all of it was before, 60,000 events\. --again stores it once more\.\n$/)
  const { err } = await stele(here.world, 'append', '--receipts', 'kept', 'large.ndjson')
  assert.match(err, /Nothing of it was sent, and no receipts came: 'stele prove' makes one of an event\.\n$/)
  const size = () => here.server.ledgers.log('main').size
  assert.equal(size(), 60_000)
  assert.equal(notes(here).length, 1, 'and so it is the next time')
  appendFileSync(join(here.folder, 'large.ndjson'), '\n{"n":"one more"}')
  await steleOk(here.world, 'append', 'large.ndjson')
  assert.equal(size(), 120_001, 'one that was changed is another file')
  await steleOk(here.world, 'append', '--again', 'large.ndjson')
  assert.equal(size(), 180_002)
  // A new data directory at the same address.
  const there = await startTestServer(context)
  const path = join(here.world.variables!['XDG_STATE_HOME']!, 'stele/append', notes(here)[0]!)
  const noted = readFileSync(path, 'utf8')
  const origin = here.server.ledgers.origin('main')
  assert.ok(noted.includes(origin))
  writeFileSync(path, noted.replace(origin, there.ledgers.origin('main')))
  await steleOk(here.world, 'append', 'large.ndjson')
  assert.equal(size(), 240_003)
  writeFileSync(path, readFileSync(path, 'utf8').replace('"size":240003', '"size":240004'))
  await steleOk(here.world, 'append', 'large.ndjson')
  assert.equal(size(), 300_004, 'a ledger that was set back does not have it')
})

test('what was noted of one ledger, server or source is not taken for another', async (context) => {
  const here = await ground(context)
  await here.server.createLedger('other')
  here.write('many.ndjson', numbered(2_500).join('\n'))
  await interrupted(here, { behind: 1, last: 'answered' }, 'many.ndjson')
  await steleOk(here.world, 'append', '--ledger', 'other', 'many.ndjson')
  await steleOk(here.world, 'append', '--source', 'generic', 'many.ndjson')
  assert.equal((await here.stored('other')).length, 2_500)
  assert.equal((await here.stored()).length, 3_500)
})

interface Program {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  said: string
}

function program(context: TestContext, cwd: string, ...argv: readonly string[]): Program {
  const path = join(import.meta.dirname, '../../src/main.ts')
  const env = { PATH: process.env['PATH'], XDG_STATE_HOME: join(cwd, 'state') }
  const child = spawn(process.execPath, [path, ...argv], { cwd, env })
  context.after(() => child.kill('SIGKILL'))
  const found: Program = { child, ended: once(child, 'close'), said: '' }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (found.said += chunk.toString()))
  return found
}

test('P1: kill -9 of the command in the middle of a file, and of the server too: every event is stored once, in order', async (context) => {
  const cwd = scratch(context)
  mkdirSync(join(cwd, 'data'))
  const events = numbered(60_000).map((event) => event.replace('}', `,"pad":"${'p'.repeat(100)}"}`))
  writeFileSync(join(cwd, 'many.ndjson'), events.join('\n'))
  const random = new SeededRandom(11)
  let port = 0
  const serve = async () => {
    const server = program(context, cwd, 'serve', '--no-index', '--listen', `127.0.0.1:${port}`, '--data', 'data')
    await eventually(() => /listening on \S+/.test(server.said), 30_000)
    port = Number(/127\.0\.0\.1:(\d+)/.exec(server.said)![1])
    return server
  }
  let server = await serve()
  const token = readFileSync(join(cwd, 'data/admin.token'), 'utf8').trim()
  const append = () =>
    program(context, cwd, 'append', '--url', `http://127.0.0.1:${port}`, '--token', token, 'many.ndjson')
  const size = async () => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await fetch(`http://127.0.0.1:${port}/v1/ledgers/main`, { headers })
    return ((await answer.json()) as { size: number }).size
  }
  for (let kill = 0; kill < 5; kill++) {
    const before = await size()
    const running = append()
    const wanted = before + 1 + (random.bytes(1)[0]! % 8) * 1_000
    await eventually(async () => running.child.exitCode !== null || (await size()) >= wanted, 30_000)
    running.child.kill('SIGKILL')
    await running.ended
    if (kill % 2 === 0) continue
    server.child.kill('SIGKILL')
    await server.ended
    server = await serve()
  }
  assert.ok((await size()) < events.length, 'the kills came in the middle')
  const last = append()
  await last.ended
  assert.equal(last.child.exitCode, 0, last.said)
  assert.match(last.said, /many\.ndjson: goes on at .* of 7\.\d MB/)
  server.child.kill('SIGTERM')
  await server.ended
  const again = await startTestServer(context, { directory: cwd })
  const stored = (await eventsOf(again, 'main')).map((event) => JSON.stringify(event))
  assert.equal(stored.length, events.length)
  assert.deepEqual(stored, events)
})
