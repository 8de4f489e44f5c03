// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Objects as files of a directory. A draft is written in `.drafts`, synced, and linked to its key, which no file
 * system does over another name; so after a crash an object is there whole or not at all. Several processes may
 * create objects; the head is swapped by one, which has the data directory's lock.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { type Disk, type DiskFile, replaceFile } from '../../platform/disk.ts'
import { DataFault } from '../data-fault.ts'
import type { FileCache } from '../file-cache.ts'
import { checkKey, checkPrefix, isKey } from './object-key.ts'
import { type ObjectDraft, type ObjectInfo, ObjectMissing, type ObjectStore, type StoredHead } from './object-store.ts'

const DRAFTS = '.drafts'
/** No ledger has a name like it, so no folder has. */
export const HEAD_NAME = '_head'
const FOLDER = /^[a-z0-9][a-z0-9-]{0,62}$/
const OBJECT_MODE = 0o400

export class DirectoryStore implements ObjectStore {
  readonly where: string
  readonly #disk: Disk
  readonly #cache: FileCache | undefined
  #draftCount = 0
  #swapping: Promise<unknown> = Promise.resolve()

  /** Without a cache, each read opens its file. */
  constructor(disk: Disk, directory: string, cache?: FileCache) {
    this.#disk = disk
    this.where = directory
    this.#cache = cache
  }

  async draft(): Promise<ObjectDraft> {
    const folder = join(this.where, DRAFTS)
    await this.#disk.makeDirectory(folder)
    for (;;) {
      const path = join(folder, String(this.#draftCount++))
      try {
        const file = await this.#disk.open(path, 'create', OBJECT_MODE)
        return new FileDraft(this.#disk, this.where, path, file)
      } catch (error) {
        // Another process's, or one that it left behind.
        if (!hasCode(error, 'EEXIST')) throw error
      }
    }
  }

  /** Removes what killed processes left of their drafts: for whoever knows that nobody is writing one. */
  async removeDrafts(): Promise<void> {
    await this.#disk.remove(join(this.where, DRAFTS))
  }

  /**
   * Makes durable what a killed process may have left in the page cache only: the objects' names in these folders, and
   * then the head. That is written again, for after a failed sync another one would not write it, though it succeeds.
   */
  async settle(folders: Iterable<string>): Promise<void> {
    for (const folder of folders) {
      await this.#disk.makeDirectory(join(this.where, folder))
      await this.#disk.syncDirectory(join(this.where, folder))
    }
    const head = await this.readHead()
    if (head !== undefined) await this.swapHead(head.version, head.bytes)
  }

  async read(key: string, position: number, lengthBytes: number): Promise<Buffer> {
    const path = this.#path(key)
    const into = Buffer.allocUnsafe(lengthBytes)
    const count = await this.#use(key, path, async (file) => await file.read(into, position))
    if (count === lengthBytes) return into
    const end = `${position + lengthBytes} bytes`
    throw new DataFault(path, position, 'the object ends early', end, `${position + count} bytes at most`)
  }

  async list(prefix: string): Promise<ObjectInfo[]> {
    checkPrefix(prefix)
    const [only, name] = prefix.split('/')
    const folders = name === undefined ? await this.#disk.list(this.where) : [only!]
    const objects: ObjectInfo[] = []
    for (const folder of folders.filter((found) => FOLDER.test(found))) {
      const keys = (await this.#disk.list(join(this.where, folder))).map((found) => `${folder}/${found}`)
      for (const key of keys.filter((found) => found.startsWith(prefix) && isKey(found))) {
        // Removed meanwhile, or nothing that a draft was linked to.
        const sizeBytes = await this.#disk.regularBytes(join(this.where, key))
        if (sizeBytes !== undefined) objects.push({ key, sizeBytes })
      }
    }
    return objects.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  }

  async remove(key: string): Promise<void> {
    const path = this.#path(key)
    await this.#disk.remove(path)
    await this.#cache?.drop(path)
  }

  async readHead(): Promise<StoredHead | undefined> {
    const bytes = await this.#disk.readFile(join(this.where, HEAD_NAME))
    return bytes === undefined ? undefined : { bytes, version: versionOf(bytes) }
  }

  async swapHead(expected: string | undefined, bytes: Uint8Array): Promise<string | undefined> {
    const swap = async (): Promise<string | undefined> => {
      if ((await this.readHead())?.version !== expected) return undefined
      await this.#disk.makeDirectory(this.where)
      await replaceFile(this.#disk, join(this.where, HEAD_NAME), bytes)
      return versionOf(bytes)
    }
    // One after the other, whatever became of the one before.
    const swapped = this.#swapping.then(swap, swap)
    this.#swapping = swapped
    return await swapped
  }

  #path(key: string): string {
    checkKey(key)
    return join(this.where, key)
  }

  async #use<T>(key: string, path: string, work: (file: DiskFile) => Promise<T>): Promise<T> {
    try {
      if (this.#cache !== undefined) return await this.#cache.use(path, 'read', work)
      const file = await this.#disk.open(path, 'read')
      try {
        return await work(file)
      } finally {
        await file.close()
      }
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw new ObjectMissing(`${this.where} has no ${key}`)
      throw error
    }
  }
}

class FileDraft implements ObjectDraft {
  readonly #disk: Disk
  readonly #directory: string
  readonly #path: string
  readonly #file: DiskFile
  #sizeBytes = 0
  #isDone = false

  constructor(disk: Disk, directory: string, path: string, file: DiskFile) {
    this.#disk = disk
    this.#directory = directory
    this.#path = path
    this.#file = file
  }

  async write(bytes: Uint8Array): Promise<void> {
    assert(!this.#isDone, 'a draft that is done is not written')
    const position = this.#sizeBytes
    this.#sizeBytes += bytes.length
    await this.#file.write(bytes, position)
  }

  async create(key: string): Promise<'created' | 'exists'> {
    assert(!this.#isDone, 'a draft that is done is not created')
    checkKey(key)
    const path = join(this.#directory, key)
    try {
      await this.#file.datasync()
      await this.#disk.makeDirectory(dirname(path))
      const isNew = await this.#disk.link(this.#path, path)
      // Whoever made what exists may have been killed before the name was durable.
      await this.#disk.syncDirectory(dirname(path))
      return isNew ? 'created' : 'exists'
    } finally {
      await this.abandon()
    }
  }

  async abandon(): Promise<void> {
    if (this.#isDone) return
    this.#isDone = true
    await this.#file.close()
    await this.#disk.remove(this.#path)
  }
}

function versionOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex')
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
