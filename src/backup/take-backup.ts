// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Copies a data directory from its files, while a server writes to it or not: what is sealed by its segments, the rest
 * by the log behind the seal, and the keys. A seal that moves on takes away segments and files of the log that were to
 * be copied; then the new seal is copied, of which most is there. A copy is one state that the directory had.
 */
import { hash } from 'node:crypto'
import { join, resolve, sep } from 'node:path'
import { DataFault } from '../ledger/data-fault.ts'
import { CUT_NOTE } from '../ledger/cut-note.ts'
import { headsSigners } from '../ledger/keys.ts'
import { keysOutside } from '../ledger/keys-directory.ts'
import { readSeal, type Seal } from '../ledger/seal.ts'
import { coverUpTo } from '../ledger/recover-sealed.ts'
import { listSegments } from '../ledger/segment/cover.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { type ObjectInfo, ObjectMissing } from '../ledger/store/object-store.ts'
import { isWalName } from '../ledger/wal/files.ts'
import { BLOCK_BYTES, decodeFileHeader } from '../ledger/wal/format.ts'
import { readWitnessedHead } from '../ledger/witnessed-head.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import { type Disk, readExactly } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import { keysOf, readKeys } from './copy-keys.ts'
import { copyObject, manifestFile, objectsOf } from './copy-segments.ts'
import { type ChainEnd, copyWal, type WalCopy } from './copy-wal.ts'
import { BackupFault, type Manifest } from './manifest.ts'
import { Target } from './target.ts'
import { Trees } from './trees.ts'

/** While files of 256 MB fill in seconds, each attempt still finds most of the segments copied. */
const MAX_ATTEMPTS = 100

export interface BackupOptions {
  readonly disk: Disk
  readonly clock: Clock
  /** The data directory, and the folder of the backup. */
  readonly from: string
  readonly to: string
  readonly withKeys: boolean
  /** A server writes to the directory now. */
  readonly isRunning: boolean
  readonly version: string
  /** Takes the folder of the backup, or is undefined where another one has it. */
  readonly lock: (path: string) => Lock | undefined
  /** Throws where the backup is to end. */
  readonly onProgress: (doneBytes: number, totalBytes: number) => void
}

export interface BackupReport {
  readonly manifest: Manifest
  /** Objects of segments that were copied now, that were there, and that were removed because larger ones hold them. */
  readonly copiedObjects: number
  readonly keptObjects: number
  readonly removedObjects: number
  readonly copiedBytes: number
}

export async function takeBackup(options: BackupOptions): Promise<BackupReport> {
  const [from, to] = [resolve(options.from), resolve(options.to)]
  if (`${to}${sep}`.startsWith(`${from}${sep}`) || `${from}${sep}`.startsWith(`${to}${sep}`)) {
    throw new BackupFault(`${to} and ${from} lie in one another`, 'Name a folder outside of the data directory')
  }
  const source = new Source(options)
  const begin = await source.begin()
  const target = await Target.open(options, to, begin.originPrefix)
  try {
    return await new Backup(options, source, target).take()
  } finally {
    target.close()
  }
}

/** What the directory says of itself at one moment. */
interface Begin extends ChainEnd {
  readonly seal: Seal | undefined
  readonly sealText: string | undefined
}

class Source {
  readonly store: DirectoryStore
  readonly #options: BackupOptions

  constructor(options: BackupOptions) {
    this.#options = options
    this.store = new DirectoryStore(options.disk, join(options.from, 'segments'))
  }

  async begin(): Promise<Begin> {
    const head = await this.store.readHead()
    if (head === undefined) {
      return {
        commit: 0,
        hash: Buffer.alloc(32),
        originPrefix: await this.#firstOrigin(),
        seal: undefined,
        sealText: undefined,
      }
    }
    const read = readSeal(head.bytes)
    if (typeof read === 'string') throw new DataFault(this.#sealPath, 0, read, 'a seal', 'something else')
    const { seal } = read
    return {
      commit: seal.commit,
      hash: Buffer.from(seal.hash, 'hex'),
      originPrefix: seal.originPrefix,
      seal,
      sealText: head.bytes.toString('latin1'),
    }
  }

  /** The seal must be by a key that lies there: where `heads` got another meanwhile, it was signed again. */
  async demandSigned({ seal, sealText }: Begin): Promise<void> {
    if (seal === undefined || sealText === undefined) return
    const { disk, from } = this.#options
    const read = readSeal(Buffer.from(sealText, 'latin1'))
    const signers = await headsSigners(disk, from, seal.originPrefix)
    const [signer] = signers
    if (signer === undefined || (typeof read === 'object' && signers.some((key) => read.isSignedBy(key)))) return
    const what = 'the seal is not signed by the key of heads'
    throw new DataFault(this.#sealPath, 0, what, signer.vkey, 'another signature')
  }

  get #sealPath(): string {
    return join(this.store.where, '_head')
  }

  /** Whether another seal is there now. */
  async hasMovedFrom({ sealText }: Begin): Promise<boolean> {
    return (await this.store.readHead())?.bytes.toString('latin1') !== sealText
  }

  /** Of a directory in which nothing is sealed. */
  async #firstOrigin(): Promise<string> {
    const { disk, from } = this.#options
    const [first] = (await disk.list(join(from, 'wal'))).filter(isWalName)
    if (first === undefined) {
      const mend = "Name the one that 'stele serve' is given with --data"
      throw new BackupFault(`${from} is not a data directory of Stele: it has no log`, mend)
    }
    const path = join(from, 'wal', first)
    const file = await disk.open(path, 'read')
    try {
      const length = Math.min(BLOCK_BYTES, await file.sizeBytes())
      return decodeFileHeader(path, await readExactly(file, 0, length)).originPrefix
    } finally {
      await file.close()
    }
  }
}

