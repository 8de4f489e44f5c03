// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Refuses to write before the disk is full: events stop at the reserve, the audit's own records (`access`, `system`,
 * `heads`) at a quarter of it, so that a full disk does not stop reading in an incident.
 */
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import { Problem } from '../schema/problem.ts'

const LOOKED_EVERY_MS = 1_000
const MAX_RESERVE_BYTES = 1024 * 1024 * 1024
const RESERVE_SHARE = 0.05
/** What a commit adds, at most: header, table and padding of its frame, and its place. */
const COMMIT_BYTES = 8_192
/** What an event adds to its own bytes, at most: salt, entry, hashes. */
const EVENT_BYTES = 1_024

export class SpaceGuard {
  readonly reserveBytes: number
  readonly #disk: Disk
  readonly #directory: string
  readonly #stop: () => void
  #freeBytes: number

  private constructor(disk: Disk, directory: string, clock: Clock, freeBytes: number, totalBytes: number) {
    this.#disk = disk
    this.#directory = directory
    this.#freeBytes = freeBytes
    this.reserveBytes = Math.min(MAX_RESERVE_BYTES, Math.floor(totalBytes * RESERVE_SHARE))
    this.#stop = clock.every(LOOKED_EVERY_MS, () => {
      this.look().catch(() => {})
    })
  }

  static async open(disk: Disk, directory: string, clock: Clock): Promise<SpaceGuard> {
    const { freeBytes, totalBytes } = await disk.space(directory)
    return new SpaceGuard(disk, directory, clock, freeBytes, totalBytes)
  }

  /** Bytes free at the last look, less what was admitted since. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Whether events are refused at present. */
  get isReserveReached(): boolean {
    return this.#freeBytes < this.reserveBytes
  }

  async look(): Promise<void> {
    this.#freeBytes = (await this.#disk.space(this.#directory)).freeBytes
  }

  /** Admits a write of `count` events of together `bytes`, or throws `disk-reserve` with the figures. */
  demand(kind: 'events' | 'audit', bytes: number, count = 1): void {
    const neededBytes = bytes + count * EVENT_BYTES + COMMIT_BYTES
    const keptBytes = kind === 'events' ? this.reserveBytes : Math.floor(this.reserveBytes / 4)
    if (this.#freeBytes - neededBytes < keptBytes) {
      const figures = `${megabytes(this.#freeBytes)} MB are free, ${megabytes(keptBytes)} MB are kept in reserve`
      throw new Problem(
        'disk-reserve',
        `The disk is nearly full: ${figures}. Nothing was stored; make room and try again.`,
        {
          limit: keptBytes,
        },
      )
    }
    this.#freeBytes -= neededBytes
  }

  close(): void {
    this.#stop()
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}
