// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Proofs in the Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1), verified. How many hashes a proof has is known
// before the first one is read. Sizes and indexes are safe integers, so no 32-bit operator touches them.

import { EMPTY_ROOT, equalBytes, HASH_BYTES, hashNode, type Hash } from './hash.ts'
import { checkSize, demand } from './inner.ts'

/** Hashes of one tile, and the factor between the leaves below one hash of a level and of the next. */
export const TILE_WIDTH = 256

/** A proof: the hashes of a path, the leaf's or the old tree's sibling first. */
export type Path = readonly Hash[]

/** The leaves [start, end): always a node of some tree, so `start` is a multiple of a power of two >= their number. */
export interface Range {
  readonly start: number
  readonly end: number
}

/**
 * Checks that the leaf with the hash `leafHash` is at `index` of the tree of `size` leaves and root `root`
 * (RFC 9162 section 2.1.3.2). Throws `index-out-of-range`, `size-out-of-range`, `hash-length`, `proof-length`
 * before anything is hashed, and `root-mismatch`.
 */
export function verifyInclusion(leafHash: Hash, index: number, size: number, proof: Path, root: Hash): void {
  verifySubtreeInclusion(leafHash, index, 0, size, proof, root)
}

/** As `verifyInclusion`, within the subtree of the leaves [start, end), whose root is `root`. Throws as `verifyInclusion`. */
export function verifySubtreeInclusion(
  leafHash: Hash,
  index: number,
  start: number,
  end: number,
  proof: Path,
  root: Hash,
): void {
  const siblings = inclusionWalk(index, start, end)
  checkHashes(proof, siblings.length, [leafHash, root])
  let hash = leafHash
  for (const [i, sibling] of siblings.entries()) {
    hash = sibling.start > index ? hashNode(hash, proof[i]!) : hashNode(proof[i]!, hash)
  }
  const isRoot = equalBytes(hash, root)
  demand(isRoot, 'root-mismatch', `the proof does not lead from leaf ${index} to the root of size ${end}`)
}

/**
 * Checks that the tree of `oldSize` leaves and root `oldRoot` is a prefix of the tree of `size` leaves and root `root`
 * (RFC 9162 section 2.1.4.2). With `oldSize` 0 the proof must be empty and `oldRoot` the empty root; with equal sizes
 * the proof must be empty and the roots equal. Throws as `verifyInclusion`.
 */
export function verifyConsistency(oldSize: number, oldRoot: Hash, size: number, root: Hash, proof: Path): void {
  checkSizes(oldSize, size)
  if (oldSize > 0) return verifySubtreeConsistency(0, oldSize, oldRoot, size, root, proof)
  checkHashes(proof, 0, [oldRoot, root])
  demandPart(equalBytes(oldRoot, EMPTY_ROOT) && (size > 0 || equalBytes(root, EMPTY_ROOT)), 0, 0, size)
}

/**
 * Checks that the subtree of the leaves [start, end) and root `subtreeRoot` is part of the tree of `size` leaves and root
 * `root` (draft-ietf-plants-merkle-tree-certs section 4.4.3). Throws as `verifyInclusion`.
 */
export function verifySubtreeConsistency(
  start: number,
  end: number,
  subtreeRoot: Hash,
  size: number,
  root: Hash,
  proof: Path,
): void {
  checkSizes(end, size)
  const { seed, siblings } = walk(checkSubtree(start, end), { start: 0, end: size })
  const skipped = seed === undefined ? 0 : 1
  checkHashes(proof, siblings.length + skipped, [subtreeRoot, root])
  let part = seed === undefined ? subtreeRoot : proof[0]!
  let whole = part
  for (const [i, sibling] of siblings.entries()) {
    const hash = proof[i + skipped]!
    // What is of the subtree is hashed into both, the rest into the tree only.
    if (sibling.start >= start && sibling.end <= end) part = hashNode(hash, part)
    whole = sibling.start >= end ? hashNode(whole, hash) : hashNode(hash, whole)
  }
  demandPart(equalBytes(part, subtreeRoot) && equalBytes(whole, root), start, end, size)
}

/**
 * Whether the leaves [start, end) can be a subtree: there is at least one, and `start` is a multiple of the smallest
 * power of two that is not below their number (draft-ietf-plants-merkle-tree-certs section 4.1).
 */
export function isSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start) return false
  return end - start === 1 || start % (2 * splitOf(end - start)) === 0
}

/** The siblings on the way from leaf `index` up to the root of the leaves [start, end). */
export function inclusionWalk(index: number, start: number, end: number): Range[] {
  const isIndex = Number.isSafeInteger(index) && index >= start && index < checkSize(end)
  demand(isIndex, 'index-out-of-range', `the index must be below the size: ${index} of ${end}`, { field: 'index' })
  return walk({ start: index, end: index + 1 }, checkSubtree(start, end)).siblings
}

/**
 * From the root of `tree` down to `part`, a subtree within it: the siblings passed by, lowest first. Where `part` is no
 * node of the tree, its complete nodes on the left are passed by too, and `seed` is its last complete node, where the
 * walk ends; else the walk ends at `part`, whose root the verifier has already, and `seed` is undefined.
 */
export function walk(part: Range, tree: Range): { seed: Range | undefined; siblings: Range[] } {
  let node = tree
  let { start } = part
  const siblings: Range[] = []
  while (node.start !== start || node.end !== part.end) {
    const middle = node.start + splitOf(node.end - node.start)
    const left = { start: node.start, end: middle }
    const right = { start: middle, end: node.end }
    const isLeft = part.end <= middle
    if (!isLeft && start < middle) start = middle
    siblings.push(isLeft ? right : left)
    node = isLeft ? left : right
  }
  return { seed: start === part.start ? undefined : node, siblings: siblings.reverse() }
}

/** The largest power of two below `count`, which is at least 2. */
function splitOf(count: number): number {
  let split = 1
  while (split * 2 < count) split *= 2
  return split
}

/** Throws `size-out-of-range` where these are not sizes, the old one first. */
export function checkSizes(oldSize: number, size: number): void {
  const isOrdered = checkSize(oldSize) <= checkSize(size)
  demand(isOrdered, 'size-out-of-range', `the old size must not be above the new one: ${oldSize}, ${size}`)
}

/** Throws `size-out-of-range` where these leaves are no subtree. */
export function checkSubtree(start: number, end: number): Range {
  demand(isSubtree(start, end), 'size-out-of-range', `the leaves from ${start} to ${end} are no subtree`)
  return { start, end }
}

function checkHashes(proof: Path, count: number, roots: Path): void {
  demand(proof.length === count, 'proof-length', `the proof must have ${count} hashes and has ${proof.length}`)
  const position = proof.findIndex((hash) => hash.length !== HASH_BYTES)
  const isWhole = position < 0 && roots.every((hash) => hash.length === HASH_BYTES)
  demand(isWhole, 'hash-length', 'a hash must have 32 bytes', position < 0 ? {} : { position })
}

function demandPart(isPart: boolean, start: number, end: number, size: number): void {
  const part = start === 0 ? `tree of size ${end}` : `subtree from ${start} to ${end}`
  const relation = start === 0 ? 'the start' : 'a part'
  demand(isPart, 'root-mismatch', `the ${part} is not shown to be ${relation} of that of ${size}`)
}
