// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Open files by path, bounded: a directory of a thousand ledgers has thousands of files, a process has fewer
 * descriptors. A file that is in use is never closed under its user; whoever finds all of them in use waits, so
 * nobody may use one file inside the work on another.
 */
import { dirname } from 'node:path'
import type { Disk, DiskFile } from '../platform/disk.ts'

interface Slot {
  readonly file: Promise<DiskFile>
  users: number
  /** The file's name is gone: its last user closes it. */
  isDropped?: true
}

export class FileCache {
  readonly #disk: Disk
  readonly #maxOpenCount: number
  readonly #slots = new Map<string, Slot>()
  /** Files whose names are durable, as far as this process knows. */
  readonly #named = new Set<string>()
  #waiting: (() => void)[] = []

  constructor(disk: Disk, maxOpenCount = 256) {
    this.#disk = disk
    this.#maxOpenCount = maxOpenCount
  }

  async use<T>(path: string, how: 'read' | 'write', work: (file: DiskFile) => Promise<T>): Promise<T> {
    const key = `${how} ${path}`
    while (!this.#slots.has(key) && this.#slots.size >= this.#maxOpenCount) await this.#makeRoom()
    const slot = this.#slots.get(key) ?? { file: this.#disk.open(path, how), users: 0 }
    // The last used stands last.
    this.#slots.delete(key)
    this.#slots.set(key, slot)
    slot.users++
    try {
      return await work(await this.#opened(key, slot))
    } finally {
      slot.users--
      this.#waiting.shift()?.()
      if (slot.isDropped && slot.users === 0) await (await slot.file).close()
    }
  }

  /** Makes the name of a file durable that was opened to be written, and may have been made by that. */
  async syncName(path: string): Promise<void> {
    if (this.#named.has(path)) return
    await this.#disk.syncDirectory(dirname(path))
    this.#named.add(path)
  }

  /** Lets go of a file that is removed: an open one would keep its room on the disk. */
  async drop(path: string): Promise<void> {
    this.#named.delete(path)
    for (const key of [`read ${path}`, `write ${path}`]) {
      const slot = this.#slots.get(key)
      if (slot === undefined) continue
      this.#slots.delete(key)
      this.#waiting.shift()?.()
      slot.isDropped = true
      if (slot.users === 0) await (await slot.file).close()
    }
  }

  /** Removes a file, under whoever reads it now; that it is not there is no error. */
  async remove(path: string): Promise<void> {
    await this.#disk.remove(path)
    await this.drop(path)
  }

  async close(): Promise<void> {
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    this.#named.clear()
    for (const slot of slots) await (await slot.file).close()
  }

  async #opened(key: string, slot: Slot): Promise<DiskFile> {
    try {
      return await slot.file
    } catch (error) {
      if (this.#slots.get(key) === slot) this.#slots.delete(key)
      throw error
    }
  }

  /** Closes the file that was used longest ago, or waits until somebody has done with one. */
  async #makeRoom(): Promise<void> {
    for (const [key, slot] of this.#slots) {
      if (slot.users > 0) continue
      this.#slots.delete(key)
      return await (await slot.file).close()
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
