// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keys of the ledgers on the disk, a file a ledger: `<ledger>.key`. The next key of a ledger is first written to
 * `pending/`, and moved when the entry in `system` that names it is durable. So at every moment the key that `system`
 * names is on the disk, in its place or waiting; the other one, if there is one, signs nothing.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { KeyPeriod } from '@stele/proof'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { KEYS, keysDirectory } from './keys-directory.ts'
import { KeyFault, parseKey, parseSeeds, SEED_BYTES, type Seeds, type Signer, signerOf } from './signing.ts'

/** Keys as `system` names them. */
type Named = Pick<KeyPeriod, 'vkey' | 'mldsaVkey'>

/** The key of a ledger as it lies on the disk. */
export interface LoadedKey {
  readonly signer: Signer
  /** It is in its place. */
  readonly isSettled: boolean
  /** The key that is in its place, where this one waits for it. */
  readonly former: Signer | undefined
}

export class KeyStore {
  readonly directory: string
  readonly #disk: Disk
  readonly #random: Random

  /** `keys` is the folder that holds them, where it is not the data directory's own. */
  constructor(disk: Disk, random: Random, directory: string, keys: string = join(directory, KEYS)) {
    this.#disk = disk
    this.#random = random
    this.directory = keys
  }

  path(ledger: string): string {
    return join(this.directory, `${ledger}.key`)
  }

  /** Ledgers that have a key in its place. */
  async names(): Promise<string[]> {
    const names = await this.#disk.list(this.directory)
    return names.filter((name) => name.endsWith('.key')).map((name) => name.slice(0, -'.key'.length))
  }

  /** Makes keys that wait for their ledger; what waits there already is replaced, for nothing was signed with it. */
  async prepare(ledger: string, origin: string, kind: 'with ML-DSA-44' | 'Ed25519' = 'Ed25519'): Promise<Signer> {
    const seeds = { ed25519: this.#seed(), ...(kind === 'Ed25519' ? {} : { mldsa44: this.#seed() }) }
    return await this.#prepare(ledger, origin, seeds)
  }

  /** The key that a ledger has, with one for ML-DSA-44 beside it, waits for being named. */
  async prepareMldsa44(ledger: string, origin: string): Promise<Signer> {
    const text = await this.#read(this.path(ledger))
    if (text === undefined) throw this.#missing(ledger, origin)
    const { ed25519 } = parseSeeds(this.path(ledger), text, origin)
    return await this.#prepare(ledger, origin, { ed25519, mldsa44: this.#seed() })
  }

  /** Puts a key that waited in its place, now that `system` names it, and destroys the one that was there. */
  async settle(ledger: string): Promise<void> {
    const path = this.path(ledger)
    const formerBytes = await this.#disk.regularBytes(path)
    const former = formerBytes === undefined ? undefined : await this.#disk.open(path, 'write')
    try {
      await this.#disk.rename(this.#pendingPath(ledger), path)
      await this.#disk.syncDirectory(this.directory)
      // It has no name any more. The device may keep copies all the same: what retires a key is the statement.
      if (former === undefined) return
      await former.write(Buffer.alloc(formerBytes!), 0)
      await former.datasync()
    } finally {
      await former?.close()
    }
  }

  /** Drops keys that were never named. */
  async dropPending(): Promise<void> {
    await this.#disk.remove(join(this.directory, 'pending'))
  }

  /** The key of a ledger that exists; a crash may have left it waiting. */
  async load(ledger: string, origin: string, named: Named): Promise<LoadedKey> {
    const text = await this.#read(this.path(ledger))
    const [former] = await this.#signersAt([this.path(ledger)], origin)
    if (former !== undefined && isNamed(former, named)) return { signer: former, isSettled: true, former: undefined }
    const [waiting] = await this.#signersAt([this.#pendingPath(ledger)], origin)
    if (waiting !== undefined && isNamed(waiting, named)) return { signer: waiting, isSettled: false, former }
    if (text === undefined) throw this.#missing(ledger, origin)
    const found = parseKey(this.path(ledger), text, origin)
    if (found.vkey !== named.vkey) {
      throw new KeyFault(`${this.path(ledger)} is not the key that system names: ${named.vkey}`)
    }
    const lacks = found.mldsaVkey === undefined ? 'is a copy of before it had' : 'has another ML-DSA-44 key than'
    throw new KeyFault(`${this.path(ledger)} ${lacks} the ML-DSA-44 key that system names: put the newest copy back`)
  }

  /** Keys of a ledger of which one is in force: the one in its place, and the one that waits. Throws where neither is. */
  async candidates(ledger: string, origin: string): Promise<Signer[]> {
    const paths = [this.path(ledger), this.#pendingPath(ledger)]
    const signers = await this.#signersAt(paths, origin)
    if (signers.length > 0) return signers
    const text = await this.#read(this.path(ledger))
    if (text === undefined) throw this.#missing(ledger, origin)
    return [parseKey(this.path(ledger), text, origin)]
  }

  async #prepare(ledger: string, origin: string, seeds: Seeds): Promise<Signer> {
    await this.#disk.makeDirectory(join(this.directory, 'pending'))
    const { signer, text } = signerOf(origin, seeds)
    await replaceFile(this.#disk, this.#pendingPath(ledger), Buffer.from(text))
    return signer
  }

  #seed(): Buffer {
    const seed = Buffer.alloc(SEED_BYTES)
    this.#random.fill(seed, 0, SEED_BYTES)
    return seed
  }

  /** Those of the files that hold a key of this origin. */
  async #signersAt(paths: readonly string[], origin: string): Promise<Signer[]> {
    const signers: Signer[] = []
    for (const path of paths) {
      const text = await this.#read(path)
      try {
        if (text !== undefined) signers.push(parseKey(path, text, origin))
      } catch (error) {
        if (!(error instanceof KeyFault)) throw error
      }
    }
    return signers
  }

  async #read(path: string): Promise<string | undefined> {
    return (await this.#disk.readFile(path))?.toString('latin1')
  }

  #missing(ledger: string, origin: string): KeyFault {
    const mend = `put the key of ${origin} back from where it is kept, or name the folder that holds it with --keys DIR`
    return new KeyFault(`${this.path(ledger)} is missing: ${mend}`)
  }

  #pendingPath(ledger: string): string {
    return join(this.directory, 'pending', `${ledger}.key`)
  }
}

function isNamed({ vkey, mldsaVkey }: Signer, named: Named): boolean {
  return vkey === named.vkey && mldsaVkey === named.mldsaVkey
}

/** The keys of which one of `heads` is in force, or none where there is none to be read. Changes nothing. */
export async function headsSigners(disk: Disk, directory: string, originPrefix: string): Promise<Signer[]> {
  return await headsSignersIn(disk, await keysDirectory(disk, directory), originPrefix)
}

/** The same of keys in this folder. */
export async function headsSignersIn(disk: Disk, keys: string, originPrefix: string): Promise<Signer[]> {
  const noRandom: Random = { fill: () => {} }
  try {
    return await new KeyStore(disk, noRandom, '', keys).candidates('heads', `${originPrefix}/heads`)
  } catch (error) {
    if (error instanceof KeyFault) return []
    throw error
  }
}

/** A short name of a path, for files elsewhere that speak of it. */
export function pathDigest(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 16)
}
