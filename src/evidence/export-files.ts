// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Files that a folder gets many of: written several at a time, and durable, with their names, once `settle` has
 * resolved. What a failed write left is written anew by whoever goes on.
 */
import { dirname, join } from 'node:path'
import { type Disk, type DiskFile, replaceFile } from '../platform/disk.ts'

/** As many as the platform works on at the same time, twice. */
const MAX_OPEN_COUNT = 8
const FILE_MODE = 0o644

export class ExportFiles {
  readonly folder: string
  readonly #disk: Disk
  readonly #known = new Set<string>()
  #unsynced = new Set<string>()
  #open: Promise<void>[] = []
  #failure: { readonly error: unknown } | undefined

  constructor(disk: Disk, folder: string) {
    this.#disk = disk
    this.folder = folder
  }

  /** Begins to write a file, and waits while too many are under way. Throws what an earlier one failed of. */
  async put(path: string, bytes: Uint8Array): Promise<void> {
    await this.#makeFolder(path)
    const written = this.#write(path, bytes).catch((error: unknown) => {
      this.#failure ??= { error }
    })
    this.#open.push(written)
    if (this.#open.length >= MAX_OPEN_COUNT) await this.#open.shift()
    this.#throw()
  }

  /** Opens a file that is written bit by bit; whoever opened it makes it durable. */
  async open(path: string): Promise<DiskFile> {
    await this.#makeFolder(path)
    return await this.#disk.open(join(this.folder, path), 'write', FILE_MODE)
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.#makeFolder(path)
    await replaceFile(this.#disk, join(this.folder, path), bytes, FILE_MODE)
  }

  async read(path: string): Promise<Buffer | undefined> {
    return await this.#disk.readFile(join(this.folder, path))
  }

  async list(path: string): Promise<string[]> {
    return await this.#disk.list(join(this.folder, path))
  }

  async remove(path: string): Promise<void> {
    await this.#disk.remove(join(this.folder, path))
  }

  /** Resolves once all that was put is durable. */
  async settle(): Promise<void> {
    await Promise.all(this.#open)
    this.#open = []
    this.#throw()
    for (const folder of this.#unsynced) await this.#disk.syncDirectory(folder)
    this.#unsynced = new Set()
  }

  /** Resolves once nothing is being written any more, whatever came of it. */
  async rest(): Promise<void> {
    await Promise.all(this.#open)
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#disk.open(join(this.folder, path), 'write', FILE_MODE)
    try {
      await file.write(bytes, 0)
      await file.truncate(bytes.length)
      await file.datasync()
    } finally {
      await file.close()
    }
  }

  async #makeFolder(path: string): Promise<void> {
    const folder = dirname(join(this.folder, path))
    if (!this.#known.has(folder)) await this.#disk.makeDirectory(folder)
    this.#known.add(folder)
    this.#unsynced.add(folder)
  }

  #throw(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
