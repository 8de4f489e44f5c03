// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The contract of src/ledger/store/object-store.ts, over every driver. A driver joins by a row in `drivers`.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { DataFault } from '../src/ledger/data-fault.ts'
import { FileCache } from '../src/ledger/file-cache.ts'
import { DirectoryStore } from '../src/ledger/store/directory-store.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import { ObjectMissing, type ObjectStore } from '../src/ledger/store/object-store.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { scratch, SeededRandom } from './scratch.ts'

/** An empty place, and as many stores over it as are asked for: what several processes have. */
type Place = () => ObjectStore

const drivers: Readonly<Record<string, (context: TestContext) => Place>> = {
  MemoryStore: () => {
    const store = new MemoryStore()
    return () => store
  },
  DirectoryStore: (context) => {
    const directory = join(scratch(context), 'segments')
    return () => new DirectoryStore(new NodeDisk(), directory)
  },
  'DirectoryStore with a cache of one file': (context) => {
    const directory = join(scratch(context), 'segments')
    const disk = new NodeDisk()
    return () => new DirectoryStore(disk, directory, new FileCache(disk, 1))
  },
}

async function put(store: ObjectStore, key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
  const draft = await store.draft()
  await draft.write(bytes)
  return await draft.create(key)
}

const keysOf = async (store: ObjectStore, prefix = ''): Promise<string[]> =>
  (await store.list(prefix)).map(({ key }) => key)

const hostileKeys = [
  '',
  'main',
  'main/',
  '/main/a',
  'main//a',
  'main/a/b',
  '../main/a',
  'main/..',
  'main/.',
  'main/../../a',
  './a',
  'main/.hidden',
  '.drafts/0',
  '_head',
  '_head/a',
  'MAIN/a',
  'main/A',
  'main/a\0',
  'main/a\n',
  'main\\a',
  'main/%2e%2e',
  'main/ä',
  `main/${'a'.repeat(201)}`,
  `${'m'.repeat(64)}/a`,
]

