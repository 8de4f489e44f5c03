// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Public keys as text: vkeys (C2SP signed-note, "Verifier keys").

import { concat, fromBase64, utf8 } from './encoding.ts'
import { demand, isKeyName, readUint32, within } from './inner.ts'
import { sha256 } from './hash.ts'

/** Signature types of C2SP signed-note that this package knows by name. */
export const ALG_ED25519 = 0x01
export const ALG_ED25519_COSIGNATURE = 0x04
export const ALG_MLDSA44 = 0x06

const KINDS: ReadonlyMap<number, { readonly name: string; readonly bytes: number }> = new Map([
  [ALG_ED25519, { name: 'Ed25519', bytes: 32 }],
  [ALG_ED25519_COSIGNATURE, { name: 'Ed25519 cosignature', bytes: 32 }],
  [ALG_MLDSA44, { name: 'ML-DSA-44', bytes: 1_312 }],
])

/** A public key as a vkey names it. `keyId` is an unsigned 32-bit number. */
export interface VerifierKey {
  readonly name: string
  readonly keyId: number
  readonly alg: number
  readonly publicKey: Uint8Array
}

/** Key id of signed-note: the first four bytes of SHA-256(name ‖ 0x0A ‖ alg ‖ public key), as an unsigned number. */
export function keyIdOf(name: string, alg: number, publicKey: Uint8Array): number {
  return readUint32(sha256(concat(utf8(`${name}\n`), Uint8Array.of(alg), publicKey)))
}

/**
 * Reads a vkey. Throws `key-malformed` where the form, the length or (for the algorithms that this package knows) the
 * key id is wrong. A key of another algorithm is read and can't verify anything.
 */
export function parseVkey(vkey: string): VerifierKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(vkey)
  demand(match !== null, 'key-malformed', 'a key has the form name+8 hex digits+base64')
  const [, name = '', id = '', encoded = ''] = match
  const material = within('key-malformed', { field: 'key' }, () => fromBase64(encoded))
  const [alg = 0] = material
  const publicKey = material.subarray(1)
  const named = 'a key name is not empty and has no spaces and no plus sign'
  demand(isKeyName(name), 'key-malformed', named, { field: 'name' })
  const bytes = KINDS.get(alg)?.bytes ?? Math.max(publicKey.length, 1)
  const sized = `the key of ${name} must have ${bytes} bytes and has ${publicKey.length}`
  demand(publicKey.length === bytes, 'key-malformed', sized, { field: 'key' })
  const keyId = Number.parseInt(id, 16)
  const isRight = !KINDS.has(alg) || keyId === keyIdOf(name, alg, publicKey)
  demand(isRight, 'key-malformed', `the key id of ${name} does not belong to its key`, { field: 'key id' })
  return { name, keyId, alg, publicKey }
}

/** What a kind of key is called. */
export function kindOf(alg: number): string {
  return KINDS.get(alg)?.name ?? `kind ${alg}`
}

/** A key that must be of one kind. Throws `key-malformed`, `algorithm-unsupported`. */
export function keyOfKind(vkey: string | VerifierKey, alg: number): VerifierKey {
  const key = typeof vkey === 'string' ? parseVkey(vkey) : vkey
  const message = `the key of ${key.name} is of the kind ${kindOf(key.alg)}, not ${kindOf(alg)}`
  demand(key.alg === alg, 'algorithm-unsupported', message)
  return key
}
