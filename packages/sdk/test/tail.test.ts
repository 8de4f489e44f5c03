// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Following a ledger: every event once and in order, through interruptions, whatever the stream is cut into.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { startTestServer } from '../../../test/server-fixture.ts'
import { type RecordedEvent, type Sleep, SteleClient, SteleError } from '../src/index.ts'
import { type ServerSentEvent, serverSentEvents } from '../src/sse.ts'

async function* chunked(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    yield bytes.subarray(at, at + sizes[turn % sizes.length]!)
    at += sizes[turn % sizes.length]!
  }
}

async function taken(events: AsyncIterable<RecordedEvent>, count: number): Promise<string[]> {
  const texts: string[] = []
  for await (const { index, text } of events) {
    texts.push(`${index} ${text}`)
    if (texts.length === count) break
  }
  return texts
}

/** Waits between tries take no time; the watchdog's wait ends with its call. */
function hurrying(onWait: () => void): Sleep {
  return async (ms, signal) => {
    if (ms < 60_000) return onWait()
    await new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  }
}

test('a stream of server-sent events is read alike whatever chunks it comes in', async () => {
  const field = fc.stringMatching(/^[^\r\n\0]*$/u)
  const event = fc.record({
    id: fc.option(fc.nat().map(String), { nil: undefined }),
    data: fc.array(field, { minLength: 1, maxLength: 3 }),
    comment: field,
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      async (events, end, sizes) => {
        const text = events
          .map(({ id, data, comment }) =>
            [
              `:${comment}`,
              'retry: 1000',
              ...(id === undefined ? [] : [`id: ${id}`]),
              ...data.map((line) => `data: ${line}`),
              '',
              '',
            ].join(end),
          )
          .join('')
        const found = await Array.fromAsync(
          serverSentEvents(chunked(Buffer.from(`: begins${end}${end}${text}data: cut off`), sizes)),
        )
        const expected: ServerSentEvent[] = events.map(({ id, data }) => ({
          id,
          type: 'message',
          data: data.join('\n'),
        }))
        assert.deepEqual(found, expected)
      },
    ),
    { seed: 7, numRuns: 300 },
  )
})

test('fields are read as the standard has them', async () => {
  const stream = Buffer.from('data:x\ndata:  y\ndata\nevent: odd\nunknown: z\n\nid\n\ndata:\n\n')
  assert.deepEqual(await Array.fromAsync(serverSentEvents(chunked(stream, [stream.length]))), [
    { id: undefined, type: 'odd', data: 'x\n y\n' },
    { id: undefined, type: 'message', data: '' },
  ])
  await assert.rejects(Array.fromAsync(serverSentEvents(chunked(Buffer.of(0x64, 0xff, 0x0a), [3]))), SteleError)
})

test('a tail gives the events that are there and those that come, from where it is told or from now on', async (context) => {
  const server = await startTestServer(context)
  const client = new SteleClient({ url: server.url, token: server.adminToken })
  const append = (body: string) => client.append('main', body, { media: 'application/json' })
  await append('["a","b","c"]')
  assert.deepEqual(await taken(client.tail('main', { from: 1 }), 2), ['1 "b"', '2 "c"'])
  const fromNow = taken(client.tail('main'), 2)
  const fromStart = taken(client.tail('main', { from: 0 }), 5)
  await new Promise((resolve) => setTimeout(resolve, 200))
  await append('["d","e"]')
  assert.deepEqual(await fromNow, ['3 "d"', '4 "e"'])
  assert.deepEqual(await fromStart, ['0 "a"', '1 "b"', '2 "c"', '3 "d"', '4 "e"'])
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 50)
  assert.deepEqual(await taken(client.tail('main', { from: 5, signal: stop.signal }), 1), [])
  await assert.rejects(
    taken(client.tail('main', { from: 99 }), 1),
    (error: SteleError) => error.code === 'index-unknown',
  )
  await assert.rejects(
    taken(client.tail('nope', { from: 0 }), 1),
    (error: SteleError) => error.code === 'ledger-unknown',
  )
})

