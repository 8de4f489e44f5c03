// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a directory of objects does about crashes: an object is there whole or not at all, the head is the old one or
// the new one, and what was said to be there stays.

import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { FileCache } from '../src/ledger/file-cache.ts'
import { DirectoryStore } from '../src/ledger/store/directory-store.ts'
import { ObjectMissing } from '../src/ledger/store/object-store.ts'
import { type Disk, type DiskFile, NodeDisk } from '../src/platform/disk.ts'
import { FaultDisk, OPERATIONS } from './fault-disk.ts'
import { MemoryDisk } from './memory-disk.ts'
import { PowerCutDisk } from './power-cut-disk.ts'
import { scratch, SeededRandom } from './scratch.ts'

const DIRECTORY = '/data/segments'
const first = new SeededRandom(1).bytes(5_000)
const second = new SeededRandom(2).bytes(3_000)

/** Creates two objects and swaps the head twice; says what of it was promised. */
async function work(disk: Disk, told: Set<string>): Promise<void> {
  const store = new DirectoryStore(disk, DIRECTORY)
  const put = async (key: string, bytes: Buffer): Promise<void> => {
    const draft = await store.draft()
    await draft.write(bytes.subarray(0, 2_000))
    await draft.write(bytes.subarray(2_000))
    await draft.create(key)
    told.add(key)
  }
  await put('main/a', first)
  const version = await store.swapHead(undefined, first)
  told.add('head 1')
  await put('main/b', second)
  await store.swapHead(version, second)
  told.add('head 2')
}

/** What was promised is there, and what is there is whole. */
async function check(disk: Disk, told: ReadonlySet<string>): Promise<void> {
  const store = new DirectoryStore(disk, DIRECTORY)
  const expected = new Map([
    ['main/a', first],
    ['main/b', second],
  ])
  const listed = await store.list('')
  for (const { key, sizeBytes } of listed) {
    assert.deepEqual(await store.read(key, 0, sizeBytes), expected.get(key), key)
  }
  for (const key of expected.keys()) {
    if (told.has(key))
      assert(
        listed.some((info) => info.key === key),
        `${key} was said to be there`,
      )
  }
  const head = await store.readHead()
  if (told.has('head 2')) assert.deepEqual(head?.bytes, second)
  else if (told.has('head 1')) assert(head !== undefined && (head.bytes.equals(first) || head.bytes.equals(second)))
  else assert(head === undefined || head.bytes.equals(first))
  // Whoever begins again gets the same.
  await store.removeDrafts()
  for (const [key, bytes] of expected) {
    const draft = await store.draft()
    await draft.write(bytes)
    await draft.create(key)
  }
  assert.deepEqual(
    (await store.list('')).map(({ key }) => key),
    [...expected.keys()],
  )
}

test('P1: wherever the power is cut or the process killed, an object is absent or whole, and one that was created stays', async () => {
  let cuts = 0
  for (let operations = 0; ; operations++) {
    const disk = new PowerCutDisk()
    disk.operationsLeft = operations
    const told = new Set<string>()
    const isDone = await work(disk, told).then(
      () => true,
      () => false,
    )
    for (let seed = 0; seed < 12; seed++, cuts++) {
      await check(disk.afterPowerCut(new SeededRandom(seed)), told)
      await check(disk.afterKill(new SeededRandom(seed)).copy(), told)
    }
    if (isDone) break
  }
  assert(cuts > 200)
})

test('P1: whichever operation of the disk fails, done or not, an object is absent or whole', async () => {
  for (const operation of OPERATIONS) {
    const whole = new FaultDisk(new MemoryDisk())
    await work(whole, new Set())
    for (let nth = 0; nth < whole.count(operation); nth++) {
      for (const done of ['not', 'half', 'wholly'] as const) {
        const memory = new MemoryDisk()
        const told = new Set<string>()
        await work(new FaultDisk(memory, { operation, nth, done, code: 'EIO' }), told).catch(() => {})
        await check(memory, told)
      }
    }
  }
})

test('a draft is durable before it has a name, and its name before it is said to be created', async () => {
  for (const isThere of [false, true]) {
    const memory = new MemoryDisk()
    const put = async (disk: Disk): Promise<string> => {
      const draft = await new DirectoryStore(disk, DIRECTORY).draft()
      await draft.write(first)
      return await draft.create('main/a')
    }
    if (isThere) await put(memory)
    const disk = new FaultDisk(memory)
    assert.equal(await put(disk), isThere ? 'exists' : 'created')
    const order = disk.trace
      .filter(({ operation }) => ['write', 'datasync', 'link', 'syncDirectory', 'remove'].includes(operation))
      .map(({ operation, path }) => `${operation} ${path}`)
    assert.deepEqual(order, [
      `write ${DIRECTORY}/.drafts/0`,
      `datasync ${DIRECTORY}/.drafts/0`,
      `link ${DIRECTORY}/main/a`,
      // What exists is made durable too: whoever made it may have been killed before.
      `syncDirectory ${DIRECTORY}/main`,
      `remove ${DIRECTORY}/.drafts/0`,
    ])
  }
})

test('objects are files that nobody writes, drafts of others are left alone until they are removed', async (context) => {
  const directory = join(scratch(context), 'segments')
  const [one, other] = [new DirectoryStore(new NodeDisk(), directory), new DirectoryStore(new NodeDisk(), directory)]
  const left = await one.draft()
  const draft = await other.draft()
  await draft.write(first)
  await draft.create('main/a')
  assert.equal(statSync(join(directory, 'main/a')).mode % 0o1000, 0o400)
  assert.equal(statSync(join(directory, 'main/a')).nlink, 1)
  assert.deepEqual(readdirSync(join(directory, '.drafts')), ['0'])
  await left.abandon()
  assert.deepEqual(readdirSync(join(directory, '.drafts')), [])
  await one.draft().then(async (open) => await open.write(first))
  await other.removeDrafts()
  assert.deepEqual(readdirSync(directory), ['main'])
})

/** Knows how many files are open. */
class CountingDisk extends MemoryDisk {
  openCount = 0

  override async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await super.open(path, how)
    this.openCount++
    const read = file.read.bind(file)
    return Object.assign(file, {
      read: async (into: Uint8Array, position: number) => {
        await new Promise(setImmediate)
        return await read(into, position)
      },
      close: async () => {
        this.openCount--
      },
    })
  }
}

test('a removed object keeps no file open, also when it was being read', async () => {
  const disk = new CountingDisk()
  const store = new DirectoryStore(disk, DIRECTORY, new FileCache(disk))
  for (const key of ['main/a', 'main/b']) {
    const draft = await store.draft()
    await draft.write(first)
    await draft.create(key)
    await store.read(key, 0, 10)
  }
  assert.equal(disk.openCount, 2)
  await store.remove('main/a')
  assert.equal(disk.openCount, 1)
  const reading = store.read('main/b', 0, first.length)
  await store.remove('main/b')
  assert.deepEqual(await reading, first)
  assert.equal(disk.openCount, 0)
  await assert.rejects(store.read('main/b', 0, 1), ObjectMissing)
})
