// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Writes a ledger as a plain folder that any reader of C2SP tlog-tiles reads: checkpoint, tiles, entry bundles and, for
 * readers of Stele, contents (docs/format.md, "Export"). It only grows. The checkpoint is replaced last, when all below
 * it is durable: so a folder with a checkpoint is whole up to it, whatever interrupted the writer. The tree is
 * recomputed from the entries; that somebody signed its root is the caller's to check before `finish`.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import {
  entriesPath,
  formatBundle,
  Frontier,
  frontierAt,
  type HashReader,
  parseBundle,
  ProofError,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
} from '@stele/proof'
import { type Content, PATHS, rotationPath } from '@stele/proof/folder'
import { platformNodeHasher } from '../ledger/hash-nodes.ts'
import { perfectRoot } from '../ledger/segment/perfect-tree.ts'
import { HASH_BYTES } from '../ledger/wal/format.ts'
import type { Disk } from '../platform/disk.ts'
import { type ContentRange, ExportContents } from './export-contents.ts'
import { ExportFiles } from './export-files.ts'
import { FolderFault } from './folder-fault.ts'
import { toHex } from './ledger-replay.ts'
import { readCheckpoint } from './signatures.ts'

const LEAF_PREFIX = Buffer.of(0)

/** An entry of a log and, where it is to be in the folder, its content. */
export interface ExportedEntry {
  readonly entry: Uint8Array
  /** `isJson`: the event was taken as application/json. */
  readonly content?: Content & { readonly isJson: boolean }
}

export interface WholeFolder {
  /** The signed note, of exactly the entries that are there. */
  readonly checkpoint: string
  /** The key that signed it, in a file of its own: convenient, and no reason to trust it. */
  readonly vkey: string
  /** Statements of rotation, from the oldest on. */
  readonly rotations?: readonly string[]
  /** Of which entries the contents are there, where the caller knows it better; else of those that were appended. */
  readonly contents?: ContentRange
}

interface Level {
  tileIndex: number
  count: number
  readonly hashes: Uint8Array
}

export class ExportFolder {
  readonly #files: ExportFiles
  readonly #contents: ExportContents
  readonly #levels: Level[] = []
  #frontier = new Frontier(platformNodeHasher())
  #bundle: Uint8Array[] = []
  /** Partial tiles and bundles that the checkpoint which is there counts on. */
  #partials: readonly string[] = []

  private constructor(files: ExportFiles) {
    this.#files = files
    this.#contents = new ExportContents(files)
  }

  /**
   * Opens a folder, which need not be there, to go on at `size` entries; else where its checkpoint ends, whose root it
   * must have. Throws a FolderFault where that cannot be.
   */
  static async open(disk: Disk, path: string, size?: number): Promise<ExportFolder> {
    const folder = new ExportFolder(new ExportFiles(disk, path))
    const checkpoint = await folder.#checkpoint()
    const from = size ?? checkpoint?.size ?? 0
    await folder.#goOnAt(from)
    if (checkpoint?.size === from && toHex(checkpoint.root) !== toHex(folder.root())) {
      throw new FolderFault(PATHS.checkpoint, `the tiles do not have its root, but ${toHex(folder.root())}`)
    }
    if (checkpoint !== undefined) folder.#partials = partialsAt(checkpoint.size)
    await folder.#contents.goOnAt(from)
    return folder
  }

  /** How many entries there are. */
  get size(): number {
    return this.#frontier.size
  }

  /** Whether `open` can go on here even if nothing is made whole: all files so far are. */
  get isBetween(): boolean {
    return this.size % TILE_WIDTH === 0 && this.#contents.isBetween
  }

  root(): Uint8Array {
    return this.#frontier.root()
  }

