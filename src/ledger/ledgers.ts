// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The ledgers of one data directory: opened under a lock, recovered, held against the head that is kept outside,
 * and from then on appended to, read, proven and published. What a ledger is called and who may use it is decided
 * above; this layer knows names, keys, trees and bytes.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Lock } from '../platform/lock.ts'
import type { Anchor } from './anchor.ts'
import { Anchoring } from './anchoring.ts'
import { Appending } from './appending.ts'
import type { Batch } from './batch.ts'
import { type Committed, Committer, type WalEnd } from './commit.ts'
import { dropCutNote } from './cut-note.ts'
import { FileCache } from './file-cache.ts'
import type { HeadStore } from './head-store.ts'
import { Keyring } from './keyring.ts'
import { KeyStore } from './keys.ts'
import type { KeyHistory } from './key-periods.ts'
import { LedgerTime } from './ledger-time.ts'
import { derivedDirectory, Log } from './log.ts'
import {
  beginOrResume,
  DEFAULT_SIZES,
  newFileId,
  OwnedError,
  type LedgersOptions,
  type LedgerSizes,
  type Opened,
  type Opening,
} from './opening.ts'
import { checkKeptHead, Publisher } from './publish.ts'
import { Prover } from './prover.ts'
import { type Admit, Reader, type StoredEvent } from './read.ts'
import { PublishedFeed } from './published-feed.ts'
import type { Published } from './published-head.ts'
import { Recent } from './recent.ts'
import { recover } from './recover.ts'
import type { Seal } from './seal.ts'
import { type SegmentParts, segmentParts } from './sealed-entries.ts'
import { SealedLog, type SealedSizes, segmentCheckIn } from './sealed-log.ts'
import type { SealTask } from './sealing.ts'
import type { Signer } from './signing.ts'
import type { DurableEnd } from './wal/frame-tail.ts'

const PUBLISH_EVERY_MS = 1_000

export class Ledgers {
  readonly originPrefix: string
  readonly opening: Opening
  readonly time: LedgerTime
  readonly keyring: Keyring
  /** Appends what others send: without what they sent before. */
  readonly appending: Appending
  readonly publishedHeads = new PublishedFeed()
  readonly #options: LedgersOptions
  readonly #sizes: LedgerSizes
  readonly #lock: Lock
  readonly #cache: FileCache
  readonly #logs: Map<string, Log>
  readonly #published: Map<string, Published>
  readonly #reader: Reader
  readonly #prover = new Prover()
  readonly #committer: Committer
  readonly #recent: Recent
  readonly #kept: Buffer | undefined
  /** Keys of `heads` that the start has believed. */
  readonly #signedBy: readonly string[]
  readonly #store: HeadStore
  readonly #sealedLog: SealedLog
  readonly #anchoring: Anchoring
  readonly #commitListeners = new Set<() => void>()
  readonly #fileListeners = new Set<() => void>()
  #publisher: Publisher | undefined
  #stopPublishing = () => {}
  #lastEnd: WalEnd

