// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Simulated time: a queue of what happens when. One thing happens at a time, everything that follows from it by itself
// is done before the next, and what lies between two of them takes no time at all, so that hours in which nothing
// happens cost nothing. What happens at the same moment happens in the order in which it was asked for: a run is the
// same each time.

import type { Clock } from '../../src/platform/clock.ts'

interface Happening {
  readonly atMs: number
  readonly order: number
  readonly life: number
  readonly happen: () => void
}

const isBefore = (a: Happening, b: Happening): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

export class SimTime {
  nowMs = 0
  /** What is asked for now belongs to this life, and dies with it. */
  life = 0
  #heap: Happening[] = []
  #order = 0

  /** Lets something happen later, unless the life that it belongs to has ended by then or it is called off. */
  after(delayMs: number, happen: () => void): () => void {
    let isOff = false
    this.#push({
      atMs: this.nowMs + delayMs,
      order: this.#order++,
      life: this.life,
      happen: () => void (isOff || happen()),
    })
    return () => void (isOff = true)
  }

  /** Resolves after a while, or never when the life ends before. */
  async sleep(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => this.after(delayMs, resolve))
  }

  /** The process is gone, and with it all that it waited for. */
  endLife(): void {
    this.life++
    this.#heap = []
  }

  /** Lets things happen until `isDone`, or until nothing is left before `endMs`. Whether it is done. */
  async run(isDone: () => boolean, endMs: number): Promise<boolean> {
    await settled()
    while (!isDone()) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > endMs) {
        this.nowMs = Math.max(this.nowMs, Math.min(endMs, next?.atMs ?? endMs))
        return false
      }
      this.#pop()
      this.nowMs = next.atMs
      if (next.life === this.life) next.happen()
      await settled()
    }
    return true
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let at = heap.push(happening) - 1
    while (at > 0) {
      const above = Math.floor((at - 1) / 2)
      if (!isBefore(happening, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = happening
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++
      if (!isBefore(heap[below]!, last)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = last
  }
}

/** All that follows by itself has followed: promises, and what yields to others once. */
async function settled(): Promise<void> {
  await new Promise(setImmediate)
}

const WALL_START_MS = Date.parse('2026-01-02T03:04:05.678Z')

/** The clocks of a simulated machine. The wall clock does what wall clocks do. */
export class SimClock implements Clock {
  readonly #time: SimTime
  #wallOffsetMs = WALL_START_MS
  #frozenAtMs: number | undefined
  #sleptMs = 0

  constructor(time: SimTime) {
    this.#time = time
  }

  wallMs(): number {
    return Math.floor(this.#frozenAtMs ?? this.#time.nowMs + this.#wallOffsetMs)
  }

  monotonicMs(): number {
    return this.#time.nowMs
  }

  bootMs(): number {
    return this.#time.nowMs + this.#sleptMs
  }

  async sleep(ms: number): Promise<void> {
    await this.#time.sleep(ms)
  }

  every(intervalMs: number, tick: () => void): () => void {
    let cancel = () => {}
    const next = () => {
      cancel = this.#time.after(intervalMs, () => {
        tick()
        next()
      })
    }
    next()
    return () => cancel()
  }

  jump(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** The wall clock stands still until it is set to the right time again. */
  freeze(): void {
    this.#frozenAtMs = this.wallMs()
  }

  thaw(): void {
    this.#frozenAtMs = undefined
  }

  /** The machine was suspended: the wall went on, and so did the boot clock. */
  suspend(forMs: number): void {
    this.#wallOffsetMs += forMs
    this.#sleptMs += forMs
  }
}
