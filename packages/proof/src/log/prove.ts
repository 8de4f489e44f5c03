// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Proofs in the Merkle tree of RFC 6962 section 2.1, made out of tiles. Prover and verifier take the same walk from the
// root to a leaf or an old edge, so what is to be read is known before the first hash is.

import { EMPTY_ROOT, HASH_BYTES, hashNode, hashNodeInto, type Hash, type NodeHasher } from '../hash.ts'
import { checkSize, demand } from '../inner.ts'
import { checkSizes, checkSubtree, inclusionWalk, TILE_WIDTH, walk, type Range } from '../tree.ts'
import { completeSubtrees, Frontier, TILE_HEIGHT, type Subtree } from './frontier.ts'

/**
 * Reads `count` hashes of tile level `tileLevel` from number `start` on: `count * 32` bytes. Hash i of level l is the
 * root of the leaves [i * 256^l, (i + 1) * 256^l) (C2SP tlog-tiles, "Merkle Tree"). One call never leaves one tile.
 */
export type HashReader = (tileLevel: number, start: number, count: number) => Promise<Uint8Array>

/**
 * Gives the roots of complete subtrees, each of the leaves [position * 2^height, (position + 1) * 2^height), in the order
 * in which it is asked: for whoever keeps more of a tree than its tiles.
 */
export type SubtreeReader = (subtrees: readonly Subtree[]) => Promise<readonly Hash[]>

/** Root of the first `size` leaves. Throws `size-out-of-range`, `hashes-length` where the reader answers short. */
export async function rootAt(size: number, read: HashReader): Promise<Hash> {
  if (checkSize(size) === 0) return EMPTY_ROOT.slice()
  const [root] = await rangeHashes([{ start: 0, end: size }], fromTiles(read))
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
  for (const [i, hash] of (await rangeHashes(ranges, fromTiles(read))).entries()) hashes.set(hash, i * HASH_BYTES)
  return Frontier.from(size, hashes, hashNode)
}

/**
 * Inclusion proof (RFC 6962 section 2.1.1) of leaf `index` in the tree of `size` leaves: 32-byte hashes from the
 * leaf's sibling up. Reads at most one tile a level where `edge` is that tree's right edge, else at most two. Throws
 * `index-out-of-range` and as `rootAt`.
 */
export async function inclusionProof(index: number, size: number, read: HashReader, edge?: Frontier): Promise<Hash[]> {
  return await inclusionProofBySubtrees(index, size, fromTiles(read), edge)
}

/** The same of a tree whose subtrees are at hand. Throws `index-out-of-range`, and what `read` throws. */
export async function inclusionProofBySubtrees(
  index: number,
  size: number,
  read: SubtreeReader,
  edge?: Frontier,
): Promise<Hash[]> {
  return await rangeHashes(inclusionWalk(index, 0, checkSize(size)), read, edge?.size === size ? edge : undefined)
}

/** As `inclusionProof`, within the subtree of the leaves [start, end). Throws `size-out-of-range` where it is none. */
export async function subtreeInclusionProof(
  index: number,
  start: number,
  end: number,
  read: HashReader,
): Promise<Hash[]> {
  return await rangeHashes(inclusionWalk(index, start, end), fromTiles(read))
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
  return await rangeHashes(seed === undefined ? siblings : [seed, ...siblings], fromTiles(read))
}

/** The hash of each range; out of `edge` where the range is some of its subtrees, up to its end. */
async function rangeHashes(ranges: readonly Range[], read: SubtreeReader, edge?: Frontier): Promise<Hash[]> {
  const starts = completeSubtrees(0, edge?.size ?? 0).map(({ height, position }) => position * 2 ** height)
  const known = ranges.map(({ start, end }) => {
    return end === edge?.size && starts.includes(start) ? edge.root(start) : undefined
  })
  const parts = ranges.map(({ start, end }, i) => (known[i] === undefined ? completeSubtrees(start, end) : []))
  const roots = await read(parts.flat())
  let at = 0
  return parts.map(({ length }, i) => {
    at += length
    return known[i] ?? roots.slice(at - length, at).reduceRight((right, left) => hashNode(left, right))
  })
}

/** Subtrees out of tiles each of which is read once, all at the same time. */
function fromTiles(read: HashReader): SubtreeReader {
  return async (subtrees) => {
    const spans = subtrees.map(spanBelow)
    const needed = new Map<string, Span>()
    for (const span of spans) {
      const { level, start, end } = needed.get(tileOf(span)) ?? span
      needed.set(tileOf(span), { level, start: Math.min(start, span.start), end: Math.max(end, span.end) })
    }
    const tiles = new Map(
      await Promise.all(
        [...needed].map(async ([tile, span]) => [tile, { ...span, hashes: await readSpan(span, read) }] as const),
      ),
    )
    return spans.map((span) => {
      const { start, hashes } = tiles.get(tileOf(span))!
      return fold(hashes.subarray((span.start - start) * HASH_BYTES, (span.end - start) * HASH_BYTES))
    })
  }
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
