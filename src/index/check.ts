// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds the index against the ledgers in both directions. Every entry is read from the ledger and rendered again; of each
 * range of indexes the hash of those rows must be the one that ClickHouse computes over its own. Where it is not, the
 * range's rows are compared one by one. What the index has beyond the ledgers was invented.
 */
import { createHash, type Hash, hash as hashOnce } from 'node:crypto'
import type { ClickHouseSettings } from '@clickhouse/client'
import { type Counts, EntryStream, type LedgerFiles, type StreamedEntry } from '../ledger/entry-stream.ts'
import type { SearchDocument } from '../query/document.ts'
import { countIn, isIndexed, type LedgerSource } from './ledger-source.ts'
import { differingColumns } from './row-diff.ts'
import { RowBlock } from './rows.ts'
import { type IndexStore, StoreFault } from './store.ts'
import { quoted, rowBytesSql, rowHashSql, type TableKey, tableName } from './tables.ts'

const RANGE_COUNT = 1_024
const RANGE_BYTES = 4 * 1024 * 1024
/** Ranges that ClickHouse is asked for at once; it holds their rows. */
const ASKED_RANGES = 32
const ASKED_BYTES = 32 * 1024 * 1024
const MAX_LISTED = 1_000
/** Slow, and the only way where rows are so large that many of them take all memory. */
const FEW_AT_ONCE = { max_threads: 1, max_block_size: '2' } as const
/** Of rows of one range that are read to name the columns that differ; of those beyond, only the index is said. */
const NAMED_BYTES = 32 * 1024 * 1024

export interface CheckFinding {
  readonly ledger: string
  readonly index: number
  /** `missing`: only the ledger has it; `invented`: only the index; `doubled`: the index has it more than once. */
  readonly kind: 'missing' | 'invented' | 'changed' | 'doubled'
  /** Columns that are not what the ledger's event gives. */
  readonly columns?: readonly string[]
}

/** Of one ledger, from one index on and before another. */
export interface IndexRange {
  readonly ledger: string
  readonly from: number
  readonly to: number
}

/** Entries of a range whose rows are not what they should be, by what is wrong with them. */
export interface DisagreeingRange extends IndexRange {
  readonly missing: number
  readonly changed: number
  readonly doubled: number
}

export interface CheckResult {
  readonly checked: number
  /** At most 1,000 of them. */
  readonly findings: readonly CheckFinding[]
  readonly findingCount: number
  /** Where something is not as it should be, whatever was invented apart. */
  readonly ranges: readonly DisagreeingRange[]
}

export interface CheckOptions {
  readonly store: IndexStore
  readonly table: TableKey
  readonly source: LedgerSource
  /** What is searched of an entry. */
  readonly document: (entry: StreamedEntry) => SearchDocument
  readonly files: LedgerFiles
  /** Entries of each ledger that the index is said to hold. */
  readonly indexed: Readonly<Record<string, number>>
  /** What is checked; all where it is not said, and what was invented. */
  readonly only?: IndexRange
  /** Called with each entry: how many were checked by then. */
  readonly pace: (checked: number) => Promise<void>
  /** How ClickHouse is asked. */
  readonly settings?: ClickHouseSettings
}

/** One run; `result` is what was found by then, also where it fails. */
export class IndexCheck {
  readonly #options: CheckOptions
  readonly #sql: string
  readonly #bad = new Map<string, RangeHash[]>()
  readonly #findings: CheckFinding[] = []
  readonly #ranges: DisagreeingRange[] = []
  #findingCount = 0
  #checked = 0

  constructor(options: CheckOptions) {
    this.#options = options
    this.#sql = quoted(tableName(options.table))
  }

