// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele append --follow`: a file that grows, is rotated and emptied, and a server that goes away. Nothing is lost, and
// nothing is stored twice.

import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Cli, type Ran, stele, variablesFor, type World } from './cli-fixture.ts'
import { readAll, SeededRandom } from './scratch.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

interface Following {
  readonly path: string
  readonly cli: Cli
  server: TestServer
  readonly stored: () => Promise<string[]>
  /** Waits until so many events are stored. */
  readonly until: (count: number) => Promise<void>
  /** Ctrl-C. */
  readonly stop: () => Promise<Ran>
}

async function following(context: TestContext, begin: string, ...argv: readonly string[]): Promise<Following> {
  const directory = await mkdtemp(join(tmpdir(), 'stele-test-'))
  const stopping = new AbortController()
  // In this order, before the servers' own: who follows, who serves, and what both write to.
  context.after(async () => {
    stopping.abort()
    await running
    await found.server.close()
    await rm(directory, { recursive: true, force: true })
  })
  const server = await startTestServer(context, { directory })
  const path = join(directory, 'grows.log')
  writeFileSync(path, begin)
  const world: World = { cwd: directory, variables: variablesFor(server), interrupted: stopping.signal }
  const cli = new Cli(world)
  const running = cli.run('append', '--follow', 'grows.log', ...argv)
  // A file that is renamed before anybody has opened it is nobody's.
  await sleep(200)
  const found: Following = {
    path,
    cli,
    server,
    stored: async () => (await readAll(found.server.ledgers, 'main')).map((event) => event.toString('utf8')),
    until: async (count) => {
      for (let waitedMs = 0; found.server.ledgers.log('main').size < count; waitedMs += 10) {
        assert.ok(waitedMs < 15_000, `${found.server.ledgers.log('main').size} of ${count} are stored. ${cli.err}`)
        await sleep(10)
      }
    },
    stop: async () => {
      stopping.abort()
      return await running
    },
  }
  return found
}

const line = (n: number) => `{"n":${n}}`
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, position) => `${line(from + position)}\n`).join('')
const events = (from: number, to: number) => Array.from({ length: to - from }, (_, position) => line(from + position))

test('a growing file is stored line by line within a moment, a line that is not finished waits', async (context) => {
  const { path, until, stored, stop } = await following(context, lines(0, 3))
  await until(3)
  appendFileSync(path, '{"n":3}\n{"n"')
  const startMs = performance.now()
  await until(4)
  assert.ok(performance.now() - startMs < 2_000)
  await sleep(300)
  assert.deepEqual(await stored(), events(0, 4))
  appendFileSync(path, ':4}\n')
  await until(5)
  const { code, out, err } = await stop()
  assert.deepEqual({ code, err }, { code: 0, err: '' })
  assert.match(
    out,
    /^Stored 5 events in the ledger main as numbers 0 to 4 .*\nThe ledger now has 5 entries; .*\nNext: .*\nTo go on where this stopped: the same command with --skip 5\n$/,
  )
  assert.deepEqual(await stored(), events(0, 5))
})

test('a file that is renamed away and begun anew is read to its end, and then the new one, each from its beginning', async (context) => {
  const { path, until, stored, stop } = await following(context, lines(0, 2))
  await until(2)
  renameSync(path, `${path}.1`)
  // The writer has not heard of it yet, and its last line has no end.
  appendFileSync(`${path}.1`, `${line(2)}\n${line(3)}`)
  writeFileSync(path, line(4))
  appendFileSync(path, '\n')
  await until(5)
  renameSync(path, `${path}.2`)
  await sleep(200)
  writeFileSync(path, lines(5, 8))
  await until(8)
  assert.deepEqual(await stored(), events(0, 8))
  assert.match((await stop()).out, /--skip 3\n$/)
})

test('a file that is emptied in place is begun again, also where it is longer than before by the next look', async (context) => {
  const { path, until, stored } = await following(context, lines(0, 50))
  await until(50)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await sleep(200)
  appendFileSync(path, lines(50, 60))
  await until(60)
  writeFileSync(path, lines(60, 200))
  await until(200)
  assert.deepEqual(await stored(), events(0, 200))
})

test('a line that was not finished when the file was emptied is said to be gone', async (context) => {
  const { path, until, stored, cli } = await following(context, `${line(0)}\n{"unfinished":`)
  await until(1)
  await sleep(300)
  truncateSync(path)
  await sleep(300)
  appendFileSync(path, lines(1, 2))
  await until(2)
  assert.deepEqual(await stored(), events(0, 2))
  assert.equal(cli.err, 'stele: grows.log was emptied when its last line was not finished: its 14 B are not stored.\n')
})

