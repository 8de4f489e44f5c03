// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * How often a log may ask. Only what the log has signed counts, so nobody else uses up its share but by sending its
 * own checkpoints again: growing, asking again for the same size and subtrees are therefore counted apart. The buckets live in
 * memory, three a log at most.
 */
import type { Clock } from '../../platform/clock.ts'
import { Refusal } from './fault.ts'

/** Of its rate, at once. */
const BURST_SECONDS = 60
const MIN_BURST = 20

interface Bucket {
  left: number
  filledMs: number
}

export class RequestRates {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #buckets = new Map<string, Bucket>()

  /** `perSecond` is for logs whose list says nothing. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
  }

  /** Throws `Refusal` 429 where the log has to wait. */
  take(origin: string, kind: 'growth' | 'repeat' | 'subtree', perSecond: number = this.#perSecond): void {
    const nowMs = this.#clock.monotonicMs()
    const most = Math.max(MIN_BURST, perSecond * BURST_SECONDS)
    const name = `${kind} ${origin}`
    const bucket = this.#buckets.get(name) ?? { left: most, filledMs: nowMs }
    this.#buckets.set(name, bucket)
    bucket.left = Math.min(most, bucket.left + ((nowMs - bucket.filledMs) / 1_000) * perSecond)
    bucket.filledMs = nowMs
    if (bucket.left < 1) {
      const retryAfterSeconds = Math.max(1, Math.ceil((1 - bucket.left) / perSecond))
      throw new Refusal(429, `this log may ask ${perSecond} times a second`, { retryAfterSeconds })
    }
    bucket.left--
  }
}
