// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps appends of usual size quick beside huge ones. A body is stored whole or not at all, so a huge one is one write
 * that all others wait behind. One such is stored at a time, and where others append too, the next one waits four
 * times as long as the last one took: the writer is theirs for four fifths of the time. Alone, nobody waits.
 */
import type { Clock } from '../platform/clock.ts'
import { Turns } from '../platform/turns.ts'

/** Of a frame of the log: what is larger fills one by itself. */
const LARGE_BYTES = 8 * 1024 * 1024
const PAUSE_FACTOR = 4
const MAX_PAUSE_MS = 10_000

export class LargeAppends {
  readonly #clock: Clock
  readonly #turns = new Turns(1)
  #againMs = 0
  /** Whether somebody appended a body of usual size since the last large one began. */
  #hasOthers = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Stores what takes about so many bytes in the log. */
  async store<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (bytes <= LARGE_BYTES) {
      this.#hasOthers = true
      return await work()
    }
    return await this.#turns.run(async () => await this.#storeLarge(work))
  }

  async #storeLarge<T>(work: () => Promise<T>): Promise<T> {
    const pauseMs = this.#againMs - this.#clock.monotonicMs()
    if (this.#hasOthers && pauseMs > 0) await this.#clock.sleep(pauseMs)
    this.#hasOthers = false
    const startedMs = this.#clock.monotonicMs()
    try {
      return await work()
    } finally {
      const nowMs = this.#clock.monotonicMs()
      this.#againMs = nowMs + Math.min((nowMs - startedMs) * PAUSE_FACTOR, MAX_PAUSE_MS)
    }
  }
}
