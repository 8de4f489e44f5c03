// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Asks the index. What it answers are claims: a hit is a ledger and an index, whose event is to be read from the ledger
 * and held against the query. Every question speaks of the ledgers as they were at a size, so the pages of one search
 * are those of one moment.
 */
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'

import { canonicalAddress } from '../query/address.ts'
import type { FieldName } from '../query/fields.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../query/time.ts'
import { type Cell, nonsense, readRows } from './answer-rows.ts'
import { countedSelects, isArray, isCounted } from './counted.ts'
import { facetsStatement } from './facets.ts'
import { type HistogramRequest, histogramStatement } from './histogram.ts'
import { scopeConditions, searched, type SearchScope } from './scope.ts'
import { SearchFault, searchFaultOf } from './search-fault.ts'
import { type AskLimits, atOnce, type Turn } from './search-turn.ts'
import { quoted } from './tables.ts'
import { Parameters, timeValue } from './where.ts'

export { SearchFault, type SearchScope }

export interface Found {
  readonly ledger: string
  readonly index: number
  /** Time of the event. */
  readonly timeMs: number
}

/** Newest first: of the same time by ledger, then the highest index first. Oldest first is the same turned around. */
export type HitOrder = 'newest' | 'oldest'

export interface ValueCount {
  readonly value: string
  readonly count: number
}

/** A set of paths, how many events have just those, and one of them. */
export interface Shape {
  readonly paths: readonly string[]
  readonly count: number
  readonly ledger: string
  readonly index: number
}

export interface Bucket {
  readonly startMs: number
  readonly count: number
  /** The most frequent values of the field that was asked for; events without one have the empty value. */
  readonly by: readonly ValueCount[]
  /** How many values there are besides, and what they count together. */
  readonly moreValues: number
  readonly moreCount: number
}

export interface SearchLimits {
  readonly timeMs: number
  /** How long counting hits may take before it is given up. */
  readonly countTimeMs: number
  readonly memoryBytes: number
  readonly threadCount: number
}

/** Hits are counted exactly up to here. */
const MAX_EXACT_COUNT = 10_000
const MAX_RESULT_ROWS = 50_000
/** ClickHouse takes 1,000 values and settings, and 256 KiB of SQL; beyond it says no more than that it did not understand. */
const MAX_PARAMETERS = 900
const MAX_SQL_BYTES = 255 * 1024
const RESPONSE_BYTES = 64 * 1024 * 1024
const standardLimits: SearchLimits = {
  timeMs: 10_000,
  countTimeMs: 1_000,
  memoryBytes: 1024 * 1024 * 1024,
  threadCount: 2,
}

export class Search {
  readonly #client: () => ClickHouseClient
  readonly #table: () => string
  readonly #limits: SearchLimits
  readonly #turn: Turn

  /** Both functions throw SearchFault where there is nothing to ask. */
  constructor(
    client: () => ClickHouseClient,
    table: () => string,
    limits: SearchLimits = standardLimits,
    turn: Turn = atOnce,
  ) {
    this.#client = client
    this.#table = table
    this.#limits = limits
    this.#turn = turn
  }

  /** The same, whose questions wait for their turn. */
  inTurn(turn: Turn): Search {
    return new Search(this.#client, this.#table, this.#limits, turn)
  }

  /** `after` is the last hit of the page before. */
  async hits(
    scope: SearchScope,
    { limit, after, order = 'newest' }: { readonly limit: number; readonly after?: Found; readonly order?: HitOrder },
    signal: AbortSignal,
  ): Promise<{ readonly hits: readonly Found[] }> {
    const parameters = new Parameters()
    const isOne = searched(scope).length === 1
    const where = [...scopeConditions(scope, parameters), ...behind(after, isOne, order, parameters)].join(' AND ')
    // Of one ledger that is the table's own order, backwards, and only its end is read.
    const [down, up] = order === 'newest' ? ['DESC', 'ASC'] : ['ASC', 'DESC']
    const key = isOne ? `time ${down}, index ${down}` : `time ${down}, ledger ${up}, index ${down}`
    const rows = await this.#ask<[string, number, number]>(
      scope,
      ['text', 'count', 'integer'],
      `SELECT ledger, index, toUnixTimestamp64Milli(time) FROM ${this.#from()} WHERE ${where} ORDER BY ${key} ` +
        `LIMIT ${parameters.bind('UInt64', limit)}`,
      parameters,
      signal,
    )
    return { hits: rows.map(([ledger, index, timeMs]) => ({ ledger, index, timeMs })) }
  }

