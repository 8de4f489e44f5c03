// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What goes over the wire, what is tried again, and what becomes of a failure.

import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type Server } from 'node:net'
import { test, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'

import { type ClientOptions, type Fetch, SteleClient, SteleError } from '../src/index.ts'

const signal = AbortSignal.timeout(30_000)

function problem(status: number, code: string, rest: object = {}, headers: Record<string, string> = {}): Response {
  const body = { type: `urn:stele:error:${code}`, title: 'Title', status, code, detail: `about ${code}`, ...rest }
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}

interface Tried {
  readonly error: SteleError
  readonly calls: readonly { readonly url: string; readonly init: RequestInit }[]
  readonly waitsMs: readonly number[]
}

/** Lets a client of scripted answers try, and tells how it failed, what it asked, and how long it waited. */
async function tried(
  answers: readonly (() => Response | Promise<Response>)[],
  make: (client: SteleClient) => Promise<unknown> = (client) => client.tokens(),
  options: Partial<ClientOptions> = {},
): Promise<Tried> {
  const calls: { url: string; init: RequestInit }[] = []
  const waitsMs: number[] = []
  const client = new SteleClient({
    url: 'http://stele.example',
    fetch: async (url, init) => {
      calls.push({ url, init })
      return await (answers[Math.min(calls.length, answers.length) - 1] ?? assert.fail('no answer'))()
    },
    sleep: (ms, stop) =>
      new Promise((resolve, reject) => {
        if (ms === 60_000) stop?.addEventListener('abort', () => reject(stop.reason as Error), { once: true })
        else {
          waitsMs.push(ms)
          resolve()
        }
      }),
    ...options,
  })
  const error = await make(client).then(
    () => assert.fail('it did not fail'),
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof SteleError, String(error))
  return { error, calls, waitsMs }
}

function networkFault(code: string, syscall: string): () => never {
  return () => {
    throw new TypeError('fetch failed', { cause: Object.assign(new Error(`${syscall} ${code}`), { code, syscall }) })
  }
}

const append = (client: SteleClient) => client.append('main', '{}', { media: 'application/json' })
const refused = networkFault('ECONNREFUSED', 'connect')
const reset = networkFault('ECONNRESET', 'read')

async function listening(context: TestContext, server: Server | ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => void server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return `http://127.0.0.1:${address.port}`
}

async function httpServer(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  context.after(() => server.closeAllConnections())
  return await listening(context, server)
}

test('a read is tried again, with growing waits, when the server is away or says that it will pass', async () => {
  for (const [answer, failure, status] of [
    [refused, 'unreachable', undefined],
    [reset, 'interrupted', undefined],
    [() => problem(503, 'overloaded'), 'refused', 503],
    [() => problem(429, 'too-many-requests'), 'refused', 429],
    [() => new Response('bad gateway', { status: 502 }), 'refused', 502],
  ] as const) {
    const { error, calls, waitsMs } = await tried([answer])
    assert.deepEqual([error.failure, error.status, calls.length, waitsMs], [failure, status, 3, [200, 400]])
  }
})

test('a wait that the server asks for is kept, and one that is too long is left to the caller', async () => {
  const asked = (seconds: string) => () => problem(503, 'starting', {}, { 'retry-after': seconds })
  assert.deepEqual((await tried([asked('7'), asked('0')])).waitsMs, [7_000, 0])
  const { error, waitsMs } = await tried([asked('3600')])
  assert.deepEqual([error.problem.retryAfterMs, waitsMs], [3_600_000, []])
  assert.deepEqual((await tried([asked('soon')])).waitsMs, [200, 400])
})

test('nothing else is tried again: no refusal of what was asked, no answer that cannot be true, no stopped writer', async () => {
  for (const answer of [
    () => problem(404, 'not-found'),
    () => problem(401, 'unauthenticated'),
    () => problem(500, 'internal-error'),
    () => problem(503, 'writer-stopped'),
    () => problem(507, 'disk-reserve'),
    () => Response.json({ tokens: 'all' }),
  ]) {
    assert.equal((await tried([answer])).calls.length, 1)
  }
})

test('an append is sent again only where it is certain that nothing of it was stored', async () => {
  const certain = [
    refused,
    () => problem(429, 'too-many-requests'),
    () => problem(503, 'overloaded'),
    () => problem(503, 'starting'),
  ]
  for (const answer of certain) {
    const { error, calls } = await tried([answer], append)
    assert.deepEqual([calls.length, error.outcomeUnknown], [3, false])
  }
  const unknown = [
    reset,
    networkFault('UND_ERR_SOCKET', 'write'),
    networkFault('EHOSTUNREACH', 'read'),
    () => new Response('', { status: 502 }),
    () => new Response('', { status: 504 }),
    () => problem(503, 'writer-stopped'),
    () => problem(500, 'internal-error'),
    () => Response.json({}),
    () => new Response('moved', { status: 307, headers: { location: 'http://elsewhere.example' } }),
  ]
  for (const answer of unknown) {
    const { error, calls } = await tried([answer], append)
    assert.deepEqual([calls.length, error.outcomeUnknown], [1, true], error.message)
  }
  for (const code of ['ledger-unknown', 'scope-missing', 'body-too-large', 'malformed-json']) {
    assert.equal((await tried([() => problem(400, code)], append)).error.outcomeUnknown, false)
  }
  assert.equal((await tried([() => problem(507, 'disk-reserve')], append)).error.outcomeUnknown, false)
})

test('a problem comes with all that it says, and with nothing that is not of its form', async () => {
  const fields = { offset: 12, line: 3, event: 2, limit: 64 }
  const { error } = await tried([() => problem(422, 'depth-exceeded', fields)], append)
  assert.deepEqual({ ...error.problem }, { code: 'depth-exceeded', detail: 'about depth-exceeded', ...fields })
  assert.deepEqual(
    [error.failure, error.status, error.code, error.message],
    ['refused', 422, 'depth-exceeded', 'about depth-exceeded'],
  )
  const lies: Readonly<Record<string, readonly unknown[]>> = {
    code: [null, 1, '', 'Not Kebab', {}, ['x']],
    detail: [null, 1, {}],
    ...Object.fromEntries(Object.keys(fields).map((name) => [name, [null, -1, 1.5, '1', 2 ** 60]])),
  }
  for (const [name, values] of Object.entries(lies)) {
    for (const value of values) {
      const lied = (await tried([() => problem(422, 'depth-exceeded', { ...fields, [name]: value })], append)).error
      assert.equal(Object.hasOwn(lied.problem, name), false, `${name} = ${JSON.stringify(value)}`)
      assert.equal(lied.status, 422)
    }
  }
  for (const body of ['', '{', '[]', 'null', '"x"', '\xff']) {
    const answer = () =>
      new Response(body, { status: 403, headers: { 'content-type': 'application/problem+json; charset=utf-8' } })
    const { error } = await tried([answer])
    assert.deepEqual([error.status, error.code, error.message], [403, undefined, 'HTTP status 403'])
  }
})

test('token, media type and body go over the wire as they should, and nothing leaks into the address', async (context) => {
  const seen: { method: string; url: string; headers: NodeJS.Dict<string | string[]>; body: Buffer }[] = []
  const url = await httpServer(context, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      seen.push({
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks),
      })
      response.writeHead(404).end()
    })
  })
  const client = new SteleClient({ url: `${url}/below/`, token: 'stele_secret' })
  const is404 = (error: SteleError) => error.status === 404
  await assert.rejects(
    client.append('a/../b', '{"ünï":1}', {
      media: 'application/json',
      source: 'x y&z',
      gzip: true,
      receipts: true,
      checkpoint: false,
    }),
    is404,
  )
  await assert.rejects(client.append('main', Buffer.from('text'), { media: 'text/plain' }), is404)
  await assert.rejects(client.createLedger({ name: 'new' }), is404)
  await assert.rejects(client.revokeToken('../ledgers'), is404)
  const [first, second, third, fourth] = seen
  assert.equal(first?.url, '/below/v1/ledgers/a%2F..%2Fb/events?source=x+y%26z&checkpoint=false&receipts=true')
  assert.equal(first.headers['authorization'], 'Bearer stele_secret')
  assert.equal(first.headers['content-type'], 'application/json')
  assert.equal(first.headers['content-encoding'], 'gzip')
  assert.equal(gunzipSync(first.body).toString('utf8'), '{"ünï":1}')
  assert.deepEqual(
    [second?.url, second?.headers['content-type'], second?.body.toString()],
    ['/below/v1/ledgers/main/events', 'text/plain', 'text'],
  )
  assert.deepEqual([third?.method, third?.url, third?.body.toString()], ['POST', '/below/v1/ledgers', '{"name":"new"}'])
  assert.deepEqual([fourth?.method, fourth?.url], ['DELETE', '/below/v1/tokens/..%2Fledgers'])
  for (const { url } of seen) assert.ok(!url.includes('stele_secret'))
})

