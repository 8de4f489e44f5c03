// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// ML-DSA-44 (FIPS 204), as far as the platform's WebCrypto has it. Where it has not, nobody is told that a signature is
// good or bad: the question is refused.

import { ProofError } from './error.ts'

const ALGORITHM = { name: 'ML-DSA-44' }
const PUBLIC_KEY_BYTES = 1_312
const SIGNATURE_BYTES = 2_420

/** Whether this platform can check ML-DSA-44 signatures. Asks it each time, so that nothing is remembered wrongly. */
export async function canVerifyMldsa44(): Promise<boolean> {
  return (await importKey(new Uint8Array(PUBLIC_KEY_BYTES))) !== undefined
}

/**
 * Whether `signature` (2,420 bytes) by `publicKey` (1,312 bytes) belongs to `message`, with the empty context. Throws
 * `algorithm-unsupported` where the platform can't tell.
 */
export async function isMldsa44Signature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  // Every string of the right length is a public key, so a refusal means that there is no such algorithm here.
  const key = await importKey(publicKey)
  if (key === undefined) {
    throw new ProofError('algorithm-unsupported', 'signature kind not checked here: this platform has no ML-DSA-44')
  }
  return await crypto.subtle.verify(ALGORITHM, key, new Uint8Array(signature), new Uint8Array(message))
}

/** Undefined where the platform refuses: older ones throw errors of several kinds for what they don't know. */
async function importKey(publicKey: Uint8Array) {
  try {
    // The compiler's list of formats is older than this one.
    const format = 'raw-public' as 'raw'
    return await crypto.subtle.importKey(format, new Uint8Array(publicKey), ALGORITHM, false, ['verify'])
  } catch {
    return undefined
  }
}
