// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Copies the log behind the seal while a server may be writing it: whole frames only, each of which names the one
 * before, and made durable where they lie before they count. So a copy never holds what a power cut could still take
 * back, and what is being written now is left out. All of it is read and checked each time; what the backup of before
 * has of a file is not written again.
 */
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { DataFault } from '../ledger/data-fault.ts'
import { isWalName } from '../ledger/wal/files.ts'
import { BLOCK_BYTES, decodeFileHeader, type WalFileHeader } from '../ledger/wal/format.ts'
import { goesOnAt, isFlaw, type ReadFrame, readFrame } from '../ledger/wal/frame-reader.ts'
import { type Disk, type DiskFile, readExactly } from '../platform/disk.ts'
import type { ManifestFile } from './manifest.ts'
import type { Trees } from './trees.ts'

const CHUNK_BYTES = 1024 * 1024

/** Where a chain of frames has come to. */
export interface ChainEnd {
  readonly commit: number
  /** Of the last frame. */
  readonly hash: Buffer
  readonly originPrefix: string
}

export interface WalCopyOptions {
  readonly disk: Disk
  readonly from: string
  /** Folder of the copies: new ones are made in it under their names and `.new`, known ones are gone on with. */
  readonly to: string
  /** What the backup of before has. */
  readonly former: readonly ManifestFile[]
  readonly isRunning: boolean
  /** Called after each part that was read, with what was written of it; throws where the copying is to end. */
  readonly onBytes: (bytes: number) => void
}

export interface WalCopy {
  readonly end: ChainEnd
  readonly files: readonly ManifestFile[]
  /** Paths of those that lie under their names and `.new`. */
  readonly renewed: readonly string[]
}

/** Copies all files behind `from`. Throws a DataFault where one is missing, or is not what it must be. */
export async function copyWal(options: WalCopyOptions, begin: ChainEnd, trees: Trees): Promise<WalCopy> {
  const { disk, from, to } = options
  const all = (await disk.list(join(from, 'wal'))).filter(isWalName)
  const names = all.filter((name) => Number(name) > begin.commit)
  await disk.makeDirectory(to)
  let end = begin
  const files: ManifestFile[] = []
  const renewed: string[] = []
  for (const [position, name] of names.entries()) {
    const isLast = position === names.length - 1
    const copy = await new FileCopy(options, join(from, 'wal', name), isLast, trees).copy(end)
    if (copy === undefined) continue
    end = copy.end
    files.push(copy.file)
    if (copy.isRenewed) renewed.push(copy.file.path)
  }
  if (files.length > 0) return { end, files, renewed }
  throw new DataFault(join(from, 'wal'), 0, 'the log is missing', `the file of commit ${begin.commit + 1}`, 'none')
}

interface CopiedFile {
  readonly end: ChainEnd
  readonly file: ManifestFile
  readonly isRenewed: boolean
}

class FileCopy {
  readonly #options: WalCopyOptions
  readonly #path: string
  readonly #isLast: boolean
  readonly #trees: Trees
  /** Of what was read so far, and written or found in the backup. */
  readonly #hash = createHash('sha256')
  #sizeBytes = 0
  /** What the backup of before has of this file, as long as it may be the beginning of it. */
  #kept: ManifestFile | undefined
  #target: DiskFile | undefined

  constructor(options: WalCopyOptions, path: string, isLast: boolean, trees: Trees) {
    this.#options = options
    this.#path = path
    this.#isLast = isLast
    this.#trees = trees
  }

