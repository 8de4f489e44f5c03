// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The keys of a ledger over time. What the server tells of them is held against the signed statements by which one key
// names the next; whether the first of them is the ledger's own, only a key that came another way shows.

import {
  ALG_ED25519,
  consistencyProof,
  ed25519Verifier,
  type HashReader,
  type KeyPeriod,
  openByPeriods,
  parseVkey,
  ProofError,
  verifyConsistency,
  verifyRotations,
} from '@stele/proof'

import { held, type Pins } from './answers.ts'
import { SteleError, untrustworthy } from './error.ts'
import { Fields } from './fields.ts'

/** A key, and the sizes of the ledger at which it came into force and was followed by another. */
export interface LedgerKey {
  readonly vkey: string
  readonly since: number
  /** Absent of a key in force. */
  readonly until?: number
}

export interface LedgerKeys {
  readonly origin: string
  /** The oldest first; of a ledger that has an ML-DSA-44 key, that behind the Ed25519 key of its time. */
  readonly keys: readonly LedgerKey[]
  /** Signed notes, the oldest first. */
  readonly rotations: readonly string[]
}

/** Reads the keys of a ledger: they must be those that the rotations lead through. */
export async function readLedgerKeys(value: unknown, ledger: string): Promise<LedgerKeys> {
  const fields = new Fields('the keys', value)
  const origin = fields.text('origin')
  const keys = fields.list('keys').map(readKey)
  const rotations = fields.texts('rotations')
  if (!/^[!-~]+\/[!-~]+$/.test(origin) || !origin.endsWith(`/${ledger}`)) {
    throw untrustworthy(`the keys of ${ledger} are of ${origin}`)
  }
  await held(`the keys of ${ledger}`, async () => {
    const parsed = keys.map((key) => ({ key, ...parseVkey(key.vkey) }))
    if (parsed.some(({ name }) => name !== origin)) throw untrustworthy(`a key of ${ledger} is of another origin`)
    const own = parsed.filter(({ alg }) => alg === ALG_ED25519).map(({ key }) => key)
    if (own[0] === undefined || own[0] !== keys[0]) throw untrustworthy(`${ledger} has no Ed25519 key`)
    const periods = await verifyRotations(own[0].vkey, rotations)
    if (keys[0]?.since !== 0) throw untrustworthy(`the first key of ${ledger} is not its first`)
    const beside = keys.filter((key) => !own.includes(key))
    for (const [position, period] of periods.entries()) demandPeriod(period, own[position], beside)
    const isTold = (key: LedgerKey) => periods.some((period) => isOf(period, key))
    if (own.length !== periods.length || !beside.every(isTold)) {
      throw untrustworthy(`the keys of ${ledger} are not those that its rotations name`)
    }
    const vkeys = new Set(keys.map(({ vkey }) => vkey))
    if (vkeys.size < keys.length || beside.length > periods.length)
      throw untrustworthy(`a key of ${ledger} is there twice`)
  })
  return { origin, keys, rotations }
}

function readKey(value: unknown): LedgerKey {
  const fields = new Fields('a key', value)
  const until = fields.has('until') ? { until: fields.whole('until') } : {}
  return { vkey: fields.text('vkey'), since: fields.whole('since'), ...until }
}

function demandPeriod(period: KeyPeriod, key: LedgerKey | undefined, beside: readonly LedgerKey[]): void {
  const { vkey, mldsaVkey } = period
  const isNamed = mldsaVkey === undefined || beside.some((other) => other.vkey === mldsaVkey && isOf(period, other))
  if (key?.vkey === vkey && isOf(period, key) && isNamed) return
  throw untrustworthy('the keys are not those that the rotations name')
}

function isOf({ from, until }: KeyPeriod, key: LedgerKey): boolean {
  return key.since === from && key.until === until?.size
}

export interface KeysSource {
  /** Rotations as the server tells them. */
  rotations(ledger: string): Promise<readonly string[]>
  /** Hashes of the ledger's tree of `size` entries, not checked. */
  hashes(ledger: string, size: number): HashReader
}

/**
 * Keys that came from elsewhere than the server. Where a checkpoint is not of such a key, the rotations are asked for,
 * and believed as far as they lead from it. A head of a retired key counts only as the start of what that key ended with.
 */
export class PinnedKeys implements Pins {
  readonly #pinned: readonly KeyPeriod[]
  readonly #source: KeysSource
  /** By origin, once rotations have been followed. */
  readonly #followed = new Map<string, readonly KeyPeriod[]>()

  /** Throws a ProofError for what is no Ed25519 key. */
  constructor(vkeys: readonly string[], source: KeysSource) {
    for (const vkey of vkeys) ed25519Verifier(vkey)
    this.#pinned = vkeys.map((vkey) => ({ vkey, from: 0 }))
    this.#source = source
  }

  async demandAmong(vkeys: readonly string[], origin: string, ledger: string): Promise<void> {
    const own = this.#pinned.filter(({ vkey }) => parseVkey(vkey).name === origin)
    if (own.length === 0 || own.some(({ vkey }) => vkeys.includes(vkey))) return
    const other = new ProofError('signature-missing', `the ledger ${ledger} has another key than the pinned one`)
    const known = this.#followed.get(origin)?.at(-1)
    if (known !== undefined && vkeys.includes(known.vkey)) return
    const periods = await this.#follow(own, origin, ledger, other)
    if (!vkeys.includes(periods.at(-1)?.vkey ?? '')) throw other
  }

  /** Throws a ProofError or an untrustworthy SteleError where none of them stands behind the checkpoint. */
  async demand(note: Uint8Array, origin: string, ledger: string): Promise<void> {
    if (this.#pinned.length === 0) return
    const own = this.#pinned.filter(({ vkey }) => parseVkey(vkey).name === origin)
    // A checkpoint of another origin than the pinned keys' is nobody's.
    const known = this.#followed.get(origin) ?? (own.length > 0 ? own : this.#pinned)
    const { checkpoint, period } = await openByPeriods(note, known).catch(async (error: unknown) => {
      const isOther = error instanceof ProofError && error.code === 'signature-missing' && own.length > 0
      if (!isOther) throw error
      return await openByPeriods(note, await this.#follow(own, origin, ledger, error))
    })
    if (period.until === undefined) return
    const { size, root } = period.until
    const read = this.#source.hashes(ledger, size)
    const proof = checkpoint.size === 0 ? [] : await consistencyProof(checkpoint.size, size, read)
    verifyConsistency(checkpoint.size, checkpoint.root, size, root, proof)
  }

  /** Demands of the keys that a ledger is said to have had that a pinned one is among them. */
  demandPinned({ origin, keys }: LedgerKeys): void {
    const own = this.#pinned.filter((pin) => parseVkey(pin.vkey).name === origin)
    if (own.length === 0 || keys.some(({ vkey }) => own.some((pin) => pin.vkey === vkey))) return
    throw untrustworthy(`the pinned key of ${origin} is not among its keys`)
  }

  async #follow(
    own: readonly KeyPeriod[],
    origin: string,
    ledger: string,
    before: ProofError,
  ): Promise<readonly KeyPeriod[]> {
    const rotations = await this.#source.rotations(ledger).catch((error: unknown) => {
      // A server of before has none to tell.
      throw error instanceof SteleError && error.status === 404 ? before : error
    })
    let fault: unknown = before
    for (const { vkey } of own) {
      try {
        const periods = await verifyRotations(vkey, rotations)
        this.#followed.set(origin, periods)
        return periods
      } catch (error) {
        if (!(error instanceof ProofError)) throw error
        fault = error
      }
    }
    throw fault
  }
}
