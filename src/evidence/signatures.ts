// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Checks signatures of checkpoints and the keys that make them, and remembers the good ones: a drill verifies copies of
 * one directory again and again, and one signature costs as much as two hundred entries.
 */
import { hash } from 'node:crypto'
import {
  type Checkpoint,
  ed25519Verifier,
  openByPolicy,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  type Policy,
  ProofError,
} from '@stele/proof'
import { KeyFault, parseKey, type Signer } from '../ledger/keys.ts'

const MAX_REMEMBERED = 65_536

export class Signatures {
  readonly #good = new Set<string>()
  readonly #keys = new Map<string, Signer>()
  readonly #read = new Map<string, Checkpoint>()

  /** The key of a private key file's text, which must be of this origin; or what is wrong with it. */
  keyOf(path: string, text: string, origin: string): { readonly signer: Signer } | { readonly fault: string } {
    const memo = hash('sha256', `${origin}\n${text}`, 'base64')
    const known = this.#keys.get(memo)
    if (known !== undefined) return { signer: known }
    try {
      const signer = parseKey(path, text, origin)
      if (this.#keys.size < MAX_REMEMBERED) this.#keys.set(memo, signer)
      return { signer }
    } catch (error) {
      if (error instanceof KeyFault || error instanceof ProofError) return { fault: error.message }
      throw error
    }
  }

  /** As `readCheckpoint`. */
  read(note: Buffer): Checkpoint | string {
    const memo = note.toString('latin1')
    const known = this.#read.get(memo)
    if (known !== undefined) return known
    const checkpoint = readCheckpoint(note)
    if (typeof checkpoint === 'object' && this.#read.size < MAX_REMEMBERED) this.#read.set(memo, checkpoint)
    return checkpoint
  }

  /** What is wrong with a signed checkpoint under this key, or undefined where nothing is. */
  async fault(note: Uint8Array, vkey: string): Promise<string | undefined> {
    const memo = hash('sha256', Buffer.concat([Buffer.from(`${vkey}\n`), note]), 'base64')
    if (this.#good.has(memo)) return undefined
    try {
      const verifier = ed25519Verifier(vkey)
      await openCheckpoint(note, verifier, verifier.name)
    } catch (error) {
      if (error instanceof ProofError) return error.message
      throw error
    }
    const [oldest] = this.#good
    if (this.#good.size >= MAX_REMEMBERED && oldest !== undefined) this.#good.delete(oldest)
    this.#good.add(memo)
    return undefined
  }
}

/** The checkpoint in a note, its signatures unchecked; or what is wrong with the text. */
export function readCheckpoint(note: Uint8Array): Checkpoint | string {
  try {
    return parseCheckpoint(parseNote(note).text)
  } catch (error) {
    if (error instanceof ProofError) return error.message
    throw error
  }
}

/** What is wrong with a signed head under a policy, or undefined where nothing is. */
export async function policyFault(note: Uint8Array, policy: Policy): Promise<string | undefined> {
  try {
    await openByPolicy(note, policy)
    return undefined
  } catch (error) {
    if (error instanceof ProofError) return error.message
    throw error
  }
}
