// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Signs as a ledger. All that is asked of a private key is to sign bytes (`SigningKey`), so it may live elsewhere; what
 * the bytes are is decided here. A key file holds one line a key, in the form that other transparency logs use
 * (`PRIVATE+KEY+<name>+<key id>+<base64 of alg ‖ seed>`): Ed25519 (01), and behind it, for `heads`, ML-DSA-44 (06).
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import {
  ALG_ED25519,
  ALG_MLDSA44,
  formatCheckpoint,
  formatCosignature,
  formatNote,
  formatSignatureLine,
  formatVkey,
  parseVkey,
  subtreeMessage,
} from '@stele/proof'

export const SEED_BYTES = 32
const KEY_PREFIX = 'PRIVATE+KEY+'
const KEY_ID_CHARS = 8
/** DER in front of the seed in PKCS #8, and in front of the public key in SPKI. */
const FORMS = {
  [ALG_ED25519]: { pkcs8: '302e020100300506032b657004220420', spkiBytes: 12 },
  [ALG_MLDSA44]: { pkcs8: '3034020100300b060960864801650304031104228020', spkiBytes: 22 },
} as const
const SPKI_ED25519 = '302a300506032b6570032100'

type KeyAlg = keyof typeof FORMS

/** A private key: all that is asked of whoever keeps it. */
interface SigningKey {
  readonly vkey: string
  sign(message: Uint8Array): Buffer
}

/** Signs for one ledger. */
export interface Signer {
  readonly origin: string
  readonly vkey: string
  /** The ML-DSA-44 key beside it; `heads` has one. */
  readonly mldsaVkey: string | undefined
  /** The checkpoint of a tree as a signed note. */
  checkpoint(size: number, root: Uint8Array): string
  /** The same with the signature of the ML-DSA-44 key, if there is one, which says when it was made. */
  head(size: number, root: Uint8Array, timeSeconds: number): string
  /** The signature line of a note that is no checkpoint. */
  signatureLine(text: string): string
  /** Signs a text of our own, under a name that no note can have. */
  seal(purpose: string, text: string): Buffer
  /** Whether `seal` of the same key made this signature. */
  isSeal(purpose: string, text: string, signature: Buffer): boolean
}

/** Whether `seal` of this Ed25519 key made a signature: asked without the private key. */
export function sealVerifier(vkey: string): Pick<Signer, 'vkey' | 'isSeal'> {
  const { name, publicKey } = parseVkey(vkey)
  const spki = Buffer.concat([Buffer.from(SPKI_ED25519, 'hex'), publicKey])
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return { vkey, isSeal: (purpose, text, signature) => verify(null, sealed(name, purpose, text), key, signature) }
}

// A note begins with its origin, which holds no space, so neither can be taken for the other.
function sealed(origin: string, purpose: string, text: string): Buffer {
  return Buffer.from(`${origin} ${purpose}\n${text}`)
}

export class KeyFault extends Error {
  override readonly name = 'KeyFault'
}

/** A key whose seed is in this process. */
class SeedKey implements SigningKey {
  readonly vkey: string
  readonly #key: KeyObject

  constructor(origin: string, alg: KeyAlg, seed: Uint8Array) {
    const { pkcs8, spkiBytes } = FORMS[alg]
    this.#key = createPrivateKey({
      key: Buffer.concat([Buffer.from(pkcs8, 'hex'), seed]),
      format: 'der',
      type: 'pkcs8',
    })
    const publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(spkiBytes)
    this.vkey = formatVkey(origin, alg, publicKey)
  }

  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#key)
  }
}

class LedgerSigner implements Signer {
  readonly origin: string
  readonly #key: SigningKey
  readonly #keyId: number
  readonly #verifier: Pick<Signer, 'isSeal'>
  readonly #mldsa: SigningKey | undefined

