// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The disk of a simulated machine: a disk that loses power (power-cut-disk.ts) whose operations take simulated time,
// overtake each other, go wrong as a plan says, and run out of room. When the process dies, what was under way happened
// or did not; whatever it still asks for is never answered.

import type { Disk, DiskFile } from '../../src/platform/disk.ts'
import type { PowerCutDisk } from '../power-cut-disk.ts'
import type { SeededRandom } from '../scratch.ts'
import { Counts, type FaultPlan, type Operation } from './fault-plan.ts'
import type { SimTime } from './time.ts'

const READINGS: ReadonlySet<Operation> = new Set(['read', 'readFile', 'list', 'open'])
const PAGE_BYTES = 4_096
const TOTAL_BYTES = 2 ** 40

export interface SimDiskParts {
  readonly time: SimTime
  readonly random: SeededRandom
  readonly faults: FaultPlan
  /** Told of every operation: the trace. */
  readonly onOperation: (operation: Operation, path: string, bytes: number) => void
}

interface Asked<T> {
  readonly operation: Operation
  readonly path: string
  readonly bytes?: number
  readonly work: () => Promise<T>
  /** Does some of it; nothing where it cannot be done in part. */
  readonly half?: () => Promise<unknown>
}

export class SimDisk implements Disk {
  readonly injected = new Counts()
  operationCount = 0
  /** Bytes that files may still grow by. */
  roomBytes = Infinity
  readonly #inner: PowerCutDisk
  readonly #parts: SimDiskParts
  /** What was asked for and not done yet. */
  readonly #underWay = new Set<() => void>()
  #isDead = false

  constructor(inner: PowerCutDisk, parts: SimDiskParts) {
    this.#inner = inner
    inner.yields = false
    this.#parts = parts
  }

  /** The process died. What it had asked for is done, half done, or not. */
  kill(): void {
    const { random } = this.#parts
    for (const finish of this.#underWay) if (random.below(2) === 0) finish()
    this.#underWay.clear()
    this.#isDead = true
  }

  async open(path: string, how: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await this.#operate({ operation: 'open', path, work: async () => await this.#inner.open(path, how) })
    let sizeBytes = await file.sizeBytes()
    const write = async (bytes: Uint8Array, position: number): Promise<void> => {
      const growth = Math.max(0, position + bytes.length - sizeBytes)
      const fits = Math.max(0, Math.min(bytes.length, bytes.length - growth + this.roomBytes))
      this.roomBytes -= Math.min(growth, this.roomBytes)
      sizeBytes = Math.max(sizeBytes, position + fits)
      if (fits > 0) await file.write(bytes.subarray(0, fits), position)
      if (fits === bytes.length) return
      this.injected.add('disk full')
      throw Object.assign(new Error(`ENOSPC: no space left on device, write ${path}`), { code: 'ENOSPC' })
    }
    return {
      sizeBytes: async () => await file.sizeBytes(),
      close: async () => await file.close(),
      read: async (into, position) =>
        await this.#operate({ operation: 'read', path, work: async () => await file.read(into, position) }),
      write: async (bytes, position) => {
        // What is written later is what it was when it was handed over.
        const copy = Uint8Array.from(bytes)
        await this.#operate({
          operation: 'write',
          path,
          bytes: bytes.length,
          work: async () => await write(copy, position),
          half: async () => await write(copy.subarray(0, this.#pages(copy.length)), position),
        })
      },
      datasync: async () =>
        await this.#operate({
          operation: 'datasync',
          path,
          work: async () => await file.datasync(),
          // The pages are marked clean and were never written.
          half: async () => await this.#failedDatasync(file),
        }),
      truncate: async (to) => {
        const work = async () => {
          sizeBytes = to
          await file.truncate(to)
        }
        await this.#operate({ operation: 'truncate', path, bytes: to, work })
      },
    }
  }

  async readFile(path: string): Promise<Buffer | undefined> {
    return await this.#operate({ operation: 'readFile', path, work: async () => await this.#inner.readFile(path) })
  }

  /** As the opening of it, which this spares: with the same faults. */
  async regularBytes(path: string): Promise<number | undefined> {
    return await this.#operate({ operation: 'open', path, work: async () => await this.#inner.regularBytes(path) })
  }

  async list(path: string): Promise<string[]> {
    return await this.#operate({ operation: 'list', path, work: async () => await this.#inner.list(path) })
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#operate({
      operation: 'makeDirectory',
      path,
      work: async () => await this.#inner.makeDirectory(path),
      half: async () => this.#inner.makeFolders(path),
    })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operate({ operation: 'rename', path: to, work: async () => await this.#inner.rename(from, to) })
  }

  async link(from: string, to: string): Promise<boolean> {
    return await this.#operate({ operation: 'link', path: to, work: async () => await this.#inner.link(from, to) })
  }

  async remove(path: string): Promise<void> {
    await this.#operate({ operation: 'remove', path, work: async () => await this.#inner.remove(path) })
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#operate({
      operation: 'syncDirectory',
      path,
      work: async () => await this.#inner.syncDirectory(path),
    })
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return { freeBytes: Math.min(this.roomBytes, TOTAL_BYTES / 2), totalBytes: TOTAL_BYTES }
  }

  #pages(bytes: number): number {
    return this.#parts.random.below(Math.ceil(bytes / PAGE_BYTES)) * PAGE_BYTES
  }

  async #failedDatasync(file: DiskFile): Promise<void> {
    this.#inner.datasyncsLeft = 0
    const failing = file.datasync()
    this.#inner.datasyncsLeft = Infinity
    await failing.catch(() => {})
  }

  async #operate<T>({ operation, path, bytes = 0, work, half }: Asked<T>): Promise<T> {
    if (this.#isDead) return await never()
    const { time, random, faults, onOperation } = this.#parts
    this.operationCount++
    onOperation(operation, path, bytes)
    const fault = faults.next(operation)
    const isReading = READINGS.has(operation)
    if (fault === undefined) {
      if (isReading && random.below(16) !== 0) return await work()
      return await this.#later(isReading ? random.next() : 0.05 + random.next() * 5, work)
    }
    const { way, partly, lateMs } = fault
    this.injected.add(`${operation} ${way}`)
    if (way === 'late') return await this.#later(lateMs, work)
    if (way === 'hung') {
      if (partly) void work().catch(() => {})
      return await never()
    }
    await time.sleep(random.next() * 10)
    if (this.#isDead) return await never()
    if (way === 'applied') await work()
    else if (partly) await half?.()
    throw Object.assign(new Error(`EIO: i/o error, ${operation} ${path}`), { code: 'EIO' })
  }

  /** Done at some moment between now and then; known to be done only then. */
  async #later<T>(delayMs: number, work: () => Promise<T>): Promise<T> {
    const { time, random } = this.#parts
    let isDone = false
    let done: Promise<T> | undefined
    const finish = () => {
      if (isDone || this.#isDead) return
      isDone = true
      this.#underWay.delete(finish)
      done = work()
      // Whoever waits hears of it below.
      done.catch(() => {})
    }
    this.#underWay.add(finish)
    const early = random.next() * delayMs
    time.after(early, finish)
    await time.sleep(delayMs)
    finish()
    return this.#isDead ? await never() : await done!
  }
}

async function never<T>(): Promise<T> {
  return await new Promise<T>(() => {})
}
