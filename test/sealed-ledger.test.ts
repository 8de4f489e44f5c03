// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ledgers of which a part lies in segments and no longer in the log, as the writer sees them.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'

import { formatEntry, hashLeaf, parseEntry, rootAt, verifyInclusion } from '@stele/proof'

import { DataFault } from '../src/ledger/data-fault.ts'
import { DamagedError } from '../src/ledger/read.ts'
import type { Seal } from '../src/ledger/seal.ts'
import { sealWalFile } from '../src/ledger/sealing.ts'
import { listSegments } from '../src/ledger/segment/cover.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import { SegmentWriter } from '../src/ledger/segment/segment-writer.ts'
import type { Segment } from '../src/ledger/segment/segment.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import {
  append,
  type Ground,
  hex,
  MemoryHeadStore,
  openStele,
  readAll,
  recovery,
  scratch,
  sealAll,
  SeededRandom,
  type Stele,
  TurnedClock,
} from './scratch.ts'

const SIZES = { anchorEveryBytes: 20_000, walFileBytes: 120_000, segmentEntries: 256 }
const segments = join(directory, 'segments')
const objects = (disk: PowerCutDisk) => disk.paths.filter((path) => /\.(log|content)$/.test(path))
const walFiles = (disk: PowerCutDisk) => disk.paths.filter((path) => path.startsWith(join(directory, 'wal')))

function ground(disk: PowerCutDisk, head = new MemoryHeadStore()): Ground {
  return { disk, directory, clock: new TurnedClock(), random: new SeededRandom(11), head, sizes: SIZES }
}

/** Appends to two ledgers until so many WAL files are completed. */
async function fill(stele: Stele, fileCount: number, seed = 1): Promise<void> {
  const random = new SeededRandom(seed)
  const { ledgers, administration } = stele
  if (!ledgers.has('other')) await administration.createLedger({ name: 'other' }, 'tester')
  const completed: number[] = []
  const stop = ledgers.onFileCompleted(() => completed.push(ledgers.walBytes))
  while (completed.length < fileCount) {
    const events = Array.from({ length: 1 + random.below(80) }, () => random.bytes(random.below(300)))
    await append(ledgers, random.below(4) === 0 ? 'other' : 'main', events)
    await ledgers.publish()
  }
  stop()
}

interface Contents {
  readonly events: ReadonlyMap<string, readonly Buffer[]>
  readonly roots: ReadonlyMap<string, string>
}

async function contentsOf({ ledgers }: Stele): Promise<Contents> {
  const events = new Map<string, Buffer[]>()
  for (const name of ['main', 'other']) events.set(name, await readAll(ledgers, name))
  return { events, roots: new Map(['main', 'other'].map((name) => [name, hex(ledgers.log(name).root)])) }
}

async function assertHolds(stele: Stele, { events, roots }: Contents): Promise<void> {
  const { ledgers } = stele
  for (const [name, expected] of events) {
    const found = await readAll(ledgers, name)
    assert.equal(found.length, expected.length)
    for (const [index, event] of expected.entries()) assert(found[index]?.equals(event), `${name} ${index}`)
    assert.equal(hex(await rootAt(expected.length, ledgers.log(name).hashes)), roots.get(name))
    assert.equal(ledgers.log(name).size, expected.length)
    const entries = await ledgers.entries(name, 0, expected.length)
    for (let index = 0; index < expected.length; index += 37) {
      const proof = await ledgers.prove(name, index, expected.length)
      verifyInclusion(hashLeaf(entries[index]!), index, expected.length, proof, ledgers.log(name).root)
    }
  }
}

test('P1 P5: what is sealed comes back byte for byte, with the same roots and proofs, and the log before it is gone', async () => {
  const disk = new PowerCutDisk()
  const parts = ground(disk)
  const stele = await openStele(parts)
  await fill(stele, 4)
  const before = await contentsOf(stele)
  const files = walFiles(disk).length
  assert.equal(await sealAll(stele, disk, directory), files - 1)
  assert.equal(walFiles(disk).length, 1)
  assert(stele.ledgers.sealed.sizes['main']! > 256)
  await assertHolds(stele, before)
  // Superseded segments are gone: what is left of a ledger are whole ones and the run behind them.
  const names = objects(disk).filter((path) => path.startsWith(join(segments, 'main')) && path.endsWith('.log'))
  assert(names.length <= Math.ceil(stele.ledgers.sealed.sizes['main']! / 256) + 3, `${names.length} segments`)
  await fill(stele, 3, 2)
  const after = await contentsOf(stele)
  await sealAll(stele, disk, directory)
  await assertHolds(stele, after)
  await stele.close()
  const again = await openStele({ ...parts, disk: disk.copy() })
  assert.equal(again.ledgers.opening.rederived, undefined)
  await assertHolds(again, after)
})

