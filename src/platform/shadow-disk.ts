// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A disk whose changes stay in memory, over another that is only read: to try on a directory what would change it. Of a
 * file that is written only the pages that were written are kept.
 */
import { basename, dirname } from 'node:path'
import type { Disk, DiskFile } from './disk.ts'

const PAGE_BYTES = 64 * 1024

export class ShadowDisk implements Disk {
  readonly #below: Disk
  /** By path: what stands there now; undefined where it was removed, with all that was below it. */
  readonly #files = new Map<string, Contents | undefined>()
  readonly #folders = new Set<string>()

  constructor(below: Disk) {
    this.#below = below
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const known = this.#files.get(path)
    if (known !== undefined && how !== 'create') return new ShadowFile(known)
    const isThere = known !== undefined || (!this.#isHidden(path) && (await this.#isBelow(path)))
    if (isThere && how === 'create') throw failure('EEXIST', path)
    if (!isThere && how === 'read') throw failure('ENOENT', path)
    // A descriptor of its own, so that what is removed or renamed below changes nothing here.
    const file = isThere ? await this.#below.open(path, 'read') : undefined
    const contents = new Contents(file, (await file?.sizeBytes()) ?? 0)
    if (how === 'read') return new ShadowFile(contents, async () => await file?.close())
    this.#files.set(path, contents)
    return new ShadowFile(contents)
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    if (!this.#files.has(path)) return this.#isHidden(path) ? undefined : await this.#below.readFile(path)
    const contents = this.#files.get(path)
    if (contents === undefined) return undefined
    const bytes = Buffer.alloc(contents.sizeBytes)
    await contents.read(bytes, 0)
    return bytes
  }

  async regularBytes(path: string): Promise<number | undefined> {
    if (this.#files.has(path)) return this.#files.get(path)?.sizeBytes
    return this.#isHidden(path) ? undefined : await this.#below.regularBytes(path)
  }

  async list(path: string): Promise<string[]> {
    const names = new Set(this.#isHidden(path) ? [] : await this.#below.list(path))
    for (const [file, contents] of this.#files) {
      if (dirname(file) !== path) continue
      if (contents === undefined) names.delete(basename(file))
      else names.add(basename(file))
    }
    for (const folder of this.#folders) if (dirname(folder) === path) names.add(basename(folder))
    return [...names].toSorted()
  }

  async makeDirectory(path: string): Promise<void> {
    for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) this.#folders.add(folder)
  }

  async rename(from: string, to: string): Promise<void> {
    const file = await this.open(from, 'write')
    await file.close()
    this.#files.set(to, this.#files.get(from))
    this.#files.set(from, undefined)
  }

  async link(from: string, to: string): Promise<boolean> {
    const isTaken = this.#files.get(to) !== undefined || (!this.#isHidden(to) && (await this.#isBelow(to)))
    if (isTaken) return false
    const file = await this.open(from, 'write')
    await file.close()
    this.#files.set(to, this.#files.get(from))
    return true
  }

  async remove(path: string): Promise<void> {
    for (const file of this.#files.keys()) if (file.startsWith(`${path}/`)) this.#files.delete(file)
    for (const folder of this.#folders)
      if (folder === path || folder.startsWith(`${path}/`)) this.#folders.delete(folder)
    this.#files.set(path, undefined)
  }

  async syncDirectory(): Promise<void> {}

  async space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return await this.#below.space(path)
  }

  /** Closes what was opened below. */
  async close(): Promise<void> {
    for (const contents of this.#files.values()) await contents?.close()
  }

  /** Whether the path, or a folder that it is in, was removed. */
  #isHidden(path: string): boolean {
    for (let at = path; at !== dirname(at); at = dirname(at)) {
      if (this.#files.has(at) && this.#files.get(at) === undefined) return true
    }
    return false
  }

  async #isBelow(path: string): Promise<boolean> {
    return (await this.#below.list(dirname(path))).includes(basename(path))
  }
}

/** A file's bytes: pages that were written, over those of a file below. */
class Contents {
  sizeBytes: number
  readonly #below: DiskFile | undefined
  /** Bytes of the file below that still count. */
  #belowBytes: number
  readonly #pages = new Map<number, Buffer>()

  constructor(below: DiskFile | undefined, sizeBytes: number) {
    this.#below = below
    this.#belowBytes = sizeBytes
    this.sizeBytes = sizeBytes
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - position))
    for (let done = 0; done < count;) {
      const at = position + done
      const [number, offset] = [Math.floor(at / PAGE_BYTES), at % PAGE_BYTES]
      const part = into.subarray(done, Math.min(count, done + PAGE_BYTES - offset))
      const page = this.#pages.get(number)
      if (page === undefined) await this.#readBelow(part, at)
      else part.set(page.subarray(offset, offset + part.length))
      done += part.length
    }
    return count
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const at = position + done
      const [number, offset] = [Math.floor(at / PAGE_BYTES), at % PAGE_BYTES]
      const part = bytes.subarray(done, Math.min(bytes.length, done + PAGE_BYTES - offset))
      const page = this.#pages.get(number) ?? Buffer.alloc(PAGE_BYTES)
      if (!this.#pages.has(number)) await this.#readBelow(page, number * PAGE_BYTES)
      page.set(part, offset)
      this.#pages.set(number, page)
      done += part.length
    }
    this.sizeBytes = Math.max(this.sizeBytes, position + bytes.length)
  }

  truncate(sizeBytes: number): void {
    this.sizeBytes = sizeBytes
    this.#belowBytes = Math.min(this.#belowBytes, sizeBytes)
    for (const [number, page] of this.#pages) {
      if (number * PAGE_BYTES >= sizeBytes) this.#pages.delete(number)
      else if ((number + 1) * PAGE_BYTES > sizeBytes) page.fill(0, sizeBytes % PAGE_BYTES)
    }
  }

  async close(): Promise<void> {
    await this.#below?.close()
  }

  /** Zeros where the file below has nothing. */
  async #readBelow(into: Uint8Array, position: number): Promise<void> {
    const count = Math.max(0, Math.min(into.length, this.#belowBytes - position))
    into.fill(0, count)
    if (count > 0) await this.#below?.read(into.subarray(0, count), position)
  }
}

class ShadowFile implements DiskFile {
  readonly #contents: Contents
  readonly #close: () => Promise<void>

  constructor(contents: Contents, close: () => Promise<void> = async () => {}) {
    this.#contents = contents
    this.#close = close
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return await this.#contents.read(into, position)
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#contents.write(bytes, position)
  }

  async datasync(): Promise<void> {}

  async sizeBytes(): Promise<number> {
    return this.#contents.sizeBytes
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#contents.truncate(sizeBytes)
  }

  async close(): Promise<void> {
    await this.#close()
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