  /** Not exact where there are more than `MAX_EXACT_COUNT`, or where counting took too long: then there are at least so many. */
  async count(scope: SearchScope, signal: AbortSignal): Promise<{ readonly count: number; readonly exact: boolean }> {
    const parameters = new Parameters()
    const where = scopeConditions(scope, parameters).join(' AND ')
    const most = parameters.bind('UInt64', MAX_EXACT_COUNT + 1)
    // Rows come as they are found, which a sum would not: what was found in time is counted.
    const sql = `SELECT 1 FROM ${this.#from()} WHERE ${where} LIMIT ${most}`
    const settings = { max_execution_time: this.#limits.countTimeMs / 1_000, timeout_overflow_mode: 'break' } as const
    try {
      const { length } = await this.#ask<[number]>(scope, ['count'], sql, parameters, signal, settings)
      return { count: Math.min(length, MAX_EXACT_COUNT), exact: length <= MAX_EXACT_COUNT }
    } catch (error) {
      if (error instanceof SearchFault && error.reason === 'too-heavy') return { count: error.foundCount, exact: false }
      throw error
    }
  }

  /** Of each field the most frequent values, and how many events have them; exact. */
  async facets<F extends FieldName>(
    scope: SearchScope,
    fields: readonly F[],
    top: number,
    signal: AbortSignal,
  ): Promise<Record<F, readonly ValueCount[]>> {
    // A union of nothing is no statement.
    if (fields.length === 0) return {} as Record<F, readonly ValueCount[]>
    const parameters = new Parameters()
    const where = scopeConditions(scope, parameters).join(' AND ')
    const { sql, fieldOf } = facetsStatement(this.#table(), fields, where, parameters.bind('UInt64', top))
    const rows = await this.#ask<[number, string, number]>(scope, ['count', 'text', 'count'], sql, parameters, signal)
    const facets = new Map<FieldName, ValueCount[]>(fields.map((field) => [field, []]))
    for (const [number, value, count] of rows) {
      const field = fieldOf.get(number)
      if (field === undefined) throw nonsense('values of what was not asked for')
      facets.get(field)?.push({ value: spelled(field, value), count })
    }
    return Object.fromEntries<readonly ValueCount[]>(facets) as Record<F, readonly ValueCount[]>
  }

  /** The different sets of paths that events have, the most frequent first, each with one event that has it. */
  async shapes(scope: SearchScope, limit: number, signal: AbortSignal): Promise<readonly Shape[]> {
    const parameters = new Parameters()
    const where = scopeConditions(scope, parameters).join(' AND ')
    const rows = await this.#ask<[string, number, string, number]>(
      scope,
      ['text', 'count', 'text', 'count'],
      `SELECT toString(paths), count() AS events, toString(argMax(ledger, index)), max(index) FROM ${this.#from()} ` +
        `WHERE ${where} GROUP BY paths ORDER BY events DESC, paths LIMIT ${parameters.bind('UInt64', limit)}`,
      parameters,
      signal,
    )
    return rows.map(([paths, count, ledger, index]) => ({
      paths: paths.split('\n').filter((path) => path !== ''),
      count,
      ledger,
      index,
    }))
  }

  /** When the first and the last hit were; undefined where there is none. */
  async span(
    scope: SearchScope,
    signal: AbortSignal,
  ): Promise<{ readonly firstMs: number; readonly lastMs: number } | undefined> {
    const parameters = new Parameters()
    const select = 'min(time) AS first, max(time) AS last, count() AS events'
    const selects = isCounted(scope)
      ? countedSelects(this.#table(), scope, select, '', parameters)
      : `SELECT ${select} FROM ${this.#from()} WHERE ${scopeConditions(scope, parameters).join(' AND ')}`
    const [row] = await this.#ask<[number, number, number]>(
      scope,
      ['integer', 'integer', 'count'],
      'SELECT toUnixTimestamp64Milli(minIf(first, events > 0)), toUnixTimestamp64Milli(maxIf(last, events > 0)), ' +
        `sum(events) FROM (${selects})`,
      parameters,
      signal,
    )
    if (row === undefined || row[2] === 0) return undefined
    const [firstMs, lastMs] = row
    if (firstMs < MIN_TIME_MS || lastMs < firstMs || lastMs > MAX_TIME_MS) throw nonsense('times that cannot be')
    return { firstMs, lastMs }
  }

  /** Buckets from `fromMs` on, each `stepMs` long, as far as they begin before `toMs`; those without events are left out. */
  async histogram(scope: SearchScope, request: HistogramRequest, signal: AbortSignal): Promise<readonly Bucket[]> {
    const { by, fromMs, stepMs } = request
    // Where every event has exactly one value, counts of values add up to those of events.
    const isOne = by !== undefined && !isArray(by)
    const counts = isOne ? [] : await this.#buckets(scope, request, undefined, signal)
    const values = by === undefined ? [] : await this.#buckets(scope, request, by, signal)
    const shown = Map.groupBy(values, ([bucket]) => bucket)
    const buckets = new Map((isOne ? values : counts).map(([bucket, , count]) => [bucket, count]))
    return Array.from(buckets, ([bucket, count]) => {
      const rows = shown.get(bucket) ?? []
      const [, , allCount, , valueCount] = rows[0] ?? [bucket, 0, 0, '', 0]
      const moreCount = rows.reduce((left, [, one]) => left - one, allCount)
      const moreValues = valueCount - rows.length
      if (moreValues < 0 || moreCount < moreValues) throw nonsense('fewer values than it shows')
      const each = rows.map(([, one, , value]) => ({ value: spelled(by ?? 'outcome', value), count: one }))
      return { startMs: fromMs + bucket * stepMs, count, by: each, moreValues, moreCount }
    })
  }

  /** Rows as of `histogramStatement`. */
  async #buckets(
    scope: SearchScope,
    request: HistogramRequest,
    by: FieldName | undefined,
    signal: AbortSignal,
  ): Promise<readonly [number, number, number, string | number, number][]> {
    const parameters = new Parameters()
    const sql = histogramStatement(this.#table(), scope, request, by, parameters)
    const counts: readonly Cell[] = ['integer', 'count', 'count']
    return await this.#ask(
      scope,
      by === undefined ? counts : [...counts, 'text or integer', 'count'],
      sql,
      parameters,
      signal,
    )
  }

