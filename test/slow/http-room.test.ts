// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a crowd of readers costs: measured in a process of its own, whose memory is that of the server.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { ListedIndex } from '../listed-index.ts'
import { eventually, startTestServer } from '../server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'
const MEBIBYTE = 1024 * 1024

test('a crowd that reads large events is bounded before anything is read, whatever way it reads them', async (context) => {
  const server = await startTestServer(context)
  ListedIndex.of(server)
  const body = Buffer.alloc(16 * MEBIBYTE, 'x')
  for (let count = 0; count < 4; count++) await server.askJson(EVENTS, { body, type: 'text/plain' })
  await server.askJson(`${EVENTS}?limit=1`)
  const { hostname, port } = new URL(server.url)
  const held = async () =>
    Number(/^stele_answers_held_bytes (\d+)$/m.exec(await (await server.ask('/metrics')).text())?.[1])
  for (const path of [`${EVENTS}/0/event`, `${EVENTS}/0`, EVENTS, '/v1/ledgers/main/tail?from=0']) {
    const before = process.memoryUsage().rss
    let highestBytes = before
    const watch = setInterval(() => (highestBytes = Math.max(highestBytes, process.memoryUsage().rss)), 5)
    const sockets: Socket[] = []
    let refusedCount = 0
    for (let number = 0; number < 80; number++) {
      const socket = connect(Number(port), hostname)
      socket
        .on('error', () => {})
        .once('data', (chunk: Buffer) => {
          if (chunk.includes(' 503 ') || chunk.includes(' 429 ')) refusedCount++
          socket.pause()
        })
      await once(socket, 'connect')
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken}\r\n\r\n`)
      sockets.push(socket)
    }
    await sleep(2_000)
    assert.ok((await held()) <= 256 * MEBIBYTE)
    clearInterval(watch)
    for (const socket of sockets) socket.destroy()
    await eventually(async () => (await held()) === 0)
    assert.ok(refusedCount > 0, path)
    const grownBytes = highestBytes - before
    // Without room taken first it would be 80 events of 16 MiB, each several times. When the collector comes is its own.
    assert.ok(grownBytes < 1_000 * MEBIBYTE, `${path}: ${grownBytes} bytes`)
  }
})