  get result(): CheckResult {
    const [checked, findingCount] = [this.#checked, this.#findingCount]
    return { checked, findings: this.#findings, findingCount, ranges: this.#ranges }
  }

  async run(): Promise<void> {
    await this.#findBadRanges()
    await this.#compareBadRanges()
    if (this.#options.only === undefined) await this.#findInvented()
  }

  async #findBadRanges(): Promise<void> {
    const ledgers = new Map<string, RangeHashes>()
    await this.#walk(async (ledger, index, row) => {
      const hashes = ledgers.get(ledger) ?? new RangeHashes()
      ledgers.set(ledger, hashes)
      hashes.add(index, row)
      this.#checked++
      if (hashes.ready.length >= ASKED_RANGES || hashes.readyBytes >= ASKED_BYTES)
        await this.#askFor(ledger, hashes.take())
      await this.#options.pace(this.#checked)
    }, this.#options.only)
    for (const [ledger, hashes] of ledgers) {
      hashes.end()
      if (hashes.ready.length > 0) await this.#askFor(ledger, hashes.take())
    }
  }

  async #askFor(ledger: string, expected: readonly RangeHash[]): Promise<void> {
    const [from, to] = [expected[0]!.from, expected.at(-1)!.to]
    const starts = expected.map((range) => range.from)
    // A row is as large as somebody makes it, and there may be any number of them: only so many hashes are kept.
    const rows = await this.#rows<{ start: string; hash: string }>(
      'SELECT toString(roundDown(index, {starts:Array(UInt64)})) AS start, lower(hex(SHA256(arrayStringConcat(' +
        `arrayMap(pair -> pair.2, arraySort(groupArray(${RANGE_COUNT + 1})((index, row)))))))) AS hash ` +
        `FROM (SELECT index, ${rowHashSql} AS row FROM ${this.#sql} ` +
        'WHERE ledger = {ledger:String} AND index >= {from:UInt64} AND index < {to:UInt64}) GROUP BY start',
      { ledger, from, to, starts },
    )
    const found = new Map(rows.map(({ start, hash }) => [Number(start), hash]))
    const bad = expected.filter((range) => found.get(range.from) !== range.hash)
    if (bad.length > 0) this.#bad.set(ledger, [...(this.#bad.get(ledger) ?? []), ...bad])
  }

  async #compareBadRanges(): Promise<void> {
    for (const [ledger, ranges] of this.#bad) {
      let rows = new Map<number, Buffer>()
      let at = 0
      const only = { ledger, from: ranges[0]!.from, to: ranges.at(-1)!.to }
      await this.#walk(async (_, index, row) => {
        if (index < ranges[at]!.from) return
        rows.set(index, Buffer.from(row))
        if (index < ranges[at]!.to - 1) return
        await this.#compare(ledger, ranges[at]!, rows)
        rows = new Map()
        at++
      }, only)
    }
  }

  async #compare(ledger: string, { from, to }: RangeHash, expected: ReadonlyMap<number, Buffer>): Promise<void> {
    const held = await this.#rows<{ place: string; count: string; hash: string; size: string }>(
      `SELECT toString(index) AS place, toString(count()) AS count, any(row) AS hash, toString(any(length)) AS size ` +
        `FROM (SELECT index, ${rowHashSql} AS row, length(${rowBytesSql}) AS length FROM ${this.#sql} ` +
        'WHERE ledger = {ledger:String} AND index >= {from:UInt64} AND index < {to:UInt64}) GROUP BY index',
      { ledger, from, to },
    )
    const found = new Map(held.map(({ place, ...row }) => [Number(place), row]))
    const isChanged = ({ count, hash }: { count: string; hash: string }, row: Buffer) =>
      count === '1' && hash !== hashOf(row)
    let namedBytes = 0
    const named = [...expected.keys()].filter((index) => {
      const row = found.get(index)
      if (row === undefined || !isChanged(row, expected.get(index)!)) return false
      namedBytes += Number(row.size)
      return namedBytes <= NAMED_BYTES
    })
    const texts = await this.#rowsAt(ledger, named)
    const counts = { missing: 0, changed: 0, doubled: 0 }
    const report = (finding: CheckFinding & { readonly kind: keyof typeof counts }) => {
      counts[finding.kind]++
      this.#report(finding)
    }
    for (const [index, row] of expected) {
      const only = found.get(index)
      if (only === undefined) report({ ledger, index, kind: 'missing' })
      else if (only.count !== '1') report({ ledger, index, kind: 'doubled' })
      else if (isChanged(only, row)) {
        const text = texts.get(index)
        const columns = text === undefined ? {} : { columns: differingColumns(row, text) }
        report({ ledger, index, kind: 'changed', ...columns })
      }
    }
    // What was on its way when its hash was asked for may have come.
    if (Object.values(counts).some((count) => count > 0)) this.#ranges.push({ ledger, from, to, ...counts })
  }

  async #rowsAt(ledger: string, indexes: readonly number[]): Promise<ReadonlyMap<number, Buffer>> {
    if (indexes.length === 0) return new Map()
    const rows = await this.#rows<{ place: string; row: string }>(
      `SELECT toString(index) AS place, base64Encode(${rowBytesSql}) AS row FROM ${this.#sql} ` +
        'WHERE ledger = {ledger:String} AND has({indexes:Array(UInt64)}, index) ' +
        'AND index >= {from:UInt64} AND index <= {to:UInt64}',
      { ledger, indexes, from: indexes[0], to: indexes.at(-1) },
    )
    return new Map(rows.map(({ place, row }) => [Number(place), Buffer.from(row, 'base64')]))
  }

  async #rows<Row>(query: string, parameters: Record<string, unknown>): Promise<Row[]> {
    const { store, settings } = this.#options
    try {
      return await store.rows<Row>(query, parameters, settings)
    } catch (error) {
      if (!(error instanceof StoreFault) || error.trouble !== 'full') throw error
      return await store.rows<Row>(query, parameters, { ...settings, ...FEW_AT_ONCE })
    }
  }

  async #findInvented(): Promise<void> {
    const { store, source } = this.#options
    const held = await store.rows<{ ledger: string; last: string }>(
      `SELECT ledger, toString(max(index)) AS last FROM ${this.#sql} GROUP BY ledger`,
    )
    // Asked behind the question, so that what came meanwhile is not taken for invented.
    const { sizes } = await source.now()
    for (const { ledger, last } of held) {
      const size = sizeOf(ledger, sizes)
      if (Number(last) < size) continue
      const listed = await store.rows<{ beyond: string }>(
        `SELECT toString(index) AS beyond FROM ${this.#sql} WHERE ${BEYOND} ORDER BY index LIMIT ${MAX_LISTED}`,
        { ledger, size },
      )
      for (const { beyond: index } of listed) this.#report({ ledger, index: Number(index), kind: 'invented' })
      const { count } = await countBeyond(store, this.#options.table, ledger, size)
      this.#findingCount += Math.max(0, count - listed.length)
    }
  }

  /** Calls `visit` with the row of each entry that the index is said to hold, or of a part of one ledger. */
  async #walk(
    visit: (ledger: string, index: number, row: Buffer) => Promise<void>,
    only: IndexRange | undefined,
  ): Promise<void> {
    const { source, files, indexed } = this.#options
    const { end, sizes } = await source.now()
    const next: Counts = only === undefined ? {} : { ...sizes, [only.ledger]: only.from }
    const isWanted = (ledger: string) =>
      only === undefined ? isIndexed(ledger) && countIn(indexed, ledger) > 0 : ledger === only.ledger
    const stream = new EntryStream({ files, next, isWanted, locate: source.locate.bind(source) })
    try {
      const block = new RowBlock()
      for (let read = await stream.next(end); read !== undefined; read = await stream.next(end)) {
        const { ledger, index } = read
        if (index >= (only?.to ?? countIn(indexed, ledger))) {
          if (only === undefined) continue
          return
        }
        block.clear()
        block.add(ledger, index, this.#options.document(read))
        await visit(ledger, index, block.bytes)
        if (index + 1 === only?.to) return
      }
    } finally {
      await stream.close()
    }
  }

  #report(finding: CheckFinding): void {
    this.#findingCount++
    if (this.#findings.length < MAX_LISTED) this.#findings.push(finding)
  }
}

