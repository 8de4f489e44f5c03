// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Ranges of which it is known that a search may not find all: from the moment in which they are found to disagree until
 * no query can be under way any more that has not seen them repaired.
 */
import type { Clock } from '../platform/clock.ts'
import type { IndexRange } from './check.ts'

/** Repairs of one range. Another one a day later may last. */
const MAX_REPAIRS = 3
const FORGOTTEN_AFTER_MS = 24 * 3_600_000

/** Where there are no entries: what the index has there was invented. */
export function beyond(ledger: string): IndexRange {
  return { ledger, from: Number.MAX_SAFE_INTEGER, to: Number.MAX_SAFE_INTEGER }
}

interface Doubt {
  readonly range: IndexRange
  repairedMs: number[]
  /** Why it is not repaired. */
  left: string | undefined
  isOpen: boolean
}

export class Doubts {
  readonly #clock: Clock
  readonly #onChange: () => void
  #doubts = new Map<string, Doubt>()

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  /** Entries of each ledger that are in doubt. */
  get counts(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>()
    for (const { ledger, from, to } of this.#open()) counts.set(ledger, (counts.get(ledger) ?? 0) + to - from)
    return Object.fromEntries(counts)
  }

  /** What is to be said of it; undefined where nothing is in doubt. */
  get reason(): string | undefined {
    const [first] = this.#open()
    if (first === undefined) return undefined
    const left = [...this.#doubts.values()].find((doubt) => doubt.isOpen && doubt.left !== undefined)
    const { ledger, from, to } = left?.range ?? first
    const where =
      from === to
        ? 'the index has rows that no entry has made'
        : `${from} to ${to - 1} of ${ledger} were not indexed as the ledger has them`
    return left === undefined ? `${where} and are indexed anew` : `${where} and ${left.left}`
  }

  raise(ranges: readonly IndexRange[]): void {
    for (const range of ranges) this.#of(range).isOpen = true
    this.#onChange()
  }

  /** Whether a range is repaired once more; one that does not stay repaired is left. */
  mayRepair(range: IndexRange): boolean {
    const doubt = this.#of(range)
    const nowMs = this.#clock.monotonicMs()
    doubt.repairedMs = doubt.repairedMs.filter((atMs) => nowMs - atMs < FORGOTTEN_AFTER_MS)
    if (doubt.repairedMs.length < MAX_REPAIRS) {
      doubt.repairedMs.push(nowMs)
      return true
    }
    this.leave([range], 'do not stay as they are indexed anew: somebody, or something, alters the index')
    return false
  }

  /** They stay in doubt. */
  leave(ranges: readonly IndexRange[], reason: string): void {
    for (const range of ranges) Object.assign(this.#of(range), { left: reason, isOpen: true })
    this.#onChange()
  }

  isLeft(range: IndexRange): boolean {
    return [...this.#doubts.values()].some(
      (doubt) => doubt.left !== undefined && doubt.isOpen && overlaps(doubt, range),
    )
  }

  /** Only of these ledgers there are rows that no entry has made. */
  settleBeyond(ledgers: readonly string[]): void {
    const named = new Set(ledgers)
    const settled = [...this.#doubts.values()].filter(
      ({ range }) => range.from === range.to && !named.has(range.ledger),
    )
    this.#end(settled)
  }

  /** What was compared agrees; queries that began before end within that time. */
  settle(range: IndexRange, afterMs: number): void {
    const settled = [...this.#doubts.values()].filter((doubt) => doubt.isOpen && overlaps(doubt, range))
    for (const doubt of settled) doubt.left = undefined
    void this.#clock.sleep(afterMs).then(() => this.#end(settled.filter(({ left }) => left === undefined)))
  }

  #end(settled: readonly Doubt[]): void {
    if (!settled.some(({ isOpen }) => isOpen)) return
    for (const doubt of settled) Object.assign(doubt, { isOpen: false, left: undefined })
    this.#onChange()
  }

  /** Another table is searched. */
  forget(): void {
    this.#doubts = new Map()
    this.#onChange()
  }

  #open(): IndexRange[] {
    return [...this.#doubts.values()].filter(({ isOpen }) => isOpen).map(({ range }) => range)
  }

  #of(range: IndexRange): Doubt {
    const key = `${range.ledger} ${range.from}`
    const known = this.#doubts.get(key)
    if (known !== undefined) return known
    const doubt = { range, repairedMs: [], left: undefined, isOpen: false }
    this.#doubts.set(key, doubt)
    return doubt
  }
}

function overlaps({ range }: Doubt, { ledger, from, to }: IndexRange): boolean {
  return range.ledger === ledger && range.from < to && from < range.to
}
