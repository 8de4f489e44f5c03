// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What costs more to read than anybody wrote.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkSegment, type SegmentFlaw } from '../src/ledger/segment/check-segment.ts'
import { SegmentReaders } from '../src/ledger/sealed-entries.ts'
import { BUNDLE_ENTRIES, type Segment, type SegmentKind } from '../src/ledger/segment/segment.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import type { ObjectStore } from '../src/ledger/store/object-store.ts'
import { SeededRandom } from './scratch.ts'
import { rowsOf, writeSegment } from './segment-ground.ts'

const KINDS: readonly SegmentKind[] = ['log', 'content']

test('an object of a length that nothing accounts for is refused unread', async () => {
  const store = new MemoryStore()
  const segment = await writeSegment(store, rowsOf(new SeededRandom(7), [40, 0, 17]))
  const sizeBytes = 14 * 2 ** 40
  let readBytes = 0
  const sparse: ObjectStore = new Proxy(store, {
    get: (target, name) =>
      name === 'read'
        ? async (_key: string, _position: number, lengthBytes: number) => {
            readBytes += lengthBytes
            return Buffer.alloc(lengthBytes)
          }
        : Reflect.get(target, name),
  })
  const listed = { ...segment }
  for (const kind of KINDS) listed[kind] = { ...segment[kind], sizeBytes }
  const flaws: SegmentFlaw[] = []
  for await (const flaw of checkSegment(sparse, listed)) flaws.push(flaw)
  assert.deepEqual(flaws.map(({ key, what }) => [key, /not hashed/.test(what)]).slice(-2), [
    [segment.log.key, true],
    [segment.content.key, true],
  ])
  assert(readBytes < 10_000, String(readBytes))
})

test('what open segments hold in memory is bounded: those that were read last stay open, others are opened again', async () => {
  const store = new MemoryStore()
  const segments: Segment[] = []
  const rows = rowsOf(new SeededRandom(7), [40, 0, 17])
  for (let at = 0; at < 8; at++) segments.push(await writeSegment(store, rows, at * BUNDLE_ENTRIES))
  const room = 3 * 17 * 1024
  const readers = new SegmentReaders(store, undefined, room)
  const opened = await readers.open(segments[0]!)
  assert.equal(await readers.open(segments[0]!), opened)
  for (const segment of segments) {
    await readers.open(segment)
    assert(readers.heldBytes <= room && readers.heldBytes > 0, `${readers.heldBytes}`)
    await readers.open(segments[1]!)
  }
  assert.notEqual(await readers.open(segments[0]!), opened)
  const kept = await readers.open(segments[1]!)
  assert.equal(await readers.open(segments[1]!), kept)
  await store.remove(segments[5]!.content.key)
  await assert.rejects(readers.open(segments[5]!))
  await assert.rejects(readers.open(segments[5]!))
  assert(readers.heldBytes <= room)
})
