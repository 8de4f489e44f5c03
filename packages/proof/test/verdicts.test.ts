// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The verdict of every vector that nobody on this project made, held against the list in fixtures/verdicts.json;
// browser.test.ts holds a browser against the same list.

import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'

import {
  canVerifyMldsa44,
  type Ed25519Check,
  isEd25519Signature,
  isMldsa44Signature,
  toBase64Url,
} from '../src/index.ts'
import { unhex } from './signers.ts'
import { readMldsa44Vectors, readVectors, readVerdicts, vectorsMissing, verdictsOf } from './vectors.ts'

const byNodeCrypto: Ed25519Check = (publicKey, message, signature) => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) }
  return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature)
}

for (const [by, check] of [
  ['WebCrypto', undefined],
  ["Node's own crypto", byNodeCrypto],
] as const) {
  test(`every Ed25519 vector gets the verdict that is written down, by ${by}`, { skip: vectorsMissing }, async () => {
    const outcomes = await Promise.all(
      readVectors().map(async ({ key, message, signature }) => {
        return await isEd25519Signature(unhex(key), unhex(message), unhex(signature), check)
      }),
    )
    const written = readVerdicts()
    assert.deepEqual(verdictsOf(outcomes.slice(0, 914)), written['cctv-ed25519'])
    assert.deepEqual(verdictsOf(outcomes.slice(914)), written['wycheproof-ed25519'])
  })
}

test(
  'every ML-DSA-44 vector gets the verdict that is written down, which is its own but where it has a context',
  { skip: vectorsMissing },
  async () => {
    assert.ok(await canVerifyMldsa44())
    const vectors = readMldsa44Vectors()
    const outcomes = await Promise.all(
      vectors.map(async ({ key, message, signature }) => {
        return await isMldsa44Signature(unhex(key), unhex(message), unhex(signature))
      }),
    )
    assert.deepEqual(verdictsOf(outcomes), readVerdicts()['wycheproof-mldsa-44'])
    const others = vectors.filter(({ result }, position) => outcomes[position] !== (result === 'valid'))
    assert.equal(others.length, 2)
    assert.ok(others.every(({ result, context }) => result === 'valid' && context !== ''))
  },
)
