// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SteleClient, SteleError } from '@stele/sdk'
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hitSchema } from '../src/http/schemas.ts'
import { eventsOf, eventually, MovedClock, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'
const TAIL = '/v1/ledgers/main/tail'

interface Tail {
  /** The next message: its fields, or `comment`. */
  next(): Promise<Record<string, string> | undefined>
  stop(): void
}

async function openTail(server: TestServer, query = '', headers: Record<string, string> = {}): Promise<Tail> {
  const stop = new AbortController()
  const response = await server.ask(TAIL + query, { headers, signal: stop.signal })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const messages = messagesOf(response.body!)
  return {
    next: async () => (await messages.next()).value,
    stop: () => stop.abort(),
  }
}

async function* messagesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Record<string, string>, undefined> {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const fields = lines.map((line) => (line.startsWith(':') ? ['comment', line.slice(1)] : line.split(/: (.*)/s)))
      const message = Object.fromEntries(fields)
      if (message.retry === undefined) yield message
    }
  }
  return undefined
}

test('a tail sends every event once, in order, from where it was told, and then as they come', async (context) => {
  const server = await startTestServer(context)
  const append = async (number: number) => await server.askJson(EVENTS, { body: `{"number":${number}}` })
  for (let number = 0; number < 5; number++) await append(number)
  const live = await openTail(server)
  const all = await openTail(server, '?from=0')
  const later = await openTail(server, '?from=0', { 'last-event-id': '2' })
  for (let number = 5; number < 30; number++) await append(number)
  for (const [tail, first] of [
    [live, 5],
    [all, 0],
    [later, 3],
  ] as const) {
    for (let number = first; number < 30; number++) {
      const message = await tail.next()
      assert.equal(message!['id'], String(number))
      const hit = hitSchema.parse(JSON.parse(message!['data']!))
      assert.deepEqual([hit.index, hit.event], [number, `{"number":${number}}`])
    }
    tail.stop()
  }
})

test('a tail is recorded when it opens, before its first event, and when it closes, with what it sent', async (context) => {
  const server = await startTestServer(context)
  await server.askJson(EVENTS, { body: '{"a":1}\n{"b":2}', type: 'application/x-ndjson' })
  const tail = await openTail(server, '?from=0')
  const [opened] = await eventsOf(server, 'access')
  assert.deepEqual([opened.action, opened.phase, opened.ledger, opened.first], ['events.tail', 'open', 'main', 0])
  await tail.next()
  await tail.next()
  tail.stop()
  await eventually(() => server.ledgers.log('access').size === 2)
  const closed = (await eventsOf(server, 'access'))[1]
  assert.deepEqual([closed.phase, closed.first, closed.count, closed.by], ['close', 0, 2, opened.by])
})

test('a tail of access does not feed itself', async (context) => {
  const server = await startTestServer(context)
  const stop = new AbortController()
  const response = await server.ask('/v1/ledgers/access/tail?from=0', { signal: stop.signal })
  const messages = messagesOf(response.body!)
  const first = await messages.next()
  assert.match(first.value!['data']!, /events\.tail/)
  await sleep(300)
  assert.equal(server.ledgers.log('access').size, 1)
  stop.abort()
})

test('a quiet tail shows that it lives, and ends when its token is revoked', async (context) => {
  const server = await startTestServer(context, { parts: { clock: new MovedClock(100) } })
  const token = await server.token(['read'])
  const response = await server.ask(TAIL, { token })
  const messages = messagesOf(response.body!)
  assert.deepEqual((await messages.next()).value, { comment: ' heartbeat' })
  await server.askJson(`/v1/tokens/${token.split('_')[1]}`, { method: 'DELETE' })
  let ended = await messages.next()
  while (!ended.done) ended = await messages.next()
  assert.ok(ended.done)
})

test('a tail cannot go on where the ledger is not: it is refused, not left waiting', async (context) => {
  const server = await startTestServer(context)
  const problem = await problemOf(await server.ask(`${TAIL}?from=1`), 404, 'index-unknown')
  assert.equal(problem.limit, 0)
  await problemOf(await server.ask(TAIL, { headers: { 'last-event-id': '0' } }), 404, 'index-unknown')
  await problemOf(await server.ask(TAIL, { headers: { 'last-event-id': 'x' } }), 422, 'invalid-field')
  await problemOf(await server.ask(`${TAIL}?from=-1`), 422, 'invalid-field')
})

test('a reader that takes nothing holds nothing up: it costs one piece, and gets the rest when it reads on', async (context) => {
  const server = await startTestServer(context)
  const line = `{"pad":"${'x'.repeat(10_000)}"}\n`
  const bodies = 8
  const perBody = 500
  for (let body = 0; body < bodies; body++) {
    await server.askJson(EVENTS, { body: line.repeat(perBody), type: 'application/x-ndjson' })
  }
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET ${TAIL}?from=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken}\r\n\r\n`)
  socket.pause()
  await sleep(300)
  const before = process.memoryUsage().rss
  for (let number = 0; number < 20; number++) await server.askJson(EVENTS, { body: '{}' })
  await sleep(300)
  assert.ok(process.memoryUsage().rss - before < 30_000_000, 'the reader is not waited for in memory')
  let text = ''
  let lastId = -1
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (const [, id] of text.matchAll(/^id: (\d+)$/gm)) lastId = Math.max(lastId, Number(id))
    text = text.slice(-100)
  })
  socket.resume()
  await eventually(() => lastId === bodies * perBody + 19, 30_000)
  socket.destroy()
})

test('only so many tails are open at a time, and one that closes makes room', async (context) => {
  const server = await startTestServer(context)
  const tails = []
  for (let opened = 0; opened < 64; opened++) tails.push(await openTail(server))
  const response = await server.ask(TAIL)
  assert.equal(response.headers.get('retry-after'), '5')
  assert.equal((await problemOf(response, 503, 'overloaded')).limit, 64)
  tails[0]!.stop()
  await sleep(100)
  tails.push(await openTail(server))
  for (const tail of tails) tail.stop()
})

test('a server that stops ends its tails at once, and that is on record', async (context) => {
  const server = await startTestServer(context)
  const tail = await openTail(server)
  const startedMs = performance.now()
  const ended = tail.next()
  await server.close()
  assert.equal(await ended, undefined)
  assert.ok(performance.now() - startedMs < 5_000)
  const again = await startTestServer(context, { directory: server.directory })
  assert.deepEqual(
    (await eventsOf(again, 'access')).map(({ phase }) => phase),
    ['open', 'close'],
  )
})

test('P4: a tail gives what is intact, says that the next event was changed on the disk, ends, and readiness says so', async (context) => {
  const server = await startTestServer(context)
  for (const text of ['first', 'second', 'third']) {
    await server.askJson('/v1/ledgers/main/events', { body: JSON.stringify({ text }) })
  }
  const wal = join(server.directory, 'data', 'wal', '0000000000000001')
  const bytes = await readFile(wal)
  const at = bytes.indexOf('"second"')
  assert.notEqual(at, -1)
  bytes[at + 1]! ^= 1
  await writeFile(wal, bytes)
  const client = new SteleClient({ url: server.url, token: server.adminToken })
  const seen: number[] = []
  await assert.rejects(
    async () => {
      for await (const { index } of client.tail('main', { from: 0 })) seen.push(index)
    },
    (error) => error instanceof SteleError && error.failure === 'untrustworthy',
  )
  assert.deepEqual(seen, [0])
  const ready = await server.ask('/readyz')
  assert.equal(ready.status, 503)
  assert.match(await ready.text(), /found changed/)
})
