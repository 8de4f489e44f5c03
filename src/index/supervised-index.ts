// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The index as the server has it: ClickHouse and the follower process beside it, how far they are, and how to ask.
 * Both may die or never come; then search says so, and nothing else notices.
 */
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Ledgers } from '../ledger/ledgers.ts'
import { SupervisedChild } from '../platform/children.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Files } from '../platform/files.ts'
import type { Random } from '../platform/random.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import type { CheckSchedule } from './background-check.ts'
import { CheckRecord } from './check-record.ts'
import { connect, type IndexAccess } from './connection.ts'
import { EmbeddedServer } from './embedded.ts'
import { countIn } from './ledger-source.ts'
import type { CheckReport, IndexProgress, IndexTrouble, Order, Report } from './messages.ts'
import { Search, SearchFault } from './search.ts'
import { tableKey } from './tables.ts'
import { WriterSide } from './writer-side.ts'

const FOLLOWER_START_MS = 30_000
const FOLLOWER_STOP_MS = 10_000
/** Longer than ClickHouse lets a search take: then it hangs, or is gone. */
const SEARCH_TIMEOUT_MS = 15_000

/** Where the index is kept. */
export type IndexChoice =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'server'; readonly access: IndexAccess }
  | { readonly kind: 'off'; readonly reason: string }

export interface IndexStatus {
  readonly state: 'off' | 'starting' | 'building' | 'ready' | 'unavailable'
  /** Why it cannot be searched; of one that can, what holds indexing up. */
  readonly reason?: string
  /** Of the mappings that made what is searched. */
  readonly mapperVersion: number
  /** Of the table that is searched: one that was made anew has a higher one. 0 while it is not known. */
  readonly generation: number
  readonly rebuild?: { readonly indexed: number; readonly size: number }
  /** How often each child was started again. */
  readonly restarts: { readonly server: number; readonly follower: number }
}

export interface IndexOptions {
  readonly choice: IndexChoice
  readonly ledgers: Ledgers
  readonly directory: string
  readonly installId: string
  /** Of the mappings that the follower has. */
  readonly mapperVersion: number
  readonly follower: URL
  readonly disk: Disk
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: (line: object) => void
  /** Appends to `system`; rejects where there is no room for it. */
  readonly record: (event: SystemEvent) => Promise<void>
  readonly schedule: CheckSchedule
}

export class IndexService {
  readonly search: Search
  readonly #options: IndexOptions
  readonly #server: EmbeddedServer | undefined
  readonly #follower: SupervisedChild | undefined
  #writerSide: WriterSide | undefined
  #client: ClickHouseClient | undefined
  #searchAccess: IndexAccess | undefined
  /** What the follower was told. */
  #opened: IndexAccess | undefined
  #progress: IndexProgress | undefined
  #trouble: IndexTrouble | undefined
  /** Of tables that were thrown away with all that the server held: new ones are counted behind them. */
  #lostGenerations = 0
  #check: CheckReport | undefined
  readonly background: CheckRecord
  #waiting: { readonly ledger: string; readonly size: number; readonly wake: () => void }[] = []

