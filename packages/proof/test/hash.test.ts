// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'

import { EMPTY_ROOT, equalBytes, hashLeaf, hashNode, hashNodeInto, sha256 } from '../src/index.ts'
import { hex, unhex } from './signers.ts'

/** Bytes that differ from place to place and are the same in every run. */
function pattern(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (i * 167 + (i >>> 8) * 13 + 5) & 255)
}

function node(...parts: readonly Uint8Array[]): string {
  return createHash('sha256').update(Buffer.concat(parts)).digest('hex')
}

test('SHA-256 gives the answers of FIPS 180-4', () => {
  assert.equal(hex(sha256(unhex(''))), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  assert.equal(hex(sha256(Buffer.from('abc'))), abc)
  const twoBlocks = Buffer.from('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')
  assert.equal(hex(sha256(twoBlocks)), '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1')
})

test('SHA-256 agrees with Node for every length around the block boundaries and with every prefix', () => {
  const data = pattern(400)
  for (let length = 0; length <= 300; length++) {
    assert.equal(hex(sha256(data.subarray(3, 3 + length))), node(data.subarray(3, 3 + length)), `${length} bytes`)
    for (const prefixBytes of [1, 16, 55, 56, 63, 64]) {
      const [prefix, rest] = [data.subarray(300, 300 + prefixBytes), data.subarray(0, length)]
      assert.equal(hex(sha256(rest, prefix)), node(prefix, rest), `${prefixBytes} and ${length} bytes`)
    }
  }
})

test('SHA-256 of long data has its length right', () => {
  const long = pattern(5_000_001)
  assert.equal(hex(sha256(long)), node(long))
})

test('a leaf is SHA-256(00 ‖ entry), a node SHA-256(01 ‖ left ‖ right), the empty root SHA-256 of nothing', () => {
  const [entry, left, right] = [pattern(260), pattern(32), pattern(64).subarray(32)]
  assert.equal(hex(hashLeaf(entry)), node(unhex('00'), entry))
  assert.equal(hex(hashNode(left, right)), node(unhex('01'), left, right))
  assert.equal(hex(EMPTY_ROOT), node())
})

test('hashNodeInto reads at offsets and may write over what it read', () => {
  for (const [left, right, out] of [
    [0, 32, 0],
    [32, 0, 32],
    [7, 55, 20],
    [10, 10, 10],
  ] as const) {
    const buffer = pattern(128)
    const expected = node(unhex('01'), buffer.slice(left, left + 32), buffer.slice(right, right + 32))
    const before = buffer.slice()
    hashNodeInto(buffer, out, buffer, left, buffer, right)
    assert.equal(hex(buffer.subarray(out, out + 32)), expected)
    before.set(unhex(expected), out)
    assert.deepEqual(buffer, before, 'nothing else is written')
  }
})

test('equalBytes compares lengths and every byte', () => {
  const bytes = pattern(33)
  assert.ok(equalBytes(bytes, bytes.slice()))
  assert.ok(!equalBytes(bytes, bytes.subarray(0, 32)))
  for (let i = 0; i < bytes.length; i++) {
    const other = bytes.slice()
    other[i]! ^= 1
    assert.ok(!equalBytes(bytes, other))
  }
})
