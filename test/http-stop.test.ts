// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How a server stops, and how long it lets a connection take: what was accepted is finished, and nobody holds it up.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { NodeDisk } from '../src/platform/disk.ts'
import { FaultDisk } from './fault-disk.ts'
import { scratch } from './scratch.ts'
import { eventually, eventsOf, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'

class Connection {
  readonly socket: Socket
  answered = ''
  isClosed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1').on('data', (chunk: string) => (this.answered += chunk))
    socket.on('error', () => {}).on('close', () => (this.isClosed = true))
  }

  static async open({ url }: TestServer): Promise<Connection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    return new Connection(socket)
  }

  /** The head of an append, and as much of its body as is given. */
  begin({ adminToken }: TestServer, length: number, body: string): void {
    const head = `POST ${EVENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${adminToken}\r\n`
    this.socket.write(`${head}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`)
  }
}

test('P1: a stop answers uploads and commits under way, ends tails, and lets go of idle connections at once', async (context) => {
  const disk = new FaultDisk(new NodeDisk())
  const server = await startTestServer(context, { parts: { disk } })
  const [uploading, idle, silent, reused] = await Promise.all(
    [1, 2, 3, 4].map(async () => await Connection.open(server)),
  )
  assert.ok(uploading && idle && silent && reused)
  for (const connection of [idle, reused]) connection.begin(server, 7, '{"a":1}')
  await eventually(() => idle.answered.includes('200 OK') && reused.answered.includes('200 OK'))
  const tail = await server.ask('/v1/ledgers/main/tail?from=0')
  const gate = Promise.withResolvers<void>()
  disk.delay = async (operation, path) => {
    if (operation === 'datasync' && path.includes('/wal/')) await gate.promise
  }
  const committing = Array.from({ length: 5 }, async (_, n) => await server.askJson(EVENTS, { body: `{"c":${n}}` }))
  reused.begin(server, 7, '{"r":1}')
  await eventually(() => server.ledgers.queue.pendingBytes > 0)
  uploading.begin(server, 1_000_000, `"${'u'.repeat(500_000)}`)
  await eventually(async () => Number(/held_bytes (\d+)/.exec(await metricsText(server))?.[1]) > 400_000)
  const closing = server.close()
  await eventually(() => idle.isClosed && silent.isClosed)
  await assert.rejects(server.ask('/healthz'), 'nothing new is taken')
  await tail.text()
  uploading.socket.write(`${'u'.repeat(499_998)}"`)
  // A next request on a connection that is still served.
  reused.begin(server, 7, '{"r":2}')
  await new Promise((resolve) => setTimeout(resolve, 300))
  gate.resolve()
  for (const { count } of await Promise.all(committing)) assert.equal(count, 1)
  await closing
  assert.match(uploading.answered, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*connection: close\r\n/i)
  const answers = reused.answered.split('HTTP/1.1 ').slice(1)
  assert.deepEqual(
    answers.slice(0, 2).map((answer) => answer.slice(0, 3)),
    ['200', '200'],
  )
  assert.ok(answers.length === 2 || answers[2]?.startsWith('503'), 'what came behind the stop was not stored')
  const again = await startTestServer(context, { directory: server.directory })
  const stored = (await eventsOf(again, 'main')).map((event) =>
    typeof event === 'string' ? 'u' : Object.keys(event)[0],
  )
  assert.deepEqual(stored.map(String).toSorted(), ['a', 'a', 'c', 'c', 'c', 'c', 'c', 'r', 'u'])
})

async function metricsText(server: TestServer): Promise<string> {
  return await (await server.ask('/metrics')).text()
}

test('a sender that never finishes, and a reader that takes nothing, hold up a stop no longer than is said', async (context) => {
  const server = await startTestServer(context, { config: { timeouts: { stopSlowMs: 400 } } })
  await server.askJson(EVENTS, { body: Buffer.alloc(15 * 1024 * 1024, 'x'), type: 'text/plain' })
  const [body, headers, reader] = await Promise.all([1, 2, 3].map(async () => await Connection.open(server)))
  assert.ok(body && headers && reader)
  body.begin(server, 1_000, '{"slow":')
  headers.socket.write('GET / HT')
  reader.socket.pause()
  reader.socket.write(`GET ${EVENTS}/0/event HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken}\r\n\r\n`)
  await eventually(async () => Number(/answers_held_bytes (\d+)/.exec(await metricsText(server))?.[1]) > 0)
  const startedMs = performance.now()
  await server.close()
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs > 350 && tookMs < 5_000, `${tookMs} ms`)
  await eventually(() => body.isClosed && headers.isClosed)
  assert.equal(body.answered, '')
})

test('headers that trickle in, a body a byte at a time, and a connection on which nothing moves are closed', async (context) => {
  const timeouts = { headersMs: 300, requestMs: 900, idleMs: 1_500, checkedEveryMs: 50 }
  const server = await startTestServer(context, { config: { timeouts } })
  const [headers, body, idle] = await Promise.all([1, 2, 3].map(async () => await Connection.open(server)))
  assert.ok(headers && body && idle)
  headers.socket.write('GET /healthz HTTP/1.1\r\n')
  body.begin(server, 1_000, '')
  const startedMs = performance.now()
  const trickle = setInterval(() => {
    if (!headers.isClosed) headers.socket.write('X-A: b\r\n')
    if (!body.isClosed) body.socket.write(' ')
  }, 50)
  context.after(() => clearInterval(trickle))
  await eventually(() => headers.isClosed)
  assert.ok(performance.now() - startedMs < 900, 'headers')
  // Others are served meanwhile.
  await server.askJson(EVENTS, { body: '{}' })
  await eventually(() => body.isClosed && idle.isClosed)
  assert.ok(performance.now() - startedMs > 850, 'a whole request has longer')
  assert.match(headers.answered, /^HTTP\/1\.1 400 .*took too long/s)
  assert.equal(server.ledgers.log('main').size, 1)
})

test('P1: SIGTERM in the middle of appends from many connections: all that was acknowledged is there after the next start', async (context) => {
  const directory = scratch(context)
  const program = join(import.meta.dirname, '../src/main.ts')
  const serve = [program, 'serve', '--no-index', '--listen', '127.0.0.1:0', '--data', join(directory, 'data')]
  const env = { PATH: process.env['PATH'], XDG_STATE_HOME: join(directory, 'state') }
  const child = spawn(process.execPath, serve, { cwd: directory, env })
  context.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await eventually(() => /listening on \S+/.test(said))
  const url = /listening on (\S+)/.exec(said)![1]!
  const token = (await new NodeDisk().readFile(join(directory, 'data/admin.token')))!.toString().trim()
  const acknowledged: string[] = []
  const refusals = new Set<number>()
  let isOver = false
  const senders = Array.from({ length: 16 }, async (_, sender) => {
    for (let number = 0; !isOver; number++) {
      const event = `{"e":"${sender}-${number}"}`
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      try {
        const response = await fetch(url + EVENTS, { method: 'POST', headers, body: event })
        await response.text()
        if (response.status === 200) acknowledged.push(event)
        else refusals.add(response.status)
      } catch {
        isOver = true
      }
    }
  })
  await eventually(() => acknowledged.length > 300)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
  await Promise.all(senders)
  for (const status of refusals) assert.equal(status, 503)
  const again = await startTestServer(context, { directory })
  const stored = (await eventsOf(again, 'main')).map((event) => JSON.stringify(event))
  assert.equal(new Set(stored).size, stored.length)
  const lost = acknowledged.filter((event) => !stored.includes(event))
  assert.deepEqual(lost, [])
})
