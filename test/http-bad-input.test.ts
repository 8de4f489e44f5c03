// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { MAX_BODY_BYTES, MAX_EVENT_BYTES, MAX_JSON_DEPTH, MAX_NUMBER_BYTES } from '../src/schema/limits.ts'
import { type Ask, problemOf, startTestServer, type TestServer, TightDisk } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'
const ndjson = 'application/x-ndjson'

interface BadInput extends Ask {
  readonly name: string
  readonly query?: string
  readonly path?: string
  readonly status: number
  readonly code: string
  /** What the problem says of the place. */
  readonly place?: { offset?: number; line?: number; event?: number; limit?: number }
}

const zeros = new Uint8Array(1024 * 1024)
const stream = (bytes: number) => {
  let left = bytes
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close()
      controller.enqueue(zeros.subarray(0, Math.min(left, zeros.length)))
      left -= zeros.length
    },
  })
}
const compressed = (encoding: 'gzip' | 'zstd', body: Uint8Array) => ({
  body,
  headers: { 'content-encoding': encoding },
})
const bomb = Buffer.alloc(MAX_BODY_BYTES + 1, ' ')

const keyed = (key: string) => ({
  body: '{}',
  headers: { 'idempotency-key': key },
  status: 400,
  code: 'malformed-request',
})

const badInputs: readonly BadInput[] = [
  { name: 'no body', body: '', status: 422, code: 'empty-body' },
  { name: 'a body of space', body: ' \n ', status: 422, code: 'empty-body' },
  { name: 'broken JSON', body: '{"a":1,}', status: 400, code: 'malformed-json', place: { offset: 7 } },
  {
    name: 'broken JSON in the middle of a batch',
    body: '{"a":1}\n{"b":}\n{"c":3}',
    type: ndjson,
    status: 400,
    code: 'malformed-json',
    place: { offset: 13, line: 2, event: 1 },
  },
  {
    name: 'broken JSON in an array',
    body: '[{"a":1},{"b":tru}]',
    status: 400,
    code: 'malformed-json',
    place: { event: 1 },
  },
  { name: 'something behind the JSON', body: '{} x', status: 400, code: 'malformed-json', place: { offset: 3 } },
  {
    name: 'invalid UTF-8 in JSON',
    body: Buffer.from('7b2261223a22ff227d', 'hex'),
    status: 400,
    code: 'malformed-json',
    place: { offset: 6 },
  },
  {
    name: 'invalid UTF-8 in text',
    body: Buffer.from('61ff', 'hex'),
    type: 'text/plain',
    status: 400,
    code: 'malformed-text',
    place: { offset: 1 },
  },
  {
    name: 'a depth bomb',
    body: '['.repeat(5_000_000),
    status: 422,
    code: 'depth-exceeded',
    place: { limit: MAX_JSON_DEPTH },
  },
  {
    name: 'a number bomb',
    body: `{"a":${'9'.repeat(1_000_000)}}`,
    status: 422,
    code: 'number-too-long',
    place: { limit: MAX_NUMBER_BYTES },
  },
  {
    name: 'an event that is too large',
    body: `[{"a":1},{"b":"${'x'.repeat(MAX_EVENT_BYTES)}"}]`,
    status: 413,
    code: 'event-too-large',
    place: { event: 1, limit: MAX_EVENT_BYTES },
  },
  {
    name: 'too many events',
    body: '{}\n'.repeat(70_000),
    type: ndjson,
    status: 413,
    code: 'too-many-events',
    place: { limit: 65_536 },
  },
  {
    name: 'a body that is too large and says so',
    body: Buffer.alloc(MAX_BODY_BYTES + 1),
    status: 413,
    code: 'body-too-large',
    place: { limit: MAX_BODY_BYTES },
  },
  {
    name: 'a body that is too large and does not say so',
    status: 413,
    code: 'body-too-large',
    place: { limit: MAX_BODY_BYTES },
  },
  { name: 'a gzip bomb', ...compressed('gzip', gzipSync(bomb)), status: 413, code: 'body-too-large' },
  { name: 'a zstd bomb', ...compressed('zstd', zstdCompressSync(bomb)), status: 413, code: 'body-too-large' },
  {
    name: 'a gzip body that is cut off',
    ...compressed('gzip', gzipSync('{"a":1}').subarray(0, 20)),
    status: 400,
    code: 'malformed-compression',
  },
  {
    name: 'bytes behind a gzip body',
    ...compressed('gzip', Buffer.concat([gzipSync('{"a":1}'), Buffer.from('x')])),
    status: 400,
    code: 'malformed-compression',
  },
  {
    name: 'several zstd frames',
    ...compressed('zstd', Buffer.concat([zstdCompressSync('{"a":1}'), zstdCompressSync('{"b":2}')])),
    status: 400,
    code: 'malformed-compression',
  },
  {
    name: 'a body that is no zstd',
    ...compressed('zstd', Buffer.from('{"a":1}')),
    status: 400,
    code: 'malformed-compression',
  },
  { name: 'an unknown media type', body: '<a/>', type: 'application/xml', status: 415, code: 'unsupported-media-type' },
  { name: 'no media type', body: '{}', type: '', status: 415, code: 'unsupported-media-type' },
  { name: 'a malformed media type', body: '{}', type: '/;;', status: 415, code: 'unsupported-media-type' },
  {
    name: 'JSON in UTF-16',
    body: '{}',
    type: 'application/json; charset=utf-16',
    status: 415,
    code: 'unsupported-media-type',
  },
  {
    name: 'an unknown encoding',
    body: '{}',
    headers: { 'content-encoding': 'br' },
    status: 415,
    code: 'unsupported-encoding',
  },
  {
    name: 'two encodings',
    body: '{}',
    headers: { 'content-encoding': 'gzip, gzip' },
    status: 415,
    code: 'unsupported-encoding',
  },
  { name: 'an unknown ledger', body: '{}', path: '/v1/ledgers/missing/events', status: 404, code: 'ledger-unknown' },
  { name: 'an unknown source', body: '{}', query: '?source=entra.audti', status: 422, code: 'source-unknown' },
  { name: 'a malformed source', body: '{}', query: '?source=a/b/c/d', status: 422, code: 'invalid-field' },
  { name: 'an unknown parameter', body: '{}', query: '?checkpiont=false', status: 422, code: 'invalid-field' },
  {
    name: 'a parameter twice',
    body: '{}',
    query: '?source=generic&source=generic',
    status: 422,
    code: 'invalid-field',
  },
  { name: 'a parameter of the wrong kind', body: '{}', query: '?receipts=yes', status: 422, code: 'invalid-field' },
  { name: 'an idempotency key of 256 characters', ...keyed('k'.repeat(256)) },
  { name: 'an idempotency key that is not ASCII', ...keyed('caf\u00e9') },
  { name: 'an empty idempotency key', ...keyed('') },
  {
    name: 'too many events to answer a receipt for each',
    body: '{}\n'.repeat(1_001),
    type: ndjson,
    query: '?receipts=true',
    status: 413,
    code: 'too-many-events',
    place: { limit: 1_000 },
  },
]

