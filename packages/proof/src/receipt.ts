// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Proofs that a log holds an entry, as files (C2SP tlog-proof), and Stele's receipts: such a proof whose `extra` carries
// the salt and the entry, so that the event's own bytes and a key are all that a verifier needs besides.

import { fromBase64, fromUtf8, parseDecimal, utf8 } from './encoding.ts'
import { MAX_ENTRY_BYTES, SALT_BYTES } from './entry.ts'
import { HASH_BYTES, type Hash } from './hash.ts'
import { bytesOf, demand, PROOF_HEADER, within } from './inner.ts'
import { MAX_NOTE_BYTES } from './note.ts'

const FIRST_LINE = utf8(`${PROOF_HEADER}\n`)
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

/** Reads a proof. Throws `proof-malformed` with the line. The checkpoint is what follows the first empty line. */
export function parseProof(proof: string | Uint8Array): Proof {
  const bytes = bytesOf(proof)
  demand(bytes.length <= MAX_PROOF_BYTES, 'proof-malformed', `a proof has at most ${MAX_PROOF_BYTES} bytes`)
  let end = bytes.indexOf(0x0a)
  while (end >= 0 && bytes[end + 1] !== 0x0a) end = bytes.indexOf(0x0a, end + 1)
  demand(end >= 0 && end + 2 < bytes.length, 'proof-malformed', 'the proof has no checkpoint')
  const lines = within('proof-malformed', {}, () => fromUtf8(bytes.subarray(0, end))).split('\n')
  demand(lines[0] === PROOF_HEADER, 'proof-malformed', `the first line is not ${PROOF_HEADER}`, { line: 1 })
  const [, extraText] = /^extra (.+)$/.exec(lines[1] ?? '') ?? []
  const indexLine = extraText === undefined ? 2 : 3
  const [, indexText] = /^index (.+)$/.exec(lines[indexLine - 1] ?? '') ?? []
  demand(indexText !== undefined, 'proof-malformed', 'the line of the index is missing', { line: indexLine })
  const hashLines = lines.slice(indexLine)
  const isPath = hashLines.length <= MAX_PROOF_HASHES
  demand(isPath, 'proof-malformed', `a proof has at most ${MAX_PROOF_HASHES} hashes`)
  const extra = extraText === undefined ? {} : { extra: inLine(2, () => fromBase64(extraText)) }
  const index = inLine(indexLine, () => parseDecimal(indexText))
  const hashes = hashLines.map((line, i) => inLine(indexLine + 1 + i, () => readHash(line)))
  return { ...extra, index, hashes, checkpoint: bytes.subarray(end + 2) }
}

/** Reads a receipt; nothing is verified. Throws `proof-malformed`, and `receipt-malformed` where the extra is no entry. */
export function parseReceipt(receipt: string | Uint8Array): Receipt {
  const proof = parseProof(receipt)
  const salt = proof.extra?.subarray(0, SALT_BYTES) ?? new Uint8Array(0)
  const entry = proof.extra?.subarray(SALT_BYTES) ?? new Uint8Array(0)
  const isReceipt = entry.length > 0 && entry.length <= MAX_ENTRY_BYTES
  const missing = 'the proof carries no salt and entry, so it is not a receipt of Stele'
  demand(isReceipt, 'receipt-malformed', missing, { field: 'extra' })
  return { ...proof, salt, entry }
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

function readHash(text: string): Hash {
  const hash = fromBase64(text)
  demand(hash.length === HASH_BYTES, 'proof-malformed', 'a hash must have 32 bytes')
  return hash
}

function inLine<T>(line: number, read: () => T): T {
  return within('proof-malformed', { line }, read)
}
