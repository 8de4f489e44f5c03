// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The keeper's work on one WAL file: what it puts into segments is what the log has, however the ledgers lie in it,
// wherever it is killed, and never from a file that is not as it must be.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { hashLeaf, rootAt } from '@stele/proof'

import { DataFault } from '../src/ledger/data-fault.ts'
import type { Ledgers } from '../src/ledger/ledgers.ts'
import type { Seal } from '../src/ledger/seal.ts'
import { sealWalFile } from '../src/ledger/sealing.ts'
import { checkSegment } from '../src/ledger/segment/check-segment.ts'
import { coverOf, listSegments } from '../src/ledger/segment/cover.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import { DirectoryStore } from '../src/ledger/store/directory-store.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import type { ObjectDraft, ObjectStore } from '../src/ledger/store/object-store.ts'
import { BLOCK_BYTES, decodeFileHeader } from '../src/ledger/wal/format.ts'
import { eventBounds, type ReadFrame } from '../src/ledger/wal/frame-reader.ts'
import { framesOf, resealFrame } from './forge.ts'
import { PowerCutDisk, powerCutDirectory as directory } from './power-cut-disk.ts'
import { append, hex, MemoryHeadStore, openStele, SeededRandom, TurnedClock } from './scratch.ts'

const ORIGIN = 'stele.test/abcdefghijklm'

interface Written {
  readonly disk: PowerCutDisk
  readonly ledgers: Ledgers
  /** First commits of the files that are complete. */
  readonly files: readonly number[]
}

/** A log of some files in which ledgers lie beside each other, batches of all sizes. */
async function written(ledgerCount: number, fileCount: number, walFileBytes: number, seed = 1): Promise<Written> {
  const disk = new PowerCutDisk()
  const random = new SeededRandom(seed)
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes, segmentEntries: 512 }
  const { ledgers } = await openStele({
    disk,
    directory,
    clock: new TurnedClock(),
    random: new SeededRandom(seed + 1),
    head: new MemoryHeadStore(),
    sizes,
  })
  const names = ['main', ...Array.from({ length: ledgerCount - 1 }, (_, number) => `ledger-${number}`)]
  for (const name of names) await ledgers.ensureLog(name)
  await Promise.all(names.map(async (name) => await append(ledgers, name, [random.bytes(20)])))
  while (walFiles(disk).length <= fileCount) {
    const together = Array.from({ length: 1 + random.below(Math.min(20, ledgerCount)) }, async () => {
      const events = Array.from({ length: 1 + random.below(30) }, () => random.bytes(random.below(120)))
      await append(ledgers, names[random.below(names.length)]!, events)
    })
    await Promise.all(together)
    await ledgers.publish()
  }
  return { disk, ledgers, files: walFiles(disk).slice(0, -1) }
}

function walFiles(disk: PowerCutDisk): number[] {
  const folder = join(directory, 'wal')
  return disk.paths.filter((path) => path.startsWith(folder)).map((path) => Number(path.slice(folder.length + 1)))
}

function walPathOf(file: number): string {
  return join(directory, 'wal', String(file).padStart(16, '0'))
}

async function seal(
  disk: PowerCutDisk,
  store: ObjectStore,
  file: number,
  before: Seal | undefined,
  segmentEntries = 512,
) {
  return await sealWalFile({ disk, directory, store }, { file, before, segmentEntries, originPrefix: ORIGIN })
}

/** Seals all files as the writer has it done: what a cover does not need any more is removed. */
async function sealAll({ disk, files }: Written, store: ObjectStore, segmentEntries = 512): Promise<Seal> {
  let sealed: Seal | undefined
  for (const file of files) {
    sealed = await seal(disk, store, file, sealed, segmentEntries)
    for (const { name, size } of sealed.ledgers) {
      const segments = (await listSegments(store, name)).get(name) ?? []
      const { cover, missing } = coverOf(segments, size)
      assert.equal(missing, undefined, name)
      const superseded = segments.filter((segment) => !cover.includes(segment))
      for (const segment of superseded) for (const { key } of [segment.log, segment.content]) await store.remove(key)
    }
  }
  assert(sealed !== undefined)
  return sealed
}

/** Everything that the seal speaks of comes out of the segments as the log has it. */
async function assertSame({ ledgers }: Pick<Written, 'ledgers'>, store: ObjectStore, sealed: Seal): Promise<void> {
  for (const { name, size, root } of sealed.ledgers) {
    assert.equal(root, hex(await rootAt(size, ledgers.log(name).hashes)), name)
    const segments = (await listSegments(store, name)).get(name) ?? []
    const { cover, missing } = coverOf(segments, size)
    assert.equal(missing, undefined, name)
    let index = 0
    for (const segment of cover) {
      for await (const flaw of checkSegment(store, segment)) assert.fail(JSON.stringify(flaw))
      const reader = await SegmentReader.open(store, segment)
      assert.equal(reader.origin, `${ORIGIN}/${name}`)
      for await (const found of reader.walk(index)) {
        const stored = await ledgers.event(name, index)
        assert.equal(found.index, index)
        assert(found.entry.equals(stored.entryBytes), `entry ${index} of ${name}`)
        assert(found.content.equals(Buffer.concat([stored.salt, stored.event])), `content ${index} of ${name}`)
        assert.equal(hex(found.leaf), hex(hashLeaf(stored.entryBytes)))
        index++
      }
    }
    assert.equal(index, size, name)
  }
}

