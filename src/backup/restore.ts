// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Makes a data directory of a backup: an empty folder takes the files that the manifest names, each held against its
 * hash, and then all of it is verified as any data directory is, with the heads that were kept outside. Where a head
 * counts more than the backup has, a server on it would sign a second history beside one that others have seen; so that
 * is refused, unless the directory is for reading alone: no server that knows the head starts on it.
 */
import { createHash } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import type { KeptHead } from '../evidence/kept-heads.ts'
import { readCheckpoint } from '../evidence/signatures.ts'
import { type DirectoryReport, verifyDirectory } from '../evidence/verify-directory.ts'
import { CUT_NOTE } from '../ledger/cut-note.ts'
import { BACKUP_BEGUN } from '../ledger/opening.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { ObjectMissing } from '../ledger/store/object-store.ts'
import { WITNESSED, WITNESSED_HEAD } from '../ledger/witnessed-head.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import { type Random, randomBase32 } from '../platform/random.ts'
import { copyObject } from './copy-segments.ts'
import { BackupFault, type Manifest, type ManifestFile, readManifest } from './manifest.ts'
import { RestoreTarget } from './restore-target.ts'

const CHUNK_BYTES = 1024 * 1024
const SEGMENTS = 'segments/'
const MARK_CHARS = 26

export interface RestoreOptions {
  readonly disk: Disk
  /** The backup's folder, and the data directory that is to be. */
  readonly from: string
  readonly to: string
  /** Heads kept outside, by the origin that the backup names. */
  readonly heads: (originPrefix: string) => Promise<readonly KeptHead[]>
  /** No server is to run on it: it may be older than a head. */
  readonly isForReading: boolean
  readonly threadCount: number
  readonly random: Random
  /** Takes the data directory, or is undefined where a server or another restore has it. */
  readonly lock: (path: string) => Lock | undefined
  /** Throws where the restoring is to end. */
  readonly onProgress: (step: 'copied' | 'verified', doneBytes: number, totalBytes: number) => void
}

/** The backup is older than what was published of these ledgers. */
export class OlderFault extends Error {
  override readonly name = 'OlderFault'
  readonly where: string
  readonly headSize: number
  readonly backupSize: number

  constructor(where: string, headSize: number, backupSize: number) {
    super(`the head in ${where} counts ${headSize} published heads, and the backup has ${backupSize}`)
    this.where = where
    this.headSize = headSize
    this.backupSize = backupSize
  }
}

/** What was restored is not what was backed up, or contradicts a head: what verifying found. */
export class UnsoundFault extends Error {
  override readonly name = 'UnsoundFault'
  readonly report: DirectoryReport | undefined

  constructor(what: string, report?: DirectoryReport) {
    super(what)
    this.report = report
  }
}

export interface RestoreReport {
  readonly manifest: Manifest
  readonly verified: DirectoryReport
  /** Heads that the directory was held against. */
  readonly headCount: number
  /** A head that is newer than the backup: no server starts where that is kept. */
  readonly newerHead?: { readonly where: string; readonly size: number; readonly backupSize: number }
  readonly sizeBytes: number
  /** The witnessed head in the backup was damaged, and is not in the directory: the witnesses are asked again. */
  readonly isWitnessedLeftOut: boolean
}

export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const { disk, isForReading } = options
  const [from, to] = [resolve(options.from), resolve(options.to)]
  const manifest = await wholeManifest(disk, from)
  const heads = await options.heads(manifest.originPrefix)
  const newer = heads.map((head) => aheadOf(head, manifest)).find((fault) => fault !== undefined)
  if (newer !== undefined && !isForReading) throw newer
  const held = heads.filter((head) => aheadOf(head, manifest) === undefined)
  const mark = `${manifest.originPrefix}\n${randomBase32(options.random, MARK_CHARS)}\n`
  const target = await RestoreTarget.open(disk, to, mark, options.lock)
  try {
    const copying = new Copying(options, from, target, manifest)
    const verified = await copyAndVerify(copying, options, target, manifest, held)
    const newerHead =
      newer === undefined
        ? {}
        : { newerHead: { where: newer.where, size: newer.headSize, backupSize: newer.backupSize } }
    const isWitnessedLeftOut = manifest.witnessed !== undefined && verified.witnessed.head === undefined
    const sizeBytes = copying.totalBytes
    return { manifest, verified, headCount: held.length, ...newerHead, sizeBytes, isWitnessedLeftOut }
  } finally {
    target.close()
  }
}

async function copyAndVerify(
  copying: Copying,
  options: RestoreOptions,
  target: RestoreTarget,
  manifest: Manifest,
  heads: readonly KeptHead[],
): Promise<DirectoryReport> {
  try {
    await copying.run()
    const verified = await verify(options, target.folder, manifest, heads)
    await target.finish()
    return verified
  } catch (error) {
    // What is not whole, or not sound, is not left to be taken for a data directory.
    await target.abandon()
    throw error
  }
}

async function wholeManifest(disk: Disk, from: string): Promise<Manifest> {
  const manifest = await readManifest(disk, from)
  if (manifest !== undefined) return manifest
  const isBegun = (await disk.readFile(join(from, BACKUP_BEGUN))) !== undefined
  if (isBegun)
    throw new BackupFault(`the backup in ${from} was never finished`, 'Run stele backup into it again, or use another')
  throw new BackupFault(
    `${from} is not a backup that stele backup made`,
    'docs/operations.md says how to restore another copy',
  )
}

