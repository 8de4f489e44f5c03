// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele export` and `stele verify FOLDER`, from a server and from data directories.

import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { verifyReceipt } from '@stele/proof'

import { NodeDisk } from '../src/platform/disk.ts'
import { Cli, stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { hostileEvents } from './export-ground.ts'
import { FaultDisk } from './fault-disk.ts'
import { scratch } from './scratch.ts'
import { type Json, startTestServer, type TestServer } from './server-fixture.ts'

interface Ground {
  readonly server: TestServer
  readonly folder: string
  readonly world: World
}

const hostile = hostileEvents.filter(([, body]) => body.length > 0)

async function ground(context: TestContext, count = 0): Promise<Ground> {
  const server = await startTestServer(context)
  for (const [type, body] of hostile) {
    await server.askJson('/v1/ledgers/main/events?source=generic', { body, type })
  }
  const lines = Array.from({ length: count }, (_, number) => `{"number":${number}}\n`).join('')
  if (count > 0) {
    await server.askJson('/v1/ledgers/main/events?source=generic', { body: lines, type: 'application/x-ndjson' })
  }
  const folder = scratch(context)
  const variables = { ...variablesFor(server), XDG_STATE_HOME: join(folder, 'state') }
  return { server, folder, world: { cwd: folder, variables } }
}

/** Bytes of all files below a folder, by path. */
function filesOf(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true }).map(String)
  const files = paths.filter((path) => statSync(join(folder, path)).isFile())
  return new Map(files.toSorted().map((path) => [path, readFileSync(join(folder, path), 'latin1')]))
}

/** The lines of contents as an ordinary reader of JSON has them. */
function linesOf(folder: string): Json[] {
  const names = readdirSync(join(folder, 'contents')).filter((name) => name.endsWith('.ndjson'))
  const texts = names.map((name) => readFileSync(join(folder, 'contents', name), 'utf8'))
  return texts.flatMap((text) => text.trimEnd().split('\n')).map((line) => JSON.parse(line))
}

test('P9: an export of a server has every event byte for byte, and verifies with the key alone', async (context) => {
  const { server, folder, world } = await ground(context, 300)
  const out = await steleOk(world, 'export', 'out')
  const [origin, vkey] = [server.ledgers.origin('main'), server.ledgers.vkey('main')]
  const size = hostile.length + 300
  assert.ok(
    out.replaceAll('\n', ' ').includes(`out holds the ${size} entries of ${origin}, with all their events`),
    out,
  )
  assert.ok(out.endsWith(`\n  stele verify out --key '${vkey}'\n`), out)
  const lines = linesOf(join(folder, 'out'))
  assert.deepEqual(
    lines.map(({ index }) => index),
    Array.from({ length: size }, (_, index) => index),
  )
  for (const [index, [, body]] of hostile.entries()) {
    const { event, text, base64 } = lines[index]
    if (base64 !== undefined) assert.deepEqual(Buffer.from(base64, 'base64'), body)
    else if (text !== undefined) assert.equal(text, body.toString('utf8'))
    else assert.deepEqual(event, JSON.parse(body.toString('utf8')))
  }
  const verified = await steleOk(
    { ...world, variables: { XDG_STATE_HOME: join(folder, 'new') } },
    'verify',
    'out',
    '--key',
    vkey,
  )
  assert.match(verified, /are those that the entries\s+commit to/)
  assert.match(verified, /signed by the key that you gave/)
})

test('P7: an export is recorded in access before its first event is sent, and one without content is not', async (context) => {
  const { server, world } = await ground(context, 10)
  const before = server.ledgers.log('access').size
  await steleOk(world, 'export', 'bare', '--no-content')
  assert.equal(server.ledgers.log('access').size, before)
  await steleOk(world, 'export', 'out', '--from', '5', '--to', '9')
  const records = await Promise.all(
    [0, 1].map(async (at) => JSON.parse((await server.ledgers.event('access', before + at)).event.toString())),
  )
  assert.deepEqual(
    records.map(({ action, ledger, first, phase }) => ({ action, ledger, first, phase })),
    [
      { action: 'events.tail', ledger: 'main', first: 5, phase: 'open' },
      { action: 'events.tail', ledger: 'main', first: 5, phase: 'close' },
    ],
  )
})

