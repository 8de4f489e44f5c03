// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Requests that their client sends again, with the key that it gave them.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Appended } from '../src/ledger/appending.ts'
import { KeyRoom, RecentKeys } from '../src/ledger/idempotency.ts'
import { DamagedError } from '../src/ledger/read.ts'
import { powerCutDirectory as directory } from './power-cut-disk.ts'
import { audit, ENDINGS, extOf, indexesOf, Repeated, send } from './repeat-ground.ts'
import { sealAll } from './scratch.ts'

const facts = ({ first, count, duplicates, indexes, isRepeat }: Appended) => ({
  first,
  count,
  duplicates,
  indexes: indexes === undefined ? undefined : [...indexes],
  isRepeat: isRepeat ?? false,
})
const refused = (code: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === code

test('the same key with the same body has one effect and one answer, and is another key of another token', async () => {
  const { ledgers, ...stele } = await new Repeated().open()
  const own = { ledgers, ...stele }
  const events = ['{"a":1}', '{"a":2}']
  const first = await send(own, events, { key: 'k' })
  assert.deepEqual(facts(first), { first: 0, count: 2, duplicates: 0, indexes: undefined, isRepeat: false })
  assert.deepEqual(facts(await send(own, events, { key: 'k' })), { ...facts(first), isRepeat: true })
  assert.equal((await send(own, events, { key: 'k', by: 'another' })).first, 2)
  assert.equal((await send(own, events, { key: 'K' })).first, 4)
  assert.equal((await send(own, events)).first, 6)
  assert.equal(ledgers.log('main').size, 8)
})

test('another body, or the same as another source, under a key is refused, and stores nothing', async () => {
  const stele = await new Repeated().open()
  await send(stele, ['{"a":1}'], { key: 'k' })
  await assert.rejects(send(stele, ['{"a":2}'], { key: 'k' }), refused('idempotency-mismatch'))
  await assert.rejects(send(stele, ['{"a":1}'], { key: 'k', source: 'generic/x' }), refused('idempotency-mismatch'))
  assert.equal(stele.ledgers.log('main').size, 1)
})

test('requests with one key at the same time: one stores, the others wait for its answer, another body is refused', async () => {
  const stele = await new Repeated().open()
  const sent = Array.from({ length: 20 }, async () => await send(stele, ['{"a":1}'], { key: 'k' }))
  const other = send(stele, ['{"a":2}'], { key: 'k' })
  await assert.rejects(other, refused('idempotency-mismatch'))
  const answers = await Promise.all(sent)
  assert.equal(answers.filter(({ isRepeat }) => isRepeat !== true).length, 1)
  assert.ok(answers.every(({ first, count }) => first === 0 && count === 1))
  assert.equal(stele.ledgers.log('main').size, 1)
})

test('a request that would wait too long for another one with its key is told to come again, and stores nothing', async () => {
  const ground = new Repeated()
  const stele = await ground.open()
  ground.clock.isPatient = false
  const sent = await Promise.allSettled([1, 2].map(async () => await send(stele, ['{"a":1}'], { key: 'k' })))
  assert.equal(sent[0]?.status, 'fulfilled')
  assert.ok(sent[1]?.status === 'rejected' && refused('idempotency-busy')(sent[1].reason))
  assert.equal(stele.ledgers.log('main').size, 1)
})

test('a request that was refused is not remembered: the key is free for the next', async () => {
  const { ledgers } = await new Repeated().open()
  const once = { by: 'tester', key: 'k', about: '', body: Buffer.from('x') }
  const fail = async () => await Promise.reject<Appended>(new Error('refused'))
  const both = await Promise.allSettled([
    ledgers.appending.once('main', once, fail),
    ledgers.appending.once('main', once, fail),
  ])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  const nothing = { first: 0, count: 0, duplicates: 0 }
  assert.deepEqual(await ledgers.appending.once('main', once, async () => nothing), nothing)
  assert.equal((await ledgers.appending.once('main', once, fail)).isRepeat, true)
})

for (const ending of ENDINGS) {
  test(`keys are known after a start: ${ending}`, async () => {
    const ground = new Repeated({ anchorEveryBytes: 4_000, walFileBytes: 9_000, segmentEntries: 256 })
    let stele = await ground.open()
    const plain = await send(stele, ['{"a":1}'], { key: 'plain' })
    await send(stele, [audit('1'), audit('2')])
    const mixed = [audit('1'), audit('3'), '{"a":2}', audit('2'), audit('3'), audit('1', 'changed')]
    const first = await send(stele, mixed, { key: 'mixed' })
    assert.deepEqual(indexesOf(first), [1, 3, 4, 2, 3, 5])
    for (let number = 0; number < 40; number++) await send(stele, [`{"b":${number}}`], { key: `more ${number}` })
    await sealAll(stele, ground.disk, directory)
    for (let round = 0; round < 2; round++) {
      stele = await ground.again(stele, ending)
      const { size } = stele.ledgers.log('main')
      assert.deepEqual(facts(await send(stele, mixed, { key: 'mixed' })), { ...facts(first), isRepeat: true })
      assert.equal((await send(stele, ['{"a":1}'], { key: 'plain' })).first, plain.first)
      for (let number = 0; number < 40; number++) {
        assert.equal((await send(stele, [`{"b":${number}}`], { key: `more ${number}` })).first, 6 + number)
      }
      await assert.rejects(send(stele, ['{"a":2}'], { key: 'plain' }), refused('idempotency-mismatch'))
      assert.equal(stele.ledgers.log('main').size, size)
    }
    await stele.close()
  })
}

const RECORD = 96
const CHANGES: Record<string, (record: Buffer, other: Buffer) => void> = {
  'the index of the first event': (record) => record.writeBigUInt64BE(7n, 8),
  'the number of events': (record) => record.writeUInt32BE(2, 16),
  'the number of duplicates': (record) => record.writeUInt32BE(1, 20),
  'its time': (record) => record.writeBigUInt64BE(5n, 24),
  'the digest of the request': (record, other) => other.copy(record, 32, 32, 64),
  'all but the digest of the key': (record, other) => other.copy(record, 8, 8, 64),
}

for (const [what, change] of Object.entries(CHANGES)) {
  test(`a key is answered as its entry says, and stored once, whatever its file says: ${what}`, async () => {
    const ground = new Repeated()
    let stele = await ground.open()
    for (let number = 0; number < 20; number++) await send(stele, [`{"b":${number}}`], { key: `key ${number}` })
    await stele.close()
    const path = ground.disk.paths.find((path) => path.endsWith('/main/keys'))!
    const records = Buffer.from(ground.disk.bytes(path))
    change(records.subarray(12 * RECORD, 13 * RECORD), records.subarray(4 * RECORD, 5 * RECORD))
    ground.disk.tamper(path, records)
    for (let round = 0; round < 2; round++) {
      stele = await ground.open()
      const sent = [...Array(20).keys(), 12].map(async (number) => {
        const answer = await send(stele, [`{"b":${number}}`], { key: `key ${number}` })
        assert.deepEqual([answer.first, answer.count, answer.duplicates, answer.isRepeat], [number, 1, 0, true])
      })
      await Promise.all(sent)
      await assert.rejects(send(stele, ['{"b":4}'], { key: 'key 12' }), refused('idempotency-mismatch'))
      assert.equal((await send(stele, ['{"b":99}'], { key: `new ${round}` })).first, 20 + round)
      assert.equal(stele.ledgers.log('main').size, 21 + round)
      await stele.close()
    }
  })
}

test('a file of keys that was changed and an entry that was too: the repeat is refused, and nothing stored', async () => {
  const ground = new Repeated()
  let stele = await ground.open()
  for (let number = 0; number < 20; number++) await send(stele, [`{"b":${number}}`], { key: `key ${number}` })
  const digest = ((await extOf(stele, 12)) as Record<string, { key: string }>)['idempotency']!.key
  await stele.close()
  stele = await ground.open()
  const path = ground.disk.paths.find((path) => path.includes('/wal/'))!
  const bytes = Buffer.from(ground.disk.bytes(path))
  bytes[bytes.indexOf(digest)]! ^= 1
  await (await ground.disk.open(path, 'write')).write(bytes, 0)
  for (let round = 0; round < 2; round++) {
    await assert.rejects(send(stele, ['{"b":12}'], { key: 'key 12' }), DamagedError)
    assert.equal((await send(stele, ['{"b":13}'], { key: 'key 13' })).first, 13)
  }
  assert.equal(stele.ledgers.log('main').size, 20)
})

test('an entry tells who has no key of the ledger neither the key nor the body that it keeps', async () => {
  const stele = await new Repeated().open()
  await send(stele, ['{"a":1}'], { key: 'guessable' })
  await send(stele, ['{"a":1}'], { key: 'guessable', by: 'another' })
  const [one, other] = [await extOf(stele, 0), await extOf(stele, 1)] as Record<
    string,
    { key: string; request: string }
  >[]
  assert.deepEqual(Object.keys(one!['idempotency']!), ['key', 'request', 'count'])
  assert.match(one!['idempotency']!.key, /^[A-Za-z0-9_-]{43}$/)
  assert.notEqual(one!['idempotency']!.key, other!['idempotency']!.key)
  const elsewhere = await new Repeated().open()
  await send(elsewhere, ['{}'])
  await send(elsewhere, ['{"a":1}'], { key: 'guessable', by: 'x' })
  const far = (await extOf(elsewhere, 1)) as Record<string, { key: string }>
  assert.notEqual(far['idempotency']!.key, one!['idempotency']!.key)
})

test('where new events and repeats take turns too often, the repeated answer leaves the indexes out', async () => {
  const ground = new Repeated()
  let stele = await ground.open()
  const old = Array.from({ length: 400 }, (_, number) => audit(`old ${number}`))
  await send(stele, old)
  const mixed = old.flatMap((event, number) => [event, audit(`new ${number}`)])
  const first = await send(stele, mixed, { key: 'k' })
  assert.deepEqual([first.count, first.duplicates, first.indexes?.length], [400, 400, 800])
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(facts(await send(stele, mixed, { key: 'k' })), {
      ...facts(first),
      indexes: undefined,
      isRepeat: true,
    })
    stele = await ground.again(stele, 'killed')
  }
})

