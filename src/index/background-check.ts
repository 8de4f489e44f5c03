// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds the searched table against the ledgers again and again, and indexes anew what is not as it must be. Each minute
 * ClickHouse alone is asked where rows are missing, doubled or invented (quick-pass.ts); pass after pass every row is
 * hashed (check.ts), within a day and with little of a core. What disagrees is told of first, then repaired (repair.ts)
 * and compared again; a range that does not stay repaired is left, and that is said until it agrees.
 */
import { DataFault } from '../ledger/data-fault.ts'
import type { LedgerFiles } from '../ledger/entry-stream.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import { PacedWork } from '../platform/paced-work.ts'
import type { Random } from '../platform/random.ts'
import { Turns } from '../platform/turns.ts'
import { type DisagreeingRange, IndexCheck, type IndexRange } from './check.ts'
import { beyond, type Doubts } from './doubts.ts'
import { type Feed, GivenUp } from './feed.ts'
import type { LedgerSource } from './ledger-source.ts'
import type { BackgroundPass, Disagreement, Repaired } from './messages.ts'
import { type InventedRows, quickPass, SLAB_ROWS } from './quick-pass.ts'
import { deleteInvented, type RepairOptions, repairRanges } from './repair.ts'
import { type IndexStore, StoreFault } from './store.ts'
import { type TableKey, tableName } from './tables.ts'

export interface CheckSchedule {
  /** Of one core. */
  readonly share: number
  /** The same while the follower has much to do. */
  readonly loadedShare: number
  /** A pass ends so long after its begin, whatever share that takes. */
  readonly withinMs: number
  /** A pass begins no sooner after the begin of the one before. */
  readonly everyMs: number
  readonly quickEveryMs: number
  /** A comparison that failed is tried again so much later. */
  readonly againAfterMs: number
  /** Queries that began before a range was whole again end within it. */
  readonly settledAfterMs: number
}

/** With a pass within 20 hours, the next one has looked at a row again within a day. */
export const DAILY_CHECK: CheckSchedule = {
  share: 0.05,
  loadedShare: 0.01,
  withinMs: 20 * 3_600_000,
  everyMs: 3_600_000,
  quickEveryMs: 60_000,
  againAfterMs: 5_000,
  settledAfterMs: 15_000,
}

/** The table that is searched, as far as it is to be checked: not while another one is made in its place. */
export interface CheckedTable {
  readonly key: TableKey
  readonly feed: Feed
  readonly indexed: Readonly<Record<string, number>>
}

export interface BackgroundCheckOptions {
  readonly clock: Clock
  readonly random: Random
  readonly schedule: CheckSchedule
  /** How much of the time since it was called last this thread was busy, from 0 to 1. */
  readonly busyShare: () => number
  readonly source: LedgerSource
  readonly opened: () => { readonly store: IndexStore; readonly files: LedgerFiles }
  readonly live: () => CheckedTable | undefined
  readonly doubts: Doubts
  readonly onPass: (pass: BackgroundPass) => void
  readonly onDisagreed: (disagreement: Disagreement) => void
  readonly onRepaired: (repair: Repaired) => void
  /** Called where so much disagrees that the table is to be made anew. */
  readonly onHopeless: () => void
}

/** Where more disagrees than that, the table is made anew. */
const MAX_SUSPECTS = 32
const MAX_INVENTED_LEDGERS = 32
const LOADED = 0.6
const LOOKED_EVERY_MS = 1_000
const PACED_EVERY = 64
/** Of one comparison, while the server answers. */
const MAX_TRIES = 4
/** It is told how far a pass is, no more often. */
const TOLD_EVERY_MS = 2_000
/** What somebody waits for comes first. */
const QUIET = { max_threads: 1, priority: '10', optimize_use_projections: 0 } as const

/** The table is not searched any more, or is being made anew. */
class Displaced extends Error {
  override readonly name = 'Displaced'
}

