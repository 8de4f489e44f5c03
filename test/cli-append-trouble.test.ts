// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele append` when something goes wrong: what is stored is known and said, and how to go on; nothing is stored twice.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'

import { verifyReceipt } from '@stele/proof'

import type { Environment } from '../src/cli/environment.ts'
import { ground, numbered } from './cli-append-ground.ts'
import { Cli, stele, steleOk, variablesFor } from './cli-fixture.ts'
import { audit } from './repeat-ground.ts'

test('a refusal names file, line and byte of the file, says what is stored, and --skip goes on behind that', async (context) => {
  const { write, world, stored } = await ground(context)
  const events = numbered(2_500)
  write('a.json', '{"a":1}')
  const broken = events.with(2_100, '{"n":2100,}')
  write('b.ndjson', `\ufeff${broken.join('\r\n')}`)
  write('c.json', '{"c":1}')
  const { code, out, err } = await stele(world, 'append', 'a.json', 'b.ndjson', 'c.json')
  assert.equal(code, 2)
  const offset = 3 + broken.slice(0, 2_100).join('\r\n').length + 2 + '{"n":2100,'.length
  const figure = offset.toLocaleString('en-US')
  assert.match(
    err,
    new RegExp(
      `^stele: b\\.ndjson, line 2,101, byte ${figure} \\(its event 2,100, counted from 0\\) was refused: .*byte ${figure}.*\\. 2,000 events of that file and 2,001 in all are stored\\. Mend the file, and go on with the same command and --skip 2001\\.\n$`,
    ),
  )
  assert.match(out, /^Stored 2,001 events in the ledger main as numbers 0 to 2000 /)
  assert.match(out, /--skip 2001\n$/)
  write('b.ndjson', `\ufeff${events.join('\r\n')}`)
  await steleOk(world, 'append', '--skip', '2001', 'a.json', 'b.ndjson', 'c.json')
  assert.deepEqual(await stored(), ['{"a":1}', ...events, '{"c":1}'])
})

test('--skip finds its place in documents, containers and text, wherever it lies in them', async (context) => {
  const { write, world, stored } = await ground(context)
  const record = (id: number) => `{"time":"2026-01-02T03:04:05Z","category":"SignInLogs","id":${id}}`
  const files: readonly (readonly [string, readonly string[]])[] = [
    ['[{"a":0}, {"a":1}, {"a":2}]', ['{"a":0}', '{"a":1}', '{"a":2}']],
    [`{"records":[${record(3)},${record(4)}]}`, [record(3), record(4)]],
    ['{\n"b":5}{"b":6}\n{"b":7}', ['{\n"b":5}', '{"b":6}', '{"b":7}']],
    ['text 8\ntext 9\n', ['text 8', 'text 9']],
  ]
  const names = files.map(([text], position) => write(`${position}`, text))
  const events = files.flatMap(([, found]) => found)
  let before = 0
  for (let skip = 0; skip <= events.length; skip++) {
    await steleOk(world, 'append', '--skip', String(skip), ...names)
    const found = (await stored()).slice(before)
    before += found.length
    assert.deepEqual(found, events.slice(skip), `--skip ${skip}`)
  }
  const { code, err } = await stele(world, 'append', '--skip', '11', ...names)
  assert.deepEqual(
    { code, err },
    { code: 2, err: 'stele: --skip 11 leaves out more than there is: the files have 10 events. Nothing was stored.\n' },
  )
})

test('--receipts keeps a receipt of each event, which verifies without the server', async (context) => {
  const { write, world, server, folder } = await ground(context)
  const events = numbered(1_203)
  write('array.json', `[${events.join(',')}]`)
  const { requests } = JSON.parse(await steleOk(world, 'append', '--receipts', 'kept/here', 'array.json', '--json'))
  assert.equal(requests, 2)
  assert.equal(readdirSync(join(folder, 'kept/here')).length, 1_203)
  for (const index of [0, 999, 1_000, 1_202]) {
    const receipt = readFileSync(join(folder, `kept/here/main-${index}.tlog-proof`))
    const { verdict } = await verifyReceipt(Buffer.from(events[index]!), receipt, { vkey: server.ledgers.vkey('main') })
    assert.equal(verdict, 'valid')
  }
})

