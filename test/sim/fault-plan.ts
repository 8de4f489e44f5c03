// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which operation goes wrong, and how: drawn from a seed for the simulation, or named one at a time for the matrix of
// faults. Everything injected is counted.

import type { SeededRandom } from '../scratch.ts'

/** What the disk is asked for, and the head that is kept outside. */
export const OPERATIONS = [
  'open',
  'read',
  'readFile',
  'list',
  'write',
  'datasync',
  'truncate',
  'rename',
  'link',
  'remove',
  'makeDirectory',
  'syncDirectory',
  'headRead',
  'headSwap',
] as const
export type Operation = (typeof OPERATIONS)[number]

/**
 * `failed`: it was not done (a write: half, or not at all) and says so. `applied`: it was done and says that it failed.
 * `hung`: nobody ever hears of it again, done or not. `late`: it is done, long after it was asked for.
 */
export const WAYS = ['failed', 'applied', 'hung', 'late'] as const
type Way = (typeof WAYS)[number]

export interface Fault {
  readonly way: Way
  /** Of a hung one: whether it was done. Of a failed one: whether half of it was. */
  readonly partly: boolean
  readonly lateMs: number
}

export interface FaultPlan {
  /** Asked once for each operation, in order. */
  next(operation: Operation): Fault | undefined
}

export class Counts {
  readonly #counts = new Map<string, number>()

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
  }

  merge(other: Counts): void {
    for (const [name, count] of other.#counts) this.add(name, count)
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  get text(): string {
    return [...this.#counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  }
}

export class NoFaults implements FaultPlan {
  next(): undefined {}
}

const READINGS: ReadonlySet<Operation> = new Set(['open', 'read', 'readFile', 'list', 'headRead'])
/** A ledger reads more often than it writes, and less is at stake. */
const READINGS_A_CHANGE = 5

/** One change in so many goes wrong, while armed, and a few readings. */
export class RandomFaults implements FaultPlan {
  oneIn = 0
  /** Datasyncs until one fails, and what it should have made durable is taken for clean. */
  datasyncsLeft = Infinity
  readonly #random: SeededRandom

  constructor(random: SeededRandom) {
    this.#random = random
  }

  next(operation: Operation): Fault | undefined {
    const random = this.#random
    if (operation === 'datasync' && this.datasyncsLeft-- === 0) return { way: 'failed', partly: true, lateMs: 0 }
    const isReading = READINGS.has(operation)
    const oneIn = this.oneIn * (isReading ? READINGS_A_CHANGE : 1)
    if (oneIn === 0 || random.below(oneIn) !== 0) return undefined
    // A reading that is done and says that it failed is one that failed.
    const ways = isReading ? WAYS.filter((way) => way !== 'applied') : WAYS
    const way = ways[random.below(ways.length)]!
    return { way, partly: random.below(2) === 0, lateMs: 1 + random.below(60_000) }
  }
}

/** The nth operation of a kind, counted from 0, goes wrong in this way, and nothing else does. */
export class OneFault implements FaultPlan {
  hasHappened = false
  #left: number
  readonly #operation: Operation
  readonly #fault: Fault

  constructor(operation: Operation, nth: number, fault: Fault) {
    this.#operation = operation
    this.#left = nth
    this.#fault = fault
  }

  next(operation: Operation): Fault | undefined {
    if (operation !== this.#operation || this.#left-- !== 0) return undefined
    this.hasHappened = true
    return this.#fault
  }
}
