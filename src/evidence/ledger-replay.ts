// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * One ledger as a verification sees it: its tree recomputed from the leaf hashes, of segments first and of frames then,
 * held against the row of every frame and against the derived files, its indexes without a gap, its times never going
 * back.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { EMPTY_ROOT, Frontier, frontierAt, type HashReader } from '@stele/proof'
import { platformNodeHasher } from '../ledger/hash-nodes.ts'
import type { FileCache } from '../ledger/file-cache.ts'
import { derivedDirectory, encodePlace } from '../ledger/log.ts'
import { HASH_BYTES, type Section } from '../ledger/wal/format.ts'
import { eventBounds } from '../ledger/wal/frame-reader.ts'
import { DerivedRun } from './derived-file.ts'
import type { Findings } from './finding.ts'
import type { CheckedFrame, CheckedSection } from './frame-check.ts'
import { KEPT_LEVEL, type SealedHashes, SealedRoots } from './sealed-roots.ts'
import { grownByTiles, type ProvenTile, TILE_WIDTH, tilesNext } from './whole-tiles.ts'

const PLACE_BYTES = 32
const FILL_COUNT = 65_536
/** Bytes of expected derived data of one ledger that are kept before they are compared. */
const MAX_PENDING_BYTES = 1024 * 1024
type Row = CheckedFrame['rows'][number]

/** Where a frame lies. */
export interface FramePlace {
  /** Path of its file below the data directory, and that file's first commit. */
  readonly file: string
  readonly firstCommit: number
  readonly position: number
}

export class LedgerReplay {
  readonly name: string
  readonly levels: DerivedRun[] = []
  readonly places: DerivedRun
  /** Places of all that there ever was, those that were given up with segments in them. */
  placeCount = 0
  contentBytes = 0
  lastTime = ''
  /** Roots, in hex, at the sizes that were asked for. */
  readonly rootsAt = new Map<number, string>()
  readonly #files: FileCache
  readonly #directory: string
  readonly #findings: Findings
  readonly #wanted: readonly number[]
  #size = 0
  #frontier = new Frontier(platformNodeHasher())
  #root: string | undefined = toHex(EMPTY_ROOT)
  #sealed: SealedRoots | undefined
  #lost = false
  #firstPlace = 0
  #isWhole = true
  #placesKnown = true
  #rowsFit = true
  #nextWanted = 0

  /** `wanted` are sizes, rising, whose roots are to be kept. */
  constructor(files: FileCache, directory: string, name: string, wanted: readonly number[], findings: Findings) {
    this.name = name
    this.#files = files
    this.#directory = derivedDirectory(directory, name)
    this.#findings = findings
    this.#wanted = wanted
    this.places = this.#run('places', PLACE_BYTES, true)
    this.#noteWanted()
  }

  get size(): number {
    return this.#size
  }

  /** The root of all entries, hex; undefined where some leaf is not known. */
  get root(): string | undefined {
    return this.#lost ? undefined : (this.#root ??= toHex(this.#frontier.root()))
  }

  /** Entries that are in segments. */
  get sealedSize(): number {
    return this.#sealed?.size ?? 0
  }

  /** Number of the first place of what is not sealed. */
  get firstPlace(): number {
    return this.#firstPlace
  }

  /** Whether none of the entries was missing so far, and none stood there twice. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Whether the files of places can be held against the sections that were met. */
  get placesKnown(): boolean {
    return this.#placesKnown && this.#isWhole
  }

  get pendingBytes(): number {
    return this.levels.reduce((sum, level) => sum + level.pendingBytes, this.places.pendingBytes)
  }

  /** Holds derived files against what was expected of them, once that is enough to be worth it. */
  async compareDerivedIfMany(): Promise<void> {
    if (this.pendingBytes >= MAX_PENDING_BYTES) await this.compareDerived()
  }

  async compareDerived(): Promise<void> {
    for (const file of [...this.levels, this.places]) await file.compare()
  }

  /** Begins with what is sealed: `takeLeaves` and `missSealed` take it in order. */
  beginSealed(size: number, sealed: SealedHashes): void {
    this.#sealed = new SealedRoots(size, sealed)
  }

