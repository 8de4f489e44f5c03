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
  range: IndexRange
  repairedMs: number[]
  /** Why it is not repaired. */
  left: string | undefined
  isOpen: boolean
  /** Of the comparison by which it ends soon, unless it is raised again before. */
  ending: object | undefined
}

export class Doubts {
  readonly #clock: Clock
  readonly #onChange: () => void
  #doubts = new Map<string, Doubt>()
  /** Of which it is known that something in them is wrong, and not yet what. */
  #suspects: readonly IndexRange[] = []

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  /** Entries of each ledger that are in doubt. */
  get counts(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>()
    for (const { ledger, from, to } of this.#inDoubt()) {
      counts.set(ledger, (counts.get(ledger) ?? 0) + to - from)
    }
    return Object.fromEntries(counts)
  }

  /** What is to be said of it; undefined where nothing is in doubt. */
  get reason(): string | undefined {
    const [first] = this.#inDoubt()
    if (first === undefined) return undefined
    const left = this.#opened().find((doubt) => doubt.left !== undefined)
    const { ledger, from, to } = left?.range ?? first
    const where =
      from === to
        ? 'the index has rows that no entry has made'
        : `${from} to ${to - 1} of ${ledger} were not indexed as the ledger has them`
    return left === undefined ? `${where} and are indexed anew` : `${where} and ${left.left}`
  }

  /** In place of all that were suspected before. */
  suspect(ranges: readonly IndexRange[]): void {
    if (ranges.length === 0 && this.#suspects.length === 0) return
    this.#suspects = ranges
    this.#onChange()
  }

  /** What was suspected was compared: what of it is wrong was raised. */
  compared(range: IndexRange): void {
    this.suspect(this.#suspects.filter((suspect) => !isWithin(suspect, range)))
  }

  raise(ranges: readonly IndexRange[]): void {
    for (const range of ranges) this.#open(range)
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
    for (const range of ranges) this.#open(range).left = reason
    this.#onChange()
  }

  isLeft(range: IndexRange): boolean {
    return this.#opened().some((doubt) => doubt.left !== undefined && overlaps(doubt.range, range))
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
  settle(compared: IndexRange, afterMs: number): void {
    const settled = this.#opened().filter(({ range, ending }) => ending === undefined && isWithin(range, compared))
    for (const doubt of settled) Object.assign(doubt, { left: undefined, ending: settled })
    void this.#clock.sleep(afterMs).then(() => this.#end(settled.filter(({ ending }) => ending === settled)))
  }

  #end(settled: readonly Doubt[]): void {
    if (!settled.some(({ isOpen }) => isOpen)) return
    for (const doubt of settled) Object.assign(doubt, { isOpen: false, ending: undefined, left: undefined })
    this.#onChange()
  }

  /** Another table is searched. */
  forget(): void {
    this.#doubts = new Map()
    this.#suspects = []
    this.#onChange()
  }

  #inDoubt(): IndexRange[] {
    const opened = this.#opened().map(({ range }) => range)
    const isSuspected = (range: IndexRange) => this.#suspects.some((suspect) => isWithin(range, suspect))
    return [...opened.filter((range) => !isSuspected(range)), ...this.#suspects]
  }

  #opened(): Doubt[] {
    return [...this.#doubts.values()].filter(({ isOpen }) => isOpen)
  }

  #open(range: IndexRange): Doubt {
    const doubt = this.#of(range)
    // The last range of a ledger grows with it.
    const to = doubt.isOpen ? Math.max(doubt.range.to, range.to) : range.to
    return Object.assign(doubt, { range: { ...range, to }, isOpen: true, ending: undefined })
  }

  #of(range: IndexRange): Doubt {
    const key = `${range.ledger} ${range.from}`
    const known = this.#doubts.get(key)
    if (known !== undefined) return known
    const doubt = { range, repairedMs: [], left: undefined, isOpen: false, ending: undefined }
    this.#doubts.set(key, doubt)
    return doubt
  }
}

function overlaps(one: IndexRange, other: IndexRange): boolean {
  if (one.ledger !== other.ledger) return false
  // What was invented lies where there are no entries, so its range has none.
  return isWithin(one, other) || (one.from < other.to && other.from < one.to)
}

function isWithin(part: IndexRange, whole: IndexRange): boolean {
  return part.ledger === whole.ledger && part.from >= whole.from && part.to <= whole.to
}
