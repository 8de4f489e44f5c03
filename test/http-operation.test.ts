// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { openApi, refusalsOf } from '../src/http/openapi.ts'
import { routes } from '../src/http/routes.ts'
import { ledgersSchema, mintedTokenSchema, statusSchema, tokensSchema } from '../src/http/schemas.ts'
import { problemStatus } from '../src/schema/problem.ts'
import { scratch } from './scratch.ts'
import { type Json, eventsOf, MovedClock, problemOf, startTestServer } from './server-fixture.ts'
import { findTool } from './tools.ts'

const EVENTS = '/v1/ledgers/main/events'

test('the OpenAPI document names every route once, with what goes in and out of it and how it refuses', async (context) => {
  const server = await startTestServer(context)
  const response = await server.ask('/openapi.json', { token: undefined })
  const document = (await response.json()) as Json
  assert.deepEqual(document, JSON.parse(JSON.stringify(openApi(routes, '0.0.0-test'))))
  assert.equal(document.openapi, '3.1.0')
  const operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  assert.equal(operations.length, routes.length)
  assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, routes.length)
  for (const { path, operation } of operations) {
    const route = routes.find((one) => one.operation === operation.operationId)!
    assert.ok(operation.summary.length > 0 && operation.description.length > 0)
    const named = operation.parameters.filter((one: Json) => one.in === 'path').map(({ name }: Json) => `{${name}}`)
    assert.deepEqual(path.match(/\{\w+\}/g) ?? [], named)
    for (const parameter of operation.parameters) assert.ok(parameter.schema.type !== undefined, parameter.name)
    const open =
      operation.security.length === 0 || operation.security.some((one: Json) => Object.keys(one).length === 0)
    assert.equal(open, route.permission === 'public' || route.permission.publicLedger === true)
    const documented = Object.entries<Json>(operation.responses).flatMap(([status, { content }]) =>
      Object.keys(content['application/problem+json']?.examples ?? {}).map((code) => [Number(status), code]),
    )
    for (const [status, code] of documented) assert.equal(problemStatus[code as keyof typeof problemStatus], status)
    for (const code of refusalsOf(route)) {
      const status = problemStatus[code]
      assert.ok(documented.some(([, one]) => one === code) || route.answers[status] !== undefined, `${path}: ${code}`)
    }
  }
  for (const [, reference] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
    const found = reference!
      .split('/')
      .slice(1)
      .reduce((part: Json, key) => part?.[key], document)
    assert.ok(found !== undefined, reference)
  }
  assert.ok(!JSON.stringify(document).includes('"$ref":"#/$defs'))
})

test('what an answer holds is what its schema says, and no secret is shown twice', async (context) => {
  const server = await startTestServer(context)
  const body = '{"scopes":["append","read"],"ledgers":["main"],"sources":["entra.audit"],"label":"x"}'
  const minted = mintedTokenSchema.parse(await server.askJson('/v1/tokens', { body }))
  const text = await (await server.ask('/v1/tokens')).text()
  const { tokens } = tokensSchema.parse(JSON.parse(text))
  const { token, ...shown } = minted
  assert.deepEqual(tokens.at(-1), shown)
  assert.ok(!text.includes(token) && !text.includes('hash'))
  ledgersSchema.parse(await server.askJson('/v1/ledgers'))
  statusSchema.parse(await server.askJson('/v1/status'))
})

test('every answer says that a browser may neither run nor keep nor frame it', async (context) => {
  const server = await startTestServer(context)
  const html = '<script>alert(1)</script>'
  await server.askJson(EVENTS, { body: html, type: 'text/plain' })
  const paths = [
    `${EVENTS}/0/event`,
    `${EVENTS}/0`,
    '/healthz',
    '/nothing',
    '/v1/tokens',
    '/v1/ledgers/main/tile/0/000.p/1',
  ]
  for (const path of paths) {
    for (const token of [server.adminToken, undefined]) {
      const { headers } = await server.ask(path, { token })
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.match(headers.get('content-security-policy')!, /default-src 'none'.*sandbox/)
      assert.equal(headers.get('referrer-policy'), 'no-referrer')
      assert.match(
        headers.get('cache-control')!,
        path.includes('tile') && token !== undefined ? /immutable/ : /no-store/,
      )
      for (const name of ['server', 'x-powered-by', 'access-control-allow-origin'])
        assert.equal(headers.get(name), null)
    }
  }
  const { headers } = await server.ask(`${EVENTS}/0/event`)
  assert.equal(headers.get('content-disposition'), 'attachment; filename="main-0"')
})

test('P9: the verifier page is handed out to anybody as the file that it is, with its own policy, into no frame', async (context) => {
  const server = await startTestServer(context)
  const response = await server.ask('/verify.html', { token: undefined })
  const page = await readFile(join(import.meta.dirname, '../packages/proof/page/verify.html'))
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(page))
  const { headers } = response
  assert.equal(headers.get('content-type'), 'text/html; charset=utf-8')
  const policy = headers.get('content-security-policy')!
  assert.ok(policy.endsWith("; frame-ancestors 'none'"))
  assert.ok(page.includes(`content="${policy.slice(0, policy.lastIndexOf(';'))}"`))
  assert.match(policy, /^default-src 'none'; script-src 'sha256-[^ ;]+'; style-src 'sha256-[^ ;]+'; /)
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  const head = await server.ask('/verify.html', { method: 'HEAD', token: undefined })
  assert.deepEqual([head.status, await head.text()], [200, ''])
  for (const name of ['content-type', 'content-length', 'content-security-policy', 'x-content-type-options'])
    assert.equal(head.headers.get(name), headers.get(name), name)
  assert.match(await (await server.ask('/', { token: undefined })).text(), /\/verify\.html/)
})