test('a token that may only append is enough, and a source it may not append is refused', async (context) => {
  const { write, world, server, stored } = await ground(context)
  const token = await server.token(['append'], { ledgers: ['main'], sources: ['generic'] })
  write('a.json', '{"a":1}')
  await steleOk(world, 'append', '--token', token, 'a.json')
  const { code, err } = await stele(world, 'append', '--token', token, '--source', 'entra.audit', 'a.json')
  assert.equal(code, 2)
  assert.match(
    err,
    /^stele: the server refused: This token appends generic only.*Nothing was stored\. Use a token that may/,
  )
  assert.deepEqual(await stored(), ['{"a":1}'])
})

test('what cannot be sent is said before anything is sent', async (context) => {
  const { write, world, stored } = await ground(context)
  write('good.json', '{"a":1}')
  const wrong: readonly (readonly [argv: string[], code: number, said: RegExp])[] = [
    [['good.json', 'missing.json'], 3, /^stele: there is no file or folder missing\.json\. Nothing was stored\.\n$/],
    [
      ['--ledger', 'nope', 'good.json'],
      2,
      /There is no ledger of that name.*Nothing was stored\. 'stele ledger list' shows the ledgers/,
    ],
    [['--ledger', 'access', 'good.json'], 2, /access is one of Stele's own ledgers/],
    [
      ['--source', 'entra.sigin', 'good.json'],
      2,
      /the nearest are entra\.signin.*Nothing was stored\. Give another --source or none/,
    ],
    [['--token', 'wrong', 'good.json'], 2, /The token is not one of this server/],
    [
      ['--url', 'http://127.0.0.1:9', 'good.json'],
      3,
      /^stele: no server answers at http:\/\/127\.0\.0\.1:9: .*Nothing was stored/,
    ],
  ]
  for (const [argv, code, said] of wrong) {
    const ran = await stele(world, 'append', ...argv)
    assert.match(ran.err, said)
    assert.equal(ran.code, code)
  }
  assert.deepEqual(await stored(), [])
})

test('what is broken about a file is said with its name', async (context) => {
  const { write, world, stored } = await ground(context)
  const wrong: readonly (readonly [name: string, bytes: Buffer, said: RegExp])[] = [
    ['utf16.json', Buffer.from('\ufeff{"a":1}', 'utf16le'), /utf16\.json: it is UTF-16.*iconv/],
    ['cut.gz', gzipSync('{"a":1}\n'.repeat(1_000)).subarray(0, -9), /cut\.gz: the gzip data is cut off/],
    [
      'more.zst',
      Buffer.concat([zstdCompressSync('{"a":1}\n'), Buffer.from('more')]),
      /more\.zst: bytes that are not zstd follow/,
    ],
    ['latin1.json', Buffer.from('{"a":"\u00e9"}', 'latin1'), /latin1\.json, line 1, byte 6 .*not UTF-8/],
    [
      'deep.json',
      Buffer.from(`{"a":${'['.repeat(70)}${']'.repeat(70)}}`),
      /deep\.json, line 1, byte \d+ .*nested deeper/,
    ],
  ]
  for (const [name, bytes, said] of wrong) {
    write(name, bytes)
    const { code, err } = await stele(world, 'append', name)
    assert.match(err, said)
    assert.match(err, /Nothing was stored\. Mend the file,? and run the command again/)
    assert.equal(code, 2, name)
  }
  assert.deepEqual(await stored(), [])
})

test('what has no events is no fault, and is named: empty files and folders, blanks, an empty array', async (context) => {
  const { write, world, stored, folder } = await ground(context)
  write('empty.ndjson', '')
  write('blank.ndjson', '\n \r\n')
  assert.equal(
    await steleOk(world, 'append', 'empty.ndjson', 'blank.ndjson'),
    'Nothing was stored: there are no events in empty.ndjson, blank.ndjson.\n',
  )
  for (const stdin of ['', '[]', '[]\n[ ]\n']) {
    const out = await steleOk({ ...world, stdin }, 'append')
    assert.equal(out, 'Nothing was stored: there are no events in standard input.\n')
  }
  mkdirSync(join(folder, 'bare/below'), { recursive: true })
  write('none.json', '[]')
  assert.equal(
    await steleOk(world, 'append', 'none.json', 'bare'),
    'Nothing was stored: there are no events in bare, none.json.\n',
  )
  assert.deepEqual(await stored(), [])
  write('one.json', '{"a":1}')
  const out = await steleOk(world, 'append', 'one.json', 'none.json')
  assert.match(out, /The ledger now has 1 entry; .*\nOf what was named, there are no events in none\.json\.\nNext: /)
  assert.equal(
    await steleOk(world, 'append', '--skip', '1', 'one.json'),
    'Nothing was stored: --skip leaves out all there is, 1 event.\n',
  )
})

test('an interruption finishes the request in flight and says how to go on', async (context) => {
  const { write, world, stored } = await ground(context)
  const events = numbered(5_000)
  write('many.ndjson', events.join('\n'))
  const stop = new AbortController()
  let requests = 0
  const environment: Partial<Environment> = {
    fetch: async (url, init) => {
      if (init.method === 'POST' && ++requests === 2) stop.abort()
      return await fetch(url, init)
    },
  }
  const { code, out, err } = await stele({ ...world, interrupted: stop.signal, environment }, 'append', 'many.ndjson')
  assert.equal(code, 3)
  assert.equal(err, 'stele: interrupted, after the request in flight was answered.\n')
  assert.match(out, /^Stored 2,000 events .*\n.*\n.*\nTo go on where this stopped: the same command once more\n$/)
  await steleOk(world, 'append', '--skip', '2000', 'many.ndjson')
  assert.deepEqual(await stored(), events)
})

test('events of a pipe are stored as they come, without waiting for its end', async (context) => {
  const { world, stored } = await ground(context)
  const stop = new AbortController()
  async function* pipe() {
    yield Buffer.from('{"a":1}\n{"a":2}\n{"a"')
    await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
  }
  const running = stele({ ...world, stdin: pipe(), interrupted: stop.signal }, 'append')
  for (let tries = 0; (await stored()).length < 2 && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(await stored(), ['{"a":1}', '{"a":2}'])
  stop.abort()
  const { code, out } = await running
  assert.equal(code, 3)
  assert.match(out, /--skip 2\n$/)
})

/** Lets the first `count` POSTs through, and then, once, does what it is told instead of an answer. */
function breaking(count: number, how: 'before' | 'behind'): Partial<Environment> {
  let posts = 0
  return {
    fetch: async (url, init) => {
      if (init.method !== 'POST' || ++posts !== count + 1) return await fetch(url, init)
      if (how === 'behind') await (await fetch(url, init)).arrayBuffer()
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }),
      })
    },
  }
}

