// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The ledgers of one data directory: opened under a lock, recovered, held against the head that is kept outside,
 * and from then on appended to, read, proven and published. What a ledger is called and who may use it is decided
 * above; this layer knows names, keys, trees and bytes.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { inclusionProof } from '@stele/proof'
import { type Clock, timeText } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import type { Random } from '../platform/random.ts'
import { writeAnchor } from './anchor.ts'
import { type Batch, fillSection, measure } from './batch.ts'
import { type Committed, Committer, type WalEnd } from './commit.ts'
import { FileCache } from './file-cache.ts'
import type { HeadStore } from './head-store.ts'
import { KeyFault, KeyStore, type Signer } from './keys.ts'
import { type ClockJump, LedgerTime } from './ledger-time.ts'
import { Log } from './log.ts'
import { checkKeptHead, checkPublished, HeadFault, Publisher } from './publish.ts'
import { Reader, type StoredEvent } from './read.ts'
import { derivedDirectory, type Published, recover, type Recovered } from './recover.ts'
import { createWalFile, walPath } from './wal/files.ts'
import { BLOCK_BYTES } from './wal/format.ts'

const ANCHOR_EVERY_BYTES = 64 * 1024 * 1024
const PUBLISH_EVERY_MS = 1_000

export interface LedgersOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly directory: string
  readonly lock: (path: string) => Lock | undefined
  /** `<name>/<install id>` for a directory that is begun now. */
  readonly newOriginPrefix: () => string
  /** Where the head of `heads` is kept; asked once the origin is known. */
  readonly headStore: (originPrefix: string) => HeadStore
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  readonly onClockJump: (jump: ClockJump) => void
  /** Called once when the writer stops because of a failure. */
  readonly onFailure: (error: unknown) => void
}

/** What the start found: recorded in `system` by the layer above. */
export interface Opening {
  /** The directory was empty and has been begun. */
  readonly begun: boolean
  /** A last frame that a crash left unfinished was cut off. */
  readonly cut: { readonly file: string; readonly position: number; readonly bytes: number } | undefined
  /** Why derived files were made again, if they were. */
  readonly rederived: string | undefined
  /** No head was kept outside although the directory has data: a rollback could not have been noticed. */
  readonly headMissing: boolean
  readonly replayedBytes: number
}

/** Another process holds the data directory. */
export class OwnedError extends Error {
  override readonly name = 'OwnedError'
}

export class Ledgers {
  readonly originPrefix: string
  readonly opening: Opening
  readonly time: LedgerTime
  readonly #options: LedgersOptions
  readonly #lock: Lock
  readonly #cache: FileCache
  readonly #keys: KeyStore
  readonly #logs: Map<string, Log>
  readonly #signers = new Map<string, Signer>()
  readonly #checkpoints = new Map<string, { readonly size: number; readonly note: string }>()
  readonly #published: Map<string, Published>
  readonly #reader: Reader
  readonly #committer: Committer
  readonly #kept: Buffer | undefined
  readonly #store: HeadStore
  readonly #completedFiles: { firstCommit: number; sizeBytes: number }[]
  #publisher: Publisher | undefined
  #stopPublishing = () => {}
  #bytesSinceAnchor = 0
  #anchoring: Promise<void> | undefined
  #lastEnd: WalEnd

