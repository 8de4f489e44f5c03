// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The follower process: keeps the index behind the log. Which tables are there says what to do: the oldest is searched;
 * one beside it is being built and takes its place once it has caught up. So it may be killed at any time.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import type { DurableEnd } from '../ledger/wal/frame-tail.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { checkIndex } from './check.ts'
import { connect } from './connection.ts'
import { Feed, type Render, TableDisagrees } from './feed.ts'
import type { Durable, LedgerSource } from './ledger-source.ts'
import type { CheckReport, Order, Question, Report } from './messages.ts'
import { IndexStore } from './store.ts'
import { TABLE_VERSION, type TableKey, tableName } from './tables.ts'

const AGAIN_AFTER_MS = 1_000
/** Queries that began with the older table end within it. */
const DROPPED_AFTER_MS = 15_000
const PROGRESS_EVERY_MS = 500

export interface FollowerOptions {
  readonly send: (report: Report) => void
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly render: Render
  readonly mapperVersion: number
}

interface Table {
  readonly key: TableKey
  readonly feed: Feed
  indexed: Readonly<Record<string, number>>
}

export class Follower {
  readonly #options: FollowerOptions
  readonly #source: WriterSource
  #client: ClickHouseClient | undefined
  #store: IndexStore | undefined
  #directory = ''
  #installId = ''
  #live: Table | undefined
  #building: Table | undefined
  #checking = false

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#source = new WriterSource((id, question) => options.send({ type: 'ask', id, question }))
  }

  take(order: Order): void {
    if (order.type === 'answer') this.#source.answer(order.id, order.value)
    else if (order.type === 'refusal') this.#source.refuse(order.id, order.reason)
    else if (order.type === 'open') void this.#open(order)
    else if (order.type === 'rebuild') void this.#attempt(async () => await this.#rebuild())
    else void this.#check()
  }

  async #open({ access, installId, directory }: Order & { type: 'open' }): Promise<void> {
    const before = this.#client
    this.#client = connect(access)
    await before?.close()
    if (this.#store !== undefined) return
    this.#installId = installId
    this.#directory = directory
    this.#store = new IndexStore(() => this.#client ?? connect(access), installId, this.#options.random)
    await this.#attempt(async () => await this.#begin())
  }

  /** Tries again until it is done: the index's server may be away at any time. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        this.#trouble(error)
        await this.#options.clock.sleep(AGAIN_AFTER_MS)
      }
    }
  }

  async #begin(): Promise<void> {
    const store = this.#opened()
    const keys = await store.tables()
    const newest = keys.at(-1)?.generation ?? 0
    const usable = keys.filter(({ tableVersion }) => tableVersion === TABLE_VERSION)
    const [oldest] = usable
    const current = usable.filter(({ mapperVersion }) => mapperVersion === this.#options.mapperVersion).at(-1)
    // Tables of other columns cannot be asked; what lies between was overtaken before it was ready.
    for (const key of keys) if (key !== oldest && key !== current) await store.drop(key)
    const wanted = current ?? this.#key(newest + 1)
    this.#setLive(oldest ?? wanted)
    if (oldest !== undefined && oldest !== wanted) this.#setBuilding(wanted)
  }

  async #rebuild(): Promise<void> {
    if (this.#building !== undefined) return
    const keys = await this.#opened().tables()
    // The server may have been begun anew meanwhile, and hold nothing.
    const newest = Math.max(this.#live?.key.generation ?? 0, keys.at(-1)?.generation ?? 0)
    this.#setBuilding(this.#key(newest + 1))
  }

  /** What it holds is told once its feed has asked. */
  #setLive(key: TableKey): void {
    this.#live = this.#table(key)
  }

  #setBuilding(key: TableKey): void {
    this.#building = this.#table(key)
  }

  #table(key: TableKey): Table {
    const { disk, clock, render } = this.#options
    let toldMs = -PROGRESS_EVERY_MS
    const feed = new Feed({
      store: this.#opened(),
      table: key,
      source: this.#source,
      render,
      disk,
      directory: this.#directory,
      clock,
      log: (line) => this.#log(line),
      onTrouble: (reason) => this.#options.send(reason === undefined ? { type: 'trouble' } : { type: 'trouble', reason }),
      onProgress: (indexed, durable) => {
        table.indexed = indexed
        if (table === this.#building) {
          if (hasCaughtUp(indexed, durable)) return this.#swap()
          // The searched table's progress is waited for; of the other it is only shown.
          if (clock.monotonicMs() - toldMs < PROGRESS_EVERY_MS) return
          toldMs = clock.monotonicMs()
        }
        this.#tell(durable)
      },
    })
    const table: Table = { key, feed, indexed: {} }
    void this.#run(table)
    return table
  }

  async #run(table: Table): Promise<void> {
    try {
      await table.feed.run()
    } catch (error) {
      if (!(error instanceof TableDisagrees)) throw error
      const { message: reason } = error
      this.#log({ level: 'error', message: 'the index disagrees with the ledgers and is built anew', reason })
      await this.#attempt(async () => await this.#replace(table))
    }
  }

  /** Begins a table anew that is no cursor any more. */
  async #replace(table: Table): Promise<void> {
    await this.#opened().drop(table.key)
    if (table === this.#building) return this.#setBuilding(this.#key(table.key.generation + 1))
    const beside = this.#building
    this.#building = undefined
    if (beside === undefined) return this.#setLive(this.#key(table.key.generation + 1))
    this.#live = beside
    this.#tell()
  }

  #swap(): void {
    const [older, newer] = [this.#live, this.#building]
    if (older === undefined || newer === undefined) return
    this.#live = newer
    this.#building = undefined
    older.feed.stop()
    this.#log({ level: 'info', message: 'the index was rebuilt', table: tableName(newer.key) })
    this.#tell()
    void this.#options.clock
      .sleep(DROPPED_AFTER_MS)
      .then(async () => await this.#attempt(async () => await this.#opened().drop(older.key)))
  }

  async #check(): Promise<void> {
    const live = this.#live
    if (this.#checking || live === undefined) return
    this.#checking = true
    const { clock, send, disk, render } = this.#options
    const size = Object.values(live.indexed).reduce((sum, count) => sum + count, 0)
    const begun = { findings: [], findingCount: 0, startedAt: timeText(clock.wallMs()) }
    const tell = (report: Partial<CheckReport> & Pick<CheckReport, 'state' | 'checked'>) =>
      send({ type: 'check', report: { ...begun, size, ...report } })
    let checked = 0
    tell({ state: 'running', checked })
    try {
      const result = await checkIndex({
        store: this.#opened(),
        table: live.key,
        source: this.#source,
        render,
        disk,
        directory: this.#directory,
        indexed: live.indexed,
        signal: new AbortController().signal,
        onProgress: (progress) => {
          checked = progress.checked
          tell({ state: 'running', checked })
        },
      })
      tell({ state: 'done', ...result, endedAt: timeText(clock.wallMs()) })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      tell({ state: 'failed', checked, reason, endedAt: timeText(clock.wallMs()) })
    } finally {
      this.#checking = false
    }
  }

  #tell(durable?: Durable): void {
    if (this.#live === undefined) return
    const { key, indexed } = this.#live
    const size = Object.values(durable?.sizes ?? {}).reduce((sum, count) => sum + count, 0)
    const built = Object.values(this.#building?.indexed ?? {}).reduce((sum, count) => sum + count, 0)
    const rebuild = this.#building === undefined ? {} : { rebuild: { indexed: built, size: Math.max(size, built) } }
    const { mapperVersion } = key
    this.#options.send({ type: 'progress', progress: { table: tableName(key), mapperVersion, indexed, ...rebuild } })
  }

  #key(generation: number): TableKey {
    const { mapperVersion } = this.#options
    return { installId: this.#installId, tableVersion: TABLE_VERSION, mapperVersion, generation }
  }

  #opened(): IndexStore {
    if (this.#store === undefined) throw new Error('the index is not open yet')
    return this.#store
  }

  #trouble(error: unknown): void {
    this.#options.send({ type: 'trouble', reason: error instanceof Error ? error.message : String(error) })
  }

  #log(line: object): void {
    this.#options.send({ type: 'log', line })
  }
}

