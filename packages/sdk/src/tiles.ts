// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A ledger's tree by its tiles (C2SP tlog-tiles), for proofs that are made on this side. What is read here is not
// checked: whoever uses it computes a root from it and compares that with a signed one.

import { HASH_BYTES, type HashReader, TILE_WIDTH, tileWidthAt } from '@stele/proof'

/** Gets a tile of `width` hashes. */
export type TileSource = (level: number, index: number, width: number) => Promise<Uint8Array>

const MAX_KEPT_TILES = 512

/** Reads hashes of the tree of `size` leaves; tiles that were read last are kept. */
export function tileReader(size: number, tile: TileSource): HashReader {
  const kept = new Map<string, Promise<Uint8Array>>()
  return async (level, start, count) => {
    const index = Math.floor(start / TILE_WIDTH)
    const key = `${level}/${index}`
    const found = kept.get(key) ?? tile(level, index, tileWidthAt(size, level, index))
    // Put behind the others again, so that the first is the one that was not used for longest.
    kept.delete(key)
    kept.set(key, found)
    const [oldest] = kept.keys()
    if (kept.size > MAX_KEPT_TILES && oldest !== undefined) kept.delete(oldest)
    try {
      const from = (start - index * TILE_WIDTH) * HASH_BYTES
      return (await found).subarray(from, from + count * HASH_BYTES)
    } catch (error) {
      kept.delete(key)
      throw error
    }
  }
}
