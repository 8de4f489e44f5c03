// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A monitor that demands witnesses: it follows the heads that they cosigned, and is alarmed by one that they did not.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Fetch } from '@stele/sdk'

import { stele, type World } from './cli-fixture.ts'
import { HurriedClock } from './monitor-ground.ts'
import { scratch } from './scratch.ts'
import { eventually, type Json, startTestServer } from './server-fixture.ts'
import { addWitness, always, TestWitness } from './witness-ground.ts'

test('under the policy of heads their witnessed head is followed, and one without its witnesses is an alarm', async (context) => {
  const witness = await TestWitness.start(context, 'one')
  const server = await startTestServer(context, { config: { privateWitnesses: true } })
  await addWitness(server, witness)
  const append = async (text: string) =>
    await server.askJson('/v1/ledgers/main/events', { body: JSON.stringify({ text }) })
  const witnessed = async (): Promise<number> => (await server.askJson('/v1/witnesses')).witnessed?.size ?? 0
  await append('one')
  await eventually(async () => (await witnessed()) === server.cosigning.publishedSize)
  const folder = scratch(context)
  await writeFile(join(folder, 'policy'), await (await server.ask('/v1/witnesses/policy')).text())
  const look = async (fetched: Fetch = fetch): Promise<{ code: number; events: Json[] }> => {
    const variables = { XDG_STATE_HOME: folder, STELE_TOKEN: server.adminToken }
    const environment = {
      clock: new HurriedClock(),
      fetch: fetched,
    }
    const world: World = { cwd: folder, variables, environment }
    const { code, out } = await stele(world, 'monitor', server.url, '--policy', 'policy', '--once', '--json')
    return {
      code,
      events: out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    }
  }
  const first = await look()
  assert.equal(first.code, 0, JSON.stringify(first.events))
  const heads = first.events.find(({ ledger, type }) => ledger === 'heads' && type === 'head')
  assert.equal(heads.key, 'pinned')
  assert.ok(heads.head.includes(witness.signer.name), heads.head)
  assert.deepEqual(
    heads.witnesses.map((seen: Json) => [seen.witness, typeof seen.time]),
    [['one', 'number']],
  )
  const main = first.events.find(({ ledger, type }) => ledger === 'main' && type === 'head')
  assert.deepEqual(main.witnesses, [], 'the policy asks for no witness of it')
  assert.ok(first.events.some(({ type, agreeing }) => type === 'compared' && agreeing > 0))
  // Heads go on without the witness: what it cosigned last is still what counts.
  witness.misbehaviour = always(500, '')
  await append('two')
  await eventually(() => server.ledgers.log('heads').size > heads.size)
  const alone = await look()
  assert.equal(alone.code, 0, JSON.stringify(alone.events))
  const bare = await look(async (url, init) => await fetch(url.replace('?witnessed=true', ''), init))
  assert.equal(bare.code, 1)
  assert.equal(bare.events.find(({ type }) => type === 'contradiction').kind, 'quorum')
})
