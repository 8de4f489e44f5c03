// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export * from './checkpoint.ts'
export * from './cosignature.ts'
export * from './ed25519.ts'
export * from './encoding.ts'
export * from './entry.ts'
export { ProofError, type ProofErrorCode, type ProofErrorPlace } from './error.ts'
export { Frontier, type SubtreeListener } from './frontier.ts'
export * from './hash.ts'
export {
  ALG_ED25519,
  ALG_ED25519_COSIGNATURE,
  ALG_MLDSA44,
  formatVkey,
  keyIdOf,
  parseVkey,
  type VerifierKey,
} from './key.ts'
export * from './mldsa44.ts'
export {
  ed25519Verifier,
  formatNote,
  formatSignatureLine,
  MAX_NOTE_BYTES,
  MAX_NOTE_SIGNATURES,
  noteMessage,
  openNote,
  parseNote,
  type NoteSignature,
  type OpenedNote,
  type ParsedNote,
  type Verifier,
} from './note.ts'
export * from './policy.ts'
export * from './receipt.ts'
export * from './report.ts'
export * from './rotation.ts'
export * from './tile.ts'
export * from './tree.ts'
