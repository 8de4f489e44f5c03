// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// An index in memory in place of ClickHouse's: it finds what the plain evaluation of a query finds in the ledgers, and
// lies where a test has it lie. For what the server makes of an index's claims; that ClickHouse claims the same is
// tested elsewhere.

import { setTimeout as sleep } from 'node:timers/promises'

import { MAX_BUCKET_VALUES } from '../src/index/histogram.ts'
import type { CheckReport } from '../src/index/messages.ts'
import type { Bucket, Found, HitOrder, Search, SearchScope, Shape, ValueCount } from '../src/index/search.ts'
import type { SearchFault } from '../src/index/search-fault.ts'
import type { Turn } from '../src/index/search-turn.ts'
import { type SearchDocument, documentOf } from '../src/query/document.ts'
import { matches } from '../src/query/evaluate.ts'
import type { FieldName } from '../src/query/fields.ts'
import { normalise } from '../src/sources/normalise.ts'
import { countedValues } from './counted-values.ts'
import type { TestServer } from './server-fixture.ts'

interface Row {
  readonly ledger: string
  readonly index: number
  readonly document: SearchDocument
}

export class ListedIndex {
  /** Changes what is claimed to be found. */
  lie: (found: readonly Found[]) => readonly Found[] = (found) => found
  /** Changes what sets of paths are claimed to be there. */
  shape: (shapes: Shape[]) => Shape[] = (shapes) => shapes
  /** What every question fails with. */
  fault: SearchFault | undefined
  /** What counting says, where not how many there are. */
  counted: { readonly count: number; readonly exact: boolean } | undefined
  /** How long a question takes. */
  delayMs = 0
  /** How many entries are indexed, where not all. */
  indexed: number | undefined
  isCurrent = true
  state = 'ready'
  reason: string | undefined
  generation = 1
  rebuild: { readonly indexed: number; readonly size: number } | undefined
  check: CheckReport | undefined
  /** What it was told to do. */
  readonly orders: string[] = []
  askedCount = 0
  abortedCount = 0
  readonly #server: TestServer
  readonly #rows = new Map<string, Row[]>()

  /** Takes the place of the server's own. */
  static of(server: TestServer): ListedIndex {
    return new ListedIndex(server)
  }

