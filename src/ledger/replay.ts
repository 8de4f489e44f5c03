// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads frames of the WAL back through the functions that appends use, from an anchor, from what is sealed or from the
 * beginning, and recomputes every root. It stops at the first thing that is wrong, and changes nothing but derived files.
 */
import { join } from 'node:path'
import { type Entry, parseEntry, SALT_BYTES } from '@stele/proof'
import { timeMs } from '../platform/clock.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import type { Anchor } from './anchor.ts'
import { commitsTo } from './batch.ts'
import { DataFault } from './data-fault.ts'
import type { FileCache } from './file-cache.ts'
import { derivedDirectory, Log } from './log.ts'
import { type Published, publishedHead } from './published-head.ts'
import type { Recent } from './recent.ts'
import { type SealedState, startBehind } from './recover-sealed.ts'
import type { SegmentParts } from './sealed-entries.ts'
import { fileBytes, type WalFile } from './wal/files.ts'
import { BLOCK_BYTES, type Section } from './wal/format.ts'
import {
  eventBounds,
  firstBadLeaf,
  type FrameFlaw,
  goesOnAt,
  isFlaw,
  type ReadFrame,
  readFrame,
} from './wal/frame-reader.ts'
import { FrameSequence } from './wal/frame-sequence.ts'

/** Derived bytes kept in memory during a replay before they are written. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024

export interface RecoveryOptions extends SegmentParts {
  readonly disk: Disk
  readonly directory: string
  readonly cache: FileCache
  /** The folder that holds the keys, where it is not the one that the directory says. */
  readonly keys?: string
  /** What is to be remembered of the last entries. */
  readonly recent?: Recent
  /** Called as frames are replayed, with the bytes read so far and the bytes to read in all. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

/** Where the log ends, in its last file. */
export interface ReplayEnd {
  readonly file: WalFile
  readonly position: number
  readonly commit: number
  readonly hash: Buffer
}

export interface LastFrame {
  readonly position: number
  readonly bytes: Buffer
}

/** A last frame that a crash left unfinished: to be cut off at `position`. */
export interface TornTail {
  readonly path: string
  readonly position: number
  readonly bytes: number
  readonly why: string
}

export async function logAt(
  { cache, directory }: RecoveryOptions,
  { name, size, places, placesFrom, leavesFrom }: Anchor['ledgers'][number],
  sealed: SealedState | undefined,
): Promise<Log> {
  const runs = { leavesFrom, places: { from: placesFrom, count: places } }
  return await Log.at(cache, derivedDirectory(directory, name), name, size, runs, sealed?.byLedger.get(name))
}

/** The state of a replay: logs and chain as far as frames have been read. */
export class Replay {
  readonly logs = new Map<string, Log>()
  readonly published = new Map<string, Published>()
  lastMs = 0
  replayedBytes = 0
  end: ReplayEnd | undefined
  lastFrame: LastFrame | undefined
  readonly #options: RecoveryOptions
  readonly #files: readonly WalFile[]
  readonly #sealed: SealedState | undefined
  readonly #mayBeTorn: boolean
  #firstFile = 0

  /** A tail may be torn unless a next file was begun, for that waits for the last frame to be durable. */
  constructor(
    options: RecoveryOptions,
    files: readonly WalFile[],
    sealed: SealedState | undefined,
    mayBeTorn: boolean,
  ) {
    this.#options = options
    this.#files = files
    this.#sealed = sealed
    this.#mayBeTorn = mayBeTorn
    const file = files[0]
    const { commit, hash } = startBehind(sealed)
    if (file !== undefined) this.end = { file, position: BLOCK_BYTES, commit, hash }
  }