  private constructor(options: IndexOptions) {
    this.#options = options
    const { choice, directory, disk, files, clock, random, log, follower, record, ledgers } = options
    this.background = new CheckRecord({ clock, record, log, isLedger: (name) => ledgers.has(name) })
    this.search = new Search(
      () => this.#searchClient(),
      () => this.#searched().table,
    )
    if (choice.kind === 'off') return
    if (choice.kind === 'embedded') {
      this.#server = EmbeddedServer.start({ directory: join(directory, 'index'), disk, files, clock, random, log })
      this.#server.onChange(() => this.#connect())
    }
    this.#follower = SupervisedChild.start({
      name: 'follower',
      script: follower,
      prepare: async () => await Promise.resolve([]),
      channel: true,
      startTimeoutMs: FOLLOWER_START_MS,
      stopTimeoutMs: FOLLOWER_STOP_MS,
      clock,
      log,
      onReady: () => this.#followerReady(),
      onDeath: () => {
        this.#writerSide?.close()
        this.background.displaced()
      },
      // The follower is our own code, started by us, over a channel of its own.
      onMessage: (message) => this.#take(message as Report),
    })
    this.#connect()
  }

  static start(options: IndexOptions): IndexService {
    return new IndexService(options)
  }

  status(): IndexStatus {
    const { choice, mapperVersion, installId } = this.#options
    const progress = this.#progress
    const server = Math.max(0, (this.#server?.startCount ?? 1) - 1)
    const follower = Math.max(0, (this.#follower?.startCount ?? 1) - 1)
    return {
      ...this.#state(),
      mapperVersion: progress?.mapperVersion ?? mapperVersion,
      generation: progress === undefined ? 0 : this.#lostGenerations + generationOf(progress, installId),
      ...(progress?.rebuild === undefined ? {} : { rebuild: progress.rebuild }),
      restarts: choice.kind === 'off' ? { server: 0, follower: 0 } : { server, follower },
    }
  }

  /** How many entries of a ledger the index holds: those below it. */
  indexed(ledger: string): number {
    return countIn(this.#progress?.indexed ?? {}, ledger)
  }

  /** How many of them may not be found, or not as the ledger has them, as far as is known. */
  doubted(ledger: string): number {
    return countIn(this.#progress?.doubted ?? {}, ledger)
  }

  /** Whether an event must say now what its row says: not while rows of older mappings are being made anew. */
  get isCurrent(): boolean {
    const progress = this.#progress
    // An older table that nobody is replacing was put there by somebody else: it is not believed.
    return progress?.rebuild === undefined || progress.mapperVersion === this.#options.mapperVersion
  }

  /** Waits until the index holds `size` entries of the ledger; false where it does not within the time. */
  async waitFor(ledger: string, size: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.indexed(ledger) >= size) return true
    if (signal.aborted || this.#options.choice.kind === 'off') return false
    const over = new AbortController()
    const stop = () => over.abort()
    signal.addEventListener('abort', stop, { once: true })
    const { promise: reached, resolve: wake } = Promise.withResolvers<void>()
    const waiting = { ledger, size, wake }
    this.#waiting.push(waiting)
    await Promise.race([reached, this.#options.clock.sleep(timeoutMs, over.signal).catch(() => {})])
    stop()
    signal.removeEventListener('abort', stop)
    this.#waiting = this.#waiting.filter((other) => other !== waiting)
    return this.indexed(ledger) >= size
  }

  /** Has the index built anew from the ledgers, beside the one that is searched; at once where that is being done. */
  rebuild(): void {
    if (this.#server?.status.state === 'failed') {
      // What cannot be opened is thrown away. A follower that knows nothing of it begins at the first entry.
      this.#lostGenerations = this.status().generation
      this.#progress = undefined
      this.#server.startAnew()
      return this.#follower?.restart()
    }
    this.#demandFollower()
    // What is wrong with the older one is told again where it still matters.
    this.#trouble = undefined
    this.#order({ type: 'rebuild' })
  }

  /** Has the index held against the ledgers; at once where that is being done. */
  check(): void {
    this.#demandFollower()
    if (this.#check?.state !== 'running') this.#check = undefined
    this.#order({ type: 'check' })
  }

  /** The check that runs, else the last one. */
  get checkReport(): CheckReport | undefined {
    return this.#check
  }

  async close(): Promise<void> {
    this.#writerSide?.close()
    await this.#follower?.stop()
    await this.#client?.close()
    await this.#server?.close()
    await this.background.close()
  }

  #state(): Pick<IndexStatus, 'state' | 'reason'> {
    const { choice } = this.#options
    if (choice.kind === 'off') return { state: 'off', reason: choice.reason }
    const server = this.#server?.status
    if (server?.state === 'failed' || server?.state === 'unavailable') {
      return { state: 'unavailable', reason: server.reason }
    }
    if (choice.kind === 'embedded' && server?.state !== 'ready') return { state: 'starting' }
    const { reason, isGone = false } = this.#trouble ?? {}
    const told = reason === undefined ? {} : { reason }
    if (isGone || (this.#progress === undefined && reason !== undefined)) return { state: 'unavailable', ...told }
    if (this.#progress === undefined) return { state: 'starting' }
    // Indexing may be held up, by a full disk for one: what is there can be searched.
    return { state: this.#progress.rebuild === undefined ? 'ready' : 'building', ...told }
  }

  #followerReady(): void {
    this.#writerSide?.close()
    this.#writerSide = new WriterSide(this.#options.ledgers)
    if (this.#check?.state === 'running') {
      const endedAt = timeText(this.#options.clock.wallMs())
      this.#check = { ...this.#check, state: 'failed', reason: 'the follower was started again', endedAt }
    }
    this.#trouble = undefined
    this.#opened = undefined
    this.#connect()
  }

  /** Tells the follower, and this process's own client, where ClickHouse is now. */
  #connect(): void {
    const { choice, installId, directory, schedule } = this.#options
    const access = choice.kind === 'server' ? { search: choice.access, feed: choice.access } : this.#server?.access
    if (access === undefined) return
    if (this.#searchAccess !== access.search) {
      const before = this.#client
      this.#client = connect(access.search, { requestTimeoutMs: SEARCH_TIMEOUT_MS })
      this.#searchAccess = access.search
      void before?.close()
    }
    if (this.#opened === access.feed) return
    const sent = this.#order({ type: 'open', installId, directory, access: access.feed, schedule })
    if (sent) this.#opened = access.feed
  }

  #take(report: Report): void {
    if (report.type === 'ask') void this.#answer(report)
    else if (report.type === 'progress') this.#advance(report.progress)
    else if (report.type === 'trouble') this.#trouble = report.trouble
    else if (report.type === 'check') this.#check = report.report
    else if (report.type === 'pass') this.background.passed(report.pass)
    else if (report.type === 'disagreed') this.background.disagreed(report.disagreement)
    else if (report.type === 'repaired') this.background.repaired(report.repair)
    else this.#options.log(report.line)
  }

  async #answer({ id, question }: Report & { type: 'ask' }): Promise<void> {
    const asked = this.#writerSide
    if (asked === undefined) return
    let order: Order
    try {
      order = { type: 'answer', id, value: await asked.answer(question) }
    } catch (error) {
      order = { type: 'refusal', id, reason: error instanceof Error ? error.message : String(error) }
    }
    // Another follower counts its questions anew.
    if (asked === this.#writerSide) this.#order(order)
  }

  #advance(progress: IndexProgress): void {
    this.#progress = progress
    const ready = this.#waiting.filter(({ ledger, size }) => this.indexed(ledger) >= size)
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter(({ ledger, size }) => this.indexed(ledger) < size)
    for (const { wake } of ready) wake()
  }

  #order(order: Order): boolean {
    return this.#follower?.send(order) ?? false
  }

  #demandFollower(): void {
    if (this.#follower?.ready !== true || this.#opened === undefined) throw this.#away()
  }

  #searched(): IndexProgress {
    if (this.#progress === undefined) throw this.#away()
    return this.#progress
  }

  #searchClient(): ClickHouseClient {
    if (this.#client === undefined) throw this.#away()
    return this.#client
  }

  #away(): SearchFault {
    const { state, reason } = this.#state()
    return new SearchFault('unavailable', reason ?? `the index is ${state}`)
  }
}

function generationOf({ table }: IndexProgress, installId: string): number {
  return tableKey(table, installId)?.generation ?? 0
}
