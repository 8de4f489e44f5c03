// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Whatever is done to a segment's objects is found: by the check of every byte always, and by a reader before it gives
// out anything that would pass for what was written. What is wrong is said as a DataFault, whoever wrote the bytes.

import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib'
import { parseEntry, ProofError } from '@stele/proof'
import fc from 'fast-check'

import { commitsTo } from '../src/ledger/batch.ts'
import { DataFault } from '../src/ledger/data-fault.ts'
import { checkSegment, type SegmentFlaw } from '../src/ledger/segment/check-segment.ts'
import { ObjectWriter } from '../src/ledger/segment/object-writer.ts'
import { compressPart, encodeBlock } from '../src/ledger/segment/part.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import type { Segment, SegmentKind } from '../src/ledger/segment/segment.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import { ObjectMissing, type ObjectStore } from '../src/ledger/store/object-store.ts'
import { SeededRandom } from './scratch.ts'
import { assertHolds, bytesOf, originPrefix, replaced, type Row, rowsOf, writeSegment } from './segment-ground.ts'

const KINDS: readonly SegmentKind[] = ['log', 'content']
const rows = rowsOf(new SeededRandom(7), [40, 0, 17])

async function ground(): Promise<{ store: MemoryStore; segment: Segment; bytes: Record<SegmentKind, Buffer> }> {
  const store = new MemoryStore()
  const segment = await writeSegment(store, rows)
  const bytes = { log: await bytesOf(store, segment.log), content: await bytesOf(store, segment.content) }
  return { store, segment, bytes }
}

async function flawsOf(store: ObjectStore, segment: Segment): Promise<SegmentFlaw[]> {
  const flaws: SegmentFlaw[] = []
  for await (const flaw of checkSegment(store, segment)) flaws.push(flaw)
  return flaws
}

/** Reads all as the ledger does, each thing held against the tree; a DataFault is an answer, another error is none. */
async function readsRightOrRefuses(store: ObjectStore, segment: Segment, expected: readonly Row[]): Promise<void> {
  try {
    const reader = await SegmentReader.open(store, segment)
    const [entries, contents] = [await reader.entries(0, expected.length), await reader.contents(0, expected.length)]
    for (const [at, row] of expected.entries()) {
      const entry = entries[at]!
      if (!hash('sha256', Buffer.concat([Buffer.of(0), entry]), 'buffer').equals(row.leaf)) continue
      assert.deepEqual(entry, row.entry)
      const { sha256, size } = parseEntry(entry)
      if (commitsTo(contents[at]!, sha256, size)) assert.deepEqual(contents[at], row.content)
    }
    assert.equal((await reader.leaves(0, expected.length)).length, expected.length * 32)
    for await (const found of reader.walk(0)) assert(found.content !== undefined)
  } catch (error) {
    if (!(error instanceof DataFault) && !(error instanceof ObjectMissing) && !(error instanceof ProofError))
      throw error
  }
}

/** Opens a segment and reads all of it: what must be refused before anybody could hold it against the tree. */
async function refused(store: ObjectStore, segment: Segment, what: RegExp): Promise<void> {
  const read = async (): Promise<void> => {
    const reader = await SegmentReader.open(store, segment)
    await reader.entries(0, segment.count)
    await reader.contents(0, segment.count)
  }
  await assert.rejects(read, (error) => error instanceof DataFault && what.test(error.message))
  const flaws = await flawsOf(store, segment)
  assert(flaws.length > 0)
}

