// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The leaf hashes of a segment, each held against the root in its name, which the start or the writer has held against
 * the tree. An entry and its leaf hash lie in one object: without this whoever changes both would not be noticed before
 * the next verification.
 */
import type { Hash, Subtree } from '@stele/proof'
import { DataFault } from '../data-fault.ts'
import { platformNodeHasher } from '../hash-nodes.ts'
import { HASH_BYTES } from '../wal/format.ts'
import { PerfectTrees, perfectRoot, TWIG_ENTRIES } from './perfect-tree.ts'
import type { SegmentReader } from './segment-reader.ts'
import { BUNDLE_ENTRIES } from './segment.ts'

const TWIGS_A_TILE = BUNDLE_ENTRIES / TWIG_ENTRIES

/** Of a twig above its leaves. */
const TWIG_HEIGHT = Math.log2(TWIG_ENTRIES)

interface ProvenTile {
  readonly twigs: Buffer
  readonly leaves: Buffer
  readonly start: number
}

/** What leads from the root to every tile: at most 8 KiB each. */
interface Upper {
  /** Hashes of level 1. */
  readonly parents: Buffer
  /** Leaves behind the last whole tile. */
  readonly tail: Buffer
}

export class ProvenLeaves {
  readonly #reader: SegmentReader
  readonly #hashInto = platformNodeHasher()
  #upper: Promise<Upper> | undefined

  constructor(reader: SegmentReader) {
    this.#reader = reader
  }

  /** Leaf hashes of `count` entries from index `start` on; rejects with a DataFault where they are not of the tree. */
  async leaves(start: number, count: number): Promise<Buffer> {
    const { first } = this.#reader.segment
    const upper = await this.#proven()
    const parts: Buffer[] = []
    for (let at = start - first, end = at + count; at < end;) {
      const tile = Math.floor(at / BUNDLE_ENTRIES)
      const to = Math.min(end, (tile + 1) * BUNDLE_ENTRIES)
      const isWhole = tile * HASH_BYTES < upper.parents.length
      parts.push(isWhole ? await this.#ofTile(upper.parents, tile, at, to) : tailPart(upper, at, to))
      at = to
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Roots of subtrees below the hash of one whole tile of the log; only the leaves of their twigs are read. */
  async subtrees(tile: number, subtrees: readonly Subtree[]): Promise<Hash[]> {
    const { first } = this.#reader.segment
    const { parents } = await this.#proven()
    const spans = subtrees.map(({ height, position }) => {
      const at = position * 2 ** height - first
      return { at, count: 2 ** height, isOfTwigs: height >= TWIG_HEIGHT }
    })
    const below = spans.filter(({ isOfTwigs }) => !isOfTwigs)
    const tileStart = tile * BUNDLE_ENTRIES - first
    const from = below.length === 0 ? tileStart : Math.min(...below.map(({ at }) => at))
    const to = Math.max(from, ...below.map(({ at, count }) => at + count))
    const { twigs, leaves, start } = await this.#provenTile(parents, tileStart / BUNDLE_ENTRIES, from, to)
    return spans.map(({ at, count, isOfTwigs }) => {
      if (!isOfTwigs) return perfectRoot(this.#hashInto, leaves, (at - start) * HASH_BYTES, count)
      const twig = (at - tileStart) / TWIG_ENTRIES
      return perfectRoot(this.#hashInto, twigs, twig * HASH_BYTES, count / TWIG_ENTRIES)
    })
  }

  async #proven(): Promise<Upper> {
    try {
      return await (this.#upper ??= this.#readUpper())
    } catch (error) {
      // What failed once, and was mended, is to be read again.
      this.#upper = undefined
      throw error
    }
  }

  async #readUpper(): Promise<Upper> {
    const { segment, log } = this.#reader
    const tiles = Math.floor(segment.count / BUNDLE_ENTRIES)
    const tailCount = segment.count - tiles * BUNDLE_ENTRIES
    const [parents, tail] = await Promise.all([
      this.#reader.parents(segment.first / BUNDLE_ENTRIES, tiles),
      this.#reader.leaves(segment.first + tiles * BUNDLE_ENTRIES, tailCount),
    ])
    const tree = new PerfectTrees()
    for (let tile = 0; tile < tiles; tile++) {
      tree.add(parents.subarray(tile * HASH_BYTES, (tile + 1) * HASH_BYTES), BUNDLE_ENTRIES)
    }
    for (let at = 0; at < tail.length; at += HASH_BYTES) tree.add(tail.subarray(at, at + HASH_BYTES), 1)
    const found = Buffer.from(tree.root()).toString('hex')
    if (found === segment.root) return { parents, tail }
    throw new DataFault(log.file, log.partsEnd, 'the hashes have another root than the name', segment.root, found)
  }

  /** Leaves `from` to `to` of a whole tile, all counted from the segment's first. */
  async #ofTile(parents: Buffer, tile: number, from: number, to: number): Promise<Buffer> {
    const { leaves, start } = await this.#provenTile(parents, tile, from, to)
    return leaves.subarray((from - start) * HASH_BYTES, (to - start) * HASH_BYTES)
  }

  /** The twigs of a whole tile, and the leaves of those that hold [from, to), which begin at `start`. */
  async #provenTile(parents: Buffer, tile: number, from: number, to: number): Promise<ProvenTile> {
    const { segment, log } = this.#reader
    const firstTwig = Math.floor(from / TWIG_ENTRIES)
    const endTwig = Math.ceil(to / TWIG_ENTRIES)
    const start = firstTwig * TWIG_ENTRIES
    const [leaves, twigs] = await Promise.all([
      this.#reader.leaves(segment.first + start, (endTwig - firstTwig) * TWIG_ENTRIES),
      this.#reader.twigs(tile * TWIGS_A_TILE, TWIGS_A_TILE),
    ])
    const parent = parents.subarray(tile * HASH_BYTES, (tile + 1) * HASH_BYTES)
    const root = perfectRoot(this.#hashInto, twigs, 0, TWIGS_A_TILE)
    const demand = (expected: Buffer, found: Buffer, entry: number) => {
      if (expected.equals(found)) return
      const what = `the leaf hash of entry ${segment.first + entry} or one beside it was changed`
      const offset = log.partsEnd + entry * HASH_BYTES
      throw new DataFault(log.file, offset, what, expected.toString('hex'), found.toString('hex'))
    }
    demand(parent, root, from)
    for (let twig = firstTwig; twig < endTwig; twig++) {
      const at = (twig - tile * TWIGS_A_TILE) * HASH_BYTES
      const found = perfectRoot(this.#hashInto, leaves, (twig - firstTwig) * TWIG_ENTRIES * HASH_BYTES, TWIG_ENTRIES)
      demand(twigs.subarray(at, at + HASH_BYTES), found, twig * TWIG_ENTRIES)
    }
    return { twigs, leaves, start }
  }
}

function tailPart({ parents, tail }: Upper, from: number, to: number): Buffer {
  const start = (parents.length / HASH_BYTES) * BUNDLE_ENTRIES
  return tail.subarray((from - start) * HASH_BYTES, (to - start) * HASH_BYTES)
}
