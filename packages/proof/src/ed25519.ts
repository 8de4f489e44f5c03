// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ed25519 (RFC 8032 section 5.1.7) with one verdict everywhere. Platforms differ over points that an honest signer
// never makes: under the identity key some accept any message. So those are refused before WebCrypto sees them.

const FIELD_PRIME = 2n ** 255n - 19n
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** The height of one of the four points of order 8; that of the other pair is its negative. */
const ORDER_8_HEIGHT = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n

/** Heights of the points of order 1, 2, 4 and 8. With both signs, and with 0 and 1 written as p and p + 1, they are 14. */
const LOW_ORDER_HEIGHTS: readonly bigint[] = [0n, 1n, FIELD_PRIME - 1n, ORDER_8_HEIGHT, FIELD_PRIME - ORDER_8_HEIGHT]

/**
 * Whether `signature` (64 bytes) by `publicKey` (32 bytes) belongs to `message`. False too where the key or the
 * signature's point is of low order or not canonical, or the scalar is not below the group's order.
 */
export async function isEd25519Signature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  if (!isSoundPoint(publicKey) || !isSoundPoint(signature.subarray(0, 32))) return false
  if (littleEndian(signature.subarray(32)) >= GROUP_ORDER) return false
  // WebCrypto takes no view of shared memory, hence the copies.
  const algorithm = { name: 'Ed25519' }
  const key = await crypto.subtle.importKey('raw', new Uint8Array(publicKey), algorithm, false, ['verify']).catch(noKey)
  if (key === undefined) return false
  return await crypto.subtle.verify(algorithm, key, new Uint8Array(signature), new Uint8Array(message))
}

/** A platform may refuse a key that is no point of the curve; anything else, as no Ed25519 at all, is no verdict. */
function noKey(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'DataError') return undefined
  throw error
}

/** A point's encoding is its height y in 255 bits and a sign bit. */
function isSoundPoint(encoded: Uint8Array): boolean {
  const height = BigInt.asUintN(255, littleEndian(encoded))
  return height < FIELD_PRIME && !LOW_ORDER_HEIGHTS.includes(height)
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}
