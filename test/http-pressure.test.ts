// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A disk that does not keep up: what waits for it is bounded, the rest is told when to come back, and nothing is lost.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeDisk } from '../src/platform/disk.ts'
import { LargeAppends } from '../src/http/large-appends.ts'
import { FaultDisk } from './fault-disk.ts'
import { TurnedClock } from './scratch.ts'
import { eventually, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'
const PENDING_BYTES = 256 * 1024 * 1024
/** Small on the wire, a hundred times as large on the disk. */
const DENSE_COUNT = 30_000
const DENSE = `[${Array.from({ length: DENSE_COUNT }, () => '1').join(',')}]`

interface Gate {
  readonly disk: FaultDisk
  /** From now on nothing of the WAL becomes durable. */
  readonly shut: () => void
  readonly open: () => void
}

function gatedDisk(): Gate {
  const disk = new FaultDisk(new NodeDisk())
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  disk.delay = async (operation, path) => {
    if (operation === 'datasync' && path.includes('/wal/')) await gate.promise
  }
  return { disk, shut: () => (gate = Promise.withResolvers()), open: () => gate.resolve() }
}

async function send(server: TestServer, body: string): Promise<{ status: number; retryAfter: number; text: string }> {
  const response = await server.ask(EVENTS, { body })
  const retryAfter = Number(response.headers.get('retry-after'))
  return { status: response.status, retryAfter, text: await response.text() }
}

test('P1: a disk that hangs holds up a bounded number of bytes; the rest is told to come back, and nothing is lost', async (context) => {
  const { disk, shut, open } = gatedDisk()
  context.after(open)
  const server = await startTestServer(context, { parts: { disk } })
  shut()
  const answers: { status: number; retryAfter: number; text: string }[] = []
  const sending = Array.from({ length: 45 }, async () => answers.push(await send(server, DENSE)))
  await eventually(() => answers.length > 2, 60_000)
  for (const { status, retryAfter, text } of answers) {
    assert.equal(status, 503, text)
    assert.match(text, /"code":"overloaded"/)
    assert.ok(retryAfter >= 1 && retryAfter <= 60)
  }
  const pending = server.ledgers.queue.pendingBytes
  assert.ok(pending > 0 && pending <= PENDING_BYTES * 1.2, `${pending} bytes`)
  // Refused before the body is taken: the announced length alone is too much.
  const refused = await server.ask(EVENTS, { body: ' '.repeat(60 * 1024 * 1024) })
  assert.equal(refused.status, 503)
  await refused.text()
  // What is stored can be seen meanwhile, and waits for nothing.
  assert.equal((await server.askJson('/v1/ledgers/main')).size, 0)
  open()
  await Promise.all(sending)
  const stored = answers.filter(({ status }) => status === 200).length
  assert.ok(stored > 5 && stored < 43, `${stored}`)
  assert.equal(answers.filter(({ status }) => status === 503).length, 45 - stored)
  assert.equal(server.ledgers.log('main').size, stored * DENSE_COUNT)
  await eventually(() => server.ledgers.queue.pendingBytes === 0)
  assert.equal((await send(server, '{}')).status, 200)
})

test('on a disk that takes 2 s to sync, a read does not queue up behind the events that wait', async (context) => {
  const { disk, shut, open } = gatedDisk()
  context.after(open)
  const server = await startTestServer(context, { parts: { disk } })
  await server.askJson(EVENTS, { body: '{"a":1}' })
  shut()
  const sending = Array.from({ length: 12 }, async () => await send(server, DENSE))
  await eventually(() => server.ledgers.queue.pendingBytes > 60 * 1024 * 1024, 60_000)
  const syncs = () => disk.count('datasync')
  const before = syncs()
  const read = server.askJson(`${EVENTS}/0`)
  disk.delay = async (operation, path) => {
    if (operation === 'datasync' && path.includes('/wal/')) await new Promise((resolve) => setTimeout(resolve, 2_000))
  }
  open()
  assert.equal((await read).event, '{"a":1}')
  assert.ok(syncs() - before <= 3, `${syncs() - before} syncs`)
  disk.delay = async () => {}
  for (const { status } of await Promise.all(sending)) assert.equal(status, 200)
})

test('large appends go one at a time, pause where others append, and no more of them wait than there is room for', async () => {
  const clock = new TurnedClock()
  const slept: number[] = []
  const sleeping = Object.assign(clock, { sleep: async (ms: number) => void slept.push(ms) })
  const large = new LargeAppends(sleeping)
  const MIB = 1024 * 1024
  const gate = Promise.withResolvers<void>()
  let running = 0
  const slow = async () => {
    assert.equal(++running, 1)
    await gate.promise
    clock.pass(100)
    running--
  }
  const stored = [1, 2, 3].map(async () => await large.store(80 * MIB, slow))
  await assert.rejects(large.store(80 * MIB, slow), { code: 'overloaded' })
  assert.throws(() => large.demandRoom(60 * MIB), { code: 'overloaded' })
  await large.store(MIB, async () => {})
  gate.resolve()
  await Promise.all(stored)
  assert.deepEqual(slept, [400], 'the second waits for the others, the third finds none')
  await large.store(250 * MIB, async () => {})
})
