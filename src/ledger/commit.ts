// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Group commit. Appends fill the next frame while the one before is on its way to the disk; one write and one
 * fdatasync make durable all that arrived meanwhile, and only then is anything acknowledged or visible.
 *
 * The order is what makes it safe: the next frame is written only after the fdatasync of this one, so after a crash
 * only the last frame can be bad. A write or fdatasync that fails is final: whether it took effect cannot be known,
 * so everything pending is refused and the writer stops until recovery has looked at the disk. A write that finds no
 * room is known to have failed, and is made again.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../platform/clock.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import { Problem } from '../schema/problem.ts'
import { DiskRoom } from './disk-room.ts'
import type { Log } from './log.ts'
import { createWalFile, walPath } from './wal/files.ts'
import { FrameBuilder } from './wal/frame-builder.ts'
import { BLOCK_BYTES, type Section, type TableRow, type WalFileHeader } from './wal/format.ts'

/** A frame takes no further append once it holds this much; a single append may be larger. */
const FRAME_TARGET_BYTES = 8 * 1024 * 1024
/** Accepted and not durable yet: beyond, events are refused. One append alone always fits. */
const MAX_PENDING_BYTES = 256 * 1024 * 1024
const MAX_RETRY_AFTER_SECONDS = 60

/** Where the WAL ends: what the next frame follows. */
export interface WalEnd {
  readonly header: WalFileHeader
  readonly file: DiskFile
  readonly position: number
  readonly commit: number
  readonly hash: Buffer
}

/** What an append takes of a section. */
export interface Extent {
  readonly count: number
  readonly entriesBytes: number
  readonly contentsBytes: number
}

/** What one append asks for; `fill` is called once its section is reserved. */
export interface AppendRequest {
  readonly log: Log
  /** About how many bytes it will be. */
  readonly expectedBytes: number
  /**
   * Called with the index that the first entry takes if, before anything else happens, this answers what the append
   * needs; undefined withdraws it.
   */
  readonly claim: (first: number) => Extent | undefined
  /** A large one may take its time, with pauses; `section` answers where it lies then. */
  readonly fill: (section: () => Section) => Promise<void> | undefined
  /** Stele's own records are small and do not queue up behind events: reading and publishing wait for them. */
  readonly isOwn: boolean
}

/** A durable append: its entries are `first` to `first + count`; size and root are the ledger's after the commit. */
export interface Committed {
  readonly first: number
  readonly count: number
  readonly size: number
  readonly root: Uint8Array
}

interface Job {
  readonly request: AppendRequest
  /** Called in the moment in which it is durable, before anybody else hears of it. */
  readonly onDurable?: () => void
  readonly resolve: (committed: Committed | undefined) => void
  readonly reject: (error: unknown) => void
  first: number
  count: number
}

export interface CommitterOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly directory: string
  readonly end: WalEnd
  readonly log: (name: string) => Log
  /** A WAL file that has grown beyond this is followed by a new one. */
  readonly walFileBytes: number
  /** Draws the 16 bytes of a new file's id. */
  readonly newFileId: () => Buffer
  /** Called after each commit is durable and visible, before the next is written. */
  readonly onCommit: (end: WalEnd, frameBytes: number) => void
  /** Called once, when the writer stops because of a failure. */
  readonly onFailure: (error: Error) => void
}

