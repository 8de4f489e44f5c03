// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { GuardedHttpClient, type HttpRequest, isPrivateAddress } from '../src/platform/http-client.ts'

type Answering = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

async function serve(test: TestContext, answer: Answering): Promise<string> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const get = (url: string, rest: Partial<HttpRequest> = {}): HttpRequest => {
  return { method: 'GET', url, timeoutMs: 5_000, privateAllowed: true, ...rest }
}

test('addresses that only an operator may name are told from public ones, IPv4 in IPv6 too', () => {
  const closed =
    '0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 ' +
    '192.168.1.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 ' +
    ':: ::1 ::127.0.0.1 fc00::1 fdff::1 fe80::1 febf::1 fec0::1 ff02::1 2002:7f00:1:: 2001:0:a00:1:: ' +
    '64:ff9b::a00:1 64:ff9b:1::7f00:1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:169.254.169.254 ::ffff:10.0.0.1'
  for (const address of closed.split(' ')) assert.equal(isPrivateAddress(address), true, address)
  const open = [
    '1.1.1.1',
    '8.8.8.8',
    '100.63.0.1',
    '100.128.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '192.167.1.1',
    '223.255.255.255',
  ]
  for (const address of [...open, '2606:4700::1111', '::ffff:8.8.8.8'])
    assert.equal(isPrivateAddress(address), false, address)
})

test('a private address is refused before anything is sent, however it is written, unless the operator allowed it', async (context) => {
  let asked = 0
  const url = await serve(context, (_, response) => {
    asked++
    response.end('inside')
  })
  const { port } = new URL(url)
  const client = new GuardedHttpClient()
  for (const host of [
    '127.0.0.1',
    'localhost',
    '127.1',
    '2130706433',
    '0x7f000001',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0.0.0.0',
  ]) {
    const refused = client.request(get(`http://${host}:${port}/`, { privateAllowed: false }))
    await assert.rejects(refused, /an address that is not public/, host)
  }
  assert.equal(asked, 0)
  assert.equal((await client.request(get(url))).body.toString(), 'inside')
})

test('a redirect is an answer like any other, and is not followed', async (context) => {
  let asked = 0
  const url = await serve(context, (_, response) => {
    asked++
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
  })
  assert.equal((await new GuardedHttpClient().request(get(url))).status, 302)
  assert.equal(asked, 1)
})

test('an answer that is too long, breaks off, or does not come is an error', async (context) => {
  const url = await serve(context, ({ url }, response) => {
    if (url === '/long') response.end(Buffer.alloc(1024 * 1024 + 1))
    if (url === '/breaks-off') {
      response.writeHead(200, { 'content-length': '100' }).write('x')
      setImmediate(() => response.destroy())
    }
  })
  const client = new GuardedHttpClient()
  await assert.rejects(client.request(get(`${url}long`)), /more than 1048576 bytes/)
  await assert.rejects(client.request(get(`${url}breaks-off`)), { code: 'ECONNRESET' })
  await assert.rejects(client.request(get(`${url}hangs`, { timeoutMs: 100 })))
})

test('what is asked is sent as it is: method, headers, body; anything but HTTP is refused', async (context) => {
  const url = await serve(context, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method, headers } = request
    response
      .writeHead(201, { etag: '"x"' })
      .end(
        `${String(method)} ${String(headers['x-more'])} ${String(headers['content-length'])} ${Buffer.concat(chunks).toString()}`,
      )
  })
  const client = new GuardedHttpClient()
  const answer = await client.request(
    get(url, { method: 'PUT', headers: { 'x-more': 'y' }, body: Buffer.from('body') }),
  )
  assert.deepEqual([answer.status, answer.headers.etag, answer.body.toString()], [201, '"x"', 'PUT y 4 body'])
  for (const other of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'data:text/plain,x']) {
    await assert.rejects(client.request(get(other)), /is not HTTP/)
  }
})

test('a request ends when its caller says so, and leaves no listener behind', async (context) => {
  const url = await serve(context, () => {})
  const client = new GuardedHttpClient()
  const caller = new AbortController()
  const asking = client.request(get(url, { signal: caller.signal }))
  caller.abort(new Error('enough'))
  await assert.rejects(asking, /enough|aborted/)
  await assert.rejects(client.request(get(url, { signal: caller.signal })), /enough|aborted/)
  const other = new AbortController()
  await assert.rejects(client.request(get(url, { signal: other.signal, timeoutMs: 50 })), /timeout/)
  assert.equal(getEventListeners(other.signal, 'abort').length, 0)
})

test('names that take for ever to be looked up delay no address that needs no look-up', async (context) => {
  const url = await serve(context, (_, response) => void response.end('here'))
  const client = new GuardedHttpClient()
  const slow = Array.from({ length: 20 }, async (_, number) => {
    return await client.request(get(`http://nobody-${number}.invalid/`, { timeoutMs: 300 })).catch(() => undefined)
  })
  const { body } = await client.request(get(url, { timeoutMs: 2_000 }))
  assert.equal(body.toString(), 'here')
  // Those that wait for their turn end in time, too.
  const startedMs = performance.now()
  await Promise.all(slow)
  assert.ok(performance.now() - startedMs < 2_000)
})

test('an answer may be bounded more narrowly than all answers are', async (context) => {
  const url = await serve(context, (_, response) => void response.end('x'.repeat(100)))
  await assert.rejects(new GuardedHttpClient().request(get(url, { maxBytes: 99 })), /more than 99 bytes/)
})