suite('bad input', () => {
  let server: TestServer
  const afterwards: (() => Promise<void> | void)[] = []

  before(async () => {
    server = await startTestServer({ after: (hook) => void afterwards.push(hook as () => Promise<void>) })
  })
  after(async () => {
    for (const hook of afterwards) await hook()
  })

  for (const { name, query = '', path = EVENTS, status, code, place = {}, ...ask } of badInputs) {
    test(`${name} is refused as ${code}, and nothing is stored`, async () => {
      const { size } = server.ledgers.log('main')
      // Nobody gets a stream twice.
      const body = ask.body ?? stream(MAX_BODY_BYTES + 1)
      const problem = await problemOf(await server.ask(path + query, { ...ask, method: 'POST', body }), status, code)
      for (const [where, value] of Object.entries(place))
        assert.equal(problem[where], value, `${where}: ${problem.detail}`)
      assert.ok(problem.detail.length < 500)
      await server.askJson('/v1/status')
      assert.equal(server.ledgers.log('main').size, size)
    })
  }

  /** Sends bytes as they are and answers what comes back until the server closes, or `until` has come. */
  async function raw(sent: string, until: RegExp): Promise<string> {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    let got = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (got += chunk))
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(sent)
    const closed = once(socket, 'close')
    for (let waited = 0; waited < 5_000 && !until.test(got) && !socket.destroyed; waited += 10) await sleep(10)
    socket.destroy()
    await closed
    return got
  }

  const head = (lines: string) =>
    `POST ${EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken}\r\nContent-Type: application/json\r\n${lines}\r\n`

  test('a body that is announced as too large is refused before any of it is sent', async () => {
    const answer = await raw(head(`Content-Length: ${MAX_BODY_BYTES + 1}\r\n`), /"code":"[a-z-]+".*}/)
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.match(answer, /"code":"body-too-large"/)
  })

  test('whoever waits for 100 Continue gets the refusal instead', async () => {
    for (const [lines, status] of [
      [`Content-Length: ${MAX_BODY_BYTES + 1}\r\nExpect: 100-continue\r\n`, 413],
      ['Content-Length: 2\r\nExpect: 100-continue\r\nContent-Encoding: br\r\n', 415],
      ['Content-Length: 2\r\nExpect: 100-continue\r\nIdempotency-Key: \t\r\n', 400],
    ] as const) {
      const answer = await raw(head(lines), /"code":"[a-z-]+".*}/)
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
      assert.ok(!answer.includes('100 Continue'))
    }
  })

  test('what is not HTTP, or says two things about its length, is refused and stores nothing', async () => {
    const { size } = server.ledgers.log('main')
    for (const sent of [
      'NONSENSE\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      head('Content-Length: 2\r\nContent-Length: 3\r\n') + '{}',
      head('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n') + '2\r\n{}\r\n0\r\n\r\n',
      head('Transfer-Encoding: xchunked\r\n') + '{}',
      head('Content-Length: -1\r\n') + '{}',
      head('Bad Name: x\r\nContent-Length: 2\r\n') + '{}',
      head('X-Null: a\0b\r\nContent-Length: 2\r\n') + '{}',
    ]) {
      const answer = await raw(sent, /"code":"malformed-request".*}/)
      assert.match(answer, /^HTTP\/1\.1 400 /, sent.slice(0, 200))
      assert.match(answer, /"code":"malformed-request"/)
    }
    const large = await raw(head(`X-Large: ${'x'.repeat(100_000)}\r\n`), /"code":"request-head-too-large".*}/)
    assert.match(large, /^HTTP\/1\.1 431 .*"limit":40960}/s)
    assert.equal(server.ledgers.log('main').size, size)
  })

  test('a body whose connection ends before it does stores nothing, and leaves no bytes held', async () => {
    const { size } = server.ledgers.log('main')
    await raw(`${head('Content-Length: 100000\r\n')}{"a":`, /^$/)
    await sleep(50)
    const metrics = await (await server.ask('/metrics')).text()
    assert.match(metrics, /^stele_intake_held_bytes 0$/m)
    assert.equal(server.ledgers.log('main').size, size)
  })

  test('a method that a path does not have is refused with those that it has, with a token and without', async () => {
    const { size } = server.ledgers.log('main')
    const paths: readonly (readonly [path: string, allow: string])[] = [
      [EVENTS, 'POST, GET'],
      ['/v1/ledgers/missing/events', 'POST, GET'],
      [`${EVENTS}/0/event`, 'GET'],
      ['/v1/tokens', 'GET, POST'],
      ['/v1/tokens/x', 'DELETE'],
      ['/', 'GET'],
      ['/verify.html', 'GET, HEAD'],
    ]
    for (const [path, allow] of paths) {
      for (const method of ['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'POST', 'GET']) {
        if (allow.split(', ').includes(method)) continue
        for (const token of [server.adminToken, undefined]) {
          const body = method === 'HEAD' ? {} : method === 'GET' ? {} : { body: '{}' }
          const response = await server.ask(path, { method, token, ...body })
          assert.equal(response.headers.get('allow'), allow, `${method} ${path}`)
          if (method === 'HEAD') assert.equal(response.status, 405)
          else await problemOf(response, 405, 'method-not-allowed')
        }
      }
    }
    assert.equal(server.ledgers.log('main').size, size)
  })

  test('a bad path or a bad index is refused by name', async () => {
    await server.askJson(EVENTS, { body: '{}' })
    const { size } = server.ledgers.log('main')
    await problemOf(await server.ask('/v1/nothing'), 404, 'not-found')
    await problemOf(await server.ask('/v1/nothing', { method: 'OPTIONS' }), 404, 'not-found')
    await problemOf(await server.ask('/v1/ledgers/%zz'), 400, 'malformed-request')
    for (const index of ['-1', '01', '1e3', '0x1', '1.0', ' 1', '9007199254740992', '99999999999999999999', 'x']) {
      await problemOf(await server.ask(`${EVENTS}/${encodeURIComponent(index)}`), 422, 'invalid-field')
    }
    for (const index of [size, Number.MAX_SAFE_INTEGER]) {
      for (const below of ['', '/event', '/proof']) {
        const problem = await problemOf(await server.ask(`${EVENTS}/${index}${below}`), 404, 'index-unknown')
        assert.equal(problem.limit, size)
      }
    }
  })

  test('bad administrative requests are refused by the field', async () => {
    const bad = async (path: string, body: string, status: number, code: string, said: RegExp) =>
      assert.match((await problemOf(await server.ask(path, { body }), status, code)).detail, said)
    await bad('/v1/ledgers', '{"name":"Upper"}', 422, 'invalid-field', /^name: /)
    await bad('/v1/ledgers', '{"name":"a","pubic":true}', 422, 'invalid-field', /pubic/)
    await bad('/v1/ledgers', '{"name":"main"}', 409, 'ledger-exists', /main/)
    await bad('/v1/ledgers', '{"name":"heads"}', 403, 'ledger-reserved', /heads/)
    await bad('/v1/ledgers', '{"name":', 400, 'malformed-json', /JSON/)
    await bad('/v1/tokens', '{"scopes":[],"ledgers":["*"]}', 422, 'invalid-field', /^scopes: /)
    await bad('/v1/tokens', '{"scopes":["root"],"ledgers":["*"]}', 422, 'invalid-field', /^scopes\.0: /)
    await bad('/v1/tokens', '{"scopes":["read"],"ledgers":["missing"]}', 404, 'ledger-unknown', /missing/)
    await bad('/v1/tokens', '[]', 422, 'invalid-field', /^body: /)
    await problemOf(await server.ask('/v1/tokens', { method: 'POST' }), 422, 'invalid-field')
    await problemOf(await server.ask('/v1/tokens', { body: '{}', type: 'text/plain' }), 415, 'unsupported-media-type')
    await problemOf(await server.ask('/v1/tokens', { body: ' '.repeat(70_000) }), 413, 'body-too-large')
    await problemOf(await server.ask('/v1/tokens/nobody', { method: 'DELETE' }), 404, 'not-found')
  })

  test('problems and logs hold no event content, no token and no stack', async () => {
    const secret = 'correct-horse-battery-staple'
    for (const [body, type] of [
      [`{"a":"${secret}"`, 'application/json'],
      [`{"${secret}":1}\n{"a":\x01}`, ndjson],
      [`[{"a":"${secret}"},]`, 'application/json'],
      [`"\\u${secret}"`, 'application/json'],
    ] as const) {
      const text = await (await server.ask(EVENTS, { body, type })).text()
      assert.ok(!text.includes(secret), text)
    }
    const leaking = await server.ask(`/v1/ledgers/main/events?${secret.replaceAll('-', '')}=1`, {
      token: `stele_${secret}`,
    })
    assert.ok(!(await leaking.text()).includes(secret))
    const logged = JSON.stringify(server.logged)
    for (const hidden of [secret, server.adminToken, server.adminToken.split('_').slice(2).join('_')])
      assert.ok(!logged.includes(hidden))
  })
})

test('a nearly full disk refuses events at a reserve, with the figures, and goes on reading', async (context) => {
  const disk = new TightDisk()
  const server = await startTestServer(context, { parts: { disk } })
  await server.askJson(EVENTS, { body: '{"kept":true}' })
  const { reserveBytes } = (await server.askJson('/v1/status')).space
  disk.freeBytes = reserveBytes - 1
  await sleep(1_200)
  const problem = await problemOf(await server.ask(EVENTS, { body: '{"late":true}' }), 507, 'disk-reserve')
  assert.equal(problem.limit, reserveBytes)
  assert.match(problem.detail, /[0-9.]+ MB are free/)
  assert.equal(server.ledgers.log('main').size, 1)
  assert.equal(JSON.parse((await server.askJson(`${EVENTS}/0`)).event).kept, true)
  disk.freeBytes = undefined
  await sleep(1_200)
  await server.askJson(EVENTS, { body: '{"late":true}' })
})
