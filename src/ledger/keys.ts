// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Keys of the ledgers: Ed25519, one a ledger, in `DIR/keys/<ledger>.key` in the form that other transparency logs
 * use (`PRIVATE+KEY+<name>+<key id>+<base64 of 01 ‖ seed>`). A key is first written to `keys/pending/`, and moved
 * when the entry in `system` that names it is durable: a key in its place means a ledger that exists.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { formatCheckpoint, formatNote, formatSignatureLine, formatVkey, keyIdOf } from '@stele/proof'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'

const ALG_ED25519 = 1
const SEED_BYTES = 32
const KEY_PREFIX = 'PRIVATE+KEY+'
const KEY_ID_CHARS = 8
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX_BYTES = 12

/** Signs checkpoints of one ledger. Narrow, so that the key may live elsewhere. */
export interface Signer {
  readonly origin: string
  readonly vkey: string
  /** The checkpoint of a tree as a signed note. */
  checkpoint(size: number, root: Uint8Array): string
  /** Signs a text of our own, under a name that no note can have. */
  seal(purpose: string, text: string): Buffer
  /** Whether `seal` of the same key made this signature. */
  isSeal(purpose: string, text: string, signature: Buffer): boolean
}

export class KeyFault extends Error {
  override readonly name = 'KeyFault'
}

class Ed25519Signer implements Signer {
  readonly origin: string
  readonly vkey: string
  readonly #key: KeyObject
  readonly #keyId: number

  constructor(origin: string, seed: Buffer) {
    this.origin = origin
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
    const publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX_BYTES)
    this.vkey = formatVkey(origin, ALG_ED25519, publicKey)
    this.#keyId = keyIdOf(origin, ALG_ED25519, publicKey)
  }

  checkpoint(size: number, root: Uint8Array): string {
    const text = formatCheckpoint({ origin: this.origin, size, root })
    const signature = sign(null, Buffer.from(text), this.#key)
    return formatNote(text, [formatSignatureLine(this.origin, this.#keyId, signature)])
  }

  seal(purpose: string, text: string): Buffer {
    return sign(null, this.#sealed(purpose, text), this.#key)
  }

  isSeal(purpose: string, text: string, signature: Buffer): boolean {
    return verify(null, this.#sealed(purpose, text), this.#key, signature)
  }

  // A note begins with its origin, which holds no space, so neither can be taken for the other.
  #sealed(purpose: string, text: string): Buffer {
    return Buffer.from(`${this.origin} ${purpose}\n${text}`)
  }
}

function formatKey(origin: string, vkey: string, seed: Buffer): string {
  const keyId = vkey.slice(origin.length + 1, origin.length + 1 + KEY_ID_CHARS)
  return `${KEY_PREFIX}${origin}+${keyId}+${Buffer.concat([Buffer.of(ALG_ED25519), seed]).toString('base64')}\n`
}

/** The signer of a key file's text, which must be exactly what `formatKey` writes for this origin. */
export function parseKey(path: string, text: string, origin: string): Signer {
  const secret = Buffer.from(text.slice(KEY_PREFIX.length + origin.length + KEY_ID_CHARS + 2), 'base64')
  if (secret.length === SEED_BYTES + 1) {
    const seed = secret.subarray(1)
    const signer = new Ed25519Signer(origin, seed)
    if (formatKey(origin, signer.vkey, seed) === text) return signer
  }
  throw new KeyFault(`${path} is not the key of ${origin}: it was changed, or belongs to another directory`)
}

/** The signer of a key in its place, or undefined where there is none or it is not that ledger's. Changes nothing. */
export async function signerIn(
  disk: Disk,
  directory: string,
  ledger: string,
  origin: string,
): Promise<Signer | undefined> {
  const path = join(directory, 'keys', `${ledger}.key`)
  const bytes = await disk.readFile(path)
  try {
    return bytes === undefined ? undefined : parseKey(path, bytes.toString('latin1'), origin)
  } catch (error) {
    if (error instanceof KeyFault) return undefined
    throw error
  }
}

export class KeyStore {
  readonly #disk: Disk
  readonly #random: Random
  readonly #directory: string

  constructor(disk: Disk, random: Random, directory: string) {
    this.#disk = disk
    this.#random = random
    this.#directory = join(directory, 'keys')
  }

  path(ledger: string): string {
    return join(this.#directory, `${ledger}.key`)
  }

  /** Ledgers that have a key in its place. */
  async names(): Promise<string[]> {
    const names = await this.#disk.list(this.#directory)
    return names.filter((name) => name.endsWith('.key')).map((name) => name.slice(0, -'.key'.length))
  }

  /** Makes a key that waits for its ledger; one that already waits is replaced, for nothing was signed with it. */
  async prepare(ledger: string, origin: string): Promise<Signer> {
    await this.#disk.makeDirectory(join(this.#directory, 'pending'))
    const seed = Buffer.alloc(SEED_BYTES)
    this.#random.fill(seed, 0, SEED_BYTES)
    const signer = new Ed25519Signer(origin, seed)
    await replaceFile(this.#disk, this.#pendingPath(ledger), Buffer.from(formatKey(origin, signer.vkey, seed)))
    return signer
  }

  /** Puts a prepared key in its place, now that its ledger exists. */
  async settle(ledger: string): Promise<void> {
    await this.#disk.rename(this.#pendingPath(ledger), this.path(ledger))
    await this.#disk.syncDirectory(this.#directory)
  }

  /** Drops keys whose ledgers never came to be. */
  async dropPending(): Promise<void> {
    await this.#disk.remove(join(this.#directory, 'pending'))
  }

  /** The key of a ledger that exists; a crash may have left it waiting. */
  async load(ledger: string, origin: string): Promise<Signer> {
    let bytes = await this.#disk.readFile(this.path(ledger))
    if (bytes === undefined && (await this.#disk.readFile(this.#pendingPath(ledger))) !== undefined) {
      await this.settle(ledger)
      bytes = await this.#disk.readFile(this.path(ledger))
    }
    if (bytes === undefined) {
      throw new KeyFault(`${this.path(ledger)} is missing: put the key of ${origin} back from where it is kept`)
    }
    return parseKey(this.path(ledger), bytes.toString('latin1'), origin)
  }

  #pendingPath(ledger: string): string {
    return join(this.#directory, 'pending', `${ledger}.key`)
  }
}

/** A short name of a path, for files elsewhere that speak of it. */
export function pathDigest(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 16)
}
