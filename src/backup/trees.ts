// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The trees of the ledgers that are copied, recomputed from what is copied: what is sealed from the hashes in its
 * segments, what follows from the entries themselves. Where a former backup ended, the tree must have had the root
 * that it had then.
 */
import { EMPTY_ROOT, Frontier, frontierAt } from '@stele/proof'
import { DataFault } from '../ledger/data-fault.ts'
import { SegmentReaders } from '../ledger/sealed-entries.ts'
import { hashesOf } from '../ledger/segment/hashes.ts'
import type { Segment } from '../ledger/segment/segment.ts'
import type { ObjectStore } from '../ledger/store/object-store.ts'
import { HASH_BYTES, type Section, type TableRow } from '../ledger/wal/format.ts'
import { firstBadLeaf } from '../ledger/wal/frame-reader.ts'

export interface TreeHead {
  readonly name: string
  readonly size: number
  /** Hex. */
  readonly root: string
}

/** The ledgers are not those that a backup was made of, only longer. */
export class HistoryFault extends Error {
  override readonly name = 'HistoryFault'
}

export class Trees {
  readonly #edges = new Map<string, Frontier>()
  /** What a former backup had and was not come by yet. */
  readonly #former: Map<string, TreeHead>

  constructor(former: readonly TreeHead[]) {
    this.#former = new Map(former.map((head) => [head.name, head]))
  }

  get heads(): TreeHead[] {
    const heads = [...this.#edges].map(([name, edge]) => ({ name, size: edge.size, root: rootOf(edge) }))
    return heads.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Begins a ledger with what is sealed of it. */
  async begin(head: TreeHead, store: ObjectStore, cover: readonly Segment[]): Promise<void> {
    const { name, size, root } = head
    const readers = new SegmentReaders(store)
    const hashes = hashesOf(cover, async (segment) => (await readers.open(segment)).reader)
    const edge = await frontierAt(size, hashes)
    if (rootOf(edge) !== root) {
      const what = `the segments of ${name} do not have the root that is sealed`
      throw new DataFault(store.where, 0, what, root, rootOf(edge))
    }
    const former = this.#former.get(name)
    if (former !== undefined && former.size <= size) this.#compare(former, await frontierAt(former.size, hashes))
    this.#edges.set(name, edge)
  }

  /** Adds what a frame holds of a ledger; returns what is wrong with it, if something is. */
  add(row: TableRow, sections: readonly Section[]): string | undefined {
    const edge = this.#edges.get(row.ledger) ?? new Frontier()
    this.#edges.set(row.ledger, edge)
    for (const section of sections) {
      const { ledger, first, count, bytes, hashesAt } = section
      if (first !== edge.size) return `${ledger} goes on with entry ${first} and not ${edge.size}`
      const bad = firstBadLeaf(section)
      if (bad !== undefined) return `entry ${first + bad} of ${ledger} does not have its leaf hash`
      for (let position = 0; position < count; position++) edge.append(bytes, hashesAt + position * HASH_BYTES)
    }
    if (edge.size !== row.size || !Buffer.from(edge.root()).equals(row.root)) {
      return `the root of ${row.ledger} does not follow`
    }
    const former = this.#former.get(row.ledger)
    if (former?.size === edge.size) this.#compare(former, edge)
    return undefined
  }

  /** Throws a HistoryFault where a former backup held more. */
  end(): void {
    for (const { name, size } of this.#former.values()) {
      const found = this.#edges.get(name)?.size ?? 0
      if (found < size)
        throw new HistoryFault(`the backup holds ${size} entries of ${name}, and the directory ${found}`)
      throw new HistoryFault(`${name} was never as long as in the backup, ${size} entries, when a commit ended`)
    }
  }

  #compare(former: TreeHead, edge: Frontier): void {
    const { name, size, root } = former
    this.#former.delete(name)
    if (rootOf(edge) === root) return
    throw new HistoryFault(`the first ${size} entries of ${name} are not those of the backup`)
  }
}

function rootOf(edge: Frontier): string {
  return Buffer.from(edge.size === 0 ? EMPTY_ROOT : edge.root()).toString('hex')
}
