// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A copy of a log as a folder, in the layout of an export (docs/format.md), which any verifier of tlog-tiles reads. Every
 * entry was held against the signed head before it is written, and every event against its entry; the checkpoint is
 * replaced last. So the folder holds a whole tree at every moment. What was made durable beyond its checkpoint is gone
 * on with after a kill if it has the root that the log has there; else it is fetched again. Memory does not grow with
 * the log.
 */
import { join } from 'node:path'
import {
  type Checkpoint,
  equalBytes,
  formatBundle,
  HASH_BYTES,
  parseEntry,
  ProofError,
  rootAt,
  TILE_WIDTH,
  tileWidthAt,
  utf8,
} from '@stele/proof'
import { PATHS } from '@stele/proof/folder'
import type { Disk } from '../../platform/disk.ts'
import type { Lock } from '../../platform/lock.ts'
import { type ExportedEntry, ExportFolder } from '../export-folder.ts'
import { FolderFault } from '../folder-fault.ts'
import type { ServedEvent } from '../served-ledger.ts'
import { bundleLeaves } from './bundle-leaves.ts'
import { fitsEntry } from './event-check.ts'
import { type LogSource, SourceSilent } from './log-source.ts'
import type { VerifiedHead } from './log-watch.ts'

/** Bundles under way at the same time. */
const FETCH_COUNT = 8
/** Entries between two times at which all is made durable, so that a kill costs no more. */
const KEPT_EVERY = 8_192

/** Entries or events that are not those of the signed head. */
export class CopyFault extends Error {
  override readonly name = 'CopyFault'
  readonly kind: 'entries' | 'content'
  readonly path: string
  readonly bytes: Uint8Array

  constructor(kind: CopyFault['kind'], index: number, path: string, bytes: Uint8Array) {
    super(
      kind === 'entries'
        ? `entry ${index} is not the one of the signed head`
        : `the event of entry ${index} is not the one that the entry commits to`,
    )
    this.kind = kind
    this.path = path
    this.bytes = bytes
  }
}

/** A folder that is no place for this mirror. */
export class MirrorFault extends Error {
  override readonly name = 'MirrorFault'
}

export interface MirrorOptions {
  readonly disk: Disk
  readonly tryLock: (path: string) => Lock | undefined
  readonly folder: string
  readonly source: LogSource
  readonly withContent: boolean
  /** Entries that an earlier run made durable here, beyond the checkpoint. */
  readonly keptSize: number | undefined
  /** Remembers that so many entries are durable. */
  readonly keep: (size: number) => Promise<void>
  readonly onProgress: (doneCount: number) => void
}

/** The signed head of what a folder holds; undefined where it holds nothing yet. */
export async function mirroredHead(disk: Disk, folder: string): Promise<string | undefined> {
  return (await disk.readFile(join(folder, PATHS.checkpoint)))?.toString('utf8')
}

export class Mirror {
  readonly #options: MirrorOptions
  readonly #head: VerifiedHead

  constructor(options: MirrorOptions, head: VerifiedHead) {
    this.#options = options
    this.#head = head
  }

  /**
   * Brings the folder from the head that it holds, which must have been held against the new one, to that. Throws a
   * CopyFault, a MirrorFault, what tiles and source throw, and what the disk throws: the folder then holds what it held.
   */
  async follow(held: Checkpoint | undefined, vkey: string, rotations: readonly string[]): Promise<void> {
    const { disk, folder, tryLock } = this.#options
    await disk.makeDirectory(folder, FOLDER_MODE)
    const lock = tryLock(join(folder, 'mirror.lock'))
    if (lock === undefined) throw new MirrorFault(`another monitor is mirroring into ${folder}`)
    try {
      await this.#demandContents(held?.size ?? 0)
      const into = await this.#open(held?.size ?? 0)
      try {
        await this.#copy(into)
        await into.finish({ checkpoint: this.#head.note, vkey, rotations })
      } finally {
        await into.close()
      }
    } catch (error) {
      if (error instanceof FolderFault) throw new MirrorFault(`${folder} cannot be gone on with: ${error.message}`)
      throw error
    } finally {
      lock.release()
    }
  }

  /** Contents are without a gap, so a mirror goes on as it was begun. */
  async #demandContents(size: number): Promise<void> {
    const { disk, folder, withContent } = this.#options
    const range = await disk.readFile(join(folder, PATHS.range))
    if (range === undefined) return
    const end = Number(String(range).trim().split(' ')[1])
    if (!withContent) throw new MirrorFault(`the mirror in ${folder} holds events: give --content, or another folder`)
    if (end !== size) throw new MirrorFault(`the events in ${folder} end at ${end}, and its entries at ${size}`)
  }

  /** Behind what an earlier run made durable, if that is the log's; else where the checkpoint ends. */
  async #open(size: number): Promise<ExportFolder> {
    const { disk, folder, keptSize = 0 } = this.#options
    const { checkpoint, tiles } = this.#head
    if (keptSize <= size || keptSize > checkpoint.size) return await ExportFolder.open(disk, folder)
    try {
      const into = await ExportFolder.open(disk, folder, keptSize)
      if (equalBytes(into.root(), await rootAt(keptSize, tiles.read))) return into
      await into.close()
    } catch (error) {
      if (!(error instanceof FolderFault)) throw error
    }
    return await ExportFolder.open(disk, folder)
  }

