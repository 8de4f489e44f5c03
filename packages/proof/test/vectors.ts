// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The vectors of C2SP/CCTV and C2SP/wycheproof, which lie beside the project and are not copied into it, and the verdict
// that each gets here (fixtures/verdicts.json).

import { existsSync, readFileSync } from 'node:fs'

import { fixture } from './signers.ts'

const FOLDER = new URL('../../../../shared/vectors/', import.meta.url)

/** What is missing, for `skip`, or false. */
export const vectorsMissing: string | false = existsSync(FOLDER) ? false : 'the folder shared/vectors is not here'

/** Key, message and signature in hexadecimal; `result` is Wycheproof's, CCTV has flags only. */
export interface Ed25519Vector {
  readonly key: string
  readonly message: string
  readonly signature: string
  readonly flags: readonly string[]
  readonly result?: string
}

/** In hexadecimal; `result` is Wycheproof's, and `context` what the signature is bound to beside the message. */
export interface Mldsa44Vector {
  readonly key: string
  readonly message: string
  readonly signature: string
  readonly context: string
  readonly result: string
}

/** What is written down of a file of vectors: how many it has, and the positions of those that are valid here, from 0. */
export interface Verdicts {
  readonly count: number
  readonly valid: readonly number[]
}

interface CctvVector {
  readonly key: string
  readonly sig: string
  readonly msg: string
  readonly flags: readonly string[] | null
}

interface WycheproofGroup {
  readonly publicKey: { readonly pk: string }
  readonly tests: readonly {
    readonly msg: string
    readonly sig: string
    readonly flags: readonly string[]
    readonly result: string
  }[]
}

interface WycheproofMldsa44Group {
  readonly publicKey: string
  readonly tests: readonly {
    readonly msg: string
    readonly sig: string
    readonly ctx?: string
    readonly result: string
  }[]
}

export function readVerdicts(): Readonly<
  Record<'cctv-ed25519' | 'wycheproof-ed25519' | 'wycheproof-mldsa-44', Verdicts>
> {
  return JSON.parse(fixture('verdicts.json').toString())
}

/** The verdicts in the form in which they are written down. */
export function verdictsOf(outcomes: readonly boolean[]): Verdicts {
  return { count: outcomes.length, valid: outcomes.flatMap((isValid, position) => (isValid ? [position] : [])) }
}

export function readMldsa44Vectors(): Mldsa44Vector[] {
  const { testGroups } = read('wycheproof-mldsa-44-verify.json') as { testGroups: WycheproofMldsa44Group[] }
  return testGroups.flatMap(({ publicKey, tests }) =>
    tests.map(({ msg, sig, ctx = '', result }) => ({
      key: publicKey,
      message: msg,
      signature: sig,
      context: ctx,
      result,
    })),
  )
}

/** Those of CCTV, then those of Wycheproof. */
export function readVectors(): Ed25519Vector[] {
  const cctv = read('cctv-ed25519.json') as CctvVector[]
  const { testGroups } = read('wycheproof-ed25519.json') as { testGroups: WycheproofGroup[] }
  return [
    ...cctv.map(({ key, sig, msg, flags }) => ({
      key,
      message: Buffer.from(msg).toString('hex'),
      signature: sig,
      flags: flags ?? [],
    })),
    ...testGroups.flatMap(({ publicKey, tests }) =>
      tests.map(({ msg, sig, flags, result }) => ({ key: publicKey.pk, message: msg, signature: sig, flags, result })),
    ),
  ]
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'))
}
