// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The tiles of a signed head: each is held against that head's root before anybody sees it, from the top down, so that
 * an entry far inside is as good as the signature, and no more than a tile a level is asked for to reach it.
 *
 * The partial tiles of the edge together give the root; every full tile is below one hash of the next level.
 */
import { equalBytes, Frontier, HASH_BYTES, type HashReader, rootAt, TILE_WIDTH, tileWidthAt } from '@stele/proof'
import { platformNodeHasher } from '../../ledger/hash-nodes.ts'
import { toHex } from '../ledger-replay.ts'
import { ServedFault } from '../served-ledger.ts'

const MAX_KEPT_TILES = 512

export type TileSource = (level: number, index: number, width: number) => Promise<Uint8Array>

/** Tiles that are not those of the signed head. */
export class TileFault extends Error {
  override readonly name = 'TileFault'
  readonly level: number
  readonly index: number
  readonly expected: string
  readonly found: string
  /** What was served in its place. */
  readonly bytes: Uint8Array

  constructor(place: { level: number; index: number; expected: string; found: string; bytes: Uint8Array }) {
    const { level, index, expected, found, bytes } = place
    super(`tile ${level}/${index} is not the one of the signed head: it hashes to ${found}, and ${expected} is signed`)
    this.level = level
    this.index = index
    this.expected = expected
    this.found = found
    this.bytes = bytes
  }
}

export class TrustedTiles {
  readonly size: number
  readonly root: Uint8Array
  readonly #source: TileSource
  readonly #edge = new Map<string, Uint8Array>()
  readonly #kept = new Map<string, Promise<Uint8Array>>()
  readonly #hashNode = platformNodeHasher()

  private constructor(source: TileSource, { size, root }: { readonly size: number; readonly root: Uint8Array }) {
    this.#source = source
    this.size = size
    this.root = root
  }

  /** Fetches the edge and holds it against the root. Throws a TileFault, and what the source throws. */
  static async open(
    source: TileSource,
    head: { readonly size: number; readonly root: Uint8Array },
  ): Promise<TrustedTiles> {
    const tiles = new TrustedTiles(source, head)
    const isRight = (await tiles.#fetchEdge()) || (await tiles.#fetchEdge())
    if (isRight) return tiles
    const [lowest] = tiles.#edge
    const [level = 0, index = 0] = lowest?.[0].split('/').map(Number) ?? []
    const found = toHex(await rootAt(head.size, tiles.#readEdge))
    throw new TileFault({ level, index, expected: toHex(head.root), found, bytes: lowest?.[1] ?? new Uint8Array(0) })
  }

  /** All hashes of a tile that the tree has. Throws a TileFault, and what the source throws. */
  async tile(level: number, index: number): Promise<Uint8Array> {
    const key = `${level}/${index}`
    const edge = this.#edge.get(key)
    if (edge !== undefined) return edge
    const kept = this.#kept.get(key) ?? this.#full(level, index)
    // Put behind the others again, so that the first is the one that was not used for longest.
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT_TILES && oldest !== undefined) this.#kept.delete(oldest)
    try {
      return await kept
    } catch (error) {
      this.#kept.delete(key)
      throw error
    }
  }

  /** Reads hashes for roots and proofs of this tree and of its earlier sizes. */
  readonly read: HashReader = async (level, start, count) => {
    const index = Math.floor(start / TILE_WIDTH)
    const from = (start - index * TILE_WIDTH) * HASH_BYTES
    return (await this.tile(level, index)).subarray(from, from + count * HASH_BYTES)
  }

  readonly #readEdge: HashReader = async (level, start, count) => {
    const index = Math.floor(start / TILE_WIDTH)
    const from = (start - index * TILE_WIDTH) * HASH_BYTES
    return (this.#edge.get(`${level}/${index}`) ?? new Uint8Array(0)).subarray(from, from + count * HASH_BYTES)
  }

  async #fetchEdge(): Promise<boolean> {
    const partial = []
    for (let level = 0; TILE_WIDTH ** level <= this.size; level++) {
      const index = Math.floor(this.size / TILE_WIDTH ** (level + 1))
      const width = tileWidthAt(this.size, level, index)
      if (width > 0) partial.push({ level, index, width })
    }
    const fetched = await Promise.all(
      partial.map(async ({ level, index, width }) => await this.#fetch(level, index, width)),
    )
    for (const [position, { level, index }] of partial.entries())
      this.#edge.set(`${level}/${index}`, fetched[position]!)
    return equalBytes(await rootAt(this.size, this.#readEdge), this.root)
  }

  async #full(level: number, index: number): Promise<Uint8Array> {
    const parent = await this.read(level + 1, index, 1)
    let bytes = await this.#fetch(level, index, TILE_WIDTH)
    // A wrong answer may have been a cache on the way: the second one counts.
    if (!equalBytes(this.#hashOf(bytes), parent)) bytes = await this.#fetch(level, index, TILE_WIDTH)
    const found = this.#hashOf(bytes)
    if (equalBytes(found, parent)) return bytes
    throw new TileFault({ level, index, expected: toHex(parent), found: toHex(found), bytes })
  }

  async #fetch(level: number, index: number, width: number): Promise<Uint8Array> {
    const bytes = await this.#source(level, index, width)
    if (bytes.length === width * HASH_BYTES) return bytes
    throw new ServedFault(`tile ${level}/${index} has ${bytes.length} bytes, not ${width * HASH_BYTES}`)
  }

  #hashOf(tile: Uint8Array): Uint8Array {
    const frontier = new Frontier(this.#hashNode)
    for (let at = 0; at < tile.length; at += HASH_BYTES) frontier.append(tile, at)
    return frontier.root()
  }
}