  #from(): string {
    return quoted(this.#table())
  }

  async #ask<Row>(
    scope: SearchScope,
    cells: readonly Cell[],
    query: string,
    parameters: Parameters,
    signal: AbortSignal,
    settings: ClickHouseSettings = {},
  ): Promise<readonly Row[]> {
    signal.throwIfAborted()
    if (searched(scope).length === 0) return []
    demandRoom(query, parameters)
    const { max_execution_time: seconds = this.#limits.timeMs / 1_000, ...others } = settings
    return await this.#turn(seconds * 1_000, async (limits) => {
      const client = this.#client()
      try {
        const { stream, summary } = await client.exec({
          query: `${query} FORMAT JSONCompactEachRow`,
          query_params: parameters.values,
          abort_signal: signal,
          clickhouse_settings: { ...this.#settings(), ...others, ...this.#shareOf(limits) },
        })
        const rows = await readRows<Row>(stream, cells)
        if (settings.timeout_overflow_mode === 'break') demandWhole(rows.length, summary?.elapsed_ns, limits)
        return rows
      } catch (error) {
        // Whoever does not wait any more is told what they said themselves.
        signal.throwIfAborted()
        throw searchFaultOf(error)
      }
    })
  }

  #shareOf({ timeMs, lane }: AskLimits): ClickHouseSettings {
    const isSlow = lane === 'slow'
    return {
      max_execution_time: timeMs / 1_000,
      max_threads: isSlow ? 1 : this.#limits.threadCount,
      // The higher waits for the lower.
      priority: isSlow ? '2' : '1',
    }
  }

  #settings(): ClickHouseSettings {
    return {
      timeout_overflow_mode: 'throw',
      max_memory_usage: String(this.#limits.memoryBytes),
      // A tenth of a second, and it goes on beside what is more urgent: nothing is starved.
      low_priority_query_wait_time_ms: '100',
      max_result_rows: String(MAX_RESULT_ROWS),
      result_overflow_mode: 'throw',
      // An error comes as such, not behind the rows that were there until then.
      wait_end_of_query: 1,
      // It waits in memory: from a full disk ClickHouse answers nothing at all, as if there were no hits.
      http_response_buffer_size: String(RESPONSE_BYTES),
      cancel_http_readonly_queries_on_client_close: 1,
      output_format_json_quote_64bit_integers: 0,
      // Numbers of a text are those that JavaScript reads, to the last bit.
      precise_float_parsing: 1,
      // A plan for the newest few that leaves the token index unread, and reads the text of most events instead.
      use_top_k_dynamic_filtering: 0,
      enable_unaligned_array_join: 1,
    }
  }
}

/** Of the time that a count has: one that took nearly all of it may have been ended, by a clock that is not quite ours. */
const WHOLE_SHARE = 0.9

/** An answer that may end early does not say that it did; only the time that it took does. Throws SearchFault. */
function demandWhole(foundCount: number, elapsedNs: string | undefined, { timeMs }: AskLimits): void {
  if (foundCount > MAX_EXACT_COUNT || Number(elapsedNs) < WHOLE_SHARE * timeMs * 1e6) return
  throw new SearchFault('too-heavy', 'Counting takes longer than it may.', true, foundCount)
}

function demandRoom(query: string, { count }: Parameters): void {
  if (count <= MAX_PARAMETERS && query.length <= MAX_SQL_BYTES) return
  const mend = 'Ask for less at once: most is needed by values at many different paths.'
  throw new SearchFault('too-heavy', `The search needs more terms than one may have. ${mend}`)
}

/** Behind a hit in the order of hits. */
function behind(after: Found | undefined, isOne: boolean, order: HitOrder, parameters: Parameters): string[] {
  if (after === undefined) return []
  const [less, more] = order === 'newest' ? ['<', '>'] : ['>', '<']
  const time = timeValue(after.timeMs, parameters)
  const index = `index ${less} ${parameters.bind('UInt64', after.index)}`
  if (isOne) return [`time ${less}= ${time}`, `(time ${less} ${time} OR ${index})`]
  const ledger = parameters.bind('String', after.ledger)
  const further = `ledger ${more} ${ledger} OR (ledger = ${ledger} AND ${index})`
  return [`time ${less}= ${time}`, `(time ${less} ${time} OR ${further})`]
}

/** A value as a query and a document have it. */
function spelled(field: FieldName, value: string | number): string {
  const text = String(value)
  return field === 'ip' ? (canonicalAddress(text) ?? text) : text
}
