// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ed25519 (RFC 8032 section 5.1.7) with one verdict everywhere. Platforms differ over points that an honest signer
// never makes: under the identity key some accept any message. So those are refused before the platform sees them.

const FIELD_PRIME = 2n ** 255n - 19n
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

/** The height of one of the four points of order 8; that of the other pair is its negative. */
const ORDER_8_HEIGHT = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n

/** Heights of the points of order 1, 2, 4 and 8. With both signs, and with 0 and 1 written as p and p + 1, they are 14. */
const LOW_ORDER_HEIGHTS: readonly bigint[] = [0n, 1n, FIELD_PRIME - 1n, ORDER_8_HEIGHT, FIELD_PRIME - ORDER_8_HEIGHT]

/**
 * Whether `signature` (64 bytes) is by a sound `publicKey` (32 bytes) over `message`, by RFC 8032 without a cofactor:
 * WebCrypto's, or another one's that the platform has.
 */
export type Ed25519Check = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean | Promise<boolean>

/**
 * Whether `signature` (64 bytes) by `publicKey` (32 bytes) belongs to `message`. False too where the key or the
 * signature's point is of low order or not canonical, or the scalar is not below the group's order; `check` is not
 * asked then.
 */
export async function isEd25519Signature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  check: Ed25519Check = byWebCrypto,
): Promise<boolean> {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  const isSound = isSoundPoint(publicKey) && isSoundPoint(signature) && littleEndian(signature, 32) < GROUP_ORDER
  return isSound && (await check(publicKey, message, signature))
}

const byWebCrypto: Ed25519Check = async (publicKey, message, signature) => {
  // WebCrypto takes no view of shared memory, hence the copies.
  const algorithm = { name: 'Ed25519' }
  const key = await crypto.subtle.importKey('raw', new Uint8Array(publicKey), algorithm, false, ['verify']).catch(noKey)
  return key !== undefined && crypto.subtle.verify(algorithm, key, new Uint8Array(signature), new Uint8Array(message))
}

/** A platform may refuse a key that is no point of the curve; anything else, as no Ed25519 at all, is no verdict. */
function noKey(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'DataError') return undefined
  throw error
}

/** A point's encoding, here the first 32 bytes, is its height y in 255 bits and a sign bit. */
function isSoundPoint(bytes: Uint8Array): boolean {
  const height = BigInt.asUintN(255, littleEndian(bytes, 0))
  return height < FIELD_PRIME && !LOW_ORDER_HEIGHTS.includes(height)
}

/** The number that 32 bytes are. */
function littleEndian(bytes: Uint8Array, start: number): bigint {
  const words = new DataView(bytes.buffer, bytes.byteOffset + start, 32)
  const word = (at: number) => words.getBigUint64(at, true) << BigInt(8 * at)
  return word(0) | word(8) | word(16) | word(24)
}
