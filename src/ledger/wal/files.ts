// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The files of the WAL: `wal/<first commit, 16 digits>`. Each names the last frame of the one before, so that none
 * can be left out or put in between.
 */
import { join } from 'node:path'
import { type Disk, type DiskFile, readExactly } from '../../platform/disk.ts'
import { DataFault } from '../data-fault.ts'
import { BLOCK_BYTES, decodeFileHeader, encodeFileHeader, type WalFileHeader } from './format.ts'

export interface WalFile {
  readonly path: string
  readonly header: WalFileHeader
}

export function walPath(directory: string, firstCommit: number): string {
  return join(directory, 'wal', String(firstCommit).padStart(16, '0'))
}

export function isWalName(name: string): boolean {
  return /^[0-9]{16}$/.test(name)
}

/** Creates a WAL file and makes it and its name durable. */
export async function createWalFile(disk: Disk, directory: string, header: WalFileHeader): Promise<DiskFile> {
  const path = walPath(directory, header.firstCommit)
  const file = await disk.open(path, 'create')
  try {
    await file.write(encodeFileHeader(header), 0)
    await file.datasync()
    await disk.syncDirectory(join(directory, 'wal'))
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** What the log follows: nothing, or what was sealed of it and given up. */
export interface LogStart {
  /** The last commit before it, and the hash of its frame. */
  readonly commit: number
  readonly hash: Buffer
  /** The origin prefix that the log must have; undefined where only its first file says it. */
  readonly originPrefix: string | undefined
}

export const LOG_BEGIN: LogStart = { commit: 0, hash: Buffer.alloc(32), originPrefix: undefined }

export interface WalFiles {
  readonly files: readonly WalFile[]
  /** Paths of files before the start: sealed, and not yet removed when a crash came. */
  readonly sealed: readonly string[]
  /** A last file whose creation a crash cut short: a header block that is not whole, and nothing behind it. */
  readonly unborn: { readonly path: string; readonly sizeBytes: number } | undefined
}

/** All WAL files in order, their headers checked against their names, each other and what they follow. */
export async function listWalFiles(disk: Disk, directory: string, start: LogStart = LOG_BEGIN): Promise<WalFiles> {
  const names = await disk.list(join(directory, 'wal'))
  const files: WalFile[] = []
  const stranger = names.find((name) => !isWalName(name))
  if (stranger !== undefined) {
    throw new DataFault(join(directory, 'wal', stranger), 0, 'not a file of Stele', 'a name of 16 digits', stranger)
  }
  // Up to the start the log is in segments, whatever lies there still.
  const sealed = names.filter((name) => Number(name) <= start.commit).map((name) => join(directory, 'wal', name))
  const listed = names.slice(sealed.length)
  for (const [position, name] of listed.entries()) {
    const path = join(directory, 'wal', name)
    if ((await disk.regularBytes(path)) === undefined) {
      throw new DataFault(path, 0, 'not a file of Stele', 'a regular file', 'a link, a folder, a pipe or a device')
    }
    const { block, sizeBytes } = await readHeaderBlock(disk, path)
    try {
      files.push(checkedFile(path, name, decodeFileHeader(path, block), files.at(-1), start))
    } catch (fault) {
      const isUnborn = position === listed.length - 1 && sizeBytes <= BLOCK_BYTES
      // The file behind a sealed one was whole before that was sealed.
      if (isUnborn && !(files.length === 0 && start.commit > 0)) {
        return { files, sealed, unborn: { path, sizeBytes } }
      }
      throw fault
    }
  }
  if (files.length === 0 && start.commit > 0) throw missing(join(directory, 'wal'), start, 'no file')
  return { files, sealed, unborn: undefined }
}

function checkedFile(
  path: string,
  name: string,
  header: WalFileHeader,
  previous: WalFile | undefined,
  start: LogStart,
): WalFile {
  const commit = `commit ${header.firstCommit}`
  if (header.firstCommit !== Number(name)) {
    throw new DataFault(path, 32, 'the file has another name', `commit ${Number(name)}`, commit)
  }
  const originPrefix = previous?.header.originPrefix ?? start.originPrefix ?? header.originPrefix
  if (originPrefix !== header.originPrefix) {
    throw new DataFault(path, 72, 'a file of another directory', originPrefix, header.originPrefix)
  }
  if (previous !== undefined) return { path, header }
  if (header.firstCommit !== start.commit + 1) throw missing(path, start, commit)
  if (!header.previousHash.equals(start.hash)) {
    const [expected, found] = [start.hash.toString('hex'), header.previousHash.toString('hex')]
    throw new DataFault(path, 40, 'the log does not follow what was sealed', expected, found)
  }
  return { path, header }
}

function missing(path: string, { commit }: LogStart, found: string): DataFault {
  return new DataFault(path, 32, 'the first WAL file is missing', `commit ${commit + 1}`, found)
}

export async function fileBytes(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, 'read')
  try {
    return await file.sizeBytes()
  } finally {
    await file.close()
  }
}

async function readHeaderBlock(disk: Disk, path: string): Promise<{ block: Buffer; sizeBytes: number }> {
  const file = await disk.open(path, 'read')
  try {
    const sizeBytes = await file.sizeBytes()
    return { block: await readExactly(file, 0, Math.min(BLOCK_BYTES, sizeBytes)), sizeBytes }
  } finally {
    await file.close()
  }
}
