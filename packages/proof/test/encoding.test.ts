// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { fromBase64, fromBase64Url, fromUtf8, parseDecimal, toBase64, toBase64Url, utf8 } from '../src/index.ts'

test('base64 and base64url agree with Node’s and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(toBase64(bytes), Buffer.from(bytes).toString('base64'))
      assert.equal(toBase64Url(bytes), Buffer.from(bytes).toString('base64url'))
      assert.deepEqual(fromBase64(toBase64(bytes)), new Uint8Array(bytes))
      assert.deepEqual(fromBase64Url(toBase64Url(bytes)), new Uint8Array(bytes))
    }),
    { seed: 1 },
  )
})

test('base64 leniency: no space, no missing or superfluous padding, no set trailing bits, no other alphabet', () => {
  assert.deepEqual(fromBase64('AA=='), new Uint8Array([0]))
  for (const text of [
    'AB==',
    'AA=',
    'AA',
    'AA===',
    'AAA',
    ' AA==',
    'AA==\n',
    'A A==',
    'AA==AA==',
    '====',
    '=',
    '-_-_',
    'AAé=',
    'A',
  ]) {
    assert.throws(() => fromBase64(text), { name: 'ProofError', code: 'base64-malformed' }, text)
  }
  for (const text of ['AB', 'AA==', 'A', '++++', 'AAAA\n']) {
    assert.throws(() => fromBase64Url(text), { code: 'base64-malformed' }, text)
  }
})

test('base64 of any text either comes back as it was or is refused', () => {
  const character = fc.constantFrom(...'AZaz09+/=-_ \n\u00e9'.split(''))
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 24 }), (text) => {
      for (const [read, write] of [
        [fromBase64, toBase64],
        [fromBase64Url, toBase64Url],
      ] as const) {
        let bytes: Uint8Array
        try {
          bytes = read(text)
        } catch {
          continue
        }
        assert.equal(write(bytes), text)
      }
    }),
    { numRuns: 2_000, seed: 1 },
  )
})

test('Number() parsing: nothing but canonical decimals up to 2^53 - 1 are sizes', () => {
  assert.equal(parseDecimal('0'), 0)
  assert.equal(parseDecimal('20852163'), 20_852_163)
  assert.equal(parseDecimal('9007199254740991'), Number.MAX_SAFE_INTEGER)
  const bad = [
    '',
    ' ',
    '00',
    '01',
    '+1',
    '-1',
    '-0',
    '1.0',
    '1e3',
    '0x10',
    '0b1',
    '1_000',
    '1n',
    ' 1',
    '1 ',
    '1\n',
    '\ufeff1',
    'NaN',
    'Infinity',
    '٣',
    '１',
  ]
  for (const text of [...bad, '9007199254740992', '9007199254740993', '18446744073709551615', '1'.repeat(400)]) {
    assert.throws(() => parseDecimal(text), { name: 'ProofError', code: 'decimal-malformed' }, text)
  }
})

test('BOM: a byte order mark is kept as text, and what is no UTF-8 is refused', () => {
  assert.equal(fromUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), '\ufeffa')
  assert.deepEqual(utf8('\ufeffa'), new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x80]]) {
    assert.throws(() => fromUtf8(new Uint8Array(bytes)), { code: 'text-malformed' })
  }
})
