// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { verifyReceipt } from '@stele/proof'
import { appendedSchema, hitSchema } from '../src/http/schemas.ts'
import { type Json, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'

suite('appending', () => {
  let server: TestServer
  const afterwards: (() => Promise<void> | void)[] = []

  before(async () => {
    server = await startTestServer({ after: (hook) => void afterwards.push(hook as () => Promise<void>) })
  })
  after(async () => {
    for (const hook of afterwards) await hook()
  })

  const bytesAt = async (index: number) =>
    Buffer.from(await (await server.ask(`${EVENTS}/${index}/event`)).arrayBuffer())

  test('every shape of body is cut into its events, and each comes back byte for byte', async () => {
    const audit = (id: string) =>
      `{"id":"${id}","category":"Policy","activityDisplayName":"Delete policy","activityDateTime":"2026-01-02T03:04:05Z",` +
      '"loggedByService":"Core Directory","initiatedBy":{"user":null},"targetResources":[ ]}'
    const shapes: { body: string | Buffer; type?: string; query?: string; events: (string | Buffer)[] }[] = [
      { body: ' {"a" : 1.0} \n', events: ['{"a" : 1.0}'] },
      { body: '[{"a":1}, {"b":"\\u0041é"} ]', events: ['{"a":1}', '{"b":"\\u0041é"}'] },
      {
        body: '{"a":1}\n\n{"b":2}\r\n{"c":3}',
        type: 'application/x-ndjson',
        events: ['{"a":1}', '{"b":2}', '{"c":3}'],
      },
      { body: `{"@odata.context":"x","value":[${audit('1')},${audit('2')}]}`, events: [audit('1'), audit('2')] },
      { body: 'Jan  2 host sshd: é\n', type: 'text/plain; charset=UTF-8', events: ['Jan  2 host sshd: é\n'] },
      { body: Buffer.of(0, 255, 10, 128), type: 'application/octet-stream', events: [Buffer.of(0, 255, 10, 128)] },
      {
        body: '{"dup":1,"dup":1e400,"at":"32 Foo"}',
        query: '?source=generic',
        events: ['{"dup":1,"dup":1e400,"at":"32 Foo"}'],
      },
    ]
    for (const { body, type = 'application/json', query = '', events } of shapes) {
      const { size } = server.ledgers.log('main')
      const answer = appendedSchema.parse(await server.askJson(EVENTS + query, { body, type }))
      assert.deepEqual([answer.first, answer.count, answer.size], [size, events.length, size + events.length])
      for (const [position, event] of events.entries()) {
        assert.deepEqual(await bytesAt(size + position), Buffer.from(event), String(body))
      }
    }
  })

  test('compressed bodies and bodies of unannounced length are the same events', async () => {
    const event = JSON.stringify({ text: 'x'.repeat(200_000) })
    const chunked = new ReadableStream({
      start(controller) {
        for (let at = 0; at < event.length; at += 10_007) controller.enqueue(Buffer.from(event.slice(at, at + 10_007)))
        controller.close()
      },
    })
    for (const init of [
      { body: gzipSync(event), headers: { 'content-encoding': 'gzip' } },
      { body: zstdCompressSync(event), headers: { 'content-encoding': 'zstd' } },
      { body: event, headers: { 'content-encoding': 'identity' } },
      { body: chunked },
    ]) {
      const { first } = await server.askJson(EVENTS, init)
      assert.equal((await bytesAt(first)).toString(), event)
    }
  })

  test('an empty array is no events and changes nothing', async () => {
    const { size } = server.ledgers.log('main')
    const answer = await server.askJson(EVENTS, { body: ' [ ] ' })
    assert.deepEqual([answer.first, answer.count, answer.size], [size, 0, size])
    assert.equal(server.ledgers.log('main').size, size)
  })

  test('the entry says who, from where, when, and whether the source was named', async () => {
    const token = await server.token(['append'], { sources: ['entra.audit/contoso'] })
    const body = '{"whatever":1}'
    const { first } = await server.askJson(`${EVENTS}?source=entra.audit/contoso/exports`, { body, token })
    const before = new Date().toISOString()
    const hit = hitSchema.parse(await server.askJson(`${EVENTS}/${first}`))
    const entry = JSON.parse(hit.entry)
    assert.equal(hit.source, 'entra.audit/contoso/exports')
    assert.deepEqual(
      [entry.source, entry.by, entry.via, entry.asserted, entry.size],
      [hit.source, token.split('_')[1], '127.0.0.1', undefined, body.length],
    )
    assert.ok(hit.at <= before && entry.at === hit.at)
    const recognised = await server.askJson(EVENTS, { body })
    assert.equal(JSON.parse((await server.askJson(`${EVENTS}/${recognised.first}`)).entry).asserted, false)
  })

  test('what a caller says of its own address is not believed', async () => {
    const headers = { 'x-forwarded-for': '1.2.3.4', forwarded: 'for=1.2.3.4', 'x-real-ip': '1.2.3.4' }
    const { first } = await server.askJson(EVENTS, { body: '{}', headers })
    assert.equal(JSON.parse((await server.askJson(`${EVENTS}/${first}`)).entry).via, '127.0.0.1')
  })

  test('size, root and checkpoint of one answer are of one tree, while others append', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, number) => await server.askJson(EVENTS, { body: `{"number":${number}}` })),
    )
    for (const { first, size, root, checkpoint } of answers) {
      assert.ok(first < size)
      assert.ok(checkpoint.includes(`\n${size}\n${root}\n\n`), checkpoint)
    }
    const indexes = answers.map(({ first }) => first).toSorted((one, other) => one - other)
    assert.equal(new Set(indexes).size, 200)
    assert.equal(indexes.at(-1)! - indexes[0]!, 199)
  })

  test('checkpoint=false leaves the signature out', async () => {
    const answer = await server.askJson(`${EVENTS}?checkpoint=false`, { body: '{}' })
    assert.ok(!('checkpoint' in answer) && typeof answer.root === 'string')
  })

  test('receipts=true answers a receipt for each event, valid under the key of the ledger', async () => {
    const events = Array.from({ length: 300 }, (_, number) => `{"number":${number}}`)
    const options = { body: events.join('\n'), type: 'application/x-ndjson', token: await server.token(['append']) }
    const { receipts, first } = await server.askJson(`${EVENTS}?receipts=true`, options)
    const { vkeys } = await server.askJson('/v1/ledgers/main')
    assert.equal(receipts.length, events.length)
    for (const [position, receipt] of receipts.entries()) {
      const report = await verifyReceipt(Buffer.from(events[position]!), receipt, { vkey: vkeys[0] })
      assert.equal(report.verdict, 'valid')
      assert.equal(report.index, first + position)
      const other = await verifyReceipt(Buffer.from('{"number":-1}'), receipt, { vkey: vkeys[0] })
      assert.equal(other.verdict, 'invalid')
    }
  })

  test('whoever waits for 100 Continue is told when the body is wanted', async () => {
    const wanted = await new Promise<boolean>((resolve, reject) => {
      let isTold = false
      const headers = {
        authorization: `Bearer ${server.adminToken}`,
        'content-type': 'application/json',
        'content-length': 2,
        expect: '100-continue',
      }
      const sent = httpRequest(server.url + EVENTS, { method: 'POST', headers }, (answer) => {
        answer.resume()
        answer.on('end', () => resolve(isTold && answer.statusCode === 200))
      })
      sent.on('continue', () => {
        isTold = true
        sent.end('{}')
      })
      sent.on('error', reject)
      sent.flushHeaders()
    })
    assert.ok(wanted)
  })
})

test('what was accepted is finished before the server stops, and is there after the next start', async (context) => {
  const server = await startTestServer(context)
  const answers = Array.from({ length: 50 }, async (_, number) => {
    const response = await server.ask(EVENTS, { body: `{"number":${number}}` })
    return { status: response.status, body: (await response.json()) as Json }
  })
  await Promise.race(answers)
  await server.close()
  const settled = await Promise.allSettled(answers)
  const acknowledged = settled.flatMap((one) =>
    one.status === 'fulfilled' && one.value.status === 200 ? [one.value.body] : [],
  )
  assert.ok(acknowledged.length > 0)
  const again = await startTestServer(context, { directory: server.directory })
  for (const { first, count } of acknowledged) assert.ok(first + count <= again.ledgers.log('main').size)
})
