// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Keys change, and who pinned the first one follows: each rotation is signed by the key before it. A retired key's heads
// beyond its end are refused.

import { generateKeyPairSync, sign } from 'node:crypto'

import {
  ALG_ED25519,
  EMPTY_ROOT,
  formatCheckpoint,
  formatNote,
  formatRotation,
  formatSignatureLine,
  formatVkey,
  isSettled,
  keyIdOf,
  noteMessage,
  openByPeriods,
  parseRotation,
  ProofError,
  sha256,
  utf8,
  verifyRotations,
} from '@stele/proof'

const origin = 'audit.example.com/k3v7q2m5x8r4t/main'

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const keyId = keyIdOf(origin, ALG_ED25519, raw)
  const line = (text: string) => formatSignatureLine(origin, keyId, sign(null, noteMessage(text), privateKey))
  return { vkey: formatVkey(origin, ALG_ED25519, raw), line }
}

const [old, now] = [newKey(), newKey()]
const end = { size: 300, root: sha256(utf8('the root of the first 300 entries')) }
const text = formatRotation({ origin, end, vkey: now.vkey })
const rotation = formatNote(text, [old.line(text), now.line(text)])
console.log('from size', parseRotation(rotation).end.size, 'on another key signs')

const periods = await verifyRotations(old.vkey, [rotation])
console.log(periods.map(({ from, until }) => [from, until?.size]))

async function open(size: number, key: typeof old) {
  const head = formatCheckpoint({ origin, size, root: size === 0 ? EMPTY_ROOT : end.root })
  try {
    const { checkpoint, period } = await openByPeriods(utf8(formatNote(head, [key.line(head)])), periods)
    console.log(checkpoint.size, isSettled(checkpoint, period) ? 'holds' : 'is to be shown to be the start of 300')
  } catch (error) {
    if (error instanceof ProofError) console.log(size, error.code)
  }
}
await open(0, old)
await open(300, old)
await open(301, old)
await open(301, now)

// Prints:
// from size 300 on another key signs
// [ [ 0, 300 ], [ 300, undefined ] ]
// 0 is to be shown to be the start of 300
// 300 holds
// 301 key-retired
// 301 holds
