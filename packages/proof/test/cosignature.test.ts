// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  canVerifyMldsa44,
  formatCheckpoint,
  formatCosignature,
  formatNote,
  isMldsa44Signature,
  mldsa44Verifier,
  openCheckpoint,
  parseCosignature,
  parseNote,
  subtreeMessage,
  utf8,
} from '../src/index.ts'
import { hex, logSigner, mldsaSigner, signCheckpoint, withoutMldsa44 } from './signers.ts'

const root = new Uint8Array(32).fill(7)
const head = { origin: 'example.com/log', size: 2 ** 40 + 1, root }
const signer = mldsaSigner(head.origin)

test('the message that an ML-DSA-44 key signs is the structure of tlog-cosignature, byte for byte', () => {
  const message = subtreeMessage('w', 258, { origin: 'log', start: 0, end: 2 ** 40 + 3, root })
  const fields = ['737562747265652f76310a00', '0177', '0000000000000102', '036c6f67', '0000000000000000']
  assert.equal(hex(message), [...fields, '0000010000000003', '07'.repeat(32)].join(''))
})

test('a subtree that begins above 0 has no time, and what is no subtree has no message', () => {
  const subtree = { origin: 'log', start: 8, end: 16, root }
  assert.equal(subtreeMessage('w', 0, subtree).length, 12 + 2 + 8 + 4 + 8 + 8 + 32)
  const long = 'x'.repeat(256)
  const bad = [
    ['time', () => subtreeMessage('w', 1, subtree)],
    ['time', () => subtreeMessage('w', -1, { ...subtree, start: 0 })],
    ['time', () => subtreeMessage('w', 2 ** 53, { ...subtree, start: 0 })],
    ['end', () => subtreeMessage('w', 0, { ...subtree, end: 17 })],
    ['end', () => subtreeMessage('w', 0, { ...subtree, start: 0, end: 2 ** 53 })],
    ['root', () => subtreeMessage('w', 0, { ...subtree, root: root.subarray(1) })],
    ['cosigner', () => subtreeMessage('', 0, subtree)],
    ['cosigner', () => subtreeMessage(long, 0, subtree)],
    ['origin', () => subtreeMessage('w', 0, { ...subtree, origin: long })],
  ] as const
  for (const [field, make] of bad) {
    assert.throws(make, { name: 'ProofError', code: 'checkpoint-malformed', place: { field } })
  }
})

test('a log that signs by ML-DSA-44 alone has signed its checkpoint', async () => {
  assert.ok(await canVerifyMldsa44())
  const text = formatCheckpoint(head)
  const note = utf8(formatNote(text, [signer.cosign(text, 1_700_000_000)]))
  const opened = await openCheckpoint(note, mldsa44Verifier(signer.vkey), head.origin)
  assert.equal(opened.checkpoint.size, head.size)
})

test('an ML-DSA-44 signature under another time, origin, size, root, name or with another bit is refused', async () => {
  const text = formatCheckpoint(head)
  const [line] = parseNote(utf8(formatNote(text, [signer.cosign(text, 1_700_000_000)]))).signatures
  const { signature } = line!
  const verifier = mldsa44Verifier(signer.vkey)
  assert.ok(await verifier.verify(utf8(text), signature))
  for (const changed of [
    { ...head, size: head.size + 1 },
    { ...head, origin: 'example.com/other' },
    { ...head, root: new Uint8Array(32) },
  ]) {
    assert.ok(!(await verifier.verify(utf8(formatCheckpoint(changed)), signature)))
  }
  const renamed = mldsa44Verifier(mldsaSigner('example.com/other', signer.name).vkey)
  assert.ok(!(await renamed.verify(utf8(text), signature)), 'the name is signed')
  for (const at of [0, 7, 8, 100, 2_427]) {
    const changed = signature.slice()
    changed[at]! ^= 1
    if (at === 0) await assert.rejects(verifier.verify(utf8(text), changed), { code: 'signature-invalid' })
    else assert.ok(!(await verifier.verify(utf8(text), changed)), `byte ${at}`)
  }
  await assert.rejects(verifier.verify(utf8(`${text}extension\n`), signature), { code: 'checkpoint-malformed' })
  assert.ok(!(await isMldsa44Signature(signer.publicKey.subarray(1), utf8(''), signature.subarray(8))))
  assert.throws(() => mldsa44Verifier(logSigner('example.com/log').vkey), { code: 'algorithm-unsupported' })
})

test('a platform without ML-DSA-44 gives no verdict: it says that the kind is not checked here', async (context) => {
  withoutMldsa44(context)
  assert.equal(await canVerifyMldsa44(), false)
  const note = utf8(signCheckpoint(head, logSigner(head.origin), [signer]))
  await assert.rejects(openCheckpoint(note, mldsa44Verifier(signer.vkey), head.origin), {
    name: 'ProofError',
    code: 'algorithm-unsupported',
    message: /^signature kind not checked here/,
  })
})

test('a cosignature comes back as it was written', () => {
  for (const length of [64, 2_420]) {
    const cosignature = { time: 2 ** 53 - 1, signature: new Uint8Array(length).fill(3) }
    assert.deepEqual(parseCosignature(formatCosignature(cosignature)), cosignature)
  }
  assert.throws(() => formatCosignature({ time: 1, signature: new Uint8Array(63) }), { code: 'signature-invalid' })
})
