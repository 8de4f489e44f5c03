// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The disk, as everything above sees it. A write is not durable before `datasync`, a name not before
 * `syncDirectory`; after either has failed, nothing that was written since the last success may be believed
 * (the kernel may have dropped the dirty pages), so callers stop instead of trying again.
 */
import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'

export interface DiskFile {
  /** Reads until `into` is full or the file ends; resolves to the bytes read. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all of `bytes`; the file grows as needed. */
  write(bytes: Uint8Array, position: number): Promise<void>
  datasync(): Promise<void>
  sizeBytes(): Promise<number>
  truncate(sizeBytes: number): Promise<void>
  close(): Promise<void>
}

export interface Disk {
  /**
   * `create` demands that the file is new; `write` opens or makes it; `read` demands that it is there, and a regular
   * file, no link to one: a pipe that somebody put there would be waited for without end.
   */
  open(path: string, how: 'read' | 'write' | 'create', mode?: number): Promise<DiskFile>
  /** The whole file, or undefined where there is none. A regular one, or a link to one; else a user may name a pipe. */
  readFile(path: string, kinds?: 'any'): Promise<Buffer | undefined>
  /** Length of a regular file; undefined where there is none of this name, links not followed. Nothing is opened. */
  regularBytes(path: string): Promise<number | undefined>
  /** Names in a directory, sorted; empty where there is none. */
  list(path: string): Promise<string[]>
  /** Makes a folder and those above it, as far as they are not there; their names are durable either way. */
  makeDirectory(path: string, mode?: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name; false where there is something of that name, which stays. */
  link(from: string, to: string): Promise<boolean>
  /** Removes a file or a folder with all in it; that it is not there is no error. */
  remove(path: string): Promise<void>
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>
  /** Bytes that an unprivileged process may still write there, and the size of the file system. */
  space(path: string): Promise<{ freeBytes: number; totalBytes: number }>
}

class NodeFile implements DiskFile {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      let done = 0
      const step = () => {
        fs.read(this.#fd, into, done, into.length - done, position + done, (error, count) => {
          if (error) return reject(error)
          done += count
          if (count === 0 || done === into.length) return resolve(done)
          step()
        })
      }
      if (into.length === 0) return resolve(0)
      step()
    })
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0
      const step = () => {
        fs.write(this.#fd, bytes, done, bytes.length - done, position + done, (error, count) => {
          if (error) return reject(error)
          done += count
          if (done === bytes.length) return resolve()
          step()
        })
      }
      step()
    })
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error ? reject(error) : resolve()))
    })
  }

  async sizeBytes(): Promise<number> {
    return await new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error ? reject(error) : resolve(stats.size)))
    })
  }

  truncate(sizeBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#fd, sizeBytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#fd, (error) => (error ? reject(error) : resolve()))
    })
  }
}

export const READ_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOFOLLOW

const openFlags = {
  read: READ_FLAGS,
  write: fs.constants.O_RDWR | fs.constants.O_CREAT,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
}

/** Whether a write failed for want of room. What a sync says of it is not meant: by then the bytes are lost. */
export function isNoRoom(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || (error.code !== 'ENOSPC' && error.code !== 'EDQUOT'))
    return false
  return !('syscall' in error && (error.syscall === 'fsync' || error.syscall === 'fdatasync'))
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT')
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function isWritable(folder: string): Promise<boolean> {
  return await fs.promises.access(folder, fs.constants.R_OK | fs.constants.W_OK).then(
    () => true,
    () => false,
  )
}

/** Whether opening failed because what has the name is no regular file. */
export function isIrregular(error: unknown): boolean {
  return ['EISDIR', 'ELOOP', 'ENXIO'].some((code) => hasCode(error, code))
}

/** The error of reading what is no regular file. */
export function irregular(path: string, stats: fs.Stats): Error | undefined {
  if (stats.isFile()) return undefined
  const [code, what] = stats.isDirectory() ? ['EISDIR', 'a directory'] : ['ENXIO', 'not a regular file']
  return Object.assign(new Error(`${code}: ${what}, open '${path}'`), { code, syscall: 'open', path })
}

export class NodeDisk implements Disk {
  /** Folders whose names were made durable since this process began. */
  readonly #durableFolders = new Set<string>()

  async open(path: string, how: 'read' | 'write' | 'create', mode = 0o600): Promise<DiskFile> {
    return await new Promise((resolve, reject) => {
      fs.open(path, openFlags[how], mode, (error, fd) => {
        if (error) return reject(error)
        if (how !== 'read') return resolve(new NodeFile(fd))
        fs.fstat(fd, (failed, stats) => {
          const refused = failed ?? irregular(path, stats)
          if (refused === undefined) return resolve(new NodeFile(fd))
          fs.close(fd, () => reject(refused))
        })
      })
    })
  }

  async readFile(path: string, kinds?: 'any'): Promise<Buffer | undefined> {
    try {
      if (kinds === 'any') return await fs.promises.readFile(path)
      const handle = await fs.promises.open(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
      try {
        const refused = irregular(path, await handle.stat())
        if (refused !== undefined) throw refused
        return await handle.readFile()
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async regularBytes(path: string): Promise<number | undefined> {
    try {
      const stats = await fs.promises.lstat(path)
      return stats.isFile() ? stats.size : undefined
    } catch (error) {
      if (isMissing(error) || hasCode(error, 'ENOTDIR')) return undefined
      throw error
    }
  }

  async list(path: string): Promise<string[]> {
    try {
      return (await fs.promises.readdir(path)).toSorted()
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  async makeDirectory(path: string, mode = 0o700): Promise<void> {
    const made = await fs.promises.mkdir(path, { recursive: true, mode })
    const first = made === undefined ? undefined : resolve(made)
    const synced: string[] = []
    for (let folder = resolve(path); folder !== dirname(folder); folder = dirname(folder)) {
      const isNew = first !== undefined && folder.length >= first.length
      // Whoever made it may have been killed before its name was durable; but nobody like us made it where we may not.
      if (!isNew && (this.#durableFolders.has(folder) || !(await isWritable(dirname(folder))))) break
      await this.syncDirectory(dirname(folder))
      synced.push(folder)
    }
    for (const folder of synced) this.#durableFolders.add(folder)
  }

  async rename(from: string, to: string): Promise<void> {
    await fs.promises.rename(from, to)
  }

  async link(from: string, to: string): Promise<boolean> {
    try {
      await fs.promises.link(from, to)
      return true
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    }
  }

  async remove(path: string): Promise<void> {
    await fs.promises.rm(path, { recursive: true, force: true })
  }

  async syncDirectory(path: string): Promise<void> {
    const handle = await fs.promises.open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  async space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    const stats = await fs.promises.statfs(path)
    return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize }
  }
}

/**
 * Replaces a small file so that after a crash there is the old one or the new one, never a mixture: written beside
 * it, made durable, renamed over it, the directory made durable.
 */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  const beside = `${path}.new`
  await disk.remove(beside)
  const file = await disk.open(beside, 'create', mode)
  try {
    await file.write(bytes, 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await disk.rename(beside, path)
  await disk.syncDirectory(dirname(path))
}

/** Reads exactly `length` bytes at `position`, or says where the file ended instead. */
export async function readExactly(file: DiskFile, position: number, length: number): Promise<Buffer> {
  const into = Buffer.allocUnsafe(length)
  const got = await file.read(into, position)
  if (got !== length) throw new Error(`wanted ${length} bytes at ${position}, the file ends after ${got}`)
  return into
}
