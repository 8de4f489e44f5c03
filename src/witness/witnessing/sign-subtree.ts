// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * `sign-subtree` (C2SP tlog-witness, optional): a cosignature of a part of a tree that this witness has cosigned. The
 * checkpoint is known by this witness's own cosignature on it, or by being the latest; so nothing is remembered, and
 * nothing is signed that was not consistent when it was cosigned.
 */
import {
  type Checkpoint,
  cosignatureVerifier,
  equalBytes,
  fromBase64,
  HASH_BYTES,
  isSubtree,
  mldsa44Verifier,
  openNote,
  parseCheckpoint,
  parseDecimal,
  parseNote,
  ProofError,
  verifySubtreeConsistency,
} from '@stele/proof'
import { MAX_PROOF_LINES, reading, reducedNote } from './add-checkpoint.ts'
import { Refusal } from './fault.ts'
import type { WitnessKey } from './witness-key.ts'
import type { WitnessState } from './witness-state.ts'

const MAX_SUBTREE_LINES = 8
const MAX_CHECKPOINT_SIGNATURES = 8

interface SignSubtree {
  readonly start: number
  readonly end: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly checkpoint: Checkpoint
  /** Undefined where the checkpoint came without signatures. */
  readonly note: ReturnType<typeof parseNote> | undefined
}

/** Throws `Refusal` 400. */
export function parseSignSubtree(body: Buffer): SignSubtree {
  const blank = body.indexOf('\n\n')
  if (blank === -1) throw new Refusal(400, 'a range, a hash, proof lines and an empty line come before the checkpoint')
  const [range = '', hashLine = '', ...rest] = body.toString('utf8', 0, blank).split('\n')
  const [, startText = '', endText = ''] = /^subtree (\d+) (\d+)$/.exec(range) ?? []
  const start = reading('the start of the subtree', () => parseDecimal(startText))
  const end = reading('the end of the subtree', () => parseDecimal(endText))
  const cosignatureCount = rest.findIndex((line) => !line.startsWith('— '))
  // They are for witnesses that sign for some only.
  const lines = rest.slice(cosignatureCount === -1 ? rest.length : cosignatureCount)
  if (rest.length - lines.length > MAX_SUBTREE_LINES || lines.length > MAX_PROOF_LINES) {
    throw new Refusal(400, `at most ${MAX_SUBTREE_LINES} cosignatures and ${MAX_PROOF_LINES} proof lines come`)
  }
  const [root, ...proof] = [hashLine, ...lines].map((line, position) => hashOf(line, position + 2))
  const checkpointBytes = body.subarray(blank + 2)
  const hasSignatures = checkpointBytes.includes('\n\n')
  const note = hasSignatures ? reading('the checkpoint', () => parseNote(checkpointBytes)) : undefined
  if (note !== undefined && note.signatures.length > MAX_CHECKPOINT_SIGNATURES) {
    throw new Refusal(400, `the checkpoint has at most ${MAX_CHECKPOINT_SIGNATURES} signatures`)
  }
  const text = note?.text ?? checkpointBytes.toString('utf8')
  const checkpoint = reading('the checkpoint', () => parseCheckpoint(text))
  if (!isSubtree(start, end) || end > checkpoint.size)
    throw new Refusal(400, 'the range is no subtree of that checkpoint')
  return { start, end, root: root!, proof, checkpoint, note }
}

function hashOf(line: string, number: number): Uint8Array {
  const hash = reading(`line ${number}`, () => fromBase64(line))
  if (hash.length !== HASH_BYTES) throw new Refusal(400, `line ${number} is not a hash of ${HASH_BYTES} bytes`)
  return hash
}

/** The cosignature line. Throws `Refusal`: 409 where the checkpoint is none that this witness is known to have cosigned. */
export async function signSubtree(request: SignSubtree, key: WitnessKey, state: WitnessState): Promise<string> {
  const { start, end, root, proof, checkpoint } = request
  const { origin } = checkpoint
  const latest = state.latest(origin)
  const isLatest = latest?.size === checkpoint.size && equalBytes(latest.root, checkpoint.root)
  if (!isLatest && !(await hasOwnCosignature(request, key))) {
    const note = await state.note(origin)
    if (note === undefined) throw new Refusal(404, 'no checkpoint of that origin was ever cosigned here')
    throw new Refusal(409, 'this checkpoint is not known to be cosigned here', { knownCheckpoint: note })
  }
  try {
    verifySubtreeConsistency(start, end, root, checkpoint.size, checkpoint.root, proof)
  } catch (error) {
    if (error instanceof ProofError) throw new Refusal(422, `the consistency proof does not hold: ${error.message}`)
    throw error
  }
  return await key.cosignSubtree({ origin, start, end, root })
}

/** Throws `Refusal` 403 where a signature says that it is ours and is not. */
async function hasOwnCosignature({ note }: SignSubtree, key: WitnessKey): Promise<boolean> {
  const [ed25519 = '', mldsa44 = ''] = key.vkeys
  const verifiers = [cosignatureVerifier(ed25519), mldsa44Verifier(mldsa44)]
  const reduced = note === undefined ? undefined : reducedNote(note, verifiers)
  if (reduced === undefined) return false
  try {
    await openNote(reduced, verifiers)
    return true
  } catch (error) {
    if (error instanceof ProofError) throw new Refusal(403, `the checkpoint: ${error.message}`)
    throw error
  }
}
