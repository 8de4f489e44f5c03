// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Indexes ranges of a ledger anew: what the table has of them is deleted, and their rows are inserted as one block. The
 * rows are made before anything is deleted, so a ledger that cannot be read leaves the table as it was; and the feed does
 * it between two inserts, again and again where it fails, so the table is a cursor once it goes on. A process that is
 * killed in between leaves a table that is none, which is made anew at the next start.
 */
import type { Entry } from '@stele/proof'
import { EntryStream, type LedgerFiles } from '../ledger/entry-stream.ts'
import { type Random, randomBase32 } from '../platform/random.ts'
import { emptyDocument } from '../query/document.ts'
import { BEYOND, type IndexRange, sizeOf } from './check.ts'
import { type Feed, GivenUp } from './feed.ts'
import type { LedgerSource } from './ledger-source.ts'
import { RowBlock } from './rows.ts'
import { type IndexStore, StoreFault } from './store.ts'
import { quoted, type TableKey, tableName } from './tables.ts'

const MAX_TRIES = 3
const TOKEN_CHARS = 16
/** One insert holds no more. */
const BLOCK_BYTES = 48 * 1024 * 1024
const BLOCK_ROWS = 65_536

export interface RepairOptions {
  readonly store: IndexStore
  readonly table: TableKey
  readonly feed: Feed
  readonly source: LedgerSource
  readonly files: LedgerFiles
  readonly random: Random
}

/** A row as it will be inserted. */
interface Row {
  readonly index: number
  readonly entry: Entry
  /** Where it lies in the block. */
  readonly start: number
  readonly end: number
}

interface Made {
  readonly ledger: string
  readonly block: RowBlock
  readonly rows: Row[]
}

/** Ranges of one ledger, in order; resolves to how many rows were made anew. Rejects with GivenUp where nothing was changed. */
export async function repairRanges(ranges: readonly IndexRange[], options: RepairOptions): Promise<number> {
  const { feed } = options
  let count = 0
  for await (const made of rowsOf(ranges, options)) {
    let tries = 0
    await feed.aside(async () => {
      const heldCount = await exchange(made, options)
      if (heldCount !== made.rows.length && ++tries < MAX_TRIES)
        throw new Error(`of ${made.rows.length} rows that were made anew the index holds ${heldCount}`)
    })
    count += made.rows.length
  }
  return count
}

/** Deletes what no entry of a ledger has made. */
export async function deleteInvented(ledger: string, { feed, store, table, source }: RepairOptions): Promise<void> {
  await feed.aside(async () => {
    const { sizes } = await source.now()
    await deleteRows(store, table, BEYOND, { ledger, size: sizeOf(ledger, sizes) })
  })
}

/** Resolves to how many rows the table then holds in their place. */
async function exchange(made: Made, options: RepairOptions): Promise<number> {
  const { store, table } = options
  const { where, parameters } = placeOf(made)
  await store.endInserts(table)
  await deleteRows(store, table, where, parameters)
  await insert(made, made.rows, options)
  const [held] = await store.rows<{ count: string }>(
    `SELECT toString(count()) AS count FROM ${quoted(tableName(table))} WHERE ${where}`,
    parameters,
  )
  return Number(held?.count ?? 0)
}

/** Where ClickHouse refuses them, by halves down to the row that it refuses, which is inserted bare. */
async function insert(made: Made, rows: readonly Row[], options: RepairOptions): Promise<void> {
  const { store, table, feed, random } = options
  const send = async (bytes: Buffer) =>
    await store.insert(table, bytes, `${tableName(table)} repair ${randomBase32(random, TOKEN_CHARS)}`)
  try {
    await send(made.block.bytes.subarray(rows[0]!.start, rows.at(-1)!.end))
  } catch (error) {
    if (!(error instanceof StoreFault) || error.trouble !== 'rows') throw error
    const half = Math.ceil(rows.length / 2)
    if (rows.length > 1) {
      await insert(made, rows.slice(0, half), options)
      return await insert(made, rows.slice(half), options)
    }
    const [{ index, entry }] = rows as readonly [Row]
    feed.refuse(made.ledger, index)
    const bare = new RowBlock()
    bare.add(made.ledger, index, emptyDocument(entry))
    await send(bare.bytes)
  }
}

async function deleteRows(
  store: IndexStore,
  table: TableKey,
  where: string,
  parameters: Record<string, unknown>,
): Promise<void> {
  try {
    await store.deleteRows(table, where, parameters)
  } catch (error) {
    // Then none was deleted, and that is how it stays.
    if (error instanceof StoreFault && error.trouble === 'refused') throw new GivenUp(error.message)
    throw error
  }
}

function placeOf({ ledger, rows }: Made): { readonly where: string; readonly parameters: Record<string, unknown> } {
  const froms = rows.filter(({ index }, at) => rows[at - 1]?.index !== index - 1).map(({ index }) => index)
  const tos = rows.filter(({ index }, at) => rows[at + 1]?.index !== index + 1).map(({ index }) => index + 1)
  return {
    where:
      'ledger = {ledger:String} AND index >= {from:UInt64} AND index < {to:UInt64} AND ' +
      'arrayExists((a, b) -> index >= a AND index < b, {froms:Array(UInt64)}, {tos:Array(UInt64)})',
    parameters: { ledger, from: froms[0], to: tos.at(-1), froms, tos },
  }
}

/** The rows of the ranges, read from the ledger, as many at a time as one insert holds. */
async function* rowsOf(
  ranges: readonly IndexRange[],
  { source, files, feed }: Pick<RepairOptions, 'source' | 'files' | 'feed'>,
): AsyncGenerator<Made> {
  const [first, last] = [ranges[0]!, ranges.at(-1)!]
  const { ledger } = first
  const { end, sizes } = await source.now()
  const next = { ...sizes, [ledger]: first.from }
  const isWanted = (name: string) => name === ledger
  const stream = new EntryStream({ files, next, isWanted, locate: source.locate.bind(source) })
  let made: Made = { ledger, block: new RowBlock(), rows: [] }
  try {
    for (let read = await stream.next(end); read !== undefined; read = await stream.next(end)) {
      const { index, entry } = read
      if (ranges.some(({ from, to }) => index >= from && index < to)) {
        const start = made.block.sizeBytes
        made.block.add(ledger, index, feed.document(read))
        made.rows.push({ index, entry, start, end: made.block.sizeBytes })
      }
      if (made.block.sizeBytes >= BLOCK_BYTES || made.block.count >= BLOCK_ROWS) {
        yield made
        made = { ledger, block: new RowBlock(), rows: [] }
      }
      if (index + 1 >= last.to) break
    }
  } finally {
    await stream.close()
  }
  if (made.rows.length > 0) yield made
}
