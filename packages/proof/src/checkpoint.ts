// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Checkpoints: signed tree heads (C2SP tlog-checkpoint v1.0.0).

import { fromBase64, parseDecimal, toBase64 } from './encoding.ts'
import { ProofError, within } from './error.ts'
import { EMPTY_ROOT, HASH_BYTES, equalBytes } from './hash.ts'
import { ALG_ED25519, ALG_MLDSA44, noteMessage, openNote } from './note.ts'
import type { OpenedNote, Verifier } from './note.ts'

/** Longest origin; cosigners frame it with one byte of length. */
export const MAX_ORIGIN_BYTES = 255
const LOG_ALGS: readonly number[] = [ALG_ED25519, ALG_MLDSA44]

/** A tree head: the log's name, its number of leaves and its 32-byte root. */
export interface TreeHead {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** A tree head as read. `extensions` are the lines behind the root, opaque; a log of Stele writes none. */
export interface Checkpoint extends TreeHead {
  readonly extensions: readonly string[]
}

/** The text of a checkpoint, to be signed. Throws `checkpoint-malformed`. */
export function formatCheckpoint(head: TreeHead): string {
  const text = `${head.origin}\n${head.size}\n${toBase64(head.root)}\n`
  parseCheckpoint(text)
  return text
}

/** Reads the text of a checkpoint; nothing is verified. Throws `checkpoint-malformed` with the line. */
export function parseCheckpoint(text: string): Checkpoint {
  const originBytes = within('checkpoint-malformed', {}, () => noteMessage(text)).indexOf(0x0a)
  const [origin = '', sizeText = '', rootText = '', ...extensions] = text.split('\n')
  if (extensions.pop() !== '') throw malformed('a checkpoint has at least three lines, each ended by a newline')
  if (originBytes < 1 || originBytes > MAX_ORIGIN_BYTES) {
    throw malformed(`the origin has between 1 and ${MAX_ORIGIN_BYTES} bytes`, 1)
  }
  if (extensions.includes('')) throw malformed('an extension line is empty', 4 + extensions.indexOf(''))
  const size = within('checkpoint-malformed', { line: 2 }, () => parseDecimal(sizeText))
  const root = within('checkpoint-malformed', { line: 3 }, () => fromBase64(rootText))
  if (root.length !== HASH_BYTES) throw malformed('the root must have 32 bytes', 3)
  if (size === 0 && !equalBytes(root, EMPTY_ROOT))
    throw malformed('the root of the empty tree is the hash of nothing', 3)
  return { origin, size, root, extensions }
}

/**
 * Verifies a signed checkpoint: the origin must be `expectedOrigin`, and a given key of that name must have signed as a
 * log (Ed25519, or ML-DSA-44). A witness's cosignature alone is not enough. Throws what `openNote` and `parseCheckpoint` throw,
 * `origin-unexpected`, and `signature-missing`.
 */
export async function openCheckpoint(
  note: Uint8Array,
  verifiers: Verifier | readonly Verifier[],
  expectedOrigin: string,
): Promise<{ checkpoint: Checkpoint; note: OpenedNote }> {
  const opened = await openNote(note, 'verify' in verifiers ? [verifiers] : verifiers)
  const checkpoint = parseCheckpoint(opened.text)
  if (checkpoint.origin !== expectedOrigin) {
    throw new ProofError('origin-unexpected', `the checkpoint is of ${checkpoint.origin}, not of ${expectedOrigin}`)
  }
  if (!opened.verified.some(({ verifier }) => LOG_ALGS.includes(verifier.alg) && verifier.name === expectedOrigin)) {
    throw new ProofError('signature-missing', `no key of ${expectedOrigin} itself has signed this checkpoint`)
  }
  return { checkpoint, note: opened }
}

function malformed(message: string, line?: number): ProofError {
  return new ProofError('checkpoint-malformed', message, line === undefined ? {} : { line })
}
