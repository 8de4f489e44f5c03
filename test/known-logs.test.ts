// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { before, test, type TestContext } from 'node:test'

import { contradiction, KnownLogFault, KnownLogs } from '../src/evidence/known-logs.ts'
import { KeyStore } from '../src/ledger/keys.ts'
import type { Signer } from '../src/ledger/signing.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { MemoryDisk } from './memory-disk.ts'
import { scratch, SeededRandom } from './scratch.ts'

const origin = 'stele.test/abcdefghijklm/main'
const rootOf = (byte: number) => Buffer.alloc(32, byte)
let log: Signer
let impostor: Signer
before(async () => {
  const keys = new KeyStore(new MemoryDisk(), new SeededRandom(3), '/')
  log = await keys.prepare('main', origin)
  impostor = await keys.prepare('main', origin)
})

function knownLogs(folder: string): KnownLogs {
  return new KnownLogs(new NodeDisk(), new SystemClock(), tryLock, folder)
}

function memory(context: TestContext): { readonly logs: KnownLogs; readonly folder: string } {
  const folder = scratch(context)
  return { logs: knownLogs(folder), folder }
}

test('of a log that was seen, origin, key and the largest head are remembered, and when it was seen first and last', async (context) => {
  const { logs, folder } = memory(context)
  assert.equal(await logs.find(origin), undefined)
  const [small, large] = [log.checkpoint(3, rootOf(1)), log.checkpoint(9, rootOf(2))]
  const first = await logs.remember({ origin, vkey: log.vkey, pinned: false, head: large })
  await logs.remember({ origin, vkey: log.vkey, pinned: true, head: small })
  const known = await knownLogs(folder).find(origin)
  assert.equal(known?.head, large)
  assert.equal(known?.vkey, log.vkey)
  assert.equal(known?.firstSeen, first.firstSeen)
  assert.ok((known?.lastSeen ?? '') >= first.lastSeen)
})

test('a key that was pinned once stays pinned', async (context) => {
  const { logs } = memory(context)
  await logs.remember({ origin, vkey: log.vkey, pinned: true })
  assert.equal((await logs.remember({ origin, vkey: log.vkey, pinned: false })).pinned, true)
})

test('another key for a known origin is an alarm and never replaces the first', async (context) => {
  const { logs } = memory(context)
  await logs.remember({ origin, vkey: log.vkey, pinned: false })
  await assert.rejects(logs.remember({ origin, vkey: impostor.vkey, pinned: true }), (error) => {
    assert(error instanceof KnownLogFault)
    assert.ok(
      error.message.includes(log.vkey) &&
        error.message.includes(impostor.vkey) &&
        error.message.includes(logs.path(origin)),
    )
    return true
  })
  assert.equal((await logs.find(origin))?.vkey, log.vkey)
})

test('two heads of one size with two roots contradict each other, and both are kept', async (context) => {
  const { logs } = memory(context)
  const [one, other] = [log.checkpoint(5, rootOf(1)), log.checkpoint(5, rootOf(2))]
  const known = await logs.remember({ origin, vkey: log.vkey, pinned: false, head: one })
  assert.equal(contradiction(known, one), undefined)
  assert.equal(contradiction(known, log.checkpoint(6, rootOf(2))), undefined)
  assert.match(contradiction(known, other) ?? '', /two roots for 5 entries/)
  const evidence = readFileSync(await logs.keepEvidence(origin, [one, other]), 'utf8')
  assert.ok(evidence.includes(one) && evidence.includes(other))
})

test('of many that remember the same log at once, none is lost and the file is always whole', async (context) => {
  const { folder } = memory(context)
  const heads = Array.from({ length: 24 }, (_, size) => log.checkpoint(size + 1, rootOf(size)))
  await Promise.all(
    heads.map(async (head) => await knownLogs(folder).remember({ origin, vkey: log.vkey, pinned: false, head })),
  )
  assert.equal((await knownLogs(folder).find(origin))?.head, heads.at(-1))
})

test('a file of this memory that was changed is not believed, and is named', async (context) => {
  const { logs } = memory(context)
  const path = logs.path(origin)
  mkdirSync(dirname(path), { recursive: true })
  await logs.remember({ origin, vkey: log.vkey, pinned: false })
  const text = readFileSync(path, 'utf8')
  for (const changed of [
    '',
    '{}',
    text.replace('"v":1', '"v":2'),
    text.replace('/main"', '/other"'),
    text.slice(0, -9),
  ]) {
    writeFileSync(path, changed)
    await assert.rejects(logs.find(origin), (error) => error instanceof KnownLogFault && error.message.includes(path))
  }
})
