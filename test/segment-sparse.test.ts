// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What costs more to read than anybody wrote.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkSegment, type SegmentFlaw } from '../src/ledger/segment/check-segment.ts'
import type { SegmentKind } from '../src/ledger/segment/segment.ts'
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
