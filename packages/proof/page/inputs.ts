// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What was given to the page, and what each piece of it is. Nothing of it is trusted, and no text of it is shown before
// `printable` has made visible what could pose as something else.

import { givenRotations, holdsRotations } from '../folder/given-rotations.ts'
import {
  ALG_ED25519,
  fromUtf8,
  MAX_POLICY_BYTES,
  parsePolicy,
  parseVkey,
  ProofError,
  type Trust,
} from '../src/index.ts'

/** The places of the page: what is to be verified, what proves it, what is trusted, and what leads on from that. */
export type Slot = 'event' | 'receipt' | 'trust' | 'rotations'

/** A file as it was given, byte for byte. */
export interface Given {
  readonly name: string
  readonly bytes: Uint8Array
}

const RECEIPT_START = 'c2sp.org/tlog-proof@v1\n'
/** A key is one word with two or more plus signs in it; a policy has lines of several. */
const KEY_FORM = /^[^ \n]+\+[^ \n]+$/
const POLICY_FORM = /^(?:log|witness|group|quorum)[ \t]/m

/** Which place a file belongs to that was dropped beside them: nothing but its bytes is asked. */
export function slotOf(bytes: Uint8Array): Slot {
  if (startsWith(bytes, RECEIPT_START)) return 'receipt'
  if (holdsRotations(bytes)) return 'rotations'
  if (bytes.length === 0 || bytes.length > MAX_POLICY_BYTES) return 'event'
  try {
    return readTrust(fromUtf8(bytes)) === undefined ? 'event' : 'trust'
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    return 'event'
  }
}

/** The key or the policy that a text holds; undefined where it holds nothing. Throws `ProofError` where it is neither. */
export function readTrust(text: string): Trust | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  if (KEY_FORM.test(trimmed)) {
    parseVkey(trimmed)
    return { vkey: trimmed }
  }
  if (POLICY_FORM.test(trimmed)) return parsePolicy(text)
  throw new ProofError('key-malformed', 'this is neither a key (name+8 hex digits+base64) nor a policy')
}

/**
 * What is trusted, with what leads on from it. Throws `ProofError` where the rotations are none of the key's log, and where
 * a policy is given, which names its keys.
 */
export function withRotations(trust: Trust | undefined, bytes: Uint8Array | undefined): Trust | undefined {
  if (trust === undefined || bytes === undefined) return trust
  const key = 'quorum' in trust ? undefined : parseVkey(trust.vkey)
  if ('quorum' in trust || key?.alg !== ALG_ED25519)
    throw new ProofError(
      'algorithm-unsupported',
      'they lead on from an Ed25519 key, and something else is trusted here',
    )
  return { ...trust, rotations: givenRotations(bytes, key.name) }
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && Array.from(text).every((character, i) => bytes[i] === character.charCodeAt(0))
}
