// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * How much of a core sealing may take. Sealing an event costs more than appending it, and can wait: while the writer is
 * under load it has a small share, and catches up afterwards; unless it lags so far that the disk and the next start
 * would feel it.
 */
import type { Clock } from '../platform/clock.ts'

/** A writer that is busy for more of its time is under load; it is so until it is busy for less than the second. */
const LOADED = 0.6
const RELIEVED = 0.4
const LOADED_SHARE = 0.15
/** Timers are not finer. */
const SHORTEST_REST_MS = 5
const LONGEST_LAG_BYTES = 4 * 1024 * 1024 * 1024

export class SealingShare {
  #isLoaded = false
  #now = 1

  /** Of one core. */
  get now(): number {
    return this.#now
  }

  /** `busyShare` of the writer's time, since the last look, was work; `lagBytes` of the log wait to be sealed. */
  look(busyShare: number, lagBytes: number): number {
    this.#isLoaded = busyShare > (this.#isLoaded ? RELIEVED : LOADED)
    this.#now = this.#isLoaded && lagBytes < LONGEST_LAG_BYTES ? LOADED_SHARE : 1
    return this.#now
  }
}

/** Holds the sealing of one file, several ledgers of it beside each other, to a share of a core that may change. */
export class SealingPace {
  readonly #clock: Clock
  readonly #cpuMs: () => number
  readonly #share: () => number
  #since: { readonly share: number; readonly atMs: number; readonly usedMs: number } | undefined
  #resting: Promise<void> | undefined

  /** `cpuMs` is the processor's time that the process has used so far, `share` is above 0; 1 is without rest. */
  constructor(clock: Clock, cpuMs: () => number, share: () => number) {
    this.#clock = clock
    this.#cpuMs = cpuMs
    this.#share = share
  }

  /** Called between pieces of the work; while one rests, all do. */
  async rest(): Promise<void> {
    const share = this.#share()
    if (share >= 1) return
    const [atMs, usedMs] = [this.#clock.monotonicMs(), this.#cpuMs()]
    if (this.#since?.share !== share) this.#since = { share, atMs, usedMs }
    const restMs = (usedMs - this.#since.usedMs) / share - (atMs - this.#since.atMs)
    if (this.#resting === undefined && restMs < SHORTEST_REST_MS) return
    this.#resting ??= this.#clock.sleep(restMs).finally(() => (this.#resting = undefined))
    await this.#resting
  }
}