for (const [name, make] of Object.entries(drivers)) {
  test(`${name}: an object is exactly the pieces that were written, and any range of it can be read`, async (context) => {
    const store = make(context)()
    const random = new SeededRandom(1)
    const bytes = random.bytes(100_000)
    const draft = await store.draft()
    for (let at = 0; at < bytes.length;) {
      const piece = Buffer.from(bytes.subarray(at, at + 1 + random.below(20_000)))
      await draft.write(piece)
      at += piece.length
      // The buffer is the caller's again.
      piece.fill(0)
    }
    assert.equal(await draft.create('main/a'), 'created')
    assert.deepEqual(await store.list(''), [{ key: 'main/a', sizeBytes: bytes.length }])
    assert.deepEqual(await store.read('main/a', 0, bytes.length), bytes)
    for (let round = 0; round < 50; round++) {
      const start = random.below(bytes.length + 1)
      const end = start + random.below(bytes.length - start + 1)
      assert.deepEqual(await store.read('main/a', start, end - start), bytes.subarray(start, end))
    }
  })

  test(`${name}: a read behind the end is a DataFault and never something shorter; a missing object is said`, async (context) => {
    const store = make(context)()
    await put(store, 'main/a', Buffer.from('0123456789'))
    for (const [position, length] of [
      [0, 11],
      [9, 2],
      [10, 1],
      [1_000, 1],
      [2 ** 40, 10],
    ] as const) {
      await assert.rejects(store.read('main/a', position, length), DataFault)
    }
    await assert.rejects(store.read('main/b', 0, 1), ObjectMissing)
    await assert.rejects(store.read('other/a', 0, 1), ObjectMissing)
    await put(store, 'main/empty', Buffer.alloc(0))
    assert.deepEqual(await store.read('main/empty', 0, 0), Buffer.alloc(0))
    await assert.rejects(store.read('main/empty', 0, 1), DataFault)
  })

  test(`${name}: of drafts that race for a key exactly one creates it`, async (context) => {
    const place = make(context)
    const stores = Array.from({ length: 4 }, () => place())
    const bytes = Buffer.from('the same bytes')
    for (let round = 0; round < 10; round++) {
      const key = `main/${round}`
      const drafts = await Promise.all(Array.from({ length: 12 }, (_, at) => stores[at % 4]!.draft()))
      for (const draft of drafts) await draft.write(bytes)
      const outcomes = await Promise.all(drafts.map((draft) => draft.create(key)))
      assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1)
      assert.equal(outcomes.filter((outcome) => outcome === 'exists').length, 11)
      assert.deepEqual(await stores[0]!.read(key, 0, bytes.length), bytes)
    }
    assert.equal((await keysOf(stores[1]!)).length, 10)
  })

  test(`${name}: other bytes never take the place of an object`, async (context) => {
    const place = make(context)
    await put(place(), 'main/a', Buffer.from('first'))
    // A driver may take it for a bug of its user; what is there stays.
    const outcome = await put(place(), 'main/a', Buffer.from('second')).catch((error: unknown) => error)
    assert(outcome === 'exists' || outcome instanceof assert.AssertionError)
    assert.deepEqual(await place().read('main/a', 0, 5), Buffer.from('first'))
    assert.deepEqual(await place().list(''), [{ key: 'main/a', sizeBytes: 5 }])
  })

  test(`${name}: nobody sees a draft before it is created, and one that is abandoned leaves nothing`, async (context) => {
    const place = make(context)
    const store = place()
    const [kept, dropped] = [await store.draft(), await store.draft()]
    await kept.write(Buffer.from('kept'))
    await dropped.write(Buffer.from('dropped'))
    assert.deepEqual(await place().list(''), [])
    await dropped.abandon()
    await dropped.abandon()
    assert.equal(await kept.create('main/a'), 'created')
    await kept.abandon()
    assert.deepEqual(await place().list(''), [{ key: 'main/a', sizeBytes: 4 }])
    await assert.rejects(kept.write(Buffer.from('more')), assert.AssertionError)
    await assert.rejects(dropped.create('main/b'), assert.AssertionError)
  })

  test(`${name}: the list is of all objects below a prefix, in order of their keys' bytes, without the head`, async (context) => {
    const store = make(context)()
    const keys = ['a-b/1', 'a/1', 'a/10', 'a/2', 'a/2.log', 'a/2-1', 'b/1', 'head/1']
    for (const key of keys.toReversed()) await put(store, key, Buffer.from(key))
    await store.swapHead(undefined, Buffer.from('head'))
    const sorted = keys.toSorted()
    for (const prefix of ['', 'a', 'a/', 'a/1', 'a/2', 'a/2.', 'a-', 'b/1', 'c', 'c/', 'head', 'a/10']) {
      assert.deepEqual(
        await keysOf(store, prefix),
        sorted.filter((key) => key.startsWith(prefix)),
        prefix,
      )
    }
  })

  test(`${name}: a removed object is gone, the others stay, and removing what is not there is no error`, async (context) => {
    const place = make(context)
    const store = place()
    for (const key of ['main/a', 'main/b']) await put(store, key, Buffer.from(key))
    await store.read('main/a', 0, 6)
    await store.remove('main/a')
    await store.remove('main/a')
    await store.remove('other/a')
    await assert.rejects(store.read('main/a', 0, 6), ObjectMissing)
    assert.deepEqual(await keysOf(place()), ['main/b'])
    assert.deepEqual(await store.read('main/b', 0, 6), Buffer.from('main/b'))
    assert.equal(await put(store, 'main/a', Buffer.from('main/a')), 'created')
    assert.deepEqual(await store.read('main/a', 0, 6), Buffer.from('main/a'))
  })

  test(`${name}: of those who swap the head from one version exactly one succeeds`, async (context) => {
    const place = make(context)
    const store = place()
    assert.equal(await store.readHead(), undefined)
    assert.equal(await store.swapHead('unknown', Buffer.from('x')), undefined)
    let version: string | undefined
    for (let round = 0; round < 10; round++) {
      const expected = version
      const swaps = Array.from({ length: 8 }, (_, at) => store.swapHead(expected, Buffer.from(`${round} ${at}`)))
      const versions = await Promise.all(swaps)
      const winners = versions.flatMap((found, at) => (found === undefined ? [] : [at]))
      assert.equal(winners.length, 1)
      version = versions[winners[0]!]
      const head = await place().readHead()
      assert.deepEqual(head, { bytes: Buffer.from(`${round} ${winners[0]}`), version })
      assert.equal(await store.swapHead(expected, Buffer.from('late')), undefined)
    }
  })

  test(`${name}: a key that is not a folder and a name of plain characters is refused`, async (context) => {
    const store = make(context)()
    for (const key of hostileKeys) {
      await assert.rejects(store.read(key, 0, 1), assert.AssertionError, key)
      await assert.rejects(store.remove(key), assert.AssertionError, key)
      await assert.rejects(put(store, key, Buffer.from('x')), assert.AssertionError, key)
    }
    for (const prefix of ['/', '..', '../', 'main/../', '.drafts', 'main/a/', 'MAIN', 'main/\0']) {
      await assert.rejects(store.list(prefix), assert.AssertionError, prefix)
    }
    assert.deepEqual(await store.list(''), [])
  })
}

test('canary: MemoryStore fails whoever gives other bytes to a key, to one that was removed too', async () => {
  const store = new MemoryStore()
  await put(store, 'main/a', Buffer.from('first'))
  await assert.rejects(put(store, 'main/a', Buffer.from('second')), /given to other bytes/)
  await store.remove('main/a')
  await assert.rejects(put(store, 'main/a', Buffer.from('second')), /given to other bytes/)
  assert.equal(await put(store, 'main/a', Buffer.from('first')), 'created')
})
