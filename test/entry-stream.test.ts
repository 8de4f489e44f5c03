// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Entries read from another process, wherever they lie, while they are being sealed.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { WriterSide } from '../src/index/writer-side.ts'
import { DataFault } from '../src/ledger/data-fault.ts'
import { type Counts, EntryStream, filesOf, type Whereabouts } from '../src/ledger/entry-stream.ts'
import type { DurableEnd } from '../src/ledger/wal/frame-tail.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append, MemoryHeadStore, openStele, sealAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

const directory = '/data'
const SIZES = { anchorEveryBytes: 2 ** 40, walFileBytes: 40_000, segmentEntries: 256 }

class Ground {
  readonly disk = new MemoryDisk()
  readonly stele: Stele
  readonly writer: WriterSide
  readonly random = new SeededRandom(5)
  /** How often the writer was asked where entries lie. */
  asked = 0

  private constructor(disk: MemoryDisk, stele: Stele) {
    this.disk = disk
    this.stele = stele
    this.writer = new WriterSide(stele.ledgers)
  }

  static async begin(): Promise<Ground> {
    const disk = new MemoryDisk()
    const parts = { clock: new TurnedClock(), random: new SeededRandom(3), head: new MemoryHeadStore() }
    const stele = await openStele({ disk, directory, sizes: SIZES, ...parts })
    await stele.administration.createLedger({ name: 'other' }, 'tester')
    return new Ground(disk, stele)
  }

  get end(): DurableEnd {
    return this.stele.ledgers.durableEnd
  }

  /** Appends until so many WAL files are completed. */
  async fill(fileCount: number): Promise<void> {
    const { ledgers } = this.stele
    const completed: number[] = []
    const stop = ledgers.onFileCompleted(() => completed.push(1))
    for (; completed.length < fileCount;) {
      const ledger = this.random.below(3) === 0 ? 'other' : 'main'
      const events = Array.from({ length: 1 + this.random.below(60) }, () => this.random.bytes(this.random.below(200)))
      await append(ledgers, ledger, events)
    }
    stop()
  }

  async seal(): Promise<void> {
    assert(await sealAll(this.stele, this.disk, directory))
  }

  stream(next: Counts = {}, isWanted = (ledger: string) => ledger !== 'heads'): EntryStream {
    const locate = async (from: Counts) => {
      this.asked++
      return (await this.writer.answer({ what: 'locate', next: from })) as Whereabouts
    }
    return new EntryStream({ files: filesOf(this.disk, directory), next, isWanted, locate })
  }

  /** Demands that these are all entries from `next` on, each once, in order, as the ledgers have them. */
  async holds(read: Map<string, [index: number, event: Buffer][]>, next: Counts, names: readonly string[]) {
    const { ledgers } = this.stele
    for (const name of names) {
      const { size } = ledgers.log(name)
      const found = read.get(name) ?? []
      const first = next[name] ?? 0
      assert.deepEqual(
        found.map(([index]) => index),
        Array.from({ length: size - first }, (_, at) => first + at),
        name,
      )
      for (const [index, event] of found) assert(event.equals((await ledgers.event(name, index)).event))
    }
    assert.deepEqual(
      [...read.keys()].filter((name) => !names.includes(name)),
      [],
    )
  }

  get walPaths(): string[] {
    return this.disk.paths.filter((path) => path.startsWith(join(directory, 'wal')))
  }

  get contentPaths(): string[] {
    return this.disk.paths.filter((path) => path.includes('/segments/main/') && path.endsWith('.content'))
  }
}

async function readOn(
  stream: EntryStream,
  end: DurableEnd,
  at: (count: number) => Promise<void> = async () => {},
): Promise<Map<string, [index: number, event: Buffer][]>> {
  const read = new Map<string, [number, Buffer][]>()
  let count = 0
  for (let found = await stream.next(end); found !== undefined; found = await stream.next(end)) {
    read.set(found.ledger, [...(read.get(found.ledger) ?? []), [found.index, Buffer.from(found.event)]])
    await at(++count)
  }
  await stream.close()
  return read
}

const ALL = ['access', 'main', 'other', 'system']

