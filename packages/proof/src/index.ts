// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export { MAX_ORIGIN_BYTES, openCheckpoint, parseCheckpoint, type Checkpoint, type TreeHead } from './checkpoint.ts'
export { cosignatureMessage, cosignatureVerifier, mldsa44Verifier, parseCosignature } from './cosignature.ts'
export { subtreeMessage, verifierOf, type Cosignature, type CosignedSubtree } from './cosignature.ts'
export { isEd25519Signature } from './ed25519.ts'
export * from './encoding.ts'
export {
  contentHash,
  entrySource,
  MAX_ENTRY_BYTES,
  MAX_EVENT_BYTES,
  MAX_EXT_BYTES,
  parseEntry,
  SALT_BYTES,
} from './entry.ts'
export type { Entry, EntrySource, JsonObject, JsonValue, MediaType } from './entry.ts'
export * from './error.ts'
export * from './hash.ts'
export * from './key.ts'
export { Frontier, type SubtreeListener } from './log/frontier.ts'
export * from './log/prove.ts'
export * from './log/tile.ts'
export * from './log/write.ts'
export * from './mldsa44.ts'
export { ed25519Verifier, MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, noteMessage, openNote, parseNote } from './note.ts'
export type { NoteSignature, OpenedNote, ParsedNote, Verifier } from './note.ts'
export * from './policy.ts'
export * from './receipt.ts'
export * from './report.ts'
export { isSettled, openByPeriods, parseRotation, verifyRotations } from './rotation.ts'
export type { KeyPeriod, Rotation, RotationEnd } from './rotation.ts'
export { isSubtree, verifyConsistency, verifyInclusion, type Path } from './tree.ts'
export { verifySubtreeConsistency, verifySubtreeInclusion } from './tree.ts'