for (const [ledgerCount, fileCount, walFileBytes] of [
  [1, 4, 120_000],
  [5, 5, 150_000],
  [300, 2, 500_000],
] as const) {
  test(`P1: ${ledgerCount} ledgers come out of segments byte for byte, with the roots that the log has`, async () => {
    const log = await written(ledgerCount, fileCount, walFileBytes)
    const store = new MemoryStore()
    const sealed = await sealAll(log, store)
    const names = sealed.ledgers.map(({ name }) => name)
    assert.equal(names.filter((name) => name === 'main' || name.startsWith('ledger-')).length, ledgerCount)
    await assertSame(log, store, sealed)
  })
}

test('the seal says what recovery would know by then: commit, chain, time, sizes, and what heads has published', async () => {
  const log = await written(3, 3, 60_000)
  const store = new MemoryStore()
  const sealed = await sealAll(log, store)
  const next = log.disk.bytes(walPathOf(walFiles(log.disk).at(-1)!))
  const header = decodeFileHeader('', next.subarray(0, BLOCK_BYTES))
  assert.equal(sealed.commit + 1, header.firstCommit)
  assert.equal(sealed.hash, hex(header.previousHash))
  assert.equal(sealed.originPrefix, ORIGIN)
  const sizes = new Map(sealed.ledgers.map(({ name, size }) => [name, size]))
  const heads = await log.ledgers.events('heads', 0, sizes.get('heads')!, Infinity)
  assert.equal(sealed.lastMs, Math.max(...heads.map(({ entry }) => Date.parse(entry.at))))
  assert(sealed.published.length > 0)
  for (const { name, size, root } of sealed.published) {
    assert(size <= sizes.get(name)!)
    assert.equal(root, hex(await rootAt(size, log.ledgers.log(name).hashes)))
  }
})

test('a run that is not whole is taken into the next one, and a whole one is aligned and never touched again', async () => {
  const log = await written(1, 25, 60_000, 5)
  const store = new MemoryStore()
  let sealed: Seal | undefined
  let whole: string[] = []
  for (const file of log.files) {
    sealed = await seal(log.disk, store, file, sealed)
    const { size } = sealed.ledgers.find(({ name }) => name === 'main')!
    const { cover } = coverOf((await listSegments(store, 'main')).get('main')!, size)
    const wholeNow = cover.filter(({ count }) => count === 512)
    for (const { first } of wholeNow) assert.equal(first % 512, 0)
    assert.deepEqual(
      wholeNow.slice(0, whole.length).map(({ log: { key } }) => key),
      whole,
    )
    whole = wholeNow.map(({ log: { key } }) => key)
    assert.equal(whole.length, Math.floor(size / 512))
    const partial = cover.filter(({ count }) => count < 512)
    assert(partial.length <= Math.log2(512), `${partial.length} of them`)
    for (const { first } of partial) assert.equal(first % 256, 0)
  }
  assert(whole.length > 2)
  await assertSame(log, store, sealed!)
})

/** A store that dies at some operation, whatever it is, before or behind it. */
class DyingStore implements ObjectStore {
  readonly where = 'memory'
  readonly store: ObjectStore
  left: number

  constructor(store: ObjectStore, left: number) {
    this.store = store
    this.left = left
  }

  async draft(): Promise<ObjectDraft> {
    const draft = await this.#do(async () => await this.store.draft())
    return {
      write: async (bytes) => await this.#do(async () => await draft.write(bytes)),
      create: async (key) => await this.#do(async () => await draft.create(key)),
      abandon: async () => await draft.abandon(),
    }
  }

  async read(key: string, position: number, lengthBytes: number): Promise<Buffer> {
    return await this.#do(async () => await this.store.read(key, position, lengthBytes))
  }

  async list(prefix: string) {
    return await this.#do(async () => await this.store.list(prefix))
  }

  async remove(): Promise<void> {
    assert.fail('the keeper removes nothing')
  }

  async readHead() {
    return await this.store.readHead()
  }

  async swapHead(): Promise<string | undefined> {
    assert.fail('the keeper does not move the seal')
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.left-- <= 0) throw new Error('killed')
    const done = await work()
    if (this.left <= 0) throw new Error('killed')
    return done
  }
}

test('P1: killed at any operation of the store, sealing begins again and gives the same seal and the same entries', async () => {
  const log = await written(3, 2, 30_000, 9)
  const [first, second] = log.files
  const clean = new MemoryStore()
  const before = await seal(log.disk, clean, first!, undefined)
  const expected = await seal(log.disk, clean, second!, before)
  let killed = 0
  for (let left = 1; ; left++) {
    const store = new MemoryStore()
    assert.deepEqual(await seal(log.disk, store, first!, undefined), before)
    const dying = new DyingStore(store, left)
    const outcome = await seal(log.disk, dying, second!, before).catch((error: Error) => error)
    if (!(outcome instanceof Error)) break
    assert.equal(outcome.message, 'killed')
    killed++
    assert.deepEqual(await seal(log.disk, store, second!, before), expected)
    await assertSame(log, store, expected)
  }
  assert(killed > 20, `${killed} kills`)
})

