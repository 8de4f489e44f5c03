// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A Stele as the witness of another Stele: what that one publishes is cosigned, its ML-DSA-44 signature checked too.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { startTestServer } from './server-fixture.ts'
import { cosignatures, requestOf, testWitness } from './witnessing-ground.ts'

test('the published head of another Stele is cosigned, known by both of its keys', async (context) => {
  const server = await startTestServer(context)
  const { origin, vkey, mldsaVkey } = server.ledgers.signer('heads')
  assert(mldsaVkey !== undefined)
  const witness = await testWitness(context, [], { config: { logVkeys: [vkey, mldsaVkey] } })
  while (server.ledgers.publishedHeads.last === undefined) await sleep(20)
  const note = server.ledgers.publishedHeads.last.toString('utf8')
  const text = note.slice(0, note.indexOf('\n\n') + 1)
  assert(text.startsWith(`${origin}\n`))
  const { status, body } = await witness.post(requestOf(0, [], note))
  assert.equal(status, 200, body)
  assert.deepEqual(
    cosignatures(witness.vkeys, text, body).map(({ alg }) => alg),
    [4, 6],
  )
  assert.equal((await witness.latest(origin)).body, `${note}${body}`)
  // A bad signature of a known key is not made up for by the good one beside it.
  const lines = note.slice(text.length + 1).split('\n')
  const flipped = Buffer.from(lines[1]!.split(' ')[2]!, 'base64')
  flipped[1_000]! ^= 1
  const bad = `${text}\n${lines[0]}\n${lines[1]!.split(' ').slice(0, 2).join(' ')} ${flipped.toString('base64')}\n`
  assert.equal((await witness.post(requestOf(Number(text.split('\n')[1]), [], bad))).status, 403)
})
