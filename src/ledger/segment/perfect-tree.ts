// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Roots of trees that are perfect or made of perfect ones: what a segment's hashes are held against each other by. */
import { EMPTY_ROOT, type NodeHasher } from '@stele/proof'
import { platformRows, type RowHasher } from '../../platform/row-hasher.ts'
import { platformNodeHasher } from '../hash-nodes.ts'
import { HASH_BYTES } from '../wal/format.ts'

/** Leaves below a twig: a leaf is held against its tile's hash by 15 hashes twice, and not by 255. */
export const TWIG_ENTRIES = 16

/** Root over `count` hashes from offset `at` on; `count` is a power of two. */
export function perfectRoot(hashInto: NodeHasher, hashes: Uint8Array, at: number, count: number): Buffer {
  const level = Buffer.from(hashes.subarray(at, at + count * HASH_BYTES))
  for (let left = count; left > 1; left /= 2) {
    for (let node = 0; node < left / 2; node++) {
      hashInto(level, node * HASH_BYTES, level, 2 * node * HASH_BYTES, level, (2 * node + 1) * HASH_BYTES)
    }
  }
  return level.subarray(0, HASH_BYTES)
}

/** The roots over each 16 of the hashes; what is left at the end has none. */
export function twigsOf(leaves: Uint8Array, rows = platformRows): Buffer {
  return asBuffer(rows.fold(leaves, TWIG_ENTRIES))
}

/** What stands above a segment's leaves: the roots over each 16 and each 256 of them, and over all. */
export function hashesAbove(
  leaves: Buffer,
  rows: RowHasher,
): {
  readonly twigs: Buffer
  readonly parents: Buffer
  readonly root: Buffer
} {
  const twigs = twigsOf(leaves, rows)
  // Twigs of a tile are as many as leaves of a twig.
  const parents = asBuffer(rows.fold(twigs, TWIG_ENTRIES))
  const tree = new PerfectTrees()
  const rest = (hashes: Buffer, from: number, count: number) => {
    for (let at = from; at < hashes.length; at += HASH_BYTES) tree.add(hashes.subarray(at, at + HASH_BYTES), count)
  }
  rest(parents, 0, TWIG_ENTRIES ** 2)
  rest(twigs, parents.length * TWIG_ENTRIES, TWIG_ENTRIES)
  rest(leaves, twigs.length * TWIG_ENTRIES, 1)
  return { twigs, parents, root: Buffer.from(tree.root()) }
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

/** A tree that is built of the roots of perfect subtrees, each where a subtree of its height may begin. */
export class PerfectTrees {
  readonly #edge: { readonly height: number; readonly hash: Uint8Array }[] = []
  readonly #hashInto = platformNodeHasher()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Whether a subtree of `count` leaves may come next. */
  takes(count: number): boolean {
    return Number.isInteger(Math.log2(count)) && this.#size % count === 0
  }

  add(hash: Uint8Array, count: number): void {
    let height = Math.log2(count)
    let node = hash
    this.#size += count
    for (let last = this.#edge.at(-1); last?.height === height; last = this.#edge.at(-1)) {
      this.#edge.pop()
      node = this.#joined(last.hash, node)
      height++
    }
    this.#edge.push({ height, hash: node })
  }

  root(): Uint8Array {
    const [smallest, ...larger] = this.#edge.toReversed()
    if (smallest === undefined) return EMPTY_ROOT
    return larger.reduce((root, { hash }) => this.#joined(hash, root), smallest.hash)
  }

  #joined(left: Uint8Array, right: Uint8Array): Uint8Array {
    const node = Buffer.alloc(HASH_BYTES)
    this.#hashInto(node, 0, left, 0, right, 0)
    return node
  }
}
