// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a log has said against itself, and the proof that two of its signed heads cannot both be: the head of the larger
 * size leads, by an RFC 6962 consistency proof, to *another* root at the smaller size than the one that was signed.
 * Whoever has the two notes, that proof and the log's key needs nothing else, the monitor's word neither.
 */
import {
  type Checkpoint,
  equalBytes,
  fromBase64,
  HASH_BYTES,
  parseDecimal,
  ProofError,
  toBase64,
  verifyConsistency,
} from '@stele/proof'

/**
 * `fork`: two signed heads of which one excludes the other. `shrink`: a smaller head than one that was seen. `key`: the
 * head is not signed as it must be. `quorum`: its witnesses are missing. `tree`, `entries`, `content`: what is served
 * below a signed head is not what was signed. `statement`: the ledger `heads` holds what no head is. `rotation`: what is
 * told of the log's keys is not what was told before, or of another tree. `successors`: one key has signed two statements
 * of what follows it, which its operator may have done or whoever stole it.
 */
export type ContradictionKind =
  | 'fork'
  | 'shrink'
  | 'key'
  | 'quorum'
  | 'tree'
  | 'entries'
  | 'content'
  | 'statement'
  | 'rotation'
  | 'successors'

/** A signed note, and where it was seen. */
export interface SeenNote {
  readonly note: string
  readonly from: string
}

/** That the larger of two heads excludes the smaller one. */
export interface ForkProof {
  readonly oldSize: number
  readonly size: number
  /** Root of the first `oldSize` entries of the larger tree, 32 bytes. */
  readonly oldRoot: Uint8Array
  readonly hashes: readonly Uint8Array[]
}

export interface Contradiction {
  readonly kind: ContradictionKind
  readonly url: string
  readonly ledger?: string
  readonly origin: string
  /** The key that the notes are held against. */
  readonly vkey: string
  readonly isPinned: boolean
  readonly rotations: readonly string[]
  readonly what: string
  /** Seen first. */
  readonly older?: SeenNote
  readonly newer?: SeenNote
  readonly proof?: ForkProof
  /** What was served in place of what was signed. */
  readonly served?: { readonly path: string; readonly bytes: Uint8Array }
}

export class LogContradiction extends Error {
  override readonly name = 'LogContradiction'
  readonly contradiction: Contradiction

  constructor(contradiction: Contradiction) {
    super(contradiction.what)
    this.contradiction = contradiction
  }
}

const HEADER = 'stele/fork-proof/v1'
const MAX_HASHES = 64

export function formatForkProof({ oldSize, size, oldRoot, hashes }: ForkProof): string {
  return `${[HEADER, oldSize, size, toBase64(oldRoot), ...hashes.map(toBase64)].join('\n')}\n`
}

/** Reads what `formatForkProof` writes. Throws a ProofError. */
export function parseForkProof(text: string): ForkProof {
  const lines = text.split('\n')
  const [header, oldSize = '', size = '', oldRoot = '', ...hashes] = lines
  if (header !== HEADER || hashes.pop() !== '' || hashes.length > MAX_HASHES) {
    throw new ProofError('proof-malformed', `a proof of a fork begins with ${HEADER} and ends with a newline`)
  }
  return {
    oldSize: parseDecimal(oldSize),
    size: parseDecimal(size),
    oldRoot: hashOf(oldRoot),
    hashes: hashes.map(hashOf),
  }
}

/**
 * Why two heads of one log, both signed, cannot both be; undefined where this does not show it. Their signatures are for
 * the caller to check. Throws a ProofError for a proof that does not hold.
 */
export function forkShown(one: Checkpoint, other: Checkpoint, proof: ForkProof | undefined): string | undefined {
  if (one.origin !== other.origin) return undefined
  const [small, large] = one.size <= other.size ? [one, other] : [other, one]
  if (small.size === large.size) {
    return equalBytes(small.root, large.root) ? undefined : `it signed two roots for ${small.size} entries`
  }
  if (proof === undefined || proof.oldSize !== small.size || proof.size !== large.size) return undefined
  verifyConsistency(small.size, proof.oldRoot, large.size, large.root, proof.hashes)
  if (equalBytes(proof.oldRoot, small.root)) return undefined
  return `the first ${small.size} entries of its head of ${large.size} are not those of its head of ${small.size}`
}

function hashOf(text: string): Uint8Array {
  const hash = fromBase64(text)
  if (hash.length !== HASH_BYTES) throw new ProofError('hash-length', `a hash has ${HASH_BYTES} bytes`)
  return hash
}
