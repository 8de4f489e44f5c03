// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Segments hold what was written, whichever way it came into them, and the cover says which of them to read.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Frontier } from '@stele/proof'
import fc from 'fast-check'

import { checkSegment } from '../src/ledger/segment/check-segment.ts'
import { coverOf, listSegments } from '../src/ledger/segment/cover.ts'
import { compressPart, decompressPart } from '../src/ledger/segment/part.ts'
import { SegmentReader } from '../src/ledger/segment/segment-reader.ts'
import { SegmentWriter } from '../src/ledger/segment/segment-writer.ts'
import { BUNDLE_ENTRIES, parseSegmentKey, type Segment, segmentKey } from '../src/ledger/segment/segment.ts'
import { MemoryStore } from '../src/ledger/store/memory-store.ts'
import type { ObjectStore } from '../src/ledger/store/object-store.ts'
import { SeededRandom } from './scratch.ts'
import { assertHolds, originPrefix, replaced, type Row, rowsOf, writeSegment } from './segment-ground.ts'

const floor = (index: number): number => Math.floor(index / BUNDLE_ENTRIES) * BUNDLE_ENTRIES

/** Mostly small events, now and then one that fills several blocks. */
const sizes = (maxCount: number) =>
  fc
    .tuple(fc.integer({ min: 1, max: maxCount }), fc.nat(), fc.constantFrom(0, 1, 20))
    .map(([count, seed, largePercent]) => {
      const random = new SeededRandom(seed)
      const largest = Math.min(300_000, Math.floor(6_000_000 / count))
      return Array.from({ length: count }, () =>
        random.below(100) < largePercent ? random.below(largest) : random.below(400),
      )
    })

async function noFlaws(store: ObjectStore, segment: Segment): Promise<void> {
  for await (const flaw of checkSegment(store, segment)) assert.fail(JSON.stringify(flaw))
}

test('a segment gives back every entry, content, leaf and level-1 hash, in any range', async () => {
  const property = fc.asyncProperty(sizes(700), fc.nat(4), fc.nat(), async (lengths, bundle, seed) => {
    const random = new SeededRandom(seed)
    const rows = rowsOf(random, lengths)
    const first = bundle * BUNDLE_ENTRIES
    const store = new MemoryStore()
    const segment = await writeSegment(store, rows, first)
    await assertHolds(store, segment, rows)
    await noFlaws(store, segment)
    assert.deepEqual(await listSegments(store), new Map([['main', [segment]]]))
    const tree = new Frontier()
    const parents: Buffer[] = []
    for (const { leaf } of rows) {
      tree.append(leaf, 0, (level, node, at) => {
        if (level === 1) parents.push(Buffer.from(node.subarray(at, at + 32)))
      })
    }
    assert.equal(segment.root, Buffer.from(tree.root()).toString('hex'))
    const reader = await SegmentReader.open(store, segment)
    assert.equal(reader.origin, `${originPrefix}/main`)
    for (const [position, parent] of parents.entries()) {
      assert.deepEqual(await reader.parents(bundle + position, 1), parent)
    }
    for (let round = 0; round < 5; round++) {
      const start = random.below(rows.length + 1)
      const end = start + random.below(rows.length - start + 1)
      const wanted = rows.slice(start, end)
      assert.deepEqual(
        await reader.entries(first + start, first + end),
        wanted.map(({ entry }) => entry),
      )
      assert.deepEqual(
        await reader.contents(first + start, first + end),
        wanted.map(({ content }) => content),
      )
      assert.deepEqual(await reader.leaves(first + start, end - start), Buffer.concat(wanted.map(({ leaf }) => leaf)))
    }
    const start = random.below(rows.length)
    let index = first + start
    for await (const found of reader.walk(index)) {
      assert.deepEqual(found, { index, ...rows[index - first]! })
      index++
    }
    assert.equal(index, first + rows.length)
  })
  await fc.assert(property, { numRuns: 30, seed: 1 })
})