test('a tail that is interrupted goes on with the next event, and says what interrupted it', async (context) => {
  const server = await startTestServer(context)
  const asked: (string | null)[] = []
  const interruptions: string[] = []
  const client = new SteleClient({
    url: server.url,
    token: server.adminToken,
    sleep: hurrying(() => {}),
    fetch: async (url, init) => {
      if (!url.includes('/tail')) return await fetch(url, init)
      asked.push(new Headers(init.headers).get('last-event-id'))
      if (asked.length === 3)
        throw new TypeError('fetch failed', {
          cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED', syscall: 'connect' }),
        })
      if (asked.length === 4) return new Response('', { status: 503 })
      const response = await fetch(url, init)
      // Each connection breaks in the middle of an event, after one or two whole ones.
      const reader = response.body!.getReader()
      let text = ''
      while (text.split('\n\n').length < 4) text += new TextDecoder().decode((await reader.read()).value)
      await reader.cancel()
      const parts = text.split('\n\n')
      const kept = `${parts.slice(0, 1 + (asked.length % 2) + 1).join('\n\n')}\n\n${parts.at(-2)!.slice(0, 30)}`
      return new Response(kept, { headers: { 'content-type': 'text/event-stream' } })
    },
  })
  await client.append('main', JSON.stringify(Array.from({ length: 12 }, (_, n) => n)), { media: 'application/json' })
  const tail = client.tail('main', {
    from: 0,
    onInterruption: ({ message }, waitMs) => interruptions.push(`${message} ${waitMs}`),
  })
  assert.deepEqual(await taken(tail, 7), ['0 0', '1 1', '2 2', '3 3', '4 4', '5 5', '6 6'])
  assert.deepEqual(asked, [null, '1', '2', '2', '2', '4', '5'].slice(0, asked.length))
  assert.deepEqual(interruptions.slice(0, 4), [
    'the server ended the stream 250',
    'the server ended the stream 250',
    'connection refused 500',
    'HTTP status 503 1000',
  ])
})

test('a server that leaves an event out of the stream, repeats one or changes one is found out', async (context) => {
  const server = await startTestServer(context)
  await server.askJson('/v1/ledgers/main/events', { body: '["a","b","c"]' })
  const response = await server.ask('/v1/ledgers/main/tail?from=0')
  const reader = response.body!.getReader()
  let text = ''
  while (text.split('\n\n').length < 5) text += new TextDecoder().decode((await reader.read()).value)
  await reader.cancel()
  const [head = '', a = '', b = '', c = ''] = text.split('\n\n')
  const lies: readonly (readonly string[])[] = [
    [a, c],
    [a, a],
    [b],
    [a, b.replace('id: 1', 'id: 2')],
    [a, b.replace('"index":1', '"index":2')],
    [a, b.replace('\\"b\\"', '\\"B\\"')],
    [a, 'data: {'],
    [a, 'id: 1\ndata: {'],
    [a.replace(/^id: 0\n/, '')],
  ]
  for (const events of [[a, b, c], ...lies]) {
    const stream = () =>
      new Response([head, ...events, '', ''].join('\n\n'), { headers: { 'content-type': 'text/event-stream' } })
    const client = new SteleClient({ url: 'http://x', fetch: async () => stream() })
    const found = taken(client.tail('main', { from: 0 }), events.length)
    if (events === lies[0] || lies.includes(events)) {
      await assert.rejects(found, (error: SteleError) => error.failure === 'untrustworthy', events.join())
    } else {
      assert.equal((await found).length, 3)
    }
  }
})

test('a tail whose first connection fails says so instead of waiting for ever', async () => {
  const refused = () =>
    Promise.reject(
      new TypeError('fetch failed', {
        cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED', syscall: 'connect' }),
      }),
    )
  let waits = 0
  const client = new SteleClient({
    url: 'http://x',
    fetch: refused,
    sleep: hurrying(() => waits++),
  })
  await assert.rejects(
    taken(client.tail('main', { from: 0 }), 1),
    (error: SteleError) => error.failure === 'unreachable',
  )
  assert.equal(waits, 2)
})
