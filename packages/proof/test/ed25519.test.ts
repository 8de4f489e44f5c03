// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'

import { type Ed25519Check, isEd25519Signature } from '../src/index.ts'
import { readVectors, vectorsMissing } from './vectors.ts'
import { logSigner, unhex } from './signers.ts'

/** The points whose order divides 8, in all encodings: seven heights with both signs. */
const LOW_ORDER_HEIGHTS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
]

function withSign(encoded: Uint8Array): Uint8Array {
  const other = encoded.slice()
  other[31]! |= 0x80
  return other
}

const lowOrderPoints = LOW_ORDER_HEIGHTS.map(unhex).flatMap((point) => [point, withSign(point)])

test('identity key: no message is signed under any of the 14 encodings of a low-order key', async () => {
  assert.equal(lowOrderPoints.length, 14)
  // R = the identity and S = 0 satisfy the equation under the identity key for every message.
  const signature = new Uint8Array(64)
  signature[0] = 1
  for (const key of lowOrderPoints) {
    assert.equal(await isEd25519Signature(key, Buffer.from('any message'), signature), false)
    for (const point of lowOrderPoints) {
      assert.equal(
        await isEd25519Signature(key, Buffer.from('any'), new Uint8Array([...point, ...new Uint8Array(32)])),
        false,
      )
    }
  }
})

test('low-order and non-canonical points and S >= L are refused before the platform is asked, which may accept them', async () => {
  const { publicKey } = logSigner('example.com/log')
  const platform = mock.method(crypto.subtle, 'verify', async () => await Promise.resolve(true))
  try {
    const sound = new Uint8Array([...publicKey, ...new Uint8Array(32)])
    assert.equal(await isEd25519Signature(publicKey, new Uint8Array(0), sound), true, 'the platform decides')
    assert.equal(platform.mock.callCount(), 1)
    const nonCanonical = Array.from({ length: 19 }, (_, i) => unhex(`${(0xed + i).toString(16)}${'ff'.repeat(30)}7f`))
    for (const point of [...lowOrderPoints, ...nonCanonical, ...nonCanonical.map(withSign)]) {
      assert.equal(await isEd25519Signature(point, new Uint8Array(0), sound), false)
      assert.equal(
        await isEd25519Signature(publicKey, new Uint8Array(0), new Uint8Array([...point, ...new Uint8Array(32)])),
        false,
      )
    }
    assert.equal(platform.mock.callCount(), 1)
    for (const [scalar, isBelow] of [
      ['ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', true],
      ['edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', false],
    ] as const) {
      const signature = new Uint8Array([...publicKey, ...unhex(scalar)])
      assert.equal(await isEd25519Signature(publicKey, new Uint8Array(0), signature), isBelow)
    }
    assert.equal(platform.mock.callCount(), 2)
  } finally {
    platform.mock.restore()
  }
})

test("a check in the place of WebCrypto's is asked about sound points and scalars only, and what it says counts", async () => {
  const signer = logSigner('example.com/log')
  const signature = Buffer.from(/ ([^ ]+)\n$/.exec(signer.sign('text\n'))?.[1] ?? '', 'base64').subarray(4)
  const asked = mock.fn<Ed25519Check>(() => true)
  for (const point of lowOrderPoints) {
    const changed = new Uint8Array([...point, ...signature.subarray(32)])
    assert.equal(await isEd25519Signature(point, Buffer.from('text\n'), signature, asked), false)
    assert.equal(await isEd25519Signature(signer.publicKey, Buffer.from('text\n'), changed, asked), false)
  }
  const large = new Uint8Array([...signature.subarray(0, 32), ...new Uint8Array(32).fill(255)])
  assert.equal(await isEd25519Signature(signer.publicKey, Buffer.from('text\n'), large, asked), false)
  assert.equal(asked.mock.callCount(), 0)
  assert.equal(await isEd25519Signature(signer.publicKey, Buffer.from('text\n'), signature, asked), true)
  assert.equal(await isEd25519Signature(signer.publicKey, Buffer.from('text\n'), signature, () => false), false)
  assert.deepEqual(asked.mock.calls[0]?.arguments, [signer.publicKey, Buffer.from('text\n'), signature])
})

test('a signature by an honest key verifies, and with a low-order R, another S or another length does not', async () => {
  const signer = logSigner('example.com/log')
  const line = signer.sign('text\n')
  const signature = new Uint8Array(Buffer.from(/ ([^ ]+)\n$/.exec(line)?.[1] ?? '', 'base64').subarray(4))
  const message = Buffer.from('text\n')
  assert.ok(await isEd25519Signature(signer.publicKey, message, signature))
  for (const point of lowOrderPoints) {
    const changed = signature.slice()
    changed.set(point)
    assert.equal(await isEd25519Signature(signer.publicKey, message, changed), false)
  }
  for (const bytes of [signature.subarray(0, 63), new Uint8Array([...signature, 0]), new Uint8Array(0)]) {
    assert.equal(await isEd25519Signature(signer.publicKey, message, bytes), false)
  }
  assert.equal(await isEd25519Signature(signer.publicKey.subarray(0, 31), message, signature), false)
})

test('malleability: S + L in place of S is refused', async () => {
  const signer = logSigner('example.com/log')
  const signature = Buffer.from(/ ([^ ]+)\n$/.exec(signer.sign('text\n'))?.[1] ?? '', 'base64').subarray(4)
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  let scalar = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order
  const changed = new Uint8Array(signature)
  for (let i = 32; i < 64; i++) {
    changed[i] = Number(scalar & 255n)
    scalar >>= 8n
  }
  assert.equal(await isEd25519Signature(signer.publicKey, Buffer.from('text\n'), changed), false)
})

test('every vector of Wycheproof gets its verdict', { skip: vectorsMissing }, async () => {
  const vectors = readVectors().filter(({ result }) => result !== undefined)
  assert.equal(vectors.length, 151)
  for (const { key, message, signature, result } of vectors) {
    assert.equal(await isEd25519Signature(unhex(key), unhex(message), unhex(signature)), result === 'valid', message)
  }
})

test(
  'of the edge cases of CCTV those are valid whose points are sound and whose equation holds without a cofactor',
  {
    skip: vectorsMissing,
  },
  async () => {
    const vectors = readVectors().filter(({ result }) => result === undefined)
    assert.equal(vectors.length, 914)
    const refused = /^(?:low_order_A|low_order_R|non_canonical_A|non_canonical_R|low_order_residue)$/
    for (const { key, message, signature, flags } of vectors) {
      const expected = !flags.some((flag) => refused.test(flag))
      assert.equal(await isEd25519Signature(unhex(key), unhex(message), unhex(signature)), expected, flags.join(' '))
    }
  },
)

test('a platform that refuses the key at import says the same as one that does so later; one without Ed25519 says nothing', async () => {
  const { publicKey } = logSigner('example.com/log')
  const signature = new Uint8Array([...publicKey, ...new Uint8Array(32)])
  for (const [name, isVerdict] of [
    ['DataError', true],
    ['NotSupportedError', false],
  ] as const) {
    const platform = mock.method(
      crypto.subtle,
      'importKey',
      async () => await Promise.reject(new DOMException('no', name)),
    )
    try {
      const verdict = isEd25519Signature(publicKey, new Uint8Array(0), signature)
      if (isVerdict) assert.equal(await verdict, false)
      else await assert.rejects(verdict, { name })
    } finally {
      platform.mock.restore()
    }
  }
})