  private constructor(options: LedgersOptions, lock: Lock, cache: FileCache, found: Found) {
    this.#options = options
    this.#lock = lock
    this.#cache = cache
    this.originPrefix = found.end.header.originPrefix
    this.opening = found.opening
    this.time = new LedgerTime(options.clock, found.recovered.lastMs, options.onClockJump)
    this.#keys = new KeyStore(options.disk, options.random, options.directory)
    this.#logs = found.recovered.logs
    this.#published = found.recovered.published
    this.#reader = new Reader(cache, options.directory)
    this.#store = found.store
    this.#kept = found.kept
    this.#completedFiles = found.completedFiles
    this.#lastEnd = found.end
    this.#committer = new Committer({
      disk: options.disk,
      directory: options.directory,
      end: found.end,
      log: (name) => this.log(name),
      newFileId: () => randomId(options.random),
      onCommit: (end, frameBytes) => this.#committed(end, frameBytes),
      onFailure: options.onFailure,
    })
  }

  static async open(options: LedgersOptions): Promise<Ledgers> {
    const { disk, directory } = options
    await disk.makeDirectory(join(directory, 'wal'))
    const lock = options.lock(join(directory, 'LOCK'))
    if (lock === undefined) {
      const mend = 'Stop the other one, or give this one a directory of its own with --data.'
      throw new OwnedError(`${directory} is in use by another Stele process. ${mend}`)
    }
    const cache = new FileCache(disk)
    try {
      const progress = options.onProgress === undefined ? {} : { onProgress: options.onProgress }
      const recovered = await recover({ disk, directory, cache, ...progress })
      return new Ledgers(options, lock, cache, await beginOrResume(options, recovered))
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
    return this.#signers.has(name)
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
    return this.#signer(name).vkey
  }

  /** Why nothing is appended any more, if the writer has stopped. */
  get failure(): unknown {
    return this.#committer.failure
  }

  /** Where the head is kept outside, and why it could not be the last time, if so. */
  get keptHead(): { readonly where: string; readonly unreachable: string | undefined } {
    return { where: this.#store.where, unreachable: this.#publisher?.unreachable }
  }

  get walBytes(): number {
    return this.#completedFiles.reduce((sum, file) => sum + file.sizeBytes, this.#lastEnd.position)
  }

  /** Ledgers that have a key in its place: each must be one that exists. */
  async keyNames(): Promise<string[]> {
    return await this.#keys.names()
  }

  /** Makes the key of a ledger that is about to be created. */
  async prepare(name: string): Promise<string> {
    return (await this.#keys.prepare(name, this.origin(name))).vkey
  }

  /** Opens a ledger that exists: loads its key, which must be the one that `system` names. */
  async activate(name: string, vkey: string): Promise<void> {
    const signer = await this.#keys.load(name, this.origin(name))
    if (signer.vkey !== vkey) throw new KeyFault(`${this.#keys.path(name)} is not the key that system names: ${vkey}`)
    this.#signers.set(name, signer)
    await this.ensureLog(name)
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

  /** Appends a batch; resolves once it is durable. */
  async append(name: string, batch: Batch): Promise<Committed> {
    const { entriesBytes, contentsBytes } = measure(batch)
    return await this.#committer.append({
      log: this.log(name),
      count: batch.count,
      entriesBytes,
      contentsBytes,
      fill: (section) => fillSection(section, batch, timeText(this.time.nowMs()), this.#options.random),
    })
  }

  /** The signed checkpoint of the ledger's durable size. */
  checkpoint(name: string): string {
    const log = this.log(name)
    const cached = this.#checkpoints.get(name)
    if (cached?.size === log.size) return cached.note
    const note = this.#signer(name).checkpoint(log.size, log.root)
    this.#checkpoints.set(name, { size: log.size, note })
    return note
  }

  /** Inclusion proof of an entry in the tree of `size` entries, from the leaf's sibling up. */
  async prove(name: string, index: number, size: number): Promise<Uint8Array[]> {
    return await inclusionProof(index, size, this.log(name).hashes)
  }

  async event(name: string, index: number): Promise<StoredEvent> {
    return await this.#reader.event(this.log(name), index)
  }

  async events(name: string, start: number, end: number, maxBytes: number): Promise<StoredEvent[]> {
    return await this.#reader.events(this.log(name), start, end, maxBytes)
  }

  async entries(name: string, start: number, end: number): Promise<Buffer[]> {
    return await this.#reader.entries(this.log(name), start, end)
  }

  /** Starts publishing; all ledgers must have been activated. */
  async startPublishing(): Promise<void> {
    const signer = this.#signer('heads')
    this.#publisher = new Publisher(
      {
        store: this.#store,
        heads: this.log('heads'),
        headsSigner: signer,
        logs: () => [...this.#signers.keys()].filter((name) => name !== 'heads').map((name) => this.log(name)),
        published: this.#published,
        checkpoint: (log) => this.checkpoint(log.name),
        append: async (log, batch) => await this.append(log.name, batch),
        stop: (error) => this.#committer.stop(error),
      },
      this.#kept,
    )
    await this.#keys.dropPending()
    await this.#publisher.publish()
    this.#stopPublishing = this.#options.clock.every(PUBLISH_EVERY_MS, () => {
      if (this.failure === undefined) this.#publisher?.publish().catch((error: unknown) => this.#committer.stop(error))
    })
  }

  /** Publishes now instead of within the second. */
  async publish(): Promise<void> {
    await this.#publisher?.publish()
  }

  /** Finishes what was accepted, publishes, and lets go of the directory. */
  async close(): Promise<void> {
    this.#stopPublishing()
    if (this.failure === undefined) await this.#publisher?.publish()
    await this.#committer.close()
    await this.#anchoring
    if (this.failure === undefined) await this.#anchor(this.#committer.end)
    await this.#cache.close()
    this.#lock.release()
  }

  #signer(name: string): Signer {
    const signer = this.#signers.get(name)
    assert(signer !== undefined, `ledger ${name} is not open`)
    return signer
  }

  #committed(end: WalEnd, frameBytes: number): void {
    if (end.header.firstCommit !== this.#lastEnd.header.firstCommit) {
      this.#completedFiles.push({ firstCommit: this.#lastEnd.header.firstCommit, sizeBytes: this.#lastEnd.position })
    }
    this.#lastEnd = end
    this.#bytesSinceAnchor += frameBytes
    if (this.#bytesSinceAnchor < ANCHOR_EVERY_BYTES || this.#anchoring !== undefined) return
    this.#anchoring = this.#anchor(end)
      .catch((error: unknown) => this.#committer.stop(error))
      .finally(() => (this.#anchoring = undefined))
  }

  /** Writes the anchor of the state as it is now; what comes meanwhile is beyond it and does no harm. */
  async #anchor(end: WalEnd): Promise<void> {
    this.#bytesSinceAnchor = 0
    const logs = [...this.#logs.values()]
    const anchor = {
      v: 1 as const,
      originPrefix: this.originPrefix,
      file: end.header.firstCommit,
      position: end.position,
      commit: end.commit,
      hash: end.hash.toString('hex'),
      lastMs: this.time.lastMs,
      files: [...this.#completedFiles],
      ledgers: logs.map((log) => ({ name: log.name, size: log.size, root: hex(log.root), places: log.placeCount })),
      published: [...this.#published].map(([name, { size, root }]) => ({ name, size, root })),
    }
    for (const log of logs) await log.flush(true)
    await writeAnchor(this.#options.disk, this.#options.directory, anchor)
  }
}

interface Found {
  readonly recovered: Recovered
  readonly end: WalEnd
  readonly store: HeadStore
  readonly kept: Buffer | undefined
  readonly completedFiles: { firstCommit: number; sizeBytes: number }[]
  readonly opening: Opening
}

async function beginOrResume(options: LedgersOptions, recovered: Recovered): Promise<Found> {
  if (recovered.end === undefined || recovered.end.commit === 0) return await begin(options, recovered)
  return await resume(options, recovered, recovered.end)
}

/** Begins an empty directory, unless something says that it should not be empty. */
async function begin(options: LedgersOptions, recovered: Recovered): Promise<Found> {
  const { disk, directory, random } = options
  const keys = new KeyStore(disk, random, directory)
  const [orphan] = await keys.names()
  if (orphan !== undefined) {
    const mend = 'Bring the data back, or move the keys away to begin anew.'
    throw new KeyFault(`${keys.path(orphan)} is the key of a ledger whose data is not in ${directory}. ${mend}`)
  }
  const originPrefix = options.newOriginPrefix()
  const store = options.headStore(originPrefix)
  const kept = await store.read()
  if (kept !== undefined) {
    const mend = `Bring the data back, or remove ${store.where} to begin anew.`
    throw new HeadFault(`${store.where} keeps the head of ledgers whose data is not in ${directory}. ${mend}`)
  }
  for (const file of recovered.files) await disk.remove(file.path)
  if (recovered.unborn !== undefined) await disk.remove(recovered.unborn)
  await keys.dropPending()
  await disk.makeDirectory(join(directory, 'derived'))
  const header = { fileId: randomId(random), firstCommit: 1, previousHash: Buffer.alloc(32), originPrefix }
  const file = await createWalFile(disk, directory, header)
  await disk.syncDirectory(directory)
  const opening = { begun: true, cut: undefined, rederived: undefined, headMissing: false, replayedBytes: 0 }
  const end = { header, file, position: BLOCK_BYTES, commit: 0, hash: Buffer.alloc(32) }
  return { recovered, end, store, kept, completedFiles: [], opening }
}

/** Goes on where the log ends: only now that nothing contradicts it is a torn tail cut off. */
async function resume(options: LedgersOptions, recovered: Recovered, at: NonNullable<Recovered['end']>): Promise<Found> {
  const { disk, directory, random } = options
  const { header } = at.file
  const store = options.headStore(header.originPrefix)
  const kept = await store.read()
  if (kept !== undefined) {
    const heads = recovered.logs.get('heads')
    if (heads === undefined) throw new HeadFault(`${store.where} keeps a head, but ${directory} has no ledger heads`)
    const signer = await new KeyStore(disk, random, directory).load('heads', `${header.originPrefix}/heads`)
    await checkKeptHead(heads, signer, store, kept)
  }
  await checkPublished(recovered.logs, recovered.published)
  const file = await disk.open(at.file.path, 'write')
  if (recovered.torn !== undefined) {
    await file.truncate(recovered.torn.position)
    await file.datasync()
  }
  if (recovered.unborn !== undefined) {
    await disk.remove(recovered.unborn)
    await disk.syncDirectory(join(directory, 'wal'))
  }
  const completedFiles = []
  for (const earlier of recovered.files) {
    if (earlier.header.firstCommit === header.firstCommit) continue
    const opened = await disk.open(earlier.path, 'read')
    completedFiles.push({ firstCommit: earlier.header.firstCommit, sizeBytes: await opened.sizeBytes() })
    await opened.close()
  }
  const { torn } = recovered
  const opening = {
    begun: false,
    cut: torn === undefined ? undefined : { file: walPath(directory, header.firstCommit), position: torn.position, bytes: torn.bytes },
    rederived: recovered.rederived,
    headMissing: kept === undefined,
    replayedBytes: recovered.replayedBytes,
  }
  const end = { header, file, position: at.position, commit: at.commit, hash: at.hash }
  return { recovered, end, store, kept, completedFiles, opening }
}

function randomId(random: Random): Buffer {
  const id = Buffer.alloc(16)
  random.fill(id, 0, id.length)
  return id
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
