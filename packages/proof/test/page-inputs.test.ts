// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the verifier page makes of what it is given, before anything is shown or verified.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MAX_POLICY_BYTES, utf8 } from '../src/index.ts'
import { printable, printableLines } from '../folder/printable.ts'
import { readTrust, slotOf } from '../page/inputs.ts'
import { policyOf, receiptOf, witness } from './page-receipts.ts'
import { logSigner } from './signers.ts'

test('a file is told by its bytes: a receipt by its first line, a key or policy by its form, all else is the event', () => {
  const { vkey } = logSigner('example.com/log')
  const policy = policyOf('example.com/log', [witness(0)])
  const receipt = receiptOf(utf8('{}'), 'example.com/log')
  for (const [text, slot] of [
    [receipt, 'receipt'],
    [receipt.replace('@v1', '@v2'), 'event'],
    [vkey, 'trust'],
    [`\n${vkey}\r\n`, 'trust'],
    [policy, 'trust'],
    [`# a comment\n\n${policy}`, 'trust'],
    ['', 'event'],
    [' ', 'event'],
    ['{"log":"x"}', 'event'],
    ['log in failed\nquorum none\n', 'event'],
    ['a+b', 'event'],
    [vkey.replace('+', '+0'), 'event'],
    [`${policy}${'#'.repeat(MAX_POLICY_BYTES)}`, 'event'],
  ] as const) {
    assert.equal(slotOf(utf8(text)), slot, JSON.stringify(text.slice(0, 80)))
  }
  assert.equal(slotOf(Uint8Array.of(0xff, 0xfe)), 'event')
})

test('a key may have space around it, nothing is nothing, and anything else says what it should have been', () => {
  const { vkey } = logSigner('example.com/log')
  assert.deepEqual(readTrust(` ${vkey}\n`), { vkey })
  assert.equal(readTrust(' \n'), undefined)
  assert.throws(() => readTrust('my key'), { name: 'ProofError', message: /neither a key .* nor a policy/ })
  assert.throws(() => readTrust('log x\n'), { name: 'ProofError' })
})

test('no character that hides, moves or breaks text reaches a reader as itself', () => {
  const hidden = [0x00, 0x1b, 0x7f, 0x85, 0xad, 0x61c, 0x115f, 0x200b, 0x200d, 0x200e, 0x202e, 0x2028, 0x2066]
  for (const point of [...hidden, 0x3164, 0xd800, 0xe000, 0xfeff, 0xffa0, 0xfffd, 0xe0041, 0x10ffff]) {
    assert.equal(printable(`a${String.fromCodePoint(point)}b`), `a\\u{${point.toString(16)}}b`)
  }
  assert.equal(printable('a\tb\nc\rd'), 'a\\tb\\nc\\rd')
  assert.equal(printableLines('a\tb\nc\rd'), 'a\tb\nc\\rd')
  assert.equal(printable('Grüße 東京 🪨 <b>'), 'Grüße 東京 🪨 <b>')
})
