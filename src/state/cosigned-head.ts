// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A head of `heads` with the cosignatures on it, each checked by the key of a witness that `system` names. What a witness
 * is worth is the reader's to say: whoever writes `system` chooses them.
 */
import {
  ALG_MLDSA44,
  cosignatureVerifier,
  formatNote,
  formatSignatureLine,
  mldsa44Verifier,
  type NoteSignature,
  parseCheckpoint,
  parseCosignature,
  parseNote,
  parseVkey,
  ProofError,
  type Verifier,
} from '@stele/proof'
import type { WitnessRecord } from './witness-list.ts'

export interface HeadCosignature {
  /** When the witness says that it signed, Unix seconds. */
  readonly time: number
  /** The signature line, newline included. */
  readonly line: string
}

export interface CosignedHead {
  readonly size: number
  /** Hex. */
  readonly root: string
  /** The text that was signed. */
  readonly text: string
  /** Signature lines of the log itself; they are not checked here. */
  readonly ownLines: readonly string[]
  /** Good ones, by the witness's name. */
  readonly cosignatures: ReadonlyMap<string, HeadCosignature>
  /** Witnesses whose signature does not belong to this head. */
  readonly bad: readonly string[]
  /** Names on lines by keys that no witness has. */
  readonly unknown: readonly string[]
}

type Asked = Pick<WitnessRecord, 'name' | 'vkey'>

export function verifierOf({ vkey }: Pick<WitnessRecord, 'vkey'>): Verifier {
  const key = parseVkey(vkey)
  return key.alg === ALG_MLDSA44 ? mldsa44Verifier(key) : cosignatureVerifier(key)
}

/** Reads a head. Throws a ProofError where it is none, or of another origin. */
export async function readCosigned(
  note: Uint8Array,
  origin: string,
  witnesses: readonly Asked[],
): Promise<CosignedHead> {
  const { text, textBytes, signatures } = parseNote(note)
  const checkpoint = parseCheckpoint(text)
  if (checkpoint.origin !== origin) {
    throw new ProofError('origin-unexpected', `the head is of ${checkpoint.origin}, not of ${origin}`)
  }
  const keys = witnesses.map((witness) => ({ name: witness.name, verifier: verifierOf(witness) }))
  const [ownLines, bad, unknown]: [string[], string[], string[]] = [[], [], []]
  const cosignatures = new Map<string, HeadCosignature>()
  for (const signature of signatures) {
    const found = keys.find(({ verifier }) => isOf(verifier, signature))
    if (found === undefined) {
      if (signature.name === origin) ownLines.push(lineOf(signature))
      else unknown.push(signature.name)
    } else {
      const cosignature = await cosignatureOf(textBytes, signature, found.verifier)
      if (cosignature === undefined) bad.push(found.name)
      else cosignatures.set(found.name, cosignature)
    }
  }
  const root = Buffer.from(checkpoint.root).toString('hex')
  return { size: checkpoint.size, root, text, ownLines, cosignatures, bad, unknown }
}

/** The head with these cosignatures behind the log's own lines. */
export function cosignedNote(
  { text, ownLines }: Pick<CosignedHead, 'text' | 'ownLines'>,
  cosignatures: Iterable<HeadCosignature>,
): Buffer {
  return Buffer.from(formatNote(text, [...ownLines, ...Array.from(cosignatures, ({ line }) => line)]))
}

/** A signature, if it is good; undefined where it is not, or says no time. */
export async function cosignatureOf(
  textBytes: Uint8Array,
  signature: NoteSignature,
  verifier: Verifier,
): Promise<HeadCosignature | undefined> {
  try {
    const { time } = parseCosignature(signature.signature)
    const isGood = await verifier.verify(textBytes, signature.signature)
    return isGood && time > 0 ? { time, line: lineOf(signature) } : undefined
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}

export function isOf({ name, keyId }: Verifier, signature: NoteSignature): boolean {
  return name === signature.name && keyId === signature.keyId
}

function lineOf({ name, keyId, signature }: NoteSignature): string {
  return formatSignatureLine(name, keyId, signature)
}
