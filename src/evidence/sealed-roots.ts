// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Roots of past sizes of what is sealed of a ledger: from the hashes in its segments, and those above them in memory. */
import { type HashReader, rootAt } from '@stele/proof'
import { ObjectMissing } from '../ledger/store/object-store.ts'

/** Hashes of this level and above are kept in memory: one for 65,536 entries. */
export const KEPT_LEVEL = 2
/** Stands for a root that cannot be computed any more, since entries are missing. */
export const UNKNOWN_ROOT = 'unknown'

/** Hashes of the sealed part of a tree, levels 0 and 1, as segments have them. */
export interface SealedHashes {
  leaves(start: number, count: number): Promise<Buffer>
  parents(start: number, count: number): Promise<Buffer>
}

export class SealedRoots {
  /** Entries that are sealed. */
  readonly size: number
  readonly #hashes: SealedHashes
  readonly #kept: Uint8Array[][] = []

  constructor(size: number, hashes: SealedHashes) {
    this.size = size
    this.#hashes = hashes
  }

  /** Hashes of a level, from `KEPT_LEVEL` on, that have been taken. */
  countOf(level: number): number {
    return this.#kept[level]?.length ?? 0
  }

  /** Takes the next hash of a level; of the lower ones there is no need. */
  keep(level: number, hash: Uint8Array): void {
    if (level >= KEPT_LEVEL) (this.#kept[level] ??= []).push(hash)
  }

  /** Hex; `unknown` where a segment is missing for it. */
  async rootAt(size: number): Promise<string> {
    const read: HashReader = async (level, start, count) => {
      if (level === 0) return await this.#hashes.leaves(start, count)
      if (level < KEPT_LEVEL) return await this.#hashes.parents(start, count)
      return Buffer.concat(this.#kept[level]?.slice(start, start + count) ?? [])
    }
    try {
      return Buffer.from(await rootAt(size, read)).toString('hex')
    } catch (error) {
      if (error instanceof ObjectMissing) return UNKNOWN_ROOT
      throw error
    }
  }
}