  async #copy(into: ExportFolder): Promise<void> {
    const { source, withContent, keep, onProgress } = this.#options
    const { size } = this.#head.checkpoint
    const events = withContent && into.size < size ? source.events?.(into.size) : undefined
    const following = events?.[Symbol.asyncIterator]()
    const ahead: Promise<readonly Uint8Array[]>[] = []
    const end = Math.ceil(size / TILE_WIDTH)
    let next = Math.floor(into.size / TILE_WIDTH)
    let keptSize = into.size
    try {
      for (let index = next; index < end; index++) {
        for (; ahead.length < FETCH_COUNT && next < end; next++) {
          const fetched = this.#bundle(next)
          // It is awaited in its turn, unless an earlier one fails.
          fetched.catch(() => {})
          ahead.push(fetched)
        }
        const entries = (await ahead.shift()!).slice(into.size - index * TILE_WIDTH)
        if (following === undefined) await into.append(entries.map((entry) => ({ entry })))
        else for (const entry of entries) await into.append([await withEvent(entry, into.size, following)])
        if (into.isBetween && into.size - keptSize >= KEPT_EVERY) {
          await into.settle()
          await keep(into.size)
          keptSize = into.size
        }
        onProgress(into.size)
      }
    } finally {
      await following?.return?.()
    }
  }

  /** The entries of a bundle, held against its tile. */
  async #bundle(index: number): Promise<readonly Uint8Array[]> {
    const { source } = this.#options
    const { checkpoint, tiles } = this.#head
    const width = tileWidthAt(checkpoint.size, 0, index)
    const hashes = await tiles.tile(0, index)
    let entries = await source.entries(index, width)
    // A wrong answer may have been a cache on the way: the second one counts.
    if (firstOther(entries, hashes) !== undefined) entries = await source.entries(index, width)
    const other = firstOther(entries, hashes)
    if (other === undefined) return entries
    throw new CopyFault('entries', index * TILE_WIDTH + other, `tile/entries/${index}`, formatBundle(entries))
  }
}

/** A mirror is there to be read by others. */
const FOLDER_MODE = 0o755

/** Position of the first entry that has not the hash it must have. */
function firstOther(entries: readonly Uint8Array[], hashes: Uint8Array): number | undefined {
  const leaves = bundleLeaves(entries)
  if (equalBytes(leaves, hashes)) return undefined
  const byte = leaves.findIndex((value, at) => value !== hashes[at])
  return Math.floor((byte === -1 ? Math.min(leaves.length, hashes.length) : byte) / HASH_BYTES)
}

/** An entry with the event that is next, which must be its own. */
async function withEvent(
  entry: Uint8Array,
  index: number,
  following: AsyncIterator<ServedEvent, unknown>,
): Promise<ExportedEntry> {
  const next = await following.next()
  if (next.done === true) throw new SourceSilent(`its events ended before that of entry ${index}`)
  const { index: served, entryLine, salt, event } = next.value
  if (served !== index || !equalBytes(utf8(entryLine), entry) || !fitsEntry(entry, salt, event)) {
    throw new CopyFault('content', index, `the event of entry ${index}`, event)
  }
  return { entry, content: { salt, event, isJson: isJson(entry) } }
}

function isJson(entry: Uint8Array): boolean {
  try {
    return parseEntry(entry).media === 'application/json'
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}
