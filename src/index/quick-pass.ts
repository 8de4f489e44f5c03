// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where the index cannot be what the ledgers gave it, found by ClickHouse alone in one look over the indexes of all rows.
 * Of each range of 65,536 the count, the ends, and the sums of the indexes and of their squares must be those of a run
 * without gaps. That shows what is missing, doubled or invented unless somebody has made the sums fit, and nothing of what
 * a row says: the hashes (check.ts) do.
 */
import type { ClickHouseSettings } from '@clickhouse/client'
import { countBeyond, type DisagreeingRange, sizeOf } from './check.ts'
import { countIn, type LedgerSource } from './ledger-source.ts'
import type { IndexStore } from './store.ts'
import { quoted, type TableKey, tableName } from './tables.ts'

export const SLAB_ROWS = 65_536

/** Rows that no entry has made: of a ledger from its size on, or of a ledger that there is not. */
export interface InventedRows {
  readonly ledger: string
  /** How many entries it has; 0 where there is no such ledger. */
  readonly size: number
  readonly first: number
  readonly last: number
  readonly count: number
}

interface Slab {
  readonly ledger: string
  readonly slab: string
  readonly count: string
  readonly first: string
  readonly last: string
  readonly sum: string
  readonly squares: string
}

export interface QuickPass {
  /** At most a slab each, with what counting says is the least that is wrong; to be compared. */
  readonly suspects: readonly DisagreeingRange[]
  readonly invented: readonly InventedRows[]
}

/** `indexed` is what the index is said to hold. */
export async function quickPass(
  store: IndexStore,
  table: TableKey,
  source: LedgerSource,
  indexed: Readonly<Record<string, number>>,
  settings: ClickHouseSettings,
): Promise<QuickPass> {
  const slabs = await store.rows<Slab>(
    `SELECT toString(ledger) AS ledger, toString(intDiv(index, ${SLAB_ROWS}) AS at) AS slab, toString(count()) AS count, ` +
      'toString(min(index)) AS first, toString(max(index)) AS last, toString(sum(index)) AS sum, ' +
      `toString(sum(index * index)) AS squares FROM ${quoted(tableName(table))} GROUP BY ledger, at`,
    {},
    settings,
  )
  // Asked behind the question, so that what came meanwhile is not taken for invented.
  const { sizes } = await source.now()
  const held = new Map(slabs.map((slab) => [`${slab.ledger} ${slab.slab}`, slab]))
  const suspects: DisagreeingRange[] = []
  for (const [ledger, count] of Object.entries(indexed)) {
    for (let from = 0; from < count; from += SLAB_ROWS) {
      const to = Math.min(from + SLAB_ROWS, count)
      const slab = held.get(`${ledger} ${from / SLAB_ROWS}`)
      const size = countIn(sizes, ledger)
      if (!isRun(slab, from, to, size)) suspects.push({ ledger, from, to, ...leastWrong(slab, from, to, size) })
    }
  }
  return { suspects, invented: await findInvented(store, table, slabs, sizes) }
}

/** Whether the rows are a run from `from` on that holds at least those before `to`: more may have come since. */
function isRun(slab: Slab | undefined, from: number, to: number, size: number): boolean {
  if (slab === undefined) return false
  const end = Number(slab.last) + 1
  if (Number(slab.first) !== from || end < to || Number(slab.count) !== end - from) return false
  // Beyond the ledger's size is what was invented, and is told of as that.
  if (end > Math.min(from + SLAB_ROWS, size)) return false
  const sum = sumBelow(end) - sumBelow(from)
  const squares = squaresBelow(end) - squaresBelow(from)
  return BigInt(slab.sum) === BigInt.asUintN(64, sum) && BigInt(slab.squares) === BigInt.asUintN(64, squares)
}

/** Of rows that are no run. */
function leastWrong(slab: Slab | undefined, from: number, to: number, size: number) {
  const [count, end] = slab === undefined ? [0, from] : [Number(slab.count), Number(slab.last) + 1]
  const missing = Math.max(0, to - from - count)
  const doubled = Math.max(0, count - (Math.min(end, size) - from))
  // What is invented may be all; else there is a gap, or there are as many doubles as gaps.
  const isInvented = end > Math.min(from + SLAB_ROWS, size)
  if (isInvented) return { missing, changed: 0, doubled: 0 }
  return { missing: missing + doubled === 0 ? 1 : missing, changed: 0, doubled }
}

/** Of all whole numbers below `end`; ClickHouse keeps the last 64 bits. */
function sumBelow(end: number): bigint {
  const n = BigInt(end)
  return (n * (n - 1n)) / 2n
}

function squaresBelow(end: number): bigint {
  const n = BigInt(end)
  return (n * (n - 1n) * (2n * n - 1n)) / 6n
}

async function findInvented(
  store: IndexStore,
  table: TableKey,
  slabs: readonly Slab[],
  sizes: Readonly<Record<string, number>>,
): Promise<InventedRows[]> {
  const invented: InventedRows[] = []
  for (const [ledger, of] of Map.groupBy(slabs, (slab) => slab.ledger)) {
    const size = sizeOf(ledger, sizes)
    const last = of.reduce((highest, slab) => Math.max(highest, Number(slab.last)), 0)
    if (last < size) continue
    // Of names that somebody made up there may be as many as rows: they are not asked for one by one.
    const beyond = size === 0 ? together(of) : await countBeyond(store, table, ledger, size)
    if (beyond.count > 0) invented.push({ ledger, size, ...beyond })
  }
  return invented
}

function together(slabs: readonly Slab[]): Pick<InventedRows, 'first' | 'last' | 'count'> {
  return {
    first: slabs.reduce((lowest, { first }) => Math.min(lowest, Number(first)), Number.MAX_SAFE_INTEGER),
    last: slabs.reduce((highest, { last }) => Math.max(highest, Number(last)), 0),
    count: slabs.reduce((sum, { count }) => sum + Number(count), 0),
  }
}
