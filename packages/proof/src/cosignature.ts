// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Cosignatures of checkpoints (C2SP tlog-cosignature): what a witness, or a log by its ML-DSA-44 key, says of a tree
// head, and when it said so.

import { parseCheckpoint } from './checkpoint.ts'
import { isEd25519Signature } from './ed25519.ts'
import { concat, fromUtf8, utf8 } from './encoding.ts'
import { demand } from './inner.ts'
import { HASH_BYTES, type Hash } from './hash.ts'
import { ALG_ED25519_COSIGNATURE, ALG_MLDSA44, keyOfKind, parseVkey, type VerifierKey } from './key.ts'
import { isMldsa44Signature } from './mldsa44.ts'
import { ed25519Verifier, type Verifier } from './note.ts'
import { isSubtree } from './tree.ts'

const TIME_BYTES = 8
const SIGNATURE_BYTES: readonly number[] = [64, 2_420]

/** A cosignature's parts: Unix time in seconds, and the signature: 64 bytes of Ed25519 or 2,420 of ML-DSA-44. */
export interface Cosignature {
  readonly time: number
  readonly signature: Uint8Array
}

/** What an ML-DSA-44 cosignature is about: the leaves [start, end) of a log; of a checkpoint, [0, size). */
export interface CosignedSubtree {
  readonly origin: string
  readonly start: number
  readonly end: number
  readonly root: Hash
}

/** The bytes that an Ed25519 witness signs: header line, time line, the whole text. `time` in Unix seconds. */
export function cosignatureMessage(time: number, text: Uint8Array): Uint8Array {
  return concat(utf8(`cosignature/v1\ntime ${time}\n`), text)
}

/**
 * The bytes that an ML-DSA-44 key named `cosigner` signs (tlog-cosignature, `cosigned_message`). `time` in Unix seconds,
 * 0 where nothing is said of it, which it must be where `start` isn't 0. Throws `checkpoint-malformed`, with the field.
 */
export function subtreeMessage(cosigner: string, time: number, subtree: CosignedSubtree): Uint8Array {
  const { origin, start, end, root } = subtree
  const isRange = isSubtree(start, end) || (start === 0 && end === 0)
  demand(isRange, 'checkpoint-malformed', 'the range of leaves is no subtree', { field: 'end' })
  demand(root.length === HASH_BYTES, 'checkpoint-malformed', 'the root must have 32 bytes', { field: 'root' })
  const isTime = start === 0 || time === 0
  demand(isTime, 'checkpoint-malformed', 'only a subtree that begins at 0 has a time', { field: 'time' })
  const names = [framed(cosigner, 'cosigner'), uint64(time), framed(origin, 'origin')]
  return concat(utf8('subtree/v1\n\0'), ...names, uint64(start), uint64(end), root)
}

/** Takes the signature of a signature line (without the key id) apart. Throws `signature-invalid`. */
export function parseCosignature(bytes: Uint8Array): Cosignature {
  const isWhole = SIGNATURE_BYTES.includes(bytes.length - TIME_BYTES)
  const time = isWhole ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) : 0n
  const isCosignature = isWhole && time <= BigInt(Number.MAX_SAFE_INTEGER)
  demand(isCosignature, 'signature-invalid', 'a cosignature is a time of 8 bytes and a signature of 64 or 2,420')
  return { time: Number(time), signature: bytes.subarray(TIME_BYTES) }
}

/** A verifier of Ed25519 cosignatures (alg 0x04). Throws `key-malformed`, `algorithm-unsupported`. */
export function cosignatureVerifier(vkey: string | VerifierKey): Verifier {
  return cosigner(keyOfKind(vkey, ALG_ED25519_COSIGNATURE), isEd25519Signature, cosignatureMessage)
}

/**
 * A verifier of ML-DSA-44 cosignatures of checkpoints (alg 0x06), a log's or a witness's. Throws `key-malformed`,
 * `algorithm-unsupported`. Its `verify` throws `algorithm-unsupported` where the platform has no ML-DSA-44, and
 * `checkpoint-malformed` where the text is no checkpoint, or one with extension lines, which that signature leaves out.
 */
export function mldsa44Verifier(vkey: string | VerifierKey): Verifier {
  const key = keyOfKind(vkey, ALG_MLDSA44)
  return cosigner(key, isMldsa44Signature, (time, text) => {
    const { origin, size, root, extensions } = parseCheckpoint(fromUtf8(text))
    const isCovered = extensions.length === 0
    demand(isCovered, 'checkpoint-malformed', 'an ML-DSA-44 signature does not cover extension lines', { line: 4 })
    return subtreeMessage(key.name, time, { origin, start: 0, end: size, root })
  })
}

/** The verifier of a key of any kind that there is one for. Throws `key-malformed`, `algorithm-unsupported`. */
export function verifierOf(vkey: string | VerifierKey): Verifier {
  const key = typeof vkey === 'string' ? parseVkey(vkey) : vkey
  if (key.alg === ALG_MLDSA44) return mldsa44Verifier(key)
  return key.alg === ALG_ED25519_COSIGNATURE ? cosignatureVerifier(key) : ed25519Verifier(key)
}

function cosigner(
  key: VerifierKey,
  isSignature: typeof isEd25519Signature,
  messageOf: (time: number, text: Uint8Array) => Uint8Array,
): Verifier {
  const verify = async (text: Uint8Array, bytes: Uint8Array) => {
    const { time, signature } = parseCosignature(bytes)
    return await isSignature(key.publicKey, messageOf(time, text), signature)
  }
  return { ...key, verify }
}

/** A text behind its length in one byte. */
function framed(text: string, field: string): Uint8Array {
  const bytes = utf8(text)
  const isName = bytes.length >= 1 && bytes.length <= 255
  demand(isName, 'checkpoint-malformed', 'a name has between 1 and 255 bytes', { field })
  return concat(Uint8Array.of(bytes.length), bytes)
}

/** A size or a time in 8 bytes, big-endian. */
export function uint64(value: number): Uint8Array {
  const isNumber = Number.isSafeInteger(value) && value >= 0
  demand(isNumber, 'checkpoint-malformed', 'a size or a time is an integer from 0 to 2^53 - 1', { field: 'time' })
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}
