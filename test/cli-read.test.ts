// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele prove` and `stele tail` against a real server.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { parseProof, verifyReceipt } from '@stele/proof'

import type { Environment } from '../src/cli/environment.ts'
import { Cli, stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

const role =
  '{"id":"Directory_1","category":"RoleManagement","correlationId":"c1","result":"success","activityDisplayName":"Add member to role","activityDateTime":"2026-01-02T03:04:05Z","loggedByService":"Core Directory","operationType":"Assign","initiatedBy":{"user":{"id":"u1","userPrincipalName":"alice@contoso.com"}},"targetResources":[{"id":"u2","type":"User","userPrincipalName":"bob@contoso.com","modifiedProperties":[{"displayName":"Role.DisplayName","oldValue":null,"newValue":"\\"Global Administrator\\""}]}]}'

async function ground(
  context: TestContext,
  ...events: readonly (string | Buffer)[]
): Promise<{ server: TestServer; folder: string; world: World }> {
  const server = await startTestServer(context)
  for (const event of events) {
    const type =
      typeof event === 'string'
        ? event.startsWith('{')
          ? 'application/json'
          : 'text/plain'
        : 'application/octet-stream'
    await server.askJson('/v1/ledgers/main/events', { body: event, type })
  }
  const folder = scratch(context)
  return { server, folder, world: { cwd: folder, variables: variablesFor(server) } }
}

test('prove writes a receipt and the event, which verify with the key alone, and says what to type', async (context) => {
  const { server, folder, world } = await ground(context, role, 'plain text', Buffer.of(0, 1, 255))
  for (const [index, file, bytes] of [
    [0, 'main-0.json', role],
    [1, 'main-1.txt', 'plain text'],
    [2, 'main-2.bin', Buffer.of(0, 1, 255)],
  ] as const) {
    const out = await steleOk(world, 'prove', String(index))
    const event = readFileSync(join(folder, file))
    assert.deepEqual(event, Buffer.from(bytes))
    const vkey = server.ledgers.vkey('main')
    const report = await verifyReceipt(event, readFileSync(join(folder, `main-${index}.tlog-proof`)), { vkey })
    assert.equal(report.verdict, 'valid')
    assert.ok(
      out.includes(
        `main-${index}.tlog-proof proves that entry ${index} is one of the 3 of ${server.ledgers.origin('main')}.\n`,
      ),
    )
    assert.ok(out.endsWith(`\n  stele verify ${file} main-${index}.tlog-proof --key '${vkey}'\n`), out)
  }
})

test('prove writes where it is told, into folders that are not there yet, and again over what it wrote', async (context) => {
  const { folder, world, server } = await ground(context, role)
  await server.createLedger('other')
  await server.askJson('/v1/ledgers/other/events', { body: '{"other":1}' })
  const argv = ['prove', '0', '--ledger', 'other', '--out', "case 1/it's.proof", '--event', 'case 1/event']
  const { next, ...rest } = JSON.parse(await steleOk(world, ...argv, '--json'))
  assert.deepEqual(rest, {
    ledger: 'other',
    index: 0,
    origin: server.ledgers.origin('other'),
    size: 1,
    root: Buffer.from(server.ledgers.log('other').root).toString('base64'),
    vkeys: [server.ledgers.vkey('other')],
    out: "case 1/it's.proof",
    event: 'case 1/event',
  })
  assert.equal(next, `stele verify 'case 1/event' 'case 1/it'\\''s.proof' --key '${server.ledgers.vkey('other')}'`)
  await server.askJson('/v1/ledgers/other/events', { body: '{"other":2}' })
  await steleOk(world, ...argv)
  assert.equal(readFileSync(join(folder, 'case 1/event'), 'utf8'), '{"other":1}')
})

test('prove writes the verifier page, too, and its SHA-256, which is that of the page in the tree', async (context) => {
  const { folder, world } = await ground(context, role)
  const out = await steleOk(world, 'prove', '0', '--page', 'for auditor/verify.html')
  const page = readFileSync(join(folder, 'for auditor/verify.html'))
  assert.ok(page.equals(readFileSync(join(import.meta.dirname, '../packages/proof/page/verify.html'))))
  const digest = createHash('sha256').update(page).digest('hex')
  assert.ok(
    out.includes(`for auditor/verify.html is the page that verifies them in a browser. Its SHA-256: ${digest}\n`),
  )
  const told = JSON.parse(await steleOk(world, 'prove', '0', '--page', 'p.html', '--json'))
  assert.deepEqual([told.page, told.pageSha256], ['p.html', digest])
})

test('prove with a token that may only verify writes the bare proof and no event', async (context) => {
  const { folder, world, server } = await ground(context, role)
  const token = await server.token(['verify'])
  const out = await steleOk(world, 'prove', '0', '--token', token)
  assert.equal(parseProof(readFileSync(join(folder, 'main-0.tlog-proof'))).extra, undefined)
  assert.ok(!existsSync(join(folder, 'main-0.json')))
  assert.match(out, /It is a bare proof/)
  const { code, err } = await stele(world, 'prove', '0', '--token', token, '--event', 'e.json')
  assert.equal(code, 2)
  assert.equal(
    err,
    'stele: this token may not read events. Nothing was written. Leave out --event and --page, or use a token with the scope read.\n',
  )
  assert.equal((await stele(world, 'prove', '0', '--token', token, '--page', 'p.html')).code, 2)
})

test('prove refuses what is not there, what cannot be written, and what a server forged', async (context) => {
  const { folder, world } = await ground(context, role)
  writeFileSync(join(folder, 'file'), '')
  const wrong: readonly (readonly [argv: string[], code: number, said: RegExp])[] = [
    [['1'], 2, /The ledger has 1 entries, the first is 0\. Nothing was written\.\n$/],
    [['0', '--out', 'same', '--event', './same'], 2, /two of the files to write have the same name\. /],
    [['0', '--page', 'main-0.json'], 2, /two of the files to write have the same name\. /],
    [['0', '--out', 'file/below'], 3, /^stele: file\/below could not be written: /],
    [['0', '--out', '.'], 3, /^stele: \. could not be written: it is a directory\.\n$/],
    [['0', '--ledger', 'nope'], 2, /There is no ledger of that name/],
  ]
  for (const [argv, code, said] of wrong) {
    const ran = await stele(world, 'prove', ...argv)
    assert.match(ran.err, said)
    assert.equal(ran.code, code, argv.join(' '))
  }
  const forging: Partial<Environment> = {
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      if (!url.endsWith('events/0')) return response
      const answer = (await response.json()) as { event: string }
      return Response.json({ ...answer, event: answer.event.replace('alice', 'mallo') })
    },
  }
  const { code, err } = await stele({ ...world, environment: forging }, 'prove', '0', '--out', 'forged')
  assert.equal(code, 3)
  assert.match(
    err,
    /does not answer as a Stele server must: .*the event is not what its entry commits to\. Nothing was written\./,
  )
  assert.ok(!existsSync(join(folder, 'forged')))
})