test('a token that may only verify exports entries and tree, and is refused the events', async (context) => {
  const { server, folder, world } = await ground(context, 5)
  const token = await server.token(['verify'])
  const { code, err } = await stele(world, 'export', 'out', '--token', token)
  assert.equal(code, 2)
  assert.match(err, /the server refused/)
  assert.ok(!existsSync(join(folder, 'out', 'checkpoint')))
  await steleOk(world, 'export', 'bare', '--token', token, '--no-content')
  assert.ok(!existsSync(join(folder, 'bare', 'contents')))
  await steleOk(world, 'verify', 'bare', '--key', server.ledgers.vkey('main'))
})

test('a data directory is exported while a server runs on it and when it is stopped, to the same files', async (context) => {
  const { server, folder, world } = await ground(context, 300)
  await steleOk(world, 'export', 'served')
  const data = join(server.directory, 'data')
  await steleOk(world, 'export', 'running', '--data', data)
  await server.close()
  await steleOk(world, 'export', 'stopped', '--data', data)
  const served = filesOf(join(folder, 'served'))
  assert.deepEqual(filesOf(join(folder, 'running')), served)
  assert.deepEqual(filesOf(join(folder, 'stopped')), served)
  for (const ledger of ['system', 'access', 'heads']) {
    const out = await steleOk(world, 'export', ledger, '--data', data, '--ledger', ledger, '--json')
    const { vkey, contentCount, size } = JSON.parse(out)
    assert.equal(contentCount, size)
    const { verdict, findings } = JSON.parse(await steleOk(world, 'verify', ledger, '--key', vkey, '--json'))
    assert.deepEqual([verdict, findings], ['unchanged', []])
  }
})

test('ranges are half-open, by index and by time, and prove their events by themselves', async (context) => {
  const { server, folder, world } = await ground(context, 300)
  const vkey = server.ledgers.vkey('main')
  await steleOk(world, 'export', 'out', '--from', '100', '--to', '103')
  assert.deepEqual(
    linesOf(join(folder, 'out')).map(({ index }) => index),
    [100, 101, 102],
  )
  const text = await steleOk(world, 'verify', 'out', '--key', vkey)
  assert.match(text.replaceAll('\n', ' '), /The 3 events of the entries 100 to 102, .* others are not here/)
  await steleOk(world, 'export', 'before', '--from', '48h', '--to', '24h')
  await steleOk(world, 'export', 'day', '--from=-24h', '--to', '+1h')
  assert.deepEqual(readdirSync(join(folder, 'before', 'contents')), ['range'])
  assert.equal(linesOf(join(folder, 'day')).length, 300 + hostile.length)
  const { code, err } = await stele(world, 'export', 'never', '--from', 'whenever')
  assert.deepEqual([code, /neither an index nor a time: whenever/.test(err)], [2, true])
})

test('a policy that says nothing of the log accuses nobody: an honest export is refused with 2 and what to give', async (context) => {
  const { server, folder, world } = await ground(context)
  await steleOk(world, 'export', 'out')
  writeFileSync(join(folder, 'heads'), `log ${server.ledgers.vkey('heads')}\nquorum none\n`)
  const { code, out, err } = await stele(world, 'verify', 'out', '--policy', 'heads')
  assert.deepEqual([code, out], [2, ''])
  assert.match(
    err,
    /the policy says nothing of \S+\/main, the log in out: it lists \S+\/heads\. Nothing was verified\. Give/,
  )
  writeFileSync(join(folder, 'main'), `log ${server.ledgers.vkey('main')}\nquorum none\n`)
  assert.match(await steleOk(world, 'verify', 'out', '--policy', 'main'), /signed as your policy demands/)
})

test('an export that is interrupted says so, is no export, and goes on', async (context) => {
  const { folder, world } = await ground(context, 300)
  const { code, err } = await stele({ ...world, interrupted: AbortSignal.abort() }, 'export', 'out')
  assert.equal(code, 3)
  assert.match(err, /interrupted.*Run the same command again to go on/s)
  const verified = await stele(world, 'verify', 'out')
  assert.equal(verified.code, 3)
  assert.match(verified.err, /not finished/)
  const other = await stele(world, 'export', 'out', '--no-content')
  assert.deepEqual([other.code, /is another one/.test(other.err)], [2, true])
  await steleOk(world, 'export', 'out')
  await steleOk(world, 'verify', 'out')
  assert.ok(!readdirSync(join(folder, 'out')).some((name) => /draft|lock/.test(name)))
})

