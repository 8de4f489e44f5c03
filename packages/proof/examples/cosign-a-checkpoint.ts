// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a witness does: it signs a log's head by ML-DSA-44 or by Ed25519, with the time at which it saw it. Not every
// platform checks ML-DSA-44; where it can't, that is said, and nothing is called valid.

import { generateKeyPairSync, sign } from 'node:crypto'

import {
  ALG_ED25519_COSIGNATURE,
  ALG_MLDSA44,
  canVerifyMldsa44,
  cosignatureMessage,
  cosignatureVerifier,
  EMPTY_ROOT,
  formatCheckpoint,
  formatCosignature,
  formatVkey,
  isMldsa44Signature,
  isSubtree,
  mldsa44Verifier,
  parseCheckpoint,
  parseCosignature,
  subtreeMessage,
  utf8,
  verifierOf,
} from '@stele/proof'

const text = formatCheckpoint({ origin: 'example.com/log', size: 0, root: EMPTY_ROOT })
const { origin, size, root } = parseCheckpoint(text)
const time = 1_700_000_000
const name = 'witness.example.com'

/** A new key, of which these are the last bytes of its usual form, and its signature. */
function signNew(kind: 'ed25519' | 'ml-dsa-44', message: Uint8Array) {
  const { privateKey, publicKey } = kind === 'ed25519' ? generateKeyPairSync(kind) : generateKeyPairSync(kind)
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(kind === 'ed25519' ? -32 : -1_312)
  return { raw, signature: sign(null, message, privateKey) }
}

const byEd25519 = signNew('ed25519', cosignatureMessage(time, utf8(text)))
const bytes = formatCosignature({ time, signature: byEd25519.signature })
const witness = cosignatureVerifier(formatVkey(name, ALG_ED25519_COSIGNATURE, byEd25519.raw))
console.log('Ed25519:', await witness.verify(utf8(text), bytes), parseCosignature(bytes).time)

console.log('[0, 8) and [8, 12) are subtrees, [4, 12) is none:', isSubtree(0, 8), isSubtree(8, 12), isSubtree(4, 12))
if (await canVerifyMldsa44()) {
  const message = subtreeMessage(name, time, { origin, start: 0, end: size, root })
  const { raw, signature } = signNew('ml-dsa-44', message)
  console.log('the signature alone:', await isMldsa44Signature(raw, message, signature))
  const vkey = formatVkey(name, ALG_MLDSA44, raw)
  const cosignature = formatCosignature({ time, signature })
  for (const verifier of [mldsa44Verifier(vkey), verifierOf(vkey)]) {
    console.log('ML-DSA-44:', await verifier.verify(utf8(text), cosignature))
  }
}

// Prints:
// Ed25519: true 1700000000
// [0, 8) and [8, 12) are subtrees, [4, 12) is none: true true false
// the signature alone: true
// ML-DSA-44: true
// ML-DSA-44: true
