// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The follower process: keeps the index behind the log. Which tables are there says what to do: the oldest is searched;
 * one beside it is being built and takes its place once it has caught up. So it may be killed at any time.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { type Clock, timeText } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { BackgroundCheck, type CheckSchedule } from './background-check.ts'
import { type CheckResult, IndexCheck } from './check.ts'
import { connect } from './connection.ts'
import { filesOf, type LedgerFiles } from '../ledger/entry-stream.ts'
import { Doubts } from './doubts.ts'
import { Feed, type Render, TableDisagrees } from './feed.ts'
import { countIn, type Durable } from './ledger-source.ts'
import type { CheckReport, IndexTrouble, Order, Report } from './messages.ts'
import { Cluster } from './shards.ts'
import { IndexStore, StoreFault } from './store.ts'
import { TABLE_VERSION, type TableKey, tableName } from './tables.ts'
import { WriterSource } from './writer-source.ts'

const AGAIN_AFTER_MS = 1_000
/** Queries that began with the older table end within it. */
const DROPPED_AFTER_MS = 15_000
const PROGRESS_EVERY_MS = 500
/** How long a check waits for the index to open, and how often it looks. */
const KNOWN_WITHIN_MS = 5_000
const ASKED_EVERY_MS = 50
/** Entries that a check has looked at. */
const TOLD_EVERY = 4_096

export interface FollowerOptions {
  readonly send: (report: Report) => void
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly render: Render
  readonly mapperVersion: number
  /** How much of the time since it was called last this thread was busy, from 0 to 1. */
  readonly busyShare: () => number
}

interface Table {
  readonly key: TableKey
  readonly feed: Feed
  /** Resolves once its feed does nothing any more. */
  readonly ended: Promise<void>
  indexed: Readonly<Record<string, number>>
  /** It was begun without a row, and has not caught up since. */
  isNew: boolean
  /** Its feed has asked what it holds. */
  isKnown: boolean
}