  constructor(origin: string, key: SigningKey, mldsa: SigningKey | undefined) {
    this.origin = origin
    this.#key = key
    this.#keyId = parseVkey(key.vkey).keyId
    this.#verifier = sealVerifier(key.vkey)
    this.#mldsa = mldsa
  }

  get vkey(): string {
    return this.#key.vkey
  }

  get mldsaVkey(): string | undefined {
    return this.#mldsa?.vkey
  }

  checkpoint(size: number, root: Uint8Array): string {
    const text = formatCheckpoint({ origin: this.origin, size, root })
    return formatNote(text, [this.signatureLine(text)])
  }

  head(size: number, root: Uint8Array, timeSeconds: number): string {
    const note = this.checkpoint(size, root)
    if (this.#mldsa === undefined) return note
    const message = subtreeMessage(this.origin, timeSeconds, { origin: this.origin, start: 0, end: size, root })
    const bytes = formatCosignature({ time: timeSeconds, signature: this.#mldsa.sign(message) })
    return `${note}${formatSignatureLine(this.origin, parseVkey(this.#mldsa.vkey).keyId, bytes)}`
  }

  signatureLine(text: string): string {
    return formatSignatureLine(this.origin, this.#keyId, this.#key.sign(Buffer.from(text)))
  }

  seal(purpose: string, text: string): Buffer {
    return this.#key.sign(sealed(this.origin, purpose, text))
  }

  isSeal(purpose: string, text: string, signature: Buffer): boolean {
    return this.#verifier.isSeal(purpose, text, signature)
  }
}

/** Seeds of a ledger's keys, 32 bytes each. */
export interface Seeds {
  readonly ed25519: Uint8Array
  readonly mldsa44?: Uint8Array
}

/** The signer of these seeds, and the text of the file that holds them. */
export function signerOf(
  origin: string,
  { ed25519, mldsa44 }: Seeds,
): { readonly signer: Signer; readonly text: string } {
  const key = new SeedKey(origin, ALG_ED25519, ed25519)
  const mldsa = mldsa44 === undefined ? undefined : new SeedKey(origin, ALG_MLDSA44, mldsa44)
  const second = mldsa === undefined ? '' : formatKey(origin, mldsa.vkey, ALG_MLDSA44, mldsa44!)
  const text = `${formatKey(origin, key.vkey, ALG_ED25519, ed25519)}${second}`
  return { signer: new LedgerSigner(origin, key, mldsa), text }
}

/** The signer of a key file's text, which must be exactly what `signerOf` makes for this origin. */
export function parseKey(path: string, text: string, origin: string): Signer {
  return signerOf(origin, parseSeeds(path, text, origin)).signer
}

/** The seeds in a key file's text. */
export function parseSeeds(path: string, text: string, origin: string): Seeds {
  const [first = '', second = ''] = text.split('\n')
  const ed25519 = seedOf(first, origin)
  const mldsa44 = second === '' ? undefined : seedOf(second, origin)
  if (ed25519 !== undefined) {
    const seeds: Seeds = { ed25519, ...(mldsa44 === undefined ? {} : { mldsa44 }) }
    if (signerOf(origin, seeds).text === text) return seeds
  }
  throw new KeyFault(`${path} is not the key of ${origin}: it was changed, or belongs to another directory`)
}

function formatKey(origin: string, vkey: string, alg: KeyAlg, seed: Uint8Array): string {
  const keyId = vkey.slice(origin.length + 1, origin.length + 1 + KEY_ID_CHARS)
  return `${KEY_PREFIX}${origin}+${keyId}+${Buffer.concat([Buffer.of(alg), seed]).toString('base64')}\n`
}

function seedOf(line: string, origin: string): Buffer | undefined {
  const secret = Buffer.from(line.slice(KEY_PREFIX.length + origin.length + KEY_ID_CHARS + 2), 'base64')
  return secret.length === SEED_BYTES + 1 ? secret.subarray(1) : undefined
}
