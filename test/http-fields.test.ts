// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What can be searched by, with examples: who may see them, and that they were seen.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fieldsSchema } from '../src/http/search-schemas.ts'
import { fields, keywords } from '../src/query/fields.ts'
import { append, eventAt, ground, indexesOf, search } from './search-ground.ts'
import { eventsOf, type Json, problemOf, type TestServer } from './server-fixture.ts'

async function fieldsOf(
  server: TestServer,
  query: Record<string, string> = {},
  token = server.adminToken,
): Promise<Json> {
  const answer = await server.askJson(`/v1/fields?${new URLSearchParams(query).toString()}`, { token })
  fieldsSchema.parse(answer)
  return answer
}

test('fields and the paths of the ledger’s own events are listed with examples that find those events', async (context) => {
  const { server } = await ground(context)
  const custom = { actor: 'bob', 'odd name': { 'a:b': 'x "y"' }, client: { tookMs: 512 } }
  await append(server, [eventAt(1), eventAt(2), eventAt(3, custom)])
  const answer = await fieldsOf(server, { ledger: 'main' })
  assert.deepEqual(
    answer.fields.map(({ name, example }: Json) => [name, example]),
    [...fields, ...keywords].map(({ name, example }) => [name, example]),
  )
  const actor = answer.fields.find(({ name }: Json) => name === 'actor')
  assert.deepEqual(actor.values, [
    { value: 'alice', count: 2 },
    { value: 'bob', count: 1 },
  ])
  assert.ok(actor.paths.includes('actor.user.name'))
  assert.deepEqual([answer.indexed, answer.size, answer.more], [3, 3, undefined])
  const paths = new Map<string, Json>(answer.paths.map((one: Json) => [one.path, one]))
  assert.deepEqual(paths.get('raw."odd name.a:b"'), {
    path: 'raw."odd name.a:b"',
    kind: 'source',
    count: 1,
    example: 'x "y"',
  })
  assert.equal(paths.get('class_uid').kind, 'ocsf')
  assert.deepEqual(
    answer.paths.map(({ count }: Json) => count),
    answer.paths.map(({ count }: Json) => count).toSorted((one: number, other: number) => other - one),
  )
  // What is shown can be searched for.
  for (const { path, example, count } of answer.paths) {
    const q = `${path}:"${example.replaceAll(/["\\*]/g, '\\$&')}"`
    assert.ok((await search(server, { q })).hits.length >= 1, q)
    assert.equal((await search(server, { q: `${path}:*` })).hits.length, count, path)
  }
  assert.deepEqual(indexesOf(await search(server, { q: 'raw.client.tookMs:500..600' })), [2])
  const some = await fieldsOf(server, { ledger: 'main', begin: 'RAW.', limit: '2' })
  assert.deepEqual([some.fields, some.paths.length, some.more], [[], 2, true])
  assert.deepEqual((await fieldsOf(server, { begin: 'raw.client' })).paths, [paths.get('raw.client.tookms')])
})

test('examples are shown to whoever may read the ledger alone, and that they were is recorded first', async (context) => {
  const { server } = await ground(context)
  await server.createLedger('other')
  await append(server, [eventAt(1, { secret: 'of other' })], 'other')
  await append(server, [eventAt(1)])
  const token = await server.token(['read'], { ledgers: ['main'] })
  const bodies = []
  for (const ledger of ['other', 'missing', 'system']) {
    const response = await server.ask(`/v1/fields?ledger=${ledger}`, { token })
    bodies.push((await problemOf(response, 403, 'scope-missing')).detail)
  }
  assert.equal(new Set(bodies).size, 1, 'nobody learns what ledgers there are')
  await problemOf(await server.ask('/v1/fields?ledger=missing'), 404, 'ledger-unknown')
  await problemOf(await server.ask('/v1/fields?ledger=heads'), 403, 'ledger-reserved')
  await problemOf(await server.ask('/v1/fields', { token: undefined }), 401, 'unauthenticated')
  const everywhere = await fieldsOf(server, {}, token)
  assert.deepEqual(Object.keys(everywhere.ledgers), ['main'])
  assert.ok(!JSON.stringify(everywhere).includes('of other'))
  assert.ok(JSON.stringify(await fieldsOf(server)).includes('of other'))
  await fieldsOf(server, { ledger: 'main', begin: 'raw.actor' })
  const record = (await eventsOf(server, 'access')).at(-1)
  const { action, ledger, fields: asked, ledgers } = record
  assert.deepEqual(
    { action, ledger, fields: asked, ledgers },
    {
      action: 'fields.read',
      ledger: 'main',
      fields: ['raw.actor'],
      ledgers: [
        { ledger: 'main', size: 1 },
        { ledger: 'main', indexes: [0] },
      ],
    },
  )
})

test('an index that lies shows no event that was not asked for, and none that is not there', async (context) => {
  const { server, index } = await ground(context)
  await server.createLedger('other')
  await append(server, [eventAt(1, { secret: 'of other' })], 'other')
  await append(server, [eventAt(1)])
  for (const place of [
    { ledger: 'other', index: 0 },
    { ledger: 'main', index: 7 },
    { ledger: '__proto__', index: 0 },
  ]) {
    index.shape = (shapes) => shapes.map((shape) => ({ ...shape, paths: [...shape.paths, 'raw.secret'], ...place }))
    const { paths } = await fieldsOf(server, { ledger: 'main' })
    assert.ok(paths.every(({ example }: Json) => example === undefined))
  }
})
