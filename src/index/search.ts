// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Asks the index. What it answers are claims: a hit is a ledger and an index, whose event is to be read from the ledger
 * and held against the query. Every question speaks of the ledgers as they were at a size, so the pages of one search
 * are those of one moment.
 */
import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'

import { canonicalAddress } from '../query/address.ts'
import { type FieldName, fieldOf } from '../query/fields.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../query/time.ts'
import type { Query } from '../query/tree.ts'
import { type Cell, nonsense, readRows } from './answer-rows.ts'
import { SearchFault, searchFaultOf } from './search-fault.ts'
import { type AskLimits, atOnce, type Turn } from './search-turn.ts'
import { quoted } from './tables.ts'
import { conditionOf, Parameters, timeValue } from './where.ts'

export { SearchFault }

export interface SearchScope {
  /** Only entries below `size` are searched. */
  readonly ledgers: readonly { readonly name: string; readonly size: number }[]
  readonly query: Query
  /** Events at this time or later. */
  readonly sinceMs?: number
  /** Events before this time. */
  readonly untilMs?: number
}

export interface Found {
  readonly ledger: string
  readonly index: number
  /** Time of the event. */
  readonly timeMs: number
}

export interface ValueCount {
  readonly value: string
  readonly count: number
}

export interface Bucket {
  readonly startMs: number
  readonly count: number
  /** The most frequent values of the field that was asked for; events without one have the empty value. */
  readonly by: readonly ValueCount[]
}

export interface HistogramRequest {
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
  readonly by?: FieldName
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
const MAX_BUCKET_VALUES = 20
const MAX_RESULT_ROWS = 50_000
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

  /** Newest first; of the same time by ledger, then the highest index first. `after` is the last hit of the page before. */
  async hits(
    scope: SearchScope,
    { limit, after }: { readonly limit: number; readonly after?: Found },
    signal: AbortSignal,
  ): Promise<{ readonly hits: readonly Found[] }> {
    const parameters = new Parameters()
    const isOne = searched(scope).length === 1
    const where = [...scopeConditions(scope, parameters), ...behind(after, isOne, parameters)].join(' AND ')
    // Of one ledger that is the table's own order, backwards, and only its end is read.
    const order = isOne ? 'time DESC, index DESC' : 'time DESC, ledger, index DESC'
    const rows = await this.#ask<[string, number, number]>(
      scope,
      ['text', 'count', 'integer'],
      `SELECT ledger, index, toUnixTimestamp64Milli(time) FROM ${this.#from()} WHERE ${where} ORDER BY ${order} ` +
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
    const sql = `SELECT count() FROM (SELECT 1 FROM ${this.#from()} WHERE ${where} LIMIT ${most})`
    const settings = { max_execution_time: this.#limits.countTimeMs / 1_000 }
    const rows = await this.#ask<[number]>(scope, ['count'], sql, parameters, signal, settings).catch(
      (error: unknown) => {
        if (error instanceof SearchFault && error.reason === 'too-heavy') return undefined
        throw error
      },
    )
    if (rows === undefined) return { count: 0, exact: false }
    if (rows.length === 0 && searched(scope).length > 0) {
      throw new SearchFault('unavailable', 'the search server answers nothing')
    }
    const count = rows[0]?.[0] ?? 0
    return { count: Math.min(count, MAX_EXACT_COUNT), exact: count <= MAX_EXACT_COUNT }
  }

  /** Of each field the most frequent values, and how many events have them; exact. */
  async facets<F extends FieldName>(
    scope: SearchScope,
    fields: readonly F[],
    top: number,
    signal: AbortSignal,
  ): Promise<Record<F, readonly ValueCount[]>> {
    const facets: Partial<Record<F, readonly ValueCount[]>> = {}
    // One after the other: each uses as many threads as a search may.
    for (const field of fields) facets[field] = await this.#facet(scope, field, top, signal)
    return facets as Record<F, readonly ValueCount[]>
  }

