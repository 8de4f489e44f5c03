// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Open files by path, bounded: a directory of a thousand ledgers has thousands of files, a process has fewer
 * descriptors. A file that is in use is never closed under its user.
 */
import type { Disk, DiskFile } from '../platform/disk.ts'

interface Slot {
  readonly file: Promise<DiskFile>
  users: number
}

export class FileCache {
  readonly #disk: Disk
  readonly #maxOpenCount: number
  readonly #slots = new Map<string, Slot>()

  constructor(disk: Disk, maxOpenCount = 256) {
    this.#disk = disk
    this.#maxOpenCount = maxOpenCount
  }

  async use<T>(path: string, how: 'read' | 'write', work: (file: DiskFile) => Promise<T>): Promise<T> {
    const key = `${how} ${path}`
    let slot = this.#slots.get(key)
    if (slot === undefined) slot = { file: this.#disk.open(path, how), users: 0 }
    else this.#slots.delete(key)
    this.#slots.set(key, slot)
    slot.users++
    try {
      return await work(await this.#opened(key, slot))
    } finally {
      slot.users--
      await this.#shrink()
    }
  }

  async #opened(key: string, slot: Slot): Promise<DiskFile> {
    try {
      return await slot.file
    } catch (error) {
      this.#slots.delete(key)
      throw error
    }
  }

  async close(): Promise<void> {
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    for (const slot of slots) await (await slot.file).close()
  }

  async #shrink(): Promise<void> {
    if (this.#slots.size <= this.#maxOpenCount) return
    for (const [key, slot] of this.#slots) {
      if (slot.users > 0) continue
      this.#slots.delete(key)
      await (await slot.file).close()
      if (this.#slots.size <= this.#maxOpenCount) return
    }
  }
}
