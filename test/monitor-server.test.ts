// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele monitor` over real Stele servers: all ledgers that a token sees, what `heads` says of them, forks of a whole
// server, and alarms.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cp, readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { stele, type World } from './cli-fixture.ts'
import { ToyLog, ToyTree } from './monitor-ground.ts'
import { scratch } from './scratch.ts'
import { eventually, type Json, MovedClock, startTestServer, type TestServer } from './server-fixture.ts'

async function append(server: TestServer, ledger: string, ...texts: readonly string[]): Promise<void> {
  const body = texts.map((text) => `${JSON.stringify({ text })}\n`).join('')
  await server.askJson(`/v1/ledgers/${ledger}/events`, { method: 'POST', body, type: 'application/x-ndjson' })
}

function worldOf(folder: string, token: string, more: World['environment'] = {}): World {
  const variables = { XDG_STATE_HOME: join(folder, 'state'), STELE_TOKEN: token }
  return { cwd: folder, variables, environment: more }
}

const byName = (a: string, b: string): number => (a < b ? -1 : 1)

function eventsIn(out: string): Json[] {
  return out === ''
    ? []
    : out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
}

async function look(world: World, server: { readonly url: string }, ...more: readonly string[]) {
  const ran = await stele(world, 'monitor', server.url, '--once', '--json', ...more)
  return { ...ran, events: eventsIn(ran.out) }
}

/** Heads of every ledger with more than `size` statements in `heads`. */
async function published(server: TestServer, size: number): Promise<void> {
  await eventually(() => server.ledgers.log('heads').size >= size)
}

test('all ledgers that a token sees are followed, and what heads says of them is held against their trees', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'main', 'one', 'two')
  await published(server, 2)
  const folder = scratch(context)
  const world = worldOf(folder, server.adminToken)
  const first = await look(world, server, '--key', server.ledgers.vkey('main'))
  assert.equal(first.code, 0, first.out + first.err)
  const heads = first.events.filter(({ type }) => type === 'head')
  assert.deepEqual(heads.map(({ ledger }) => ledger).toSorted(byName), ['access', 'heads', 'main', 'system'])
  assert.deepEqual(heads.map(({ ledger, key }) => `${ledger} ${key}`).toSorted(byName)[2], 'main pinned')
  const compared = first.events.find(({ type }) => type === 'compared')
  assert.ok(compared.agreeing >= 2 && compared.unseen === 0, JSON.stringify(compared))
  const size = server.ledgers.log('heads').size
  await append(server, 'main', 'three')
  await published(server, size + 1)
  const second = await look(world, server)
  assert.equal(second.code, 0, second.out + second.err)
  assert.equal(second.events.find(({ ledger, type }) => type === 'head' && ledger === 'main').key, 'pinned')
  assert.ok(second.events.some(({ type }) => type === 'compared'))
  assert.equal((await readdir(join(folder, 'state', 'stele', 'monitors'))).length, 1)
})

test('a monitor that begins after rotations accuses nobody: with the new key, with the old one, with none', async (context) => {
  const server = await startTestServer(context)
  const old = server.ledgers.vkey('main')
  for (const text of ['one', 'two']) {
    await append(server, 'main', text)
    await published(server, server.ledgers.log('heads').size + 1)
    for (const name of ['main', 'access', 'heads']) {
      await server.askJson(`/v1/ledgers/${name}/keys`, { method: 'POST' })
    }
  }
  for (const key of [server.ledgers.vkey('main'), old, undefined]) {
    const world = worldOf(scratch(context), server.adminToken)
    const { code, out, err, events } = await look(world, server, ...(key === undefined ? [] : ['--key', key]))
    assert.equal(code, 0, out + err)
    const { agreeing, earlier } = events.find(({ type }) => type === 'compared')
    assert.ok(agreeing > 0 && (key === old || earlier > 0), out)
  }
  const plain = await stele(worldOf(scratch(context), server.adminToken), 'monitor', server.url, '--once')
  assert.match(plain.out + plain.err, /from before the known key: their signatures were not checked/)
})

