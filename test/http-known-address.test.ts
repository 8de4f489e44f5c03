// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from './server-fixture.ts'

const EVENTS = '/v1/ledgers/main/events'

/** What of an answer must not depend on who found its route; the body is compared where it tells no position. */
async function told(answer: Response): Promise<unknown> {
  const headers = [...answer.headers].filter(([name]) => !['date', 'content-length'].includes(name))
  const body = await answer.text()
  const { first: _first, size: _size, root: _root, checkpoint: _checkpoint, ...rest } = JSON.parse(body)
  assert.equal(answer.headers.get('content-length'), String(Buffer.byteLength(body)))
  return { status: answer.status, headers, rest }
}

test('an address that came before is answered as the first time: accepted, refused, unauthenticated', async (t) => {
  const server = await startTestServer(t)
  const asked = [
    { body: '{"a":1}' },
    { body: '{"a":' },
    { body: '{"é":' },
    { body: '{"a":1}', type: 'image/png' },
    { body: '{"a":1}', token: 'stele_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' },
  ]
  // Another instance of the source is another address, which nobody has asked for before.
  const fresh = async (ask: object, number: number) =>
    await told(await server.ask(`${EVENTS}?source=generic/${number}`, ask))
  const known = async (ask: object) => await told(await server.ask(`${EVENTS}?source=generic`, ask))
  await known({ body: '{"a":1}' })
  for (const [number, ask] of asked.entries()) assert.deepEqual(await known(ask), await fresh(ask, number))
})

test('an address that came before admits nobody: rights are looked at each time', async (t) => {
  const server = await startTestServer(t)
  const mint = async (scopes: string[]) =>
    (await server.askJson('/v1/tokens', { body: JSON.stringify({ scopes, ledgers: ['main'] }) })) as {
      id: string
      token: string
    }
  const appends = await mint(['append'])
  const reads = await mint(['read'])
  const status = async (token: string) => (await server.ask(EVENTS, { body: '{"a":1}', token })).status
  assert.deepEqual([await status(appends.token), await status(appends.token)], [200, 200])
  assert.equal(await status(reads.token), 403)
  assert.equal((await server.ask(`/v1/tokens/${appends.id}`, { method: 'DELETE' })).status, 200)
  assert.equal(await status(appends.token), 401)
})
