// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A copy of a log as a folder in the layout of C2SP tlog-tiles, which any verifier reads. Every tile and bundle was held
 * against the signed head before it is written; the checkpoint is replaced last, once all below it is durable. So the
 * folder holds a whole tree at every moment, and what lies beyond its checkpoint after a crash is looked at again, not
 * believed. Memory does not grow with the log.
 */
import { dirname, join } from 'node:path'
import {
  type Checkpoint,
  entriesPath,
  equalBytes,
  formatBundle,
  HASH_BYTES,
  parseBundle,
  ProofError,
  TILE_WIDTH,
  tilePath,
  tileWidthAt,
} from '@stele/proof'
import { type Disk, replaceFile } from '../../platform/disk.ts'
import { bundleLeaves } from './bundle-leaves.ts'
import type { VerifiedHead } from './log-watch.ts'

/** Bundles under way at the same time, and files that are made durable at the same time. */
const FETCH_COUNT = 8
const WRITE_COUNT = 32

export type BundleSource = (index: number, width: number) => Promise<readonly Uint8Array[]>

/** Entries that are not those of the signed head. */
export class BundleFault extends Error {
  override readonly name = 'BundleFault'
  /** The first entry that is another. */
  readonly index: number
  readonly path: string
  readonly bytes: Uint8Array

  constructor(index: number, path: string, bytes: Uint8Array) {
    super(`entry ${index} is not the one of the signed head`)
    this.index = index
    this.path = path
    this.bytes = bytes
  }
}