for (const kind of KINDS) {
  test(`P5: every bit of a ${kind} object that is flipped is found, and no reader takes it for what was written`, async () => {
    const { store, segment, bytes } = await ground()
    assert.deepEqual(await flawsOf(store, segment), [])
    const { key } = segment[kind]
    for (let bit = 0; bit < bytes[kind].length * 8; bit++) {
      const changed = Buffer.from(bytes[kind])
      const at = Math.floor(bit / 8)
      changed[at] = changed[at]! ^ (1 << (bit % 8))
      store.tamper(key, changed)
      const flaws = await flawsOf(store, segment)
      assert(
        flaws.some((flaw) => flaw.key === key && flaw.what.includes('SHA-256')),
        `bit ${bit}: ${JSON.stringify(flaws)}`,
      )
      await readsRightOrRefuses(store, segment, rows)
      // Header, table and footer have one form.
      const isFixed = at < 512 || at >= bytes[kind].length - 128 - (kind === 'log' ? 12 : 16)
      if (isFixed) await assert.rejects(SegmentReader.open(store, segment), DataFault, `bit ${bit}`)
    }
  })

  test(`P5: a ${kind} object of every other length is found, whether the list has the new length or the old one`, async () => {
    const { store, segment, bytes } = await ground()
    const { key } = segment[kind]
    for (let length = 0; length < bytes[kind].length; length++) {
      store.tamper(key, bytes[kind].subarray(0, length))
      for (const sizeBytes of [length, bytes[kind].length]) {
        const listed = { ...segment, [kind]: { key, sizeBytes } }
        assert(
          (await flawsOf(store, listed)).some((flaw) => flaw.key === key),
          `${length}`,
        )
        await assert.rejects(SegmentReader.open(store, listed), DataFault)
      }
    }
    store.tamper(key, Buffer.concat([bytes[kind], Buffer.of(0)]))
    const longer = { ...segment, [kind]: { key, sizeBytes: bytes[kind].length + 1 } }
    assert((await flawsOf(store, longer)).length > 0)
    await assert.rejects(SegmentReader.open(store, longer), DataFault)
    store.tamper(key, undefined)
    const missing = { key, what: 'the object is missing', expected: `${bytes[kind].length} bytes`, found: 'none' }
    assert.deepEqual(await flawsOf(store, segment), [missing])
    await assert.rejects(SegmentReader.open(store, segment), ObjectMissing)
  })
}

test('P5: whatever bytes stand in an object, reading it gives what was written, or a DataFault, and never another error', async () => {
  const { store, segment, bytes } = await ground()
  const splice = fc.record({
    kind: fc.constantFrom(...KINDS),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removedCount: fc.nat(40),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(40).map((count) => new Uint8Array(count).fill(0xff)),
    ),
  })
  const property = fc.asyncProperty(fc.array(splice, { minLength: 1, maxLength: 3 }), async (splices) => {
    const changed = { log: bytes.log, content: bytes.content }
    for (const { kind, at, removedCount, put } of splices) {
      const before = changed[kind]
      const start = Math.floor(at * before.length)
      changed[kind] = Buffer.concat([before.subarray(0, start), put, before.subarray(start + removedCount)])
    }
    const listed = { ...segment }
    for (const kind of KINDS) {
      store.tamper(segment[kind].key, changed[kind])
      listed[kind] = { key: segment[kind].key, sizeBytes: changed[kind].length }
    }
    await readsRightOrRefuses(store, listed, rows)
    const isChanged = KINDS.some((kind) => !changed[kind].equals(bytes[kind]))
    assert.equal((await flawsOf(store, listed)).length > 0, isChanged)
  })
  await fc.assert(property, { numRuns: 1_500, seed: 1 })
})

test('P5: the footer of a whole segment that names places beyond all is refused', async () => {
  const { store, segment, bytes } = await ground()
  const changed = Buffer.from(bytes.log)
  changed.fill(0xff, changed.length - 120)
  store.tamper(segment.log.key, changed)
  await refused(store, segment, /no object has/)
})

test('a check reads every byte of both objects once, and tells whoever paces it', async () => {
  const store = new MemoryStore()
  const segment = await writeSegment(store, rowsOf(new SeededRandom(1), [100, 3_000_000, 5, 2_000_000, 70_000]))
  let sumBytes = 0
  const pace = async (count: number): Promise<void> => void (sumBytes += count)
  for await (const flaw of checkSegment(store, segment, { pace })) assert.fail(flaw.what)
  assert.equal(sumBytes, segment.log.sizeBytes + segment.content.sizeBytes)
})

