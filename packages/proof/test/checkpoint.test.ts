// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  cosignatureVerifier,
  ed25519Verifier,
  EMPTY_ROOT,
  formatCheckpoint,
  formatNote,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  toBase64,
  utf8,
} from '../src/index.ts'
import { fixture, logSigner, signCheckpoint, witnessSigner } from './signers.ts'

const root = new Uint8Array(32).fill(7)
const log = logSigner('example.com/log')
const head = { origin: log.name, size: 20_852_163, root }

test('the example of tlog-checkpoint is read', () => {
  const checkpoint = parseCheckpoint(parseNote(fixture('tlog-checkpoint-example.txt')).text)
  assert.equal(checkpoint.origin, 'example.com/behind-the-sofa')
  assert.equal(checkpoint.size, 20_852_163)
  assert.equal(toBase64(checkpoint.root), 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=')
})

test('a checkpoint comes back as it was written', () => {
  for (const size of [1, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    const text = formatCheckpoint({ ...head, size })
    assert.equal(text, `example.com/log\n${size}\n${toBase64(root)}\n`)
    assert.deepEqual(parseCheckpoint(text), { ...head, size, extensions: [] })
  }
  assert.equal(parseCheckpoint(formatCheckpoint({ origin: 'o', size: 0, root: EMPTY_ROOT })).size, 0)
})

test('extension lines are read and shown, and never empty', () => {
  const text = `${formatCheckpoint(head)}one\ntwo\n`
  assert.deepEqual(parseCheckpoint(text).extensions, ['one', 'two'])
  assert.throws(() => parseCheckpoint(`${formatCheckpoint(head)}one\n\n`), {
    code: 'checkpoint-malformed',
    place: { line: 5 },
  })
})

test('Number() parsing: a size in any other form than the one is refused', () => {
  for (const size of ['', ' 1', '01', '+1', '-1', '1.0', '1e3', '0x10', '9007199254740992', '9007199254740993', '1 ']) {
    assert.throws(() => parseCheckpoint(`o\n${size}\n${toBase64(root)}\n`), {
      name: 'ProofError',
      code: 'checkpoint-malformed',
      place: { line: 2 },
    })
  }
})

test('a root of another length or in a lenient base64, and another root of the empty tree, are refused', () => {
  const encoded = toBase64(root)
  for (const text of [
    '',
    encoded.slice(0, -1),
    `${encoded} `,
    toBase64(root.subarray(1)),
    encoded.replace('c=', 'd='),
  ]) {
    assert.notEqual(text, encoded)
    assert.throws(() => parseCheckpoint(`o\n1\n${text}\n`), { code: 'checkpoint-malformed', place: { line: 3 } }, text)
  }
  assert.throws(() => parseCheckpoint(`o\n0\n${encoded}\n`), { code: 'checkpoint-malformed', place: { line: 3 } })
  assert.throws(() => formatCheckpoint({ origin: 'o', size: 0, root }), { code: 'checkpoint-malformed' })
})

test('missing lines, control characters, an empty or too long origin are refused', () => {
  const encoded = toBase64(root)
  for (const text of [
    '',
    '\n',
    'o',
    'o\n',
    'o\n1\n',
    `o\n1\n${encoded}`,
    `\n1\n${encoded}\n`,
    `o\r\n1\n${encoded}\n`,
    `o\u0000\n1\n${encoded}\n`,
  ]) {
    assert.throws(
      () => parseCheckpoint(text),
      { name: 'ProofError', code: 'checkpoint-malformed' },
      JSON.stringify(text),
    )
  }
  assert.equal(parseCheckpoint(`${'é'.repeat(127)}o\n1\n${encoded}\n`).size, 1)
  assert.throws(() => parseCheckpoint(`${'é'.repeat(128)}\n1\n${encoded}\n`), { code: 'checkpoint-malformed' })
  assert.throws(() => formatCheckpoint({ ...head, origin: 'two\nlines' }), { code: 'checkpoint-malformed' })
  for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => formatCheckpoint({ ...head, size }), { code: 'checkpoint-malformed' })
  }
})

test('a checkpoint opens for the expected origin and under the log’s own key only', async () => {
  const verifier = ed25519Verifier(log.vkey)
  const opened = await openCheckpoint(utf8(signCheckpoint(head, log)), verifier, log.name)
  assert.deepEqual(opened.checkpoint, { ...head, extensions: [] })
  assert.equal(opened.note.verified.length, 1)
  await assert.rejects(openCheckpoint(utf8(signCheckpoint(head, log)), [verifier], 'example.com/other'), {
    name: 'ProofError',
    code: 'origin-unexpected',
  })
  const foreign = { ...head, origin: 'example.com/other' }
  await assert.rejects(openCheckpoint(utf8(signCheckpoint(foreign, log)), verifier, log.name), {
    code: 'origin-unexpected',
  })
  await assert.rejects(openCheckpoint(utf8(signCheckpoint(foreign, log)), verifier, foreign.origin), {
    code: 'signature-missing',
  })
})

test('a witness’s cosignature does not stand in for the log’s signature', async () => {
  const witness = witnessSigner('example.com/witness')
  const text = formatCheckpoint(head)
  const note = utf8(formatNote(text, [witness.cosign(text, 1), logSigner(log.name, 'another key').sign(text)]))
  const verifiers = [ed25519Verifier(log.vkey), cosignatureVerifier(witness.vkey)]
  await assert.rejects(openCheckpoint(note, verifiers, log.name), { code: 'signature-missing' })
  const asLog = witnessSigner(log.name)
  const own = utf8(formatNote(text, [asLog.cosign(text, 1)]))
  await assert.rejects(openCheckpoint(own, [cosignatureVerifier(asLog.vkey)], log.name), { code: 'signature-missing' })
})
