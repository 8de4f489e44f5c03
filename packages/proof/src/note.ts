// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Signed notes (C2SP signed-note v1.0.0). What comes in is an attacker's until `openNote` returns; signatures are
// checked over the bytes that arrived, never over text that was decoded and encoded again.

import { type Ed25519Check, isEd25519Signature } from './ed25519.ts'
import { fromBase64, fromUtf8, utf8 } from './encoding.ts'
import { demand, isKeyName, readUint32, within } from './inner.ts'
import { ALG_ED25519, keyOfKind, type VerifierKey } from './key.ts'

/** Longest note that is read, and the most signatures in one; the document demands at least 16. */
export const MAX_NOTE_BYTES = 1_000_000
export const MAX_NOTE_SIGNATURES = 100

/** A key that can check signatures. `verify` gets the note's text and the signature without its key id. */
export interface Verifier extends VerifierKey {
  verify(message: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/** One signature line; `signature` is without the key id. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  readonly signature: Uint8Array
}

/** A note taken apart; nothing is verified. */
export interface ParsedNote {
  readonly text: string
  readonly textBytes: Uint8Array
  readonly signatures: readonly NoteSignature[]
}

/** A note whose signatures by keys that were given (`verified`) are all good. The other ones say nothing. */
export interface OpenedNote {
  readonly text: string
  readonly textBytes: Uint8Array
  readonly verified: readonly (NoteSignature & { readonly verifier: Verifier })[]
  readonly unverified: readonly NoteSignature[]
}

/**
 * A verifier of plain Ed25519 note signatures (alg 0x01), by WebCrypto unless there is another `check`. Throws
 * `key-malformed`, `algorithm-unsupported`.
 */
export function ed25519Verifier(vkey: string | VerifierKey, check?: Ed25519Check): Verifier {
  const key = keyOfKind(vkey, ALG_ED25519)
  return { ...key, verify: (message, signature) => isEd25519Signature(key.publicKey, message, signature, check) }
}

/** Takes a note apart without verifying it. Throws `note-malformed`, with the line or the offset. */
export function parseNote(note: Uint8Array): ParsedNote {
  demand(note.length <= MAX_NOTE_BYTES, 'note-malformed', `a note has at most ${MAX_NOTE_BYTES} bytes`)
  const offset = note.findIndex((byte) => byte < 0x20 && byte !== 0x0a)
  demand(offset < 0, 'note-malformed', 'the note holds a control character', { offset })
  const textEnd = lastBlankLine(note)
  const isWhole = textEnd >= 0 && note.at(-1) === 0x0a
  demand(isWhole, 'note-malformed', 'a note is a text, a blank line and signature lines')
  const textBytes = note.subarray(0, textEnd)
  const [text, rest] = within(
    'note-malformed',
    {},
    () => [fromUtf8(textBytes), fromUtf8(note.subarray(textEnd + 1))] as const,
  )
  const lines = rest.split('\n').slice(0, -1)
  const isCount = lines.length > 0 && lines.length <= MAX_NOTE_SIGNATURES
  demand(isCount, 'note-malformed', `a note has between 1 and ${MAX_NOTE_SIGNATURES} signatures`)
  const linesBefore = text.split('\n').length
  const signatures = lines.map((line, i) => {
    return within('note-malformed', { line: linesBefore + i + 1 }, () => parseSignatureLine(line))
  })
  return { text, textBytes, signatures }
}

/**
 * Verifies a note. Signatures by unknown keys are ignored; a bad one by a known key rejects the note. Throws
 * `note-malformed`, `key-ambiguous`, `signature-invalid`, and `signature-missing` where no given key signed.
 */
export async function openNote(note: Uint8Array, verifiers: readonly Verifier[]): Promise<OpenedNote> {
  const opened = await sortSignatures(note, verifiers)
  demand(opened.verified.length > 0, 'signature-missing', 'no trusted key has signed this note')
  return opened
}

/** As `openNote`, for a caller who himself demands signatures: there may be none. */
export async function sortSignatures(note: Uint8Array, verifiers: readonly Verifier[]): Promise<OpenedNote> {
  const { text, textBytes, signatures } = parseNote(note)
  const verified: (NoteSignature & { readonly verifier: Verifier })[] = []
  const unverified: NoteSignature[] = []
  for (const [position, signature] of signatures.entries()) {
    const { name } = signature
    const [verifier, ...others] = verifiers.filter((key) => key.name === name && key.keyId === signature.keyId)
    demand(others.length === 0, 'key-ambiguous', `two keys have the name and the id of ${name}`, { position })
    if (verifier === undefined) unverified.push(signature)
    else {
      // One after another: the first bad signature ends it, and 100 lines are few.
      const isGood = await verifier.verify(textBytes, signature.signature)
      demand(isGood, 'signature-invalid', `the signature of ${name} does not belong to this text`, { position })
      verified.push({ ...signature, verifier })
    }
  }
  return { text, textBytes, verified, unverified }
}

/** The bytes that a plain note signature signs: the text, which must end with a newline. Throws `note-malformed`. */
export function noteMessage(text: string): Uint8Array {
  const isText = text.endsWith('\n') && text.isWellFormed() && !/[\u0000-\u0009\u000b-\u001f]/.test(text)
  demand(isText, 'note-malformed', 'the text of a note ends with a newline and has no other control characters')
  return utf8(text)
}

function parseSignatureLine(line: string): NoteSignature {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ')
  const isLine = dash === '—' && isKeyName(name) && rest.length === 0
  demand(isLine, 'note-malformed', 'a signature line has the form "— name base64"')
  const bytes = fromBase64(encoded)
  demand(bytes.length > 4, 'note-malformed', 'a signature is too short')
  return { name, keyId: readUint32(bytes), signature: bytes.subarray(4) }
}

/** Where the text ends (behind its newline) before the last empty line; -1 where there is none. */
function lastBlankLine(note: Uint8Array): number {
  for (let end = note.length - 1; end > 0; end--) if (note[end] === 0x0a && note[end - 1] === 0x0a) return end
  return -1
}