test('P5: an object of the other kind, ledger, place or content behind a name is refused at its opening', async () => {
  const { store, segment, bytes } = await ground()
  const others = [
    await writeSegment(store, rows, 0, 'other'),
    await writeSegment(store, rows, 256),
    await writeSegment(store, rows.slice(0, 2)),
    await writeSegment(store, rowsOf(new SeededRandom(8), [40, 0, 17])),
  ]
  for (const kind of KINDS) {
    const wrong = [bytes[kind === 'log' ? 'content' : 'log']]
    for (const other of others) wrong.push(await bytesOf(store, other[kind]))
    for (const found of wrong) {
      const { key } = segment[kind]
      store.tamper(key, found)
      const listed = { ...segment, [kind]: { key, sizeBytes: found.length } }
      await assert.rejects(SegmentReader.open(store, listed), DataFault)
      const flaws = await flawsOf(store, listed)
      assert(flaws.every((flaw) => flaw.key === key) && flaws.length >= 2, JSON.stringify(flaws))
      store.tamper(key, bytes[kind])
    }
  }
})

/** The object of `rows` with other parts in it, in form all the way and named by what it is. */
async function forged(
  kind: SegmentKind,
  part: { readonly bytes: Buffer; readonly rawBytes: number },
): Promise<{ store: MemoryStore; segment: Segment }> {
  const { store, segment } = await ground()
  const writer = await ObjectWriter.begin(store, kind, `${originPrefix}/main`)
  await writer.copy(0, part.bytes, part.rawBytes)
  if (kind === 'log') await writer.write(Buffer.concat(rows.map(({ leaf }) => leaf)))
  const info = await writer.finish({ ...segment, root: Buffer.from(segment.root, 'hex') })
  return { store, segment: { ...segment, [kind]: info } }
}

const raws: Readonly<Record<SegmentKind, Buffer>> = {
  log: Buffer.concat(rows.flatMap(({ entry }) => [Buffer.of(0, entry.length), entry])),
  content: encodeBlock(
    rows.map((_, at) => Buffer.concat(rows.slice(0, at + 1).map(({ content }) => content)).length),
    Buffer.concat(rows.map(({ content }) => content)),
  ),
}

/** zstd that does not say how much it holds. */
async function streamed(raw: Buffer): Promise<Buffer> {
  const stream = createZstdCompress()
  stream.write(raw.subarray(0, 5))
  await new Promise<void>((resolve) => stream.flush(constants.ZSTD_e_flush, resolve))
  stream.end(raw.subarray(5))
  return Buffer.concat((await stream.toArray()) as Buffer[])
}

