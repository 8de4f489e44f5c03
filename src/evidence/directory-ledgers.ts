// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads ledgers out of a data directory, without changing it and while a server may run: what is sealed from segments,
 * the rest from the log up to its last whole frame, which is made durable before it counts. What it hands out is the
 * caller's to hold against the tree.
 */
import { join } from 'node:path'
import { EMPTY_ROOT } from '@stele/proof'
import { DataFault } from '../ledger/data-fault.ts'
import { coverUpTo } from '../ledger/recover-sealed.ts'
import { readSeal, type Seal } from '../ledger/seal.ts'
import { listSegments } from '../ledger/segment/cover.ts'
import { SegmentReader } from '../ledger/segment/segment-reader.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { ObjectMissing } from '../ledger/store/object-store.ts'
import { BLOCK_BYTES } from '../ledger/wal/format.ts'
import { eventBounds, goesOnAt, isFlaw, readFrame } from '../ledger/wal/frame-reader.ts'
import { wholeFrames } from '../ledger/wal/frame-sequence.ts'
import type { Disk } from '../platform/disk.ts'
import { openTogether, SEAL_FILE, segmentsDirectory } from './open-log.ts'
import { NoDirectoryError } from './verify-directory.ts'
import type { WalkedFile, WalkedLog } from './wal-walk.ts'

const MAX_TRIES = 100

/** Entry and content (salt ‖ event), valid until the next is asked for. */
export interface WalkedEntry {
  readonly index: number
  readonly entry: Buffer
  readonly content: Buffer
}

/** A ledger as the last whole frame leaves it. */
export interface LedgerEnd {
  readonly size: number
  readonly root: Uint8Array
}

export class DirectoryLedgers {
  readonly originPrefix: string
  readonly #store: DirectoryStore
  readonly #seal: Seal | undefined
  readonly #wal: WalkedLog
  readonly #ends: ReadonlyMap<string, LedgerEnd>
  /** Files behind the seal, and where their last whole frame ends. */
  readonly #files: readonly { readonly file: WalkedFile; readonly endBytes: number }[]

  private constructor(
    store: DirectoryStore,
    seal: Seal | undefined,
    wal: WalkedLog,
    scan: Pick<Scan, 'files' | 'ends' | 'originPrefix'>,
  ) {
    this.#store = store
    this.#seal = seal
    this.#wal = wal
    this.#files = scan.files
    this.#ends = scan.ends
    this.originPrefix = scan.originPrefix
  }

  /** Throws NoDirectoryError, and a DataFault where the log is not what it must be. */
  static async open(disk: Disk, directory: string): Promise<DirectoryLedgers> {
    const store = new DirectoryStore(disk, segmentsDirectory(directory))
    const { head, wal } = await openTogether(disk, directory, store)
    try {
      if (wal.files.length === 0) throw new NoDirectoryError(`${directory} holds no log.`)
      const read = head === undefined ? undefined : readSeal(head)
      if (typeof read === 'string') throw new DataFault(join(directory, SEAL_FILE), 0, read, 'a seal', 'something else')
      const scan = new Scan(read?.seal)
      for (const [position, file] of wal.files.entries()) await scan.take(file, position === wal.files.length - 1)
      return new DirectoryLedgers(store, read?.seal, wal, scan)
    } catch (error) {
      await wal.close()
      throw error
    }
  }

