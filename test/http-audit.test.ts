// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { routes } from '../src/http/routes.ts'
import { eventsOf, problemOf, startTestServer, TightDisk } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'

test('every read of content is on record before its answer, with who, from where, what and how much', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '[{"a":1},{"b":2}]' })
  const reader = await server.token(['read'])
  const by = reader.split('_')[1]
  const reads = [
    { path: `${EVENTS}/1`, action: 'event.read', first: 1 },
    { path: `${EVENTS}/0/event`, action: 'event.read', first: 0 },
    { path: `${EVENTS}/1/proof`, action: 'receipt.read', first: 1 },
  ]
  for (const [position, { path, action, first }] of reads.entries()) {
    const response = await server.ask(path, { token: reader })
    // The headers are here, the body is not read yet: the record is durable already.
    const records = await eventsOf(server, 'access')
    assert.equal(records.length, position + 1)
    assert.deepEqual(records[position], {
      type: 'read',
      v: 1,
      action,
      ledger: 'main',
      first,
      count: 1,
      by,
      via: '127.0.0.1',
    })
    assert.equal(response.status, 200)
    await response.text()
  }
})

test('reading access is recorded once, not in a loop', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{}' })
  await server.askJson(`${EVENTS}/0`)
  await server.askJson('/v1/ledgers/access/events/0')
  const records = await eventsOf(server, 'access')
  assert.deepEqual(
    records.map(({ ledger }) => ledger),
    ['main', 'access'],
  )
})

test('what shows no content leaves no record in access', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{}' })
  for (const path of ['/checkpoint', '/tile/0/000.p/1', '/tile/entries/000.p/1', '']) {
    assert.equal((await server.ask(`/v1/ledgers/main${path}`)).status, 200)
  }
  for (const path of ['/v1/ledgers', '/v1/tokens', '/v1/status', '/metrics', '/openapi.json', '/healthz', '/readyz']) {
    assert.equal((await server.ask(path)).status, 200)
  }
  assert.equal(server.ledgers.log('access').size, 0)
})

test('a read that is refused, or finds nothing, is no read', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{}' })
  await problemOf(await server.ask(`${EVENTS}/1`), 404, 'index-unknown')
  await problemOf(await server.ask(`${EVENTS}/0`, { token: await server.token(['verify']) }), 403, 'scope-missing')
  assert.equal(server.ledgers.log('access').size, 0)
})

test('HEAD, ranges and conditions are no way around the record', async (context) => {
  const server = await startTestServer(context)
  const body = '{"whole":"event"}'
  await server.askJson(EVENTS, { body })
  const path = `${EVENTS}/0/event`
  const head = await server.ask(path, { method: 'HEAD' })
  assert.equal(head.status, 405)
  assert.equal(server.ledgers.log('access').size, 0)
  const tricks = [{ range: 'bytes=0-3' }, { 'if-none-match': '*' }, { 'if-modified-since': new Date().toUTCString() }]
  for (const [position, headers] of tricks.entries()) {
    const response = await server.ask(path, { headers })
    assert.equal(response.status, 200)
    assert.equal(await response.text(), body)
    assert.equal(server.ledgers.log('access').size, position + 1)
  }
})

test('requests sent in one go are each recorded', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{}' })
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  const get = (rest: string) =>
    `GET ${EVENTS}/0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken}\r\n${rest}\r\n`
  socket.write(get('') + get('') + get('Connection: close\r\n'))
  let got = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (got += chunk))
  await once(socket, 'close')
  assert.equal(got.match(/HTTP\/1\.1 200 OK/g)?.length, 3)
  assert.equal(server.ledgers.log('access').size, 3)
})

test('if the record cannot be written, the read is refused and no content is sent', async (context) => {
  const disk = new TightDisk()
  const server = await startTestServer(context, { parts: { disk } })
  const secret = 'the-content-itself'
  await server.askJson(EVENTS, { body: `{"secret":"${secret}"}` })
  disk.freeBytes = 0
  await sleep(1_200)
  for (const path of [`${EVENTS}/0`, `${EVENTS}/0/event`, `${EVENTS}/0/proof`, '/v1/ledgers/main/tail?from=0']) {
    const response = await server.ask(path)
    const text = await response.clone().text()
    assert.ok(!text.includes(secret), path)
    await problemOf(response, 503, 'audit-unavailable')
  }
  assert.match(await (await server.ask('/metrics')).text(), /^stele_tails_open 0$/m)
  // What shows no content goes on.
  assert.equal((await server.ask('/v1/ledgers/main/checkpoint')).status, 200)
  disk.freeBytes = undefined
})

test('what was changed on the disk is not shown, and said to be damaged', async (context) => {
  const server = await startTestServer(context)
  const body = '{"amount":1000}'
  await server.askJson(EVENTS, { body })
  const folder = join(server.directory, 'data', 'wal')
  const [name] = await readdir(folder)
  const file = await open(join(folder, name!), 'r+')
  const at = (await file.readFile()).indexOf(body)
  await file.write(Buffer.from('9'), 0, 1, at + body.indexOf('1'))
  await file.close()
  for (const below of ['', '/event', '/proof']) {
    await problemOf(await server.ask(`${EVENTS}/0${below}`), 500, 'content-damaged')
  }
  const tail = await server.ask('/v1/ledgers/main/tail?from=0')
  assert.match(await tail.text(), /event: damaged\ndata: \{"code":"content-damaged","index":0\}\n\n$/)
  assert.ok(server.logged.some((line) => 'message' in line && line.message === 'stored content was changed'))
  assert.ok(!JSON.stringify(server.logged).includes('amount'))
})

test('every administrative act is in system before it is answered', async (context) => {
  const server = await startTestServer(context)
  const by = server.adminToken.split('_')[1]
  await server.createLedger('new', true)
  const token = await server.askJson('/v1/tokens', { body: '{"scopes":["read"],"ledgers":["new"],"label":"x"}' })
  await server.askJson(`/v1/tokens/${token.id}`, { method: 'DELETE' })
  const events = await eventsOf(server, 'system')
  const [created, minted, revoked] = events.slice(-3)
  assert.deepEqual([created.type, created.name, created.public, created.by], ['ledger.created', 'new', true, by])
  assert.deepEqual([minted.type, minted.id, minted.scopes, minted.by], ['token.created', token.id, ['read'], by])
  assert.deepEqual([revoked.type, revoked.id, revoked.by], ['token.revoked', token.id, by])
  assert.ok(!JSON.stringify(events).includes(token.token.split('_')[2]))
})

test('every route that is audited to system is an act, and every one that shows content is audited to access', () => {
  for (const { operation, method, audit, answers } of routes) {
    assert.equal(audit.to === 'system', method !== 'GET' && operation !== 'appendEvents', operation)
    const shows = Object.values(answers).some(({ description }) => /\bevent\b|bytes as they came|Hit/.test(description))
    if (shows) assert.equal(audit.to, 'access', operation)
    if (audit.to === 'none') assert.ok(audit.because.length > 10, operation)
  }
})