for (const kind of KINDS) {
  test(`P5: a part of a ${kind} object that is not one frame of just what the table says is refused`, async () => {
    const raw = raws[kind]
    const frame = compressPart(raw)
    const rawBytes = raw.length
    const right = await forged(kind, { bytes: frame, rawBytes })
    await assertHolds(right.store, right.segment, rows)
    assert.deepEqual(await flawsOf(right.store, right.segment), [])

    const refuses = async (bytes: Buffer, raws: number, what: RegExp): Promise<void> => {
      const { store, segment } = await forged(kind, { bytes, rawBytes: raws })
      await refused(store, segment, what)
    }
    const skippable = Buffer.from('502a4d1804000000aabbccdd', 'hex')
    await refuses(Buffer.concat([frame, frame]), rawBytes, /bytes follow the zstd frame/)
    await refuses(Buffer.concat([frame, skippable]), rawBytes, /bytes follow the zstd frame/)
    await refuses(Buffer.concat([frame, Buffer.of(0)]), rawBytes, /bytes follow the zstd frame/)
    await refuses(Buffer.concat([skippable, frame]), rawBytes, /skippable/)
    await refuses(frame.subarray(0, -1), rawBytes, /cut off/)
    await refuses(raw, rawBytes, /no zstd frame/)
    await refuses(await streamed(raw), rawBytes, /holds any bytes/)
    await refuses(frame, rawBytes + 1, /says that it holds/)
    await refuses(compressPart(Buffer.concat([raw, Buffer.of(0)])), rawBytes + 1, /does not add up/)
    await refuses(compressPart(raw.subarray(0, -1)), rawBytes - 1, /does not add up/)
    // A bomb that says what it is, one that does not, and one whose table says it too.
    const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024))
    await refuses(bomb, 1024 * 1024, /says that it holds/)
    await refuses(lying(zstdCompressSync(Buffer.alloc(100_000)), 4_096), 4_096, /does not decompress|window/)
    await refuses(bomb, 64 * 1024 * 1024, /the table does not add up/)
    await refuses(wideWindow(raw), rawBytes, /window of 134217728 bytes/)
    await refuses(frame, 0, /does not decompress/)
    await refuses(Buffer.concat([frame, Buffer.alloc(2_000)]), rawBytes, /the table does not add up/)
  })
}

/** A frame whose header says that it holds `bytes`, in the form of four bytes that larger frames of one segment have. */
function lying(frame: Buffer, bytes: number): Buffer {
  assert.equal(frame[4]! >>> 5, 0b101)
  const changed = Buffer.from(frame)
  changed.writeUInt32LE(bytes, 5)
  return changed
}

/** A frame that holds `raw` as it is, and wants 128 MiB at hand to decompress it. */
function wideWindow(raw: Buffer): Buffer {
  const header = Buffer.from('28b52ffd808800000000000000', 'hex')
  header.writeUInt32LE(raw.length, 6)
  header.writeUIntLE(raw.length * 8 + 1, 10, 3)
  return Buffer.concat([header, raw])
}

test('P5: a segment that is named by another root than that of its leaves is found', async () => {
  const { store, segment } = await ground()
  const run = { ...segment, root: Buffer.alloc(32, 1) }
  const infos = { log: segment.log, content: segment.content }
  for (const kind of KINDS) {
    const writer = await ObjectWriter.begin(store, kind, `${originPrefix}/main`)
    await writer.part(0, raws[kind])
    if (kind === 'log') await writer.write(Buffer.concat(rows.map(({ leaf }) => leaf)))
    infos[kind] = await writer.finish(run)
  }
  const flaws = await flawsOf(store, { ...segment, ...infos, root: run.root.toString('hex') })
  assert.deepEqual(
    flaws.map(({ what, expected, found }) => [what, expected, found]),
    [['the leaves have another root', run.root.toString('hex'), segment.root]],
  )
})

test('P5: a table whose blocks do not follow each other is refused', async () => {
  const block = (from: number, to: number): Buffer => {
    const contents = rows.slice(from, to).map(({ content }) => content)
    const ends = contents.map((_, at) => Buffer.concat(contents.slice(0, at + 1)).length)
    return encodeBlock(ends, Buffer.concat(contents))
  }
  const written = async (parts: readonly (readonly [first: number, raw: Buffer])[], behind = Buffer.alloc(0)) => {
    const { store, segment } = await ground()
    const writer = await ObjectWriter.begin(store, 'content', `${originPrefix}/main`)
    for (const [first, raw] of parts) await writer.part(first, raw)
    await writer.write(behind)
    const content = await writer.finish({ ...segment, root: Buffer.from(segment.root, 'hex') })
    return { store, segment: { ...segment, content } }
  }
  const right = await written([
    [0, block(0, 1)],
    [1, block(1, 3)],
  ])
  await assertHolds(right.store, right.segment, rows)
  for (const [firsts, what] of [
    [[1, 2], /the table does not add up/],
    [[0, 0], /the table does not add up/],
    [[0, 3], /the table does not add up/],
    [[0, 2 ** 32 - 1], /the table does not add up/],
    [[0, 2], /the part does not add up/],
  ] as const) {
    const { store, segment } = await written([
      [firsts[0], block(0, 1)],
      [firsts[1], block(1, 3)],
    ])
    await refused(store, segment, what)
  }
  const { store, segment } = await written([[0, block(0, 3)]], Buffer.alloc(7))
  await refused(store, segment, /the parts end elsewhere/)
})

