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
  await file.write(encodeFileHeader(header), 0)
  await file.datasync()
  await disk.syncDirectory(join(directory, 'wal'))
  return file
}

export interface WalFiles {
  readonly files: readonly WalFile[]
  /** A last file whose creation a crash cut short: a header block that is not whole, and nothing behind it. */
  readonly unborn: { readonly path: string; readonly sizeBytes: number } | undefined
}

/** All WAL files in order, their headers checked against their names and each other. */
export async function listWalFiles(disk: Disk, directory: string): Promise<WalFiles> {
  const names = await disk.list(join(directory, 'wal'))
  const files: WalFile[] = []
  for (const [position, name] of names.entries()) {
    const path = join(directory, 'wal', name)
    if (!isWalName(name)) {
      throw new DataFault(path, 0, 'not a file of Stele', 'a name of 16 digits', name)
    }
    const { block, sizeBytes } = await readHeaderBlock(disk, path)
    try {
      files.push(checkedFile(path, name, decodeFileHeader(path, block), files.at(-1)))
    } catch (fault) {
      if (position === names.length - 1 && sizeBytes <= BLOCK_BYTES) return { files, unborn: { path, sizeBytes } }
      throw fault
    }
  }
  return { files, unborn: undefined }
}

function checkedFile(path: string, name: string, header: WalFileHeader, previous: WalFile | undefined): WalFile {
  const commit = `commit ${header.firstCommit}`
  if (header.firstCommit !== Number(name)) {
    throw new DataFault(path, 32, 'the file has another name', `commit ${Number(name)}`, commit)
  }
  if (previous === undefined && header.firstCommit !== 1) {
    throw new DataFault(path, 32, 'the first WAL file is missing', 'commit 1', commit)
  }
  if (previous !== undefined && previous.header.originPrefix !== header.originPrefix) {
    throw new DataFault(path, 72, 'a file of another directory', previous.header.originPrefix, header.originPrefix)
  }
  return { path, header }
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
