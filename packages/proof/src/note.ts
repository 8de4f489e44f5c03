// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Signed notes (C2SP signed-note v1.0.0). What comes in is an attacker's until `openNote` returns; signatures are
// checked over the bytes that arrived, never over text that was decoded and encoded again.

import { isEd25519Signature } from './ed25519.ts'
import { fromBase64, fromUtf8, toBase64, utf8 } from './encoding.ts'
import { ProofError, within } from './error.ts'
import { sha256 } from './hash.ts'

/** Signature types of C2SP signed-note that this package knows by name. */
export const ALG_ED25519 = 0x01
export const ALG_ED25519_COSIGNATURE = 0x04
export const ALG_MLDSA44 = 0x06

/** Longest note that is read, and the most signatures in one; the document demands at least 16. */
export const MAX_NOTE_BYTES = 1_000_000
export const MAX_NOTE_SIGNATURES = 100

const KEY_BYTES: Readonly<Record<number, number>> = {
  [ALG_ED25519]: 32,
  [ALG_ED25519_COSIGNATURE]: 32,
  [ALG_MLDSA44]: 1_312,
}

/** A public key as a vkey names it. `keyId` is an unsigned 32-bit number. */
export interface VerifierKey {
  readonly name: string
  readonly keyId: number
  readonly alg: number
  readonly publicKey: Uint8Array
}

/** A key that can check signatures. `verify` gets the note's text and the signature without its key id. */
export interface Verifier extends VerifierKey {
  verify(message: Uint8Array, signature: Uint8Array): Promise<boolean>
}

/** One signature line. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: number
  /** Without the key id. */
  readonly signature: Uint8Array
}

/** A note taken apart; nothing is verified. */
export interface ParsedNote {
  readonly text: string
  readonly textBytes: Uint8Array
  readonly signatures: readonly NoteSignature[]
}

/** A note of which at least one signature was verified. */
export interface OpenedNote {
  readonly text: string
  readonly textBytes: Uint8Array
  /** Signatures by keys that were given, all of them good. */
  readonly verified: readonly (NoteSignature & { readonly verifier: Verifier })[]
  /** Signatures by other keys: they say nothing. */
  readonly unverified: readonly NoteSignature[]
}

/** Key id of signed-note: the first four bytes of SHA-256(name ‖ 0x0A ‖ alg ‖ public key), as an unsigned number. */
export function keyIdOf(name: string, alg: number, publicKey: Uint8Array): number {
  const nameBytes = utf8(name)
  const preimage = new Uint8Array(nameBytes.length + 2 + publicKey.length)
  preimage.set(nameBytes)
  preimage.set([0x0a, alg], nameBytes.length)
  preimage.set(publicKey, nameBytes.length + 2)
  return readUint32(sha256(preimage))
}

/** The text form of a public key: `name+hex key id+base64(alg ‖ public key)`. Throws `key-malformed`. */
export function formatVkey(name: string, alg: number, publicKey: Uint8Array): string {
  checkKey(name, alg, publicKey)
  const material = new Uint8Array(1 + publicKey.length)
  material[0] = alg
  material.set(publicKey, 1)
  return `${name}+${keyIdOf(name, alg, publicKey).toString(16).padStart(8, '0')}+${toBase64(material)}`
}

/**
 * Reads a vkey. Throws `key-malformed` where the form, the length or (for the algorithms that this package knows) the
 * key id is wrong. A key of another algorithm is read and can't verify anything.
 */
export function parseVkey(vkey: string): VerifierKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(vkey)
  const [, name = '', id = '', encoded = ''] = match ?? []
  if (match === null) throw new ProofError('key-malformed', 'a key has the form name+8 hex digits+base64')
  const material = within('key-malformed', {}, () => fromBase64(encoded))
  const alg = material[0]
  const publicKey = material.subarray(1)
  if (alg === undefined || publicKey.length === 0) throw new ProofError('key-malformed', 'the key is empty')
  checkKey(name, alg, publicKey)
  const keyId = Number.parseInt(id, 16)
  if (KEY_BYTES[alg] !== undefined && keyId !== keyIdOf(name, alg, publicKey)) {
    throw new ProofError('key-malformed', `the key id of ${name} does not belong to its key`)
  }
  return { name, keyId, alg, publicKey }
}

/** A verifier of plain Ed25519 note signatures (alg 0x01). Throws `key-malformed`, `algorithm-unsupported`. */
export function ed25519Verifier(vkey: string | VerifierKey): Verifier {
  const key = typeof vkey === 'string' ? parseVkey(vkey) : vkey
  if (key.alg !== ALG_ED25519) {
    throw new ProofError('algorithm-unsupported', `the key of ${key.name} is not an Ed25519 note key`)
  }
  return { ...key, verify: (message, signature) => isEd25519Signature(key.publicKey, message, signature) }
}