  private constructor(server: TestServer) {
    this.#server = server
    const own = (name: string, get: () => unknown) => Object.defineProperty(server.index, name, { get })
    own('search', () => this.#search)
    own('isCurrent', () => this.isCurrent)
    own('status', () => () => ({
      state: this.state,
      ...(this.reason === undefined ? {} : { reason: this.reason }),
      mapperVersion: 1,
      generation: this.generation,
      ...(this.rebuild === undefined ? {} : { rebuild: this.rebuild }),
      restarts: { server: 0, follower: 0 },
    }))
    own('rebuild', () => () => void this.orders.push('rebuild'))
    own('check', () => () => void this.orders.push('check'))
    own('checkReport', () => this.check)
    own('indexed', () => (ledger: string) => this.#indexed(ledger))
    own('waitFor', () => async (ledger: string, size: number, timeoutMs: number) => {
      for (let waitedMs = 0; this.#indexed(ledger) < size; waitedMs += 10) {
        if (waitedMs >= Math.min(timeoutMs, 300)) return false
        await sleep(10)
      }
      return true
    })
  }

  #indexed(ledger: string): number {
    return this.indexed ?? this.#server.ledgers.log(ledger).size
  }

  readonly #search = {
    inTurn: (turn: Turn) => ({
      ...this.#search,
      hits: async (...asked: Parameters<Search['hits']>) =>
        await turn(10_000, async () => await this.#search.hits(...asked)),
    }),
    hits: async (
      scope: SearchScope,
      asked: { limit: number; after?: Found; order?: HitOrder },
      signal: AbortSignal,
    ) => {
      const { limit, after } = asked
      const turned = asked.order === 'oldest' ? -1 : 1
      const rows = await this.#found(scope, signal)
      const found = rows.map(({ ledger, index, document }) => ({ ledger, index, timeMs: document.timeMs }))
      if (turned === -1) found.reverse()
      const behind = after === undefined ? found : found.filter((one) => turned * order(one, after) > 0)
      return { hits: this.lie(behind.slice(0, limit)) }
    },
    count: async (scope: SearchScope, signal: AbortSignal) => {
      const { length } = await this.#found(scope, signal)
      if (this.counted !== undefined) return this.counted
      return { count: Math.min(length, 10_000), exact: length <= 10_000 }
    },
    facets: async (scope: SearchScope, fields: readonly FieldName[], top: number, signal: AbortSignal) => {
      const rows = await this.#found(scope, signal)
      return Object.fromEntries(fields.map((field) => [field, countsOf(rows, field).slice(0, top)]))
    },
    shapes: async (scope: SearchScope, limit: number, signal: AbortSignal): Promise<Shape[]> => {
      const groups = Map.groupBy(await this.#found(scope, signal), ({ document }) => document.paths)
      const shapes = [...groups].map(([paths, rows]) => {
        const { ledger, index } = rows.reduce((one, other) => (other.index > one.index ? other : one))
        return { paths: paths.split('\n').filter((path) => path !== ''), count: rows.length, ledger, index }
      })
      return this.shape(shapes.toSorted((one, other) => other.count - one.count).slice(0, limit))
    },
    span: async (scope: SearchScope, signal: AbortSignal) => {
      const rows = await this.#found(scope, signal)
      const [last, first] = [rows[0], rows.at(-1)]
      return first === undefined || last === undefined
        ? undefined
        : { firstMs: first.document.timeMs, lastMs: last.document.timeMs }
    },
    histogram: async (
      scope: SearchScope,
      { fromMs, stepMs, by }: { fromMs: number; stepMs: number; by?: FieldName },
      signal: AbortSignal,
    ): Promise<Bucket[]> => {
      const rows = await this.#found(scope, signal)
      const groups = Map.groupBy(rows, ({ document }) => Math.floor((document.timeMs - fromMs) / stepMs))
      return [...groups].map(([bucket, members]) => {
        const values = by === undefined ? [] : countsOf(members, by)
        return {
          startMs: fromMs + bucket * stepMs,
          count: members.length,
          by: values.slice(0, MAX_BUCKET_VALUES),
          ...beyond(values, MAX_BUCKET_VALUES),
        }
      })
    },
  } as unknown as Search

  async #found(scope: SearchScope, signal: AbortSignal): Promise<Row[]> {
    this.askedCount++
    await sleep(this.delayMs, undefined, { signal }).catch(() => this.abortedCount++)
    signal.throwIfAborted()
    if (this.fault !== undefined) throw this.fault
    const { query, sinceMs = -Infinity, untilMs = Infinity } = scope
    const found: Row[] = []
    for (const { name, size } of scope.ledgers) {
      for (const row of (await this.#all(name)).slice(0, size)) {
        const { timeMs } = row.document
        if (timeMs >= sinceMs && timeMs < untilMs && matches(query, row.document, name)) found.push(row)
      }
    }
    return found.toSorted((one, other) => order(foundOf(one), foundOf(other)))
  }

  async #all(ledger: string): Promise<Row[]> {
    const { ledgers } = this.#server
    const rows = this.#rows.get(ledger) ?? []
    this.#rows.set(ledger, rows)
    while (rows.length < ledgers.log(ledger).size) {
      const index = rows.length
      const { entry, event } = await ledgers.event(ledger, index)
      const { ocsf, value } = normalise(entry, event)
      if (rows.length === index) rows.push({ ledger, index, document: documentOf(entry, ocsf, value) })
    }
    return rows
  }
}

function foundOf({ ledger, index, document }: Row): Found {
  return { ledger, index, timeMs: document.timeMs }
}

/** Newest first, then by ledger, then the highest index first. */
function order(one: Found, other: Found): number {
  if (one.timeMs !== other.timeMs) return other.timeMs - one.timeMs
  if (one.ledger !== other.ledger) return one.ledger < other.ledger ? -1 : 1
  return other.index - one.index
}

/** Of a bucket, what the values beyond those that are shown come to. */
export function beyond(values: readonly ValueCount[], maxCount: number): Pick<Bucket, 'moreValues' | 'moreCount'> {
  const left = values.slice(maxCount)
  return { moreValues: left.length, moreCount: left.reduce((sum, { count }) => sum + count, 0) }
}

function countsOf(rows: readonly Row[], field: FieldName): ValueCount[] {
  const counts = new Map<string, number>()
  for (const { document, ledger } of rows) {
    for (const value of countedValues(field, document, ledger)) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts]
    .map(([value, count]) => ({ value, count }))
    .toSorted((one, other) => other.count - one.count || (one.value < other.value ? -1 : 1))
}