  /** Takes leaf hashes of the next sealed entries; those of a tile that is proven are not hashed again. */
  takeLeaves(leaves: Buffer, provenTile: ProvenTile): void {
    const end = (this.#size += leaves.length / HASH_BYTES)
    for (let at = 0; at < leaves.length && !this.#lost;) {
      const { size } = this.#frontier
      const tiles = tilesNext(size, Math.min(end, this.#wanted[this.#nextWanted] ?? Infinity), provenTile)
      const count = tiles.length * TILE_WIDTH || Math.min(end - size, TILE_WIDTH - (size % TILE_WIDTH))
      if (tiles.length === 0) this.#appendLeaves(leaves, at, count)
      else this.#appendTiles(tiles, leaves.subarray(at, at + count * HASH_BYTES))
      at += count * HASH_BYTES
    }
  }

  /** The next sealed entries, up to `end`, are not there; where the tree files still have their hashes, it goes on. */
  async missSealed(end: number, file: string): Promise<void> {
    await this.#miss(end, undefined, { file })
  }

  /** Notes what a check of a segment told; segments come in order. */
  noteSealed(lastTime: string, contentBytes: number): void {
    if (lastTime > this.lastTime) this.lastTime = lastTime
    this.contentBytes += contentBytes
  }

  /**
   * Finds where, among the places that an anchor counts, those begin of what is not sealed: the ones before it speak of
   * a log that was given up. Tells whether they could be read; without an anchor there are none to be held.
   */
  async findPlaces(run: { readonly from: number; readonly count: number } | undefined): Promise<boolean> {
    this.#placesKnown = run !== undefined
    if (run === undefined) return true
    let low = run.from
    for (let high = run.count; low < high;) {
      const middle = Math.floor((low + high) / 2)
      const record = await this.places.records(middle, 1)
      this.#placesKnown = record !== undefined
      if (record === undefined) return false
      if (Number(record.readBigUInt64BE(0)) < this.sealedSize) low = middle + 1
      else high = middle
    }
    await this.places.skipTo(low)
    this.placeCount = low
    this.#firstPlace = low
    return true
  }

  /**
   * The root that the ledger had at a size, of what is sealed of it and has been taken; undefined for other sizes, and
   * `unknown` where a segment is missing for it.
   */
  async sealedRootAt(size: number): Promise<string | undefined> {
    const isTaken = !this.#lost && this.#sealed !== undefined && size <= Math.min(this.#size, this.sealedSize)
    return isTaken ? await this.#sealed?.rootAt(size) : undefined
  }

  /** Takes this ledger's sections of one frame. `bytes` begins with the frame. */
  async take(bytes: Buffer, frame: CheckedFrame, found: readonly CheckedSection[], place: FramePlace): Promise<void> {
    const row = frame.isTableChanged ? undefined : frame.rows.find(({ ledger }) => ledger === this.name)
    const first = this.#size
    const sections = this.#renumbered(frame, found, row, place)
    for (const section of sections) await this.#meet(section, place)
    if (sections.length === 0 && row !== undefined) await this.#miss(row.size, place.position, place)
    const isStored = this.#lost || this.#storedLeavesFit(bytes, sections, row)
    for (const section of sections) this.#append(bytes, section, isStored, place)
    if (this.#lost) return
    if (row !== undefined) this.#holdAgainstRow(row, first, place)
  }

  /** In a frame whose body was changed, a section's number is believed only if the row, which was not, agrees. */
  #renumbered(
    frame: CheckedFrame,
    sections: readonly CheckedSection[],
    row: Row | undefined,
    { file, position }: FramePlace,
  ): readonly CheckedSection[] {
    const count = sections.reduce((sum, section) => sum + section.count, 0)
    const isChanged = frame.faults.some((fault) => fault.kind === 'frame')
    if (!isChanged || row?.size !== this.#size + count) return sections
    let next = this.#size
    return sections.map((section) => {
      const first = next
      next += section.count
      if (section.first !== first) {
        const what = 'the number of the first entry was changed'
        const place = { file, offset: position + section.at, ledger: this.name, index: first, count: section.count }
        this.#findings.add({
          kind: 'frame',
          ...place,
          what,
          expected: `entry ${first}`,
          found: `entry ${section.first}`,
        })
      }
      return { ...section, first }
    })
  }

  /** The section must begin where the ledger ends, and not before its time. */
  async #meet(section: CheckedSection, place: FramePlace): Promise<void> {
    const { ledger, first, firstTime, lastTime } = section
    const { file } = place
    const offset = place.position + section.at
    if (first < this.#size) {
      const [expected, found] = [`entry ${this.#size}`, `entry ${first}`]
      const what = 'entries stand here a second time'
      this.#findings.add({ kind: 'entry', file, offset, ledger, index: first, what, expected, found })
      this.#lost = true
      this.#isWhole = false
    }
    await this.#miss(first, offset, place)
    if (firstTime !== '' && firstTime < this.lastTime) {
      const what = 'the ledger time goes back'
      const expected = `${this.lastTime} or later`
      this.#findings.add({ kind: 'time', file, offset, ledger, index: first, what, expected, found: firstTime })
    }
    this.#size = first + section.count
    if (lastTime !== '') this.lastTime = lastTime
  }

  /** Entries up to `size` should have come before this place. */
  async #miss(size: number, offset: number | undefined, { file }: Pick<FramePlace, 'file'>): Promise<void> {
    const [index, count] = [this.#size, size - this.#size]
    if (count <= 0) return
    const isKnown = !this.#lost && (await this.#fillFromDerived(index, size))
    const what = isKnown ? 'entries are missing (their hashes are still in the tree files)' : 'entries are missing'
    const [expected, found] = [`entry ${index}`, `entry ${size}`]
    const place = { file, ...(offset === undefined ? {} : { offset }), ledger: this.name, index, count }
    this.#findings.add({ kind: 'missing', ...place, what, expected, found })
    this.#lost ||= !isKnown
    this.#isWhole = false
    this.#size = size
  }

  /**
   * Takes hashes of lost entries from the tree files; the next row, or the seal, shows whether they are the right ones.
   * Of whole tiles the level above is enough: leaf hashes of what is sealed are in segments only.
   */
  async #fillFromDerived(start: number, end: number): Promise<boolean> {
    if (await this.#fillLeaves(start, end)) return true
    if (this.#frontier.size % TILE_WIDTH !== 0 || end % TILE_WIDTH !== 0) return false
    const read: HashReader = async (level, first, count) => {
      const hashes = await this.#level(level).records(first, count)
      if (hashes === undefined) throw new HashesMissing()
      return hashes
    }
    try {
      const filled = await frontierAt(end, read, platformNodeHasher())
      await this.#goTo(filled)
      return true
    } catch (error) {
      if (error instanceof HashesMissing) return false
      throw error
    }
  }

  async #fillLeaves(start: number, end: number): Promise<boolean> {
    for (let at = start; at < end; at += FILL_COUNT) {
      if ((await this.#level(0).records(at, Math.min(FILL_COUNT, end - at))) === undefined) return false
    }
    for (let at = start; at < end; at += FILL_COUNT) {
      const count = Math.min(FILL_COUNT, end - at)
      const hashes = await this.#level(0).records(at, count)
      if (hashes === undefined) return false
      this.#appendLeaves(hashes, 0, count)
    }
    return true
  }

  /** Goes on from a frontier that was made from the tree files: nothing is known that they could be held against. */
  async #goTo(frontier: Frontier): Promise<void> {
    this.#frontier = frontier
    this.#root = undefined
    for (let level = 0, count = frontier.size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
      await this.#level(level).skipTo(count)
      if (level < KEPT_LEVEL || this.#sealed === undefined) continue
      const start = this.#sealed.countOf(level)
      const hashes = await this.#level(level).records(start, count - start)
      for (let at = 0; at < (hashes?.length ?? 0); at += HASH_BYTES) {
        this.#sealed.keep(level, hashes!.subarray(at, at + HASH_BYTES))
      }
    }
    while ((this.#wanted[this.#nextWanted] ?? Infinity) < frontier.size) this.#nextWanted++
    this.#noteWanted()
  }

  /**
   * Where an entry does not have the hash beside it, one of the two was changed. The row's root tells which: so the
   * tree goes on with the right one, and later commits are not blamed.
   */
  #storedLeavesFit(bytes: Buffer, sections: readonly CheckedSection[], row: Row | undefined): boolean {
    if (!sections.some((section) => section.isBad)) return true
    const computed = this.#frontier.snapshot()
    for (const section of sections) {
      const leaves = computedLeaves(bytes, section)
      for (let position = 0; position < section.count; position++) computed.append(leaves, position * HASH_BYTES)
    }
    return toHex(computed.root()) !== row?.root
  }

  #append(bytes: Buffer, section: CheckedSection, isStored: boolean, { firstCommit, position }: FramePlace): void {
    const { first, count, hashesAt, at } = section
    this.contentBytes += section.contentBytes
    if (this.placesKnown) this.places.expect(encodePlace({ first, count, file: firstCommit, position: position + at }))
    this.placeCount++
    if (this.#lost) return
    if (isStored) this.#appendLeaves(bytes, hashesAt, count)
    else this.#appendLeaves(computedLeaves(bytes, section), 0, count)
  }

  #appendLeaves(bytes: Buffer, at: number, count: number): void {
    this.#level(0).expect(Buffer.from(bytes.subarray(at, at + count * HASH_BYTES)))
    this.#root = undefined
    for (let position = 0; position < count; position++) {
      this.#frontier.append(bytes, at + position * HASH_BYTES, this.#emit)
      if (this.#frontier.size === this.#wanted[this.#nextWanted]) this.#noteWanted()
    }
  }

  #appendTiles(tiles: readonly Uint8Array[], leaves: Buffer): void {
    this.#level(0).expect(Buffer.from(leaves))
    this.#root = undefined
    this.#frontier = grownByTiles(this.#frontier, tiles, this.#emit)
    this.#noteWanted()
  }

  #holdAgainstRow(row: Row, first: number, { file, position }: FramePlace): void {
    const fits = row.size === this.#size && row.root === this.root
    if (!fits && this.#rowsFit) {
      const what = `the root of ${this.name} after this commit does not follow from its entries`
      const expected = `${this.#size} ${this.root}`
      const found = `${row.size} ${row.root}`
      const [ledger, index, count] = [this.name, first, this.#size - first]
      this.#findings.add({ kind: 'root', file, offset: position, ledger, index, count, what, expected, found })
    }
    this.#rowsFit = fits
  }

  #noteWanted(): void {
    while (this.#wanted[this.#nextWanted] === this.#frontier.size) {
      this.rootsAt.set(this.#frontier.size, toHex(this.#frontier.root()))
      this.#nextWanted++
    }
  }

  readonly #emit = (level: number, bytes: Uint8Array, offset: number) => {
    const hash = bytes.slice(offset, offset + HASH_BYTES)
    this.#level(level).expect(hash)
    this.#sealed?.keep(level, hash)
  }

  #level(level: number): DerivedRun {
    return (this.levels[level] ??= this.#run(`level-${level}`, HASH_BYTES, level === 0))
  }

  #run(name: string, recordBytes: number, isChunked: boolean): DerivedRun {
    const place = { path: join(this.#directory, name), name: `derived/${this.name}/${name}`, recordBytes, isChunked }
    return new DerivedRun(this.#files, place)
  }
}

/** The tree files do not have the hashes that are asked for. */
class HashesMissing extends Error {
  override readonly name = 'HashesMissing'
}

/** The leaf hashes that the entries of a section really have. */
function computedLeaves(bytes: Buffer, section: CheckedSection): Buffer {
  const leaves = Buffer.alloc(section.count * HASH_BYTES)
  const whole: Section = { ...section, bytes }
  for (let position = 0; position < section.count; position++) {
    const { entryStart, entryEnd } = eventBounds(whole, position)
    leaves.write(hash('sha256', bytes.subarray(entryStart - 1, entryEnd), 'binary'), position * HASH_BYTES, 'latin1')
  }
  return leaves
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
