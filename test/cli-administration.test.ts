// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele ledger`, `stele token`, `stele clock` and `stele serve`.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Environment, ServeConfig } from '../src/cli/environment.ts'
import { openDirectory } from '../src/directory.ts'
import { Cli, stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { MovedClock, startTestServer } from './server-fixture.ts'

test('ledger creates, lists and shows ledgers, and show --json has origin, vkeys, size and root', async (context) => {
  const server = await startTestServer(context)
  const world: World = { variables: variablesFor(server) }
  const created = JSON.parse(await steleOk(world, 'ledger', 'create', 'payments', '--public', '--json'))
  assert.deepEqual(created, {
    name: 'payments',
    origin: server.ledgers.origin('payments'),
    vkeys: [server.ledgers.vkey('payments')],
    size: 0,
    root: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    public: true,
    createdAt: created.createdAt,
  })
  assert.deepEqual(JSON.parse(await steleOk(world, 'ledger', 'show', 'payments', '--json')), created)
  assert.match(
    await steleOk(world, 'ledger', 'show', 'payments'),
    /^name     payments\norigin   stele\.test\/\w{13}\/payments\nkey      /,
  )
  const list = await steleOk(world, 'ledger', 'list')
  assert.match(list, /^main {6}0 entries {2}stele\.test\/\w{13}\/main$/m)
  assert.match(list, /^payments {2}0 entries {2}stele\.test\/\w{13}\/payments {2}public$/m)
  const listed: unknown[] = JSON.parse(await steleOk(world, 'ledger', 'list', '--json'))
  assert.equal(listed.length, 5)
  for (const [name, said] of [
    ['payments', /There is a ledger payments already\. No ledger was created\./],
    ['system', /one of Stele's own ledgers/],
    ['Upper', /use 1 to 63 of/],
  ] as const) {
    const { code, err } = await stele(world, 'ledger', 'create', name)
    assert.match(err, said)
    assert.equal(code, 2)
  }
})

test('token create prints the token alone, list and revoke know it by its id, and a revoked one is refused', async (context) => {
  const server = await startTestServer(context)
  const world: World = { variables: variablesFor(server) }
  const { code, out, err } = await stele(
    world,
    'token',
    'create',
    '--scope',
    'append,read',
    '--ledger',
    'main',
    '--source',
    'entra.audit',
    '--source',
    'entra.signin/contoso',
    '--expires',
    '90d',
    '--label',
    'sender',
  )
  assert.equal(code, 0)
  assert.match(out, /^stele_[a-z2-7]{12}_[\w-]{43}\n$/)
  const id = out.split('_')[1]!
  assert.match(
    err,
    new RegExp(
      `^${id} {2}append,read; on main; from entra\\.audit, entra\\.signin/contoso; until \\d{4}-.*Z; “sender”\nThis is the only time that the token is shown\\.\n$`,
    ),
  )
  const [first, second] = JSON.parse(await steleOk(world, 'token', 'list', '--json'))
  assert.equal(first.label, 'admin.token')
  assert.equal(second.id, id)
  const days = (Date.parse(second.expiresAt) - Date.now()) / 86_400_000
  assert.ok(days > 89.9 && days <= 90)
  assert.ok(!JSON.stringify([first, second]).includes(out.trim()))
  assert.equal(
    (await stele({ variables: { STELE_URL: server.url, STELE_TOKEN: out.trim() } }, 'ledger', 'show', 'main')).code,
    0,
  )
  assert.match(await steleOk(world, 'token', 'revoke', id), /; revoked \d{4}-/)
  const refused = await stele(
    { variables: { STELE_URL: server.url, STELE_TOKEN: out.trim() } },
    'ledger',
    'show',
    'main',
  )
  assert.equal(refused.code, 2)
  assert.match(refused.err, /was revoked\. .*'stele token create' makes one\.\n$/)
  assert.match((await stele(world, 'token', 'revoke', out.trim())).err, /that is the token itself/)
  assert.match(
    (await stele(world, 'token', 'revoke', 'nope')).err,
    /There is no token nope\. The token was not revoked\./,
  )
})

test('times of expiry are taken as durations and as dates, in UTC', async (context) => {
  const server = await startTestServer(context)
  const world: World = { variables: variablesFor(server) }
  const made = async (text: string) =>
    JSON.parse(await steleOk(world, 'token', 'create', '--scope', 'read', '--json', '--expires', text)).expiresAt
  assert.equal(await made('2099-01-31'), '2099-01-31T00:00:00.000Z')
  assert.equal(await made('2099-01-31T10:00:00+02:00'), '2099-01-31T08:00:00.000Z')
  for (const [text, ms] of [
    ['30m', 1_800_000],
    ['12h', 43_200_000],
    ['4w', 2_419_200_000],
  ] as const) {
    assert.ok(Math.abs(Date.parse(await made(text)) - Date.now() - ms) < 10_000, text)
  }
})

test('an admin token is for all ledgers without being told', async (context) => {
  const server = await startTestServer(context)
  const made = JSON.parse(
    await steleOk({ variables: variablesFor(server) }, 'token', 'create', '--scope', 'admin', '--json'),
  )
  assert.deepEqual(
    { ...made, token: '', id: '', createdAt: '', createdBy: '' },
    { scopes: ['admin'], ledgers: ['*'], token: '', id: '', createdAt: '', createdBy: '' },
  )
})

test('token create --data makes a token on the directory of a stopped server, and says why it cannot', async (context) => {
  const server = await startTestServer(context)
  const { directory } = server
  const stateDirectory = join(directory, 'state')
  const environment: Partial<Environment> = {
    administer: async ({ dataDirectory }, work) => {
      const opened = await openDirectory({
        dataDirectory,
        stateDirectory,
        name: 'stele.test',
        version: '0',
        log: () => {},
      })
      try {
        return await work(opened.administration)
      } finally {
        await opened.close()
      }
    },
  }
  const world: World = { cwd: directory, environment }
  const create = ['token', 'create', '--scope', 'admin', '--data'] as const
  const inUse = await stele(world, ...create, 'data')
  assert.equal(inUse.code, 2)
  assert.match(inUse.err, /is in use by a running server\. No token was made\. Stop that server first/)
  await server.close()
  const token = (await stele(world, ...create, 'data')).out.trim()
  const again = await startTestServer(context, { directory })
  assert.equal((await again.ask('/v1/tokens', { token })).status, 200)
  await again.close()
  const missing = await stele(world, ...create, 'nowhere')
  assert.equal(missing.code, 3)
  assert.match(missing.err, /^stele: nowhere is not a data directory of Stele\. No token was made\./)
  assert.ok(!existsSync(join(directory, 'nowhere')))
  const unknown = await stele(world, 'token', 'create', '--scope', 'read', '--ledger', 'nope', '--data', 'data')
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /There is no ledger nope; create it first\. No token was made\./)
})

test('clock confirm confirms a jump and says what jumped, or that nothing did', async (context) => {
  const clock = new MovedClock(100)
  const server = await startTestServer(context, { parts: { clock } })
  const world: World = { variables: variablesFor(server) }
  assert.equal(await steleOk(world, 'clock', 'confirm'), 'The clock has not jumped: there is nothing to confirm.\n')
  clock.movedMs = 3_600_000
  await server.askJson('/v1/ledgers/main/events', { body: '{}' })
  assert.match(
    await steleOk(world, 'clock', 'confirm'),
    /^Confirmed: the clock jumped to \d{4}-.*Z when ledger time was \d{4}-.*Z\.\n$/,
  )
  assert.deepEqual(JSON.parse(await steleOk(world, 'clock', 'confirm', '--json')), { confirmed: null })
})

test('serve hands on what it was told, with paths made absolute and defaults filled in', async () => {
  let served: ServeConfig | undefined
  const environment: Partial<Environment> = {
    serve: async (config) => {
      served = config
      return 0
    },
  }
  const world: World = { cwd: '/here', variables: { XDG_STATE_HOME: '/state' }, environment }
  await steleOk(world, 'serve')
  assert.deepEqual(served, {
    dataDirectory: '/here/stele-data',
    listenHost: '127.0.0.1',
    listenPort: 7835,
    name: 'stele.local',
    stateDirectory: '/state/stele',
    insecurePlaintext: false,
    demo: false,
    privateWitnesses: false,
    witnessAlarmMs: 300_000,
  })
  await steleOk(
    { ...world, variables: { XDG_STATE_HOME: 'relative' } },
    'serve',
    '--data',
    'd',
    '--listen',
    '[::1]:0',
    '--name',
    'a.example',
    '--demo',
    '--allow-private-witnesses',
    '--witness-alarm',
    '2',
    '--search-budget',
    '30',
    '--head',
    'h',
    '--tls-cert',
    'c',
    '--tls-key',
    '/k',
  )
  assert.deepEqual(served, {
    dataDirectory: '/here/d',
    listenHost: '::1',
    listenPort: 0,
    name: 'a.example',
    head: '/here/h',
    stateDirectory: '/dev/null/home/.local/state/stele',
    tls: { certPath: '/here/c', keyPath: '/k' },
    insecurePlaintext: false,
    demo: true,
    privateWitnesses: true,
    witnessAlarmMs: 120_000,
    searchBudgetMs: 30_000,
  })
  await steleOk(world, 'serve', '--listen', '0.0.0.0:80', '--insecure-plaintext', '--head', 'https://heads.example/h')
  assert.equal(served?.head, 'https://heads.example/h')
})

test('serve is told of an index elsewhere, or of none, and not of both', async () => {
  let served: ServeConfig | undefined
  const serve = async (config: ServeConfig) => {
    served = config
    return 0 as const
  }
  const world: World = {
    variables: { STELE_INDEX_URL: 'https://u:p@elsewhere.example:8443/audit' },
    environment: { serve },
  }
  const told = () => [served?.indexUrl, served?.noIndex]
  await steleOk(world, 'serve')
  assert.deepEqual(told(), ['https://u:p@elsewhere.example:8443/audit', undefined])
  await steleOk(world, 'serve', '--index-url', 'http://127.0.0.1:8123')
  assert.deepEqual(told(), ['http://127.0.0.1:8123', undefined])
  await steleOk(world, 'serve', '--no-index')
  assert.deepEqual(told(), [undefined, true])
  const { code, err } = await stele(world, 'serve', '--no-index', '--index-url', 'http://127.0.0.1:8123')
  assert.equal(code, 2)
  assert.match(err, /contradict each other/)
})

test('escaped text is what the terminal gets, whatever a server names its things', async () => {
  const origin = 'stele\u202e/x/main'
  const info = { name: 'main', origin, vkeys: ['k'], size: 0, root: '', public: false, createdAt: '' }
  const cli = new Cli({ environment: { fetch: async () => Response.json(info) } })
  const { code, err } = await cli.run('ledger', 'show', 'main', '--url', 'http://x.example')
  assert.equal(code, 3)
  assert.doesNotMatch(err, /\u202e/)
})