test('P1: without its derived files a directory that is sealed has the same tree, and is appended to', async () => {
  const disk = new PowerCutDisk()
  const parts = ground(disk)
  const stele = await openStele(parts)
  await fill(stele, 3)
  await sealAll(stele, disk, directory)
  const before = await contentsOf(stele)
  await stele.close()
  for (const path of disk.paths) if (path.startsWith(join(directory, 'derived'))) disk.tamper(path, undefined)
  const again = await openStele(parts)
  assert.equal(again.ledgers.opening.rederived, 'there is no anchor')
  await assertHolds(again, before)
  await fill(again, 2, 5)
  const more = await contentsOf(again)
  await sealAll(again, disk, directory)
  await assertHolds(again, more)
})

test('P2 P3: of a proposed seal the writer believes nothing: whatever is left out, changed or missing is refused, and nothing goes', async () => {
  const disk = new PowerCutDisk()
  const stele = await openStele(ground(disk))
  await fill(stele, 2)
  const task = stele.ledgers.sealTask()!
  const { store } = recovery(disk, directory)
  const seal = await sealWalFile({ disk, directory, store }, task)
  const head = (name: string, change: object) =>
    seal.ledgers.map((ledger) => (ledger.name === name ? { ...ledger, ...change } : ledger))
  const main = seal.ledgers.find(({ name }) => name === 'main')!
  const wrong: Seal[] = [
    { ...seal, commit: seal.commit - 1 },
    { ...seal, hash: '0'.repeat(64) },
    { ...seal, originPrefix: 'stele.test/other' },
    { ...seal, ledgers: seal.ledgers.filter(({ name }) => name !== 'main') },
    { ...seal, ledgers: head('main', { size: main.size - 1 }) },
    { ...seal, ledgers: head('main', { size: main.size + 1 }) },
    { ...seal, ledgers: head('main', { root: '0'.repeat(64) }) },
    { ...seal, published: seal.published.map((said) => ({ ...said, root: '0'.repeat(64) })) },
  ]
  const files = walFiles(disk)
  for (const proposed of wrong) {
    await assert.rejects(stele.ledgers.acceptSeal(proposed), DataFault, JSON.stringify(proposed))
  }
  for (const path of objects(disk)) {
    const bytes = disk.bytes(path)
    const changed = Buffer.from(bytes)
    changed[changed.length >> 1]! ^= 4
    disk.tamper(path, changed)
    await assert.rejects(stele.ledgers.acceptSeal(seal), DataFault, path)
    disk.tamper(path, undefined)
    await assert.rejects(stele.ledgers.acceptSeal(seal), DataFault, path)
    disk.tamper(path, bytes)
  }
  assert.deepEqual(walFiles(disk), files)
  assert.equal(stele.ledgers.sealed.commit, 0)
  await stele.ledgers.acceptSeal(seal)
  assert.deepEqual(walFiles(disk), files.slice(1))
})

test('a seal whose swap took effect though it failed is known again, and one that somebody else moved is not', async () => {
  const disk = new PowerCutDisk()
  const stele = await openStele(ground(disk))
  await fill(stele, 2)
  const { store } = recovery(disk, directory)
  const seal = await sealWalFile({ disk, directory, store }, stele.ledgers.sealTask()!)
  const head = join(segments, '_head')
  const rename = disk.rename.bind(disk)
  disk.rename = async (from, to) => {
    await rename(from, to)
    if (to === head) throw new Error('EIO')
  }
  await assert.rejects(stele.ledgers.acceptSeal(seal), /EIO/)
  disk.rename = rename
  const moved = disk.bytes(head)
  disk.tamper(head, Buffer.from('another'))
  await assert.rejects(stele.ledgers.acceptSeal(seal), /somebody else has moved the seal/)
  disk.tamper(head, moved)
  await stele.ledgers.acceptSeal(seal)
  assert.equal(stele.ledgers.sealed.commit, seal.commit)
  const lost = disk.image([], (inode) => inode.durable)
  assert.deepEqual(lost.bytes(head), moved)
})

