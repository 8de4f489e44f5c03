// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { MAX_BODY_BYTES } from '../src/schema/limits.ts'
import { eventually, startTestServer, type TestServer, TightDisk } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'

interface RawConnection {
  readonly socket: Socket
  /** What the server has answered so far. */
  readonly answered: () => string
}

async function open(server: TestServer, head: string, token = server.adminToken): Promise<RawConnection> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  let got = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (got += chunk))
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`${head}\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`)
  return { socket, answered: () => got }
}

async function gauge(server: TestServer, name: string): Promise<number> {
  const text = await (await server.ask('/metrics')).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
}

test('all bodies together are bounded: one too many is told to come back, and room returns with those who leave', async (context) => {
  const server = await startTestServer(context)
  const tokens = [server.adminToken, await server.token(['append'])]
  const piece = Buffer.alloc(60 * 1024 * 1024, ' ')
  const senders: RawConnection[] = []
  for (let number = 0; number < 5; number++) {
    const sender = await open(server, `POST ${EVENTS} HTTP/1.1`, tokens[number % 2])
    sender.socket.write(`Content-Type: application/json\r\nContent-Length: ${MAX_BODY_BYTES}\r\n\r\n`)
    sender.socket.write(piece)
    senders.push(sender)
  }
  await eventually(() => senders.some(({ answered }) => answered().includes('"code":"overloaded"')), 30_000)
  const refused = senders.filter(({ answered }) => answered() !== '')
  for (const { answered } of refused) {
    assert.match(answered(), /^HTTP\/1\.1 503 /)
    assert.match(answered(), /^retry-after: 1\r$/m)
  }
  assert.ok((await gauge(server, 'stele_intake_held_bytes')) <= 256 * 1024 * 1024)
  for (const { socket } of senders) socket.destroy()
  await Promise.all(senders.map(async ({ socket }) => socket.closed || (await once(socket, 'close'))))
  await server.askJson(EVENTS, { body: '{}' })
  await eventually(async () => (await gauge(server, 'stele_intake_held_bytes')) === 0)
  assert.equal(server.ledgers.log('main').size, 1)
})

test('one token cannot hold all the room that there is for bodies', async (context) => {
  const server = await startTestServer(context)
  const piece = Buffer.alloc(60 * 1024 * 1024, ' ')
  const senders: RawConnection[] = []
  for (let number = 0; number < 4; number++) {
    const sender = await open(server, `POST ${EVENTS} HTTP/1.1`)
    sender.socket.write(`Content-Type: application/json\r\nContent-Length: ${MAX_BODY_BYTES}\r\n\r\n`)
    sender.socket.write(piece)
    senders.push(sender)
  }
  await eventually(() => senders.some(({ answered }) => answered().includes('"code":"rate-limited"')), 30_000)
  assert.equal(senders.filter(({ answered }) => answered().startsWith('HTTP/1.1 429 ')).length, 1)
  const token = await server.token(['append'])
  await server.askJson(EVENTS, { token, body: JSON.stringify('x'.repeat(10_000_000)) })
  for (const { socket } of senders) socket.destroy()
})

test('a crowd of compression bombs is refused one by one, while small events go on being stored', async (context) => {
  const server = await startTestServer(context)
  const body = gzipSync(Buffer.alloc(MAX_BODY_BYTES + 1, ' '))
  const bombs = Array.from({ length: 12 }, async () => {
    const response = await server.ask(EVENTS, { body, headers: { 'content-encoding': 'gzip' } })
    await response.text()
    return response.status
  })
  let storedCount = 0
  let storedMeanwhileCount = 0
  const all = Promise.all(bombs).finally(() => (storedMeanwhileCount = storedCount))
  for (; storedCount < 40; storedCount++) await server.askJson(EVENTS, { body: '{}' })
  assert.deepEqual(new Set(await all), new Set([413]))
  assert.ok(storedMeanwhileCount > 12, `${storedMeanwhileCount} small events while 12 bombs went off`)
})