class Backup {
  readonly #options: BackupOptions
  readonly #source: Source
  readonly #target: Target
  #doneBytes = 0
  #totalBytes = 0
  /** Keys of objects. */
  readonly #copied = new Set<string>()

  constructor(options: BackupOptions, source: Source, target: Target) {
    this.#options = options
    this.#source = source
    this.#target = target
  }

  async take(): Promise<BackupReport> {
    for (let attempt = 1; ; attempt++) {
      const begin = await this.#source.begin()
      try {
        return await this.#takeOf(begin)
      } catch (error) {
        const isGone = error instanceof ObjectMissing || error instanceof DataFault || hasCode(error, 'ENOENT')
        if (!isGone || attempt === MAX_ATTEMPTS || !(await this.#source.hasMovedFrom(begin))) throw error
      }
    }
  }

  async #takeOf(begin: Begin): Promise<BackupReport> {
    const { clock, version, disk, from } = this.#options
    const outside = await keysOutside(disk, from)
    const withKeys = this.#options.withKeys && outside === undefined
    const target = this.#target
    // Before the log: what it counts must be in the copy.
    const witnessed = (await readWitnessedHead(disk, from))?.toString('utf8')
    const trees = new Trees(target.former?.ledgers ?? [])
    await this.#source.demandSigned(begin)
    const objects = await this.#copySegments(begin, trees)
    const keysBefore = withKeys ? await readKeys(disk, from) : new Map<string, Buffer>()
    const wal = await this.#copyLog(begin, trees)
    const keys = withKeys ? keysOf(keysBefore, await readKeys(disk, from)) : keysBefore
    await this.#source.demandSigned(begin)
    trees.end()
    const cut = (await disk.readFile(join(from, CUT_NOTE)))?.toString('utf8')
    const files = [...objects.map(manifestFile), ...wal.files]
    for (const [path, bytes] of keys) {
      await target.put(path, bytes)
      files.push({ path, sizeBytes: bytes.length, sha256: hash('sha256', bytes) })
    }
    const manifest: Manifest = {
      v: witnessed === undefined ? 1 : 2,
      originPrefix: begin.originPrefix,
      takenAt: timeText(clock.wallMs()),
      version,
      commit: wal.end.commit,
      ledgers: trees.heads,
      ...(begin.sealText === undefined ? {} : { seal: begin.sealText }),
      ...(cut === undefined ? {} : { cut }),
      ...(witnessed === undefined ? {} : { witnessed }),
      withKeys,
      ...(outside === undefined ? {} : { keysOutside: outside }),
      files,
    }
    const removedObjects = (await target.finish(manifest, wal.renewed)).length
    const [copiedObjects, copiedBytes] = [this.#copied.size, this.#doneBytes]
    const keptObjects = objects.filter(({ key }) => !this.#copied.has(key)).length
    return { manifest, copiedObjects, keptObjects, removedObjects, copiedBytes }
  }

  async #copySegments({ seal }: Begin, trees: Trees): Promise<ObjectInfo[]> {
    if (seal === undefined) return []
    const { store } = this.#source
    const segments = await listSegments(store)
    const needed: ObjectInfo[] = []
    for (const head of seal.ledgers) {
      const cover = coverUpTo(store, head.name, segments.get(head.name) ?? [], head.size)
      await trees.begin(head, store, cover)
      needed.push(...objectsOf(cover))
    }
    const there = new Map((await this.#target.store.list('')).map(({ key, sizeBytes }) => [key, sizeBytes]))
    const absent = needed.filter(({ key, sizeBytes }) => there.get(key) !== sizeBytes)
    this.#totalBytes = this.#doneBytes + absent.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    for (const object of absent) {
      // One of another length was damaged there.
      await this.#target.store.remove(object.key)
      await copyObject(store, this.#target.store, object, this.#advance)
      this.#copied.add(object.key)
    }
    return needed
  }

  async #copyLog(begin: Begin, trees: Trees): Promise<WalCopy> {
    const { disk, from, isRunning } = this.#options
    const to = join(this.#target.folder, 'wal')
    const former = this.#target.former?.files ?? []
    return await copyWal({ disk, from, to, former, isRunning, onBytes: this.#advance }, begin, trees)
  }

  readonly #advance = (bytes: number): void => {
    this.#doneBytes += bytes
    this.#options.onProgress(this.#doneBytes, Math.max(this.#doneBytes, this.#totalBytes))
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