test('tail shows a line an event: index, ledger time, source, and what happened, or its beginning where that is unclear', async (context) => {
  const { world } = await ground(context, role, 'plain text', Buffer.of(0, 1, 255), '{"unknown":"form"}')
  const lines = (await steleOk(world, 'tail', '--no-follow')).trimEnd().split('\n')
  const shown = lines.map((line) => line.replace(/ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/, ' | '))
  assert.deepEqual(shown, [
    '     0 | entra.audit     alice@contoso.com gave Global Administrator to bob@contoso.com',
    '     1 | generic         plain text',
    '     2 | generic         3 bytes that are no text',
    '     3 | generic         {"unknown":"form"}',
  ])
})

test('tail begins with the last ten, or where it is told, and --json gives back every byte', async (context) => {
  const events = ['{"n":0, "x":"\\u0041"}', ...Array.from({ length: 12 }, (_, n) => `{"n":${n + 1}}`)]
  const { world, server } = await ground(context, ...events, Buffer.of(1, 254, 2))
  const indexesOf = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).index)
  assert.deepEqual(indexesOf(await steleOk(world, 'tail', '--no-follow', '--json')), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
  const hits = (await steleOk(world, 'tail', '--from', '0', '--no-follow', '--json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(hits[0], await server.askJson('/v1/ledgers/main/events/0'))
  assert.deepEqual(
    hits.slice(0, -1).map(({ event }) => event),
    events,
  )
  assert.deepEqual(Buffer.from(hits.at(-1).eventBase64, 'base64'), Buffer.of(1, 254, 2))
  assert.equal(await steleOk(world, 'tail', '--from', '14', '--no-follow'), '')
})

test('tail goes on with events that come, through a restart of the server, until Ctrl-C', async (context) => {
  const { server, world } = await ground(context, '{"n":0}')
  const stop = new AbortController()
  const cli = new Cli({ ...world, interrupted: stop.signal })
  const running = cli.run('tail', '--json')
  const until = async (count: number) => {
    for (let tries = 0; cli.out.split('\n').length <= count && tries < 1_000; tries++) await sleep(10)
  }
  await until(1)
  await server.askJson('/v1/ledgers/main/events', { body: '{"n":1}' })
  await until(2)
  const { directory } = server
  const listenPort = Number(new URL(server.url).port)
  await server.close()
  await sleep(300)
  const again = await startTestServer(context, { directory, config: { listenPort } })
  await again.askJson('/v1/ledgers/main/events', { body: '{"n":2}' })
  await until(3)
  stop.abort()
  const { code, out, err } = await running
  assert.equal(code, 0)
  assert.deepEqual(
    out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).event),
    ['{"n":0}', '{"n":1}', '{"n":2}'],
  )
  assert.match(err, /^stele: http:\/\/127\.0\.0\.1:\d+ does not answer \(.*\)\. Nothing is lost\. Waiting for it …\n$/)
  // Before the folder of the first one goes.
  await again.close()
})

test('nothing in an event drives, forges or reorders what the terminal shows', async (context) => {
  const hostile = [
    '\u001b[2J\u001b]0;title\u0007',
    '\r\nforged line',
    '\u202egnp.exe',
    '\u2066x\u2069',
    '\u200b\ufeff',
    '\u0085\u009b31m',
    '\u2028',
    '\u{e0041}',
    '\u0000\u0008',
  ]
  const text = hostile.join('|')
  const { world, server } = await ground(context, JSON.stringify({ action: text }), text)
  const safe = /^[\n\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff·…“”]*$/
  for (const options of [[], ['--json']]) {
    const out = await steleOk(world, 'tail', '--no-follow', ...options)
    assert.match(out, safe)
    assert.equal(out.trimEnd().split('\n').length, 2)
  }
  const [, second] = (await steleOk(world, 'tail', '--no-follow', '--json')).split('\n')
  assert.equal(JSON.parse(second!).event, text)
  const answers: Partial<Environment> = {
    fetch: async () =>
      Response.json(
        { detail: text, code: 'not-found' },
        { status: 404, headers: { 'content-type': 'application/problem+json' } },
      ),
  }
  const { err } = await stele({ ...world, environment: answers }, 'tail')
  assert.match(err, safe)
  assert.equal(err.trimEnd().split('\n').length, 1)
  await server.close()
})