test('while the server is away nothing is lost, however often the file is rotated, and it is said once', async (context) => {
  const here = await following(context, lines(0, 5))
  const { path, until, stored, stop, server } = here
  await until(5)
  const { directory } = server
  const listenPort = Number(new URL(server.url).port)
  await server.close()
  appendFileSync(path, lines(5, 8))
  await sleep(300)
  for (let rotation = 0; rotation < 3; rotation++) {
    renameSync(path, `${path}.${rotation}`)
    writeFileSync(path, lines(8 + rotation, 9 + rotation))
    await sleep(300)
  }
  here.server = await startTestServer(context, { directory, config: { listenPort } })
  await until(11)
  appendFileSync(path, lines(11, 14))
  await until(14)
  assert.deepEqual(await stored(), events(0, 14))
  const { code, err } = await stop()
  assert.equal(code, 0)
  assert.match(
    err,
    /^stele: http:\/\/127\.0\.0\.1:\d+ cannot store events now \(.*\)\. Nothing is lost\. Waiting for it …\nstele: The server is back\.\n$/,
  )
})

test('a server that is not there yet is waited for, and what is rotated meanwhile is not lost', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'stele-test-'))
  const first = await startTestServer(context, { directory })
  const listenPort = Number(new URL(first.url).port)
  await first.close()
  const stopping = new AbortController()
  writeFileSync(join(directory, 'grows.log'), lines(0, 2))
  const cli = new Cli({ cwd: directory, variables: variablesFor(first), interrupted: stopping.signal })
  const running = cli.run('append', '--follow', 'grows.log')
  await sleep(300)
  renameSync(join(directory, 'grows.log'), join(directory, 'grows.log.1'))
  writeFileSync(join(directory, 'grows.log'), lines(2, 4))
  await sleep(600)
  const { ledgers } = await startTestServer(context, { directory, config: { listenPort } })
  context.after(async () => await rm(directory, { recursive: true, force: true }))
  for (let tries = 0; ledgers.log('main').size < 4 && tries < 500; tries++) await sleep(20)
  stopping.abort()
  assert.deepEqual((await readAll(ledgers, 'main')).map(String), events(0, 4))
  assert.equal((await running).code, 0)
})

test('a line that is refused stops the following, with its place and how to go on', async (context) => {
  const { path, until, stop, cli } = await following(context, lines(0, 3))
  await until(3)
  appendFileSync(path, '{"n":}\n')
  for (let tries = 0; cli.err === '' && tries < 500; tries++) await sleep(10)
  assert.match(
    cli.err,
    /^stele: grows\.log, line 4, byte 29 \(its event 3, counted from 0\) was refused: .*3 events before it are stored\. Mend the file, and go on with the same command and --skip 3\.\n$/,
  )
  assert.equal((await stop()).code, 2)
})

test('how to go on after a rotation is said of the file as it is now', async (context) => {
  const { path, until, stop, cli } = await following(context, lines(0, 3))
  await until(3)
  renameSync(path, `${path}.1`)
  writeFileSync(path, lines(3, 5))
  await until(5)
  appendFileSync(path, '{"n":}\n')
  for (let tries = 0; cli.err === '' && tries < 500; tries++) await sleep(10)
  assert.match(cli.err, /grows\.log, line 3, .*2 events of that file and 5 in all are stored\. .* --skip 2\.\n$/)
  await stop()
})

test('--skip begins behind what an earlier run has stored, and plain text is followed too', async (context) => {
  const { path, until, stored } = await following(context, 'one\ntwo\nthree\n', '--skip', '2')
  await until(1)
  appendFileSync(path, 'four\r\n\n')
  await until(2)
  assert.deepEqual(await stored(), ['three', 'four'])
})

test('only one file of lines can be followed', async (context) => {
  const server = await startTestServer(context)
  const world: World = { cwd: server.directory, variables: variablesFor(server) }
  writeFileSync(join(server.directory, 'a'), Buffer.of(0, 1, 2, 10))
  assert.match((await stele(world, 'append', '--follow', 'a', 'a')).err, /--follow takes one FILE/)
  assert.match((await stele({ ...world, stdin: '' }, 'append', '--follow', '-')).err, /--follow takes one FILE/)
  assert.match((await stele(world, 'append', '--follow', 'data')).err, /--follow takes one FILE/)
  assert.match(
    (await stele(world, 'append', '--follow', '--as', 'documents', 'a')).err,
    /A followed file has lines or text/,
  )
  assert.match((await stele(world, 'append', '--follow', 'a')).err, /only lines of JSON or text can be followed/)
})

test('whatever is written, rotated and emptied between whole lines arrives once and in order', async (context) => {
  const seed = 7
  const random = new SeededRandom(seed)
  const { path, until, stored, cli } = await following(context, '')
  let written = 0
  for (let step = 0; step < 40; step++) {
    const count = 1 + random.below(random.below(4) === 0 ? 2_500 : 20)
    const text = lines(written, written + count)
    const split = random.below(text.length)
    appendFileSync(path, text.slice(0, split))
    if (random.below(3) === 0) await sleep(random.below(60))
    appendFileSync(path, text.slice(split))
    written += count
    const act = random.below(8)
    if (act === 0) {
      renameSync(path, `${path}.${step}`)
      await sleep(60 + random.below(60))
      writeFileSync(path, '')
      await sleep(300)
    } else if (act === 1) {
      // Whoever empties a file in place waits for its readers: what nobody has read is gone.
      await until(written)
      truncateSync(path)
      await sleep(300)
    }
  }
  await until(written)
  assert.deepEqual(await stored(), events(0, written), `seed ${seed}`)
  assert.equal(cli.err, '')
})