test('metrics are in the text format of Prometheus and count what happened', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{}\n{}\n{}', type: 'application/x-ndjson' })
  await server.ask(EVENTS, { body: '{' })
  const response = await server.ask('/metrics', { token: await server.token(['verify'], { ledgers: ['main'] }) })
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  const samples = new Map<string, number>()
  let family = ''
  for (const line of text.trimEnd().split('\n')) {
    const [, kind, name] = /^# (HELP|TYPE) (\w+) .+$/.exec(line) ?? []
    if (kind === 'HELP') family = name!
    else if (kind === 'TYPE') assert.equal(name, family)
    else {
      const [, sample, labels = '', value] = /^(\w+)(\{\w+="[^"\\]*"\})? (\S+)$/.exec(line) ?? []
      assert.ok(sample?.startsWith(family), line)
      assert.ok(Number.isFinite(Number(value)), line)
      samples.set(sample + labels, Number(value))
    }
  }
  assert.equal(samples.get('stele_events_appended_total'), 3)
  assert.equal(samples.get('stele_append_bytes_total'), 8)
  assert.equal(samples.get('stele_append_seconds_count'), 1)
  assert.equal(samples.get('stele_append_seconds_bucket{le="+Inf"}'), 1)
  assert.equal(samples.get('stele_refusals_total{code="malformed-json"}'), 1)
  assert.equal(samples.get('stele_ledger_entries{ledger="main"}'), 3)
  assert.equal(
    samples.get('stele_ledger_entries{ledger="system"}'),
    undefined,
    'a ledger that the token does not cover',
  )
  assert.ok(samples.get('process_resident_memory_bytes')! > 1e7)
  const buckets = [...samples]
    .filter(([name]) => name.startsWith('stele_append_seconds_bucket'))
    .map(([, value]) => value)
  assert.deepEqual(
    buckets,
    buckets.toSorted((one, other) => one - other),
  )
})

test('readiness says in words that the clock jumped, until an administrator confirms, which is recorded', async (context) => {
  const clock = new MovedClock()
  const server = await startTestServer(context, { parts: { clock } })
  const ready = async () => {
    const response = await server.ask('/readyz', { token: undefined })
    return { status: response.status, ...((await response.json()) as Json) }
  }
  assert.deepEqual(await ready(), { status: 200, ready: true, reasons: [] })
  clock.movedMs = 3_600_000
  await server.askJson(EVENTS, { body: '{}' })
  const jumped = await ready()
  assert.deepEqual([jumped.status, jumped.ready], [503, false])
  assert.match(jumped.reasons.join(), /clock jumped/)
  assert.equal((await server.ask('/healthz', { token: undefined })).status, 200)
  assert.ok((await server.askJson('/v1/status')).clockJump.wall > (await server.askJson('/v1/status')).clockJump.ledger)
  const status = await server.askJson('/v1/clock/confirm', { method: 'POST' })
  assert.equal(status.ready, true)
  assert.equal((await ready()).status, 200)
  const last = (await eventsOf(server, 'system')).findLast(({ type }) => type === 'clock.confirmed')
  assert.equal(last.by, server.adminToken.split('_')[1])
})

test('a writer that has stopped refuses to append, says so, and goes on proving', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{}' })
  await server.ledgers.publish()
  // Another writer with the same keys has replaced the head that is kept outside.
  const { where } = server.ledgers.keptHead
  await writeFile(where, (await readFile(where, 'utf8')).replace(/\n(\d+)\n/, '\n9$1\n'))
  await server.askJson(EVENTS, { body: '{}' })
  await server.ledgers.publish()
  await problemOf(await server.ask(EVENTS, { body: '{}' }), 503, 'writer-stopped')
  await problemOf(await server.ask(`${EVENTS}/0`), 503, 'audit-unavailable')
  const ready = (await (await server.ask('/readyz')).json()) as Json
  assert.match(ready.reasons.join(), /writer has stopped/)
  assert.equal((await server.ask('/v1/ledgers/main/checkpoint')).status, 200)
})

test(
  'with a certificate the server speaks TLS and asks browsers to insist on it',
  findTool('openssl'),
  async (context) => {
    const folder = scratch(context)
    const certPath = join(folder, 'cert.pem')
    const keyPath = join(folder, 'key.pem')
    const made = ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=localhost', '-days', '2']
    execFileSync(findTool('openssl').path, [...made, '-keyout', keyPath, '-out', certPath], { stdio: 'ignore' })
    const server = await startTestServer(context, { config: { tls: { certPath, keyPath } } })
    assert.match(server.url, /^https:/)
    const headers = await new Promise<Json>((resolve, reject) => {
      httpsRequest(`${server.url}/healthz`, { rejectUnauthorized: false, agent: false }, (answer) => {
        answer.resume()
        resolve(answer.headers)
      })
        .on('error', reject)
        .end()
    })
    assert.equal(headers['strict-transport-security'], 'max-age=31536000')
  },
)
