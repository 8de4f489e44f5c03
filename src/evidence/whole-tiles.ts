// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Growing a tree by whole tiles whose hashes are known, instead of by their leaves. */
import { Frontier, type SubtreeListener } from '@stele/proof'
import { platformNodeHasher } from '../ledger/hash-nodes.ts'

export const TILE_WIDTH = 256

/** The hash over the leaves of a whole tile, where somebody has held it against them; else undefined. */
export type ProvenTile = (tile: number) => Uint8Array | undefined

/** The hashes of the whole tiles that come next in a tree of `size`, as far as they are known, up to the size `end`. */
export function tilesNext(size: number, end: number, provenTile: ProvenTile): Uint8Array[] {
  const tiles: Uint8Array[] = []
  if (size % TILE_WIDTH !== 0) return tiles
  for (let next = size; next + TILE_WIDTH <= end; next += TILE_WIDTH) {
    const tile = provenTile(next / TILE_WIDTH)
    if (tile === undefined) break
    tiles.push(tile)
  }
  return tiles
}

/** The edge behind these tiles, which is that of a tree whose leaves are the hashes of whole tiles. */
export function grownByTiles(edge: Frontier, tiles: readonly Uint8Array[], emit: SubtreeListener): Frontier {
  const upper = Frontier.from(edge.size / TILE_WIDTH, edge.hashes(), platformNodeHasher())
  for (const tile of tiles) {
    emit(1, tile, 0)
    upper.append(tile, 0, (level, bytes, offset) => emit(level + 1, bytes, offset))
  }
  return Frontier.from(upper.size * TILE_WIDTH, upper.hashes(), platformNodeHasher())
}