test('P4: a start names what is missing of the segments, the seal or the log behind it, and changes nothing', async () => {
  const disk = new PowerCutDisk()
  const parts = ground(disk)
  const stele = await openStele(parts)
  await fill(stele, 3)
  const earlier = new Map<string, Buffer>()
  await sealAll(stele, disk, directory)
  earlier.set('head', disk.bytes(join(segments, '_head')))
  await fill(stele, 2, 3)
  await sealAll(stele, disk, directory)
  await stele.close()
  const refused = async (change: (copy: PowerCutDisk) => void, what: RegExp): Promise<void> => {
    const copy = disk.copy()
    change(copy)
    const before = copy.paths.map((path) => [path, copy.bytes(path)])
    await assert.rejects(openStele({ ...parts, disk: copy }), (error) => {
      assert(error instanceof DataFault, String(error))
      assert.match(error.message, what)
      assert(error.expected !== error.found)
      return true
    })
    const beside = (paths: typeof before) => paths.filter(([path]) => !String(path).includes('derived'))
    assert.deepEqual(beside(copy.paths.map((path) => [path, copy.bytes(path)])), beside(before))
  }
  for (const path of objects(disk)) {
    await refused((copy) => copy.tamper(path, undefined), /a segment is missing; expected entries \d+ to \d+ of /)
    await refused((copy) => copy.tamper(path, copy.bytes(path).subarray(0, 300)), /segment|cut|ends/)
  }
  const [one, two] = objects(disk)
  await refused((copy) => {
    const bytes = copy.bytes(one!)
    copy.tamper(one!, copy.bytes(two!))
    copy.tamper(two!, bytes)
  }, /expected .* found /)
  const head = join(segments, '_head')
  await refused((copy) => copy.tamper(head, undefined), /the first WAL file is missing/)
  await refused((copy) => copy.tamper(head, earlier.get('head')), /the first WAL file is missing|a segment is missing/)
  await refused((copy) => copy.tamper(head, Buffer.from('{}')), /the seal cannot be read|the seal was changed/)
  const forged = Buffer.from(
    disk
      .bytes(head)
      .toString()
      .replace(/"lastMs":\d/, '"lastMs":9'),
  )
  await refused((copy) => copy.tamper(head, forged), /the seal was not made by this directory/)
  const [first] = walFiles(disk)
  await refused((copy) => copy.tamper(first!, undefined), /the first WAL file is missing/)
})

/** The first whole segment of `main` with event 5 replaced, as somebody without the key makes it. */
async function forgedSegment(disk: PowerCutDisk): Promise<{ genuine: Segment; forged: Segment; store: MemoryStore }> {
  const { store } = recovery(disk, directory)
  const genuine = (await listSegments(store, 'main')).get('main')!.find(({ count }) => count === 256)!
  const made = new MemoryStore()
  const parts = { store: made, originPrefix: 'stele.test/abcdefghijklm', ledger: 'main', first: genuine.first }
  const writer = await SegmentWriter.begin(parts)
  for await (const { index, entry, leaf, content } of (await SegmentReader.open(store, genuine)).walk(genuine.first)) {
    if (index !== 5) {
      await writer.add(entry, leaf, content)
      continue
    }
    const event = Buffer.concat([content.subarray(0, 16), Buffer.from('mallory')])
    const { at, source, by, media } = parseEntry(entry)
    const sha256 = createHash('sha256').update(event).digest('base64url')
    const line = Buffer.from(formatEntry({ at, source, by, media, size: 7, sha256 }))
    await writer.add(line, hashLeaf(line), event)
  }
  return { genuine, forged: await writer.finish(), store: made }
}

test('P4: an event that was forged inside a segment, with entry, hashes and footer made to fit, is not handed out', async () => {
  const disk = new PowerCutDisk()
  const parts = ground(disk)
  const stele = await openStele(parts)
  await fill(stele, 4)
  await sealAll(stele, disk, directory)
  const before = await contentsOf(stele)
  await stele.close()
  const { genuine, forged, store } = await forgedSegment(disk)
  for (const kind of ['log', 'content'] as const) {
    const bytes = await store.read(forged[kind].key, 0, forged[kind].sizeBytes)
    Buffer.from(genuine.root, 'hex').copy(bytes, bytes.length - 128 + 24)
    disk.tamper(join(segments, genuine[kind].key), bytes)
  }
  const again = await openStele(parts)
  await assert.rejects(again.ledgers.event('main', 5), DamagedError)
  await assert.rejects(again.ledgers.entries('main', 0, 10), DamagedError)
  const { event } = await again.ledgers.event('main', 100)
  assert(event.equals(before.events.get('main')![100]!))
})

