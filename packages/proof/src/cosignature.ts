// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Ed25519 cosignatures of checkpoints (C2SP tlog-cosignature, cosignature/v1): what a witness says of a tree head, and
// when it said so.

import { isEd25519Signature } from './ed25519.ts'
import { utf8 } from './encoding.ts'
import { ProofError } from './error.ts'
import { ALG_ED25519_COSIGNATURE, parseVkey } from './note.ts'
import type { Verifier, VerifierKey } from './note.ts'

const TIME_BYTES = 8
const SIGNATURE_BYTES = 64

/** A cosignature's parts: Unix time in seconds, and the Ed25519 signature, 64 bytes. */
export interface Cosignature {
  readonly time: number
  readonly signature: Uint8Array
}

/** The bytes that a witness signs: header line, time line, the whole text of the checkpoint. `time` in Unix seconds. */
export function cosignatureMessage(time: number, text: Uint8Array): Uint8Array {
  const head = utf8(`cosignature/v1\ntime ${time}\n`)
  const message = new Uint8Array(head.length + text.length)
  message.set(head)
  message.set(text, head.length)
  return message
}

/** Takes the signature of a signature line (without the key id) apart. Throws `signature-invalid`. */
export function parseCosignature(bytes: Uint8Array): Cosignature {
  const isWhole = bytes.length === TIME_BYTES + SIGNATURE_BYTES
  const time = isWhole ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) : 0n
  if (!isWhole || time > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProofError('signature-invalid', 'a cosignature is a time of 8 bytes and a signature of 64')
  }
  return { time: Number(time), signature: bytes.subarray(TIME_BYTES) }
}

/** A verifier of Ed25519 cosignatures (alg 0x04). Throws `key-malformed`, `algorithm-unsupported`. */
export function cosignatureVerifier(vkey: string | VerifierKey): Verifier {
  const key = typeof vkey === 'string' ? parseVkey(vkey) : vkey
  if (key.alg !== ALG_ED25519_COSIGNATURE) {
    throw new ProofError('algorithm-unsupported', `the key of ${key.name} is not an Ed25519 cosignature key`)
  }
  return {
    ...key,
    verify: async (text, bytes) => {
      const { time, signature } = parseCosignature(bytes)
      return await isEd25519Signature(key.publicKey, cosignatureMessage(time, text), signature)
    },
  }
}