export class Committer {
  readonly #options: CommitterOptions
  readonly #room: DiskRoom
  #end: WalEnd
  #filling = new FrameBuilder()
  #writing = new FrameBuilder()
  #jobs: Job[] = []
  /** What of the frame that is filled is not yet. */
  #fills: Promise<void>[] = []
  #waiting: Job[] = []
  #running: Promise<void> | undefined
  /** One append that wants a commit of its own; all others wait. */
  #alone: Promise<unknown> | undefined
  #failure: Error | undefined
  #closed = false
  #pendingBytes = 0
  /** When the commit under way began, and how long the one before took. */
  #beganMs = 0
  #tookMs = 0

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#room = new DiskRoom(options.clock)
    this.#end = options.end
  }

  get end(): WalEnd {
    return this.#end
  }

  /** Why the writer stopped, if it did. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Bytes accepted and not durable yet. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** While it is patient, what finds no room on the disk waits for it. */
  waitForRoom(isPatient: boolean): void {
    if (isPatient) this.#room.open()
    else this.#room.close()
  }

  /** Whether the disk is so full that the frame under way waits for room. */
  get lacksRoom(): boolean {
    return this.#room.isLacking
  }

  /** Throws `overloaded` where so many bytes more would wait for the disk than may, `disk-reserve` where it is full. */
  demandRoom(bytes: number): void {
    if (this.lacksRoom) throw noRoom()
    if (this.#pendingBytes === 0 || this.#pendingBytes + bytes <= MAX_PENDING_BYTES) return
    const detail = `${MAX_PENDING_BYTES} bytes wait for the disk, which is as many as may. Nothing was stored; try again.`
    throw new Problem('overloaded', detail, { limit: MAX_PENDING_BYTES, retryAfter: this.#secondsBehind() })
  }

  /** Resolves once the append is durable; to undefined where it withdrew. */
  async append(request: AppendRequest): Promise<Committed | undefined> {
    return await new Promise((resolve, reject) => {
      if (this.#failure !== undefined || this.#closed) return reject(this.#refusal())
      // The heads of what is accepted already are accepted too.
      if (this.lacksRoom && request.log.name !== 'heads') return reject(noRoom())
      const job: Job = { request, resolve, reject, first: -1, count: 0 }
      this.#pendingBytes += request.expectedBytes
      const isFull = this.#waiting.length > 0 || this.#filling.usedBytes > FRAME_TARGET_BYTES
      if (this.#alone !== undefined || (isFull && !request.isOwn)) this.#waiting.push(job)
      else this.#admit(job)
      if (this.#jobs.length > 0) this.#running ??= this.#run()
    })
  }

  /**
   * An append in a commit of its own. `make` is called once all that was accepted before is durable, and what comes
   * meanwhile waits: so no ledger grows until this is durable, and in that moment `onDurable` is called.
   */
  async appendAlone(make: () => Promise<AppendRequest>, onDurable: () => void): Promise<Committed> {
    while (this.#alone !== undefined) await this.#alone.catch(() => {})
    const appending = this.#appendAlone(make, onDurable).finally(() => {
      this.#alone = undefined
      this.#admitWaiting()
      if (this.#jobs.length > 0) this.#running ??= this.#run()
    })
    this.#alone = appending
    return await appending
  }

  async #appendAlone(make: () => Promise<AppendRequest>, onDurable: () => void): Promise<Committed> {
    // From its first turn on, what comes waits.
    await Promise.resolve()
    while (this.#running !== undefined) await this.#running
    if (this.lacksRoom) throw noRoom()
    const request = await make()
    const committed = await new Promise<Committed | undefined>((resolve, reject) => {
      if (this.#failure !== undefined || this.#closed) return reject(this.#refusal())
      this.#pendingBytes += request.expectedBytes
      this.#admit({ request, resolve, reject, first: -1, count: 0, onDurable })
      this.#running ??= this.#run()
    })
    assert(committed !== undefined, 'an append in a commit of its own does not withdraw')
    return committed
  }

  /** Refuses what comes from now on, and resolves once all that was accepted is durable. */
  async close(): Promise<void> {
    await this.#alone?.catch(() => {})
    this.#closed = true
    this.#room.close()
    await this.#running
    await this.#end.file.close()
  }

  /** Stops the writer for a reason found elsewhere (another writer, a head that contradicts). */
  stop(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error instanceof Error ? error : new Error(String(error))
    this.#room.close()
    this.#options.onFailure(this.#failure)
  }

  #refusal(): Problem {
    if (this.#failure === undefined)
      return new Problem('writer-stopped', 'The server is shutting down; try again later.')
    const mend = 'Nothing is written any more until the server is restarted and recovery has read the disk.'
    return new Problem('writer-stopped', `The writer has stopped: ${this.#failure.message}. ${mend}`)
  }

  /** Once its indexes are taken an append cannot be left out, so one that fails here stops the writer. */
  #admit(job: Job): void {
    const { log, expectedBytes, claim, fill } = job.request
    this.#jobs.push(job)
    try {
      const extent = claim(log.reservedSize)
      if (extent === undefined) {
        this.#jobs.pop()
        this.#pendingBytes -= expectedBytes
        return job.resolve(undefined)
      }
      const { count, entriesBytes, contentsBytes } = extent
      job.count = count
      job.first = log.reserve(count)
      const frame = this.#filling
      const number = frame.sections.length
      frame.addSection(log.name, job.first, count, entriesBytes, contentsBytes)
      const filled = fill(() => frame.sections[number]!)
      if (filled === undefined) return
      this.#fills.push(filled)
      // Whoever seals the frame hears of its failure.
      filled.catch(() => {})
    } catch (error) {
      this.stop(error)
    }
  }

  #admitWaiting(): void {
    if (this.#alone !== undefined) return
    while (this.#filling.usedBytes <= FRAME_TARGET_BYTES) {
      const job = this.#waiting.shift()
      if (job === undefined) return
      this.#admit(job)
    }
  }

  async #run(): Promise<void> {
    try {
      while (this.#jobs.length > 0) {
        this.#throwIfStopped()
        await this.#commit()
      }
    } catch (error) {
      this.stop(error)
      const refusal = this.#refusal()
      for (const job of [...this.#jobs, ...this.#waiting]) job.reject(refusal)
      this.#jobs = []
      this.#waiting = []
      this.#pendingBytes = 0
    } finally {
      this.#running = undefined
    }
  }

  async #commit(): Promise<void> {
    this.#beganMs = this.#options.clock.monotonicMs()
    if (this.#end.position > this.#options.walFileBytes) await this.#rotate()
    const frame = this.#filling
    const jobs = this.#jobs
    this.#filling = this.#writing
    this.#writing = frame
    const fills = this.#fills
    this.#jobs = []
    this.#fills = []
    try {
      if (fills.length > 0) {
        await Promise.all(fills)
        this.#throwIfStopped()
      }
      const rows = await this.#makeDurable(frame, jobs)
      for (const job of jobs) {
        const row = rows.get(job.request.log.name)
        assert(row !== undefined)
        this.#pendingBytes -= job.request.expectedBytes
        job.resolve({ first: job.first, count: job.count, size: row.size, root: row.root })
      }
    } catch (error) {
      this.#jobs.unshift(...jobs)
      throw error
    }
    this.#tookMs = this.#options.clock.monotonicMs() - this.#beganMs
    frame.reset()
    this.#admitWaiting()
  }

  /** Writes a frame and makes it durable; only then does it become visible. Returns the ledgers' rows by name. */
  async #makeDurable(frame: FrameBuilder, jobs: readonly Job[]): Promise<Map<string, TableRow>> {
    const end = this.#end
    const sections = sectionsByLedger(frame)
    const rows = [...frame.ledgers].map((name) => this.#options.log(name).advance(sections.get(name) ?? []))
    const sealed = frame.seal(end.header.fileId, end.commit + 1, end.hash, rows)
    const written = this.#room.with(async () => await end.file.write(sealed.bytes, end.position))
    this.#admitWaiting()
    await written
    await end.file.datasync()
    this.#throwIfStopped()
    this.#end = { ...end, position: end.position + sealed.bytes.length, commit: sealed.commit, hash: sealed.hash }
    for (const row of rows) {
      this.#options.log(row.ledger).apply(sections.get(row.ledger) ?? [], row, end.header.firstCommit, end.position)
    }
    for (const { onDurable } of jobs) onDurable?.()
    this.#options.onCommit(this.#end, sealed.bytes.length)
    return new Map(rows.map((row) => [row.ledger, row]))
  }

  async #rotate(): Promise<void> {
    const { disk, directory, newFileId } = this.#options
    const { commit, hash, header, file } = this.#end
    const next = { ...header, fileId: newFileId(), firstCommit: commit + 1, previousHash: hash }
    const opened = await this.#room.with(async () => {
      // What an earlier try has left: nothing was ever written behind its header.
      if (this.#room.isLacking) await disk.remove(walPath(directory, next.firstCommit))
      return await createWalFile(disk, directory, next)
    })
    this.#end = { header: next, file: opened, position: BLOCK_BYTES, commit, hash }
    await file.close()
  }

  /** How long what waits will take, as far as the last commits tell. */
  #secondsBehind(): number {
    const busyMs = this.#running === undefined ? 0 : this.#options.clock.monotonicMs() - this.#beganMs
    const commits = Math.ceil(this.#pendingBytes / FRAME_TARGET_BYTES)
    const seconds = Math.ceil((Math.max(busyMs, this.#tookMs) * commits) / 1_000)
    return Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_SECONDS)
  }

  #throwIfStopped(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
}

function noRoom(): Problem {
  return new Problem('disk-reserve', 'The disk is full to the last byte. Nothing was stored; make room and try again.')
}

function sectionsByLedger(frame: FrameBuilder): Map<string, Section[]> {
  const sections = new Map<string, Section[]>()
  for (const section of frame.sections) {
    const same = sections.get(section.ledger)
    if (same === undefined) sections.set(section.ledger, [section])
    else same.push(section)
  }
  return sections
}