test('a full disk is said clearly, and the export goes on once there is room', async (context) => {
  const { folder, world } = await ground(context, 300)
  const disk = new FaultDisk(new NodeDisk(), { operation: 'write', nth: 3, done: 'half', code: 'ENOSPC' })
  const { code, err } = await new Cli({ ...world, environment: { disk } }).run('export', 'out')
  assert.equal(code, 3)
  assert.match(err, /could not be written: the disk is full.*Run the same command again/s)
  assert.ok(!existsSync(join(folder, 'out', 'checkpoint')))
  await steleOk(world, 'export', 'out')
})

test('export refuses a folder that holds something, and words that do not go together', async (context) => {
  const { folder, world } = await ground(context)
  mkdirSync(join(folder, 'used'))
  writeFileSync(join(folder, 'used', 'thesis.txt'), 'mine')
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['used'], /used is not empty: it has thesis\.txt/],
    [[], /export needs one DIR/],
    [['a', 'b'], /export needs one DIR/],
    [['a', '--no-content', '--from', '1'], /leaves no events to choose/],
    [['a', '--data', 'x', '--url', 'http://127.0.0.1:1'], /--data goes without --url/],
    [['a', '--ledger', 'none'], /the server refused/],
    [['a', '--from', '99999999999999999999'], /neither an index nor a time/],
    [['a', '--from', '5000'], /has no entry 5000: it has \d+, counted from 0\. Nothing was written\./],
    [['a', '--from', '9', '--to', '5'], /--to is not after --from/],
    [['a', '--from', '5', '--to', '5'], /--to is not after --from/],
    [['a', '--from', '2026-02-01', '--to', '2026-01-01'], /--to is not after --from/],
    [['a', '--from', '1', '--to', '2000-01-01'], /--to is not after --from/],
  ]
  for (const [argv, words] of cases) {
    const { code, err } = await stele(world, 'export', ...argv)
    assert.equal(code, 2, argv.join(' '))
    assert.match(err.replaceAll('\n', ' '), words)
  }
  assert.deepEqual(readdirSync(join(folder, 'a')), [])
  assert.deepEqual(readdirSync(join(folder, 'used')), ['thesis.txt'])
  await steleOk(world, 'export', 'done')
  assert.match((await stele(world, 'export', 'done')).err, /holds a log already/)
  const none = await stele(world, 'export', 'new', '--data', 'used')
  assert.deepEqual([none.code, /not a data directory/.test(none.err)], [3, true])
})

test('verify of an event without its proof says that the proof is missing', async (context) => {
  const folder = scratch(context)
  writeFileSync(join(folder, 'grant.json'), '{}')
  const { code, err } = await stele({ cwd: folder }, 'verify', 'grant.json')
  assert.equal(code, 2)
  assert.match(
    err,
    /grant\.json is a file, and an event is verified with its proof\..* stele verify grant\.json PROOF/s,
  )
})

test('P4: verify names the file, the place and the first bad entry of an export that was changed', async (context) => {
  const { server, folder, world } = await ground(context, 300)
  const vkey = server.ledgers.vkey('main')
  await steleOk(world, 'export', 'out')
  const path = join(folder, 'out', 'contents', '0000000000000000.ndjson')
  writeFileSync(path, readFileSync(path, 'latin1').replace('{"number":7}', '{"number":8}'), 'latin1')
  const { code, out } = await stele(world, 'verify', 'out', '--key', vkey)
  assert.equal(code, 1)
  const index = hostile.length + 7
  assert.match(out, new RegExp(`The first bad entry is ${index}\\.`))
  assert.match(out, new RegExp(`contents/0000000000000000\\.ndjson at byte [0-9]+, entry ${index}: `))
  const json = await stele(world, 'verify', 'out', '--key', vkey, '--json')
  const { verdict, firstBad, findings } = JSON.parse(json.out)
  assert.deepEqual([verdict, firstBad, findings[0].kind], ['changed', { index, count: 1 }, 'content'])
})

