// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Checkpoints: signed tree heads (C2SP tlog-checkpoint v1.0.0).

import { fromBase64, parseDecimal, utf8 } from './encoding.ts'
import type { ProofErrorCode } from './error.ts'
import { demand, within } from './inner.ts'
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

/** Reads the text of a checkpoint; nothing is verified. Throws `checkpoint-malformed` with the line. */
export function parseCheckpoint(text: string): Checkpoint {
  within('checkpoint-malformed', {}, () => noteMessage(text))
  const [origin = '', size = '', root = '', ...extensions] = text.split('\n')
  const short = 'a checkpoint has at least three lines, each ended by a newline'
  demand(extensions.pop() === '', 'checkpoint-malformed', short)
  const empty = extensions.indexOf('')
  demand(empty < 0, 'checkpoint-malformed', 'an extension line is empty', { line: 4 + empty })
  return { ...readHead('checkpoint-malformed', 1, origin, size, root), extensions }
}

/** Reads a tree head whose lines begin at number `line` of a text. */
export function readHead(code: ProofErrorCode, line: number, origin: string, size: string, root: string): TreeHead {
  const { length } = utf8(origin)
  const isOrigin = length >= 1 && length <= MAX_ORIGIN_BYTES
  demand(isOrigin, code, `the origin has between 1 and ${MAX_ORIGIN_BYTES} bytes`, { line })
  const head = {
    origin,
    size: within(code, { line: line + 1 }, () => parseDecimal(size)),
    root: within(code, { line: line + 2 }, () => fromBase64(root)),
  }
  demand(head.root.length === HASH_BYTES, code, 'the root must have 32 bytes', { line: line + 2 })
  const isRoot = head.size > 0 || equalBytes(head.root, EMPTY_ROOT)
  demand(isRoot, code, 'the root of the empty tree is the hash of nothing', { line: line + 2 })
  return head
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