function hasCaughtUp(indexed: Readonly<Record<string, number>>, { sizes }: Durable): boolean {
  return Object.entries(sizes).every(([ledger, size]) => (indexed[ledger] ?? 0) >= size)
}

/** Asks the writer over the channel between the processes. */
class WriterSource implements LedgerSource {
  readonly #ask: (id: number, question: Question) => void
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #lastId = 0

  constructor(ask: (id: number, question: Question) => void) {
    this.#ask = ask
  }

  async now(): Promise<Durable> {
    return (await this.#asked({ what: 'now' })) as Durable
  }

  async beyond(position: DurableEnd): Promise<Durable> {
    return (await this.#asked({ what: 'beyond', position })) as Durable
  }

  async locate(next: Readonly<Record<string, number>>): Promise<DurableEnd> {
    return (await this.#asked({ what: 'locate', next })) as DurableEnd
  }

  answer(id: number, value: unknown): void {
    this.#waiting.get(id)?.resolve(value)
    this.#waiting.delete(id)
  }

  refuse(id: number, reason: string): void {
    this.#waiting.get(id)?.reject(new Error(reason))
    this.#waiting.delete(id)
  }

  async #asked(question: Question): Promise<unknown> {
    const id = ++this.#lastId
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#ask(id, question)
    })
  }
}