  async #facet(scope: SearchScope, field: FieldName, top: number, signal: AbortSignal): Promise<readonly ValueCount[]> {
    const parameters = new Parameters()
    const where = scopeConditions(scope, parameters).join(' AND ')
    const sql =
      `SELECT ${eachValue(field)} AS facet, count() AS events FROM ${this.#from()} WHERE ${where} GROUP BY facet ` +
      `HAVING ${isArray(field) ? '1' : "toString(facet) != ''"} ORDER BY events DESC, facet ` +
      `LIMIT ${parameters.bind('UInt64', top)}`
    const rows = await this.#ask<[string | number, number]>(
      scope,
      ['text or integer', 'count'],
      sql,
      parameters,
      signal,
    )
    return rows.map(([value, count]) => ({ value: spelled(field, value), count }))
  }

  /** When the first and the last hit were; undefined where there is none. */
  async span(
    scope: SearchScope,
    signal: AbortSignal,
  ): Promise<{ readonly firstMs: number; readonly lastMs: number } | undefined> {
    const parameters = new Parameters()
    const where = scopeConditions(scope, parameters).join(' AND ')
    const [row] = await this.#ask<[number, number, number]>(
      scope,
      ['integer', 'integer', 'count'],
      `SELECT toUnixTimestamp64Milli(min(time)), toUnixTimestamp64Milli(max(time)), count() FROM ${this.#from()} WHERE ${where}`,
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
    const { by } = request
    // Where every event has exactly one value, counts of values add up to those of events.
    const isOne = by !== undefined && !isArray(by)
    const counts = isOne ? [] : await this.#buckets(scope, request, '', signal)
    const values = by === undefined ? [] : await this.#buckets(scope, request, by, signal)
    const buckets = new Map<number, { startMs: number; count: number; by: ValueCount[] }>()
    for (const [bucket, , count] of isOne ? values : counts) {
      buckets.set(bucket, { startMs: request.fromMs + bucket * request.stepMs, count, by: [] })
    }
    for (const [bucket, count, , value] of values) {
      buckets.get(bucket)?.by.push({ value: spelled(by ?? 'outcome', value), count })
    }
    return [...buckets.values()]
  }

  /** Rows of bucket, count, the bucket's count of all values, and where there is a field its value. */
  async #buckets(
    scope: SearchScope,
    { fromMs, toMs, stepMs }: HistogramRequest,
    by: FieldName | '',
    signal: AbortSignal,
  ): Promise<readonly [number, number, number, string | number][]> {
    const parameters = new Parameters()
    const conditions = scopeConditions(scope, parameters)
    const from = parameters.bind('Int64', fromMs)
    const bucket = `intDiv(toUnixTimestamp64Milli(time) - ${from}, ${parameters.bind('Int64', stepMs)})`
    conditions.push(`time >= ${timeValue(fromMs, parameters)}`, `time < ${timeValue(toMs, parameters)}`)
    const select = `SELECT ${bucket} AS bucket, count() AS events`
    const where = `FROM ${this.#from()} WHERE ${conditions.join(' AND ')}`
    const sql =
      by === ''
        ? `${select}, events ${where} GROUP BY bucket ORDER BY bucket`
        : `${select}, sum(events) OVER (PARTITION BY bucket), ${eachValue(by, 'kept')} AS facet ${where} ` +
          `GROUP BY bucket, facet ORDER BY bucket, events DESC, facet LIMIT ${MAX_BUCKET_VALUES} BY bucket`
    const counts: readonly Cell[] = ['integer', 'count', 'count']
    return await this.#ask(scope, by === '' ? counts : [...counts, 'text or integer'], sql, parameters, signal)
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
    const { max_execution_time: seconds = this.#limits.timeMs / 1_000, ...others } = settings
    return await this.#turn(seconds * 1_000, async (limits) => {
      const client = this.#client()
      try {
        const { stream } = await client.exec({
          query: `${query} FORMAT JSONCompactEachRow`,
          query_params: parameters.values,
          abort_signal: signal,
          clickhouse_settings: { ...this.#settings(), ...others, ...this.#shareOf(limits) },
        })
        return await readRows<Row>(stream, cells)
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
      // A plan for the newest few that leaves the token index unread, and reads the text of most events instead.
      use_top_k_dynamic_filtering: 0,
    }
  }
}

/** The ledgers that have something to search. */
function searched(scope: SearchScope): SearchScope['ledgers'] {
  return scope.ledgers.filter(({ size }) => size > 0)
}

function scopeConditions(scope: SearchScope, parameters: Parameters): string[] {
  const ledgers = searched(scope)
  const names = ledgers.map(({ name }) => name)
  const sizes = ledgers.map(({ size }) => size)
  const conditions =
    ledgers.length === 1
      ? [`ledger = ${parameters.bind('String', names[0]!)}`, `index < ${parameters.bind('UInt64', sizes[0]!)}`]
      : ledgersConditions(parameters.bind('Array(String)', names), parameters.bind('Array(UInt64)', sizes))
  if (scope.sinceMs !== undefined) conditions.push(`time >= ${timeValue(scope.sinceMs, parameters)}`)
  if (scope.untilMs !== undefined) conditions.push(`time < ${timeValue(scope.untilMs, parameters)}`)
  conditions.push(conditionOf(scope.query, parameters))
  return conditions
}

function ledgersConditions(names: string, sizes: string): string[] {
  return [`ledger IN ${names}`, `index < arrayElement(${sizes}, indexOf(${names}, toString(ledger)))`]
}

/** Behind a hit in the order of hits. */
function behind(after: Found | undefined, isOne: boolean, parameters: Parameters): string[] {
  if (after === undefined) return []
  const time = timeValue(after.timeMs, parameters)
  const index = `index < ${parameters.bind('UInt64', after.index)}`
  if (isOne) return [`time <= ${time}`, `(time < ${time} OR ${index})`]
  const ledger = parameters.bind('String', after.ledger)
  return [`time <= ${time}`, `(time < ${time} OR ledger > ${ledger} OR (ledger = ${ledger} AND ${index}))`]
}

/** A row for each value of the field; `absent` says whether an event without one has a row of the empty value. */
function eachValue(field: FieldName, absent: 'left out' | 'kept' = 'left out'): string {
  const column = quoted(fieldOf(field)!.column)
  if (!isArray(field)) return column
  const texts = field === 'ip' ? `arrayMap(address -> toString(address), ${column})` : column
  return `arrayJoin(${absent === 'kept' ? `if(empty(${texts}), [''], ${texts})` : texts})`
}

/** Whether an event may have several values of the field. */
function isArray(field: FieldName): boolean {
  return field !== 'outcome' && field !== 'source' && field !== 'class' && field !== 'severity' && field !== 'ledger'
}

/** A value as a query and a document have it. */
function spelled(field: FieldName, value: string | number): string {
  const text = String(value)
  return field === 'ip' ? (canonicalAddress(text) ?? text) : text
}
