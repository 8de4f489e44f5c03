// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Every hash that the lanes give is the platform's: of all lengths, places, numbers and neighbours. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { hashNode } from '@stele/proof'
import { platformRows, type RowHasher, rowHasher, sha256Constants } from '../src/platform/row-hasher.ts'
import { SeededRandom } from './scratch.ts'

const lanes = rowHasher()
const random = new SeededRandom(11)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  random.fill(bytes, 0, count)
  return bytes
}

/** Ranges of these lengths, `gap` bytes apart and behind `before` others. */
function laidOut(lengths: readonly number[], before: number, gap: number) {
  const bounds = new Uint32Array(2 * lengths.length)
  let at = before
  for (const [i, length] of lengths.entries()) {
    bounds.set([at, at + length], 2 * i)
    at += length + gap
  }
  return { bytes: randomBytes(at), bounds }
}

function holdAgainstPlatform(rows: RowHasher, lengths: readonly number[], before = 0, gap = 0): void {
  const { bytes, bounds } = laidOut(lengths, before, gap)
  const hashes = rows.ranges(bytes, bounds)
  assert.equal(hashes.length, 32 * lengths.length)
  for (const [i, length] of lengths.entries()) {
    const expected = hash('sha256', bytes.subarray(bounds[2 * i], bounds[2 * i + 1]), 'hex')
    assert.equal(
      hex(hashes.subarray(32 * i, 32 * i + 32)),
      expected,
      `${length} bytes, number ${i} of ${lengths.join()}`,
    )
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

test('the lanes are what runs here, and without vectors in the engine the platform does all', () => {
  assert.notEqual(lanes, platformRows)
  const noModule = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 9, 0, 0, 0)
  assert.equal(rowHasher(sha256Constants(), noModule), platformRows)
})

test("the hashes of NIST's examples", () => {
  const texts = ['abc', 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '']
  const bytes = Buffer.from(texts.join(''))
  const [one, two] = [3, bytes.length]
  const expected = [
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  ]
  for (const rows of [lanes, platformRows]) {
    assert.equal(hex(rows.ranges(bytes, Uint32Array.of(0, one, one, two, two, two))), expected.join(''))
  }
})

test('every length from 0 to 300, wherever it begins and beside any other length', () => {
  for (const length of upTo(301)) {
    const others = [(length * 7) % 301, 300 - length, 64, (length * 31) % 450]
    holdAgainstPlatform(lanes, [length, ...others], length % 17, length % 3)
  }
})

test('any number of messages, and those that are too long, too many or too far apart for one turn', () => {
  for (const count of [0, 1, 2, 3, 4, 5, 255, 256, 257, 1_024, 1_025, 2_051]) {
    holdAgainstPlatform(
      lanes,
      upTo(count).map((i) => 180 + (i % 40)),
      1,
      2,
    )
  }
  holdAgainstPlatform(lanes, [10, 439, 440, 441, 20, 65_536, 7, 8, 9, 300_000, 1, 2, 3, 4, 0])
  holdAgainstPlatform(lanes, [10, 11, 12, 13, 14, 15, 16], 5, 100_000)
  holdAgainstPlatform(platformRows, [0, 1, 2, 3, 439, 65_536], 3, 1)
})

test('the roots over each so many hashes, as the package computes them; the rest of a row has none', () => {
  for (const [count, width] of [
    [256, 256],
    [255, 256],
    [300, 1],
    [515, 2],
    [100, 16],
    [4_096, 256],
    [9_000, 16],
    [9_000, 4_096],
    [4, 4],
    [0, 8],
  ] as const) {
    const row = randomBytes(count * 32)
    let expected: Uint8Array[] = upTo(count - (count % width)).map((i) => row.slice(32 * i, 32 * i + 32))
    for (let left = width; left > 1; left /= 2) {
      expected = upTo(expected.length / 2).map((i) => hashNode(expected[2 * i]!, expected[2 * i + 1]!))
    }
    for (const rows of [lanes, platformRows]) {
      assert.equal(hex(rows.fold(row, width)), expected.map(hex).join(''), `${width} of ${count}`)
    }
  }
})

test('what is hashed is left as it was, and ranges that are none are refused', () => {
  const { bytes, bounds } = laidOut([190, 191, 192, 193], 3, 2)
  const before = bytes.slice()
  for (const rows of [lanes, platformRows]) {
    for (const given of [bytes, Buffer.from(bytes.buffer)]) {
      rows.ranges(given, bounds)
      rows.fold(given, 2)
      assert.deepEqual(bytes, before)
    }
  }
  for (const wrong of [[0, 10, 5, 12], [4, 3], [0, bytes.length + 1], [0]]) {
    for (const rows of [lanes, platformRows]) assert.throws(() => rows.ranges(bytes, Uint32Array.from(wrong)))
  }
  assert.throws(() => lanes.fold(bytes, 3))
})

test('a wrong constant in the program is found out by these tests', () => {
  const { rounds, initial } = sha256Constants()
  const wrong = rowHasher({ rounds: rounds.with(63, rounds[63]! ^ 1), initial })
  assert.throws(() => holdAgainstPlatform(wrong, [190, 191, 192, 193]), /190 bytes/)
})