export class Mirror {
  readonly folder: string
  readonly #disk: Disk
  #writes: Promise<void>[] = []
  #folders = new Set<string>()

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.folder = folder
  }

  /** The signed head of what the folder holds; undefined where it holds nothing yet. */
  async head(): Promise<string | undefined> {
    return (await this.#disk.readFile(join(this.folder, 'checkpoint')))?.toString('utf8')
  }

  /**
   * Brings the folder from the head that it holds, which must have been held against the new one, to that. Throws a
   * BundleFault, what the tiles throw, and what the disk throws: the folder then holds what it held.
   */
  async follow(
    { note, checkpoint, tiles }: VerifiedHead,
    held: Checkpoint | undefined,
    vkey: string,
    source: BundleSource,
    onProgress: (doneCount: number) => void,
  ): Promise<void> {
    const { size } = checkpoint
    const from = held?.size ?? 0
    const partial = this.#partialPaths(from, size)
    await this.#disk.makeDirectory(this.folder)
    await replaceFile(this.#disk, join(this.folder, 'log.vkey'), Buffer.from(`${vkey}\n`), FILE_MODE)
    try {
      await this.#bundles(from, size, tiles, source, onProgress)
      for (let level = 1; TILE_WIDTH ** level <= size; level++) {
        const first = Math.floor(from / TILE_WIDTH ** (level + 1))
        for (let index = first; tileWidthAt(size, level, index) > 0; index++) {
          await this.#write(tilePath(level, index, tileWidthAt(size, level, index)), await tiles.tile(level, index))
        }
      }
      await this.#settle()
    } finally {
      await Promise.allSettled(this.#writes)
      this.#writes = []
    }
    for (const folder of this.#folders) await this.#disk.syncDirectory(folder)
    this.#folders.clear()
    await replaceFile(this.#disk, join(this.folder, 'checkpoint'), Buffer.from(note), FILE_MODE)
    // Below the new checkpoint nobody asks for these any more.
    for (const path of partial) await this.#disk.remove(join(this.folder, path))
  }

  async #bundles(
    from: number,
    size: number,
    tiles: VerifiedHead['tiles'],
    source: BundleSource,
    onProgress: (doneCount: number) => void,
  ): Promise<void> {
    const end = Math.ceil(size / TILE_WIDTH)
    const ahead: Promise<Bundle>[] = []
    let next = Math.floor(from / TILE_WIDTH)
    for (let index = next; index < end; index++) {
      for (; ahead.length < FETCH_COUNT && next < end; next++) {
        const bundle = this.#bundle(next, tileWidthAt(size, 0, next), tiles, source)
        // It is awaited in its turn, unless an earlier one fails.
        bundle.catch(() => {})
        ahead.push(bundle)
      }
      const { width, hashes, bytes } = await ahead.shift()!
      if (bytes !== undefined) await this.#write(entriesPath(index, width), bytes)
      await this.#write(tilePath(0, index, width), hashes)
      onProgress(index * TILE_WIDTH + width)
    }
  }

  /** A bundle that was held against its tile; without its bytes where the folder has them already. */
  async #bundle(index: number, width: number, tiles: VerifiedHead['tiles'], source: BundleSource): Promise<Bundle> {
    const path = entriesPath(index, width)
    const hashes = await tiles.tile(0, index)
    const there = await this.#disk.readFile(join(this.folder, path))
    if (there !== undefined && isBundleOf(there, width, hashes)) return { width, hashes }
    let entries = await source(index, width)
    // A wrong answer may have been a cache on the way: the second one counts.
    if (firstOther(entries, hashes) !== undefined) entries = await source(index, width)
    const bytes = formatBundle(entries)
    const other = firstOther(entries, hashes)
    if (other !== undefined) throw new BundleFault(index * TILE_WIDTH + other, path, bytes)
    return { width, hashes, bytes }
  }

  /** Makes a file durable, many at a time; a file that a crash cut off has the same name and is made anew. */
  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const full = join(this.folder, path)
    const folder = dirname(full)
    if (!this.#folders.has(folder)) {
      await this.#disk.makeDirectory(folder, FOLDER_MODE)
      this.#folders.add(folder)
    }
    const write = this.#writeFile(full, bytes)
    write.catch(() => {})
    this.#writes.push(write)
    if (this.#writes.length >= WRITE_COUNT) await this.#settle()
  }

  async #writeFile(path: string, bytes: Uint8Array): Promise<void> {
    await this.#disk.remove(path)
    const file = await this.#disk.open(path, 'create', FILE_MODE)
    try {
      await file.write(bytes, 0)
      await file.datasync()
    } finally {
      await file.close()
    }
  }

  async #settle(): Promise<void> {
    const writes = this.#writes
    this.#writes = []
    await Promise.all(writes)
  }

  /** Partial tiles and bundles of a size that no longer are of the new one. */
  #partialPaths(from: number, size: number): string[] {
    const paths: string[] = []
    for (let level = 0; TILE_WIDTH ** level <= from; level++) {
      const index = Math.floor(from / TILE_WIDTH ** (level + 1))
      const [width, now] = [tileWidthAt(from, level, index), tileWidthAt(size, level, index)]
      if (width === 0 || width === now) continue
      const partial = [tilePath(level, index, width), ...(level === 0 ? [entriesPath(index, width)] : [])]
      // Of a tile that is full now the folder of its parts goes, too.
      paths.push(...(now === TILE_WIDTH ? partial.map((path) => dirname(path)) : partial))
    }
    return paths
  }
}

/** A mirror is there to be read by others. */
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755

interface Bundle {
  readonly width: number
  readonly hashes: Uint8Array
  readonly bytes?: Uint8Array
}

/** Position of the first entry that has not the hash it must have. */
function firstOther(entries: readonly Uint8Array[], hashes: Uint8Array): number | undefined {
  const leaves = bundleLeaves(entries)
  if (equalBytes(leaves, hashes)) return undefined
  const byte = leaves.findIndex((value, at) => value !== hashes[at])
  return Math.floor((byte === -1 ? Math.min(leaves.length, hashes.length) : byte) / HASH_BYTES)
}

function isBundleOf(bytes: Uint8Array, width: number, hashes: Uint8Array): boolean {
  try {
    return firstOther(parseBundle(bytes, width), hashes) === undefined
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}