test('when a request breaks off, it is made again under its key, so that nothing is stored twice or lost', async (context) => {
  const { write, world, stored, server } = await ground(context)
  const token = await server.token(['append'])
  const events = numbered(3_000)
  let expected: string[] = []
  for (const how of ['before', 'behind'] as const) {
    write(`${how}.ndjson`, events.join('\n'))
    const argv = ['append', '--token', token, `${how}.ndjson`]
    const { code, out, err } = await stele({ ...world, environment: breaking(1, how) }, ...argv)
    assert.equal(code, 0, err)
    assert.match(out, /^Stored 3,000 events in the ledger main as numbers \d+ to \d+ \(/)
    expected = [...expected, ...events]
    assert.deepEqual(await stored(), expected)
  }
})

test('events that their source gave ids are counted apart where they were there already, and have their receipts', async (context) => {
  const { write, world, stored, folder } = await ground(context)
  const events = Array.from({ length: 30 }, (_, number) => audit(`id ${number}`))
  write('first.ndjson', events.slice(0, 20).join('\n'))
  write('second.ndjson', [...events, events[29]].join('\n'))
  await steleOk(world, 'append', 'first.ndjson')
  const out = await steleOk(world, 'append', '--receipts', 'kept', 'second.ndjson')
  assert.match(
    out,
    /^Stored 10 events in the ledger main as numbers 20 to 29 \(.*\)\.\nBesides, 21 events were there already\.\n/,
  )
  assert.deepEqual(await stored(), events)
  assert.deepEqual(readdirSync(join(folder, 'kept')).length, 30)
  write('third.ndjson', events.join('\n'))
  const again = await steleOk(world, 'append', 'third.ndjson')
  assert.match(again, /^Nothing was stored: 30 events were there already\.\n/)
  write('fourth.ndjson', events.slice(1).join('\n'))
  const json = JSON.parse(await steleOk(world, 'append', '--json', 'fourth.ndjson'))
  assert.deepEqual([json.events, json.duplicates, json.files[0].events], [0, 29, 29])
})

test('giving up while the outcome is not known says that it is not known', async (context) => {
  const { write, world } = await ground(context)
  write('many.ndjson', numbered(3_000).join('\n'))
  const stop = new AbortController()
  let posts = 0
  const environment: Partial<Environment> = {
    fetch: async (url, init) => {
      if (init.method === 'POST') posts++
      if (posts < 2) return await fetch(url, init)
      setTimeout(() => stop.abort(), 100)
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }),
      })
    },
  }
  const { code, out, err } = await stele({ ...world, environment, interrupted: stop.signal }, 'append', 'many.ndjson')
  assert.equal(code, 3)
  assert.match(out, /^Stored 1,000 events /)
  assert.match(err, /it is not known whether the events of many\.ndjson from line 1,001 on were stored/)
})

