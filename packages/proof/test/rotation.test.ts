// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  formatNote,
  formatRotation,
  openByPeriods,
  parseCheckpoint,
  parseRotation,
  utf8,
  verifyRotations,
  type KeyPeriod,
} from '../src/index.ts'
import { logSigner, mldsaSigner, signCheckpoint, type TestSigner } from './signers.ts'

const origin = 'stele.local/abcdefghijklm/heads'
const [first, second, third] = ['one', 'two', 'three'].map((seed) => logSigner(origin, seed)) as [
  TestSigner,
  TestSigner,
  TestSigner,
]
const mldsa = mldsaSigner(origin)

function rootOf(size: number): Uint8Array {
  return new Uint8Array(32).fill(size)
}

function rotate(from: TestSigner, to: TestSigner, size: number, mldsaVkey?: string): string {
  const end = { size, root: rootOf(size) }
  const text = formatRotation({ origin, end, vkey: to.vkey, ...(mldsaVkey === undefined ? {} : { mldsaVkey }) })
  return formatNote(text, [from.sign(text), to.sign(text)])
}

function headOf(signer: TestSigner, size: number): Uint8Array {
  return utf8(signCheckpoint({ origin, size, root: rootOf(size) }, signer))
}

const rotations = [rotate(first, second, 10), rotate(second, third, 30, mldsa.vkey)]

test('a rotation is read as it was written, and is no checkpoint', () => {
  assert.deepEqual(parseRotation(rotations[1]!), {
    origin,
    end: { size: 30, root: rootOf(30) },
    vkey: third.vkey,
    mldsaVkey: mldsa.vkey,
  })
  assert.throws(() => parseCheckpoint(rotations[0]!.split('\n\n')[0]! + '\n'), { code: 'checkpoint-malformed' })
})

test('rotations lead from the key that was pinned to the newest, and each key has its sizes', async () => {
  const periods: KeyPeriod[] = [
    { vkey: first.vkey, from: 0, until: { size: 10, root: rootOf(10) } },
    { vkey: second.vkey, from: 10, until: { size: 30, root: rootOf(30) } },
    { vkey: third.vkey, mldsaVkey: mldsa.vkey, from: 30 },
  ]
  assert.deepEqual(await verifyRotations(first.vkey, rotations), periods)
  assert.deepEqual(await verifyRotations(second.vkey, rotations), periods.slice(1), 'pinned after the first rotation')
  assert.deepEqual(await verifyRotations(third.vkey, rotations), periods.slice(2))
  assert.deepEqual(await verifyRotations(first.vkey, []), [{ vkey: first.vkey, from: 0 }])
})

test('a fork that an old key signs above its end is refused, and its heads below are its own', async () => {
  const periods = await verifyRotations(first.vkey, rotations)
  assert.equal((await openByPeriods(headOf(first, 10), periods)).period, periods[0])
  assert.equal((await openByPeriods(headOf(second, 30), periods)).period, periods[1])
  assert.equal((await openByPeriods(headOf(third, 31), periods)).period, periods[2])
  for (const [signer, size] of [
    [first, 11],
    [first, 100],
    [second, 31],
  ] as const) {
    await assert.rejects(openByPeriods(headOf(signer, size), periods), { name: 'ProofError', code: 'key-retired' })
  }
  await assert.rejects(openByPeriods(headOf(logSigner(origin, 'four'), 5), periods), { code: 'signature-missing' })
})

test('a chain that is broken anywhere is refused, with the rotation that breaks it', async () => {
  const text = formatRotation({ origin, end: { size: 10, root: rootOf(10) }, vkey: second.vkey })
  const other = logSigner('stele.local/abcdefghijklm/main', 'other')
  const foreign = formatRotation({ origin: other.name, end: { size: 1, root: rootOf(1) }, vkey: other.vkey })
  const broken: readonly (readonly [string, readonly string[], number])[] = [
    ['a rotation left out', [rotations[1]!], 0],
    ['the wrong order', rotations.toReversed(), 0],
    ['a stranger’s key in the place of the old one', [rotate(third, second, 10)], 0],
    ['two successors of one key', [rotations[0]!, rotate(first, third, 20)], 1],
    ['an end below the one before', [rotations[0]!, rotate(second, third, 9)], 1],
    ['a key that was in use before', [rotations[0]!, rotate(second, first, 40)], 1],
    ['another size than was signed', [rotations[0]!.replace('\n10\n', '\n11\n')], 0],
    ['another log', [formatNote(foreign, [first.sign(foreign).replace(origin, other.name), other.sign(foreign)])], 0],
    ['a bad signature of the new key', [formatNote(text, [first.sign(text), second.sign(`${text}\n`)])], 0],
  ]
  for (const [what, list, position] of broken) {
    const expected = { name: 'ProofError', code: 'rotation-broken', place: { position } }
    await assert.rejects(verifyRotations(first.vkey, list), expected, what)
  }
})

test('whoever hands over the rotations cannot say in the pinned key’s name how it came about', async () => {
  const text = formatRotation({
    origin,
    end: { size: 7, root: rootOf(7) },
    vkey: first.vkey,
    mldsaVkey: mldsaSigner(origin, 'forged').vkey,
  })
  const forged = formatNote(text, [second.sign(text), first.sign(`${text}\n`)])
  for (const list of [[forged], [forged, ...rotations]]) {
    await assert.rejects(verifyRotations(first.vkey, list), { code: 'rotation-broken', place: { position: 0 } })
  }
})

test('what has not the form of a rotation is refused', async () => {
  const good = rotations[1]!
  const text = good.split('\n\n')[0]! + '\n'
  const bad = [
    '',
    'x\n\n',
    text,
    good.replace('v1', 'v2'),
    good.replace('\n30\n', '\n030\n'),
    good.replace('\n30\n', '\n9007199254740992\n'),
    good.replace(`${third.vkey}\n`, ''),
    good.replace(`${third.vkey}\n`, `${mldsa.vkey}\n`),
    good.replace(`${mldsa.vkey}\n`, `${mldsa.vkey}\n${mldsa.vkey}\n`),
    good.replace(`${mldsa.vkey}\n`, `${third.vkey}\n`),
    formatNote(text, [second.sign(text)]),
    formatNote(text, [third.sign(text), second.sign(text)]),
    formatNote(text, [third.sign(text), third.sign(text)]),
    formatNote(text, [second.sign(text), third.sign(text), third.sign(text)]),
  ]
  for (const note of bad) {
    assert.throws(() => parseRotation(note), { name: 'ProofError', code: 'rotation-malformed' }, note)
    await assert.rejects(verifyRotations(second.vkey, [note]), { code: 'rotation-malformed', message: /./ })
  }
  assert.throws(() => formatRotation({ origin, end: { size: -1, root: rootOf(1) }, vkey: first.vkey }), {
    code: 'rotation-malformed',
  })
})
