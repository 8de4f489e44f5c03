// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Proofs in the Merkle tree of RFC 6962 section 2.1 (RFC 9162 section 2.1), made and verified.
// Prover and verifier take the same walk from the root to a leaf or an old edge; the number of hashes that this walk
// needs is known before the first one is read. Sizes and indexes are safe integers, so no 32-bit operator touches them.

import { demand } from './error.ts'
import { checkSize, completeSubtrees, Frontier, type Subtree, TILE_HEIGHT } from './frontier.ts'
import { EMPTY_ROOT, equalBytes, HASH_BYTES, hashNode, hashNodeInto, type Hash, type NodeHasher } from './hash.ts'

/** Hashes of one tile, and the factor between the leaves below one hash of a level and of the next. */
export const TILE_WIDTH = 256

/**
 * Reads `count` hashes of tile level `tileLevel` from number `start` on: `count * 32` bytes. Hash i of level l is the
 * root of the leaves [i * 256^l, (i + 1) * 256^l) (C2SP tlog-tiles, "Merkle Tree"). One call never leaves one tile.
 */
export type HashReader = (tileLevel: number, start: number, count: number) => Promise<Uint8Array>

/** A proof: the hashes of a path, the leaf's or the old tree's sibling first. */
export type Path = readonly Hash[]

/** Root of the first `size` leaves. Throws `size-out-of-range`, `hashes-length` where the reader answers short. */
export async function rootAt(size: number, read: HashReader): Promise<Hash> {
  if (checkSize(size) === 0) return EMPTY_ROOT.slice()
  const [root] = await rangeHashes([{ start: 0, end: size }], read)
  return root!
}

/** Right edge of the tree of the first `size` leaves, to append from there. Throws as `rootAt`. */
export async function frontierAt(size: number, read: HashReader, hashNode?: NodeHasher): Promise<Frontier> {
  const subtrees = completeSubtrees(0, checkSize(size))
  const ranges = subtrees.map(({ height, position }) => ({
    start: position * 2 ** height,
    end: (position + 1) * 2 ** height,
  }))
  const hashes = new Uint8Array(subtrees.length * HASH_BYTES)
  for (const [i, hash] of (await rangeHashes(ranges, read)).entries()) hashes.set(hash, i * HASH_BYTES)
  return Frontier.from(size, hashes, hashNode)
}

/**
 * Inclusion proof (RFC 6962 section 2.1.1) of leaf `index` in the tree of `size` leaves: 32-byte hashes from the
 * leaf's sibling up. Reads one tile a level, two where the right edge isn't one. Throws `index-out-of-range` and as `rootAt`.
 */
export async function inclusionProof(index: number, size: number, read: HashReader): Promise<Hash[]> {
  return await rangeHashes(inclusionWalk(index, { start: 0, end: checkSize(size) }), read)
}

/** As `inclusionProof`, within the subtree of the leaves [start, end). Throws `size-out-of-range` where it is none. */
export async function subtreeInclusionProof(
  index: number,
  start: number,
  end: number,
  read: HashReader,
): Promise<Hash[]> {
  return await rangeHashes(inclusionWalk(index, checkSubtree(start, end)), read)
}

/**
 * Consistency proof (RFC 6962 section 2.1.2) between the trees of `oldSize` and `size` leaves; empty where `oldSize`
 * is 0 or equals `size`. Reads at most two tiles a level. Throws `size-out-of-range` and as `rootAt`.
 */
export async function consistencyProof(oldSize: number, size: number, read: HashReader): Promise<Hash[]> {
  checkSizes(oldSize, size)
  return oldSize === 0 ? [] : await subtreeConsistencyProof(0, oldSize, size, read)
}

/**
 * Proof that the subtree of the leaves [start, end) is part of the tree of `size` leaves
 * (draft-ietf-plants-merkle-tree-certs section 4.4.1, SUBTREE_PROOF). Throws as `consistencyProof`.
 */
export async function subtreeConsistencyProof(
  start: number,
  end: number,
  size: number,
  read: HashReader,
): Promise<Hash[]> {
  checkSizes(end, size)
  const { seed, siblings } = walk(checkSubtree(start, end), { start: 0, end: size })
  return await rangeHashes(seed === undefined ? siblings : [seed, ...siblings], read)
}

/**
 * Checks that the leaf with the hash `leafHash` is at `index` of the tree of `size` leaves and root `root`
 * (RFC 9162 section 2.1.3.2). Throws `index-out-of-range`, `size-out-of-range`, `hash-length`, `proof-length`
 * before anything is hashed, and `root-mismatch`.
 */
