// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Checks up to 65,536 entries of a folder by themselves: entries against tiles, tiles against each other, contents
// against entries. It knows nothing of the rest, so any number of threads may do it. Which of two files is wrong, the
// tile above both decides; at the edge of the tree, where there is none, the root does, which the caller knows.

import {
  entriesPath,
  equalBytes,
  HASH_BYTES,
  MAX_ENTRY_BYTES,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
} from '../src/index.ts'
import { ContentCheck, type ContentRun } from './check-contents.ts'
import type { FolderFiles, FolderFinding, Hasher } from './files.ts'
import { isSameRow, Nodes, type Subtree } from './nodes.ts'
import { UNIT_ENTRIES } from './paths.ts'

/** Findings of one unit that are told; the rest is counted. */
const MAX_FINDINGS = 100
const TILE_BYTES = TILE_WIDTH * HASH_BYTES
const noneBad: ReadonlySet<number> = new Set()
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

/** The entries from `first`, a multiple of 65,536, in the tree of `size` entries. */
export interface UnitJob {
  readonly first: number
  readonly size: number
  /** First entries of the files of contents that begin in the unit, rising. */
  readonly contents: readonly number[]
}

/** What a check found, fit to be sent between threads. */
export interface CheckedUnit {
  readonly count: number
  /** The tree of the entries, as perfect subtrees. */
  readonly subtrees: readonly Subtree[]
  /** The same by the tile at the edge, where that has other hashes than the entries; then `edge` says what is wrong. */
  readonly otherwise?: readonly Subtree[]
  readonly edge: readonly FolderFinding[]
  /** Some hash is not known: no root follows. */
  readonly isLost: boolean
  /** There is no file of it at all. */
  readonly isMissing: boolean
  readonly findings: readonly FolderFinding[]
  readonly findingCount: number
  readonly runs: readonly ContentRun[]
  readonly contentCount: number
  readonly eventBytes: number
}

export function checkUnit(files: FolderFiles, hasher: Hasher, job: UnitJob): CheckedUnit {
  return new UnitCheck(files, hasher, job).run()
}

/** A bundle as far as it can be read. */
interface Bundle {
  readonly file: string
  readonly bytes: Uint8Array
  /** Two for each entry: the byte before it, which is given up for the one that a leaf begins with, and its end. */
  readonly bounds: Uint32Array
  /** Where it could not be read on, or has more than it should. */
  readonly faultAt: number | undefined
  /** Undefined where some entry could not be read. */
  readonly leaves: Uint8Array | undefined
}

interface Tile {
  readonly file: string
  readonly hashes: Uint8Array
}

/** What is taken for the hashes of a bundle: of the whole ones their hash one level up. */
interface Taken {
  readonly leaves: Uint8Array
  readonly otherwise: Uint8Array
  readonly parent: Uint8Array | undefined
}

class UnitCheck {
  readonly #files: FolderFiles
  readonly #hasher: Hasher
  readonly #nodes: Nodes
  readonly #job: UnitJob
  readonly #count: number
  readonly #findings: FolderFinding[] = []
  readonly #edge: FolderFinding[] = []
  readonly #contents: ContentCheck
  #findingCount = 0
  #isLost = false
  #isMissing = true

  constructor(files: FolderFiles, hasher: Hasher, job: UnitJob) {
    this.#files = files
    this.#hasher = hasher
    this.#nodes = new Nodes(hasher)
    this.#job = job
    this.#count = Math.min(UNIT_ENTRIES, job.size - job.first)
    this.#contents = new ContentCheck(files, hasher, job.contents, (finding) => this.#object(finding))
  }