/** Rows of a ledger that no entry of it has made. */
export const BEYOND = 'ledger = {ledger:String} AND index >= {size:UInt64}'

/** How many entries of a ledger can have rows; the index may claim any name. */
export function sizeOf(ledger: string, sizes: Counts): number {
  return isIndexed(ledger) ? countIn(sizes, ledger) : 0
}

export async function countBeyond(
  store: IndexStore,
  table: TableKey,
  ledger: string,
  size: number,
): Promise<{ readonly count: number; readonly first: number; readonly last: number }> {
  const [found] = await store.rows<{ count: string; first: string; last: string }>(
    'SELECT toString(count()) AS count, toString(min(index)) AS first, toString(max(index)) AS last ' +
      `FROM ${quoted(tableName(table))} WHERE ${BEYOND}`,
    { ledger, size },
  )
  return { count: Number(found?.count ?? 0), first: Number(found?.first ?? 0), last: Number(found?.last ?? 0) }
}

/** As `rowHashSql` gives it. */
function hashOf(row: Buffer): string {
  return hashOnce('sha256', row)
}

/** Of the hashes of the rows from one index on, and before another. */
interface RangeHash {
  readonly from: number
  readonly to: number
  readonly hash: string
}

/** Hashes of a ledger's rows, range by range as they come, which is in order. */
class RangeHashes {
  ready: RangeHash[] = []
  readyBytes = 0
  #from = 0
  #to = 0
  #bytes = 0
  #hash: Hash | undefined

  add(index: number, row: Buffer): void {
    // At multiples, so that no range reaches from one part that is checked by itself into another.
    const isFull = index % RANGE_COUNT === 0 || this.#bytes + row.length > RANGE_BYTES
    if (isFull) this.end()
    if (this.#hash === undefined) {
      this.#hash = createHash('sha256')
      this.#from = index
    }
    this.#hash.update(hashOf(row))
    this.#bytes += row.length
    this.#to = index + 1
  }

  end(): void {
    if (this.#hash === undefined) return
    this.ready.push({ from: this.#from, to: this.#to, hash: this.#hash.digest('hex') })
    this.readyBytes += this.#bytes
    this.#bytes = 0
    this.#hash = undefined
  }

  take(): RangeHash[] {
    const { ready } = this
    this.ready = []
    this.readyBytes = 0
    return ready
  }
}
