// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Keys for tests, made from a name, so that every run has the same.

import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'

import {
  ALG_ED25519,
  ALG_ED25519_COSIGNATURE,
  ALG_MLDSA44,
  cosignatureMessage,
  formatCheckpoint,
  formatCosignature,
  formatNote,
  formatSignatureLine,
  formatVkey,
  keyIdOf,
  parseCheckpoint,
  subtreeMessage,
  utf8,
  type TreeHead,
} from '../src/index.ts'

const PKCS8_ED25519 = '302e020100300506032b657004220420'
const PKCS8_MLDSA44 = '3034020100300b060960864801650304031104228020'

export class TestSigner {
  readonly name: string
  readonly alg: number
  readonly publicKey: Uint8Array
  readonly vkey: string
  readonly #privateKey

  /** `seed` differs from `name` where two names are to have one key. */
  constructor(name: string, alg: number, seed: string = name) {
    const raw = createHash('sha256').update(seed).digest()
    const kind = alg === ALG_MLDSA44 ? PKCS8_MLDSA44 : PKCS8_ED25519
    const der = Buffer.concat([Buffer.from(kind, 'hex'), raw])
    this.#privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    this.publicKey = new Uint8Array(
      createPublicKey(this.#privateKey)
        .export({ format: 'der', type: 'spki' })
        .subarray(alg === ALG_MLDSA44 ? -1_312 : -32),
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
    const message = this.alg === ALG_MLDSA44 ? this.#subtreeMessage(text, time) : cosignatureMessage(time, utf8(text))
    return this.line(formatCosignature({ time, signature: sign(null, message, this.#privateKey) }))
  }

  #subtreeMessage(text: string, time: number): Uint8Array {
    const { origin, size, root } = parseCheckpoint(text)
    return subtreeMessage(this.name, time, { origin, start: 0, end: size, root })
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

export function mldsaSigner(name: string, seed?: string): TestSigner {
  return new TestSigner(name, ALG_MLDSA44, seed)
}

/** A signed checkpoint: by `log`, and by each witness at 1,700,000,000. */
export function signCheckpoint(head: TreeHead, log: TestSigner, witnesses: readonly TestSigner[] = []): string {
  const text = formatCheckpoint(head)
  const own = log.alg === ALG_MLDSA44 ? log.cosign(text, 1_700_000_000) : log.sign(text)
  return formatNote(text, [own, ...witnesses.map((witness) => witness.cosign(text, 1_700_000_000))])
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

/** For the length of a test, a platform as older browsers are: its WebCrypto knows no ML-DSA-44. */
export function withoutMldsa44(context: TestContext): void {
  const importKey = crypto.subtle.importKey.bind(crypto.subtle)
  const refusing = async (format: string, ...rest: readonly unknown[]) => {
    if (JSON.stringify(rest).includes('ML-DSA'))
      throw new DOMException('Unrecognized algorithm name', 'NotSupportedError')
    return await (importKey as (...args: readonly unknown[]) => Promise<unknown>)(format, ...rest)
  }
  context.mock.method(crypto.subtle, 'importKey', refusing as typeof importKey)
}
