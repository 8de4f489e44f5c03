// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads the WAL back into memory after a start: from the anchor if the derived files agree with it, else from the
 * beginning. It replays frames through the functions that appends use, recomputes every root, and changes nothing
 * on the disk: a torn last frame is reported, and cut by the caller only after the head that is kept outside has
 * been compared. Anything else that is wrong is a DataFault that names file, offset, expected and found.
 */
import { join } from 'node:path'
import { type Entry, parseCheckpoint, parseEntry, SALT_BYTES } from '@stele/proof'
import type { Disk, DiskFile } from '../platform/disk.ts'
import { timeMs } from '../platform/clock.ts'
import { type Anchor, anchorPath, readAnchor } from './anchor.ts'
import { commitsTo } from './batch.ts'
import type { FileCache } from './file-cache.ts'
import { signerIn } from './keys.ts'
import { Log } from './log.ts'
import { fileBytes, listWalFiles, type WalFile, type WalFiles } from './wal/files.ts'
import { DataFault } from './data-fault.ts'
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

/** What `heads` last said of a ledger. */
export interface Published {
  readonly size: number
  readonly root: string
}

/** A last frame that a crash left unfinished: to be cut off at `position`. */
interface TornTail {
  readonly path: string
  readonly position: number
  readonly bytes: number
  readonly why: string
}

export interface Recovered {
  readonly logs: Map<string, Log>
  readonly published: Map<string, Published>
  readonly lastMs: number
  readonly files: readonly WalFile[]
  /** The end of the WAL in the last file; undefined where there is no file yet. */
  readonly end:
    | { readonly file: WalFile; readonly position: number; readonly commit: number; readonly hash: Buffer }
    | undefined
  readonly torn: TornTail | undefined
  readonly unborn: WalFiles['unborn']
  /** The last frame of the last file, if it was replayed. */
  readonly lastFrame: { readonly position: number; readonly bytes: Buffer } | undefined
  /** Why the derived files had to be made again, where they had to. */
  readonly rederived: string | undefined
  readonly replayedBytes: number
}

export interface RecoveryOptions {
  readonly disk: Disk
  readonly directory: string
  readonly cache: FileCache
  /** Called as frames are replayed, with the bytes read so far and the bytes to read in all. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

/** Derived bytes kept in memory during a replay before they are written. */
const MAX_PENDING_BYTES = 8 * 1024 * 1024

export function derivedDirectory(directory: string, ledger: string): string {
  return join(directory, 'derived', ledger)
}

export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { files, unborn } = await listWalFiles(options.disk, options.directory)
  const anchor = await signedAnchor(options)
  const usable = typeof anchor === 'string' ? anchor : await whyUnusable(options, anchor, files)
  const replay = new Replay(options, files, unborn === undefined)
  if (typeof anchor !== 'string' && usable === undefined) await replay.startAt(anchor)
  else await dropDerived(options)
  const torn = await replay.run()
  return {
    logs: replay.logs,
    published: replay.published,
    lastMs: replay.lastMs,
    files,
    end: replay.end,
    torn,
    unborn,
    lastFrame: replay.lastFrame,
    rederived: files.length > 0 ? usable : undefined,
    replayedBytes: replay.replayedBytes,
  }
}

async function signedAnchor({ disk, directory }: RecoveryOptions): Promise<Anchor | string> {
  const read = await readAnchor(disk, directory)
  if (typeof read === 'string') return read
  const signer = await signerIn(disk, directory, 'heads', `${read.anchor.originPrefix}/heads`)
  return signer !== undefined && read.isSignedBy(signer) ? read.anchor : 'the anchor is not signed by the key of heads'
}

