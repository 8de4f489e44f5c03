// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What the events of `heads` say of each ledger, by origin: sizes and roots that it had. */
import type { KeyPeriod } from '@stele/proof'
import { toHex } from './ledger-replay.ts'
import { readCheckpoint, type Signatures } from './signatures.ts'

/** The newest statements of a ledger that are kept; older ones are forgotten, so that memory is bounded. */
const MAX_STATEMENTS = 100_000

export interface PublishedHead {
  readonly size: number
  readonly root: string
}

export class HeadsContent {
  readonly #heads = new Map<string, PublishedHead[]>()
  readonly #signatures: Signatures
  readonly #vkeyOf: (origin: string) => string | undefined
  readonly #periodsOf: (origin: string) => Promise<readonly KeyPeriod[]>
  readonly #periods = new Map<string, Promise<readonly KeyPeriod[]>>()

  /** `vkeyOf` tells the key that a ledger has now; `periodsOf` all that it had, and is asked only where it had others. */
  constructor(
    signatures: Signatures,
    vkeyOf: (origin: string) => string | undefined,
    periodsOf: (origin: string) => Promise<readonly KeyPeriod[]>,
  ) {
    this.#signatures = signatures
    this.#vkeyOf = vkeyOf
    this.#periodsOf = periodsOf
  }

  /** Takes the content of an entry of `heads`; resolves to what is wrong with it, if anything is. */
  async add(note: Uint8Array): Promise<string | undefined> {
    const checkpoint = readCheckpoint(note)
    if (typeof checkpoint === 'string') return `it is not a signed checkpoint: ${checkpoint}`
    const { origin, size, root } = checkpoint
    const fault = await this.#fault(note, origin, size)
    if (fault !== undefined) return `the checkpoint of ${origin} in it is not signed by its key: ${fault}`
    const heads = this.#heads.get(origin) ?? []
    this.#heads.set(origin, heads)
    heads.push({ size, root: toHex(root) })
    if (heads.length > 2 * MAX_STATEMENTS) heads.splice(0, MAX_STATEMENTS)
    return undefined
  }

  async #fault(note: Uint8Array, origin: string, size: number): Promise<string | undefined> {
    const vkey = this.#vkeyOf(origin)
    const fault = vkey === undefined ? undefined : await this.#signatures.fault(note, { vkey })
    if (fault === undefined) return undefined
    const periods = this.#periods.get(origin) ?? this.#periodsOf(origin)
    this.#periods.set(origin, periods)
    return await this.#signatures.faultOf(note, size, await periods)
  }

  of(origin: string): readonly PublishedHead[] {
    return this.#heads.get(origin) ?? []
  }
}
