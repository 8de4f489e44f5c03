// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Copies the log behind the seal while a server may be writing it: whole frames only, each of which names the one
 * before, and made durable where they lie before they count. So a copy never holds what a power cut could still take
 * back, and what is being written now is left out.
 */
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { DataFault } from '../ledger/data-fault.ts'
import { isWalName } from '../ledger/wal/files.ts'
import { BLOCK_BYTES, decodeFileHeader, type WalFileHeader } from '../ledger/wal/format.ts'
import { goesOnAt, isFlaw, type ReadFrame, readFrame } from '../ledger/wal/frame-reader.ts'
import type { Disk, DiskFile } from '../platform/disk.ts'
import type { ManifestFile } from './manifest.ts'
import type { Trees } from './trees.ts'

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
  /** Folder in which copies are made, under their names and `.new`. */
  readonly to: string
  readonly isRunning: boolean
  /** Called after each part that was read; throws where the copying is to end. */
  readonly onBytes: (bytes: number) => void
}

export interface WalCopy {
  readonly end: ChainEnd
  readonly files: readonly ManifestFile[]
}

/** Copies all files behind `from`. Throws a DataFault where one is missing, or is not what it must be. */
export async function copyWal(options: WalCopyOptions, begin: ChainEnd, trees: Trees): Promise<WalCopy> {
  const { disk, from, to } = options
  const all = (await disk.list(join(from, 'wal'))).filter(isWalName)
  const names = all.filter((name) => Number(name) > begin.commit)
  await disk.makeDirectory(to)
  let end = begin
  const files: ManifestFile[] = []
  for (const [position, name] of names.entries()) {
    const isLast = position === names.length - 1
    const copy = await new FileCopy(options, join(from, 'wal', name), isLast, trees).copy(end)
    if (copy === undefined) continue
    end = copy.end
    files.push(copy.file)
  }
  if (files.length > 0) return { end, files }
  throw new DataFault(join(from, 'wal'), 0, 'the log is missing', `the file of commit ${begin.commit + 1}`, 'none')
}

class FileCopy {
  readonly #options: WalCopyOptions
  readonly #path: string
  readonly #isLast: boolean
  readonly #trees: Trees
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  constructor(options: WalCopyOptions, path: string, isLast: boolean, trees: Trees) {
    this.#options = options
    this.#path = path
    this.#isLast = isLast
    this.#trees = trees
  }

  /** Undefined for a file that a crash left without a header, or that is being made now. */
  async copy(before: ChainEnd): Promise<{ readonly end: ChainEnd; readonly file: ManifestFile } | undefined> {
    const { disk, to, isRunning } = this.#options
    const name = basename(this.#path)
    const source = await disk.open(this.#path, 'read')
    try {
      const sizeBytes = await source.sizeBytes()
      const block = Buffer.alloc(BLOCK_BYTES)
      const head = block.subarray(0, await source.read(block, 0))
      const header = this.#header(head, sizeBytes, before)
      if (header === undefined) return undefined
      const copy = join(to, `${name}.new`)
      await disk.remove(copy)
      const target = await disk.open(copy, 'create')
      try {
        await this.#write(target, head)
        const end = await this.#copyFrames(source, target, sizeBytes, header, before)
        if (isRunning && this.#isLast) await source.datasync()
        await target.datasync()
        const file = { path: `wal/${name}`, sizeBytes: this.#sizeBytes, sha256: this.#hash.digest('hex') }
        return { end, file }
      } finally {
        await target.close()
      }
    } finally {
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
    target: DiskFile,
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
      await this.#write(target, frame.bytes)
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

  async #write(target: DiskFile, bytes: Buffer): Promise<void> {
    await target.write(bytes, this.#sizeBytes)
    this.#hash.update(bytes)
    this.#sizeBytes += bytes.length
    this.#options.onBytes(bytes.length)
  }
}

function chainWords(commit: number, hash: Buffer): string {
  return `commit ${commit} after ${hash.toString('hex')}`
}