/** Takes a note apart without verifying it. Throws `note-malformed`. */
export function parseNote(note: Uint8Array): ParsedNote {
  if (note.length > MAX_NOTE_BYTES) throw malformed(`a note has at most ${MAX_NOTE_BYTES} bytes`)
  for (const [offset, byte] of note.entries()) {
    if (byte < 0x20 && byte !== 0x0a)
      throw new ProofError('note-malformed', 'the note holds a control character', { offset })
  }
  const textEnd = lastBlankLine(note)
  if (textEnd < 0 || note.at(-1) !== 0x0a) throw malformed('a note is a text, a blank line and signature lines')
  const textBytes = note.subarray(0, textEnd)
  const lines = decodeText(note.subarray(textEnd + 1))
    .split('\n')
    .slice(0, -1)
  if (lines.length === 0 || lines.length > MAX_NOTE_SIGNATURES) {
    throw malformed(`a note has between 1 and ${MAX_NOTE_SIGNATURES} signatures`)
  }
  return { text: decodeText(textBytes), textBytes, signatures: lines.map(parseSignatureLine) }
}

/**
 * Verifies a note. Signatures by unknown keys are ignored; a bad one by a known key rejects the note. Throws
 * `note-malformed`, `key-ambiguous`, `signature-invalid`, and `signature-missing` where no given key signed.
 */
export async function openNote(note: Uint8Array, verifiers: readonly Verifier[]): Promise<OpenedNote> {
  const { text, textBytes, signatures } = parseNote(note)
  const verified: (NoteSignature & { readonly verifier: Verifier })[] = []
  const unverified: NoteSignature[] = []
  for (const signature of signatures) {
    const known = verifiers.filter(({ name, keyId }) => name === signature.name && keyId === signature.keyId)
    const [verifier] = known
    if (verifier === undefined) {
      unverified.push(signature)
      continue
    }
    if (known.length > 1) throw new ProofError('key-ambiguous', `two keys have the name and the id of ${verifier.name}`)
    // One after another: the first bad signature ends it, and 100 lines are few.
    if (!(await verifier.verify(textBytes, signature.signature))) {
      throw new ProofError('signature-invalid', `the signature of ${verifier.name} does not belong to this text`)
    }
    verified.push({ ...signature, verifier })
  }
  if (verified.length === 0) throw new ProofError('signature-missing', 'no trusted key has signed this note')
  return { text, textBytes, verified, unverified }
}

/** The bytes that a plain note signature signs: the text, which must end with a newline. Throws `note-malformed`. */
export function noteMessage(text: string): Uint8Array {
  if (!text.endsWith('\n') || !text.isWellFormed() || /[\u0000-\u0009\u000b-\u001f]/.test(text)) {
    throw malformed('the text of a note ends with a newline and has no other control characters')
  }
  return utf8(text)
}

/** A signature line, newline included. Throws `note-malformed`, `key-malformed`. */
export function formatSignatureLine(name: string, keyId: number, signature: Uint8Array): string {
  checkName(name)
  if (signature.length === 0) throw malformed('the signature is empty')
  const bytes = new Uint8Array(4 + signature.length)
  new DataView(bytes.buffer).setUint32(0, keyId)
  bytes.set(signature, 4)
  return `— ${name} ${toBase64(bytes)}\n`
}

/** A whole note: `text`, a blank line, and lines made by `formatSignatureLine`. Throws `note-malformed`. */
export function formatNote(text: string, signatureLines: readonly string[]): string {
  noteMessage(text)
  if (signatureLines.length === 0) throw malformed('a note has at least one signature')
  return `${text}\n${signatureLines.join('')}`
}

function parseSignatureLine(line: string): NoteSignature {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ')
  if (dash !== '—' || !isName(name) || rest.length > 0) throw malformed('a signature line has the form "— name base64"')
  const bytes = within('note-malformed', {}, () => fromBase64(encoded))
  if (bytes.length < 5) throw malformed('a signature is too short')
  return { name, keyId: readUint32(bytes), signature: bytes.subarray(4) }
}

/** Where the text ends (behind its newline) before the last empty line; -1 where there is none. */
function lastBlankLine(note: Uint8Array): number {
  for (let end = note.length - 1; end > 0; end--) if (note[end] === 0x0a && note[end - 1] === 0x0a) return end
  return -1
}

function decodeText(bytes: Uint8Array): string {
  return within('note-malformed', {}, () => fromUtf8(bytes))
}

function checkKey(name: string, alg: number, publicKey: Uint8Array): void {
  checkName(name)
  const keyBytes = KEY_BYTES[alg]
  if (keyBytes !== undefined && publicKey.length !== keyBytes) {
    throw new ProofError('key-malformed', `the key of ${name} must have ${keyBytes} bytes and has ${publicKey.length}`)
  }
}

function checkName(name: string): void {
  if (!isName(name)) throw new ProofError('key-malformed', 'a key name is not empty and has no spaces and no plus sign')
}

/** The spaces are Unicode's, written out: `\s` has U+FEFF and lacks U+0085. */
function isName(name: string): boolean {
  return (
    /^[^\u0000-\u0020+\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/.test(name) &&
    name.isWellFormed()
  )
}

function readUint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}

function malformed(message: string): ProofError {
  return new ProofError('note-malformed', message)
}
