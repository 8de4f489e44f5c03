// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `stele fields` against a server whose index is in memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { stele, steleOk, variablesFor } from './cli-fixture.ts'
import { append, eventAt, ground } from './search-ground.ts'

test('fields lists what can be searched by, as tables and as JSON, with nothing in it that a terminal would obey', async (context) => {
  const { server } = await ground(context)
  await append(server, [eventAt(1, { 'odd\u001b[31m key': 'red\u001b[31m' }), eventAt(2, { tookMs: 5 })])
  const world = { variables: variablesFor(server) }
  const { out } = await stele(world, 'fields')
  assert.match(out, /^FIELD +IS +EXAMPLES\nactor +who did it, or who signed in +actor:alice\n/)
  assert.match(out, /\nexists +has a value .* exists:session\n\nPATH +EVENTS +EXAMPLE\n/)
  assert.match(out, /\nraw\.tookms +1 +5\n/)
  assert.ok(!out.includes('\u001b'))
  const some = await stele(world, 'fields', 'raw.took')
  assert.equal(some.out, 'PATH        EVENTS  EXAMPLE\nraw.tookms  1       5\n')
  const json = JSON.parse(await steleOk(world, 'fields', 'raw.took', '--json'))
  assert.deepEqual(json.paths, [{ path: 'raw.tookms', kind: 'source', count: 1, example: '5' }])
  const one = await stele(world, 'fields', 'raw.', '--limit', '1')
  assert.match(one.out, /There are more paths: a PREFIX, or --limit, shows them\.\n$/)
  assert.match((await stele(world, 'fields', 'nothing')).out, /^Nothing can be searched by what begins so/)
  for (const wrong of [
    ['--limit', '0'],
    ['--limit', '1001'],
    ['a', 'b'],
    ['--ledger', 'missing'],
  ]) {
    assert.equal((await stele(world, 'fields', ...wrong)).code, 2, wrong.join(' '))
  }
})

test('in a terminal of 80 columns fields are wrapped and none is cut, and a pipe has whole lines', async (context) => {
  const { server } = await ground(context)
  const actor = `${'long words '.repeat(12)}end`
  await append(server, [eventAt(1, { actor })])
  const world = { variables: variablesFor(server) }
  const piped = (await stele(world, 'fields')).out
  assert.ok(
    piped.split('\n').some((line) => line.startsWith('actor ') && line.endsWith(`actor:"${actor}"`)),
    piped,
  )
  const { out } = await stele({ ...world, isTerminal: true, columns: 80 }, 'fields')
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  assert.ok(out.replaceAll(/\s+/g, ' ').includes(`actor:"${actor}"`), out)
})
