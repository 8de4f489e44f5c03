// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Witnessed receipts while keys are rotated: those of before survive, and nobody is accused while a witness does not list
// the new keys.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { stele, steleOk, variablesFor, type World } from './cli-fixture.ts'
import { scratch } from './scratch.ts'
import { eventually, startTestServer } from './server-fixture.ts'
import { addWitness, always, TestWitness } from './witness-ground.ts'

test('P4: a witnessed receipt survives the rotation of every key, and a witness that does not know the new ones yet', async (context) => {
  const folder = scratch(context)
  const server = await startTestServer(context, { config: { privateWitnesses: true } })
  const witness = await TestWitness.start(context, 'one')
  await addWitness(server, witness)
  const world: World = {
    cwd: folder,
    columns: 4_000,
    variables: { ...variablesFor(server), XDG_STATE_HOME: join(folder, 'state') },
  }
  const append = async (number: number) =>
    await server.askJson('/v1/ledgers/main/events', { body: JSON.stringify({ number }) })
  const policy = async (name: string) => await writeFile(join(folder, name), await steleOk(world, 'witness', 'policy'))
  const prove = async (index: number, name: string) =>
    await steleOk(world, 'prove', `${index}`, '--witnessed', '--out', name, '--event', `${name}.json`)
  const verdict = async (name: string, ...more: readonly string[]) => {
    const { out, err } = await stele(world, 'verify', `${name}.json`, name, '--json', ...more)
    assert.equal(err, '')
    return JSON.parse(out).verdict
  }
  await append(0)
  await prove(0, 'early')
  await policy('old.txt')
  await steleOk(world, 'verify', '--url', server.url, '--key', server.ledgers.vkey('main'))
  await append(1)
  await eventually(() => server.cosigning.newest?.size === server.cosigning.publishedSize)

  // The owner of the witness has not heard of the new keys.
  witness.misbehaviour = always(403, '')
  const rotated = await stele(world, 'key', 'rotate')
  assert.match(rotated.err, /new key of heads to the owner of each witness/)
  assert.doesNotMatch((await stele(world, 'key', 'rotate', '--ledger', 'main')).err, /witness/)
  await policy('new.txt')
  await steleOk(world, 'verify', '--url', server.url)
  assert.equal(await verdict('early'), 'self-consistent', 'the old key alone vouches for nothing')
  for (const name of ['old.txt', 'new.txt']) assert.equal(await verdict('early', '--policy', name), 'valid')
  await prove(0, 'between')
  assert.equal(await verdict('between', '--policy', 'new.txt'), 'valid')
  const watched = await stele(world, 'monitor', server.url, '--policy', 'new.txt', '--once')
  assert.equal(watched.code, 0, watched.out + watched.err)

  witness.misbehaviour = undefined
  await append(2)
  await prove(2, 'late')
  assert.equal(await verdict('late', '--policy', 'new.txt'), 'valid')
  assert.equal(await verdict('late', '--policy', 'old.txt'), 'invalid')
  assert.equal(await verdict('early', '--policy', 'new.txt'), 'valid')
  assert.equal((await stele(world, 'monitor', server.url, '--policy', 'new.txt', '--once')).code, 0)
})
