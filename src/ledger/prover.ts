// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Makes inclusion proofs. Tiles above the leaves are few and part of every proof: those used last are kept, with all
 * hashes within them, so that none is read or hashed twice. Of the leaves' tiles, which are many, a proof reads of a
 * segment two runs of sixteen hashes. What is kept never turns wrong: a complete subtree never changes, so a tile that
 * was read while it was narrower is good for the subtrees that it had, and is read again for others.
 */
import { type Hash, HASH_BYTES, inclusionProofBySubtrees, type Subtree, TILE_WIDTH } from '@stele/proof'
import { platformNodeHasher } from './hash-nodes.ts'
import type { Log } from './log.ts'

/** Of one ledger with 67 million entries all. */
const KEPT_BYTES = 16 * 1024 * 1024
/** Of one tile with the hashes within it: 256, 128, … 1, and one place that none has. */
const TILE_BYTES = 2 * TILE_WIDTH * HASH_BYTES
const TILE_HEIGHT = 8

/** A tile as it was when it had `width` hashes. */
interface Tile {
  readonly width: number
  /** All rows, from the hashes themselves up; of each only what `width` gives. */
  readonly rows: Buffer
}

/** The subtrees of one tile, and their places in what was asked for. */
interface Part {
  readonly level: number
  readonly tile: number
  readonly subtrees: { readonly subtree: Subtree; readonly place: number }[]
}

export class Prover {
  readonly #maxTiles: number
  readonly #hashInto = platformNodeHasher()
  /** By ledger, level and number; the last used stands last. */
  readonly #tiles = new Map<string, Tile>()

  constructor(keptBytes = KEPT_BYTES) {
    this.#maxTiles = Math.floor(keptBytes / TILE_BYTES)
  }

  /** Bytes of memory that kept tiles take. */
  get heldBytes(): number {
    return this.#tiles.size * TILE_BYTES
  }

  /** Proof of an entry in the tree of `size` entries, from the leaf's sibling up. */
  async inclusion(log: Log, index: number, size: number): Promise<Hash[]> {
    const read = async (subtrees: readonly Subtree[]) => await this.#roots(log, subtrees)
    return await inclusionProofBySubtrees(index, size, read, log.edge)
  }

  async #roots(log: Log, subtrees: readonly Subtree[]): Promise<Hash[]> {
    const roots: Hash[] = []
    await Promise.all(
      partsOf(subtrees).map(async (part) => {
        const found = await this.#rootsIn(log, part)
        for (const [i, { place }] of part.subtrees.entries()) roots[place] = found[i]!
      }),
    )
    return roots
  }

  async #rootsIn(log: Log, { level, tile, subtrees }: Part): Promise<Hash[]> {
    const asked = subtrees.map(({ subtree }) => subtree)
    const sealed = level === 0 ? await log.sealed?.subtrees(tile, asked) : undefined
    if (sealed !== undefined) return sealed
    const spans = asked.map((subtree) => spanOf(subtree))
    const { rows } = await this.#tile(log, level, tile, Math.max(...spans.map(({ end }) => end)))
    return spans.map(({ height, start }) => {
      const at = rowAt(height) + (start / 2 ** height) * HASH_BYTES
      // A copy: what is kept is nobody's to change.
      return new Uint8Array(rows.subarray(at, at + HASH_BYTES))
    })
  }

  /** A tile with at least `width` hashes. */
  async #tile(log: Log, level: number, tile: number, width: number): Promise<Tile> {
    const key = `${log.name} ${level} ${tile}`
    const kept = this.#tiles.get(key)
    const found = kept !== undefined && kept.width >= width ? kept : await this.#read(log, level, tile)
    this.#tiles.delete(key)
    this.#tiles.set(key, found)
    const [oldest] = this.#tiles.keys()
    if (this.#tiles.size > this.#maxTiles && oldest !== undefined) this.#tiles.delete(oldest)
    return found
  }

  async #read(log: Log, level: number, tile: number): Promise<Tile> {
    const first = tile * TILE_WIDTH
    const width = Math.min(TILE_WIDTH, log.hashCount(level) - first)
    const hashes = await log.hashes(level, first, width)
    const rows = Buffer.allocUnsafeSlow(TILE_BYTES)
    rows.set(hashes)
    for (let height = 1; height <= TILE_HEIGHT; height++) {
      const [from, to] = [rowAt(height - 1), rowAt(height)]
      for (let node = 0; node < Math.floor(width / 2 ** height); node++) {
        const left = from + 2 * node * HASH_BYTES
        this.#hashInto(rows, to + node * HASH_BYTES, rows, left, rows, left + HASH_BYTES)
      }
    }
    return { width, rows }
  }
}

/** By tiles: a subtree is within the tile of the level that is next below it. */
function partsOf(subtrees: readonly Subtree[]): Part[] {
  const parts = new Map<string, Part>()
  for (const [place, subtree] of subtrees.entries()) {
    const level = Math.floor(subtree.height / TILE_HEIGHT)
    const tile = Math.floor((subtree.position * 2 ** (subtree.height % TILE_HEIGHT)) / TILE_WIDTH)
    const key = `${level} ${tile}`
    const part = parts.get(key) ?? { level, tile, subtrees: [] }
    part.subtrees.push({ subtree, place })
    parts.set(key, part)
  }
  return [...parts.values()]
}

/** Which hashes of its tile are below a subtree, and how far. */
function spanOf({ height, position }: Subtree): {
  readonly height: number
  readonly start: number
  readonly end: number
} {
  const within = height % TILE_HEIGHT
  const start = (position * 2 ** within) % TILE_WIDTH
  return { height: within, start, end: start + 2 ** within }
}

/** Where the row of hashes at a height begins. */
function rowAt(height: number): number {
  return TILE_BYTES - TILE_BYTES / 2 ** height
}