  /** Makes the derived files of what is sealed anew; the tree must have the roots that were sealed. */
  async startBehindSeal(): Promise<void> {
    if (this.#sealed === undefined) return
    const { seal, byLedger } = this.#sealed
    for (const { name, size, root } of seal.ledgers) {
      const sealed = byLedger.get(name)
      if (sealed === undefined) throw new Error('every sealed ledger has its cover')
      const directory = derivedDirectory(this.#options.directory, name)
      await this.#options.disk.makeDirectory(directory)
      const log = await Log.fromSegments(this.#options.cache, directory, name, sealed)
      const found = Buffer.from(log.root).toString('hex')
      if (found !== root) {
        const path = join(this.#options.store.where, name)
        throw new DataFault(path, 0, `the segments of ${name} have another root at size ${size}`, root, found)
      }
      this.logs.set(name, log)
    }
    for (const { name, size, root } of seal.published) this.published.set(name, { size, root })
    this.lastMs = seal.lastMs
  }

  async startAt(anchor: Anchor): Promise<void> {
    for (const ledger of anchor.ledgers) {
      this.logs.set(ledger.name, await logAt(this.#options, ledger, this.#sealed))
    }
    for (const { name, size, root } of anchor.published) this.published.set(name, { size, root })
    this.lastMs = anchor.lastMs
    this.#firstFile = this.#files.findIndex((file) => file.header.firstCommit === anchor.file)
    const file = this.#files[this.#firstFile]
    if (file === undefined) throw new Error('the anchor was checked to name a file')
    this.end = { file, position: anchor.position, commit: anchor.commit, hash: Buffer.from(anchor.hash, 'hex') }
  }

  /** Replays all frames behind the start; returns the torn tail where there is one. */
  async run(): Promise<TornTail | undefined> {
    const totalBytes = await this.#bytesToRead()
    for (const [position, file] of this.#files.entries()) {
      if (position < this.#firstFile || this.end === undefined) continue
      if (position > this.#firstFile) this.#enter(file)
      const opened = await this.#options.disk.open(file.path, 'read')
      try {
        const torn = await this.#replayFile(file, opened, totalBytes)
        if (torn !== undefined) return torn
      } finally {
        await opened.close()
      }
    }
    return undefined
  }

  async #bytesToRead(): Promise<number> {
    let bytes = -(this.end?.position ?? 0)
    for (const file of this.#files.slice(this.#firstFile)) bytes += await fileBytes(this.#options.disk, file.path)
    return bytes
  }

  #enter(file: WalFile): void {
    const { end } = this
    if (end === undefined) return
    const expected = `commit ${end.commit + 1} after ${end.hash.toString('hex')}`
    const found = `commit ${file.header.firstCommit} after ${file.header.previousHash.toString('hex')}`
    if (expected !== found)
      throw new DataFault(file.path, 32, 'the file does not follow the one before', expected, found)
    this.end = { ...end, file, position: BLOCK_BYTES }
    this.lastFrame = undefined
  }

  async #replayFile(file: WalFile, opened: DiskFile, totalBytes: number): Promise<TornTail | undefined> {
    const sizeBytes = await opened.sizeBytes()
    const start = this.end?.position ?? BLOCK_BYTES
    const frames = new FrameSequence(opened, sizeBytes, file.header.fileId, start)
    let last: number | undefined
    try {
      for (;;) {
        const frame = await frames.next()
        if (frame === undefined || isFlaw(frame)) {
          if (last !== undefined && file === this.#files.at(-1)) await this.#keepLast(file, opened, sizeBytes, last)
          if (frame === undefined) return undefined
          return await this.#judge(file, opened, sizeBytes, this.end?.position ?? BLOCK_BYTES, frame)
        }
        await this.#replayFrame(file, frame)
        last = frame.position
        this.replayedBytes += frame.header.frameBytes
        this.#options.onProgress?.(this.replayedBytes, totalBytes)
      }
    } finally {
      await frames.settled()
    }
  }

  /** Keeps the bytes of the frame that was replayed last; they were read into memory that has been used again since. */
  async #keepLast(file: WalFile, opened: DiskFile, sizeBytes: number, position: number): Promise<void> {
    const frame = await readFrame(opened, sizeBytes, file.header.fileId, position)
    const found = frame === undefined ? 'no frame' : isFlaw(frame) ? frame.found : frame.header.hash.toString('hex')
    const expected = this.end?.hash.toString('hex') ?? ''
    if (frame === undefined || isFlaw(frame) || found !== expected) {
      throw new DataFault(file.path, position, 'the frame is another one than a moment ago', expected, found)
    }
    this.lastFrame = { position, bytes: frame.bytes }
  }

  /** A bad frame is a torn tail only at the very end of the WAL, with nothing begun behind it. */
  async #judge(
    file: WalFile,
    opened: DiskFile,
    sizeBytes: number,
    position: number,
    flaw: FrameFlaw,
  ): Promise<TornTail> {
    const last = this.#mayBeTorn && file === this.#files.at(-1)
    const behind = last ? await goesOnAt(opened, sizeBytes, file.header.fileId, position) : sizeBytes
    if (behind !== undefined) {
      const what = `${flaw.what}, and the log goes on behind it (at byte ${behind})`
      throw new DataFault(file.path, position + flaw.at, what, flaw.expected, flaw.found)
    }
    return { path: file.path, position, bytes: sizeBytes - position, why: flaw.what }
  }

  async #replayFrame(file: WalFile, frame: ReadFrame): Promise<void> {
    const { end } = this
    const { header, position } = frame
    if (end === undefined || header.commit !== end.commit + 1 || !header.previousHash.equals(end.hash)) {
      const expected = `commit ${(end?.commit ?? 0) + 1} after ${end?.hash.toString('hex')}`
      const found = `commit ${header.commit} after ${header.previousHash.toString('hex')}`
      throw new DataFault(file.path, position + 24, 'the chain of frames is broken', expected, found)
    }
    for (const row of frame.rows) {
      const log = await this.#log(row.ledger)
      const sections = frame.sections.filter((section) => section.ledger === row.ledger)
      let { size } = log
      for (const section of sections) {
        if (section.first !== size) {
          const expected = `entry ${size} of ${row.ledger}`
          throw new DataFault(
            file.path,
            position + section.at,
            'entries are missing',
            expected,
            `entry ${section.first}`,
          )
        }
        this.#checkSection(file, frame, section)
        size += section.count
      }
      const computed = log.advance(sections)
      const expectedRoot = `${computed.size} ${Buffer.from(computed.root).toString('hex')}`
      const foundRoot = `${row.size} ${Buffer.from(row.root).toString('hex')}`
      if (expectedRoot !== foundRoot) {
        throw new DataFault(file.path, position, `the root of ${row.ledger} does not follow`, expectedRoot, foundRoot)
      }
      log.apply(sections, computed, file.header.firstCommit, position)
      for (const section of sections) this.#options.recent?.take(section)
      if (log.pendingBytes > MAX_PENDING_BYTES) await log.flush(false)
    }
    this.end = { file, position: position + header.frameBytes, commit: header.commit, hash: header.hash }
  }

  #checkSection(file: WalFile, frame: ReadFrame, section: Section): void {
    const bad = firstBadLeaf(section)
    if (bad !== undefined) {
      const what = `entry ${section.first + bad} of ${section.ledger} does not have its leaf hash`
      const expected = section.bytes.toString('hex', section.hashesAt + bad * 32, section.hashesAt + bad * 32 + 32)
      throw new DataFault(file.path, frame.position + section.at, what, expected, 'another')
    }
    this.lastMs = Math.max(this.lastMs, timeMs(entryAt(file, frame, section, section.count - 1).at))
    if (section.ledger === 'heads') this.#noteHeads(file, frame, section)
  }

  #noteHeads(file: WalFile, frame: ReadFrame, section: Section): void {
    for (let position = 0; position < section.count; position++) {
      const { contentStart, contentEnd } = eventBounds(section, position)
      const content = section.bytes.subarray(contentStart, contentEnd)
      const { sha256, size } = entryAt(file, frame, section, position)
      if (!commitsTo(content, sha256, size)) {
        const what = `entry ${section.first + position} of heads does not commit to its content`
        throw new DataFault(file.path, frame.position + contentStart, what, sha256, 'another')
      }
      const head = publishedHead(content.subarray(SALT_BYTES))
      this.published.set(head.ledger, { size: head.size, root: head.root })
    }
  }

  async #log(name: string): Promise<Log> {
    const known = this.logs.get(name)
    if (known !== undefined) return known
    const directory = derivedDirectory(this.#options.directory, name)
    await this.#options.disk.makeDirectory(directory)
    const log = Log.empty(this.#options.cache, directory, name)
    this.logs.set(name, log)
    return log
  }
}

function entryAt(file: WalFile, frame: ReadFrame, section: Section, position: number): Entry {
  const { entryStart, entryEnd } = eventBounds(section, position)
  try {
    return parseEntry(section.bytes.subarray(entryStart, entryEnd))
  } catch (error) {
    const what = `entry ${section.first + position} of ${section.ledger} cannot be read`
    throw new DataFault(
      file.path,
      frame.position + entryStart,
      what,
      'an entry in its one serialisation',
      String(error),
    )
  }
}