  get names(): string[] {
    return [...this.#ends.keys()]
  }

  /** Of a ledger that nothing was appended to, too. */
  end(ledger: string): LedgerEnd {
    return this.#ends.get(ledger) ?? { size: 0, root: EMPTY_ROOT }
  }

  /** Entries of a ledger from `first` on, up to its end. */
  async *walk(ledger: string, first: number): AsyncGenerator<WalkedEntry> {
    const sealedSize = this.#seal?.ledgers.find(({ name }) => name === ledger)?.size ?? 0
    let next = first
    for (let tries = 0; next < sealedSize; tries++) {
      try {
        for await (const walked of this.#sealed(ledger, next, sealedSize)) {
          yield walked
          next = walked.index + 1
        }
      } catch (error) {
        // A server replaces a segment by a longer one, which holds the same.
        if (!(error instanceof ObjectMissing) || tries === MAX_TRIES) throw error
      }
    }
    yield* this.#framed(ledger, next)
  }

  async close(): Promise<void> {
    await this.#wal.close()
  }

  async *#sealed(ledger: string, first: number, size: number): AsyncGenerator<WalkedEntry> {
    const segments = (await listSegments(this.#store, ledger)).get(ledger) ?? []
    for (const segment of coverUpTo(this.#store, ledger, segments, size)) {
      const end = segment.first + segment.count
      if (end <= first) continue
      const reader = await SegmentReader.open(this.#store, segment)
      for await (const run of reader.runs(Math.max(first, segment.first))) {
        for (const [at, entry] of run.entries.entries()) {
          yield { index: run.first + at, entry, content: run.contents[at]! }
        }
      }
    }
  }

  async *#framed(ledger: string, first: number): AsyncGenerator<WalkedEntry> {
    let next = first
    for (const { file, endBytes } of this.#files) {
      for await (const frame of wholeFrames(file.path, file.file, file.fileId, endBytes)) {
        for (const section of frame.sections.filter((section) => section.ledger === ledger)) {
          if (section.first > next) {
            const what = `entries of ${ledger} are missing`
            throw new DataFault(file.path, frame.position + section.at, what, `entry ${next}`, `entry ${section.first}`)
          }
          for (; next < section.first + section.count; next++) {
            const { entryStart, entryEnd, contentStart, contentEnd } = eventBounds(section, next - section.first)
            const [entry, content] = [
              section.bytes.subarray(entryStart, entryEnd),
              section.bytes.subarray(contentStart, contentEnd),
            ]
            yield { index: next, entry, content }
          }
        }
      }
    }
  }
}

/** A first look over the log: how far it reaches, and where each ledger is then. */
class Scan {
  readonly ends = new Map<string, LedgerEnd>()
  readonly files: { file: WalkedFile; endBytes: number }[] = []
  originPrefix = ''
  #commit: number
  #hash: string

  constructor(seal: Seal | undefined) {
    this.#commit = seal?.commit ?? 0
    this.#hash = seal?.hash ?? '0'.repeat(64)
    this.originPrefix = seal?.originPrefix ?? ''
    for (const { name, size, root } of seal?.ledgers ?? [])
      this.ends.set(name, { size, root: Buffer.from(root, 'hex') })
  }

  async take(walked: WalkedFile, isLast: boolean): Promise<void> {
    const { path, file, fileId, header, sizeBytes } = walked
    // The seal holds all of a file that begins before it ends.
    if (Number(walked.name.slice(-16)) <= this.#commit) return
    if (header === undefined) {
      if (isLast && sizeBytes <= BLOCK_BYTES) return
      throw new DataFault(path, 0, 'the file has no header of a log', 'one', 'something else')
    }
    if (this.originPrefix === '') this.originPrefix = header.originPrefix
    let position = BLOCK_BYTES
    for (;;) {
      const frame = await readFrame(file, sizeBytes, fileId, position)
      if (frame === undefined) break
      if (isFlaw(frame)) {
        // What is being written, or what a crash left.
        if (isLast && (await goesOnAt(file, sizeBytes, fileId, position)) === undefined) break
        throw new DataFault(path, position + frame.at, frame.what, frame.expected, frame.found)
      }
      const { commit, previousHash, hash, frameBytes } = frame.header
      const [expected, found] = [`${this.#commit + 1} ${this.#hash}`, `${commit} ${previousHash.toString('hex')}`]
      if (expected !== found) throw new DataFault(path, position, 'the chain of frames is broken', expected, found)
      for (const { ledger, size, root } of frame.rows) this.ends.set(ledger, { size, root: Buffer.from(root) })
      this.#commit = commit
      this.#hash = hash.toString('hex')
      position += frameBytes
    }
    // A frame that the writer has not made durable yet must not count before it is.
    if (isLast) await file.datasync()
    this.files.push({ file: walked, endBytes: position })
  }
}
