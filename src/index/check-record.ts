// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What the check that goes on by itself has found and mended since the server was started, and its place on record:
 * an entry in `system` for each range, so many an hour; what is found beyond that is summed up at the hour's end, or
 * whoever alters the index could fill the ledger.
 */
import type { Clock } from '../platform/clock.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import type { BackgroundPass, Disagreement, Repaired } from './messages.ts'

const HOUR_MS = 3_600_000
const RECORDED_AN_HOUR = 32

type IndexEvent = Extract<SystemEvent, { type: 'index.disagreed' | 'index.repaired' }>

export interface CheckTotals {
  readonly disagreements: Readonly<Record<'missing' | 'changed' | 'invented' | 'doubled', number>>
  readonly repairedRows: number
  readonly checkedRows: number
}

export interface CheckRecordOptions {
  readonly clock: Clock
  readonly isLedger: (name: string) => boolean
  /** Appends to `system`. */
  readonly record: (event: SystemEvent) => Promise<void>
  readonly log: (line: object) => void
}

export class CheckRecord {
  readonly #options: CheckRecordOptions
  readonly #stop: () => void
  readonly #totals = { missing: 0, changed: 0, invented: 0, doubled: 0 }
  readonly #summed = new Map<string, IndexEvent>()
  #repairedRows = 0
  #checkedRows = 0
  #recordedCount = 0
  #running: BackgroundPass | undefined
  #last: BackgroundPass | undefined
  #recording: Promise<void> = Promise.resolve()

  constructor(options: CheckRecordOptions) {
    this.#options = options
    this.#stop = options.clock.every(HOUR_MS, () => this.#nextHour())
  }

  /** The pass that goes on. */
  get running(): BackgroundPass | undefined {
    return this.#running
  }

  /** The last one that ended. */
  get last(): BackgroundPass | undefined {
    return this.#last
  }

  get totals(): CheckTotals {
    const [repairedRows, checkedRows] = [this.#repairedRows, this.#checkedRows]
    return { disagreements: { ...this.#totals }, repairedRows, checkedRows }
  }

  passed(pass: BackgroundPass): void {
    const before = this.#running?.startedAt === pass.startedAt ? this.#running.checked : 0
    this.#checkedRows += Math.max(0, pass.checked - before)
    this.#running = pass.state === 'running' ? pass : undefined
    if (pass.state === 'running') return
    this.#last = pass
    const { log } = this.#options
    const { state, checked, reason } = pass
    if (state === 'failed')
      log({ level: 'error', message: 'the index could not be checked to its end', checked, reason })
  }

  /** The follower has died, and its pass with it. */
  displaced(): void {
    this.#running = undefined
  }

  disagreed({ ledger, from, to, missing, changed, invented, doubled }: Disagreement): void {
    const counts = { missing, changed, invented, doubled }
    for (const kind of ['missing', 'changed', 'invented', 'doubled'] as const) this.#totals[kind] += counts[kind]
    this.#options.log({ level: 'error', message: 'the index disagrees with a ledger', ledger, from, to, ...counts })
    this.#take({ type: 'index.disagreed', v: 1, ...this.#named(ledger), from, to, ...counts })
  }

  repaired({ ledger, from, to, rowCount }: Repaired): void {
    this.#repairedRows += rowCount
    this.#options.log({ level: 'info', message: 'a range was indexed anew', ledger, from, to, rowCount })
    this.#take({ type: 'index.repaired', v: 1, ...this.#named(ledger), from, to, rowCount })
  }

  async close(): Promise<void> {
    this.#stop()
    this.#nextHour()
    await this.#recording
  }

  /** A name that no ledger has was made up by somebody: it is not repeated. */
  #named(ledger: string): { readonly ledger?: string } {
    return this.#options.isLedger(ledger) ? { ledger } : {}
  }

  #take(event: IndexEvent): void {
    if (this.#recordedCount++ < RECORDED_AN_HOUR) return this.#record(event)
    const key = `${event.type} ${event.ledger ?? ''}`
    const before = this.#summed.get(key)
    this.#summed.set(key, before === undefined ? event : together(before, event))
  }

  #nextHour(): void {
    this.#recordedCount = 0
    const summed = [...this.#summed.values()]
    this.#summed.clear()
    for (const event of summed) this.#record(event)
  }

  #record(event: IndexEvent): void {
    const { record, log } = this.#options
    const failed = (error: unknown) => log({ level: 'error', message: 'not recorded', reason: String(error) })
    this.#recording = this.#recording.then(async () => await record(event)).catch(failed)
  }
}

function together(one: IndexEvent, other: IndexEvent): IndexEvent {
  const span = { from: Math.min(one.from, other.from), to: Math.max(one.to, other.to) }
  if (one.type === 'index.repaired' && other.type === 'index.repaired') {
    return { ...one, ...span, rowCount: one.rowCount + other.rowCount }
  }
  if (one.type === 'index.repaired' || other.type === 'index.repaired') return one
  const sum = (kind: 'missing' | 'changed' | 'invented' | 'doubled') => one[kind] + other[kind]
  const counts = {
    missing: sum('missing'),
    changed: sum('changed'),
    invented: sum('invented'),
    doubled: sum('doubled'),
  }
  return { ...one, ...span, ...counts }
}
