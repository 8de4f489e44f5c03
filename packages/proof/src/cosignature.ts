// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Cosignatures of checkpoints (C2SP tlog-cosignature): what a witness, or a log by its ML-DSA-44 key, says of a tree
// head, and when it said so.

import { parseCheckpoint } from './checkpoint.ts'
import { isEd25519Signature } from './ed25519.ts'
import { fromUtf8, utf8 } from './encoding.ts'
import { ProofError } from './error.ts'
import { HASH_BYTES } from './hash.ts'
import { isMldsa44Signature } from './mldsa44.ts'
import { ALG_ED25519_COSIGNATURE, ALG_MLDSA44, parseVkey } from './note.ts'
import type { Verifier, VerifierKey } from './note.ts'
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
  /** 32 bytes: the subtree's root. */
  readonly root: Uint8Array
}

/** The bytes that an Ed25519 witness signs: header line, time line, the whole text. `time` in Unix seconds. */
export function cosignatureMessage(time: number, text: Uint8Array): Uint8Array {
  return join(utf8(`cosignature/v1\ntime ${time}\n`), text)
}

/**
 * The bytes that an ML-DSA-44 key named `cosigner` signs (tlog-cosignature, `cosigned_message`). `time` in Unix seconds,
 * 0 where nothing is said of it, which it must be where `start` isn't 0. Throws `checkpoint-malformed`, with the field.
 */
export function subtreeMessage(cosigner: string, time: number, subtree: CosignedSubtree): Uint8Array {
  const { origin, start, end, root } = subtree
  if (!isSubtree(start, end) && end !== 0) throw malformed('the range of leaves is no subtree', 'end')
  if (root.length !== HASH_BYTES) throw malformed(`a root has ${HASH_BYTES} bytes`, 'root')
  if (start > 0 && time !== 0) throw malformed('only a subtree that begins at 0 has a time', 'time')
  const parts = [framed(cosigner, 'cosigner'), uint64(time, 'time'), framed(origin, 'origin'), uint64(start, 'start')]
  return join(utf8('subtree/v1\n\0'), ...parts, uint64(end, 'end'), root)
}

/** The bytes of a cosignature as a signature line holds them behind the key id. Throws `signature-invalid`. */
export function formatCosignature({ time, signature }: Cosignature): Uint8Array {
  const bytes = join(uint64(time, 'time'), signature)
  parseCosignature(bytes)
  return bytes
}

/** Takes the signature of a signature line (without the key id) apart. Throws `signature-invalid`. */
export function parseCosignature(bytes: Uint8Array): Cosignature {
  const isWhole = SIGNATURE_BYTES.includes(bytes.length - TIME_BYTES)
  const time = isWhole ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) : 0n
  if (!isWhole || time > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new ProofError('signature-invalid', 'a cosignature is a time of 8 bytes and a signature of 64 or 2,420')
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

/**
 * A verifier of ML-DSA-44 cosignatures of checkpoints (alg 0x06), a log's or a witness's. Throws `key-malformed`,
 * `algorithm-unsupported`. Its `verify` throws `algorithm-unsupported` where the platform has no ML-DSA-44, and
 * `checkpoint-malformed` where the text is no checkpoint, or one with extension lines, which that signature leaves out.
 */
export function mldsa44Verifier(vkey: string | VerifierKey): Verifier {
  const key = typeof vkey === 'string' ? parseVkey(vkey) : vkey
  if (key.alg !== ALG_MLDSA44) {
    throw new ProofError('algorithm-unsupported', `the key of ${key.name} is not an ML-DSA-44 key`)
  }
  return {
    ...key,
    verify: async (text, bytes) => {
      const { time, signature } = parseCosignature(bytes)
      const { origin, size, root, extensions } = parseCheckpoint(fromUtf8(text))
      if (extensions.length > 0) throw malformed('an ML-DSA-44 signature does not cover extension lines', 'extensions')
      const message = subtreeMessage(key.name, time, { origin, start: 0, end: size, root })
      return await isMldsa44Signature(key.publicKey, message, signature)
    },
  }
}

/** A text behind its length in one byte. */
function framed(text: string, field: string): Uint8Array {
  const bytes = utf8(text)
  if (bytes.length < 1 || bytes.length > 255) throw malformed('a name has between 1 and 255 bytes', field)
  return join(Uint8Array.of(bytes.length), bytes)
}

function uint64(value: number, field: string): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw malformed('a number is an integer from 0 to 2^53 - 1', field)
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((bytes, { length }) => bytes + length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

function malformed(message: string, field: string): ProofError {
  return new ProofError('checkpoint-malformed', message, { field })
}
