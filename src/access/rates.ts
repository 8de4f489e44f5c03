// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Limits how fast a token appends, where it was made with limits. A token bucket of events and one of bytes: each
 * fills at the token's rate up to what it may send at once, and an append is let in while there is anything in it. It
 * may leave the bucket in debt, so that a body larger than the burst is stored too, and is waited for afterwards. The
 * buckets live in memory: a restart fills them.
 */
import type { Clock } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import type { RateLimits } from '../schema/system-events.ts'
import type { Credential } from './credentials.ts'

/** How many seconds of its rate a token may send at once, where it does not say. */
const DEFAULT_BURST_SECONDS = 10

export class Rates {
  readonly #clock: Clock
  /** Of tokens with limits that have appended; tokens are never forgotten, so there are no more of these. */
  readonly #buckets = new Map<string, Bucket[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Throws `rate-limited` where the caller has to wait: asked before a body is taken. */
  demand(credential: Credential | undefined): void {
    for (const bucket of this.#bucketsOf(credential)) bucket.demand(this.#clock.monotonicMs())
  }

  /** Takes an append out of the buckets, or throws `rate-limited`. */
  take(credential: Credential | undefined, events: number, bytes: number): void {
    this.demand(credential)
    this.charge(credential, events, bytes)
  }

  /** Takes what an append that was let in costs beside, whatever is left. */
  charge(credential: Credential | undefined, events: number, bytes: number): void {
    for (const bucket of this.#bucketsOf(credential)) bucket.take(bucket.unit === 'events' ? events : bytes)
  }

  #bucketsOf(credential: Credential | undefined): readonly Bucket[] {
    if (credential?.limits === undefined) return []
    const { id, limits } = credential
    const known = this.#buckets.get(id)
    if (known !== undefined) return known
    const buckets = bucketsFor(limits, this.#clock.monotonicMs())
    this.#buckets.set(id, buckets)
    return buckets
  }
}

function bucketsFor(limits: RateLimits, nowMs: number): Bucket[] {
  const { eventsPerSecond, bytesPerSecond, burstSeconds = DEFAULT_BURST_SECONDS } = limits
  return [
    ...(eventsPerSecond === undefined ? [] : [new Bucket('events', eventsPerSecond, burstSeconds, nowMs)]),
    ...(bytesPerSecond === undefined ? [] : [new Bucket('bytes', bytesPerSecond, burstSeconds, nowMs)]),
  ]
}

class Bucket {
  readonly unit: 'events' | 'bytes'
  readonly #perSecond: number
  readonly #most: number
  /** In thousandths, so that a rate fills it exactly. */
  #left: number
  #filledMs: number

  constructor(unit: 'events' | 'bytes', perSecond: number, burstSeconds: number, nowMs: number) {
    this.unit = unit
    this.#perSecond = perSecond
    this.#most = perSecond * burstSeconds * 1_000
    this.#left = this.#most
    this.#filledMs = nowMs
  }

  demand(nowMs: number): void {
    this.#left = Math.min(this.#most, this.#left + (nowMs - this.#filledMs) * this.#perSecond)
    this.#filledMs = nowMs
    // Less than one is none: else the last fraction would let in any append.
    if (this.#left >= 1_000) return
    const retryAfter = Math.max(1, Math.ceil((1_000 - this.#left) / (1_000 * this.#perSecond)))
    const detail = `This token may append ${this.#perSecond} ${this.unit} a second. Nothing was stored; try again in ${retryAfter} s.`
    throw new Problem('rate-limited', detail, { limit: this.#perSecond, retryAfter })
  }

  take(amount: number): void {
    this.#left -= amount * 1_000
  }
}
