// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The right edge of the Merkle tree of RFC 6962 section 2.1: what has to be kept to append to it. Sizes are safe
// integers, so no 32-bit operator touches them.

import { EMPTY_ROOT, HASH_BYTES, hashNodeInto, type Hash, type NodeHasher } from '../hash.ts'
import { checkSize, demand } from '../inner.ts'

/** Binary levels of a tile: 256 hashes are 8 levels. */
export const TILE_HEIGHT = 8
/** Heights of complete subtrees in a tree of at most 2^53 - 1 leaves. */
const MAX_HEIGHT = 53

/** Called for each completed subtree of 256^tileLevel leaves; `hash` is valid at `offset`, during the call only. */
export type SubtreeListener = (tileLevel: number, hash: Uint8Array, offset: number) => void

/** The right edge of a tree: the roots of its complete subtrees, largest first. Enough to append and to know the root. */
export class Frontier {
  #size = 0
  /** One slot of 32 bytes a height; the slot is in use where the binary digit of `size` is 1. */
  readonly #slots = new Uint8Array(MAX_HEIGHT * HASH_BYTES)
  readonly #used = new Uint8Array(MAX_HEIGHT)
  readonly #carry = new Uint8Array(HASH_BYTES)
  readonly #hashNode: NodeHasher

  /** An empty tree. */
  constructor(hashNode: NodeHasher = hashNodeInto) {
    this.#hashNode = hashNode
  }

  /** Builds the edge of a tree of `size` leaves from what `hashes()` gave. Throws `size-out-of-range`, `hashes-length`. */
  static from(size: number, hashes: Uint8Array, hashNode?: NodeHasher): Frontier {
    const edge = new Frontier(hashNode)
    const subtrees = completeSubtrees(0, checkSize(size))
    const expected = `an edge of ${subtrees.length} hashes is expected for the size ${size}`
    demand(hashes.length === subtrees.length * HASH_BYTES, 'hashes-length', expected)
    for (const [i, { height }] of subtrees.entries()) {
      edge.#slots.set(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), height * HASH_BYTES)
      edge.#used[height] = 1
    }
    edge.#size = size
    return edge
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size
  }

  /** Appends a leaf, given its 32-byte hash at `offset` of `leaf`. Throws `hash-length`, `size-out-of-range`. */
  append(leaf: Uint8Array, offset = 0, emit?: SubtreeListener): void {
    demand(offset + HASH_BYTES <= leaf.length, 'hash-length', 'a leaf hash has 32 bytes', { offset })
    checkSize(this.#size + 1)
    if (this.#used[0] === 0) {
      copyHash(this.#slots, 0, leaf, offset)
      this.#used[0] = 1
    } else {
      this.#hashNode(this.#carry, 0, this.#slots, 0, leaf, offset)
      this.#carryUp(emit)
    }
    this.#size += 1
  }

  /** Root of the tree; with `start`, of the leaves from there on, which is where one of its complete subtrees begins. */
  root(start = 0): Hash {
    if (this.#size === 0) return EMPTY_ROOT.slice()
    const root = new Uint8Array(HASH_BYTES)
    let isBegun = false
    let first = this.#size
    for (let height = 0; height < MAX_HEIGHT && first > start; height++) {
      if (this.#used[height] === 0) continue
      if (isBegun) this.#hashNode(root, 0, this.#slots, height * HASH_BYTES, root, 0)
      else copyHash(root, 0, this.#slots, height * HASH_BYTES)
      isBegun = true
      first -= 2 ** height
    }
    return root
  }

  /** The edge for `Frontier.from`: 32 bytes for each complete subtree, the largest first. */
  hashes(): Uint8Array {
    const hashes: number[] = []
    for (let height = MAX_HEIGHT - 1; height >= 0; height--) {
      if (this.#used[height] === 1) hashes.push(...this.#slots.subarray(height * HASH_BYTES, (height + 1) * HASH_BYTES))
    }
    return Uint8Array.from(hashes)
  }

  /** A copy that later appends to this one don't touch. */
  snapshot(): Frontier {
    const copy = new Frontier(this.#hashNode)
    copy.#slots.set(this.#slots)
    copy.#used.set(this.#used)
    copy.#size = this.#size
    return copy
  }

  #carryUp(emit: SubtreeListener | undefined): void {
    this.#used[0] = 0
    let height = 1
    for (;;) {
      if (emit !== undefined && height % TILE_HEIGHT === 0) emit(height / TILE_HEIGHT, this.#carry, 0)
      if (this.#used[height] === 0) break
      this.#hashNode(this.#carry, 0, this.#slots, height * HASH_BYTES, this.#carry, 0)
      this.#used[height] = 0
      height += 1
    }
    copyHash(this.#slots, height * HASH_BYTES, this.#carry, 0)
    this.#used[height] = 1
  }
}

/** The leaves [position * 2^height, (position + 1) * 2^height). */
export interface Subtree {
  readonly height: number
  readonly position: number
}

/** The complete subtrees that make up [start, end), largest first. `start` is a multiple of the largest one. */
export function completeSubtrees(start: number, end: number): Subtree[] {
  const subtrees: Subtree[] = []
  let at = start
  for (let height = MAX_HEIGHT - 1; height >= 0; height--) {
    const leaves = 2 ** height
    if (end - at < leaves) continue
    subtrees.push({ height, position: at / leaves })
    at += leaves
  }
  return subtrees
}

function copyHash(to: Uint8Array, toOffset: number, from: Uint8Array, fromOffset: number): void {
  for (let i = 0; i < HASH_BYTES; i++) to[toOffset + i] = from[fromOffset + i]!
}
