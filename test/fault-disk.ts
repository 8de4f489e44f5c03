// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Any disk, watched, and failing where it is told to: at the nth operation of a kind, which then was done, was not
// done, or (a write) was half done. Afterwards it works again, so that whoever tries once more is caught at it.

import type { Disk, DiskFile } from '../src/platform/disk.ts'

export const OPERATIONS = [
  'open',
  'write',
  'datasync',
  'truncate',
  'rename',
  'link',
  'remove',
  'makeDirectory',
  'syncDirectory',
] as const
export type Operation = (typeof OPERATIONS)[number]

export interface Fault {
  readonly operation: Operation
  /** Which one fails, counted from 0. */
  readonly nth: number
  readonly done: 'not' | 'half' | 'wholly'
  readonly code: string
}

export interface Traced {
  readonly operation: Operation
  readonly path: string
  readonly sizeBytes?: number
}

export class FaultDisk implements Disk {
  /** Everything that changes something, in the order in which it was begun. */
  readonly trace: Traced[] = []
  /** Awaited before each operation. */
  delay: (operation: Operation, path: string) => Promise<void> = async () => {}
  /** Awaited before each reading of a part of a file. */
  beforeRead: (path: string) => Promise<void> = async () => {}
  /** Whether the fault has happened. */
  failed = false
  readonly #disk: Disk
  readonly #fault: Fault | undefined
  readonly #counts = new Map<Operation, number>()

  constructor(disk: Disk, fault?: Fault) {
    this.#disk = disk
    this.#fault = fault
  }

  count(operation: Operation): number {
    return this.#counts.get(operation) ?? 0
  }

  async open(path: string, how: 'read' | 'write' | 'create', mode?: number): Promise<DiskFile> {
    const file = await this.#operate({ operation: 'open', path }, async () => await this.#disk.open(path, how, mode))
    return {
      read: async (into, position) => {
        await this.beforeRead(path)
        return await file.read(into, position)
      },
      sizeBytes: async () => await file.sizeBytes(),
      close: async () => await file.close(),
      datasync: async () => await this.#operate({ operation: 'datasync', path }, async () => await file.datasync()),
      truncate: async (sizeBytes) =>
        await this.#operate({ operation: 'truncate', path, sizeBytes }, async () => await file.truncate(sizeBytes)),
      write: async (bytes, position) => {
        const traced = { operation: 'write' as const, path, sizeBytes: bytes.length }
        const half = async () => await file.write(bytes.subarray(0, Math.floor(bytes.length / 2)), position)
        await this.#operate(traced, async () => await file.write(bytes, position), half)
      },
    }
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    return await this.#disk.readFile(path)
  }

  async regularBytes(path: string): Promise<number | undefined> {
    return await this.#disk.regularBytes(path)
  }

  async list(path: string): Promise<string[]> {
    return await this.#disk.list(path)
  }

  async makeDirectory(path: string, mode?: number): Promise<void> {
    await this.#operate({ operation: 'makeDirectory', path }, async () => await this.#disk.makeDirectory(path, mode))
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operate({ operation: 'rename', path: to }, async () => await this.#disk.rename(from, to))
  }

  async link(from: string, to: string): Promise<boolean> {
    return await this.#operate({ operation: 'link', path: to }, async () => await this.#disk.link(from, to))
  }

  async remove(path: string): Promise<void> {
    await this.#operate({ operation: 'remove', path }, async () => await this.#disk.remove(path))
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#operate({ operation: 'syncDirectory', path }, async () => await this.#disk.syncDirectory(path))
  }

  async space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return await this.#disk.space(path)
  }

  async #operate<T>(traced: Traced, work: () => Promise<T>, half?: () => Promise<void>): Promise<T> {
    const nth = this.count(traced.operation)
    this.#counts.set(traced.operation, nth + 1)
    this.trace.push(traced)
    await this.delay(traced.operation, traced.path)
    if (this.#fault?.operation !== traced.operation || this.#fault.nth !== nth) return await work()
    this.failed = true
    const { done, code } = this.#fault
    if (done === 'wholly') await work()
    if (done === 'half') await half?.()
    throw Object.assign(new Error(`${code}: ${traced.operation} ${traced.path}`), { code })
  }
}