test('P4: a segment that somebody put beside a genuine one, under a name that comes first, is no reason to give that up', async () => {
  const disk = new PowerCutDisk()
  const parts = ground(disk)
  const stele = await openStele(parts)
  await fill(stele, 4)
  await sealAll(stele, disk, directory)
  await stele.close()
  const { forged, store } = await forgedSegment(disk)
  for (const kind of ['log', 'content'] as const) {
    const bytes = await store.read(forged[kind].key, 0, forged[kind].sizeBytes)
    disk.tamper(join(segments, forged[kind].key), bytes)
  }
  const names = objects(disk)
  const opened = await openStele(parts).catch((error: unknown) => error)
  if (opened instanceof Error) {
    assert(opened instanceof DataFault && /have another root than the seal/.test(opened.message), String(opened))
    assert.deepEqual(objects(disk), names)
    return
  }
  // Its name came second: the genuine one is read, and goes on being the one that is kept.
  const again = opened as Stele
  await fill(again, 2, 9)
  await sealAll(again, disk, directory)
  assert.equal((await readAll(again.ledgers, 'main')).length, again.ledgers.log('main').size)
})

test('P1 P2: a power cut at any moment of sealing loses and doubles nothing, and what was begun is finished', async () => {
  const begun = new PowerCutDisk()
  const head = new MemoryHeadStore()
  const stele = await openStele(ground(begun, head))
  await fill(stele, 2)
  await stele.close()
  const seed = new SeededRandom(99)
  for (let operations = 0, isDone = false; !isDone; operations += 1 + seed.below(12)) {
    const disk = begun.copy()
    const keptHead = new MemoryHeadStore()
    keptHead.kept = head.kept
    const before = await openStele(ground(disk, keptHead))
    const expected = await contentsOf(before)
    disk.operationsLeft = operations
    isDone = await sealAll(before, disk, directory).then(
      () => true,
      () => false,
    )
    const left = seed.below(2) === 0 ? disk.afterKill(seed) : disk.afterPowerCut(seed)
    const after = await openStele(ground(left, keptHead))
    await assertHolds(after, expected)
    await sealAll(after, left, directory)
    assert.equal(walFiles(left).length, 1)
    await assertHolds(after, expected)
    assert.deepEqual(after.failures, [])
  }
})

test('leaf hashes and places of what is sealed are kept once, in segments: whole files of them go', async (context) => {
  const folder = scratch(context)
  const disk = new NodeDisk()
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 24_000_000, segmentEntries: 65_536 }
  const parts = { ...ground(new PowerCutDisk()), disk, directory: folder, random: new SystemRandom(), sizes }
  const stele = await openStele(parts)
  const { ledgers } = stele
  const events = Array.from({ length: 500 }, (_, index) => Buffer.from(String(index)))
  while (ledgers.log('main').size < 140_000) await append(ledgers, 'main', events)
  const root = hex(ledgers.log('main').root)
  const { size } = ledgers.log('main')
  await sealAll(stele, disk, folder)
  // What the next anchor does not count on any more goes with it.
  await stele.close()
  const derived = await disk.list(join(folder, 'derived', 'main'))
  assert(!derived.includes('level-0-00000000'), derived.join(' '))
  assert(derived.includes('level-0-00000001'), derived.join(' '))
  const opened = await openStele(parts)
  assert.equal(hex(await rootAt(size, opened.ledgers.log('main').hashes)), root)
  const [event] = await opened.ledgers.events('main', 70_123, 70_124, 1_000)
  assert.equal(event?.event.toString(), String(70_123 % 500))
  await opened.close()
})

test('P1: a seal that a killed process left in the page cache only is made durable before the log it replaces goes', async () => {
  const killedBefore = ['syncDirectory of the seal', 'the removal of the file'] as const
  for (const moment of killedBefore) {
    const disk = new PowerCutDisk()
    const head = new MemoryHeadStore()
    const stele = await openStele(ground(disk, head))
    await fill(stele, 2)
    const rename = disk.rename.bind(disk)
    disk.rename = async (from, to) => {
      await rename(from, to)
      if (to === join(segments, '_head')) disk.operationsLeft = moment === killedBefore[0] ? 0 : 1
    }
    await assert.rejects(sealAll(stele, disk, directory), /power is off/)
    const killed = disk.afterKill(new SeededRandom(3))
    const files = walFiles(killed)
    const second = await openStele(ground(killed, head))
    await second.ledgers.finishSealing()
    assert.deepEqual(walFiles(killed), files.slice(1), moment)
    await append(second.ledgers, 'main', [Buffer.from('acknowledged')])
    await second.ledgers.publish()
    const expected = await contentsOf(second)
    const lost = killed.image([], (inode) => inode.durable)
    const third = await openStele(ground(lost, head))
    await assertHolds(third, expected)
  }
})
