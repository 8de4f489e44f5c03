// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Scattered entries and contents of segments, read in threads beside the writer.

import assert from 'node:assert/strict'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { DataFault } from '../src/ledger/data-fault.ts'
import { HEADER_BYTES } from '../src/ledger/segment/segment-format.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import type { Segment } from '../src/ledger/segment/segment.ts'
import { ThreadedSpans } from '../src/ledger/segment/threaded-spans.ts'
import { DirectoryStore } from '../src/ledger/store/directory-store.ts'
import { ObjectMissing, type ObjectStore } from '../src/ledger/store/object-store.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { scratch, SeededRandom } from './scratch.ts'
import { type Row, rowsOf, writeSegment } from './segment-ground.ts'

const COUNT = 301
/** Of one segment; the last is larger than what threads are given. */
const SIZES = [...Array.from({ length: COUNT - 1 }, (_, index) => (index * 37) % 900), 300_000]

interface Ground {
  readonly directory: string
  readonly rows: readonly Row[]
  readonly segments: readonly Segment[]
  readonly readers: readonly SegmentReader[]
  readonly spans: ThreadedSpans
  readonly failures: readonly Error[]
  /** Reads of this thread. */
  readonly hereCount: () => number
}

async function ground(context: TestContext): Promise<Ground> {
  const directory = scratch(context)
  const store = new DirectoryStore(new NodeDisk(), directory)
  const rows = rowsOf(new SeededRandom(5), SIZES)
  const segments = [await writeSegment(store, rows), await writeSegment(store, rows, 0, 'other')]
  let count = 0
  const counted: ObjectStore = new Proxy(store, {
    get: (target, name) => {
      if (name !== 'read') return Reflect.get(target, name)
      return async (...read: Parameters<ObjectStore['read']>) => {
        count++
        return await target.read(...read)
      }
    },
  })
  const failures: Error[] = []
  const spans = new ThreadedSpans(directory, (error) => failures.push(error))
  context.after(async () => await spans.close())
  const readers = await Promise.all(segments.map(async (segment) => await SegmentReader.open(counted, segment, spans)))
  return { directory, rows, segments, readers, spans, failures, hereCount: () => count }
}

/** Reads entries, contents and leaves of every `step`th row of both segments at once, and holds them against the rows. */
async function readsMany({ readers, rows }: Ground, step: number): Promise<void> {
  const indexes = rows.keys().filter((index) => index % step === 0)
  const reads = [...indexes].flatMap((index) =>
    readers.map(async (reader) => {
      const [entries, contents, leaf] = await Promise.all([
        reader.entries(index, index + 1),
        reader.contents(index, index + 1),
        reader.leaves(index, 1),
      ])
      const { entry, content, leaf: expected } = rows[index]!
      assert.deepEqual([entries, contents, leaf], [[entry], [content], expected])
    }),
  )
  await Promise.all(reads)
}

/** Reads until the threads do it. */
async function begun(on: Ground): Promise<void> {
  for (let here = -1; here !== on.hereCount();) {
    here = on.hereCount()
    await readsMany(on, 7)
  }
}

test('many scattered reads are done by threads, to the byte; few, and large events, where they are asked for', async (context) => {
  const on = await ground(context)
  await begun(on)
  const here = on.hereCount()
  await readsMany(on, 3)
  // The large events of both.
  assert.equal(on.hereCount(), here + 2)
  assert.deepEqual(await on.readers[0]!.contents(5, 6), [on.rows[5]!.content])
  assert.equal(on.hereCount(), here + 3)
  const several = await Promise.all(
    Array.from({ length: 20 }, async (_, at) => await on.readers[0]!.entries(at, at + 40)),
  )
  assert.deepEqual(
    several[3],
    on.rows.slice(3, 43).map(({ entry }) => entry),
  )
  assert.equal(on.hereCount(), here + 3)
})

test('what threads cannot read fails as it does without them, and what lies beside it is read', async (context) => {
  const on = await ground(context)
  await begun(on)
  const [damaged, missing] = on.segments
  const path = join(on.directory, damaged!.content.key)
  const bytes = readFileSync(path)
  bytes[HEADER_BYTES]! ^= 1
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
  rmSync(join(on.directory, missing!.log.key))
  const [first, second] = on.readers
  const several = async (read: (index: number) => Promise<unknown>) =>
    await Promise.allSettled(Array.from({ length: 30 }, async (_, at) => await read(at * 9)))
  const contents = await several(async (index) =>
    assert.deepEqual(await first!.contents(index, index + 1), [on.rows[index]!.content]),
  )
  const flawed = contents.filter((one) => one.status === 'rejected')
  assert(flawed.length > 0 && flawed.length < 30, `${flawed.length}`)
  for (const { reason } of flawed) {
    assert(reason instanceof DataFault)
    assert.equal(reason.file, path)
    assert.match(reason.message, /does not decompress/)
  }
  const entries = await several(async (index) => await second!.entries(index, index + 1))
  assert.equal(
    entries.every((one) => one.status === 'rejected' && one.reason instanceof ObjectMissing),
    true,
  )
  assert.equal(
    (await several(async (index) => await second!.contents(index, index + 1))).every(
      ({ status }) => status === 'fulfilled',
    ),
    true,
  )
  assert.deepEqual(on.failures, [])
})

test('threads that end under their work lose no read', async (context) => {
  const on = await ground(context)
  await begun(on)
  const reading = readsMany(on, 6)
  await Promise.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  const closing = on.spans.close()
  await reading
  await closing
  const here = on.hereCount()
  await readsMany(on, 50)
  assert.equal(on.hereCount() > here, true)
})