test('a token that may only verify follows the trees, and is told what it cannot compare', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'main', 'one')
  const token = await server.token(['verify'], { ledgers: ['main', 'heads'] })
  const { code, events } = await look(worldOf(scratch(context), token), server)
  assert.equal(code, 0, JSON.stringify(events))
  assert.deepEqual(
    events.filter(({ type }) => type === 'head').map(({ ledger }) => ledger),
    ['heads', 'main'],
  )
  assert.match(events.find(({ type }) => type === 'not-compared').what, /scope read on heads/)
})

test('a server that shows no ledger, or leaves one out that it listed before, is not well', async (context) => {
  const server = await startTestServer(context)
  const folder = scratch(context)
  const listing = (names: readonly string[]) =>
    worldOf(folder, server.adminToken, {
      fetch: async (url, init) => {
        const answer = await fetch(url, init)
        if (!url.endsWith('/v1/ledgers')) return answer
        const { ledgers } = JSON.parse(await answer.text())
        return Response.json({ ledgers: ledgers.filter(({ name }: Json) => names.includes(name)) })
      },
    })
  const none = await look(listing([]), server)
  assert.deepEqual([none.code, none.events[0].what], [3, 'it shows no log at all'])
  assert.equal((await look(listing(['main', 'system']), server)).code, 0)
  const still = await look(listing(['system']), server)
  assert.deepEqual(
    [still.code, still.events.map(({ ledger }) => ledger)],
    [0, ['system', 'main']],
    'it is asked for by name',
  )
  const gone = listing(['system'])
  const { fetch: lists } = gone.environment!
  const hidden = await look(
    {
      ...gone,
      environment: {
        fetch: async (url, init) =>
          url.includes('/main/') ? new Response('', { status: 404 }) : await lists!(url, init),
      },
    },
    server,
  )
  assert.equal(hidden.code, 3)
})

test('one ledger is followed by its prefix or by name, a public one without a token', async (context) => {
  const server = await startTestServer(context)
  await server.createLedger('shown', true)
  await append(server, 'shown', 'one')
  const folder = scratch(context)
  const nobody: World = { cwd: folder, variables: { XDG_STATE_HOME: join(folder, 'state') } }
  const key = ['--key', server.ledgers.vkey('shown')] as const
  const byPrefix = await look(nobody, { url: `${server.url}/v1/ledgers/shown/` }, ...key)
  assert.equal(byPrefix.code, 0, byPrefix.out + byPrefix.err)
  assert.equal(byPrefix.events[0].size, 1)
  const byName = await look(nobody, server, '--ledger', 'shown', ...key)
  assert.equal(byName.code, 0, byName.out + byName.err)
  assert.equal((await look(nobody, server, '--ledger', 'main')).code, 3)
})

test('a ledger whose key is rotated is followed from the key that was pinned, by a newcomer too', async (context) => {
  const server = await startTestServer(context)
  await append(server, 'main', 'one', 'two')
  const key = server.ledgers.vkey('main')
  const world = worldOf(scratch(context), server.adminToken)
  assert.equal((await look(world, server, '--ledger', 'main', '--key', key)).code, 0)
  await server.askJson('/v1/ledgers/main/keys', { method: 'POST' })
  await server.askJson('/v1/ledgers/heads/keys', { method: 'POST' })
  await append(server, 'main', 'three')
  assert.notEqual(server.ledgers.vkey('main'), key)
  for (const place of [world, worldOf(scratch(context), server.adminToken)]) {
    const { code, events, err } = await look(place, server, '--ledger', 'main', '--key', key)
    assert.deepEqual([code, err], [0, ''], JSON.stringify(events))
    assert.deepEqual([events[0].size, events[0].key], [3, 'pinned'])
  }
  const all = await look(worldOf(scratch(context), server.adminToken), server, '--key', key)
  assert.equal(all.code, 0, all.out)
  assert.ok(all.events.some(({ type, agreeing }) => type === 'compared' && agreeing > 0))
})

