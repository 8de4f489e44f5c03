// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds long work to a share of one core: it rests behind each piece. The time between two rests counts as the
 * processor's, whatever of it was waiting for the disk or for other work, so the share is never passed; except where
 * the work would not be done in time at that share: then it rests as much as the time allows, down to not at all.
 */
import type { Clock } from './clock.ts'

/** Timers are not finer, and so short a rest is not worth one. */
const SHORTEST_REST_MS = 5
/** What else this process has to do waits no longer. */
const LONGEST_STRETCH_MS = 20

export interface PaceOptions {
  readonly clock: Clock
  /** Of one core, above 0 and up to 1; asked at each rest. */
  readonly share: () => number
  /** All of it is to be done so long after its begin. */
  readonly withinMs: number
  /** Ends the work at its next rest: `rest` rejects. */
  readonly signal: AbortSignal
}

export class PacedWork {
  readonly #options: PaceOptions
  readonly #begunMs: number
  #restedMs: number
  /** What the time that was not rest has to take, rests included. */
  #dueMs = 0
  #resumedMs: number

  constructor(options: PaceOptions) {
    this.#options = options
    this.#begunMs = options.clock.monotonicMs()
    this.#restedMs = this.#begunMs
    this.#resumedMs = this.#begunMs
  }

  /** `done` is the part of the work that is done, from 0 to 1. */
  async rest(done: number): Promise<void> {
    const { clock, share, withinMs, signal } = this.#options
    signal.throwIfAborted()
    const nowMs = clock.monotonicMs()
    this.#dueMs += (nowMs - this.#resumedMs) / share()
    this.#resumedMs = nowMs
    const shareMs = this.#begunMs + this.#dueMs
    const inTimeMs = this.#begunMs + withinMs * Math.min(1, done)
    const restMs = Math.min(shareMs, inTimeMs) - nowMs
    if (restMs < SHORTEST_REST_MS && nowMs - this.#restedMs < LONGEST_STRETCH_MS) return
    await clock.sleep(Math.max(0, restMs), signal)
    this.#restedMs = clock.monotonicMs()
    this.#resumedMs = this.#restedMs
  }
}
