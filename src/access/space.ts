// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Refuses to write before the disk is full: events stop at the reserve, the audit's own records (`access`, `system`,
 * `heads`) at a quarter of it, so that a full disk does not stop reading in an incident.
 *
 * What was admitted is held against the room until a look at the disk has seen it: while it is on its way, and, once
 * written, until the next look that began behind that. Only what is being written during a look counts twice, until
 * the next.
 */
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import { diskReserveBytes } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'

const LOOKED_EVERY_MS = 1_000
/** What a commit adds, at most: header, table and padding of its frame, and its place. */
const COMMIT_BYTES = 8_192
/** What an event adds to its own bytes, at most: salt, entry, hashes. */
const EVENT_BYTES = 1_024

export class SpaceGuard {
  readonly reserveBytes: number
  readonly #disk: Disk
  readonly #directory: string
  readonly #stop: () => void
  /** At the last look. */
  #lookedBytes: number
  /** Admitted, and neither durable nor refused. */
  #underWayBytes = 0
  /** Durable, and perhaps not yet seen by a look. */
  #unseenBytes = 0
  #looking: Promise<void> | undefined

  private constructor(disk: Disk, directory: string, clock: Clock, freeBytes: number, totalBytes: number) {
    this.#disk = disk
    this.#directory = directory
    this.#lookedBytes = freeBytes
    this.reserveBytes = diskReserveBytes(totalBytes)
    this.#stop = clock.every(LOOKED_EVERY_MS, () => {
      this.look().catch(() => {})
    })
  }

  static async open(disk: Disk, directory: string, clock: Clock): Promise<SpaceGuard> {
    const { freeBytes, totalBytes } = await disk.space(directory)
    return new SpaceGuard(disk, directory, clock, freeBytes, totalBytes)
  }

  /** Bytes free at the last look, less what is on its way or was written since. */
  get freeBytes(): number {
    return Math.max(0, this.#lookedBytes - this.#underWayBytes - this.#unseenBytes)
  }

  /** Whether events are refused at present. */
  get isReserveReached(): boolean {
    return this.freeBytes < this.reserveBytes
  }

  /** Looks at the disk; a look that is under way is enough for whoever else wants one. */
  async look(): Promise<void> {
    await (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)))
  }

  /** Does a write of `count` events of together `bytes`, or throws `disk-reserve` with the figures. */
  async admit<T>(kind: 'events' | 'audit', bytes: number, count: number, write: () => Promise<T>): Promise<T> {
    const neededBytes = bytes + count * EVENT_BYTES + COMMIT_BYTES
    this.#demand(kind, neededBytes)
    this.#underWayBytes += neededBytes
    try {
      const written = await write()
      this.#unseenBytes += neededBytes
      return written
    } finally {
      this.#underWayBytes -= neededBytes
    }
  }

  async #look(): Promise<void> {
    const seenBytes = this.#unseenBytes
    this.#lookedBytes = (await this.#disk.space(this.#directory)).freeBytes
    this.#unseenBytes -= seenBytes
  }

  #demand(kind: 'events' | 'audit', neededBytes: number): void {
    const keptBytes = kind === 'events' ? this.reserveBytes : Math.floor(this.reserveBytes / 4)
    if (this.freeBytes - neededBytes >= keptBytes) return
    const figures = `${megabytes(this.freeBytes)} MB are free, ${megabytes(keptBytes)} MB are kept in reserve`
    const detail = `The disk is nearly full: ${figures}. Nothing was stored; make room and try again.`
    throw new Problem('disk-reserve', detail, { limit: keptBytes })
  }

  close(): void {
    this.#stop()
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}