interface Split {
  readonly folder: string
  /** Answers as one of the two, whichever is chosen. */
  readonly url: string
  readonly token: string
  readonly servers: readonly [TestServer, TestServer]
  chosen: 0 | 1
}

/** A server and its clone, which went on differently with the same keys, behind one address. */
async function splitServer(context: TestContext): Promise<Split> {
  const closing: (() => Promise<void>)[] = []
  // Before their folder goes.
  context.after(async () => await Promise.all(closing.map(async (close) => await close())))
  const folder = scratch(context)
  const first = await startTestServer(context, { directory: join(folder, 'one') })
  await append(first, 'main', 'one', 'two')
  await published(first, 2)
  const { adminToken } = first
  await first.close()
  await cp(join(folder, 'one'), join(folder, 'other'), { recursive: true })
  const servers = [
    await startTestServer(context, { directory: join(folder, 'one') }),
    await startTestServer(context, { directory: join(folder, 'other') }),
  ] as const
  closing.push(...servers.map((server) => async () => await server.close()))
  await append(servers[0], 'main', 'three', 'four')
  await append(servers[1], 'main', 'another three', 'another four', 'and five')
  for (const [position, server] of servers.entries())
    await eventually(async () => await hasPublished(server, 4 + position))
  const split = { folder, token: adminToken, servers, chosen: 0 as 0 | 1, url: '' }
  const proxy = createServer((request, response) => {
    const { authorization = '', accept = '' } = request.headers
    const pass = async (): Promise<void> => {
      const answer = await fetch(`${split.servers[split.chosen].url}${request.url}`, {
        headers: { authorization, accept },
      })
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      for await (const chunk of answer.body ?? []) response.write(chunk)
      response.end()
    }
    pass().catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  context.after(() => {
    proxy.close()
    proxy.closeAllConnections()
  })
  await once(proxy, 'listening')
  split.url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  return split
}

/** Whether `heads` holds a head of `main` of that size. */
async function hasPublished({ ledgers }: TestServer, size: number): Promise<boolean> {
  const { size: end } = ledgers.log('heads')
  const found: string[] = []
  while (found.length < end) {
    const stored = await ledgers.events('heads', found.length, end, 1024 * 1024)
    found.push(...stored.map(({ event }) => event.toString('utf8')))
  }
  return found.some((note) => note.startsWith(`${ledgers.origin('main')}\n${size}\n`))
}

test('S25: a server that forks with its own keys is found by its first other head, and a third party verifies the evidence with the key alone', async (context) => {
  const split = await splitServer(context)
  const world = worldOf(split.folder, split.token)
  const key = split.servers[0].ledgers.vkey('main')
  assert.equal((await look(world, split, '--ledger', 'main', '--key', key)).code, 0)
  split.chosen = 1
  const { code, events } = await look(world, split, '--ledger', 'main', '--key', key)
  assert.equal(code, 1, JSON.stringify(events))
  assert.equal(events[0].kind, 'fork')
  const explained = await stele({ cwd: split.folder }, 'monitor', '--explain', events[0].evidence, '--key', key)
  assert.equal(explained.code, 0, explained.out)
})

test('two people who are shown different trees find out when one compares with the heads of the other', async (context) => {
  const split = await splitServer(context)
  const [alice, bob] = ['alice', 'bob'].map((name) => worldOf(join(split.folder, name), split.token))
  const [state, other] = ['alice', 'bob'].map((name) => join(split.folder, `${name}.state`))
  assert.equal((await look(alice!, split, '--state', state!)).code, 0)
  split.chosen = 1
  assert.equal((await look(bob!, split, '--state', other!)).code, 0)
  const { code, events } = await look(bob!, split, '--state', other!, '--compare', join(state!, 'heads.ndjson'))
  assert.equal(code, 1, JSON.stringify(events))
  const kinds = events.filter(({ type }) => type === 'contradiction').map(({ kind, ledger }) => `${ledger} ${kind}`)
  assert.ok(kinds.includes('main fork'), kinds.join())
})

test('a ledger that is shown otherwise than heads says it is found by the heads that were published', async (context) => {
  const split = await splitServer(context)
  const { url } = split
  // `main` is the clone's, all else is the first one's.
  const world = worldOf(split.folder, split.token, {
    fetch: async (address, init) => {
      const isMain = address.includes('/v1/ledgers/main/')
      return await fetch(address.replace(url, split.servers[isMain ? 1 : 0].url), init)
    },
  })
  const { code, events } = await look(world, split)
  assert.equal(code, 1, JSON.stringify(events))
  const found = events.find(({ type }) => type === 'contradiction')
  assert.equal(found.kind, 'fork')
  const about = JSON.parse(await readFile(join(found.evidence, 'about.json'), 'utf8'))
  assert.match(about.olderFrom, /entry \d+ of .*heads/)
  const key = split.servers[0].ledgers.vkey('main')
  assert.equal((await stele({ cwd: split.folder }, 'monitor', '--explain', found.evidence, '--key', key)).code, 0)
})

test('a webhook is told of a contradiction, again until it takes it, and the monitor goes on', async (context) => {
  const log = await ToyLog.start(context)
  log.tree.grow(300)
  const told: Json[] = []
  let status = 500
  let asked = 0
  const hook = createServer((request, response) => {
    let body = ''
    asked++
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      if (status === 200) told.push(JSON.parse(body))
      response.writeHead(status).end()
    })
  }).listen(0, '127.0.0.1')
  context.after(() => {
    hook.close()
    hook.closeAllConnections()
  })
  await once(hook, 'listening')
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/alarm`
  const folder = scratch(context)
  const stop = new AbortController()
  const more = ['--key', log.vkey, '--webhook', url, '--every', '1s', '--state', join(folder, 'seen')]
  const world = { ...worldOf(folder, ''), interrupted: stop.signal, variables: { XDG_STATE_HOME: folder } }
  const follows = stele(world, 'monitor', log.url, ...more)
  await eventually(async () => (await readdir(join(folder, 'seen', 'logs')).catch(() => [])).length > 0)
  const honest = log.tree
  log.tree = new ToyTree().grow(301, 'another')
  await eventually(async () => (await readdir(join(folder, 'seen', 'evidence')).catch(() => [])).length > 0)
  log.tree = honest
  await eventually(() => asked > 0)
  status = 200
  await eventually(() => told.length === 1)
  assert.deepEqual([told[0].type, told[0].kind, told[0].origin], ['contradiction', 'fork', 'toy.test/log'])
  assert.match(told[0].older, /^toy\.test\/log\n300\n/)
  honest.grow(5)
  await sleep(1_200)
  stop.abort()
  const { code, out, err } = await follows
  assert.equal(code, 0)
  assert.match(out, /DO NOT RELY ON IT/)
  assert.match(out, /5 more/)
  assert.match(err, /the webhook was not told, and is tried again: it answers with 500/)
  assert.equal(told.length, 1)
})

test('a log that does not answer, or does not grow, for longer than --stale is an alarm, once, and again after it was well', async (context) => {
  const log = await ToyLog.start(context)
  log.tree.grow(3)
  const folder = scratch(context)
  const clock = new MovedClock()
  const world = worldOf(folder, '', { clock })
  const once = async () =>
    await look({ ...world, variables: { XDG_STATE_HOME: folder } }, log, '--key', log.vkey, '--stale', '15m')
  assert.equal((await once()).code, 0)
  clock.movedMs += 14 * 60_000
  assert.equal((await once()).code, 0)
  clock.movedMs += 2 * 60_000
  const still = await once()
  assert.equal(still.code, 1)
  assert.match(still.events.find(({ type }) => type === 'still').what, /has not grown since/)
  log.tree.grow(1)
  assert.equal((await once()).code, 0)
  log.lie = ({ response }) => (response.writeHead(503).end(), true)
  assert.equal((await once()).code, 3)
  clock.movedMs += 16 * 60_000
  const silent = await once()
  assert.equal(silent.code, 1)
  assert.ok(silent.events.some(({ type }) => type === 'silent'))
})