test('an address, a token or a key that cannot be one is refused before anything is sent', () => {
  const fetch: Fetch = () => assert.fail('something was sent')
  for (const url of [
    '',
    'stele.example',
    'ftp://x',
    'file:///etc/passwd',
    'http://u:p@x',
    'http://x/?q',
    'http://x/#f',
    'javascript:1',
  ]) {
    assert.throws(() => new SteleClient({ url, fetch }), TypeError, url)
  }
  for (const token of ['', 'a b', 'a\nb', 'ü', '\u0000']) {
    assert.throws(() => new SteleClient({ url: 'http://x', token, fetch }), TypeError, JSON.stringify(token))
  }
  assert.throws(() => new SteleClient({ url: 'http://x', vkeys: ['nonsense'], fetch }), { name: 'ProofError' })
})

test('a redirect is not followed, so the token goes nowhere else', async (context) => {
  const elsewhere: string[] = []
  const other = await httpServer(context, (request, response) => {
    elsewhere.push(request.url ?? '')
    response.end('{}')
  })
  const url = await httpServer(context, (_, response) => response.writeHead(302, { location: other }).end())
  const client = new SteleClient({ url, token: 'secret' })
  await assert.rejects(
    client.tokens({ signal }),
    (error: SteleError) => error.failure === 'untrustworthy' && /redirects/.test(error.message),
  )
  assert.deepEqual(elsewhere, [])
})

