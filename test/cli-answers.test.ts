// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele timeline`, `stele related`, and exports of results with their verification, against an index in memory.

import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import type { Fetch } from '@stele/sdk'

import { stele, steleFound, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { ListedIndex } from './listed-index.ts'
import { csvRecords } from './csv-records.ts'
import { scratch } from './scratch.ts'
import { append, eventAt } from './search-ground.ts'
import { startTestServer, type TestServer } from './server-fixture.ts'

interface Ground {
  readonly server: TestServer
  readonly index: ListedIndex
  readonly world: World
  readonly cwd: string
  readonly key: readonly string[]
}

async function ground(context: TestContext): Promise<Ground> {
  const server = await startTestServer(context)
  const cwd = scratch(context)
  await append(server, [
    eventAt(1, {
      actor: { name: 'alice@contoso.com', id: 'id-1' },
      action: 'user.update',
      target: 'bob',
      session: 's1',
      changes: {
        plan: { old: 'free', new: 'te\u001b[31mam' },
        tags: [
          ['a', 'b'],
          ['b', 'c'],
        ],
      },
    }),
    eventAt(2, { actor: 'bob', action: 'sign in', outcome: 'failure', session: 's1' }),
    eventAt(3, { actor: 'carol', action: 'user.update', target: 'bob' }),
  ])
  const variables = { ...variablesFor(server), XDG_STATE_HOME: join(cwd, 'state') }
  const key = ['--key', server.ledgers.vkey('main')]
  return { server, index: ListedIndex.of(server), world: { cwd, variables }, cwd, key }
}

test('timeline prints in which direction each event goes, with old and new values below it, and other names at the end', async (context) => {
  const { world } = await ground(context)
  const { code, out, err } = await stele(world, 'timeline', 'alice@contoso.com')
  assert.equal(code, 0)
  const lines = out.trimEnd().split('\n')
  assert.match(lines[0]!, /^ {5}0 {2}2026-01-05 00:01:00 {2}did {6}alice@contoso\.com/)
  assert.deepEqual(
    lines.slice(1).map((line) => line.trim()),
    ['plan: free → te\\u{1b}[31mam', 'tags[]: a → c'],
  )
  assert.match(err, /^1 of 1 events · indexed up to 3 of 3\nstele: these events also call it id-1 \(uid in 1 event\)\./)
  const bob = await stele(world, 'timeline', 'bob', '--oldest', '--query', 'user.update OR sign')
  assert.deepEqual(
    bob.out.split('\n').flatMap((line) => /^ {5}(\d) {2}\S+ \S+ {2}(did|done to|both) /.exec(line)?.slice(1, 3) ?? []),
    ['0', 'done to', '1', 'did', '2', 'done to'],
  )
  const { hits, foot } = await steleFound(world, 'timeline', 'bob', '--limit', '1')
  assert.deepEqual(
    hits.map(({ direction, changes, index }) => [direction, changes, index]),
    [['done-to', [], 2]],
  )
  assert.deepEqual([foot.shown, foot.more, foot.size, foot.aliases], [1, true, 3, []])
  const { foot: named } = await steleFound(world, 'timeline', 'alice@contoso.com')
  assert.deepEqual(named.aliases, [{ value: 'id-1', attribute: 'uid', count: 1 }])
  const none = await stele(world, 'timeline', 'Ali', "o'hara x", '--ledger', 'main')
  assert.deepEqual([none.code, none.out], [1, ''])
  const [first, hint, ...rest] = none.err.split('\n')
  assert.equal(first, '0 of 0 events · indexed up to 3 of 3')
  assert.match(rest[0]!, /^stele: the ledger main alone was searched/)
  const words = `'actor:ali* OR target:ali* OR actor:"o'\\''hara x*" OR target:"o'\\''hara x*"'`
  assert.equal(
    hint,
    `stele: a NAME is compared as a whole; where it is a part of one: stele search --ledger main ${words}`,
  )
  assert.equal((await stele(world, 'search', words.slice(1, -1).replaceAll(`'\\''`, "'"))).code, 0)
  const bad = await stele(world, 'timeline', 'bob', '--query', 'acter:x')
  assert.deepEqual([bad.code, /acter:x\n {2,}\^/.test(bad.err)], [2, true])
  assert.equal((await stele(world, 'timeline')).code, 2)
})

test('in a terminal of 80 columns a timeline shows all of the sentence, outcome, address, old and new value, without what Entra repeats', async (context) => {
  const server = await startTestServer(context)
  ListedIndex.of(server)
  const modified = (displayName: string, old: string, now: string) => ({
    displayName,
    oldValue: JSON.stringify([old]),
    newValue: JSON.stringify([now]),
  })
  const [old, now] = ['Procurement and Facilities of the Northern Region', 'Finance and Controlling of the Holding']
  const update = (modifiedProperties: readonly object[], id: string) => {
    return JSON.stringify({
      id,
      category: 'UserManagement',
      correlationId: id,
      result: 'success',
      resultReason: '',
      activityDisplayName: 'Update user',
      activityDateTime: '2026-01-05T00:01:00Z',
      loggedByService: 'Core Directory',
      operationType: 'Update',
      initiatedBy: { app: null, user: { id: 'a', userPrincipalName: 'alice@contoso.com', ipAddress: '192.0.2.200' } },
      targetResources: [{ id: 'b', type: 'User', userPrincipalName: 'bob@contoso.com', modifiedProperties }],
      additionalDetails: [],
    })
  }
  const list = modified('Included Updated Properties', '', 'Department')
  const repeated = [list, modified('TargetId.UserType', '', 'Member')]
  await append(server, [
    update([modified('Department', old, now), ...repeated], 'one'),
    update([list], 'two'),
    eventAt(9, {
      action: 'user.update',
      target: 'bob@contoso.com',
      changes: { modifiedDateTime: { old: '1', new: '2' } },
    }),
  ])
  const world = { variables: variablesFor(server), columns: 80, isTerminal: true }
  const { out } = await stele(world, 'timeline', 'bob@contoso.com')
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  const words = out.replaceAll(/\s+/g, ' ')
  assert.ok(words.includes(`Department: ${old} → ${now}`), out)
  assert.match(words, / · success · 192\.0\.2\.200 Department:/)
  assert.ok(!/UserType|…/.test(out), out)
  assert.equal(out.split('Included Updated Properties').length, 2, 'told where nothing else is')
  assert.match(out, /modifiedDateTime: 1 → 2/, 'a name of another source')
})

test('related prints what came with an event, in order, with the one that was asked about marked', async (context) => {
  const { world } = await ground(context)
  const { code, out, err } = await stele(world, 'related', '1')
  assert.equal(code, 0)
  assert.match(out, /^ {2}INDEX .*\n {6}0 {2}.*\n> {5}1 {2}.*\n$/)
  assert.match(err, /^2 of 2 events · indexed up to 3 of 3 · by session s1\n$/)
  const { hits, foot } = await steleFound(world, 'related', '1', '--limit', '2')
  const whole = { shown: 2, total: { count: 2, exact: true }, indexed: 3, size: 3 }
  assert.deepEqual(foot, { ...whole, ids: { session: ['s1'] }, earlier: false, later: false })
  assert.deepEqual(
    hits.map(({ index, by }) => [index, by]),
    [
      [0, ['session']],
      [1, ['session']],
    ],
  )
  const alone = await stele(world, 'related', '2', '--every-ledger')
  assert.match(alone.err, / · the event bears no correlation or session id\n$/)
  const one = await stele(world, 'related', '1', '--by', 'correlation')
  assert.match(one.err, / · the event bears no correlation id\n$/)
  for (const wrong of [['related'], ['related', 'x'], ['related', '1', '--by', 'actor'], ['related', '9']]) {
    assert.equal((await stele(world, ...wrong)).code, 2, wrong.join(' '))
  }
})

test('an export is a file and its signed summary, which verify offline with the key alone', async (context) => {
  const { world, cwd, key, server } = await ground(context)
  const told = await steleOk(world, 'search', 'bob', '--since', '2026-01-05', '--export', 'bob.ndjson', '--receipts')
  assert.match(
    told.replaceAll('\n', ' '),
    /^bob\.ndjson holds 3 events, numbers 0 to 2, of the ledger main that bob finds/,
  )
  assert.deepEqual((await readdir(cwd)).toSorted(), ['bob.ndjson', 'bob.ndjson.summary'])
  const offline = { cwd, variables: { XDG_STATE_HOME: join(cwd, 'state') } }
  const verified = await steleOk(offline, 'verify', 'bob.ndjson', 'bob.ndjson.summary', ...key)
  assert.match(verified, /for the query bob\nfrom 2026-01-05T00:00:00\.000Z on: 3 events of its first 3 entries\./)
  assert.match(verified, /That no other event matches is not shown/)
  assert.match(verified, /holds +the entries: each entry is proven to be in the tree of 3 entries/)
  const json = JSON.parse(await steleOk(offline, 'verify', 'bob.ndjson', 'bob.ndjson.summary', '--json', ...key))
  assert.deepEqual([json.verdict, json.summary.count, json.trust], ['valid', 3, 'key'])
  const unknown = await stele(offline, 'verify', 'bob.ndjson', 'bob.ndjson.summary')
  assert.deepEqual([unknown.code, /no key of .* is known here/.test(unknown.err)], [2, true])
  const turned = await stele(offline, 'verify', 'bob.ndjson.summary', 'bob.ndjson', ...key)
  assert.deepEqual([turned.code, /the wrong way round/.test(turned.err)], [2, true])
  const foreign = await stele(
    offline,
    'verify',
    'bob.ndjson',
    'bob.ndjson.summary',
    '--key',
    server.ledgers.vkey('access'),
  )
  assert.equal(foreign.code, 1)
  const again = await stele(world, 'search', '--export', 'bob.ndjson')
  assert.deepEqual([again.code, /is there already/.test(again.err)], [2, true])

  await steleOk(world, 'search', '--export', 'all.csv')
  assert.equal(csvRecords(await readFile(join(cwd, 'all.csv'), 'utf8')).length, 4)
  const table = await steleOk(offline, 'verify', 'all.csv', 'all.csv.summary', ...key)
  assert.match(table, /holds +the events: each of the 3 is what its entry commits to, in order, each once/)
  assert.match(table, /not checked +the entries: .*export NDJSON with --receipts/)
  const none = await stele(world, 'search', 'nobody', '--export', 'none.ndjson')
  assert.deepEqual([none.code, /holds 0 events/.test(none.out)], [1, true])
  await steleOk(offline, 'verify', 'none.ndjson', 'none.ndjson.summary', ...key)
})

test('an export that was changed, cut, reordered or is of other events is refused, and the line is named', async (context) => {
  const { world, cwd, key, server } = await ground(context)
  await steleOk(world, 'search', '--export', 'e.ndjson')
  const file = join(cwd, 'e.ndjson')
  const whole = await readFile(file, 'utf8')
  const lines = whole.split('\n')
  const verdict = async (text: string): Promise<string> => {
    await writeFile(file, text)
    const { code, out } = await stele(world, 'verify', 'e.ndjson', 'e.ndjson.summary', ...key)
    assert.equal(code, 1)
    assert.match(out, /FAILS +the file: it is not what the server gave/)
    return out
  }
  assert.match(await verdict(whole.replace('carol', 'caron')), /the events: line 1: the event is not what its entry/)
  assert.match(await verdict(whole.slice(0, -1)), /the events: there are 2, and not those/)
  assert.match(await verdict([lines[1], lines[0], ...lines.slice(2)].join('\n')), /line 2: it is not newest first/)
  assert.match(await verdict(`${lines[0]}\n${whole}`), /line 2: it is not newest first, each once/)
  assert.match(await verdict(`${whole}{}\n`), /line 4: it is no hit/)
  assert.match(await verdict(whole.replace('"index":2', '"index":3')), /line 1: its index is beyond/)
  assert.match(await verdict('['.repeat(100_000)), /the events: there are 0/)
  await writeFile(file, whole)
  await steleOk(world, 'verify', 'e.ndjson', 'e.ndjson.summary', ...key)
  // What the server understood of an event is no evidence, and yet not a byte of it can be changed.
  await verdict(whole.replace('"class_uid":3002', '"class_uid":3001'))
  await writeFile(file, whole)
  const note = join(cwd, 'e.ndjson.summary')
  const text = await readFile(note, 'utf8')
  await writeFile(note, text.replace('left-out 0', 'left-out 1'))
  assert.equal((await stele(world, 'verify', 'e.ndjson', 'e.ndjson.summary', ...key)).code, 1)
  // Of a key that another has followed it is the key's word still; that it was made before then, nothing shows.
  const { rotations } = await server.askJson('/v1/ledgers/main/keys', { method: 'POST' })
  await writeFile(note, text)
  await steleOk(world, 'verify', 'e.ndjson', 'e.ndjson.summary', ...key)
  await writeFile(join(cwd, 'rotations'), rotations.join(''))
  const led = ['verify', 'e.ndjson', 'e.ndjson.summary', ...key, '--rotations', 'rotations', '--json']
  assert.equal(JSON.parse(await steleOk(world, ...led)).verdict, 'self-consistent')
  await steleOk(world, 'search', '--export', 'f.ndjson')
  const after = led.map((word) => word.replace('e.ndjson', 'f.ndjson'))
  assert.equal(JSON.parse(await steleOk(world, ...after)).verdict, 'valid')
  assert.equal((await stele(world, ...after.slice(0, 5))).code, 1)
})

test('of a CSV export each event is held against its entry, too, whatever a spreadsheet had to be protected from', async (context) => {
  const { world, cwd, key, server } = await ground(context)
  await append(
    server,
    ['=1+1 "quoted", and\r\ntwo lines', "'", '+'].map((text, n) => eventAt(n, { text })),
  )
  const octets = { body: Buffer.from([0xff, 0x22, 0x0a]), type: 'application/octet-stream' }
  await server.ask('/v1/ledgers/main/events', { ...octets, method: 'POST' })
  for (const text of ['"a cell that is quoted"', "'=x", '-1']) {
    await server.ask('/v1/ledgers/main/events', { body: text, type: 'text/plain', method: 'POST' })
  }
  await steleOk(world, 'search', '--export', 'e.csv')
  const file = join(cwd, 'e.csv')
  const whole = await readFile(file, 'utf8')
  const count = csvRecords(whole).length - 1
  const verify = async () => await stele(world, 'verify', 'e.csv', 'e.csv.summary', ...key)
  assert.match((await verify()).out, new RegExp(`holds +the events: each of the ${count} is what its entry commits to`))
  const verdict = async (text: string): Promise<string> => {
    await writeFile(file, text)
    const { code, out } = await verify()
    assert.equal(code, 1)
    return out
  }
  const rows = whole.split(/(?<="\r\n)(?=")/)
  const behind = (...more: readonly string[]) => [rows[0], ...more, ...rows.slice(1)].join('')
  assert.match(
    await verdict(whole.replace('""actor"":""carol""', '""actor"":""caron""')),
    /row \d+: the event is not what/,
  )
  assert.match(await verdict(behind(rows[1]!)), /row 2: it is not newest first/)
  assert.match(await verdict(behind('"a"\r\n')), /row 1: it has not as many cells/)
  assert.match(await verdict(behind('a,b\r\n')), /row 1: a cell is not in quotes/)
  assert.match(await verdict(rows.slice(1).join('')), /there is no column|is no number/)
  assert.match(await verdict(`x${whole}`), /the header: a cell is not in quotes/)
  assert.match(await verdict(`${whole}"`), /the events: there are/)
  assert.match(await verdict(''), /the events: there are 0/)
})

test('an export that breaks off leaves no file, says why, and is exit code 3', async (context) => {
  const { world, cwd, index, server } = await ground(context)
  await append(
    server,
    Array.from({ length: 1_100 }, (_, n) => eventAt(n)),
  )
  let first: readonly { ledger: string; index: number; timeMs: number }[] = []
  index.lie = (found) => (first = first.length > 0 ? first : found)
  const broken = await stele(world, 'search', '--export', 'e.csv')
  assert.equal(broken.code, 3)
  assert.match(broken.err, /the export is incomplete: .*the index leads in a circle.* No file was kept/s)
  assert.deepEqual(await readdir(cwd), [])
  index.lie = (found) => found
  const interrupted = new AbortController()
  const fetching: Fetch = async (url, init) => {
    const response = await fetch(url, init)
    if (url.includes('/events/export')) interrupted.abort()
    return response
  }
  const environment = { fetch: fetching }
  const left = await stele({ ...world, interrupted: interrupted.signal, environment }, 'search', '--export', 'e.csv')
  assert.deepEqual([left.code, /was interrupted, and is incomplete/.test(left.err)], [3, true])
  assert.deepEqual(await readdir(cwd), [])
  // A server, or who stands between, that gives another file than the one it signed.
  const lying: Fetch = async (url, init) => {
    const response = await fetch(url, init)
    if (!url.includes('/events/export')) return response
    return new Response((await response.text()).replace('alice', 'alicf'), response)
  }
  const lied = await stele({ ...world, environment: { fetch: lying } }, 'search', '--export', 'e.csv')
  assert.deepEqual([lied.code, /the summary is of other bytes/.test(lied.err)], [3, true])
  assert.deepEqual(await readdir(cwd), [])
  for (const wrong of [
    ['--export', 'x', '--limit', '3'],
    ['--export', 'x', '--ledger', '*'],
    ['--export', 'x', '--format', 'xml'],
    ['--export', 'x.csv', '--receipts'],
    ['--export', '-'],
    ['--format', 'csv'],
    ['acter:x', '--export', 'x'],
  ]) {
    assert.equal((await stele(world, 'search', ...wrong)).code, 2, wrong.join(' '))
  }
  assert.deepEqual(await readdir(cwd), [])
  assert.equal((await stele(world, 'search', '--export', 'nowhere/x')).code, 3)
})