test('entries come each once and in order from the log, from segments, and from both', async () => {
  const ground = await Ground.begin()
  await ground.fill(3)
  const nexts = [{}, { main: 300, other: 7 }, { main: 511, system: 2 }]
  for (const next of nexts) await ground.holds(await readOn(ground.stream(next), ground.end), next, ALL)
  await ground.seal()
  for (const next of nexts) await ground.holds(await readOn(ground.stream(next), ground.end), next, ALL)
  await ground.fill(2)
  for (const next of nexts) await ground.holds(await readOn(ground.stream(next), ground.end), next, ALL)
  assert.equal(ground.walPaths.length, 3)
  const sizes = Object.fromEntries(ALL.map((name) => [name, ground.stele.ledgers.log(name).size]))
  await ground.holds(await readOn(ground.stream(sizes), ground.end), sizes, ALL)
})

test('ledgers that are not wanted are not read, and what is appended meanwhile comes behind the rest', async () => {
  const ground = await Ground.begin()
  await ground.fill(2)
  await ground.seal()
  const stream = ground.stream({}, (ledger) => ledger === 'other')
  await ground.holds(await readOn(stream, ground.end), {}, ['other'])
  const next = { other: ground.stele.ledgers.log('other').size }
  await ground.fill(2)
  await ground.seal()
  await ground.holds(await readOn(stream, ground.end), next, ['other'])
})

test('sealing may take away what is being read at any entry: nothing is left out, doubled or told', async () => {
  let again = 0
  for (let at = 1; at < 1_000; at += 83) {
    const ground = await Ground.begin()
    await ground.fill(1)
    if (at % 2 === 0) await ground.seal()
    await ground.fill(2)
    const read = await readOn(ground.stream(), ground.end, async (count) => {
      if (count !== at) return
      await ground.seal()
      await ground.fill(1)
      await ground.seal()
    })
    again += ground.asked - 1
    const sizes = ALL.map((name) => [name, read.get(name)?.length ?? 0] as const)
    const rest = Object.fromEntries(sizes)
    for (const [name, found] of await readOn(ground.stream(rest), ground.end)) {
      read.set(name, [...(read.get(name) ?? []), ...found])
    }
    await ground.holds(read, {}, ALL)
  }
  assert(again > 0, 'nothing was ever taken away')
})

test('a WAL file or a segment that is really gone is told of, and reading goes on once it is back', async () => {
  const ground = await Ground.begin()
  await ground.fill(3)
  await ground.seal()
  await ground.fill(2)
  for (const path of [ground.walPaths[0]!, ground.contentPaths[0]!]) {
    const stream = ground.stream()
    const bytes = Buffer.from(ground.disk.bytesOf(path))
    await ground.disk.remove(path)
    const read = new Map<string, [number, Buffer][]>()
    await assert.rejects(async () => {
      for (;;) {
        const found = await stream.next(ground.end)
        assert(found !== undefined)
        read.set(found.ledger, [...(read.get(found.ledger) ?? []), [found.index, Buffer.from(found.event)]])
      }
    }, /ENOENT|a segment is missing; expected entries 0 to \d+ of main/)
    ground.disk.put(path, bytes)
    for (const [name, found] of await readOn(stream, ground.end)) {
      read.set(name, [...(read.get(name) ?? []), ...found])
    }
    await ground.holds(read, {}, ALL)
  }
})

test('a changed byte of a segment is a fault that names the file, and never another entry', async () => {
  const ground = await Ground.begin()
  await ground.fill(2)
  await ground.seal()
  const random = new SeededRandom(9)
  const paths = ground.disk.paths.filter((path) => path.includes('/segments/main/'))
  let foundCount = 0
  for (let round = 0; round < 60; round++) {
    const path = paths[round % paths.length]!
    const bytes = ground.disk.bytesOf(path)
    const [at, flipped] = [random.below(bytes.length), 1 << random.below(8)]
    bytes[at]! ^= flipped
    try {
      await ground.holds(await readOn(ground.stream(), ground.end), {}, ALL)
    } catch (error) {
      assert(error instanceof DataFault, String(error))
      assert(error.file.startsWith(join(directory, 'segments/main')), error.message)
      foundCount++
    }
    bytes[at]! ^= flipped
  }
  // Hashes of level 1 and the hash of the object are for others.
  assert(foundCount > 40, `${foundCount} of 60`)
  await ground.holds(await readOn(ground.stream(), ground.end), {}, ALL)
})
