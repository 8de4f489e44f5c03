// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A disk in memory, quick enough to verify the same small directory half a million times. It keeps to the interface of
// src/platform/disk.ts, errors included; it loses nothing and never fails. Power cuts are power-cut-disk.ts's.

import { dirname } from 'node:path'

import type { Disk, DiskFile } from '../src/platform/disk.ts'

interface Contents {
  bytes: Buffer
}

export class MemoryDisk implements Disk {
  readonly #files = new Map<string, Contents>()
  readonly #folders: Set<string>

  constructor(folders: Iterable<string> = ['/']) {
    this.#folders = new Set(folders)
  }

  /** Another disk with the same in it. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk(this.#folders)
    for (const [path, { bytes }] of this.#files) copy.#files.set(path, { bytes: Buffer.from(bytes) })
    return copy
  }

  /** Paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#files.keys()].toSorted()
  }

  /** A file's bytes themselves: what is changed in them is changed on the disk. */
  bytesOf(path: string): Buffer {
    return this.#demand(path).bytes
  }

  /** Puts a file there, or another in its place. */
  put(path: string, bytes: Buffer): void {
    this.#files.set(path, { bytes })
  }

  /** Takes a file away. */
  drop(path: string): void {
    this.#files.delete(path)
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    if (this.#folders.has(path)) throw failure('EISDIR', path)
    if (how === 'create' && this.#files.has(path)) throw failure('EEXIST', path)
    if (how !== 'read' && !this.#files.has(path)) {
      this.#demandFolder(dirname(path))
      this.#files.set(path, { bytes: Buffer.alloc(0) })
    }
    return new MemoryFile(this.#demand(path))
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    if (this.#folders.has(path)) throw failure('EISDIR', path)
    const contents = this.#files.get(path)
    return contents === undefined ? undefined : Buffer.from(contents.bytes)
  }

  async regularBytes(path: string): Promise<number | undefined> {
    return this.#files.get(path)?.bytes.length
  }

  async list(path: string): Promise<string[]> {
    if (this.#files.has(path)) throw failure('ENOTDIR', path)
    const below = [...this.#files.keys(), ...this.#folders].filter((name) => name !== path && dirname(name) === path)
    return below.map((name) => name.slice(path.endsWith('/') ? path.length : path.length + 1)).toSorted()
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#files.has(path)) throw failure('EEXIST', path)
    if (path !== dirname(path)) await this.makeDirectory(dirname(path))
    this.#folders.add(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#demandFolder(dirname(to))
    this.#files.set(to, this.#demand(from))
    this.#files.delete(from)
  }

  async link(from: string, to: string): Promise<boolean> {
    this.#demandFolder(dirname(to))
    const contents = this.#demand(from)
    if (this.#files.has(to) || this.#folders.has(to)) return false
    this.#files.set(to, contents)
    return true
  }

  async remove(path: string): Promise<void> {
    const isBelow = (name: string) => name === path || name.startsWith(`${path}/`)
    for (const name of [...this.#files.keys()].filter(isBelow)) this.#files.delete(name)
    for (const name of [...this.#folders].filter(isBelow)) this.#folders.delete(name)
  }

  async syncDirectory(path: string): Promise<void> {
    this.#demandFolder(path)
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: 2 ** 40, totalBytes: 2 ** 41 }
  }

  #demand(path: string): Contents {
    const contents = this.#files.get(path)
    if (contents === undefined) throw failure('ENOENT', path)
    return contents
  }

  #demandFolder(path: string): void {
    if (!this.#folders.has(path)) throw failure('ENOENT', path)
  }
}

/** An opened file stays readable when its name goes, as a file of the system does. */
class MemoryFile implements DiskFile {
  readonly #contents: Contents

  constructor(contents: Contents) {
    this.#contents = contents
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const { bytes } = this.#contents
    return position < bytes.length ? bytes.copy(into, 0, position) : 0
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (position + bytes.length > this.#contents.bytes.length) await this.truncate(position + bytes.length)
    this.#contents.bytes.set(bytes, position)
  }

  async datasync(): Promise<void> {}

  async sizeBytes(): Promise<number> {
    return this.#contents.bytes.length
  }

  async truncate(sizeBytes: number): Promise<void> {
    const bytes = Buffer.alloc(sizeBytes)
    this.#contents.bytes.copy(bytes)
    this.#contents.bytes = bytes
  }

  async close(): Promise<void> {}
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