type Pace = (checked: number) => Promise<void>

export class BackgroundCheck {
  readonly #options: BackgroundCheckOptions
  readonly #turns = new Turns(1)
  #quickMs: number
  #lookedMs = -Infinity
  #isLoaded = false
  /** The table that is to be made anew. */
  #hopelessTable = ''

  constructor(options: BackgroundCheckOptions) {
    this.#options = options
    this.#quickMs = options.clock.monotonicMs()
  }

  /** Goes on until the process ends. */
  async run(): Promise<never> {
    const { clock, schedule, live } = this.#options
    await clock.sleep(schedule.quickEveryMs)
    for (;;) {
      const begunMs = clock.monotonicMs()
      const table = live()
      if (table !== undefined) await this.#pass(table)
      do {
        await this.#quickIfDue(live()?.key)
        await clock.sleep(Math.min(schedule.quickEveryMs, LOOKED_EVERY_MS))
      } while (clock.monotonicMs() - begunMs < (table === undefined ? 0 : schedule.everyMs))
    }
  }

  /** Nothing is repaired meanwhile. */
  async undisturbed<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.run(work)
  }

  /** Repairs what a check has found that somebody asked for. */
  async found(key: TableKey, ranges: readonly DisagreeingRange[]): Promise<void> {
    try {
      const slabs = Map.groupBy(ranges, ({ ledger, from }) => `${ledger} ${Math.floor(from / SLAB_ROWS)}`)
      if (slabs.size > MAX_SUSPECTS) return this.#hopeless(key, ranges)
      for (const slab of slabs.values()) await this.#mend(key, slab, this.#brisk())
      await this.#quick(key)
    } catch (error) {
      // What was not mended is found again.
      if (!isPassing(error)) throw error
    }
  }

  async #pass({ key, indexed }: CheckedTable): Promise<void> {
    const { clock, schedule, onPass } = this.#options
    const size = Object.values(indexed).reduce((sum, count) => sum + count, 0)
    const begun = { startedAt: timeText(clock.wallMs()), size }
    const { signal } = new AbortController()
    const share = () => this.#share()
    const work = new PacedWork({ clock, share, withinMs: schedule.withinMs, signal })
    let [done, toldMs] = [0, -Infinity]
    const pace: Pace = async (checked) => {
      if (checked % PACED_EVERY !== 0) return
      this.#current(key)
      await this.#quickIfDue(key)
      if (clock.monotonicMs() - toldMs >= TOLD_EVERY_MS) {
        toldMs = clock.monotonicMs()
        onPass({ ...begun, state: 'running', checked: done + checked })
      }
      await work.rest((done + checked) / size)
    }
    const ended = () => ({ checked: done, endedAt: timeText(clock.wallMs()) })
    try {
      let unread: string | undefined
      for (const [ledger, count] of Object.entries(indexed)) {
        for (let from = 0; from < count; from += SLAB_ROWS) {
          const to = Math.min(from + SLAB_ROWS, count)
          try {
            await this.#look(key, { ledger, from, to }, pace)
          } catch (error) {
            if (error instanceof StoreFault) this.#leaveUncompared([{ ledger, from, to }], error)
            // The ledger itself is damaged, which is for its verification to say.
            else if (!(error instanceof DataFault)) throw error
            unread ??= error.message
          }
          done += to - from
        }
      }
      const reason = unread === undefined ? {} : { reason: unread }
      onPass({ ...begun, state: unread === undefined ? 'done' : 'failed', ...ended(), ...reason })
    } catch (error) {
      if (error instanceof Displaced) return
      onPass({ ...begun, state: 'failed', ...ended(), reason: error instanceof Error ? error.message : String(error) })
    }
  }

  /** Compares a range row by row's hash, and repairs what disagrees. */
  async #look(key: TableKey, range: IndexRange, pace: Pace): Promise<void> {
    const { doubts, schedule } = this.#options
    const ranges = await this.#compare(key, range, pace)
    if (ranges.length > 0) return await this.#mend(key, ranges, pace)
    doubts.compared(range)
    doubts.settle(range, schedule.settledAfterMs)
  }

  /** Of what is known to be wrong, all is indexed anew where it cannot be compared. */
  async #lookAtSuspect(key: TableKey, suspect: DisagreeingRange): Promise<void> {
    try {
      await this.#look(key, suspect, this.#brisk())
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error
      await this.#mend(key, [suspect], this.#brisk())
    }
  }

  /** Waits for a server that is away; rejects with a StoreFault where one that answers fails again and again. */
  async #compare(key: TableKey, only: IndexRange, pace: Pace): Promise<readonly DisagreeingRange[]> {
    const { source, opened, clock, schedule } = this.#options
    for (let tries = 1; ;) {
      const { feed, indexed } = this.#current(key)
      const document = feed.document.bind(feed)
      const parts = { ...opened(), table: key, source, document, indexed, only, pace, settings: QUIET }
      const check = new IndexCheck(parts)
      try {
        await check.run()
        return check.result.ranges
      } catch (error) {
        if (!(error instanceof StoreFault) || tries >= MAX_TRIES) throw error
        await clock.sleep(schedule.againAfterMs)
        if (await this.#answers()) tries++
      }
    }
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#options.opened().store.rows('SELECT 1')
      return true
    } catch (error) {
      if (error instanceof StoreFault) return false
      throw error
    }
  }

  #leaveUncompared(ranges: readonly IndexRange[], { message }: StoreFault): void {
    this.#options.doubts.leave(ranges, `cannot be compared: ${message}`)
  }

  async #mend(key: TableKey, found: readonly DisagreeingRange[], pace: Pace): Promise<void> {
    const { doubts, schedule, onDisagreed, onRepaired, source } = this.#options
    let ranges = found
    while (ranges.length > 0) {
      const whole = { ledger: ranges[0]!.ledger, from: ranges[0]!.from, to: ranges.at(-1)!.to }
      onDisagreed({ ...whole, ...summed(ranges) })
      doubts.raise(ranges)
      doubts.compared(slabOf(whole))
      const hopeful = ranges.filter((range) => doubts.mayRepair(range))
      if (hopeful.length === 0) return
      try {
        const rowCount = await this.#turns.run(async () => {
          // Behind what was just told: nothing is taken away before the writer knows that it may be missing.
          await source.now()
          return await repairRanges(hopeful, this.#repairing(key))
        })
        onRepaired({ ...whole, rowCount })
      } catch (error) {
        if (!(error instanceof GivenUp)) throw error
        this.#current(key)
        return doubts.leave(ranges, `is not indexed anew: ${error.message}`)
      }
      try {
        ranges = await this.#compare(key, whole, pace)
      } catch (error) {
        if (!(error instanceof StoreFault)) throw error
        return this.#leaveUncompared(ranges, error)
      }
      if (ranges.length === 0) doubts.settle(whole, schedule.settledAfterMs)
    }
  }

  async #quickIfDue(key: TableKey | undefined): Promise<void> {
    const { clock, schedule } = this.#options
    if (key === undefined || clock.monotonicMs() - this.#quickMs < schedule.quickEveryMs) return
    this.#quickMs = clock.monotonicMs()
    try {
      await this.#quick(key)
    } catch (error) {
      // The next one comes soon.
      if (!isPassing(error)) throw error
    }
  }

  async #quick(key: TableKey): Promise<void> {
    const { opened, source, doubts } = this.#options
    const { indexed } = this.#current(key)
    const found = await quickPass(opened().store, key, source, indexed, QUIET)
    const suspects = found.suspects.filter((range) => !doubts.isLeft(range))
    if (suspects.length > MAX_SUSPECTS || found.invented.length > MAX_INVENTED_LEDGERS) {
      return this.#hopeless(key, suspects, found.invented)
    }
    doubts.suspect(suspects)
    doubts.settleBeyond(found.invented.map(({ ledger }) => ledger))
    for (const rows of found.invented) await this.#uninvent(key, rows)
    for (const suspect of suspects) await this.#lookAtSuspect(key, suspect)
  }

  async #uninvent(key: TableKey, rows: InventedRows): Promise<void> {
    const { onDisagreed, onRepaired, doubts } = this.#options
    const { ledger, count } = rows
    if (doubts.isLeft(beyond(ledger)) || !doubts.mayRepair(beyond(ledger))) return
    const found = inventedIn(ledger, [rows])
    onDisagreed(found)
    try {
      await this.#turns.run(async () => await deleteInvented(ledger, this.#repairing(key)))
      onRepaired({ ledger, from: found.from, to: found.to, rowCount: count })
    } catch (error) {
      if (!(error instanceof GivenUp)) throw error
      this.#current(key)
      doubts.leave([beyond(ledger)], `are not deleted: ${error.message}`)
    }
  }

  /** Too much to be mended piece by piece. */
  #hopeless(key: TableKey, ranges: readonly DisagreeingRange[], invented: readonly InventedRows[] = []): void {
    const { doubts, onDisagreed, onHopeless } = this.#options
    this.#hopelessTable = tableName(key)
    doubts.raise(ranges)
    for (const [ledger, of] of Map.groupBy(ranges, (range) => range.ledger)) {
      onDisagreed({ ledger, from: of[0]!.from, to: of.at(-1)!.to, ...summed(of) })
    }
    // All that is of no ledger is told of as one: whoever makes names up could fill the log.
    for (const of of Map.groupBy(invented, ({ ledger, size }) => (size === 0 ? '' : ledger)).entries()) {
      onDisagreed(inventedIn(...of))
    }
    onHopeless()
  }

  #repairing(key: TableKey): RepairOptions {
    const { opened, source, random } = this.#options
    return { ...opened(), table: key, feed: this.#current(key).feed, source, random }
  }

  #current(key: TableKey): CheckedTable {
    const live = this.#options.live()
    const name = tableName(key)
    if (live === undefined || tableName(live.key) !== name || name === this.#hopelessTable) throw new Displaced()
    return live
  }

  /** Without rests, but for whoever else this process works for. */
  #brisk(): Pace {
    return async (checked) => {
      if (checked % PACED_EVERY === 0) await this.#options.clock.sleep(0)
    }
  }

  #share(): number {
    const { clock, schedule, busyShare } = this.#options
    if (clock.monotonicMs() - this.#lookedMs >= LOOKED_EVERY_MS) {
      this.#lookedMs = clock.monotonicMs()
      this.#isLoaded = busyShare() > LOADED
    }
    return this.#isLoaded ? schedule.loadedShare : schedule.share
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof Displaced || error instanceof StoreFault || error instanceof DataFault
}

function slabOf({ ledger, from }: IndexRange): IndexRange {
  const start = from - (from % SLAB_ROWS)
  return { ledger, from: start, to: start + SLAB_ROWS }
}

function inventedIn(ledger: string, rows: readonly InventedRows[]): Disagreement {
  const from = rows.reduce((lowest, { first }) => Math.min(lowest, first), Number.MAX_SAFE_INTEGER)
  const to = rows.reduce((highest, { last }) => Math.max(highest, last), 0) + 1
  const invented = rows.reduce((sum, { count }) => sum + count, 0)
  return { ledger, from, to, missing: 0, changed: 0, doubled: 0, invented }
}

function summed(ranges: readonly DisagreeingRange[]): Omit<Disagreement, keyof IndexRange> {
  const sum = (kind: 'missing' | 'changed' | 'doubled') => ranges.reduce((total, range) => total + range[kind], 0)
  return { missing: sum('missing'), changed: sum('changed'), doubled: sum('doubled'), invented: 0 }
}