/** A head that counts more than the backup has of that ledger. */
function aheadOf({ where, bytes }: KeptHead, manifest: Manifest): OlderFault | undefined {
  const checkpoint = readCheckpoint(bytes)
  // Whatever else is wrong with a head, verifying tells.
  if (typeof checkpoint === 'string') return undefined
  const ledger = manifest.ledgers.find(({ name }) => checkpoint.origin === `${manifest.originPrefix}/${name}`)
  const size = ledger?.size ?? 0
  return checkpoint.size > size && checkpoint.origin.startsWith(`${manifest.originPrefix}/`)
    ? new OlderFault(where, checkpoint.size, size)
    : undefined
}

class Copying {
  readonly totalBytes: number
  readonly #options: RestoreOptions
  readonly #from: string
  readonly #to: string
  readonly #target: RestoreTarget
  readonly #manifest: Manifest
  #doneBytes = 0

  constructor(options: RestoreOptions, from: string, target: RestoreTarget, manifest: Manifest) {
    this.#options = options
    this.#from = from
    this.#to = target.folder
    this.#target = target
    this.#manifest = manifest
    this.totalBytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  async run(): Promise<void> {
    const { disk } = this.#options
    const { files, seal, cut, witnessed } = this.#manifest
    const [source, target] = [this.#from, this.#to].map((folder) => new DirectoryStore(disk, join(folder, 'segments')))
    for (const file of files) {
      try {
        if (file.path.startsWith(SEGMENTS)) await this.#copyObject(source!, target!, file)
        else await this.#copyFile(file)
      } catch (error) {
        if (error instanceof ObjectMissing || hasCode(error, 'ENOENT')) {
          throw damaged(join(this.#from, file.path), 'it is missing')
        }
        throw error
      }
    }
    await this.#target.demandOwn()
    if (seal !== undefined) await target!.swapHead(undefined, Buffer.from(seal))
    if (cut !== undefined) await replaceFile(disk, join(this.#to, CUT_NOTE), Buffer.from(cut))
    if (witnessed === undefined) return
    await disk.makeDirectory(join(this.#to, WITNESSED))
    await replaceFile(disk, join(this.#to, WITNESSED_HEAD), Buffer.from(witnessed))
  }

  async #copyObject(source: DirectoryStore, target: DirectoryStore, { path, sizeBytes }: ManifestFile): Promise<void> {
    await copyObject(source, target, { key: path.slice(SEGMENTS.length), sizeBytes }, this.#advance)
  }

  /** Copies the first bytes of a file: as many as it had when the backup was taken. */
  async #copyFile({ path, sizeBytes, sha256 }: ManifestFile): Promise<void> {
    const { disk } = this.#options
    const [from, to] = [join(this.#from, path), join(this.#to, path)]
    await disk.makeDirectory(dirname(to))
    const digest = createHash('sha256')
    const source = await disk.open(from, 'read')
    try {
      const target = await disk.open(to, 'create')
      try {
        const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes))
        for (let position = 0; position < sizeBytes;) {
          const wanted = chunk.subarray(0, Math.min(chunk.length, sizeBytes - position))
          const got = await source.read(wanted, position)
          if (got < wanted.length) throw damaged(from, `it ends after ${position + got} of ${sizeBytes} bytes`)
          digest.update(wanted)
          await target.write(wanted, position)
          position += got
          this.#advance(got)
        }
        if (digest.digest('hex') !== sha256) throw damaged(from, 'its bytes are not those that were backed up')
        await target.datasync()
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
    await disk.syncDirectory(dirname(to))
  }

  readonly #advance = (bytes: number): void => {
    this.#doneBytes += bytes
    this.#options.onProgress('copied', this.#doneBytes, this.totalBytes)
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function damaged(file: string, what: string): UnsoundFault {
  return new UnsoundFault(`${file} is damaged: ${what}`)
}

async function verify(
  options: RestoreOptions,
  directory: string,
  manifest: Manifest,
  heads: readonly KeptHead[],
): Promise<DirectoryReport> {
  const { disk, threadCount, onProgress } = options
  const report = await verifyDirectory({
    disk,
    directory,
    heads,
    threadCount,
    onProgress: ({ doneBytes, totalBytes }) => onProgress('verified', doneBytes, totalBytes),
  })
  if (isDamagedCopyAlone(report)) {
    await disk.remove(join(directory, WITNESSED))
    return await verify(options, directory, manifest, heads)
  }
  if (report.verdict === 'changed') throw new UnsoundFault('what was restored does not fit together', report)
  for (const { name, size, root } of manifest.ledgers) {
    const found = report.ledgers.find((ledger) => ledger.name === name)
    const foundRoot = Buffer.from(found?.root ?? '', 'base64').toString('hex')
    if (found?.size === size && foundRoot === root) continue
    throw new UnsoundFault(
      `${name} was backed up with ${size} entries and root ${root}, and has ${found?.size ?? 0} and ${foundRoot}`,
    )
  }
  return report
}

/** All that is wrong is a copy of what witnesses have: no restore fails for that. */
function isDamagedCopyAlone({ findings, findingCount }: DirectoryReport): boolean {
  return findingCount > 0 && findingCount === findings.length && findings.every(({ kind }) => kind === 'cosignature')
}
