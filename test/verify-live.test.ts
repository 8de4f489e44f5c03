// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Verification of directories that are in use, large, or not ours to write to.

import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { type DirectoryReport, verifyDirectory } from '../src/evidence/verify-directory.ts'
import { StateDirectory } from '../src/ledger/head-store.ts'
import type { Disk, DiskFile } from '../src/platform/disk.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { isHeld } from '../src/platform/lock-probe.ts'
import { tryLock } from '../src/platform/lock.ts'
import { directory, directoryWith, eventPlace, smallDirectory, verified } from './evidence-ground.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append, MemoryHeadStore, openStele, scratch, sealAll, SeededRandom, TurnedClock } from './scratch.ts'
import { startTestServer } from './server-fixture.ts'

/** Hands out what is there, and fails the test where something would change it. */
class ReadOnlyDisk implements Disk {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    assert.equal(how, 'read', path)
    const file = await this.#disk.open(path, 'read')
    return {
      read: async (into, position) => await file.read(into, position),
      sizeBytes: async () => await file.sizeBytes(),
      close: async () => await file.close(),
      write: () => assert.fail(path),
      truncate: () => assert.fail(path),
      datasync: () => assert.fail(path),
    }
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    return await this.#disk.readFile(path)
  }

  async regularBytes(path: string): Promise<number | undefined> {
    return await this.#disk.regularBytes(path)
  }

  async list(path: string): Promise<string[]> {
    return await this.#disk.list(path)
  }

  async space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return await this.#disk.space(path)
  }

  makeDirectory(path: string): Promise<void> {
    assert.fail(path)
  }

  rename(path: string): Promise<void> {
    assert.fail(path)
  }

  link(path: string): Promise<boolean> {
    assert.fail(path)
  }

  remove(path: string): Promise<void> {
    assert.fail(path)
  }

  syncDirectory(path: string): Promise<void> {
    assert.fail(path)
  }
}

/** Lets the writer go on between any two reads. */
class SlowDisk extends ReadOnlyDisk {
  override async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    await new Promise(setImmediate)
    return await super.open(path, how)
  }

  override async list(path: string): Promise<string[]> {
    await new Promise(setImmediate)
    return await super.list(path)
  }

  override async readFile(path: string): Promise<Buffer | undefined> {
    await new Promise(setImmediate)
    return await super.readFile(path)
  }
}

test('P9: a directory is verified without changing anything in it', async () => {
  const small = await smallDirectory()
  const disk = new ReadOnlyDisk(small.disk)
  assert.equal((await verifyDirectory({ disk, directory, heads: [small.head] })).verdict, 'unchanged')
  small.disk.bytesOf(eventPlace(small.disk, 'main', 3).path)[9_000]! ^= 1
  assert.equal((await verifyDirectory({ disk, directory, heads: [small.head] })).verdict, 'changed')
})

test('P4: the directory of a server that is writing is verified up to its last whole frame, without a false alarm', async (context) => {
  const server = await startTestServer(context)
  const dataDirectory = join(server.directory, 'data')
  const headPath = new StateDirectory(new NodeDisk(), join(server.directory, 'state')).headPath(
    server.ledgers.originPrefix,
  )
  const random = new SeededRandom(6)
  const done = new AbortController()
  const writers = Array.from({ length: 4 }, async () => {
    while (!done.signal.aborted) await append(server.ledgers, 'main', [random.bytes(3_000), random.bytes(10)])
  })
  const sizes: number[] = []
  for (let round = 0; round < 25; round++) {
    if (round % 5 === 0) await server.createLedger(`ledger-${round}`)
    const heads = [{ where: headPath, bytes: readFileSync(headPath) }]
    const report = await verifyDirectory({ disk: new NodeDisk(), directory: dataDirectory, heads, isRunning: true })
    assert.deepEqual(report.findings, [])
    assert.equal(report.verdict, 'unchanged')
    sizes.push(report.entryCount)
  }
  done.abort()
  await Promise.all(writers)
  assert.ok(sizes.at(-1)! > sizes[0]!)
})

test('P4: a directory is verified while WAL files are begun and the derived files and their anchor grow', async () => {
  const disk = new MemoryDisk()
  const head = new MemoryHeadStore()
  const sizes = { anchorEveryBytes: 60_000, walFileBytes: 150_000 }
  const ground = { disk, directory, clock: new TurnedClock(), random: new SeededRandom(9), head, sizes }
  const { ledgers, close } = await openStele(ground)
  const random = new SeededRandom(10)
  const done = new AbortController()
  const writers = Array.from({ length: 3 }, async () => {
    for (let turn = 0; turn < 60; turn++) {
      await append(ledgers, 'main', [random.bytes(5_000), random.bytes(10)])
      await ledgers.publish()
      for (let pause = 0; pause < 12; pause++) await new Promise(setImmediate)
    }
  })
  const written = Promise.all(writers).finally(() => done.abort())
  let rounds = 0
  do {
    const heads = head.kept === undefined ? [] : [{ where: 'memory', bytes: head.kept }]
    const report = await verifyDirectory({ disk: new SlowDisk(disk), directory, heads, isRunning: true })
    assert.deepEqual(report.findings, [], `round ${rounds}`)
    rounds++
  } while (!done.signal.aborted)
  await written
  assert.ok(rounds > 5, `${rounds} rounds`)
  await close()
  const walFiles = disk.paths.filter((path) => path.includes('/wal/'))
  assert.ok(walFiles.length > 5, `${walFiles.length} files`)
})

