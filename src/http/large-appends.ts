// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps appends of usual size quick beside huge ones. A body is stored whole or not at all, so a huge one is one write
 * that all others wait behind. One such is looked through and stored at a time, or refused, and where others append too, the next one waits four
 * times as long as the last one took: the writer is theirs for four fifths of the time. Alone, nobody waits.
 */
import type { Clock } from '../platform/clock.ts'
import { Turns } from '../platform/turns.ts'
import { Problem } from '../schema/problem.ts'

/** Of a frame of the log: what is larger fills one by itself. */
const LARGE_BYTES = 8 * 1024 * 1024
const PAUSE_FACTOR = 4
const MAX_PAUSE_MS = 10_000
/** Of large ones, that wait for their turn: small bodies of many events too are large in the log. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024
const RETRY_AFTER_SECONDS = 5

export class LargeAppends {
  readonly #clock: Clock
  readonly #turns = new Turns(1)
  readonly #steps = new Turns(1)
  #againMs = 0
  #waitingBytes = 0
  /** Whether somebody appended a body of usual size since the last large one began. */
  #hasOthers = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  isLarge(bytes: number): boolean {
    return bytes > LARGE_BYTES
  }

  /** Does work on bytes that stops now and then: one at a time, and everybody else has their turn at each stop. */
  async inSteps<T>(steps: Generator<undefined, T>): Promise<T> {
    return await this.#steps.run(async () => {
      for (;;) {
        const { done, value } = steps.next()
        if (done) return value
        await this.#clock.sleep(0)
      }
    })
  }

  /** Throws `overloaded` where so many bytes would have to wait behind too many others. */
  demandRoom(bytes: number): void {
    if (bytes <= LARGE_BYTES || this.#waitingBytes === 0 || this.#waitingBytes + bytes <= MAX_WAITING_BYTES) return
    const detail = 'As many large bodies wait for their turn as may. Nothing of this one was stored; try again.'
    throw new Problem('overloaded', detail, { limit: MAX_WAITING_BYTES, retryAfter: RETRY_AFTER_SECONDS })
  }

  /** Cuts and stores, or only stores, what takes about so many bytes in the log. */
  async store<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (bytes <= LARGE_BYTES) {
      this.#hasOthers = true
      return await work()
    }
    this.demandRoom(bytes)
    this.#waitingBytes += bytes
    try {
      return await this.#turns.run(async () => await this.#storeLarge(work))
    } finally {
      this.#waitingBytes -= bytes
    }
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