test('what is taken over from other segments is the same segment as one that is written anew', async () => {
  const shape = fc.record({
    lengths: sizes(1_500),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
    seed: fc.nat(),
  })
  const property = fc.asyncProperty(shape, async ({ lengths, cuts, seed }) => {
    const rows = rowsOf(new SeededRandom(seed), lengths)
    const ends = cuts.map((cut) => 1 + Math.floor(cut * (rows.length - 1))).toSorted((a, b) => a - b)
    const store = new MemoryStore()
    const writer = await SegmentWriter.begin({ store, originPrefix, ledger: 'main', first: 0 })
    // Each partial segment begins with the bundle that the one before ended in.
    for (const end of ends.filter((cut, at) => cut !== ends[at - 1])) {
      const first = floor(writer.count)
      const partial = await writeSegment(store, rows.slice(first, end), first)
      await writer.absorb(await SegmentReader.open(store, partial), writer.count, end)
    }
    for (const { entry, leaf, content } of rows.slice(writer.count)) await writer.add(entry, leaf, content)
    const absorbed = await writer.finish()
    await assertHolds(store, absorbed, rows)
    await noFlaws(store, absorbed)
    const anew = await writeSegment(new MemoryStore(), rows)
    assert.equal(absorbed.root, anew.root)
    // Bundles lie on the same bounds, so even their bytes are the same.
    assert.deepEqual(absorbed.log, anew.log)
  })
  await fc.assert(property, { numRuns: 30, seed: 1 })
})

test('taking over a segment of small ones again and again does not leave ever more small blocks', async () => {
  const store = new MemoryStore()
  const rows = rowsOf(
    new SeededRandom(1),
    Array.from({ length: 1_000 }, () => 500),
  )
  let segment = await writeSegment(store, rows.slice(0, 10))
  for (let end = 20; end <= rows.length; end += 10) {
    const writer = await SegmentWriter.begin({ store, originPrefix, ledger: 'main', first: 0 })
    await writer.absorb(await SegmentReader.open(store, segment), 0, segment.count)
    for (const { entry, leaf, content } of rows.slice(writer.count, end)) await writer.add(entry, leaf, content)
    segment = await writer.finish()
  }
  await assertHolds(store, segment, rows)
  const { table } = (await SegmentReader.open(store, segment)).content
  assert(table.ends.length <= 10, `${table.ends.length} blocks`)
})

test('the caller says whether there is room for contents before any is decompressed', async () => {
  const rows = rowsOf(new SeededRandom(1), [100, 200_000, 100, 100])
  const store = new MemoryStore()
  const segment = await writeSegment(store, rows)
  const reader = await SegmentReader.open(store, segment)
  const told: number[] = []
  const admit = (bytes: number): void => void told.push(bytes)
  await reader.contents(1, 2, admit)
  await reader.contents(0, 4, admit)
  // A large event is alone in its block.
  assert.equal(told[0], 4 + 4 + 16 + 200_000)
  assert.equal(told[1], told[0] + (4 + 4 + 116) + (4 + 8 + 232))
  const full = (): void => {
    throw new Error('full')
  }
  const read = store.read.bind(store)
  store.read = async (...args) => assert.fail(`read ${args.join(' ')}`)
  await assert.rejects(reader.contents(0, 1, full), /full/)
  store.read = read
})

test('an abandoned segment leaves nothing, and one whose second half is missing is no segment', async () => {
  const store = new MemoryStore()
  const rows = rowsOf(new SeededRandom(1), [1, 2, 3])
  const writer = await SegmentWriter.begin({ store, originPrefix, ledger: 'main', first: 0 })
  for (const { entry, leaf, content } of rows) await writer.add(entry, leaf, content)
  await writer.abandon()
  assert.deepEqual(await store.list(''), [])
  const segment = await writeSegment(store, rows)
  store.tamper(segment.log.key, undefined)
  assert.deepEqual(await listSegments(store), new Map())
})

test('a run that was sealed twice is listed with all its objects, and one ledger without those of others', async () => {
  const store = new MemoryStore()
  const rows = rowsOf(new SeededRandom(1), [1, 2, 3])
  const segment = await writeSegment(store, rows)
  const again = await replaced(store, segment, 'content', Buffer.from('of another version of zstd'))
  const other = await writeSegment(store, rows, 0, 'main-2')
  const found = (await listSegments(store, 'main')).get('main')!
  assert.deepEqual(new Set(found.map(({ content }) => content.key)), new Set([segment.content.key, again.content.key]))
  assert(found.every(({ log }) => log.key === segment.log.key))
  assert.deepEqual((await listSegments(store)).get('main-2'), [other])
  assert.deepEqual([...(await listSegments(store, 'main')).keys()], ['main'])
})

