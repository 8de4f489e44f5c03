// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SALT_BYTES } from '@stele/proof'
import { WriterSide } from '../src/index/writer-side.ts'
import type { Durable } from '../src/index/ledger-source.ts'
import { DataFault } from '../src/ledger/data-fault.ts'
import type { Whereabouts } from '../src/ledger/entry-stream.ts'
import { BLOCK_BYTES } from '../src/ledger/wal/format.ts'
import { eventBounds } from '../src/ledger/wal/frame-reader.ts'
import { type DurableEnd, FrameTail } from '../src/ledger/wal/frame-tail.ts'
import { MemoryDisk } from './memory-disk.ts'
import { append, MemoryHeadStore, openStele, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

const directory = '/data'
/** Many files. */
const SMALL = { anchorEveryBytes: 2 ** 40, walFileBytes: 3 * BLOCK_BYTES }

async function begun(): Promise<{ stele: Stele; disk: MemoryDisk }> {
  const disk = new MemoryDisk()
  const parts = { clock: new TurnedClock(), random: new SeededRandom(5), head: new MemoryHeadStore(), sizes: SMALL }
  return { stele: await openStele({ ...parts, disk, directory }), disk }
}

/** Events of `main` that the tail gives up to `end`, by index. */
async function followed(tail: FrameTail, end: DurableEnd): Promise<Map<number, string>> {
  const events = new Map<number, string>()
  for (let frame = await tail.next(end); frame !== undefined; frame = await tail.next(end)) {
    for (const section of frame.sections.filter(({ ledger }) => ledger === 'main')) {
      for (let position = 0; position < section.count; position++) {
        const { contentStart, contentEnd } = eventBounds(section, position)
        const index = section.first + position
        assert(!events.has(index), `${index} once`)
        events.set(index, section.bytes.toString('utf8', contentStart + SALT_BYTES, contentEnd))
      }
    }
  }
  return events
}

async function fill({ ledgers }: Stele, count: number): Promise<void> {
  const { size } = ledgers.log('main')
  for (let index = size; index < size + count; index++) await append(ledgers, 'main', [Buffer.from(`event ${index}`)])
}

test('a follower reads every event once, in order, over many files, from the beginning or from any entry', async () => {
  const { stele, disk } = await begun()
  await fill(stele, 40)
  const writer = new WriterSide(stele.ledgers)
  const { end, sizes } = (await writer.answer({ what: 'now' })) as Durable
  assert.equal(sizes['main'], 40)
  assert(!('heads' in sizes))
  for (const from of [0, 1, 17, 39]) {
    const next = Object.fromEntries(Object.entries(sizes))
    const at = (await writer.answer({ what: 'locate', next: { ...next, main: from } })) as Whereabouts
    const tail = await FrameTail.at(disk, directory, at.position)
    const events = await followed(tail, end)
    await tail.close()
    const indexes = [...events.keys()]
    assert(indexes[0]! <= from, `${indexes[0]} is not behind ${from}`)
    assert.deepEqual(
      indexes,
      Array.from({ length: 40 - indexes[0]! }, (_, position) => indexes[0]! + position),
    )
    for (const [index, event] of events) assert.equal(event, `event ${index}`)
  }
  const done = (await writer.answer({ what: 'locate', next: sizes })) as Whereabouts
  const tail = await FrameTail.at(disk, directory, done.position)
  assert.equal((await followed(tail, end)).size, 0)
  await fill(stele, 3)
  const grown = (await writer.answer({ what: 'beyond', position: tail.position })) as Durable
  assert.deepEqual([...(await followed(tail, grown.end)).keys()], [40, 41, 42])
})

test('a follower sees nothing beyond what the writer announced, whatever the file holds', async () => {
  const { stele, disk } = await begun()
  await fill(stele, 3)
  const announced = stele.ledgers.durableEnd
  await fill(stele, 1)
  const tail = await FrameTail.at(disk, directory, { file: 1, position: 0 })
  assert.deepEqual([...(await followed(tail, announced)).keys()], [0, 1, 2])
  assert.deepEqual([...(await followed(tail, stele.ledgers.durableEnd)).keys()], [3])
})

test('whoever waits for the log to grow is answered after the commit, and not before', async () => {
  const { stele } = await begun()
  const writer = new WriterSide(stele.ledgers)
  const position = stele.ledgers.durableEnd
  let answered = false
  const waiting = writer.answer({ what: 'beyond', position }).then((durable) => {
    answered = true
    return durable as Durable
  })
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  assert.equal(answered, false)
  await fill(stele, 1)
  assert.equal((await waiting).sizes['main'], 1)
})

test('a follower stops at a frame that was changed, and names it', async () => {
  const { stele, disk } = await begun()
  await fill(stele, 1)
  const [at, end] = [stele.ledgers.durableEnd, await fill(stele, 1).then(() => stele.ledgers.durableEnd)]
  const path = (await disk.list(`${directory}/wal`)).map((name) => `${directory}/wal/${name}`)
  const number = path.findIndex((name) => Number(name.slice(-16)) === end.file)
  const file = await disk.open(path[number]!, 'write')
  const position = end.file === at.file ? at.position : BLOCK_BYTES
  await file.write(Buffer.from([0x55]), position + 400)
  const tail = await FrameTail.at(disk, directory, { file: end.file, position })
  await assert.rejects(tail.next(end), (error) => error instanceof DataFault && error.message.includes(path[number]!))
  await assert.rejects(tail.next(end), DataFault)
})
