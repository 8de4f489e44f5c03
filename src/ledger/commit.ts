// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Group commit. Appends fill the next frame while the one before is on its way to the disk; one write and one
 * fdatasync make durable all that arrived meanwhile, and only then is anything acknowledged or visible.
 *
 * The order is what makes it safe: the next frame is written only after the fdatasync of this one, so after a crash
 * only the last frame can be bad. A write or fdatasync that fails is final: whether it took effect cannot be known,
 * so everything pending is refused and the writer stops until recovery has looked at the disk.
 */
import assert from 'node:assert/strict'
import type { Disk, DiskFile } from '../platform/disk.ts'
import { Problem } from '../schema/problem.ts'
import type { Log } from './log.ts'
import { createWalFile, walPath } from './wal/files.ts'
import { FrameBuilder } from './wal/frame-builder.ts'
import { BLOCK_BYTES, type Section, type TableRow, type WalFileHeader } from './wal/format.ts'

/** A frame takes no further append once it holds this much; a single append may be larger. */
const FRAME_TARGET_BYTES = 8 * 1024 * 1024
const WAL_FILE_BYTES = 256 * 1024 * 1024

/** Where the WAL ends: what the next frame follows. */
export interface WalEnd {
  readonly header: WalFileHeader
  readonly file: DiskFile
  readonly position: number
  readonly commit: number
  readonly hash: Buffer
}

/** What one append asks for; `fill` is called once its section is reserved. */
export interface AppendRequest {
  readonly log: Log
  readonly count: number
  readonly entriesBytes: number
  readonly contentsBytes: number
  readonly fill: (section: Section) => void
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
  readonly resolve: (committed: Committed) => void
  readonly reject: (error: unknown) => void
  first: number
}

export interface CommitterOptions {
  readonly disk: Disk
  readonly directory: string
  readonly end: WalEnd
  readonly log: (name: string) => Log
  /** Draws the 16 bytes of a new file's id. */
  readonly newFileId: () => Buffer
  /** Called after each commit is durable and visible, before the next is written. */
  readonly onCommit: (end: WalEnd, frameBytes: number) => void
  /** Called once, when the writer stops because of a failure. */
  readonly onFailure: (error: unknown) => void
}

export class Committer {
  readonly #options: CommitterOptions
  #end: WalEnd
  #filling = new FrameBuilder()
  #writing = new FrameBuilder()
  #jobs: Job[] = []
  #waiting: Job[] = []
  #running: Promise<void> | undefined
  #failure: unknown
  #closed = false

  constructor(options: CommitterOptions) {
    this.#options = options
    this.#end = options.end
  }

  get end(): WalEnd {
    return this.#end
  }

  /** Why the writer stopped, if it did. */
  get failure(): unknown {
    return this.#failure
  }

  async append(request: AppendRequest): Promise<Committed> {
    return await new Promise((resolve, reject) => {
      if (this.#failure !== undefined || this.#closed) return reject(this.#refusal())
      const job: Job = { request, resolve, reject, first: -1 }
      if (this.#waiting.length > 0 || this.#filling.usedBytes > FRAME_TARGET_BYTES) this.#waiting.push(job)
      else this.#admit(job)
      this.#running ??= this.#run()
    })
  }

  /** Refuses what comes from now on, and resolves once all that was accepted is durable. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
    if (this.#failure === undefined) await this.#end.file.close()
  }

  /** Stops the writer for a reason found elsewhere (another writer, a head that contradicts). */
  stop(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#options.onFailure(error)
  }

  #refusal(): Problem {
    if (this.#failure === undefined) return new Problem('writer-stopped', 'The server is shutting down; try again later.')
    const reason = this.#failure instanceof Error ? this.#failure.message : String(this.#failure)
    const mend = 'Nothing is written any more until the server is restarted and recovery has read the disk.'
    return new Problem('writer-stopped', `The writer has stopped: ${reason}. ${mend}`)
  }

  #admit(job: Job): void {
    const { log, count, entriesBytes, contentsBytes, fill } = job.request
    job.first = log.reserve(count)
    fill(this.#filling.addSection(log.name, job.first, count, entriesBytes, contentsBytes))
    this.#jobs.push(job)
  }

  #admitWaiting(): void {
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
    } finally {
      this.#running = undefined
    }
  }

  async #commit(): Promise<void> {
    if (this.#end.position > WAL_FILE_BYTES) await this.#rotate()
    const frame = this.#filling
    const jobs = this.#jobs
    this.#filling = this.#writing
    this.#writing = frame
    this.#jobs = []
    const sections = sectionsByLedger(frame)
    const rows = [...frame.ledgers].map((name) => this.#options.log(name).advance(sections.get(name) ?? []))
    const end = this.#end
    const sealed = frame.seal(end.header.fileId, end.commit + 1, end.hash, rows)
    try {
      const written = end.file.write(sealed.bytes, end.position)
      this.#admitWaiting()
      await written
      await end.file.datasync()
      this.#throwIfStopped()
    } catch (error) {
      this.#jobs.unshift(...jobs)
      throw error
    }
    this.#end = { ...end, position: end.position + sealed.bytes.length, commit: sealed.commit, hash: sealed.hash }
    const byName = new Map<string, TableRow>()
    for (const row of rows) {
      byName.set(row.ledger, row)
      this.#options.log(row.ledger).apply(sections.get(row.ledger) ?? [], row, end.header.firstCommit, end.position)
    }
    this.#options.onCommit(this.#end, sealed.bytes.length)
    for (const job of jobs) {
      const row = byName.get(job.request.log.name)
      assert(row !== undefined)
      job.resolve({ first: job.first, count: job.request.count, size: row.size, root: row.root })
    }
    frame.reset()
    this.#admitWaiting()
  }

  async #rotate(): Promise<void> {
    const { disk, directory, newFileId } = this.#options
    const { commit, hash, header, file } = this.#end
    const next = { ...header, fileId: newFileId(), firstCommit: commit + 1, previousHash: hash }
    const opened = await createWalFile(disk, directory, next)
    this.#end = { header: next, file: opened, position: BLOCK_BYTES, commit, hash }
    await file.close()
  }

  #throwIfStopped(): void {
    if (this.#failure !== undefined) throw this.#failure
  }
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

/** The path of the file that a WAL ends in, for messages. */
export function endPath(directory: string, end: WalEnd): string {
  return walPath(directory, end.header.firstCommit)
}