  run(): CheckedUnit {
    const { first } = this.#job
    const parents = new Uint8Array(Math.floor(this.#count / TILE_WIDTH) * HASH_BYTES)
    const above = parents.length === 0 ? undefined : this.#tile(1, first / UNIT_ENTRIES)
    let edge: Taken | undefined
    for (let at = 0; at < this.#count; at += TILE_WIDTH) {
      const width = Math.min(TILE_WIDTH, this.#count - at)
      const parentAt = (at / TILE_WIDTH) * HASH_BYTES
      const taken = this.#take(first + at, width, above?.hashes.subarray(parentAt, parentAt + HASH_BYTES))
      if (taken.parent === undefined) edge = taken
      else parents.set(taken.parent, parentAt)
    }
    this.#contents.finish(first + this.#count)
    const whole = this.#nodes.subtrees(parents, TILE_WIDTH)
    const withEdge = (leaves: Uint8Array | undefined) =>
      leaves === undefined ? whole : [...whole, ...this.#nodes.subtrees(leaves, 1)]
    return {
      count: this.#count,
      subtrees: withEdge(edge?.leaves),
      ...(this.#edge.length === 0 ? {} : { otherwise: withEdge(edge?.otherwise) }),
      edge: this.#edge,
      isLost: this.#isLost,
      isMissing: this.#isMissing,
      findings: this.#findings,
      findingCount: this.#findingCount,
      runs: this.#contents.runs,
      contentCount: this.#contents.count,
      eventBytes: this.#contents.eventBytes,
    }
  }

  /** Checks the bundle that begins at entry `first`; of a whole one the tile above has a hash. */
  #take(first: number, width: number, above: Uint8Array | undefined): Taken {
    const index = first / TILE_WIDTH
    const tile = this.#tile(0, index)
    const bundle = this.#bundle(index, width)
    const parentOf = (hashes: Uint8Array | undefined) =>
      hashes === undefined || width < TILE_WIDTH ? undefined : this.#nodes.perfectRoot(hashes, 0, TILE_WIDTH)
    const isAlike = bundle?.leaves !== undefined && tile !== undefined && isSameRow(bundle.leaves, tile.hashes)
    const ofEntries = parentOf(bundle?.leaves)
    const ofTile = isAlike ? ofEntries : parentOf(tile?.hashes)
    const isOf = (parent: Uint8Array | undefined) =>
      parent !== undefined && above !== undefined && equalBytes(parent, above)
    const wrong = isAlike ? 'none' : isOf(ofEntries) ? 'tile' : isOf(ofTile) ? 'entries' : 'unknown'
    const bad = wrong === 'none' || bundle === undefined ? noneBad : this.#badLeaves(bundle, tile, first, width, wrong)
    this.#takeContents(bundle, first, width, wrong === 'tile' ? noneBad : bad)

    const taken = wrong === 'entries' ? tile?.hashes : (bundle?.leaves ?? tile?.hashes)
    const parent = wrong === 'entries' ? ofTile : (ofEntries ?? ofTile)
    if (parent !== undefined && above !== undefined && !isOf(parent)) this.#objectToParent(first, parent, above)
    if (taken === undefined && (above === undefined || width < TILE_WIDTH)) this.#isLost = true
    const leaves = taken ?? new Uint8Array(width * HASH_BYTES)
    const known = width < TILE_WIDTH ? undefined : (parent ?? above ?? new Uint8Array(HASH_BYTES))
    return { leaves, otherwise: tile?.hashes ?? leaves, parent: known }
  }

  #takeContents(bundle: Bundle | undefined, first: number, width: number, bad: ReadonlySet<number>): void {
    for (let position = 0; position < width; position++) {
      if (!this.#contents.isDue(first + position)) continue
      this.#contents.take(first + position, bundle && !bad.has(position) ? entryOf(bundle, position) : undefined)
    }
  }

  /** The hashes of a tile that the tree has; where a partial one is gone, a full one has them too. */
  #tile(level: number, index: number): Tile | undefined {
    const width = tileWidthAt(this.#job.size, level, index)
    const path = tilePath(level, index, width)
    const [file, bytes] = this.#read(path, tilePath(level, index), TILE_BYTES)
    const range = { index: index * TILE_WIDTH ** (level + 1), count: width * TILE_WIDTH ** level }
    if (bytes === undefined) {
      this.#object({ kind: 'missing', file: path, what: 'the tile is missing', ...range })
      return undefined
    }
    const wantedBytes = (file === path ? width : TILE_WIDTH) * HASH_BYTES
    if (bytes.length === wantedBytes) return { file, hashes: bytes.subarray(0, width * HASH_BYTES) }
    const lengths = { expected: `${wantedBytes} bytes`, found: `${bytes.length} bytes` }
    this.#object({ kind: 'tile', file, ...range, what: 'the tile has another length', ...lengths })
    return undefined
  }

  #bundle(index: number, width: number): Bundle | undefined {
    const path = entriesPath(index, width)
    const [file, bytes] = this.#read(path, entriesPath(index), MAX_BUNDLE_BYTES)
    if (bytes === undefined) {
      const range = { index: index * TILE_WIDTH, count: width }
      this.#object({ kind: 'missing', file: path, what: 'the entries are missing', ...range })
      return undefined
    }
    const all = new Uint32Array(2 * width)
    let count = 0
    let at = 0
    while (count < width) {
      const end = at + 2 + (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
      if (end > bytes.length) break
      all[2 * count] = at + 1
      all[2 * count + 1] = end
      count++
      at = end
    }
    const isWhole = count === width
    const bounds = all.subarray(0, 2 * count)
    const faultAt = !isWhole || (file === path && at < bytes.length) ? at : undefined
    if (isWhole && faultAt !== undefined) {
      this.#object({ kind: 'entry', file, offset: at, what: 'bytes follow the last entry' })
    }
    return { file, bytes, bounds, faultAt, leaves: isWhole ? this.#leaves(bytes, bounds) : undefined }
  }

  #read(path: string, full: string, maxBytes: number): [file: string, bytes: Uint8Array | undefined] {
    const bytes = this.#files.read(path, maxBytes + 1)
    if (bytes !== undefined) this.#isMissing = false
    if (bytes !== undefined || full === path) return [path, bytes]
    const wider = this.#files.read(full, maxBytes + 1)
    if (wider !== undefined) this.#isMissing = false
    return [full, wider]
  }

  #leaves(bytes: Uint8Array, bounds: Uint32Array): Uint8Array {
    for (let at = 0; at < bounds.length; at += 2) bytes[bounds[at]!] = 0
    if (this.#hasher.rows !== undefined) return this.#hasher.rows.ranges(bytes, bounds)
    const leaves = new Uint8Array((bounds.length / 2) * HASH_BYTES)
    for (let at = 0; at < bounds.length; at += 2) {
      this.#hasher.into(bytes.subarray(bounds[at], bounds[at + 1]), leaves, (at / 2) * HASH_BYTES)
    }
    return leaves
  }

  /** Says what is wrong between a bundle and its tile, as far as that is known; returns positions of bad entries. */
  #badLeaves(
    bundle: Bundle,
    tile: Tile | undefined,
    first: number,
    width: number,
    wrong: 'tile' | 'entries' | 'unknown',
  ): ReadonlySet<number> {
    const bad = new Set<number>()
    const leaves = bundle.leaves ?? this.#leaves(bundle.bytes, bundle.bounds)
    const hashAt = (hashes: Uint8Array, position: number) =>
      hashes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES)
    const readCount = bundle.bounds.length / 2
    for (let position = 0; position < width; position++) {
      if (tile === undefined && position < readCount) continue
      const isThere = tile !== undefined && position < readCount
      if (isThere && equalBytes(hashAt(leaves, position), hashAt(tile.hashes, position))) continue
      bad.add(position)
      if (bundle.leaves === undefined) continue
      const [ofEntry, ofTile] = [leaves, tile!.hashes].map((hashes) => toHex(hashAt(hashes, position)))
      const [index, start] = [first + position, bundle.bounds[2 * position]! + 1]
      this.#objectToLeaf({ bundle, tile: tile!, index, position, start, ofEntry: ofEntry!, ofTile: ofTile! }, wrong)
    }
    const [firstBad] = bad
    const isCut = bundle.leaves === undefined && firstBad !== undefined
    if (isCut) {
      const offset = firstBad < readCount ? bundle.bounds[2 * firstBad]! - 1 : bundle.faultAt!
      const what = 'the entries cannot be read from here on'
      const range = { index: first + firstBad, count: width - firstBad }
      this.#object({ kind: 'entry', file: bundle.file, offset, ...range, what })
    }
    return bad
  }

  #objectToLeaf(
    leaf: {
      readonly bundle: Bundle
      readonly tile: Tile
      readonly index: number
      readonly position: number
      readonly start: number
      readonly ofEntry: string
      readonly ofTile: string
    },
    wrong: 'tile' | 'entries' | 'unknown',
  ): void {
    const { bundle, tile, index, position, start, ofEntry, ofTile } = leaf
    const inTile: FolderFinding = {
      kind: 'tile',
      file: tile.file,
      offset: position * HASH_BYTES,
      index,
      what: 'the tile has another hash than the entry',
      expected: ofEntry,
      found: ofTile,
    }
    const inBundle: FolderFinding = {
      kind: 'entry',
      file: bundle.file,
      offset: start,
      index,
      what: 'the entry does not have the hash that the tree has',
      expected: ofTile,
      found: ofEntry,
    }
    if (wrong === 'unknown') this.#edge.push(inTile, inBundle)
    else this.#object(wrong === 'tile' ? inTile : inBundle)
  }

  #objectToParent(first: number, found: Uint8Array, above: Uint8Array): void {
    const number = first / TILE_WIDTH
    const index = Math.floor(number / TILE_WIDTH)
    this.#object({
      kind: 'tile',
      file: tilePath(1, index, tileWidthAt(this.#job.size, 1, index)),
      offset: (number % TILE_WIDTH) * HASH_BYTES,
      index: first,
      count: TILE_WIDTH,
      what: 'it has another hash than the entries give',
      expected: toHex(found),
      found: toHex(above),
    })
  }

  #object(finding: FolderFinding): void {
    this.#findingCount++
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding)
  }
}

/** Undefined where it could not be read. */
function entryOf({ bytes, bounds }: Bundle, position: number): Uint8Array | undefined {
  const before = bounds[2 * position]
  return before === undefined ? undefined : bytes.subarray(before + 1, bounds[2 * position + 1])
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
