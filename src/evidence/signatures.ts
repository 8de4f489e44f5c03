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
  type KeyPeriod,
  mldsa44Verifier,
  openByPolicy,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  type Policy,
  ProofError,
} from '@stele/proof'
import { KeyFault, parseKey, type Signer } from '../ledger/signing.ts'

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

  /** What is wrong with a signed checkpoint of a ledger that had these keys, or undefined where nothing is. */
  async faultOf(note: Uint8Array, size: number, periods: readonly KeyPeriod[]): Promise<string | undefined> {
    let fault = periods.length === 0 ? 'no key of it is known' : undefined
    for (const { until, ...keys } of periods.toReversed()) {
      const under = await this.fault(note, keys)
      fault ??= under
      if (under !== undefined) continue
      return until === undefined || size <= until.size ? undefined : `its key was retired at ${until.size} entries`
    }
    return fault
  }

  /**
   * What is wrong with a signed checkpoint under this key, or undefined where nothing is. A signature of the ML-DSA-44
   * key need not be there, and must be good where it is.
   */
  async fault(
    note: Uint8Array,
    { vkey, mldsaVkey }: Pick<KeyPeriod, 'vkey' | 'mldsaVkey'>,
  ): Promise<string | undefined> {
    const memo = hash('sha256', Buffer.concat([Buffer.from(`${vkey}\n${mldsaVkey}\n`), note]), 'base64')
    if (this.#good.has(memo)) return undefined
    try {
      const verifier = ed25519Verifier(vkey)
      const verifiers = mldsaVkey === undefined ? [verifier] : [verifier, mldsa44Verifier(mldsaVkey)]
      await openCheckpoint(note, verifiers, verifier.name)
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