test('P5: a segment that is in form and holds another entry, leaf or content is found, and the entry is named', async () => {
  const { store, segment, bytes } = await ground()
  const [other] = rowsOf(new SeededRandom(9), [40])
  const named = async (changed: Segment, what: RegExp): Promise<void> => {
    const flaws = await flawsOf(store, changed)
    assert(flaws.length > 0 && flaws.every((flaw) => what.test(flaw.what)), JSON.stringify(flaws))
    assert(flaws.some((flaw) => flaw.index === 0))
  }
  const contents = [other!.content, ...rows.slice(1).map(({ content }) => content)]
  const ends = contents.map((_, at) => Buffer.concat(contents.slice(0, at + 1)).length)
  const block = encodeBlock(ends, Buffer.concat(contents))
  const written = await forged('content', { bytes: compressPart(block), rawBytes: block.length })
  const content = await bytesOf(written.store, written.segment.content)
  await named(await replaced(store, segment, 'content', content), /not what its entry commits to/)

  const leaves = Buffer.from(bytes.log)
  const at = leaves.indexOf(rows[0]!.leaf)
  leaves[at] = leaves[at]! ^ 1
  await named(await replaced(store, segment, 'log', leaves), /has not the leaf hash|another root/)
})

test('P5: a level-1 hash that is not that of its leaves is found', async () => {
  const store = new MemoryStore()
  const many = rowsOf(
    new SeededRandom(1),
    Array.from({ length: 600 }, () => 10),
  )
  const segment = await writeSegment(store, many)
  const bytes = await bytesOf(store, segment.log)
  const parent = await (await SegmentReader.open(store, segment)).parents(1, 1)
  bytes[bytes.indexOf(parent)]! ^= 1
  const flaws = await flawsOf(store, await replaced(store, segment, 'log', bytes))
  assert.deepEqual(
    flaws.map(({ what, index }) => ({ what, index })),
    [{ what: 'a hash of level 1 is not that of its leaves', index: 256 }],
  )
})

test('P5: a damaged part does not hide what is wrong behind it, and the rest is still told', async () => {
  const store = new MemoryStore()
  const many = rowsOf(
    new SeededRandom(1),
    Array.from({ length: 700 }, () => 300),
  )
  const segment = await writeSegment(store, many)
  const { log, content } = await SegmentReader.open(store, segment)
  for (const [object, rowsHit] of [
    [log, [0, 2]],
    [content, [0, 2]],
  ] as const) {
    const { key } = segment[object.kind]
    const bytes = await bytesOf(store, segment[object.kind])
    for (const row of rowsHit) bytes.fill(0, object.startOf(row), object.startOf(row) + 4)
    store.tamper(key, bytes)
  }
  const told: number[] = []
  const flaws: SegmentFlaw[] = []
  for await (const flaw of checkSegment(store, segment, { onEntry: (index) => void told.push(index) })) flaws.push(flaw)
  const places = (key: string) =>
    flaws.flatMap((flaw) => (flaw.key === key && flaw.index !== undefined ? [flaw.index] : []))
  assert.deepEqual(places(segment.log.key), [0, 512])
  assert.deepEqual(places(segment.content.key), [0, content.table.firsts[2]])
  const hit = (index: number): boolean => log.rowOf(index) % 2 === 0 || [0, 2].includes(content.rowOf(index))
  assert.deepEqual(
    told,
    many.map((_, index) => index).filter((index) => !hit(index)),
  )
})
