// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where the index cannot be what the ledgers gave it, found by ClickHouse alone in one look over the indexes of all rows.
 * Of each range of 65,536 the count, the ends, and the sums of the indexes and of their squares must be those of a run
 * without gaps. That shows what is missing, doubled or invented unless somebody has made the sums fit, and nothing of what
 * a row says: the hashes (check.ts) do.
 */
import type { ClickHouseSettings } from '@clickhouse/client'
import { countBeyond, type IndexRange, sizeOf } from './check.ts'
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
  /** At most a slab each; to be compared. */
  readonly suspects: readonly IndexRange[]
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
  const suspects: IndexRange[] = []
  for (const [ledger, count] of Object.entries(indexed)) {
    for (let from = 0; from < count; from += SLAB_ROWS) {
      const to = Math.min(from + SLAB_ROWS, count)
      const slab = held.get(`${ledger} ${from / SLAB_ROWS}`)
      if (!isRun(slab, from, to, countIn(sizes, ledger))) suspects.push({ ledger, from, to })
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
  const lasts = new Map<string, number>()
  for (const { ledger, last } of slabs) lasts.set(ledger, Math.max(lasts.get(ledger) ?? 0, Number(last)))
  const invented: InventedRows[] = []
  for (const [ledger, last] of lasts) {
    const size = sizeOf(ledger, sizes)
    if (last < size) continue
    const beyond = await countBeyond(store, table, ledger, size)
    if (beyond.count > 0) invented.push({ ledger, size, ...beyond })
  }
  return invented
}