test('P1: when the power is cut at any moment of sealing, the log is still there and sealing it gives the same', async () => {
  const log = await written(2, 1, 40_000, 13)
  const [file] = log.files
  const expected = await seal(log.disk.copy(), new MemoryStore(), file!, undefined)
  const random = new SeededRandom(17)
  let cuts = 0
  for (let operations = 0; ; operations += 1 + random.below(3)) {
    const disk = log.disk.copy()
    disk.operationsLeft = operations
    const store = new DirectoryStore(disk, join(directory, 'segments'))
    const outcome = await seal(disk, store, file!, undefined).catch((error: Error) => error)
    if (!(outcome instanceof Error)) break
    cuts++
    const after = disk.afterPowerCut(random)
    const again = new DirectoryStore(after, join(directory, 'segments'))
    await again.removeDrafts()
    assert.deepEqual(await seal(after, again, file!, undefined), expected)
    await assertSame(log, again, expected)
  }
  assert(cuts > 10, `${cuts} cuts`)
})

test('P4: a WAL file in which any byte was flipped is not sealed: the fault names the file and a byte of the frame', async () => {
  const { disk, files } = await written(3, 2, 60_000, 21)
  const path = walPathOf(files[0]!)
  const bytes = disk.bytes(path)
  const random = new SeededRandom(3)
  for (let tries = 0; tries < 200; tries++) {
    const at = random.below(bytes.length)
    const damaged = disk.copy()
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 1 << random.below(8)
    damaged.tamper(path, flipped)
    const store = new MemoryStore()
    await assert.rejects(seal(damaged, store, files[0]!, undefined), (fault: DataFault) => {
      assert(fault instanceof DataFault, String(fault))
      assert.equal(fault.file, path)
      return true
    })
    assert.deepEqual(await store.list(''), [], 'it made segments of what it had not checked')
    assert(damaged.bytes(path).equals(flipped))
  }
})

/** The file with its last frame changed by somebody who knows the file's id, and so can write hashes that fit. */
function forged(bytes: Buffer, change: (frame: ReadFrame) => void): { readonly bytes: Buffer; readonly at: number } {
  const changed = Buffer.from(bytes)
  const { fileId } = decodeFileHeader('', changed.subarray(0, BLOCK_BYTES))
  const frame = framesOf(changed, fileId).at(-1)!
  change(frame)
  resealFrame(frame.bytes, fileId)
  return { bytes: changed, at: frame.position }
}

test('P4: a frame with sound checksums is not sealed where an entry, a content or a leaf is another', async () => {
  const { disk, files } = await written(1, 1, 60_000, 33)
  const path = walPathOf(files[0]!)
  const changes: Readonly<Record<string, (frame: ReadFrame) => void>> = {
    'does not have its leaf hash': ({ sections: [section] }) => {
      section!.bytes[eventBounds(section!, 0).entryStart + 30]! ^= 1
    },
    'does not commit to its content': ({ sections: [section] }) => {
      section!.bytes[eventBounds(section!, 0).contentStart]! ^= 1
    },
    'are missing': ({ sections: [section] }) => {
      section!.bytes.writeBigUInt64BE(BigInt(section!.first + 1), section!.at + 8)
    },
  }
  for (const [what, change] of Object.entries(changes)) {
    const file = forged(disk.bytes(path), change)
    const damaged = disk.copy()
    damaged.tamper(path, file.bytes)
    await assert.rejects(seal(damaged, new MemoryStore(), files[0]!, undefined), (fault: DataFault) => {
      assert(fault instanceof DataFault, String(fault))
      assert(fault.what.includes(what), fault.what)
      assert.equal(fault.file, path)
      assert(fault.offset >= file.at)
      return true
    })
  }
})

test('P4: a file that does not follow the seal, or segments that are not the sealed ones, are not built upon', async () => {
  const log = await written(1, 3, 60_000, 41)
  const [first, second, third] = log.files
  const store = new MemoryStore()
  const before = await seal(log.disk, store, first!, undefined)
  await assert.rejects(seal(log.disk, store, third!, before), /does not follow what is sealed/)
  await assert.rejects(seal(log.disk, store, second!, undefined), /does not follow what is sealed/)
  const other = { ...before, ledgers: before.ledgers.map((ledger) => ({ ...ledger, root: 'ab'.repeat(32) })) }
  await assert.rejects(seal(log.disk, store, second!, other), /are not the sealed ones/)
  const [lost] = (await listSegments(store, 'main')).get('main')!
  await store.remove(lost!.content.key)
  await assert.rejects(seal(log.disk, store, second!, before), (fault: DataFault) => {
    assert(fault instanceof DataFault)
    assert.match(fault.message, /segments of main are missing.*entries 0 to/)
    return true
  })
})
