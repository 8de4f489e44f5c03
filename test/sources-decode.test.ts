// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Content encodings: all of the input, nothing but the input, and no more output than the limit.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'

import { MAX_BODY_BYTES } from '../src/schema/limits.ts'
import { Problem } from '../src/schema/problem.ts'
import { decode } from '../src/sources/decode.ts'
import { drawsFrom } from './sources-bodies.ts'

const text = Buffer.from('{"time":"2026-01-12T08:14:06Z","category":"AuditLogs"}\n'.repeat(5_000))
const draw = drawsFrom(11)
const random = Buffer.from(Array.from({ length: 300_000 }, () => draw(256)))
const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } }
const unsized = { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } }
const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 0x61, 0x62])

async function refused(body: Buffer, encoding: string): Promise<[code: string, offset: number | undefined]> {
  try {
    await decode(body, encoding)
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    return [error.code, error.place.offset]
  }
  return assert.fail('nothing was refused')
}

test('identity and no encoding give the body back, and refuse one that is longer than the limit', async () => {
  assert.equal(await decode(text, undefined), text)
  assert.equal(await decode(text, 'identity'), text)
  assert.deepEqual(await refused(Buffer.alloc(MAX_BODY_BYTES + 1), 'identity'), ['body-too-large', undefined])
})

test('gzip and zstd give back what was compressed, empty, small, large and incompressible', async () => {
  const sizes = [0, 1, 255, 256, 257, 1_000, 65_791, 65_792]
  const slices = sizes.map((size) => text.subarray(0, size))
  for (const plain of [...slices, text, random, Buffer.alloc(2 ** 23, 'xyz')]) {
    assert.ok((await decode(gzipSync(plain, { level: 1 }), 'gzip')).equals(plain))
    for (const options of [{}, checksum, unsized]) {
      assert.ok((await decode(zstdCompressSync(plain, options), 'zstd')).equals(plain))
    }
  }
})

test('gzip of several members is one body', async () => {
  const body = Buffer.concat([gzipSync('{"a":1}\n'), gzipSync(''), gzipSync('{"b":2}\n')])
  assert.equal((await decode(body, 'gzip')).toString(), '{"a":1}\n{"b":2}\n')
})

test('bytes behind the compressed data are refused', async () => {
  const gzip = gzipSync(text)
  const zstd = zstdCompressSync(text, checksum)
  assert.deepEqual(await refused(Buffer.concat([gzip, Buffer.alloc(1)]), 'gzip'), [
    'malformed-compression',
    gzip.length,
  ])
  assert.deepEqual(await refused(Buffer.concat([gzip, Buffer.alloc(9), gzip]), 'gzip'), [
    'malformed-compression',
    gzip.length,
  ])
  for (const behind of ['x', '\x1f', '\x1f\x8b', 'xyz'.repeat(100)]) {
    const body = Buffer.concat([gzip, Buffer.from(behind, 'latin1')])
    assert.equal((await refused(body, 'gzip'))[0], 'malformed-compression', behind)
  }
  for (const behind of [Buffer.alloc(1), Buffer.from('x'), zstd, skippable, zstd.subarray(0, 5)]) {
    const body = Buffer.concat([zstd, behind])
    assert.deepEqual(await refused(body, 'zstd'), ['malformed-compression', zstd.length])
  }
})

test('a skippable zstd frame, and whatever is no zstd frame, is refused', async () => {
  assert.deepEqual(await refused(skippable, 'zstd'), ['malformed-compression', 0])
  assert.deepEqual(await refused(Buffer.concat([skippable, zstdCompressSync(text)]), 'zstd'), [
    'malformed-compression',
    0,
  ])
  for (const body of [text, gzipSync(text), Buffer.alloc(0), Buffer.from('(')]) {
    assert.equal((await refused(body, 'zstd'))[0], 'malformed-compression')
  }
  for (const body of [text, zstdCompressSync(text), Buffer.alloc(0)]) {
    assert.equal((await refused(body, 'gzip'))[0], 'malformed-compression')
  }
})

