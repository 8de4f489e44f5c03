// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the verifier page makes of what it is given, before anything is shown or verified.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  EMPTY_ROOT,
  formatNote,
  formatRotation,
  MAX_POLICY_BYTES,
  parsePolicy,
  ProofError,
  utf8,
} from '../src/index.ts'
import { givenRotations } from '../folder/given-rotations.ts'
import { printable, printableLines } from '../folder/printable.ts'
import { readTrust, slotOf, withRotations } from '../page/inputs.ts'
import { policyOf, receiptOf, witness } from './page-receipts.ts'
import { logSigner, mldsaSigner } from './signers.ts'

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

test('rotations have their place in each form in which people have them, and lead on from an Ed25519 key alone', () => {
  const [old, now] = [logSigner('a.test/log', 'old'), logSigner('a.test/log')]
  const text = formatRotation({ origin: 'a.test/log', end: { size: 0, root: EMPTY_ROOT }, vkey: now.vkey })
  const note = formatNote(text, [old.sign(text), now.sign(text)])
  for (const file of [
    note,
    note + note,
    JSON.stringify({ rotations: [note] }),
    JSON.stringify([{ rotations: [note] }]),
  ]) {
    assert.equal(slotOf(utf8(file)), 'rotations')
    assert.deepEqual(Object.keys(withRotations({ vkey: old.vkey }, utf8(file)) ?? {}), ['vkey', 'rotations'])
  }
  for (const file of ['{"rotations":[]}', '{"rotations":["x"]}', '[]']) assert.equal(slotOf(utf8(file)), 'event')
  const policy = parsePolicy(`log ${old.vkey}\nquorum none\n`)
  assert.throws(() => withRotations(policy, utf8(note)), /from an Ed25519 key/)
  assert.throws(() => withRotations({ vkey: mldsaSigner('a.test/log').vkey }, utf8(note)), /from an Ed25519 key/)
  assert.throws(() => withRotations({ vkey: logSigner('b.test/log').vkey }, utf8(note)), /none of them of b\.test/)
  assert.equal(withRotations(undefined, utf8('x')), undefined)
})

test('rotations with any bytes changed, cut or put in are read or refused with a typed error', () => {
  const [old, now] = [logSigner('a.test/log', 'old'), logSigner('a.test/log')]
  const text = formatRotation({ origin: 'a.test/log', end: { size: 0, root: EMPTY_ROOT }, vkey: now.vkey })
  const note = formatNote(text, [old.sign(text), now.sign(text)])
  const forms = [note + note, JSON.stringify([{ rotations: [note] }, note])].map((form) => Buffer.from(form))
  const bytes = fc.uint8Array({ maxLength: 9 }).map((some) => Buffer.from(some))
  let goodCount = 0
  fc.assert(
    fc.property(fc.constantFrom(...forms), fc.nat(900), fc.nat(9), bytes, (form, at, dropped, put) => {
      const given = Buffer.concat([form.subarray(0, at), put, form.subarray(at + dropped)])
      try {
        goodCount += givenRotations(given, 'a.test/log').length
      } catch (error) {
        if (!(error instanceof ProofError)) throw error
      }
    }),
    { seed: 7, numRuns: 3_000 },
  )
  assert.ok(goodCount > 0, 'some of them are good')
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