test('a key has one spelling, and one that names no run of entries is none of a segment', () => {
  const name = { ledger: 'main', first: 256, count: 65_536, root: 'a'.repeat(64), sha256: 'b'.repeat(64) }
  const key = segmentKey({ ...name, kind: 'log' })
  assert.deepEqual(parseSegmentKey(key), { ...name, kind: 'log' })
  for (const wrong of [
    key.replace('0000000000000256', '0000000000000257'),
    key.replace('0000000000000256', '9999999999999744'),
    key.replace('-65536-', '-65537-'),
    key.replace('-65536-', '-00000-'),
    key.replace('0000000000000256', '256'),
    key.replace('main/', 'Main/'),
    key.replace('main/', 'a/main/'),
    key.replace('a'.repeat(64), 'A'.repeat(64)),
    `${key} `,
    key.replace('.log', '.logs'),
  ]) {
    assert.notEqual(wrong, key)
    assert.equal(parseSegmentKey(wrong), undefined, wrong)
  }
})

function run(first: number, count: number, mark = 'a'): Segment {
  const root = mark.repeat(64)
  const info = (kind: 'log' | 'content') => ({
    key: segmentKey({ ledger: 'main', first, count, root, kind, sha256: mark.repeat(64) }),
    sizeBytes: 1,
  })
  return { ledger: 'main', first, count, root, log: info('log'), content: info('content') }
}

test('a cover reaches as far as it can with each step, holds nothing behind the size, and names the first gap', () => {
  const [a, b, c, d] = [run(0, 256), run(0, 300), run(256, 400), run(512, 500)]
  assert.deepEqual(coverOf([], 0), { cover: [] })
  assert.deepEqual(coverOf([], 5), { cover: [], missing: { first: 0, end: 5 } })
  assert.deepEqual(coverOf([d, c, b, a], 1_012), { cover: [b, c, d] })
  // What ends behind the size was not sealed yet when the size was.
  assert.deepEqual(coverOf([d, c, b, a], 656), { cover: [b, c] })
  assert.deepEqual(coverOf([d, c, b, a], 256), { cover: [a] })
  assert.deepEqual(coverOf([d, b, a], 1_012), { cover: [b], missing: { first: 300, end: 512 } })
  assert.deepEqual(coverOf([b, c], 1_000), { cover: [b, c], missing: { first: 656, end: 1_000 } })
  // Of those that reach as far the smaller, then the one whose key comes first.
  const [e, f] = [run(256, 256), run(256, 256, 'b')]
  assert.deepEqual(coverOf([run(0, 512), run(0, 256), e], 512).cover, [run(0, 512)])
  assert.deepEqual(coverOf([b, f, e], 512).cover, [b, e])
})

test('a cover is complete wherever any choice of segments is', () => {
  const segment = fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 900 })).map(([at, count]) => run(at * 256, count))
  const property = fc.property(fc.array(segment, { maxLength: 8 }), fc.nat(1_800), (segments, size) => {
    const { cover, missing } = coverOf(segments, size)
    const held = (among: readonly Segment[], index: number): boolean =>
      among.some(({ first, count }) => first <= index && index < first + count && first + count <= size)
    const indexes = Array.from({ length: size }, (_, index) => index)
    const gap = indexes.find((index) => !held(segments, index))
    assert.equal(missing?.first, gap)
    assert(indexes.slice(0, gap).every((index) => held(cover, index)))
    if (missing !== undefined) {
      assert(missing.end > missing.first && missing.end <= size)
      assert(indexes.slice(missing.first, missing.end).every((index) => !held(segments, index)))
    }
  })
  fc.assert(property, { numRuns: 300, seed: 1 })
})

test('rows of every size come through one segment of the largest events', async () => {
  const random = new SeededRandom(3)
  const large: Row[] = rowsOf(random, [0, 16 * 1024 * 1024, 1, 65_535, 65_536, 65_512, 0])
  const store = new MemoryStore()
  const segment = await writeSegment(store, large)
  await assertHolds(store, segment, large)
  await noFlaws(store, segment)
})

test('a part is one frame, of whatever size: also where Node would fill its chunks to the byte and write another', async () => {
  const random = new SeededRandom(77)
  const sizes = [1, 255, 16_374, 32_758, 49_142, 65_526, 131_062]
  for (const size of sizes.flatMap((size) => [size - 1, size, size + 1].filter((near) => near > 0))) {
    const raw = random.bytes(size)
    assert((await decompressPart(compressPart(raw), size)).equals(raw), `${size} bytes`)
  }
})
