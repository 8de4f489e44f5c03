// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Tree hashes in rows of 32 bytes, by a hash that is handed in.

import { EMPTY_ROOT, equalBytes, HASH_BYTES, TILE_WIDTH } from '../src/index.ts'
import type { Hasher } from './files.ts'

const WORD_BYTES = 4

/** The root of a perfect subtree, and how many leaves are below it. */
export interface Subtree {
  readonly hash: Uint8Array
  readonly leafCount: number
}

/** Hashes nodes of one tree: it has a node's bytes in a place of its own. */
export class Nodes {
  readonly #hasher: Hasher
  readonly #node = new Uint8Array(1 + 2 * HASH_BYTES).fill(1)

  constructor(hasher: Hasher) {
    this.#hasher = hasher
  }

  /** The root over `count` hashes from number `start` on; `count` is a power of two. */
  perfectRoot(hashes: Uint8Array, start: number, count: number): Uint8Array {
    let row = hashes.subarray(start * HASH_BYTES, (start + count) * HASH_BYTES)
    if (this.#hasher.rows !== undefined) return this.#hasher.rows.fold(row, count)
    for (let left = count; left > 1; left /= 2) {
      // In place once it is a row of its own: a node is written where it was read, or before that.
      const above: Uint8Array = left === count ? new Uint8Array((left / 2) * HASH_BYTES) : row
      for (let node = 0; node < left / 2; node++) {
        this.#node.set(row.subarray(2 * node * HASH_BYTES, 2 * (node + 1) * HASH_BYTES), 1)
        this.#hasher.into(this.#node, above, node * HASH_BYTES)
      }
      row = above
    }
    return row.slice(0, HASH_BYTES)
  }

  /** The perfect subtrees that make up a row of hashes, each of which stands for `below` leaves. */
  subtrees(hashes: Uint8Array, below: number): Subtree[] {
    const subtrees: Subtree[] = []
    const total = hashes.length / HASH_BYTES
    for (let at = 0; at < total;) {
      const count = 2 ** Math.floor(Math.log2(total - at))
      subtrees.push({ hash: this.perfectRoot(hashes, at, count), leafCount: count * below })
      at += count
    }
    return subtrees
  }

  /** The root of the tree that these subtrees make up from the left. */
  root(subtrees: readonly Subtree[]): Uint8Array {
    const edge: Subtree[] = []
    for (let next of subtrees) {
      for (let last = edge.at(-1); last?.leafCount === next.leafCount; last = edge.at(-1)) {
        edge.pop()
        next = { hash: this.#joined(last.hash, next.hash), leafCount: 2 * next.leafCount }
      }
      edge.push(next)
    }
    const [smallest, ...larger] = edge.toReversed()
    if (smallest === undefined) return EMPTY_ROOT.slice()
    return larger.reduce((root, { hash }) => this.#joined(hash, root), smallest.hash)
  }

  /** One hash a whole tile of a row. */
  folded(hashes: Uint8Array): Uint8Array {
    const count = Math.floor(hashes.length / HASH_BYTES / TILE_WIDTH)
    const above = new Uint8Array(count * HASH_BYTES)
    for (let at = 0; at < count; at++) {
      above.set(this.perfectRoot(hashes, at * TILE_WIDTH, TILE_WIDTH), at * HASH_BYTES)
    }
    return above
  }

  #joined(left: Uint8Array, right: Uint8Array): Uint8Array {
    const hash = new Uint8Array(HASH_BYTES)
    this.#node.set(left, 1)
    this.#node.set(right, 1 + HASH_BYTES)
    this.#hasher.into(this.#node, hash, 0)
    return hash
  }
}

/** Whether two rows of hashes are alike: by words, for there are as many of them as entries. */
export function isSameRow(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false
  if (one.byteOffset % WORD_BYTES !== 0 || other.byteOffset % WORD_BYTES !== 0) return equalBytes(one, other)
  const [words, others] = [one, other].map(({ buffer, byteOffset, length }) => {
    return new Uint32Array(buffer, byteOffset, length / WORD_BYTES)
  })
  for (let at = 0; at < words!.length; at++) if (words![at] !== others![at]) return false
  return true
}