test('P4: a directory is verified while what is completed of its log is sealed, replaced and removed under the reader', async () => {
  const disk = new MemoryDisk()
  const head = new MemoryHeadStore()
  const sizes = { anchorEveryBytes: 30_000, walFileBytes: 60_000, segmentEntries: 256 }
  const ground = { disk, directory, clock: new TurnedClock(), random: new SeededRandom(9), head, sizes }
  const stele = await openStele(ground)
  const random = new SeededRandom(10)
  const done = new AbortController()
  const writer = (async () => {
    for (let turn = 0; turn < 120; turn++) {
      const events = Array.from({ length: 20 }, () => random.bytes(60))
      await append(stele.ledgers, 'main', events)
      if (turn % 3 === 0) await stele.ledgers.publish()
      if (turn % 4 === 0) await sealAll(stele, disk, directory)
      for (let pause = 0; pause < 25; pause++) await new Promise(setImmediate)
    }
  })().finally(() => done.abort())
  let rounds = 0
  do {
    const heads = head.kept === undefined ? [] : [{ where: 'memory', bytes: head.kept }]
    const report = await verifyDirectory({ disk: new SlowDisk(disk), directory, heads, isRunning: true })
    assert.deepEqual(report.findings, [], `round ${rounds}`)
    assert.equal(report.coveredCount <= report.entryCount, true)
    rounds++
  } while (!done.signal.aborted)
  await writer
  assert.ok(rounds > 5, `${rounds} rounds`)
  assert.ok((stele.ledgers.sealed.sizes['main'] ?? 0) > 1_500)
  await stele.close()
})

test('P4: threads find the same in segments as one does', async (context) => {
  const folder = join(scratch(context), 'data')
  const head = new MemoryHeadStore()
  const disk = new NodeDisk()
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 6_000_000, segmentEntries: 1_024 }
  const ground = { disk, directory: folder, clock: new TurnedClock(), random: new SeededRandom(9), head, sizes }
  const stele = await openStele({ ...ground, lock: tryLock })
  const random = new SeededRandom(12)
  for (let round = 0; round < 12; round++) {
    await append(
      stele.ledgers,
      'main',
      Array.from({ length: 700 }, () => random.bytes(2_400)),
    )
    await stele.ledgers.publish()
    await sealAll(stele, disk, folder)
  }
  await stele.close()
  const heads = [{ where: 'memory', bytes: head.kept! }]
  const both = async (): Promise<DirectoryReport> => {
    const one = await verifyDirectory({ disk, directory: folder, heads })
    assert.deepEqual(await verifyDirectory({ disk, directory: folder, heads, threadCount: 2 }), one)
    return one
  }
  const good = await both()
  assert.deepEqual([good.verdict, good.findings], ['unchanged', []])
  assert.ok(good.segmentBytes > 16 * 1024 * 1024, String(good.segmentBytes))
  const [, path] = readdirSync(join(folder, 'segments/main')).filter((name) => name.endsWith('.content'))
  const bytes = readFileSync(join(folder, 'segments/main', path!))
  bytes[300_000]! ^= 1
  chmodSync(join(folder, 'segments/main', path!), 0o600)
  writeFileSync(join(folder, 'segments/main', path!), bytes)
  const damaged = await both()
  assert.equal(damaged.verdict, 'changed')
  assert.equal(damaged.firstBad?.ledger, 'main')
})

test('a lock is seen from beside without being taken, broken or kept from anybody', (context) => {
  const path = join(scratch(context), 'LOCK')
  assert.equal(isHeld(path), false)
  const lock = tryLock(path)
  assert.ok(lock !== undefined)
  assert.equal(isHeld(path), true)
  assert.equal(tryLock(path), undefined)
  lock.release()
  assert.equal(isHeld(path), false)
  const again = tryLock(path)
  assert.ok(again !== undefined)
  again.release()
})

test('P4: threads that share the work find the same as one, in a good directory and in a damaged one', async () => {
  const random = new SeededRandom(5)
  const large = await directoryWith(async ({ ledgers, administration }, clock) => {
    await administration.createLedger({ name: 'pay' }, 'tester')
    for (let round = 0; round < 12; round++) {
      clock.pass(1)
      const some = (count: number) => Array.from({ length: count }, (_, index) => random.bytes(500 + index))
      await Promise.all([append(ledgers, 'main', some(1_500)), append(ledgers, 'pay', some(3))])
      if (round % 4 === 0) await ledgers.publish()
    }
  }, 6_000_000)
  const both = async (disk: MemoryDisk): Promise<DirectoryReport> => {
    const [one, shared] = [
      await verified({ disk, head: large.head }),
      await verified({ disk, head: large.head }, { threadCount: 2 }),
    ]
    assert.deepEqual(shared, one)
    return one
  }
  const good = await both(large.disk)
  assert.ok(good.walBytes > 16 * 1024 * 1024)
  assert.equal(good.verdict, 'unchanged')
  const damaged = large.disk.copy()
  for (const index of [4_567, 17_000]) {
    const place = eventPlace(large.disk, 'main', index)
    damaged.bytesOf(place.path)[place.contentStart + 20]! ^= 1
  }
  assert.deepEqual((await both(damaged)).firstBad, { ledger: 'main', index: 4_567, count: 1 })
})
