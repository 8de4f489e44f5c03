// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { type HashReader, hashLeaf, verifyInclusion } from '@stele/proof'

import { startTestServer } from './server-fixture.ts'

test('a ledger proves its entries by at most one tile a level', async (context) => {
  const server = await startTestServer(context)
  const body = Array.from({ length: 900 }, (_, n) => n).join('\n')
  const { size, root } = await server.askJson('/v1/ledgers/main/events', { body, type: 'application/x-ndjson' })
  const log = server.ledgers.log('main')
  const levels: number[] = []
  const read = log.hashes
  const counted: HashReader = async (level, start, count) => {
    levels.push(level)
    return await read(level, start, count)
  }
  Object.defineProperty(log, 'hashes', { value: counted })
  for (const index of [0, 255, 256, 511, 600, 767, 768, 899]) {
    levels.length = 0
    const proof = await server.ledgers.prove('main', index, size)
    assert.equal(new Set(levels).size, levels.length, `${index}: levels ${levels.join(' ')}`)
    const { entryBytes } = await server.ledgers.event('main', index)
    verifyInclusion(hashLeaf(entryBytes), index, size, proof, Buffer.from(root, 'base64'))
  }
})
