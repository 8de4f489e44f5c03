// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Proofs that a log holds an entry, as files (C2SP tlog-proof), and Stele's receipts: such a proof whose `extra` carries
// the salt and the entry, so that the event's own bytes and a key are all that a verifier needs besides.

import { fromBase64, fromUtf8, parseDecimal, toBase64, utf8 } from './encoding.ts'
import { SALT_BYTES } from './entry.ts'
import { ProofError, within } from './error.ts'
import { equalBytes, HASH_BYTES } from './hash.ts'
import { MAX_NOTE_BYTES } from './note.ts'
import { MAX_ENTRY_BYTES } from './tile.ts'

const HEADER = 'c2sp.org/tlog-proof@v1'
const FIRST_LINE = utf8(`${HEADER}\n`)
const SIGNATURE_MARK = utf8('— ')
/** The longest path in a tree of at most 2^53 - 1 leaves. */
const MAX_PROOF_HASHES = 53
/** Longest proof that is read. */
export const MAX_PROOF_BYTES: number = MAX_NOTE_BYTES + 2 * MAX_ENTRY_BYTES

/** A proof as a file holds it; nothing is verified. */
export interface Proof {
  /** Application data. Not authenticated by the log. */
  readonly extra?: Uint8Array
  readonly index: number
  /** 32 bytes each, from the leaf's sibling up. */
  readonly hashes: readonly Uint8Array[]
  /** The signed checkpoint, verbatim. */
  readonly checkpoint: Uint8Array
}

/** A proof with the entry that it is about; nothing is verified. */
export interface Receipt extends Proof {
  /** 16 bytes. */
  readonly salt: Uint8Array
  /** The bytes of the entry. */
  readonly entry: Uint8Array
}

/** The text of a proof; `checkpoint` is copied verbatim. Throws `proof-malformed`. */
export function formatProof(proof: Omit<Proof, 'checkpoint'> & { readonly checkpoint: Uint8Array | string }): string {
  const checkpoint = typeof proof.checkpoint === 'string' ? proof.checkpoint : fromUtf8(proof.checkpoint)
  const text = [
    HEADER,
    ...(proof.extra === undefined ? [] : [`extra ${toBase64(proof.extra)}`]),
    `index ${proof.index}`,
    ...proof.hashes.map(toBase64),
    '',
    checkpoint,
  ].join('\n')
  parseProof(text)
  return text
}

/** Reads a proof. Throws `proof-malformed` with the line. The checkpoint is what follows the first empty line. */
export function parseProof(proof: string | Uint8Array): Proof {
  const bytes = typeof proof === 'string' ? utf8(proof) : proof
  if (bytes.length > MAX_PROOF_BYTES) throw malformed(`a proof has at most ${MAX_PROOF_BYTES} bytes`)
  const end = bytes.findIndex((byte, i) => byte === 0x0a && bytes[i + 1] === 0x0a)
  if (end < 0 || end + 2 === bytes.length) throw malformed('the proof has no checkpoint')
  const lines = within('proof-malformed', {}, () => fromUtf8(bytes.subarray(0, end))).split('\n')
  if (lines[0] !== HEADER) throw malformed(`the first line is not ${HEADER}`, 1)
  const [, extraText] = /^extra (.+)$/.exec(lines[1] ?? '') ?? []
  const extra =
    extraText === undefined ? undefined : within('proof-malformed', { line: 2 }, () => fromBase64(extraText))
  const indexAt = extra === undefined ? 1 : 2
  const [, indexText] = /^index (.+)$/.exec(lines[indexAt] ?? '') ?? []
  if (indexText === undefined) throw malformed('the line of the index is missing', indexAt + 1)
  const index = within('proof-malformed', { line: indexAt + 1 }, () => parseDecimal(indexText))
  const hashLines = lines.slice(indexAt + 1)
  if (hashLines.length > MAX_PROOF_HASHES) throw malformed(`a proof has at most ${MAX_PROOF_HASHES} hashes`)
  const hashes = hashLines.map((line, i) => readHash(line, indexAt + 2 + i))
  return { ...(extra === undefined ? {} : { extra }), index, hashes, checkpoint: bytes.subarray(end + 2) }
}

/** The text of a receipt: a proof whose extra is `salt ‖ entry`. Throws `proof-malformed`, `receipt-malformed`. */
export function formatReceipt(receipt: {
  readonly salt: Uint8Array
  readonly entry: Uint8Array
  readonly index: number
  readonly hashes: readonly Uint8Array[]
  readonly checkpoint: Uint8Array | string
}): string {
  if (receipt.salt.length !== SALT_BYTES) throw new ProofError('receipt-malformed', `a salt has ${SALT_BYTES} bytes`)
  const extra = new Uint8Array(SALT_BYTES + receipt.entry.length)
  extra.set(receipt.salt)
  extra.set(receipt.entry, SALT_BYTES)
  return formatProof({ extra, index: receipt.index, hashes: receipt.hashes, checkpoint: receipt.checkpoint })
}

/** Reads a receipt; nothing is verified. Throws `proof-malformed`, and `receipt-malformed` where the extra is no entry. */
export function parseReceipt(receipt: string | Uint8Array): Receipt {
  const proof = parseProof(receipt)
  const entry = proof.extra?.subarray(SALT_BYTES)
  if (proof.extra === undefined || entry === undefined || entry.length === 0 || entry.length > MAX_ENTRY_BYTES) {
    throw new ProofError('receipt-malformed', 'the proof carries no salt and entry, so it is not a receipt of Stele')
  }
  return { ...proof, salt: proof.extra.subarray(0, SALT_BYTES), entry }
}

/**
 * A witnessed receipt: the receipt of an event, directly followed by the receipt of its checkpoint in `heads`, whose event
 * is that checkpoint's bytes. Throws `proof-malformed`, `receipt-malformed`.
 */
export function formatWitnessedReceipt(parts: { readonly receipt: string; readonly headsReceipt: string }): string {
  const { receipt, headsReceipt } = parts
  const { headsReceipt: second } = splitWitnessedReceipt(utf8(receipt + headsReceipt))
  if (second === undefined || fromUtf8(second) !== headsReceipt) {
    throw new ProofError('receipt-malformed', 'these are not two receipts')
  }
  parseReceipt(receipt)
  parseReceipt(headsReceipt)
  return receipt + headsReceipt
}

/**
 * Takes a receipt, witnessed or not, apart; neither part is read. The second begins at the first line that begins a proof
 * and stands right behind a signature line.
 */
export function splitWitnessedReceipt(bytes: Uint8Array): { receipt: Uint8Array; headsReceipt?: Uint8Array } {
  const hasAt = (at: number, part: Uint8Array) => part.every((byte, i) => byte === bytes[at + i])
  for (let end = bytes.indexOf(0x0a, 1); end > 0; end = bytes.indexOf(0x0a, end + 1)) {
    if (!hasAt(end + 1, FIRST_LINE) || !hasAt(bytes.lastIndexOf(0x0a, end - 1) + 1, SIGNATURE_MARK)) continue
    return { receipt: bytes.subarray(0, end + 1), headsReceipt: bytes.subarray(end + 1) }
  }
  return { receipt: bytes }
}

function readHash(text: string, line: number): Uint8Array {
  const hash = within('proof-malformed', { line }, () => fromBase64(text))
  if (hash.length !== HASH_BYTES) throw malformed('a hash must have 32 bytes', line)
  return hash
}

function malformed(message: string, line?: number): ProofError {
  return new ProofError('proof-malformed', message, line === undefined ? {} : { line })
}
