// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Repeated events and requests, as clients see them.

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'

import { verifyReceipt } from '@stele/proof'
import { SteleClient, SteleError } from '@stele/sdk'

import { appendedSchema } from '../src/http/schemas.ts'
import { audit } from './repeat-ground.ts'
import { type Json, problemOf, startTestServer, type TestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'

suite('repeats', () => {
  let server: TestServer
  const afterwards: (() => Promise<void> | void)[] = []

  before(async () => {
    server = await startTestServer({ after: (hook) => void afterwards.push(hook as () => Promise<void>) })
  })
  after(async () => {
    for (const hook of afterwards) await hook()
  })

  const size = () => server.ledgers.log('main').size
  const post = async (body: string, rest: object = {}, query = ''): Promise<Json> =>
    appendedSchema.parse(await server.askJson(EVENTS + query, { body, ...rest }))

  test('a repeated event has its first index and its receipt, and new bytes of the same id have an entry that names it', async () => {
    const first = await post(`[${audit('a')},${audit('b')}]`)
    const answer = await post(`[${audit('b')},${audit('c')},${audit('a', 'changed')}]`, {}, '?receipts=true')
    const from = first.first
    assert.deepEqual(
      [answer.first, answer.count, answer.duplicates, answer.indexes],
      [from + 1, 2, 1, [from + 1, from + 2, from + 3]],
    )
    assert.equal(answer.size, from + 4)
    const sent = [audit('b'), audit('c'), audit('a', 'changed')]
    for (const [position, receipt] of answer.receipts.entries()) {
      const vkey = server.ledgers.vkey('main')
      const { verdict } = await verifyReceipt(Buffer.from(sent[position]!), Buffer.from(receipt), { vkey })
      assert.equal(verdict, 'valid')
    }
    const { entry } = await server.askJson(`${EVENTS}/${from + 3}`)
    assert.deepEqual(JSON.parse(entry).ext, { prior: from })
  })

  test('receipts of what another token appended are for who may read: others learn of a repeat, and no salt', async () => {
    const [blind, reader] = [await server.token(['append']), await server.token(['append', 'read'])]
    await post(`[${audit('guessed')}]`)
    const sent = `[${audit('guessed')},${audit(`own ${Math.random()}`)}]`
    const answer = await post(sent, { token: blind }, '?receipts=true')
    assert.equal(answer.duplicates, 1)
    assert.equal(answer.receipts[0], '')
    assert.match(answer.receipts[1], /^c2sp\.org\/tlog-proof/)
    const own = await post(sent, { token: blind }, '?receipts=true')
    assert.deepEqual([own.duplicates, own.receipts[0], own.receipts[1] === ''], [2, '', false])
    const read = await post(sent, { token: reader }, '?receipts=true')
    assert.ok(read.receipts.every((receipt: string) => receipt !== ''))
    const client = new SteleClient({ url: server.url, token: blind })
    const events = [audit('guessed'), audit('other')].map((event) => Buffer.from(event))
    const options = { media: 'application/x-ndjson', receipts: true, events } as const
    assert.equal((await client.append('main', Buffer.from(events.join('\n')), options)).receipts?.[0], '')
  })

  test('a key answers the same bytes as the first time, however they are encoded, with a head of now', async () => {
    const headers = { 'idempotency-key': 'one key' }
    const first = await post('{"a":1}', { headers })
    await post('{"a":2}')
    const again = await post('{"a":1}', { headers })
    const packed = await post('', {
      body: gzipSync('{"a":1}'),
      headers: { ...headers, 'content-encoding': 'gzip' },
    })
    for (const answer of [again, packed]) {
      assert.deepEqual([answer.first, answer.count, answer.size], [first.first, 1, first.size + 1])
      assert.ok(answer.checkpoint.includes(`\n${answer.size}\n${answer.root}\n`))
    }
    const receipts = (await post('{"a":1}', { headers }, '?receipts=true')).receipts
    assert.equal(receipts.length, 1)
    assert.equal(size(), first.size + 1)
  })

  test('another body, source or media type under a key is refused; another token has keys of its own', async () => {
    const headers = { 'idempotency-key': 'k' }
    await post('{"a":1}', { headers })
    const before = size()
    await problemOf(await server.ask(EVENTS, { body: '{"a": 1}', headers }), 422, 'idempotency-mismatch')
    await problemOf(
      await server.ask(`${EVENTS}?source=generic`, { body: '{"a":1}', headers }),
      422,
      'idempotency-mismatch',
    )
    await problemOf(
      await server.ask(EVENTS, { body: '{"a":1}', type: 'text/plain', headers }),
      422,
      'idempotency-mismatch',
    )
    assert.equal(size(), before)
    const token = await server.token(['append'])
    assert.equal((await post('{"a":1}', { headers, token })).first, before)
  })

  test('what is refused under a key can be sent under it again, mended', async () => {
    const headers = { 'idempotency-key': 'mended' }
    await problemOf(await server.ask(EVENTS, { body: '{"a":1', headers }), 400, 'malformed-json')
    assert.equal((await post('{"a":1}', { headers })).count, 1)
    const empty = { 'idempotency-key': 'empty' }
    assert.equal((await post('[]', { headers: empty })).count, 0)
    assert.equal((await post('[]', { headers: empty })).count, 0)
    await problemOf(await server.ask(EVENTS, { body: '[1]', headers: empty }), 422, 'idempotency-mismatch')
  })

  test('many requests with one key at once store once', async () => {
    const before = size()
    const headers = { 'idempotency-key': 'crowd' }
    const body = JSON.stringify(Array.from({ length: 500 }, (_, number) => ({ number })))
    const answers = await Promise.all(Array.from({ length: 40 }, async () => await post(body, { headers })))
    assert.ok(answers.every(({ first, count }) => first === before && count === 500))
    assert.equal(size(), before + 500)
  })

  test('a token that is bound to a source cannot make another source’s event disappear', async () => {
    const token = await server.token(['append'], { sources: ['entra.audit/a'] })
    const event = audit('contested')
    await post(event, { token }, '?source=entra.audit/a')
    assert.equal((await post(event, {}, '?source=entra.audit/b')).count, 1)
    assert.equal((await post(event)).count, 1)
    await problemOf(await server.ask(`${EVENTS}?source=entra.audit/b`, { body: event, token }), 403, 'source-forbidden')
    await problemOf(
      await server.ask(EVENTS, { body: event, token, headers: { 'idempotency-key': 'x' } }),
      403,
      'source-forbidden',
    )
  })

  test('the client makes a keyed append again after a lost answer, and no other', async () => {
    const before = size()
    let posts = 0
    const lost: typeof fetch = async (url, init) => {
      const response = await fetch(url, init)
      if (++posts % 2 === 1) {
        await response.arrayBuffer()
        throw new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) })
      }
      return response
    }
    const client = new SteleClient({ url: server.url, token: server.adminToken, fetch: lost })
    const media = 'application/json'
    const { first, count } = await client.append('main', '{"a":1}', { media, idempotencyKey: 'sdk' })
    assert.deepEqual([first, count, posts], [before, 1, 2])
    await assert.rejects(
      client.append('main', '{"a":1}', { media }),
      (error: unknown) => error instanceof SteleError && error.outcomeUnknown,
    )
    assert.deepEqual([posts, size()], [3, before + 2])
    posts = 1
    const mixed = await client.append('main', `[${audit('sdk')},${audit('sdk')}]`, { media, receipts: true })
    assert.deepEqual([mixed.count, mixed.duplicates, mixed.indexes], [1, 1, [before + 2, before + 2]])
  })
})