test('P3: an export of a fork convicts the log to whoever saw the other one; an older export is no contradiction', async (context) => {
  const { server, folder, world } = await ground(context)
  await steleOk(world, 'export', 'first')
  await server.close()
  const forks = ['one', 'other']
  for (const name of forks) cpSync(server.directory, join(folder, 'forks', name), { recursive: true })
  for (const name of forks) {
    const directory = join(folder, 'forks', name)
    const fork = await startTestServer(context, { directory })
    await fork.askJson('/v1/ledgers/main/events?source=generic', { body: JSON.stringify({ name }) })
    await fork.close()
    // Written by somebody who remembers something else.
    const elsewhere = { ...world, variables: { XDG_STATE_HOME: directory } }
    await steleOk(elsewhere, 'export', name, '--data', join(directory, 'data'))
  }
  await steleOk(world, 'verify', 'one')
  const { code, out } = await stele(world, 'verify', 'other')
  assert.equal(code, 1)
  assert.match(out.replaceAll('\n', ' '), /the log has signed two roots for 13 entries.*|Both heads are kept in /)
  const evidence = /kept in\s+(\S+evidence\S+?):/.exec(out)?.[1]
  assert.equal(readFileSync(evidence ?? '', 'utf8').split(server.ledgers.origin('main')).length, 5)
  assert.match(await steleOk(world, 'verify', 'first'), /holds the 12 entries/)
})

test('an event of an export is proved by the salt and the entry that stand with it', async (context) => {
  const { server, folder, world } = await ground(context, 3)
  await steleOk(world, 'export', 'out')
  const index = hostile.length + 1
  const { event, salt } = linesOf(join(folder, 'out'))[index]
  const receipt = await (await server.ask(`/v1/ledgers/main/events/${index}/proof`)).text()
  assert.ok(receipt.includes(Buffer.from(salt, 'base64').toString('base64').slice(0, 20)))
  const vkey = server.ledgers.vkey('main')
  assert.equal((await verifyReceipt(Buffer.from(JSON.stringify(event)), receipt, { vkey })).verdict, 'valid')
})

test('an export of rotated keys is signed for whoever pinned the first key, and each statement counts', async (context) => {
  const { server, folder, world } = await ground(context)
  const old = server.ledgers.vkey('main')
  await steleOk(world, 'export', 'before')
  await server.askJson('/v1/ledgers/main/keys', { method: 'POST' })
  await server.askJson('/v1/ledgers/main/events?source=generic', { body: '{"after":1}' })
  await server.askJson('/v1/ledgers/main/keys', { method: 'POST' })
  const now = server.ledgers.vkey('main')
  await steleOk(world, 'export', 'after')
  await steleOk(world, 'export', 'read', '--data', join(server.directory, 'data'))
  assert.deepEqual(filesOf(join(folder, 'read')), filesOf(join(folder, 'after')))
  // Somebody else, who remembers nothing, with either key.
  for (const [key, who, words] of [
    [old, 'first', /signed by \S+, to which 2 rotations lead from the key that you gave: at 12 and at 13 entries/],
    [now, 'second', /signed by the key that you gave\./],
  ] as const) {
    const elsewhere = { ...world, variables: { XDG_STATE_HOME: join(folder, who) } }
    assert.match((await steleOk(elsewhere, 'verify', 'after', '--key', key)).replaceAll(/\s+/g, ' '), words)
  }
  // The old head has become one of a retired key: the beginning of what was seen.
  assert.match((await steleOk(world, 'verify', 'before')).replaceAll('\n', ' '), /holds the 12 entries/)
  const statement = join(folder, 'after', 'rotations', '001')
  const text = readFileSync(statement, 'utf8')
  writeFileSync(statement, text.replace('\n13\n', '\n12\n'))
  const { code, out } = await stele(
    { ...world, variables: { XDG_STATE_HOME: join(folder, 'third') } },
    'verify',
    'after',
    '--key',
    old,
  )
  assert.deepEqual([code, /rotations\/001: /.test(out)], [1, true], out)
})