test('a server that counts other events than were sent is found out', async (context) => {
  const { write, world } = await ground(context)
  write('two.ndjson', '{"a":1}\n{"a":2}\n')
  const environment: Partial<Environment> = {
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      if (init.method !== 'POST') return response
      const { count, ...answer } = (await response.json()) as { count: number }
      return Response.json({ ...answer, count: count - 1 })
    },
  }
  const { code, err } = await stele({ ...world, environment }, 'append', 'two.ndjson')
  assert.equal(code, 3)
  assert.match(err, /2 events were sent, and the answer counts 1/)
})

test('progress is shown on a terminal and nowhere else, and is gone at the end', async (context) => {
  const { write, world, server } = await ground(context)
  write('many.ndjson', numbered(3_000).join('\n'))
  const ticks: (() => void)[] = []
  const cli = new Cli({ ...world, isTerminal: true, columns: 60 })
  const every = (_: number, tick: () => void) => {
    ticks.push(tick)
    return () => void ticks.splice(0)
  }
  const environment: Partial<Environment> = {
    clock: Object.assign(Object.create(cli.environment.clock) as typeof cli.environment.clock, { every }),
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      for (const tick of ticks) tick()
      return response
    },
  }
  const { err } = await stele({ ...world, isTerminal: true, columns: 60, environment }, 'append', 'many.ndjson')
  assert.match(err, /\r\u001b\[K1,000 events · /)
  assert.ok(err.endsWith('\r\u001b[K'))
  for (const line of err.split('\r\u001b[K')) assert.ok(line.length < 60)
  assert.equal((await stele({ ...world, variables: variablesFor(server) }, 'append', 'many.ndjson')).err, '')
})
