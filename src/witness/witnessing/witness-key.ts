// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keys of one witness: Ed25519 (cosignature/v1) and ML-DSA-44, of one name, each made from its own 32 random bytes.
 * They sign cosignatures and nothing else. In a file they are two lines `PRIVATE+KEY+<name>+<key id>+<base64>`, as
 * other transparency logs write keys, of the signature type and the seed.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import {
  ALG_ED25519_COSIGNATURE,
  ALG_MLDSA44,
  type Checkpoint,
  type CosignedSubtree,
  cosignatureMessage,
  formatCosignature,
  formatSignatureLine,
  formatVkey,
  parseVkey,
  ProofError,
  subtreeMessage,
  utf8,
} from '@stele/proof'
import { type Disk, replaceFile } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import { WitnessFault } from './fault.ts'

export const WITNESS_KEY_FILE = 'witness.key'

const SEED_BYTES = 32
const MAX_NAME_BYTES = 255

/** What stands in DER before the seed, and before the public key. */
const FORMS = [
  {
    alg: ALG_ED25519_COSIGNATURE,
    pkcs8: Buffer.from('302e020100300506032b657004220420', 'hex'),
    publicKeyBytes: 32,
  },
  {
    alg: ALG_MLDSA44,
    pkcs8: Buffer.from('3034020100300b060960864801650304031104228020', 'hex'),
    publicKeyBytes: 1_312,
  },
] as const

/** Off this thread, of which an ML-DSA-44 signature would take half a millisecond. */
const signAside = promisify(
  (message: Uint8Array, key: KeyObject, done: (error: Error | null, signature: Buffer) => void) =>
    sign(null, message, key, done),
)

interface SecretKey {
  readonly alg: number
  readonly keyId: number
  readonly vkey: string
  readonly line: string
  readonly key: KeyObject
}

export class WitnessKey {
  readonly name: string
  /** Ed25519 first, then ML-DSA-44. */
  readonly vkeys: readonly string[]
  readonly #keys: readonly SecretKey[]

  private constructor(name: string, keys: readonly SecretKey[]) {
    this.name = name
    this.#keys = keys
    this.vkeys = keys.map(({ vkey }) => vkey)
  }

  /** A new key. Throws `WitnessFault` where no key can have that name. */
  static make(name: string, random: Random): WitnessKey {
    if (utf8(name).length > MAX_NAME_BYTES) {
      throw new WitnessFault(`the name of a witness has at most ${MAX_NAME_BYTES} bytes`)
    }
    const seeds = FORMS.map(() => {
      const seed = Buffer.alloc(SEED_BYTES)
      random.fill(seed, 0, SEED_BYTES)
      return seed
    })
    try {
      return WitnessKey.#fromSeeds(name, seeds)
    } catch (error) {
      if (error instanceof ProofError) throw new WitnessFault(`no witness can have that name: ${error.message}`)
      throw error
    }
  }

  /** The key of a file's text, which must be exactly what `text` is. Throws `WitnessFault`. */
  static parse(path: string, text: string): WitnessKey {
    const lines = [...text.matchAll(/^PRIVATE\+KEY\+([^+\n]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/=]+)$/gm)]
    const name = lines[0]?.[1]
    const seeds = lines.map(([, , secret = '']) => Buffer.from(secret, 'base64').subarray(1))
    if (name !== undefined && lines.length === FORMS.length && seeds.every(({ length }) => length === SEED_BYTES)) {
      const key = WitnessKey.#fromSeeds(name, seeds)
      if (key.text === text) return key
    }
    throw new WitnessFault(`${path} is not the key of a witness, or was changed. Put back the one that belongs there.`)
  }

  /** An ML-DSA-44 signature line over a part of a tree, which says nothing of a time. */
  async cosignSubtree(subtree: CosignedSubtree): Promise<string> {
    const { keyId, key } = this.#keys.find(({ alg }) => alg === ALG_MLDSA44)!
    const signature = await signAside(subtreeMessage(this.name, 0, subtree), key)
    return formatSignatureLine(this.name, keyId, formatCosignature({ time: 0, signature }))
  }

  static #fromSeeds(name: string, seeds: readonly Buffer[]): WitnessKey {
    const keys = FORMS.map(({ alg, pkcs8, publicKeyBytes }, position) => {
      const seed = seeds[position]!
      const key = createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: 'der', type: 'pkcs8' })
      const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-publicKeyBytes)
      const vkey = formatVkey(name, alg, publicKey)
      const { keyId } = parseVkey(vkey)
      const secret = Buffer.concat([Buffer.of(alg), seed]).toString('base64')
      return { alg, keyId, vkey, key, line: `PRIVATE+KEY+${name}+${vkey.split('+')[1]}+${secret}\n` }
    })
    return new WitnessKey(name, keys)
  }

  /** What the file of the key says. */
  get text(): string {
    return this.#keys.map(({ line }) => line).join('')
  }

  /** Eight hexadecimal digits that tell witnesses of one name apart. */
  get id(): string {
    return this.#keys.map(({ keyId }) => keyId.toString(16).padStart(8, '0'))[0]!
  }

  isOwn(signature: { readonly name: string; readonly keyId: number }): boolean {
    return signature.name === this.name && this.#keys.some(({ keyId }) => keyId === signature.keyId)
  }

  /**
   * Signature lines over a checkpoint and its exact text, Ed25519 first. `time` in Unix seconds. The ML-DSA-44 line is
   * left out where there are extension lines: it would not cover them, so its readers refuse it.
   */
  async cosign(checkpoint: Checkpoint, text: Uint8Array, time: number): Promise<string> {
    const { origin, size, root, extensions } = checkpoint
    const lines = this.#keys.map(async ({ alg, keyId, key }) => {
      if (alg === ALG_MLDSA44 && extensions.length > 0) return ''
      const message =
        alg === ALG_MLDSA44
          ? subtreeMessage(this.name, time, { origin, start: 0, end: size, root })
          : cosignatureMessage(time, text)
      const signature = formatCosignature({ time, signature: await signAside(message, key) })
      return formatSignatureLine(this.name, keyId, signature)
    })
    return (await Promise.all(lines)).join('')
  }
}

/** The key in a file, or undefined where there is none. */
export async function readWitnessKey(disk: Disk, path: string): Promise<WitnessKey | undefined> {
  const bytes = await disk.readFile(path)
  return bytes === undefined ? undefined : WitnessKey.parse(path, bytes.toString('utf8'))
}

/** Keeps a new key, which nobody but its owner may read. */
export async function keepWitnessKey(disk: Disk, path: string, key: WitnessKey): Promise<void> {
  await replaceFile(disk, path, Buffer.from(key.text), 0o600)
}
