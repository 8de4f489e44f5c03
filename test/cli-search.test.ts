// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele search`, `stele rebuild-index` and `stele check index` against a server whose index is in memory.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import type { CheckReport } from '../src/index/messages.ts'
import { fields, keywords } from '../src/query/fields.ts'
import { Cli, stele, steleFound, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { ListedIndex } from './listed-index.ts'
import { eventsOf, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'
const foot = (shown: number, found: number, size: number) =>
  `${shown} of ${found} events · indexed up to ${size} of ${size}${shown < found ? ' · --limit shows more' : ''}\n`

interface Ground {
  readonly server: TestServer
  readonly index: ListedIndex
  readonly world: World
}

async function ground(context: TestContext): Promise<Ground> {
  const server = await startTestServer(context)
  const index = ListedIndex.of(server)
  const people = ['alice@contoso.com', 'bob@contoso.com', 'carol@contoso.com']
  const lines = people.map((actor, hour) => {
    const time = `2026-01-05T0${hour}:00:00Z`
    return JSON.stringify({
      time,
      actor,
      action: 'sign in',
      target: 'Mail',
      outcome: hour === 1 ? 'failure' : 'success',
    })
  })
  await server.askJson(EVENTS, { body: lines.join('\n'), type: 'application/x-ndjson' })
  return { server, index, world: { variables: variablesFor(server) } }
}

test('search prints a table of what was found, newest first, with the index to prove it by, and how much there is', async (context) => {
  const { world } = await ground(context)
  const { code, out, err } = await stele({ ...world, isTerminal: true, columns: 120 }, 'search')
  assert.equal(code, 0)
  const lines = out.trimEnd().split('\n')
  assert.match(lines[0]!, /^INDEX {2}TIME \(UTC\) {11}EVENT .*OUTCOME$/)
  assert.match(lines[1]!, /^ {4}2 {2}2026-01-05 02:00:00 {2}carol@contoso\.com .* success$/)
  assert.match(lines[2]!, /^ {4}1 {2}2026-01-05 01:00:00 {2}bob@contoso\.com .* failure$/)
  assert.equal(lines.length, 4)
  assert.equal(err, foot(3, 3, 3))
  const few = await stele(world, 'search', '--limit', '2', 'action:"sign', 'in"')
  assert.deepEqual([few.code, few.out.trimEnd().split('\n').length, few.err], [0, 3, foot(2, 3, 3)])
  assert.deepEqual(
    await stele(world, 'search', '--limit', '1', '--until', '2026-01-05T02:00:00Z').then(({ err }) => err),
    foot(1, 2, 3),
  )
})

test('words are one query, and one that begins with a dash leaves out what it says', async (context) => {
  const { world } = await ground(context)
  const found = async (...argv: string[]) => (await steleFound(world, 'search', ...argv)).hits.map(({ index }) => index)
  assert.deepEqual(await found('bob@contoso.com'), [1])
  assert.deepEqual(await found('-outcome:failure'), [2, 0])
  assert.deepEqual(await found('-outcome:failure', '-actor:alice@contoso.com'), [2])
  assert.deepEqual(
    await found('actor:alice@contoso.com', 'OR', 'actor:bob@contoso.com', '--since', '2026-01-05T01:00:00Z'),
    [1],
  )
  assert.deepEqual(await found('--since', '-200000h', 'alice@contoso.com'), [0])
  assert.deepEqual(await found('--', '-outcome:success'), [1])
})

test('where nothing is found, the values and paths that events have are named, and commands are ready to run', async (context) => {
  const { world, server } = await ground(context)
  await server.createLedger('other')
  await server.askJson('/v1/ledgers/other/events', { body: '{"actor":"dave","kind of":{"thing":"x"}}' })
  const hints = async (...argv: string[]) => (await stele(world, 'search', ...argv)).err.split('\n').slice(1, -1)
  assert.deepEqual(await hints('actor:alise@contoso.com', 'outcome:sucess'), [
    'stele: actor:alise@contoso.com: did you mean actor:alice@contoso.com',
    'stele: outcome:sucess: did you mean outcome:success',
    "stele: the ledger main was searched, as none was named: --ledger NAME searches another, --ledger '*' all that the token may read",
  ])
  assert.deepEqual(await hints('--ledger', 'other', 'raw."kind of".thng:x'), [
    'stele: raw."kind of.thng" is not among the fields that most events have: did you mean raw."kind of.thing"',
    "stele: the ledger other alone was searched, --ledger '*' searches all that the token may read",
  ])
  const asJson = await stele(world, 'search', '--json', '--ledger', 'other', 'raw."kind of".thng:>5')
  const [, hint] = asJson.err.split('\n')
  assert.equal(
    hint,
    "stele: whether events have such a field, this says: stele fields 'raw.kind of.thng' --ledger other",
  )
})

test('an option behind one dash is told, and an address after a dash is not', async (context) => {
  const { world } = await ground(context)
  const { code, err } = await stele(world, 'search', '-limit', '3', '-since')
  assert.equal(code, 1)
  assert.match(
    err,
    /^stele: -limit leaves out events with that word; the option is --limit\nstele: -since leaves .*; the option is --since\n/,
  )
  assert.doesNotMatch((await stele(world, 'search', '-alice', '-outcome:failure', '-constructor')).err, /option/)
})

test('the help of search names every field and keyword, ranges and networks, and where there is more', async (context) => {
  const { world } = await ground(context)
  const help = (await steleOk(world, 'search', '--help')).replaceAll(/\s+/g, ' ')
  for (const { name } of [...fields, ...keywords]) assert.match(help, new RegExp(`[ ,]${name}[,. ]`))
  for (const said of [
    'raw.name.name',
    'actor.user.name',
    '5..10',
    '>=high',
    '10.0.0.0/8',
    "'stele fields'",
    'docs/search.md',
  ])
    assert.ok(help.includes(said), said)
})

test('a query that is too long is refused for its length, and never sent', async (context) => {
  const { world } = await ground(context)
  const query = `(${Array.from({ length: 10_000 }, (_, n) => `actor:user-${n}`).join(' OR ')})`
  const asks = [
    ['search', query],
    ['search', query, '--export', 'x.csv'],
    ['timeline', 'alice', '--query', query],
  ]
  for (const argv of asks) {
    const { code, err } = await stele({ variables: { ...world.variables, STELE_URL: 'http://127.0.0.1:1' } }, ...argv)
    assert.equal(code, 2)
    assert.match(err, /a query has at most 8,192 characters, this one has \d{3},\d{3}\./)
  }
})

test('--json prints hits as the server gives them, all pages of them, and how many there are and how far the index is on standard error', async (context) => {
  const { world, server } = await ground(context)
  await server.createLedger('other')
  const body = Array.from({ length: 1_200 }, (_, n) => JSON.stringify({ n, word: 'many' })).join('\n')
  await server.askJson('/v1/ledgers/other/events', { body, type: 'application/x-ndjson' })
  const { hits, foot: all1200 } = await steleFound(world, 'search', 'many', '--ledger', 'other', '--limit', '5000')
  assert.equal(hits.length, 1_200)
  const reach = { indexed: 1_200, size: 1_200 }
  assert.deepEqual(all1200, { shown: 1_200, total: { count: 1_200, exact: true }, ...reach, more: false })
  assert.deepEqual(hits[7], await server.askJson(`/v1/ledgers/other/events/${hits[7].index}`))
  const token = await server.token(['read'], { ledgers: ['main', 'other'] })
  const all = ['search', 'many', '--ledger', '*', '--limit', '1', '--token', token]
  const one = await steleFound(world, 'search', ...all.slice(1))
  assert.deepEqual([one.hits[0].ledger, one.foot.more, one.foot.size], ['other', true, 1_203])
  const [head = ''] = (await stele(world, ...all)).out.split('\n')
  assert.match(head, /^LEDGER {2}INDEX/)
})

test('nothing found is exit code 1 with what may have been meant, and a lag of the index is said', async (context) => {
  const { world, index } = await ground(context)
  const unnamed =
    "stele: the ledger main was searched, as none was named: --ledger NAME searches another, --ledger '*' all that the token may read\n"
  assert.deepEqual(await stele(world, 'search', 'nobody'), { code: 1, out: '', err: foot(0, 0, 3) + unnamed })
  const named = "stele: the ledger main alone was searched, --ledger '*' searches all that the token may read\n"
  assert.equal((await stele(world, 'search', 'nobody', '--ledger', 'main')).err, foot(0, 0, 3) + named)
  assert.doesNotMatch((await stele(world, 'search', 'nobody', '--ledger', '*')).err, /stele:/)
  const none = '{"shown":0,"total":{"count":0,"exact":true},"indexed":3,"size":3,"more":false}\n'
  assert.deepEqual(await stele(world, 'search', 'nobody', '--json'), { code: 1, out: '', err: none + unnamed })
  const whole = await stele(world, 'search', 'actor:alice', '--since', '+1h')
  const [foot0, ...hints] = whole.err.trimEnd().split('\n')
  assert.equal(`${foot0}\n`, foot(0, 0, 3))
  assert.match(
    hints.join('\n'),
    /^stele: actor:alice is compared as a whole: try actor:alice\*\nstele: \S+Z, after which .* has not come yet\nstele: the ledger main was/,
  )
  assert.equal((await stele(world, 'search', 'actor:alice', '--json')).err, `${none}${hints[0]}\n${unnamed}`)
  index.indexed = 1
  const { err } = await stele(world, 'search')
  assert.equal(err, '1 of 1 events · indexed up to 1 of 3, the rest is on its way\n')
  const { foot: behind } = await steleFound(world, 'search')
  assert.deepEqual([behind.indexed, behind.size], [1, 3])
})

test('where counting was given up, or the ledger bears out fewer, the last line says more only where there is more', async (context) => {
  const { world, index } = await ground(context)
  index.counted = { count: 0, exact: false }
  assert.match((await stele(world, 'search', '--limit', '2')).err, /^2 of at least 3 events .* · --limit shows more\n$/)
  assert.doesNotMatch((await stele(world, 'search')).err, /--limit/)
  index.counted = { count: 7, exact: true }
  assert.doesNotMatch((await stele(world, 'search')).err, /--limit/)
})

test('what goes into a file or another program is whole, and in a narrow terminal a hit has two lines', async (context) => {
  const { world, server } = await ground(context)
  const target = `${'long '.repeat(60)}end`
  const event = {
    time: '2026-01-06T00:00:00Z',
    actor: 'dave@contoso.com',
    action: 'sign in',
    target,
    outcome: 'success',
  }
  await server.askJson(EVENTS, { body: JSON.stringify(event) })
  const [, line = ''] = (
    await stele({ ...world, isTerminal: false, columns: 80 }, 'search', 'dave@contoso.com')
  ).out.split('\n')
  assert.ok(line.includes(target) && line.endsWith('success'), line)
  const { out } = await stele({ ...world, isTerminal: true, columns: 80 }, 'search', 'dave@contoso.com')
  assert.match(out, /\n {28}long long .*\n {7}dave@contoso\.com · success\n$/s)
  for (const text of out.split('\n')) assert.ok(text.length <= 80, text)
})

test('what the index claimed and the ledger did not bear out is said, also where only data is printed', async (context) => {
  const { world, index } = await ground(context)
  index.lie = (found) => [...found, { ledger: 'main', index: 99, timeMs: 0 }]
  const { code, err } = await stele(world, 'search', 'bob@contoso.com', '--json')
  assert.equal(code, 0)
  assert.match(err, /^{.*}\nstele: 1 hit of the index was left out: .* 'stele check index' says/)
})

test('a query that cannot be read is shown with a mark and a suggestion, and other failures as ever', async (context) => {
  const { world, index } = await ground(context)
  const faulty = await stele(world, 'search', 'bob', 'acter:alice')
  assert.equal(faulty.code, 2)
  assert.match(
    faulty.err,
    /^stele: the query cannot be read: .*\.\n {2}bob acter:alice\n {6}\^{5}\n {2}Did you mean bob actor:alice\n$/,
  )
  const wrong: readonly (readonly [argv: string[], code: number, said: RegExp])[] = [
    [['--limit', 'x'], 2, /--limit x is not a number/],
    [['--limit', '0'], 2, /--limit 0 shows nothing/],
    [['--wait', '-1'], 2, /--wait -1 is not a number/],
    [['--wait', '3'], 2, /there is no 3 to wait for/],
    [['--since', 'soon'], 2, /since: a time is written 2026-01-31/],
    [['--ledger', 'nope'], 2, /There is no ledger of that name/],
    [
      ['--since', '2026-02', '--until', '2026-01'],
      2,
      /^stele: the server refused: since: it is later than until, so that nothing lies between them\.\n$/,
    ],
  ]
  for (const [argv, code, said] of wrong) {
    const ran = await stele(world, 'search', ...argv)
    assert.deepEqual([ran.code, ran.out], [code, ''], ran.err)
    assert.match(ran.err, said)
  }
  Object.assign(index, { state: 'off', reason: 'the server was started with --no-index' })
  const off = await stele(world, 'search')
  assert.equal(off.code, 3)
  assert.match(off.err, /Nothing can be searched now: the server was started with --no-index\./)
})

test('rebuild-index has the index made anew and says so once it is, and run again it looks at the same work', async (context) => {
  const { world, server, index } = await ground(context)
  setTimeout(() => (index.rebuild = { indexed: 1, size: 3 }), 100)
  setTimeout(() => Object.assign(index, { rebuild: undefined, generation: 2 }), 900)
  const running = new Cli({ ...world, isTerminal: true })
  const first = running.run('rebuild-index')
  await sleep(300)
  const attached = await stele(world, 'rebuild-index', '--json')
  assert.equal(attached.err, 'stele: it is being made anew already.\n')
  assert.equal(JSON.parse(attached.out).generation, 2)
  const { code, out, err } = await first
  assert.equal(code, 0)
  assert.match(out, /^The index was made anew: \d+ entries of 3 ledgers\.\n$/)
  assert.match(err, /1 of 3 entries · 33 %/)
  assert.deepEqual(index.orders, ['rebuild'])
  assert.equal((await eventsOf(server, 'system')).filter(({ type }) => type === 'index.rebuild.requested').length, 1)
})

test('Ctrl-C leaves the index being made, and says so', async (context) => {
  const { world, index } = await ground(context)
  index.rebuild = { indexed: 1, size: 3 }
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 300)
  const { code, err } = await stele({ ...world, interrupted: stop.signal }, 'rebuild-index')
  assert.equal(code, 0)
  assert.match(err, /the server goes on by itself; stele rebuild-index shows how far it is\.\n$/)
  Object.assign(index, { state: 'unavailable', reason: 'the disk of the index is full' })
  const full = await stele(world, 'rebuild-index')
  assert.equal(full.code, 3)
  assert.match(full.err, /the disk of the index is full/)
})

test('check index says that the index agrees, or what of it does not and how to mend it, with exit code 1', async (context) => {
  const { world, index } = await ground(context)
  const startedAt = '2026-01-01T00:00:00.000Z'
  const running: CheckReport = { state: 'running', checked: 1, size: 3, findings: [], findingCount: 0, startedAt }
  index.check = running
  const done: CheckReport = { ...running, state: 'done', checked: 3, endedAt: startedAt }
  setTimeout(() => (index.check = done), 200)
  const unasked = 'By itself the server has not checked all of it since its start; nothing was found.\n'
  assert.equal(await steleOk(world, 'check', 'index'), `The index agrees with the ledgers: 3 entries.\n${unasked}`)
  assert.deepEqual(index.orders, [], 'it was running already')
  const findings = [
    { ledger: 'main', index: 0, kind: 'changed' as const, columns: ['actor', 'text'] },
    { ledger: 'main', index: 1, kind: 'missing' as const },
    { ledger: 'main', index: 9, kind: 'invented' as const },
    { ledger: 'main', index: 2, kind: 'doubled' as const },
  ]
  index.check = { ...done, findings, findingCount: 30 }
  const bad = await stele(world, 'check', 'index')
  assert.equal(bad.code, 1)
  assert.equal(
    bad.out,
    [
      'The index does not agree with the ledgers: 30 differences in 3 entries.',
      '  main 0 is something else in the index: actor, text',
      '  main 1 is not in the index',
      '  main 9 is in the index and in no ledger',
      '  main 2 is in the index more than once',
      '  and 26 more: --json lists the first thousand',
      'The ledgers are not concerned. The server indexes these ranges anew by itself; stele check index says whether that',
      'lasts, stele rebuild-index makes all of it anew.',
      unasked,
    ].join('\n'),
  )
  assert.deepEqual(index.orders, ['check'])
  assert.equal(JSON.parse((await stele(world, 'check', 'index', '--json')).out).findingCount, 30)
  index.check = { ...done, state: 'failed', reason: 'the search server does not answer' }
  const failed = await stele(world, 'check', 'index')
  assert.equal(failed.code, 3)
  assert.match(failed.err, /could not be checked: the search server does not answer/)
})
