// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What was given to the page, and what each piece of it is. Nothing of it is trusted, and no text of it is shown before
// `printable` has made visible what could pose as something else.

import { fromUtf8, MAX_POLICY_BYTES, parsePolicy, parseVkey, ProofError, type Trust } from '../src/index.ts'

/** The places of the page: what is to be verified, what proves it, and what is trusted. */
export type Slot = 'event' | 'receipt' | 'trust'

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

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && Array.from(text).every((character, i) => bytes[i] === character.charCodeAt(0))
}
