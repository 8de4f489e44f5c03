// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What others do does not make small appends wait: their 99th percentile grows by no more than five times.

import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BEARABLE, ground, slowdown } from '../fairness-ground.ts'

const LINE = `${JSON.stringify({ text: 'y'.repeat(1_050) })}\n`

test('one sender of huge batches leaves the others their p99, within five times', async (context) => {
  const here = await ground(context)
  const huge = Buffer.from(LINE.repeat(20_000))
  const times = await slowdown(here, async () =>
    assert.equal(await here.send('main', huge, 'application/x-ndjson'), 200),
  )
  assert.ok(times <= BEARABLE, `${times} times`)
})

test('two hundred senders of a byte now and then leave the others their p99, within five times', async (context) => {
  const here = await ground(context)
  const { hostname, port } = new URL(here.url)
  const sockets: Socket[] = []
  context.after(() => sockets.forEach((socket) => socket.destroy()))
  for (let number = 0; number < 200; number++) {
    const socket = connect(Number(port), hostname).on('error', () => {})
    socket.write(`POST /v1/ledgers/main/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${here.token}\r\n`)
    socket.write('Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n')
    sockets.push(socket)
  }
  const times = await slowdown(here, async () => {
    for (const socket of sockets) socket.write(' ')
    await sleep(200)
  })
  assert.ok(times <= BEARABLE, `${times} times`)
})

test('canary: a server that stands still again and again is found out', async (context) => {
  const here = await ground(context)
  const stillMs = Math.min(Math.max(200, 12 * (await here.p99(1_500))), 4_000)
  const times = await slowdown(here, async () => {
    process.kill(here.pid, 'SIGSTOP')
    await sleep(stillMs)
    process.kill(here.pid, 'SIGCONT')
    await sleep(50)
  })
  assert.ok(times > BEARABLE, `${times} times`)
})
