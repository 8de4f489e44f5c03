// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Keys for tests, made from a name, so that every run has the same.

import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

import {
  ALG_ED25519,
  ALG_ED25519_COSIGNATURE,
  cosignatureMessage,
  formatCheckpoint,
  formatNote,
  formatSignatureLine,
  formatVkey,
  keyIdOf,
  utf8,
  type TreeHead,
} from '../src/index.ts'

export class TestSigner {
  readonly name: string
  readonly alg: number
  readonly publicKey: Uint8Array
  readonly vkey: string
  readonly #privateKey

  /** `seed` differs from `name` where two names are to have one key. */
  constructor(name: string, alg: number, seed: string = name) {
    const raw = createHash('sha256').update(seed).digest()
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), raw])
    this.#privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    this.publicKey = new Uint8Array(
      createPublicKey(this.#privateKey).export({ format: 'der', type: 'spki' }).subarray(12),
    )
    this.name = name
    this.alg = alg
    this.vkey = formatVkey(name, alg, this.publicKey)
  }

  /** A log's signature line over `text`. */
  sign(text: string): string {
    return this.line(sign(null, utf8(text), this.#privateKey))
  }

  /** A witness's signature line over `text`, at `time` in Unix seconds. */
  cosign(text: string, time: number): string {
    const signature = new Uint8Array(72)
    new DataView(signature.buffer).setBigUint64(0, BigInt(time))
    signature.set(sign(null, cosignatureMessage(time, utf8(text)), this.#privateKey), 8)
    return this.line(signature)
  }

  line(signature: Uint8Array): string {
    return formatSignatureLine(this.name, keyIdOf(this.name, this.alg, this.publicKey), signature)
  }
}

export function logSigner(name: string, seed?: string): TestSigner {
  return new TestSigner(name, ALG_ED25519, seed)
}

export function witnessSigner(name: string, seed?: string): TestSigner {
  return new TestSigner(name, ALG_ED25519_COSIGNATURE, seed)
}

/** A signed checkpoint: by `log`, and by each witness at 1,700,000,000. */
export function signCheckpoint(head: TreeHead, log: TestSigner, witnesses: readonly TestSigner[] = []): string {
  const text = formatCheckpoint(head)
  return formatNote(text, [log.sign(text), ...witnesses.map((witness) => witness.cosign(text, 1_700_000_000))])
}

/** A file of test/fixtures/. */
export function fixture(name: string): Buffer {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url))
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
