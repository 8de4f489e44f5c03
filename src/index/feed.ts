// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Feeds one table from the ledgers: each entry once, in the order of its ledger. Whatever goes wrong, it begins
 * anew with what the table holds; it never guesses whether an insert took effect.
 */
import { hash } from 'node:crypto'
import type { Entry } from '@stele/proof'
import { EntryStream, type LedgerFiles, type StreamedEntry } from '../ledger/entry-stream.ts'
import type { Clock } from '../platform/clock.ts'
import { emptyDocument, type SearchDocument } from '../query/document.ts'
import { countIn, type Durable, isIndexed, type LedgerSource } from './ledger-source.ts'
import { RowBlock } from './rows.ts'
import { type IndexStore, StoreFault } from './store.ts'
import { type TableKey, tableName } from './tables.ts'

const BLOCK_ROWS = 65_536
const BLOCK_BYTES = 48 * 1024 * 1024
/** While events trickle in, no block follows the one before sooner: each is a part that has to be merged. */
const INSERT_EVERY_MS = 200
/** Events that could not be indexed; more of them are the same fault. */
const MAX_LOGGED = 100
const AGAIN_AFTER_MS = 500
const MAX_AGAIN_AFTER_MS = 10_000

/** Makes of an event what is searched. */
export type Render = (entry: Entry, event: Buffer) => SearchDocument

export interface FeedOptions {
  readonly store: IndexStore
  readonly table: TableKey
  readonly source: LedgerSource
  readonly render: Render
  readonly files: LedgerFiles
  readonly clock: Clock
  readonly log: (line: object) => void
  /** Called after each insert: how many entries of each ledger the table holds. */
  readonly onProgress: (indexed: Readonly<Record<string, number>>, durable: Durable) => void
  /** Called when indexing is held up, and with undefined when it goes on. */
  readonly onTrouble: (reason: string | undefined, fault?: unknown) => void
}

/** The table holds other rows than it was given: it is no cursor any more. */
export class TableDisagrees extends Error {
  override readonly name = 'TableDisagrees'
}

/** Work on the table that waits for its turn between inserts. */
interface Aside {
  readonly work: () => Promise<void>
  readonly done: () => void
  readonly failed: (error: unknown) => void
}

/** Work between inserts that is given up: the table holds what it held. */
export class GivenUp extends Error {
  override readonly name = 'GivenUp'
}

export class Feed {
  readonly #options: FeedOptions
  readonly #stopped = new AbortController()
  #blockRows = BLOCK_ROWS
  /** Entries whose rows ClickHouse refused even alone. */
  readonly #refused = new Set<string>()
  #refusedCount = 0
  #unrendered = 0
  readonly #asides: Aside[] = []
  #wakeAside = () => {}

  constructor(options: FeedOptions) {
    this.#options = options
  }

