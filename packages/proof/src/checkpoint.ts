// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Checkpoints: signed tree heads (C2SP tlog-checkpoint v1.0.0).

import { fromBase64, parseDecimal, toBase64 } from './encoding.ts'
import { demand, within } from './error.ts'
import { EMPTY_ROOT, equalBytes, HASH_BYTES, type Hash } from './hash.ts'
import { ALG_ED25519, ALG_MLDSA44 } from './key.ts'
import { noteMessage, openNote, type OpenedNote, type Verifier } from './note.ts'

/** Longest origin; cosigners frame it with one byte of length. */
export const MAX_ORIGIN_BYTES = 255

/** A tree head: the log's name, its number of leaves and its root. */
export interface TreeHead {
  readonly origin: string
  readonly size: number
  readonly root: Hash
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
  const short = 'a checkpoint has at least three lines, each ended by a newline'
  demand(extensions.pop() === '', 'checkpoint-malformed', short)
  const isOrigin = originBytes >= 1 && originBytes <= MAX_ORIGIN_BYTES
  const bounds = `the origin has between 1 and ${MAX_ORIGIN_BYTES} bytes`
  demand(isOrigin, 'checkpoint-malformed', bounds, { line: 1 })
  const empty = extensions.indexOf('')
  demand(empty < 0, 'checkpoint-malformed', 'an extension line is empty', { line: 4 + empty })
  const size = within('checkpoint-malformed', { line: 2 }, () => parseDecimal(sizeText))
  const root = within('checkpoint-malformed', { line: 3 }, () => fromBase64(rootText))
  demand(root.length === HASH_BYTES, 'checkpoint-malformed', 'the root must have 32 bytes', { line: 3 })
  const isRoot = size > 0 || equalBytes(root, EMPTY_ROOT)
  demand(isRoot, 'checkpoint-malformed', 'the root of the empty tree is the hash of nothing', { line: 3 })
  return { origin, size, root, extensions }
}

/**
 * Verifies a signed checkpoint: the origin must be `expectedOrigin`, and a given key of that name must have signed as a
 * log (Ed25519 or ML-DSA-44). A witness's cosignature alone is not enough. Throws what `openNote` and `parseCheckpoint`
 * throw, `origin-unexpected`, and `signature-missing`.
 */
export async function openCheckpoint(
  note: Uint8Array,
  verifiers: Verifier | readonly Verifier[],
  expectedOrigin: string,
): Promise<{ checkpoint: Checkpoint; note: OpenedNote }> {
  const opened = await openNote(note, 'verify' in verifiers ? [verifiers] : verifiers)
  const checkpoint = parseCheckpoint(opened.text)
  const { origin } = checkpoint
  demand(origin === expectedOrigin, 'origin-unexpected', `the checkpoint is of ${origin}, not of ${expectedOrigin}`)
  const isOfLog = ({ alg, name }: Verifier) => name === origin && (alg === ALG_ED25519 || alg === ALG_MLDSA44)
  const isSigned = opened.verified.some(({ verifier }) => isOfLog(verifier))
  demand(isSigned, 'signature-missing', `no key of ${origin} itself has signed this checkpoint`)
  return { checkpoint, note: opened }
}
