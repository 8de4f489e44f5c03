// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The hashes of a ledger's tree, out of the segments that cover it. Whoever asks holds the root against a signed one. */
import assert from 'node:assert/strict'
import { Frontier, type HashReader } from '@stele/proof'
import { platformNodeHasher } from '../hash-nodes.ts'
import { HASH_BYTES } from '../wal/format.ts'
import type { Segment } from './segment.ts'
import type { SegmentReader } from './segment-reader.ts'

const TILE_WIDTH = 256
/** Leaves below one hash of level 2. */
const LEVEL_2_LEAVES = TILE_WIDTH ** 2

/** `cover` is in order and without a gap; a segment is opened when something of it is needed. */
export function hashesOf(cover: readonly Segment[], open: (segment: Segment) => Promise<SegmentReader>): HashReader {
  const known = new Map<string, Promise<Uint8Array>>()

  const hashes = async (level: number, start: number, count: number): Promise<Uint8Array> => {
    const parts: Uint8Array[] = []
    for (let at = start; at < start + count;) {
      const { bytes, end } = level < 2 ? await ofSegment(level, at, start + count) : await folded(level, at)
      parts.push(bytes)
      at = end
    }
    return Buffer.concat(parts)
  }

  /** As many hashes of level 0 or 1 as the segment gives that is the last to begin before them. */
  const ofSegment = async (level: number, at: number, end: number) => {
    const below = TILE_WIDTH ** level
    const position = cover.findLastIndex(({ first }) => first <= at * below)
    const segment = cover[position]
    assert(segment !== undefined, `no segment has entry ${at * below}`)
    const next = cover[position + 1]
    const until = next === undefined ? end : Math.min(end, next.first / below)
    const reader = await open(segment)
    const bytes = level === 0 ? await reader.leaves(at, until - at) : await reader.parents(at, until - at)
    return { bytes, end: until }
  }

  const folded = async (level: number, at: number) => {
    const key = `${level}/${at}`
    if (!known.has(key)) known.set(key, rootOf(level, at))
    return { bytes: (await known.get(key))!, end: at + 1 }
  }

  /** A whole segment is one hash of level 2, and is named by it. */
  const rootOf = async (level: number, at: number): Promise<Uint8Array> => {
    const whole = cover.find(({ first, count }) => first === at * LEVEL_2_LEAVES && count === LEVEL_2_LEAVES)
    if (level === 2 && whole !== undefined) return Buffer.from(whole.root, 'hex')
    const children = await hashes(level - 1, at * TILE_WIDTH, TILE_WIDTH)
    const tree = new Frontier(platformNodeHasher())
    for (let child = 0; child < TILE_WIDTH; child++) tree.append(children, child * HASH_BYTES)
    return tree.root()
  }

  return hashes
}