test('a key is forgotten after 24 hours, and the same request stored again', async () => {
  const ground = new Repeated()
  const stele = await ground.open()
  await send(stele, ['{"a":1}'], { key: 'k' })
  ground.clock.pass(24 * 3_600_000 - 1)
  assert.equal((await send(stele, ['{"a":1}'], { key: 'k' })).isRepeat, true)
  ground.clock.pass(1)
  assert.deepEqual(facts(await send(stele, ['{"a":1}'], { key: 'k' })), {
    first: 1,
    count: 1,
    duplicates: 0,
    indexes: undefined,
    isRepeat: false,
  })
})

test('of a ledger the last keys are kept, and of all ledgers so many that who has most gives up the oldest', () => {
  const room = new KeyRoom(12)
  const [large, small] = [new RecentKeys(room, 10), new RecentKeys(room, 10)]
  const kept = (entry: number) => ({ request: 'r', entry, first: entry, count: 1, duplicates: 0, atMs: entry })
  for (let entry = 0; entry < 15; entry++) large.add(`large ${entry}`, kept(entry))
  for (let entry = 0; entry < 4; entry++) small.add(`small ${entry}`, kept(entry))
  const isKept = (keys: RecentKeys, name: string) => [...Array(15).keys()].filter((n) => keys.find(`${name} ${n}`, 20))
  assert.deepEqual(isKept(large, 'large'), [7, 8, 9, 10, 11, 12, 13, 14])
  assert.deepEqual(isKept(small, 'small'), [0, 1, 2, 3])
})