  /** Takes the next entries, in order. Contents, where there are any, are of entries without a gap. */
  async append(entries: readonly ExportedEntry[]): Promise<void> {
    for (const { entry, content } of entries) {
      const index = this.size
      const leaf = leafOf(entry)
      this.#bundle.push(entry)
      this.#push(0, leaf, 0)
      this.#frontier.append(leaf, 0, (level, hash, offset) => this.#push(level, hash, offset))
      if (content !== undefined) await this.#contents.add(index, entry, content.isJson, content)
      if (this.#bundle.length === TILE_WIDTH) await this.#putFull()
    }
  }

  /** Resolves once all that is there is durable, but for what `finish` makes of its edge. */
  async settle(): Promise<void> {
    await this.#contents.settle()
    await this.#files.settle()
  }

  /** Makes the folder whole up to its last entry. Throws a FolderFault where the checkpoint is of another tree. */
  async finish({ checkpoint, vkey, rotations = [], contents = this.#contents.range }: WholeFolder): Promise<void> {
    const note = Buffer.from(checkpoint)
    const read = readCheckpoint(note)
    if (typeof read === 'string') throw new FolderFault(PATHS.checkpoint, read)
    if (read.size !== this.size || toHex(read.root) !== toHex(this.root())) {
      const what = `it is of ${read.size} entries with the root ${toHex(read.root)}, and the ${this.size} that are here`
      throw new FolderFault(PATHS.checkpoint, `${what} have the root ${toHex(this.root())}`)
    }
    const partials = partialsAt(this.size)
    await this.#putPartials(new Set(this.#partials))
    await this.settle()
    for (const [position, statement] of rotations.entries()) {
      await this.#files.replace(rotationPath(position), Buffer.from(statement))
    }
    if (contents !== undefined) await this.#contents.nameRange(contents)
    await this.#files.replace(PATHS.vkey, Buffer.from(`${vkey}\n`))
    await this.#files.replace(PATHS.checkpoint, note)
    for (const path of this.#partials.filter((path) => !partials.includes(path))) await this.#files.remove(path)
    this.#partials = partials
  }

  /** Gives back what is open. What was appended since `finish` or `settle` may be lost. */
  async close(): Promise<void> {
    await this.#files.rest()
    await this.#contents.abandon()
  }

  async #checkpoint() {
    const bytes = await this.#files.read(PATHS.checkpoint)
    if (bytes === undefined) return undefined
    const checkpoint = readCheckpoint(bytes)
    if (typeof checkpoint === 'string') throw new FolderFault(PATHS.checkpoint, checkpoint)
    return checkpoint
  }

  async #goOnAt(size: number): Promise<void> {
    const read: HashReader = async (level, start, count) => {
      const tile = await this.#tile(size, level, Math.floor(start / TILE_WIDTH))
      const at = start % TILE_WIDTH
      return tile.subarray(at * HASH_BYTES, (at + count) * HASH_BYTES)
    }
    this.#frontier = await frontierAt(size, read, platformNodeHasher())
    for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
      const { hashes } = this.#level(level, Math.floor(count / TILE_WIDTH), count % TILE_WIDTH)
      if (count % TILE_WIDTH > 0) hashes.set(await this.#tile(size, level, Math.floor(count / TILE_WIDTH)))
    }
    const width = size % TILE_WIDTH
    if (width === 0) return
    const path = entriesPath(Math.floor(size / TILE_WIDTH), width)
    const bundle = await this.#files.read(path)
    if (bundle === undefined) throw new FolderFault(path, 'it is missing')
    this.#bundle = entriesOf(path, bundle, width)
    const leaves = Buffer.concat(this.#bundle.map(leafOf))
    if (Buffer.compare(leaves, this.#levels[0]!.hashes.subarray(0, leaves.length)) !== 0) {
      throw new FolderFault(path, 'its entries do not have the hashes of their tile')
    }
  }

  /** The hashes of a tile in the tree of `size` entries; where it is not there, those of the tiles below give them. */
  async #tile(size: number, level: number, index: number): Promise<Uint8Array> {
    const width = tileWidthAt(size, level, index)
    const path = tilePath(level, index, width)
    const bytes = (await this.#files.read(path)) ?? (await this.#files.read(tilePath(level, index)))
    if (bytes !== undefined) {
      const hashes = bytes.subarray(0, width * HASH_BYTES)
      if (hashes.length === width * HASH_BYTES) return hashes
      throw new FolderFault(path, `it has ${bytes.length} bytes`)
    }
    if (level === 0) throw new FolderFault(path, 'it is missing')
    const hashInto = platformNodeHasher()
    const roots: Buffer[] = []
    for (let at = 0; at < width; at++) {
      const below = await this.#tile(size, level - 1, index * TILE_WIDTH + at)
      roots.push(perfectRoot(hashInto, below, 0, TILE_WIDTH))
    }
    return Buffer.concat(roots)
  }

  #level(level: number, tileIndex = 0, count = 0): Level {
    return (this.#levels[level] ??= { tileIndex, count, hashes: new Uint8Array(TILE_WIDTH * HASH_BYTES) })
  }

  /** Tiles that this fills are written with the bundle that ends here. */
  #push(levelNumber: number, hash: Uint8Array, offset: number): void {
    const level = this.#level(levelNumber)
    assert(level.count < TILE_WIDTH)
    level.hashes.set(hash.subarray(offset, offset + HASH_BYTES), level.count * HASH_BYTES)
    level.count++
  }

  async #putFull(): Promise<void> {
    await this.#files.put(entriesPath(this.size / TILE_WIDTH - 1), formatBundle(this.#bundle))
    this.#bundle = []
    for (const [number, level] of this.#levels.entries()) {
      if (level.count < TILE_WIDTH) continue
      await this.#files.put(tilePath(number, level.tileIndex), level.hashes.slice())
      level.tileIndex++
      level.count = 0
    }
  }

  /** What is there already may be all that there is of it: it is not written over. */
  async #putPartials(there: ReadonlySet<string>): Promise<void> {
    const put = async (path: string, bytes: Uint8Array) => {
      if (!there.has(path)) await this.#files.put(path, bytes)
    }
    const width = this.#bundle.length
    if (width > 0) await put(entriesPath(Math.floor(this.size / TILE_WIDTH), width), formatBundle(this.#bundle))
    for (const [number, { tileIndex, count, hashes }] of this.#levels.entries()) {
      if (count > 0) await put(tilePath(number, tileIndex, count), hashes.slice(0, count * HASH_BYTES))
    }
  }
}

/** Paths of the partial tiles and of the partial bundle of a tree of `size` entries. */
function partialsAt(size: number): string[] {
  const paths: string[] = []
  for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
    const [index, width] = [Math.floor(count / TILE_WIDTH), count % TILE_WIDTH]
    if (width > 0 && level === 0) paths.push(entriesPath(index, width))
    if (width > 0) paths.push(tilePath(level, index, width))
  }
  return paths
}

function leafOf(entry: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([LEAF_PREFIX, entry]), 'buffer')
}

function entriesOf(path: string, bundle: Uint8Array, width: number): Uint8Array[] {
  try {
    return parseBundle(bundle, width)
  } catch (error) {
    throw error instanceof ProofError ? new FolderFault(path, error.message) : error
  }
}
