// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The Ed25519 vectors of C2SP/CCTV and C2SP/wycheproof, which lie beside the project and are not copied into it.

import { existsSync, readFileSync } from 'node:fs'

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