export function verifyInclusion(leafHash: Hash, index: number, size: number, proof: Path, root: Hash): void {
  verifyPath(leafHash, index, { start: 0, end: checkSize(size) }, proof, root)
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
  verifyPath(leafHash, index, checkSubtree(start, end), proof, root)
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

/** The leaves [start, end). In this file always a node of some tree: `start` is a multiple of a power of two >= length. */
interface Range {
  readonly start: number
  readonly end: number
}

function verifyPath(leafHash: Hash, index: number, tree: Range, proof: Path, root: Hash): void {
  const siblings = inclusionWalk(index, tree)
  checkHashes(proof, siblings.length, [leafHash, root])
  let hash = leafHash
  for (const [i, sibling] of siblings.entries()) {
    hash = sibling.start > index ? hashNode(hash, proof[i]!) : hashNode(proof[i]!, hash)
  }
  const isRoot = equalBytes(hash, root)
  demand(isRoot, 'root-mismatch', `the proof does not lead from leaf ${index} to the root of size ${tree.end}`)
}

/** The siblings on the way from leaf `index` up to the root of `tree`. */
function inclusionWalk(index: number, tree: Range): Range[] {
  const isIndex = Number.isSafeInteger(index) && index >= tree.start && index < tree.end
  demand(isIndex, 'index-out-of-range', `the index must be below the size: ${index} of ${tree.end}`, { field: 'index' })
  return walk({ start: index, end: index + 1 }, tree).siblings
}

/**
 * From the root of `tree` down to `part`, a subtree within it: the siblings passed by, lowest first. Where `part` is no
 * node of the tree, its complete nodes on the left are passed by too, and `seed` is its last complete node, where the
 * walk ends; else the walk ends at `part`, whose root the verifier has already, and `seed` is undefined.
 */
function walk(part: Range, tree: Range): { seed: Range | undefined; siblings: Range[] } {
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

/** The hash of each range, out of tiles each of which is read once, all at the same time. */
async function rangeHashes(ranges: readonly Range[], read: HashReader): Promise<Hash[]> {
  const parts = ranges.map(({ start, end }) => completeSubtrees(start, end).map(spanBelow))
  const needed = new Map<string, Span>()
  for (const span of parts.flat()) {
    const { level, start, end } = needed.get(tileOf(span)) ?? span
    needed.set(tileOf(span), { level, start: Math.min(start, span.start), end: Math.max(end, span.end) })
  }
  const tiles = new Map(
    await Promise.all(
      [...needed].map(async ([tile, span]) => [tile, { ...span, hashes: await readSpan(span, read) }] as const),
    ),
  )
  return parts.map((spans) => {
    const subtrees = spans.map((span) => {
      const { start, hashes } = tiles.get(tileOf(span))!
      return fold(hashes.subarray((span.start - start) * HASH_BYTES, (span.end - start) * HASH_BYTES))
    })
    return subtrees.reduceRight((right, left) => hashNode(left, right))
  })
}

/** Hashes [start, end) of a tile level, of one tile. */
interface Span extends Range {
  readonly level: number
}

/** The hashes right below a complete subtree, at the next lower tile level. */
function spanBelow({ height, position }: Subtree): Span {
  const count = 2 ** (height % TILE_HEIGHT)
  return { level: Math.floor(height / TILE_HEIGHT), start: position * count, end: (position + 1) * count }
}

function tileOf({ level, start }: Span): string {
  return `${level}/${Math.floor(start / TILE_WIDTH)}`
}

async function readSpan({ level, start, end }: Span, read: HashReader): Promise<Uint8Array> {
  const hashes = await read(level, start, end - start)
  const expected = `${end - start} hashes of level ${level} are expected from number ${start} on`
  demand(hashes.length === (end - start) * HASH_BYTES, 'hashes-length', expected)
  return hashes
}

/** Root over a power of two of hashes. Copies by `new`, because `slice` of a Node Buffer would be a view of the reader's. */
function fold(view: Uint8Array): Hash {
  const hashes = new Uint8Array(view)
  for (let bytes = hashes.length / 2; bytes >= HASH_BYTES; bytes /= 2) {
    for (let at = 0; at < bytes; at += HASH_BYTES) hashNodeInto(hashes, at, hashes, 2 * at, hashes, 2 * at + HASH_BYTES)
  }
  return hashes.slice(0, HASH_BYTES)
}

function checkSizes(oldSize: number, size: number): void {
  const isOrdered = checkSize(oldSize) <= checkSize(size)
  demand(isOrdered, 'size-out-of-range', `the old size must not be above the new one: ${oldSize}, ${size}`)
}

function checkSubtree(start: number, end: number): Range {
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