  /** Resolves after `stop`; rejects with TableDisagrees. */
  async run(): Promise<void> {
    const { onTrouble, log, clock, table } = this.#options
    let againMs = AGAIN_AFTER_MS
    while (!this.#stopped.signal.aborted) {
      const startedMs = clock.monotonicMs()
      try {
        await this.#feed()
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        if (error instanceof TableDisagrees) throw error
        if (this.#narrows(error)) continue
        const reason = error instanceof Error ? error.message : String(error)
        onTrouble(reason, error)
        log({ level: 'warn', message: 'indexing begins anew', table: tableName(table), reason })
        if (clock.monotonicMs() - startedMs > MAX_AGAIN_AFTER_MS) againMs = AGAIN_AFTER_MS
        await clock.sleep(againMs, this.#stopped.signal).catch(() => {})
        againMs = Math.min(againMs * 2, MAX_AGAIN_AFTER_MS)
      }
    }
  }

  stop(): void {
    this.#stopped.abort()
    for (const { failed } of this.#asides.splice(0)) failed(new GivenUp('the table is not fed any more'))
  }

  /**
   * Has work done on the table while no insert is under way. It may leave the table without rows that it had, so where
   * it fails it is done again, before the table is asked for anything; it is not where it fails with GivenUp.
   */
  async aside(work: () => Promise<void>): Promise<void> {
    if (this.#stopped.signal.aborted) throw new GivenUp('the table is not fed any more')
    await new Promise<void>((done, failed) => {
      this.#asides.push({ work, done, failed })
      this.#wakeAside()
    })
  }

  async #workAside(): Promise<void> {
    for (let first = this.#asides[0]; first !== undefined; first = this.#asides[0]) {
      try {
        await first.work()
        first.done()
      } catch (error) {
        if (!(error instanceof GivenUp)) throw error
        first.failed(error)
      }
      this.#asides.shift()
    }
  }

  /** Halves what is sent together, down to the row that ClickHouse refuses; false where that was found and sent bare. */
  #narrows(error: unknown): boolean {
    if (!(error instanceof StoreFault) || error.trouble !== 'rows') return false
    const wasAlone = this.#blockRows === 1
    this.#blockRows = Math.ceil(this.#blockRows / 2)
    const known = this.#refusedCount
    this.#refusedCount = this.#refused.size
    return !wasAlone || this.#refused.size > known
  }

  async #feed(): Promise<void> {
    const { store, table, source, files, onTrouble } = this.#options
    await this.#workAside()
    let durable = await source.now()
    const next = await this.#cursors(durable)
    const locate = source.locate.bind(source)
    const stream = new EntryStream({ files, next, isWanted: isIndexed, locate })
    const writer = new BlockWriter(store, table, this.#options, next, {
      onArrived: () => (this.#blockRows = Math.min(this.#blockRows * 2, BLOCK_ROWS)),
      onRefused: (entry) => this.#refuse(entry),
    })
    writer.report(durable)
    onTrouble(undefined)
    try {
      let more: Promise<Durable> | undefined
      while (!this.#stopped.signal.aborted) {
        if (this.#asides.length > 0) {
          await writer.arrived()
          await this.#workAside()
        }
        const streamed = await stream.next(durable.end)
        if (streamed !== undefined) {
          await this.#add(streamed, writer, durable)
          continue
        }
        more ??= source.beyond(durable.end)
        const grown = await this.#grown(more, writer)
        if (grown === 'aside') continue
        if (grown === undefined) await writer.insert(durable)
        else [durable, more] = [grown, undefined]
      }
    } finally {
      await stream.close()
      await writer.settled()
    }
  }

  /** What the log has beyond, or undefined once the rows that are waiting should wait no longer. */
  async #grown(more: Promise<Durable>, writer: BlockWriter): Promise<Durable | 'aside' | undefined> {
    const { signal } = this.#stopped
    if (this.#asides.length > 0) return 'aside'
    const aside = new Promise<'aside'>((wake) => (this.#wakeAside = () => wake('aside')))
    if (writer.pendingRows === 0) return await unlessStopped(Promise.race([more, aside, writer.failure()]), signal)
    const waited = new AbortController()
    const pause = this.#options.clock.sleep(writer.pauseMs(), waited.signal).then(
      () => undefined,
      () => undefined,
    )
    try {
      return await unlessStopped(Promise.race([more, pause, writer.failure()]), signal)
    } finally {
      waited.abort()
    }
  }

  async #add(streamed: StreamedEntry, writer: BlockWriter, durable: Durable): Promise<void> {
    writer.add(streamed.ledger, streamed.index, this.#rendered(streamed))
    if (writer.pendingRows < this.#blockRows && writer.pendingBytes < BLOCK_BYTES) return
    await writer.insert(durable)
  }

  /** ClickHouse refuses the row of an event even alone: it is kept without what was found in the event. */
  refuse(ledger: string, index: number): void {
    this.#refuse(entryName(ledger, index))
  }

  #refuse(entry: string): void {
    this.#refused.add(entry)
    this.#options.log({ level: 'error', message: 'ClickHouse refuses the row of an event', entry })
  }

  /** What is searched of an entry: of one that cannot be mapped, or whose row is refused, what the entry alone says. */
  document(streamed: StreamedEntry, onFailure: (error: unknown) => void = () => {}): SearchDocument {
    const { ledger, index, entry, event } = streamed
    if (this.#refused.has(entryName(ledger, index))) return emptyDocument(entry)
    try {
      return this.#options.render(entry, event)
    } catch (error) {
      onFailure(error)
      return emptyDocument(entry)
    }
  }

  #rendered(streamed: StreamedEntry): SearchDocument {
    return this.document(streamed, (error) => {
      if (this.#unrendered++ >= MAX_LOGGED) return
      const { ledger, index } = streamed
      const reason = error instanceof Error ? error.message : String(error)
      this.#options.log({ level: 'error', message: 'an event could not be indexed', ledger, index, reason })
    })
  }

  async #cursors({ sizes }: Durable): Promise<Record<string, number>> {
    const { store, table } = this.#options
    await store.create(table)
    const next: Record<string, number> = {}
    for (const [ledger, cursor] of await store.cursors(table)) {
      if (cursor.count !== cursor.next || cursor.next > countIn(sizes, ledger)) {
        const held = `${cursor.count} rows up to index ${cursor.next - 1}`
        throw new TableDisagrees(`of ${ledger} the index holds ${held}, the ledger ${countIn(sizes, ledger)} entries`)
      }
      next[ledger] = cursor.next
    }
    return next
  }
}

function entryName(ledger: string, index: number): string {
  return `${ledger} ${index}`
}

interface BlockEvents {
  readonly onArrived: () => void
  /** Called with the entry whose row alone is refused. */
  readonly onRefused: (entry: string) => void
}

/** Two blocks: one is filled while the other is on its way. */
class BlockWriter {
  readonly #store: IndexStore
  readonly #table: TableKey
  readonly #options: FeedOptions
  readonly #next: Record<string, number>
  readonly #begun: Readonly<Record<string, number>>
  #filling = new RowBlock()
  #spare = new RowBlock()
  /** Rejections are kept until somebody waits for it. */
  #inserting: Promise<Error | undefined> = Promise.resolve(undefined)
  readonly #events: BlockEvents
  #isFirst = true
  #firstEntry = ''
  #token = ''
  #startedMs: number

  constructor(
    store: IndexStore,
    table: TableKey,
    options: FeedOptions,
    next: Record<string, number>,
    events: BlockEvents,
  ) {
    this.#events = events
    this.#store = store
    this.#table = table
    this.#options = options
    this.#next = next
    this.#begun = { ...next }
    this.#startedMs = -INSERT_EVERY_MS
  }

  get pendingRows(): number {
    return this.#filling.count
  }

  get pendingBytes(): number {
    return this.#filling.sizeBytes
  }

  /** How long rows that are waiting may still wait for more. */
  pauseMs(): number {
    return Math.max(0, this.#startedMs + INSERT_EVERY_MS - this.#options.clock.monotonicMs())
  }

  add(ledger: string, index: number, document: SearchDocument): void {
    if (this.#filling.count === 0) this.#begin(ledger, index)
    this.#filling.add(ledger, index, document)
    this.#next[ledger] = index + 1
  }

  /**
   * Inserts that begin with the same table exclude each other, however many entries they hold and in whatever order:
   * that changes with what is sealed.
   */
  #begin(ledger: string, index: number): void {
    const held = Object.entries(this.#next).filter(([, next]) => next > 0)
    const state = held.toSorted(([one], [other]) => (one < other ? -1 : 1))
    this.#firstEntry = entryName(ledger, index)
    this.#token = `${tableName(this.#table)} ${hash('sha256', JSON.stringify(state))}`
  }

  /** Sends what is waiting, once the block before has arrived. Rejects where that one failed. */
  async insert(durable: Durable): Promise<void> {
    await this.arrived()
    if (this.#filling.count === 0) return
    const block = this.#filling
    this.#filling = this.#spare
    this.#spare = block
    this.#startedMs = this.#options.clock.monotonicMs()
    const reached = { ...this.#next }
    const first = this.#firstEntry
    this.#inserting = this.#send(block.bytes, this.#token, reached).then(
      () => {
        block.clear()
        this.#events.onArrived()
        this.#options.onProgress(reached, durable)
        return undefined
      },
      (error: unknown) => {
        if (error instanceof StoreFault && error.trouble === 'rows' && block.count === 1) {
          this.#events.onRefused(first)
        }
        return error instanceof Error ? error : new Error(String(error))
      },
    )
  }

  /**
   * An insert that was given up may arrive late. It begins with the table that its successor found, so only one of
   * them is taken: which one, the table says.
   */
  async #send(rows: Buffer, token: string, reached: Readonly<Record<string, number>>): Promise<void> {
    const isFirst = this.#isFirst
    this.#isFirst = false
    await this.#store.insert(this.#table, rows, token)
    if (!isFirst) return
    const held = await this.#store.cursors(this.#table)
    const isHeld = (next: Readonly<Record<string, number>>) =>
      Object.keys(reached).every((ledger) => (held.get(ledger)?.next ?? 0) === countIn(next, ledger))
    if (isHeld(reached)) return
    // A table that lost rows may still know the tokens that they came with.
    if (isHeld(this.#begun)) throw new TableDisagrees('the index has lost rows, and does not take them again')
    throw new Error('an insert of before was taken in place of this one')
  }

  /** Never resolves; rejects where the block on its way fails. */
  async failure(): Promise<never> {
    await this.arrived()
    return await new Promise<never>(() => {})
  }

  report(durable: Durable): void {
    this.#options.onProgress({ ...this.#next }, durable)
  }

  async settled(): Promise<void> {
    await this.#inserting
  }

  /** Resolves once nothing is on its way; rejects where that failed. */
  async arrived(): Promise<void> {
    const failed = await this.#inserting
    if (failed !== undefined) throw failed
  }
}

async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const stop = () => reject(new Error('stopped'))
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