export class Follower {
  readonly #options: FollowerOptions
  readonly #source: WriterSource
  #client: ClickHouseClient | undefined
  #store: IndexStore | undefined
  #files: LedgerFiles | undefined
  #installId = ''
  #live: Table | undefined
  #building: Table | undefined
  #checking = false
  readonly #doubts: Doubts
  #background: BackgroundCheck | undefined
  /** Work on which tables there are: one after the other, for each goes by what the one before left. */
  #turn: Promise<void> = Promise.resolve()
  /** By what it is that is held up. */
  readonly #troubles = new Map<string, IndexTrouble>()

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#source = new WriterSource((id, question) => options.send({ type: 'ask', id, question }))
    this.#doubts = new Doubts(options.clock, () => this.#doubted())
  }

  take(order: Order): void {
    if (order.type === 'answer') this.#source.answer(order.id, order.value)
    else if (order.type === 'refusal') this.#source.refuse(order.id, order.reason)
    else if (order.type === 'open') this.#open(order)
    else if (order.type === 'rebuild') this.#inTurn('rebuild', async () => await this.#rebuild())
    else void this.#check()
  }

  #open({ access, installId, directory, schedule }: Order & { type: 'open' }): void {
    const before = this.#client
    const client = connect(access)
    this.#client = client
    before?.close().catch((error: unknown) => this.#log({ level: 'warn', message: reasonOf(error) }))
    if (before !== undefined) return this.#inTurn('open', async () => await this.#beginAgain())
    this.#installId = installId
    this.#files = filesOf(this.#options.disk, directory)
    const shards = access.cluster === undefined ? undefined : new Cluster(access, access.cluster)
    this.#store = new IndexStore(() => this.#client ?? client, installId, this.#options.random, shards)
    this.#inTurn('open', async () => await this.#begin())
    this.#background = this.#backgroundCheck(schedule)
    void this.#background.run()
  }

  #backgroundCheck(schedule: CheckSchedule): BackgroundCheck {
    const { clock, random, busyShare, send, mapperVersion } = this.#options
    return new BackgroundCheck({
      clock,
      random,
      schedule,
      busyShare,
      source: this.#source,
      opened: () => this.#opened(),
      // Rows of older mappings say something else than an event does now, and are being replaced.
      live: () => {
        const live = this.#live
        const isChecked =
          this.#building === undefined && live?.isNew === false && live.key.mapperVersion === mapperVersion
        return isChecked ? live : undefined
      },
      doubts: this.#doubts,
      onPass: (pass) => send({ type: 'pass', pass }),
      onDisagreed: (disagreement) => send({ type: 'disagreed', disagreement }),
      onRepaired: (repair) => send({ type: 'repaired', repair }),
      onHopeless: () => this.#inTurn('rebuild', async () => await this.#rebuild()),
    })
  }

  #doubted(): void {
    const { reason } = this.#doubts
    this.#troubled('check', reason === undefined ? undefined : { reason, isGone: false })
    this.#tell()
  }

  #inTurn(name: string, work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => await this.#attempt(name, work))
  }

  /** Tries again until it is done: the index's server may be away at any time. */
  async #attempt(name: string, work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work()
        return this.#troubled(name)
      } catch (error) {
        this.#troubled(name, troubleOf(error))
        await this.#options.clock.sleep(AGAIN_AFTER_MS)
      }
    }
  }

  async #begin(): Promise<void> {
    const store = this.#opened().store
    const keys = await store.tables()
    const newest = keys.at(-1)?.generation ?? 0
    const usable = keys.filter(
      (key) => key.tableVersion === TABLE_VERSION && (key.isSpread ?? false) === store.isSpread,
    )
    const [oldest] = usable
    const current = usable.filter(({ mapperVersion }) => mapperVersion === this.#options.mapperVersion).at(-1)
    // Tables of other columns, or kept in another way, cannot be asked; what lies between was overtaken before it was ready.
    for (const key of keys) if (key !== oldest && key !== current) await store.drop(key)
    const wanted = current ?? this.#key(newest + 1)
    this.#live = this.#table(oldest ?? wanted)
    if (oldest !== undefined && oldest !== wanted) this.#building = this.#table(wanted)
  }

  /** A server that was started again may have lost what it had: the tables are asked. */
  async #beginAgain(): Promise<void> {
    const tables = [this.#live, this.#building].filter((table) => table !== undefined)
    for (const { feed } of tables) feed.stop()
    await Promise.all(tables.map(async ({ ended }) => await ended))
    const [live, building] = [this.#live, this.#building]
    this.#live = live === undefined ? undefined : this.#table(live.key, live.indexed)
    this.#building = building === undefined ? undefined : this.#table(building.key, building.indexed)
  }

  async #rebuild(): Promise<void> {
    if (this.#building !== undefined || this.#live?.isNew === true) return
    const keys = await this.#opened().store.tables()
    // The live table itself may be gone.
    const newest = Math.max(this.#live?.key.generation ?? 0, keys.at(-1)?.generation ?? 0)
    this.#building = this.#table(this.#key(newest + 1))
  }

  /** What a table holds is told once its feed has asked. */
  #table(key: TableKey, indexed: Table['indexed'] = {}): Table {
    const { clock, render } = this.#options
    const { store, files } = this.#opened()
    let toldMs = -PROGRESS_EVERY_MS
    const feed = new Feed({
      store,
      table: key,
      source: this.#source,
      render,
      files,
      clock,
      log: (line) => this.#log(line),
      onTrouble: (reason, fault) => this.#troubled(tableName(key), reason === undefined ? undefined : troubleOf(fault)),
      onProgress: (indexed, durable) => {
        table.indexed = indexed
        table.isKnown = true
        table.isNew = !hasCaughtUp(indexed, durable.sizes) && (table.isNew || Object.keys(indexed).length === 0)
        if (table === this.#building) {
          if (this.#mayTakeOver(table, durable)) return this.#swap()
          // The searched table's progress is waited for; of the other it is only shown.
          if (clock.monotonicMs() - toldMs < PROGRESS_EVERY_MS) return
          toldMs = clock.monotonicMs()
        }
        this.#tell(durable)
      },
    })
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const table: Table = { key, feed, ended, indexed, isNew: false, isKnown: false }
    void this.#run(table).finally(end)
    return table
  }

  async #run(table: Table): Promise<void> {
    try {
      await table.feed.run()
    } catch (error) {
      if (!(error instanceof TableDisagrees)) throw error
      const { message: reason } = error
      this.#log({ level: 'error', message: 'the index disagrees with the ledgers and is built anew', reason })
      this.#inTurn('replace', async () => await this.#replace(table))
    }
  }

  /** Begins a table anew that is no cursor any more. */
  async #replace({ key }: Table): Promise<void> {
    const table = [this.#live, this.#building].find((one) => one?.key.generation === key.generation)
    // Another one has taken its place by now.
    if (table === undefined) return
    table.feed.stop()
    await table.ended
    await this.#opened().store.drop(key)
    this.#troubled(tableName(key))
    if (table === this.#live) this.#doubts.forget()
    const next = this.#key(key.generation + 1)
    if (table === this.#building) this.#building = this.#table(next)
    else if (table === this.#live) {
      this.#live = this.#building ?? this.#table(next)
      this.#building = undefined
      this.#tell()
    }
  }

  /** Nothing that can be found now is to be missing then. */
  #mayTakeOver({ indexed }: Table, { sizes }: Durable): boolean {
    return hasCaughtUp(indexed, sizes) && hasCaughtUp(indexed, this.#live?.indexed ?? {})
  }

  #swap(): void {
    const [older, newer] = [this.#live, this.#building]
    if (older === undefined || newer === undefined) return
    this.#live = newer
    this.#building = undefined
    older.feed.stop()
    this.#troubled(tableName(older.key))
    this.#doubts.forget()
    this.#log({ level: 'info', message: 'the index was rebuilt', table: tableName(newer.key) })
    this.#tell()
    void this.#options.clock
      .sleep(DROPPED_AFTER_MS)
      .then(() => this.#inTurn('drop', async () => await this.#opened().store.drop(older.key)))
  }

  async #check(): Promise<void> {
    if (this.#checking) return
    this.#checking = true
    const { clock, send } = this.#options
    let size = 0
    const begun = { findings: [], findingCount: 0, startedAt: timeText(clock.wallMs()) }
    const tell = (report: Partial<CheckReport> & Pick<CheckReport, 'state' | 'checked'>) =>
      send({ type: 'check', report: { ...begun, size, ...report } })
    let check: IndexCheck | undefined
    tell({ state: 'running', checked: 0 })
    try {
      const live = await this.#known()
      const { indexed } = live
      size = sum(indexed)
      check = new IndexCheck({
        ...this.#opened(),
        table: live.key,
        source: this.#source,
        document: live.feed.document.bind(live.feed),
        indexed,
        pace: async (checked) => {
          if (checked % TOLD_EVERY === 0) tell({ state: 'running', checked })
          await Promise.resolve()
        },
      })
      const running = check
      await this.#background?.undisturbed(async () => await running.run())
      tell({ state: 'done', ...told(check.result), endedAt: timeText(clock.wallMs()) })
      void this.#background?.found(live.key, check.result.ranges)
    } catch (error) {
      // What was found by then is told all the same.
      const found = check === undefined ? { checked: 0 } : told(check.result)
      tell({ state: 'failed', ...found, reason: reasonOf(error), endedAt: timeText(clock.wallMs()) })
    } finally {
      this.#checking = false
    }
  }

  /** The searched table, once it is known what it holds: what a follower that was just started takes a moment for. */
  async #known(): Promise<Table> {
    const { clock } = this.#options
    for (const untilMs = clock.monotonicMs() + KNOWN_WITHIN_MS; clock.monotonicMs() < untilMs;) {
      if (this.#live?.isKnown === true) return this.#live
      await clock.sleep(ASKED_EVERY_MS)
    }
    throw new Error('the index is not open yet')
  }

  #tell(durable?: Durable): void {
    if (this.#live === undefined) return
    const { key, indexed, isNew } = this.#live
    const made = this.#building?.indexed ?? (isNew ? indexed : undefined)
    const built = sum(made ?? {})
    const rebuild =
      made === undefined ? {} : { rebuild: { indexed: built, size: Math.max(sum(durable?.sizes ?? {}), built) } }
    const { mapperVersion } = key
    const doubted = this.#doubts.counts
    this.#options.send({
      type: 'progress',
      progress: { table: tableName(key), mapperVersion, indexed, doubted, ...rebuild },
    })
  }

  #key(generation: number): TableKey {
    const { mapperVersion } = this.#options
    const { isSpread } = this.#opened().store
    const key = { installId: this.#installId, tableVersion: TABLE_VERSION, mapperVersion, generation }
    return isSpread ? { ...key, isSpread } : key
  }

  #opened(): { readonly store: IndexStore; readonly files: LedgerFiles } {
    const [store, files] = [this.#store, this.#files]
    if (store === undefined || files === undefined) throw new Error('the index is not open yet')
    return { store, files }
  }

  /** Without a trouble: it is over. */
  #troubled(about: string, trouble?: IndexTrouble): void {
    if (trouble !== undefined) this.#troubles.set(about, trouble)
    else if (!this.#troubles.delete(about)) return
    const [first] = this.#troubles.values()
    this.#options.send(first === undefined ? { type: 'trouble' } : { type: 'trouble', trouble: first })
  }

  #log(line: object): void {
    this.#options.send({ type: 'log', line })
  }
}

function told({ checked, findings, findingCount }: CheckResult): Omit<CheckResult, 'ranges'> {
  return { checked, findings, findingCount }
}

function troubleOf(error: unknown): IndexTrouble {
  return { reason: reasonOf(error), isGone: error instanceof StoreFault && error.trouble === 'gone' }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function hasCaughtUp(indexed: Readonly<Record<string, number>>, sizes: Readonly<Record<string, number>>): boolean {
  return Object.entries(sizes).every(([ledger, size]) => countIn(indexed, ledger) >= size)
}