/** Why the anchor does not fit what lies on the disk, or undefined where it does. */
async function whyUnusable(
  options: RecoveryOptions,
  anchor: Anchor,
  files: readonly WalFile[],
): Promise<string | undefined> {
  const file = files.find((candidate) => candidate.header.firstCommit === anchor.file)
  if (file === undefined || file.header.originPrefix !== anchor.originPrefix) {
    throw new DataFault(
      anchorPath(options.directory),
      0,
      'the WAL ends before the anchor',
      `WAL file ${anchor.file}`,
      'none',
    )
  }
  for (const [position, { firstCommit, sizeBytes }] of anchor.files.entries()) {
    const earlier = files[position]
    const found = earlier === undefined ? 0 : await fileBytes(options.disk, earlier.path)
    if (earlier?.header.firstCommit !== firstCommit || found !== sizeBytes) {
      const path = earlier?.path ?? join(options.directory, 'wal')
      throw new DataFault(
        path,
        found,
        `WAL file ${firstCommit} is missing or cut`,
        `${sizeBytes} bytes`,
        `${found} bytes`,
      )
    }
  }
  const sizeBytes = await fileBytes(options.disk, file.path)
  if (sizeBytes < anchor.position) {
    throw new DataFault(
      file.path,
      sizeBytes,
      'the WAL ends before the anchor',
      `${anchor.position} bytes`,
      `${sizeBytes}`,
    )
  }
  for (const ledger of anchor.ledgers) {
    const directory = derivedDirectory(options.directory, ledger.name)
    try {
      const log = await Log.at(options.cache, directory, ledger.name, ledger.size, ledger.places)
      if (Buffer.from(log.root).toString('hex') !== ledger.root)
        return `the tree files of ${ledger.name} have another root`
      if (!(await log.reachesItsEnd())) return `the places of ${ledger.name} do not lead to its last entry`
    } catch {
      return `the derived files of ${ledger.name} are cut`
    }
  }
  return undefined
}

async function dropDerived(options: RecoveryOptions): Promise<void> {
  await options.cache.close()
  await options.disk.remove(join(options.directory, 'derived'))
}

/** The state of a replay: logs and chain as far as frames have been read. */
class Replay {
  readonly logs = new Map<string, Log>()
  readonly published = new Map<string, Published>()
  lastMs = 0
  replayedBytes = 0
  end: Recovered['end']
  lastFrame: Recovered['lastFrame']
  readonly #options: RecoveryOptions
  readonly #files: readonly WalFile[]
  readonly #mayBeTorn: boolean
  #firstFile = 0

  /** A tail may be torn unless a next file was begun, for that waits for the last frame to be durable. */
  constructor(options: RecoveryOptions, files: readonly WalFile[], mayBeTorn: boolean) {
    this.#options = options
    this.#files = files
    this.#mayBeTorn = mayBeTorn
    const file = files[0]
    if (file !== undefined) this.end = { file, position: BLOCK_BYTES, commit: 0, hash: Buffer.alloc(32) }
  }

  async startAt(anchor: Anchor): Promise<void> {
    for (const { name, size, places } of anchor.ledgers) {
      const directory = derivedDirectory(this.#options.directory, name)
      this.logs.set(name, await Log.at(this.#options.cache, directory, name, size, places))
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
    for (;;) {
      const position = this.end?.position ?? BLOCK_BYTES
      const frame = await readFrame(opened, sizeBytes, file.header.fileId, position)
      if (frame === undefined) return undefined
      if (isFlaw(frame)) return await this.#judge(file, opened, sizeBytes, position, frame)
      await this.#replayFrame(file, frame)
      this.lastFrame = { position, bytes: frame.bytes }
      this.replayedBytes += frame.header.frameBytes
      this.#options.onProgress?.(this.replayedBytes, totalBytes)
    }
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

/** Which ledger a checkpoint in `heads` speaks of, and what it says; signatures are not looked at here. */
export function publishedHead(note: Uint8Array): { ledger: string; size: number; root: string } {
  const text = Buffer.from(note).toString('utf8')
  const checkpoint = parseCheckpoint(text.slice(0, text.lastIndexOf('\n\n') + 1))
  const ledger = checkpoint.origin.slice(checkpoint.origin.lastIndexOf('/') + 1)
  return { ledger, size: checkpoint.size, root: Buffer.from(checkpoint.root).toString('hex') }
}
