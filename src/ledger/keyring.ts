// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keys in force, and how one follows another. A rotation is a statement in `system`, signed by the old and the new
 * key, about the ledger as it is in that moment: nothing else is committed with it, so the old key has signed no larger
 * head, and signs none from the moment in which the statement is durable. The new key waits on the disk by then. What
 * is left to do (to sign the seal and the anchor again, to move the file) a start does, too, where a crash came first.
 */
import assert from 'node:assert/strict'
import { type KeyPeriod, rootAt } from '@stele/proof'
import type { KeyStore } from './keys.ts'
import { endWords, type KeyHistory, rotationNote } from './key-periods.ts'
import type { Log } from './log.ts'
import { KeyFault, type Signer } from './signing.ts'

interface Ring {
  readonly signer: Signer
  readonly periods: readonly KeyPeriod[]
  /** The key in whose place the file has to be put yet; `none` where no file is there. */
  readonly unsettled?: Signer | 'none'
}

export interface KeyringOptions {
  readonly keys: KeyStore
  readonly origin: (ledger: string) => string
  /** Signs again what the key of `heads` signed and a start needs, now that it has another one. */
  readonly signAgain: () => Promise<void>
}

export class Keyring {
  readonly #options: KeyringOptions
  readonly #rings = new Map<string, Ring>()
  readonly #checkpoints = new Map<string, { readonly size: number; readonly note: string }>()

  constructor(options: KeyringOptions) {
    this.#options = options
  }

  /** Ledgers whose keys are in use. */
  get names(): Iterable<string> {
    return this.#rings.keys()
  }

  /** Ledgers that have a key in its place: each must be one that exists. */
  async namesOnDisk(): Promise<string[]> {
    return await this.#options.keys.names()
  }

  has(ledger: string): boolean {
    return this.#rings.has(ledger)
  }

  get(ledger: string): Signer | undefined {
    return this.#rings.get(ledger)?.signer
  }

  signer(ledger: string): Signer {
    return this.#ring(ledger).signer
  }

  /** The keys in force, Ed25519 first. */
  vkeys(ledger: string): string[] {
    const { vkey, mldsaVkey } = this.signer(ledger)
    return mldsaVkey === undefined ? [vkey] : [vkey, mldsaVkey]
  }

  /** When which key signed, the one in force last. */
  periods(ledger: string): readonly KeyPeriod[] {
    return this.#ring(ledger).periods
  }

  /** The signed checkpoint of the durable size, made once a size. */
  checkpoint(log: Log): string {
    const cached = this.#checkpoints.get(log.name)
    if (cached?.size === log.size) return cached.note
    const note = this.signer(log.name).checkpoint(log.size, log.root)
    this.#checkpoints.set(log.name, { size: log.size, note })
    return note
  }

  /** Makes the keys of a ledger that is about to be created. */
  async prepare(ledger: string): Promise<Signer> {
    const { keys, origin } = this.#options
    return await keys.prepare(ledger, origin(ledger), ledger === 'heads' ? 'with ML-DSA-44' : 'Ed25519')
  }

  /** Makes an ML-DSA-44 key for a ledger that has none; `activate` takes it into use. */
  async prepareMldsa44(ledger: string): Promise<string> {
    await this.finish(ledger)
    const { keys, origin } = this.#options
    return (await keys.prepareMldsa44(ledger, origin(ledger))).mldsaVkey!
  }

  /** Drops keys that were never named. */
  async dropPending(): Promise<void> {
    await this.#options.keys.dropPending()
  }

  /** Takes the keys that `system` names into use. `signed` are keys that a start has believed something of. */
  async activate(log: Log, { periods, origin }: KeyHistory, signed: readonly string[]): Promise<void> {
    const named = periods.at(-1)
    assert(named !== undefined)
    const { signer, isSettled, former } = await this.#options.keys.load(log.name, origin, named)
    for (const vkey of signed) {
      if (vkey === signer.vkey || vkey === former?.vkey) continue
      const what = `what a start believed was signed by a key of ${log.name} that system does not name, ${vkey}`
      throw new KeyFault(`${what}: somebody put it into ${this.#options.keys.directory}/pending. Move it away`)
    }
    await demandEnds(log, periods)
    this.#checkpoints.delete(log.name)
    this.#rings.set(log.name, { signer, periods, ...(isSettled ? {} : { unsettled: former ?? 'none' }) })
  }

  /** Makes keys that are to follow those of a ledger. */
  async prepareNext(ledger: string): Promise<Signer> {
    // Where the last one's file still waits, it must not be overwritten.
    await this.finish(ledger)
    return await this.prepare(ledger)
  }

  /** The statement by which the keys of a ledger, as it is now, are followed by `next`. */
  statement(log: Log, next: Signer): string {
    assert(log.reservedSize === log.size, 'a rotation is made while nothing else is on its way')
    return rotationNote(this.signer(log.name), next, log)
  }

  /** From now on, `next` signs: the statement that names it is durable. */
  replace(ledger: string, next: Signer, periods: readonly KeyPeriod[]): void {
    this.#rings.set(ledger, { signer: next, periods, unsettled: this.signer(ledger) })
    this.#checkpoints.delete(ledger)
  }

  /** Does what is left of a change of keys, if anything is. */
  async finish(ledger: string): Promise<void> {
    const { signer, periods, unsettled } = this.#ring(ledger)
    if (unsettled === undefined) return
    if (ledger === 'heads' && unsettled !== 'none' && unsettled.vkey !== signer.vkey) await this.#options.signAgain()
    await this.#options.keys.settle(ledger)
    this.#rings.set(ledger, { signer, periods })
  }

  #ring(ledger: string): Ring {
    const ring = this.#rings.get(ledger)
    assert(ring !== undefined, `ledger ${ledger} is not open`)
    return ring
  }
}

/** What rotations say of a ledger must be what it was: else they are of another history. */
async function demandEnds(log: Log, periods: readonly KeyPeriod[]): Promise<void> {
  for (const { until } of periods) {
    if (until === undefined) continue
    const found = until.size > log.size ? undefined : await rootAt(until.size, log.hashes)
    if (found !== undefined && Buffer.from(found).equals(until.root)) continue
    const is = found === undefined ? `${log.size} entries` : endWords({ size: until.size, root: found })
    throw new KeyFault(`a rotation of the keys of ${log.name} says ${endWords(until)}, the data has ${is}`)
  }
}