  /** Undefined for a file that a crash left without a header, or that is being made now. */
  async copy(before: ChainEnd): Promise<CopiedFile | undefined> {
    const { disk, isRunning } = this.#options
    const source = await disk.open(this.#path, 'read')
    try {
      const sizeBytes = await source.sizeBytes()
      const block = Buffer.alloc(BLOCK_BYTES)
      const head = block.subarray(0, await source.read(block, 0))
      const header = this.#header(head, sizeBytes, before)
      if (header === undefined) return undefined
      this.#kept = await this.#keptFile()
      await this.#write(source, head)
      const end = await this.#copyFrames(source, sizeBytes, header, before)
      if (this.#target === undefined && !this.#isKept()) await this.#renew(source)
      if (isRunning && this.#isLast) await source.datasync()
      await this.#target?.datasync()
      const path = `wal/${basename(this.#path)}`
      const file = { path, sizeBytes: this.#sizeBytes, sha256: this.#hash.digest('hex') }
      return { end, file, isRenewed: this.#kept === undefined }
    } finally {
      await this.#target?.close()
      await source.close()
    }
  }

  #header(block: Buffer, sizeBytes: number, before: ChainEnd): WalFileHeader | undefined {
    let header
    try {
      header = decodeFileHeader(this.#path, block)
    } catch (error) {
      if (error instanceof DataFault && this.#isLast && sizeBytes <= BLOCK_BYTES) return undefined
      throw error
    }
    const expected = chainWords(before.commit + 1, before.hash)
    const found = chainWords(header.firstCommit, header.previousHash)
    if (expected !== found) throw new DataFault(this.#path, 32, 'a file of the log is missing', expected, found)
    if (header.originPrefix !== before.originPrefix) {
      throw new DataFault(this.#path, 72, 'a file of another directory', before.originPrefix, header.originPrefix)
    }
    return header
  }

  async #copyFrames(
    source: DiskFile,
    sizeBytes: number,
    { fileId, originPrefix }: WalFileHeader,
    before: ChainEnd,
  ): Promise<ChainEnd> {
    let { commit, hash } = before
    for (;;) {
      const frame = await this.#frameAt(source, sizeBytes, fileId)
      if (frame === undefined) return { commit, hash, originPrefix }
      const [expected, found] = [
        chainWords(commit + 1, hash),
        chainWords(frame.header.commit, frame.header.previousHash),
      ]
      if (expected !== found) throw this.#fault(24, 'the chain of frames is broken', expected, found)
      for (const row of frame.rows) {
        const flaw = this.#trees.add(
          row,
          frame.sections.filter(({ ledger }) => ledger === row.ledger),
        )
        if (flaw !== undefined) throw this.#fault(0, flaw, 'entries that give the roots of the frame', 'others')
      }
      await this.#write(source, frame.bytes)
      commit = frame.header.commit
      hash = frame.header.hash
    }
  }

  /** The next whole frame; what is not whole at the very end is being written, or was left by a crash. */
  async #frameAt(source: DiskFile, sizeBytes: number, fileId: Buffer): Promise<ReadFrame | undefined> {
    const position = this.#sizeBytes
    const first = await readFrame(source, sizeBytes, fileId, position)
    if (first === undefined || !isFlaw(first)) return first
    const isTorn = this.#isLast && (await goesOnAt(source, sizeBytes, fileId, position)) === undefined
    if (isTorn) return undefined
    // It may have been finished between the two looks.
    const again = await readFrame(source, sizeBytes, fileId, position)
    if (again === undefined || !isFlaw(again)) return again
    throw this.#fault(again.at, again.what, again.expected, again.found)
  }

  #fault(at: number, what: string, expected: string, found: string): DataFault {
    return new DataFault(this.#path, this.#sizeBytes + at, what, expected, found)
  }

  /** Takes the next bytes of the file, which are written unless the backup has them. */
  async #write(source: DiskFile, bytes: Buffer): Promise<void> {
    const end = this.#sizeBytes + bytes.length
    if (this.#target === undefined && (this.#kept === undefined || end > this.#kept.sizeBytes)) {
      if (this.#isKept()) await this.#goOn()
      else await this.#renew(source)
    }
    await this.#target?.write(bytes, this.#sizeBytes)
    this.#hash.update(bytes)
    this.#sizeBytes = end
    this.#options.onBytes(this.#target === undefined ? 0 : bytes.length)
  }

  /** What the backup has under this name, if it is as long as its manifest says. */
  async #keptFile(): Promise<ManifestFile | undefined> {
    const { disk, to, former } = this.#options
    const name = basename(this.#path)
    const kept = former.find(({ path }) => path === `wal/${name}`)
    if (kept === undefined || !(await disk.list(to)).includes(name)) return undefined
    const file = await disk.open(join(to, name), 'read')
    try {
      return (await file.sizeBytes()) < kept.sizeBytes ? undefined : kept
    } finally {
      await file.close()
    }
  }

  /** Whether the backup has just what was read so far. */
  #isKept(): boolean {
    const { sizeBytes, sha256 } = this.#kept ?? {}
    return sizeBytes === this.#sizeBytes && sha256 === this.#hash.copy().digest('hex')
  }

  /** Writes behind what the backup has: for its manifest of before, too, the first bytes are the file. */
  async #goOn(): Promise<void> {
    const { disk, to } = this.#options
    this.#target = await disk.open(join(to, basename(this.#path)), 'write')
    if ((await this.#target.sizeBytes()) > this.#sizeBytes) await this.#target.truncate(this.#sizeBytes)
  }

  /** Begins the file anew, with what was read so far. */
  async #renew(source: DiskFile): Promise<void> {
    const { disk, to, onBytes } = this.#options
    this.#kept = undefined
    const copy = join(to, `${basename(this.#path)}.new`)
    await disk.remove(copy)
    this.#target = await disk.open(copy, 'create')
    const hash = createHash('sha256')
    for (let position = 0; position < this.#sizeBytes;) {
      const bytes = await readExactly(source, position, Math.min(CHUNK_BYTES, this.#sizeBytes - position))
      await this.#target.write(bytes, position)
      hash.update(bytes)
      position += bytes.length
      onBytes(bytes.length)
    }
    const [expected, found] = [this.#hash.copy().digest('hex'), hash.digest('hex')]
    if (expected !== found) throw new DataFault(this.#path, 0, 'the file changed while it was read', expected, found)
  }
}

function chainWords(commit: number, hash: Buffer): string {
  return `commit ${commit} after ${hash.toString('hex')}`
}
