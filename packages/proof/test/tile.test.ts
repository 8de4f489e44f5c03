// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  entriesPath,
  formatBundle,
  MAX_ENTRY_BYTES,
  parseBundle,
  parseTilePath,
  tilePath,
  tileWidthAt,
} from '../src/index.ts'

test('paths are those of tlog-tiles', () => {
  assert.equal(tilePath(0, 1_234_067), 'tile/0/x001/x234/067')
  assert.equal(tilePath(0, 0), 'tile/0/000')
  assert.equal(tilePath(63, 999, 255), 'tile/63/999.p/255')
  assert.equal(entriesPath(1_067, 8), 'tile/entries/x001/067.p/8')
  assert.equal(tilePath(1, Number.MAX_SAFE_INTEGER), 'tile/1/x009/x007/x199/x254/x740/991')
})

test('a path is read back to what it was written from, and only so', () => {
  const address = fc.record({
    kind: fc.constantFrom('tile' as const, 'entries' as const),
    level: fc.integer({ min: 0, max: 63 }),
    index: fc.oneof(fc.maxSafeNat(), fc.nat(1_000_001)),
    width: fc.integer({ min: 1, max: 256 }),
  })
  fc.assert(
    fc.property(address, ({ kind, level, index, width }) => {
      const expected = { kind, level: kind === 'tile' ? level : 0, index, width }
      const path = kind === 'tile' ? tilePath(level, index, width) : entriesPath(index, width)
      assert.deepEqual(parseTilePath(path), expected)
    }),
    { seed: 1 },
  )
})

test('a path that is not canonical is none', () => {
  const bad = [
    '',
    'tile/0/0',
    'tile/0/0000',
    'tile/00/000',
    'tile/01/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/x000/000',
    'tile/0/x001/x067',
    'tile/0/001/067',
    'tile/0/X001/067',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000.p/',
    'tile/0/000.p/1/',
    'tile/0/000/',
    '/tile/0/000',
    'tile/0/000\n',
    'tile/0/٣٣٣',
    'tile/entries/x000/001',
    'tile/entries/000.p/256',
    'tile/data/000',
    'tile/0/../000',
    'tile/0/x009/x007/x199/x254/x740/992',
    'tile/0/x001/x000/x000/x000/x000/x000/000',
  ]
  for (const path of bad) assert.equal(parseTilePath(path), undefined, path)
})

test('no path is made for what is no tile', () => {
  for (const [level, index, width] of [
    [-1, 0, 256],
    [64, 0, 256],
    [0, -1, 1],
    [0, 0.5, 1],
    [0, 2 ** 53, 1],
    [0, 0, 0],
    [0, 0, 257],
  ] as const) {
    assert.throws(() => tilePath(level, index, width), { name: 'ProofError', code: 'tile-out-of-range' })
  }
  assert.throws(() => entriesPath(0, 257), { code: 'tile-out-of-range' })
})

test('widths are those of the example of tlog-tiles, 70,000 entries', () => {
  assert.equal(tileWidthAt(70_000, 0, 272), 256)
  assert.equal(tileWidthAt(70_000, 0, 273), 112)
  assert.equal(tileWidthAt(70_000, 0, 274), 0)
  assert.equal(tileWidthAt(70_000, 1, 0), 256)
  assert.equal(tileWidthAt(70_000, 1, 1), 17)
  assert.equal(tileWidthAt(70_000, 2, 0), 1)
  assert.equal(tileWidthAt(70_000, 3, 0), 0)
  assert.equal(tileWidthAt(256, 1, 0), 1)
  assert.equal(tileWidthAt(2 ** 40 + 7, 0, 2 ** 32), 7)
})

test('a bundle gives its entries back, the empty and the longest too', () => {
  const entries = [
    new Uint8Array(0),
    new Uint8Array([1, 2, 3]),
    new Uint8Array(MAX_ENTRY_BYTES).fill(9),
    new Uint8Array(256),
  ]
  assert.deepEqual(parseBundle(formatBundle(entries), 4), entries)
  assert.deepEqual([...formatBundle(entries).subarray(0, 7)], [0, 0, 0, 3, 1, 2, 3])
  assert.throws(() => formatBundle([new Uint8Array(MAX_ENTRY_BYTES + 1)]), { code: 'bundle-malformed' })
})

test('a bundle that is cut, longer, or of another count is refused, with the place', () => {
  const bundle = formatBundle([new Uint8Array([1, 2, 3]), new Uint8Array([4])])
  for (let length = 0; length < bundle.length; length++) {
    assert.throws(() => parseBundle(bundle.subarray(0, length), 2), { name: 'ProofError', code: 'bundle-malformed' })
  }
  assert.throws(() => parseBundle(bundle.subarray(0, 4), 1), {
    code: 'bundle-malformed',
    place: { offset: 2, position: 0 },
  })
  assert.deepEqual(parseBundle(new Uint8Array([...bundle, 0, 0]), 3).at(-1), new Uint8Array(0))
  assert.throws(() => parseBundle(new Uint8Array([...bundle, 0]), 2), {
    code: 'bundle-malformed',
    place: { offset: 8 },
  })
  assert.throws(() => parseBundle(bundle, 1), { code: 'bundle-malformed', place: { offset: 5 } })
  assert.throws(() => parseBundle(bundle, 3), { code: 'bundle-malformed', place: { offset: 8, position: 2 } })
})