test('readers that take nothing of large answers are bounded together, and others are told to come back', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: Buffer.alloc(15 * 1024 * 1024, 'x'), type: 'text/plain' })
  const readers: RawConnection[] = []
  for (let number = 0; number < 20; number++) {
    const reader = await open(server, `GET ${EVENTS}/0/event HTTP/1.1`)
    reader.socket.pause()
    reader.socket.write('\r\n')
    readers.push(reader)
  }
  await eventually(() => server.logged.some((line) => 'code' in line && line.code === 'overloaded'), 30_000)
  // Small answers are not in the way of large ones.
  await server.askJson('/v1/status')
  for (const { socket } of readers) socket.destroy()
  await Promise.all(readers.map(async ({ socket }) => socket.closed || (await once(socket, 'close'))))
  const whole = await (await server.ask(`${EVENTS}/0/event`)).arrayBuffer()
  assert.equal(whole.byteLength, 15 * 1024 * 1024)
})

test('readers who hang up take no room for good: large events are read as before', async (context) => {
  const server = await startTestServer(context)
  const large = Buffer.alloc(16 * 1024 * 1024, 'x')
  await server.askJson(EVENTS, { body: large, type: 'application/octet-stream' })
  for (let reader = 0; reader < 40; reader++) {
    const { socket } = await open(server, `GET ${EVENTS}/0/event HTTP/1.1`)
    socket.write('\r\n')
    if (reader % 2 === 0) await new Promise((resolve) => setTimeout(resolve, reader % 5))
    socket.resetAndDestroy()
  }
  await eventually(async () => {
    const answer = await server.ask(`${EVENTS}/0/event`)
    return answer.status === 200 && Buffer.from(await answer.arrayBuffer()).equals(large)
  })
})

test('a body in chunks of one byte takes little more memory than its bytes', async (context) => {
  const server = await startTestServer(context)
  const { socket, answered } = await open(server, `POST ${EVENTS} HTTP/1.1`)
  socket.write('Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n')
  const chunks = Buffer.from('1\r\n \r\n'.repeat(50_000))
  await new Promise((resolve) => socket.write(chunks, resolve))
  await eventually(async () => (await gauge(server, 'stele_intake_held_bytes')) >= 50_000)
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  for (let round = 0; round < 10; round++) await new Promise((resolve) => socket.write(chunks, resolve))
  await eventually(async () => (await gauge(server, 'stele_intake_held_bytes')) >= 550_000, 30_000)
  const grownBytes = process.memoryUsage().rss - before
  assert.ok(grownBytes < 100 * 1024 * 1024, `${grownBytes} bytes for half a million chunks`)
  socket.write('2\r\n{}\r\n0\r\n\r\n')
  await eventually(() => answered().includes('HTTP/1.1 200'), 10_000)
})

test('a transfer coding that is not undone is refused, not stored', async (context) => {
  const server = await startTestServer(context)
  const { socket, answered } = await open(server, `POST ${EVENTS} HTTP/1.1`)
  socket.write('Content-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n')
  await eventually(() => answered().includes('"code":"unsupported-encoding"'))
  assert.equal(server.ledgers.log('main').size, 0)
})

test('a server that takes no events, or has found stored content changed, does not say that it is ready', async (context) => {
  const disk = new TightDisk()
  const server = await startTestServer(context, { parts: { disk } })
  assert.equal((await server.ask('/readyz')).status, 200)
  disk.freeBytes = 1_000
  await eventually(async () => (await server.ask('/readyz')).status === 503)
  assert.match(await (await server.ask('/readyz')).text(), /nearly full/)
  const refused = await server.ask('/v1/ledgers', { method: 'POST', body: '{"name":"more"}' })
  assert.equal(refused.status, 507, 'an administrative act keeps to the reserve, too')
})