test('input that is cut off anywhere is refused', async () => {
  const small = Buffer.from('{"a":"bcdefghij"}'.repeat(9))
  for (const [encoding, whole] of [
    ['gzip', gzipSync(small)],
    ['zstd', zstdCompressSync(small)],
    ['zstd', zstdCompressSync(small, checksum)],
    ['zstd', zstdCompressSync(random.subarray(0, 500), unsized)],
  ] as const) {
    for (let end = 0; end < whole.length; end++) {
      assert.deepEqual(await refused(whole.subarray(0, end), encoding), ['malformed-compression', end])
    }
  }
  const blocks = zstdCompressSync(random)
  for (const end of [blocks.length - 1, blocks.length - 70_000, 131_100, 9]) {
    assert.deepEqual(await refused(blocks.subarray(0, end), 'zstd'), ['malformed-compression', end])
  }
})

test('a flipped bit never gives other bytes where there is a checksum', async () => {
  const small = Buffer.from('{"a":"bcdefghij"}'.repeat(9))
  for (const [encoding, whole] of [
    ['gzip', gzipSync(small)],
    ['zstd', zstdCompressSync(small, checksum)],
  ] as const) {
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole)
      flipped[bit >>> 3]! ^= 1 << (bit & 7)
      try {
        // Some bits of a gzip header, such as the time, mean nothing to the content; nor does zstd's unused bit, or the
        // flag that says that a checksum follows: then its bytes do.
        assert.ok((await decode(flipped, encoding)).equals(small), `bit ${bit} of ${encoding}`)
      } catch (error) {
        assert.ok(
          error instanceof Problem && /^(?:malformed-compression|body-too-large)$/.test(error.code),
          String(error),
        )
      }
    }
  }
})

test('bombs are refused at the limit', async () => {
  const zeros = Buffer.alloc(MAX_BODY_BYTES + 1)
  assert.deepEqual(await refused(gzipSync(zeros), 'gzip'), ['body-too-large', undefined])
  assert.deepEqual(await refused(zstdCompressSync(zeros, unsized), 'zstd'), ['body-too-large', undefined])
  const half = gzipSync(Buffer.alloc(MAX_BODY_BYTES / 2))
  assert.equal((await decode(Buffer.concat([half, half]), 'gzip')).length, MAX_BODY_BYTES)
  assert.deepEqual(await refused(Buffer.concat([half, half, gzipSync('a')]), 'gzip'), ['body-too-large', undefined])
})

test('a zstd frame that declares more than the limit is refused before anything is decompressed', async () => {
  // Content sizes in 8 and 4 bytes; then a window alone. Nothing else in these frames is valid.
  const last = [1, 0, 0]
  const huge = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, ...last])
  const claims = Buffer.alloc(12)
  claims.set([0x28, 0xb5, 0x2f, 0xfd, 0xa0])
  claims.writeUInt32LE(MAX_BODY_BYTES + 1, 5)
  claims.set(last, 9)
  assert.deepEqual(await refused(huge, 'zstd'), ['body-too-large', undefined])
  assert.deepEqual(await refused(claims, 'zstd'), ['body-too-large', undefined])
  claims.writeUInt32LE(MAX_BODY_BYTES, 5)
  assert.deepEqual(await refused(claims, 'zstd'), ['malformed-compression', undefined])
  const windowed = (descriptor: number): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, descriptor, ...last])
  assert.deepEqual(await refused(windowed((16 << 3) | 1), 'zstd'), ['malformed-compression', 5])
  assert.deepEqual(await decode(windowed(16 << 3), 'zstd'), Buffer.alloc(0))
})

test('a zstd frame with a reserved bit, a reserved block, a huge block or a dictionary is refused', async () => {
  const frame = (...bytes: number[]): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...bytes])
  assert.deepEqual(await decode(frame(0x20, 1, 0x09, 0, 0, 0x61), 'zstd'), Buffer.from('a'))
  for (const [body, offset] of [
    [frame(0x28, 1, 0x09, 0, 0, 0x61), 4],
    [frame(0x20, 1, 0x0f, 0, 0, 0x61), 6],
    [frame(0x20, 1, 0x01, 0, 0x20, 0x61), 6],
    [frame(0x21, 7, 1, 0x09, 0, 0, 0x61), 5],
  ] as const) {
    assert.deepEqual(await refused(body, 'zstd'), ['malformed-compression', offset])
  }
})

test('any other encoding is refused', async () => {
  for (const encoding of ['br', 'deflate', 'gzip, gzip', 'GZIP', '', 'constructor']) {
    assert.equal((await refused(gzipSync(text), encoding))[0], 'unsupported-encoding')
  }
})
