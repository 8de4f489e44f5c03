// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

export * from './checkpoint.ts'
export * from './cosignature.ts'
export * from './ed25519.ts'
export * from './encoding.ts'
export * from './entry.ts'
export { ProofError, type ProofErrorCode, type ProofErrorPlace } from './error.ts'
export { Frontier, type NodeHasher, type SubtreeListener } from './frontier.ts'
export * from './hash.ts'
export * from './mldsa44.ts'
export * from './note.ts'
export * from './policy.ts'
export * from './receipt.ts'
export * from './report.ts'
export * from './rotation.ts'
export * from './tile.ts'
export * from './tree.ts'