test('an answer that never begins, never ends or never stops is cut off', async (context) => {
  const silent = await listening(
    context,
    createTcpServer(() => {}),
  )
  const quick: Partial<ClientOptions> = { attempts: 1, timeoutMs: 200 }
  await assert.rejects(
    new SteleClient({ url: silent, ...quick }).tokens(),
    (error: SteleError) => error.failure === 'interrupted',
  )
  const stuck = await httpServer(context, (_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).write('{'),
  )
  await assert.rejects(
    new SteleClient({ url: stuck, ...quick }).tokens(),
    (error: SteleError) => error.failure === 'interrupted' && /silent/.test(error.message),
  )
  const endless = await httpServer(context, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  await assert.rejects(
    new SteleClient({ url: endless, attempts: 1 }).checkpoint('main'),
    (error: SteleError) => error.failure === 'untrustworthy',
  )
  const cut = await httpServer(context, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{')
    setTimeout(() => response.destroy(), 20)
  })
  await assert.rejects(
    new SteleClient({ url: cut, attempts: 1 }).tokens(),
    (error: SteleError) => error.failure === 'interrupted',
  )
})

test('a slow answer that goes on moving is waited for', async (context) => {
  const slow = await httpServer(context, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const parts = ['{"to', 'ken', 's":', '[', ']', '}']
    const timer = setInterval(() => {
      const part = parts.shift()
      if (part !== undefined) response.write(part)
      else {
        clearInterval(timer)
        response.end()
      }
    }, 60)
  })
  assert.deepEqual(await new SteleClient({ url: slow, timeoutMs: 150 }).tokens(), [])
})

test('a signal ends a call, and a wait between tries, with its own reason', async (context) => {
  const silent = await listening(
    context,
    createTcpServer(() => {}),
  )
  const reason = new Error('enough')
  for (const options of [
    { url: silent },
    {
      url: 'http://stele.example',
      fetch: () => Promise.resolve(problem(503, 'starting', {}, { 'retry-after': '20' })),
    },
  ]) {
    const stop = new AbortController()
    const call = new SteleClient(options).tokens({ signal: stop.signal })
    setTimeout(() => stop.abort(reason), 50)
    await assert.rejects(call, (error) => error === reason)
  }
})

test('where no server listens nothing was sent, and it is said so', async (context) => {
  const server = createTcpServer(() => {})
  const url = await listening(context, server)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  await assert.rejects(append(new SteleClient({ url, attempts: 1 })), (error: SteleError) => {
    return error.failure === 'unreachable' && !error.outcomeUnknown && error.message === 'connection refused'
  })
  const nowhere = new SteleClient({ url: 'http://stele.invalid', attempts: 1 })
  await assert.rejects(append(nowhere), (error: SteleError) => error.failure === 'unreachable')
  // A server that hangs up on the request may have read it.
  const rude = await listening(
    context,
    createTcpServer((socket) => void socket.once('data', () => socket.destroy())),
  )
  await assert.rejects(
    append(new SteleClient({ url: rude })),
    (error: SteleError) => error.failure === 'interrupted' && error.outcomeUnknown,
  )
})

test('a stream of events longer than any body is refused on this side', async () => {
  async function* endless() {
    for (;;) yield new Uint8Array(8 * 1024 * 1024)
  }
  const client = new SteleClient({ url: 'http://x', fetch: () => assert.fail('something was sent') })
  await assert.rejects(client.append('main', endless(), { media: 'application/octet-stream' }), RangeError)
})
