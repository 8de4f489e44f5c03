// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The body of add-checkpoint (C2SP tlog-witness), taken apart: an old size, hashes of a consistency proof, a blank line,
 * a checkpoint. All of it is an attacker's until the checkpoint's signature was verified.
 */
import {
  fromBase64,
  formatNote,
  formatSignatureLine,
  HASH_BYTES,
  parseDecimal,
  parseNote,
  ProofError,
} from '@stele/proof'
import { Refusal } from './fault.ts'

export const MAX_PROOF_LINES = 63
/** An old size line and the proof: what is longer has too many lines, and is not even split. */
const MAX_HEAD_BYTES = 22 + MAX_PROOF_LINES * 45

export interface AddCheckpoint {
  readonly oldSize: number
  readonly proof: readonly Uint8Array[]
  readonly origin: string
  readonly note: ReturnType<typeof parseNote>
}

/** Throws `Refusal` 400. */
export function parseAddCheckpoint(body: Buffer): AddCheckpoint {
  const blank = body.subarray(0, MAX_HEAD_BYTES + 2).indexOf('\n\n')
  if (blank === -1)
    throw new Refusal(400, `an old size, at most ${MAX_PROOF_LINES} proof lines and an empty line come first`)
  const [first = '', ...lines] = body.toString('latin1', 0, blank).split('\n')
  if (lines.length > MAX_PROOF_LINES) throw new Refusal(400, `a proof has at most ${MAX_PROOF_LINES} lines`)
  if (!first.startsWith('old ')) throw new Refusal(400, 'the first line is "old " and a size')
  const oldSize = reading('the old size', () => parseDecimal(first.slice('old '.length)))
  const proof = lines.map((line, position) => {
    const hash = reading(`proof line ${position + 1}`, () => fromBase64(line))
    if (hash.length !== HASH_BYTES)
      throw new Refusal(400, `proof line ${position + 1} is not a hash of ${HASH_BYTES} bytes`)
    return hash
  })
  const note = reading('the checkpoint', () => parseNote(body.subarray(blank + 2)))
  return { oldSize, proof, origin: note.text.slice(0, note.text.indexOf('\n')), note }
}

/**
 * The note with those signatures only that may count: each of a trusted key, and none twice, so that a thousand copies
 * of one signature cost one verification. Undefined where none is left.
 */
export function reducedNote(
  { text, signatures }: AddCheckpoint['note'],
  keys: readonly { readonly name: string; readonly keyId: number }[],
): Buffer | undefined {
  const trusted = signatures.filter((one) => keys.some(({ name, keyId }) => name === one.name && keyId === one.keyId))
  const lines = new Set(trusted.map(({ name, keyId, signature }) => formatSignatureLine(name, keyId, signature)))
  return lines.size === 0 ? undefined : Buffer.from(formatNote(text, [...lines]))
}

/** What is malformed is refused in the words of what found it. */
export function reading<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProofError) throw new Refusal(400, `${what}: ${error.message}`)
    throw error
  }
}