  private constructor(
    options: LedgersOptions,
    lock: Lock,
    cache: FileCache,
    parts: SegmentParts,
    recent: Recent,
    opened: Opened,
  ) {
    this.#options = options
    this.#sizes = { ...DEFAULT_SIZES, ...options.sizes }
    this.#lock = lock
    this.#cache = cache
    this.originPrefix = opened.end.header.originPrefix
    this.opening = opened.opening
    this.time = new LedgerTime(options.clock, opened.recovered.lastMs, options.onClockJump)
    this.keyring = new Keyring({
      keys: new KeyStore(options.disk, options.random, options.directory, options.keys),
      origin: (name) => this.origin(name),
      signAgain: async () => {
        await this.#sealedLog.signAgain()
        await this.#anchoring.write()
      },
    })
    this.#logs = opened.recovered.logs
    this.#published = opened.recovered.published
    this.#reader = new Reader(cache, options.directory)
    this.#store = opened.store
    this.#kept = opened.kept
    this.#signedBy = opened.recovered.signedBy
    this.#lastEnd = opened.end
    const sealing = {
      ...parts,
      disk: options.disk,
      directory: options.directory,
      cache,
      logs: this.#logs,
      originPrefix: this.originPrefix,
      segmentEntries: this.#sizes.segmentEntries,
      check: options.checkSegment ?? segmentCheckIn(options.disk, options.directory),
      anchor: async () => await this.#anchoring.write(),
      signer: () => this.signer('heads'),
    }
    this.#sealedLog = new SealedLog(sealing, opened)
    this.#recent = recent
    this.#anchoring = new Anchoring({
      disk: options.disk,
      directory: options.directory,
      everyBytes: this.#sizes.anchorEveryBytes,
      logs: () => [...this.#logs.values()],
      rest: () => this.#whereItEnds(),
      flushRecent: async (states) => await this.#recent.flush(states),
      signer: () => this.keyring.get('heads'),
      onFailure: (error) => this.#committer.stop(error),
    })
    this.#committer = new Committer({
      disk: options.disk,
      clock: options.clock,
      directory: options.directory,
      end: opened.end,
      log: (name) => this.log(name),
      walFileBytes: this.#sizes.walFileBytes,
      newFileId: () => newFileId(options.random),
      onCommit: (end, frameBytes) => this.#committed(end, frameBytes),
      onFailure: options.onFailure,
    })
    this.appending = new Appending(options, this, this.#committer, this.#reader, this.#recent)
  }

  static async open(options: LedgersOptions): Promise<Ledgers> {
    const { disk, directory, onProgress } = options
    await disk.makeDirectory(join(directory, 'wal'))
    const lock = options.lock(join(directory, 'LOCK'))
    if (lock === undefined) {
      const mend = 'Stop the other one, or give this one a directory of its own with --data.'
      throw new OwnedError(`${directory} is in use by another Stele process. ${mend}`)
    }
    const cache = new FileCache(disk)
    const parts = segmentParts(disk, directory, cache, options.spans)
    try {
      const recent = new Recent(options, cache, options.sizes?.recentEntries ?? DEFAULT_SIZES.recentEntries)
      const recovered = await recover({ disk, directory, cache, recent, ...parts, ...(onProgress && { onProgress }) })
      return new Ledgers(options, lock, cache, parts, recent, await beginOrResume(options, recovered, cache))
    } catch (error) {
      await cache.close()
      lock.release()
      throw error
    }
  }

  get names(): string[] {
    return [...this.#logs.keys()].toSorted()
  }

  has(name: string): boolean {
    return this.keyring.has(name)
  }

  log(name: string): Log {
    const log = this.#logs.get(name)
    assert(log !== undefined, `no ledger ${name}`)
    return log
  }

  origin(name: string): string {
    return `${this.originPrefix}/${name}`
  }

  vkey(name: string): string {
    return this.signer(name).vkey
  }

  /** Where the log is durable up to: how far followers may read. */
  get durableEnd(): DurableEnd {
    return { file: this.#lastEnd.header.firstCommit, position: this.#lastEnd.position }
  }

  /** Where in the WAL the entry `index`, which is not sealed, lies; its frame begins before. */
  async placeOf(name: string, index: number): Promise<DurableEnd> {
    return await this.log(name).place(index)
  }

  /** Calls `listener` after each commit, until the returned function is called. */
  onCommit(listener: () => void): () => void {
    this.#commitListeners.add(listener)
    return () => void this.#commitListeners.delete(listener)
  }

  /** Calls `listener` whenever a WAL file is completed, until the returned function is called. */
  onFileCompleted(listener: () => void): () => void {
    this.#fileListeners.add(listener)
    return () => void this.#fileListeners.delete(listener)
  }

  /** Up to where the segments hold everything: the last commit, and how many entries of each ledger. */
  get sealed(): SealedSizes {
    return this.#sealedLog.sizes
  }

  /** The oldest WAL file that is completed, for a follower to seal. */
  sealTask(): SealTask | undefined {
    return this.failure === undefined ? this.#sealedLog.task : undefined
  }

  /** Takes a follower's word for nothing; then moves the seal and gives up the WAL file that `sealTask` named. */
  async acceptSeal(proposed: Seal): Promise<void> {
    assert(this.failure === undefined, 'a writer that has stopped seals nothing')
    await this.#sealedLog.accept(proposed, this.#lastEnd.header)
  }

  /** Gives up what a crash left of WAL files that are sealed, once their segments have been read again. */
  async finishSealing(): Promise<void> {
    await this.#sealedLog.dropLeftovers()
  }

  /** Why nothing is appended any more, if the writer has stopped. */
  get failure(): Error | undefined {
    return this.#committer.failure
  }

  /** What was accepted and waits for the disk. */
  get queue(): Pick<Committer, 'pendingBytes' | 'lacksRoom' | 'demandRoom'> {
    return this.#committer
  }

  /** Where the head is kept outside, and why it could not be the last time, if so. */
  get keptHead(): { readonly where: string; readonly unreachable: string | undefined } {
    return { where: this.#store.where, unreachable: this.#publisher?.unreachable }
  }

  get walBytes(): number {
    return this.#sealedLog.completedBytes + this.#lastEnd.position
  }

  /** What the start cut off is recorded: its note has served. */
  async cutsRecorded(): Promise<void> {
    await dropCutNote(this.#options.disk, this.#options.directory)
  }

  /** Opens a ledger that exists: loads its keys, which must be those that `system` names. */
  async activate(name: string, keys: KeyHistory): Promise<void> {
    const log = await this.ensureLog(name)
    const isHeads = name === 'heads'
    // From here on it is published.
    await this.keyring.activate(log, keys, isHeads ? this.#signedBy : [])
    if (!isHeads) await this.keyring.finish(name)
    else if (this.#kept !== undefined) await checkKeptHead(log, keys.periods, this.#store, this.#kept)
  }

  /** The log of a ledger that is about to get its first entry, or has none yet. */
  async ensureLog(name: string): Promise<Log> {
    const known = this.#logs.get(name)
    if (known !== undefined) return known
    const directory = derivedDirectory(this.#options.directory, name)
    await this.#options.disk.makeDirectory(directory)
    const log = Log.empty(this.#cache, directory, name)
    this.#logs.set(name, log)
    return log
  }

  /** Appends a batch as it is; resolves once it is durable. */
  async append(name: string, batch: Batch): Promise<Committed> {
    return await this.appending.all(name, batch)
  }

  /** The signed checkpoint of the ledger's durable size. */
  checkpoint(name: string): string {
    return this.keyring.checkpoint(this.log(name))
  }

  /** Inclusion proof of an entry in the tree of `size` entries, from the leaf's sibling up. */
  async prove(name: string, index: number, size: number): Promise<Uint8Array[]> {
    return await this.#prover.inclusion(this.log(name), index, size)
  }

  /** `admit` is told of the bytes before they are read, and throws where there is no room for them. */
  async event(name: string, index: number, admit?: Admit): Promise<StoredEvent> {
    return await this.#reader.event(this.log(name), index, admit)
  }

  async events(name: string, start: number, end: number, maxBytes: number, admit?: Admit): Promise<StoredEvent[]> {
    return await this.#reader.events(this.log(name), start, end, maxBytes, admit)
  }

  async entries(name: string, start: number, end: number): Promise<Buffer[]> {
    return await this.#reader.entries(this.log(name), start, end)
  }

  /** Starts publishing; all ledgers must have been activated. */
  async startPublishing(): Promise<void> {
    this.#publisher = new Publisher(
      {
        store: this.#store,
        heads: this.log('heads'),
        signer: () => this.signer('heads'),
        periods: () => this.keyring.periods('heads'),
        timeSeconds: () => Math.floor(this.time.lastMs / 1000),
        logs: () => [...this.keyring.names].filter((name) => name !== 'heads').map((name) => this.log(name)),
        published: this.#published,
        checkpoint: (log) => this.checkpoint(log.name),
        append: async (log, batch) => await this.append(log.name, batch),
        feed: this.publishedHeads,
        stop: (error) => this.#committer.stop(error),
      },
      this.#kept,
    )
    await this.keyring.finish('heads')
    await this.keyring.dropPending()
    await this.#publisher.publish()
    this.#committer.waitForRoom(true)
    this.#stopPublishing = this.#options.clock.every(PUBLISH_EVERY_MS, () => {
      if (this.failure === undefined) this.#publisher?.publish().catch((error: unknown) => this.#committer.stop(error))
    })
  }

  /** Publishes now instead of within the second. */
  async publish(): Promise<void> {
    await this.#publisher?.publish()
  }

  /** What waits for room on a full disk fails from now on: nobody knows whether there will ever be some. */
  endWaiting(): void {
    this.#committer.waitForRoom(false)
  }

  /** Finishes what was accepted, publishes, and lets go of the directory. */
  async close(): Promise<void> {
    this.endWaiting()
    this.#stopPublishing()
    try {
      if (this.failure === undefined) await this.#publisher?.publish()
    } finally {
      await this.#letGo()
    }
  }

  async #letGo(): Promise<void> {
    try {
      await this.#committer.close()
      await this.#anchoring.settled()
      if (this.failure === undefined) await this.#anchoring.write()
    } finally {
      await this.#cache.close()
      this.#lock.release()
    }
  }

  signer(name: string): Signer {
    return this.keyring.signer(name)
  }

  #committed(end: WalEnd, frameBytes: number): void {
    if (end.header.firstCommit !== this.#lastEnd.header.firstCommit) {
      this.#sealedLog.complete({ header: this.#lastEnd.header, sizeBytes: this.#lastEnd.position })
      for (const listener of this.#fileListeners) listener()
    }
    this.#lastEnd = end
    for (const listener of this.#commitListeners) listener()
    this.#anchoring.grown(frameBytes)
  }

  #whereItEnds(): Omit<Anchor, 'v' | 'ledgers' | 'recent'> {
    const { header, position, commit, hash } = this.#lastEnd
    const published = [...this.#published].map(([name, { size, root }]) => ({ name, size, root }))
    return {
      originPrefix: this.originPrefix,
      file: header.firstCommit,
      position,
      commit,
      hash: hash.toString('hex'),
      lastMs: this.time.lastMs,
      files: this.#sealedLog.files.map(({ header: { firstCommit }, sizeBytes }) => ({ firstCommit, sizeBytes })),
      published,
    }
  }
}
