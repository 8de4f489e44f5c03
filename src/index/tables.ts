// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The index's tables. One holds a row for each entry of the ledgers that are searched, made by one version of the
 * mappings. Its name says which: a newer version fills a table of its own beside it, from the ledgers alone, and the
 * older one is dropped once the newer has caught up. So what is there says where a rebuild was interrupted.
 */

import { MIN_TIME_MS } from '../query/time.ts'

/** Raised whenever columns or indexes change. */
export const TABLE_VERSION = 2

/**
 * Numbers that grow from row to row, and are read of each of the newest few that are found: packed granule by granule,
 * in what is unpacked quickly.
 */
const GROWING = 'CODEC(Delta, LZ4) SETTINGS (min_compress_block_size = 16384, max_compress_block_size = 16384)'
/** What facets read of very many rows has to be unpacked quickly. */
const QUICK = 'CODEC(LZ4)'

/** Columns in the order in which rows are written. `kind` is how RowBinary has it. */
export const columns = [
  { name: 'ledger', type: 'LowCardinality(String)', kind: 'string' },
  { name: 'index', type: `UInt64 ${GROWING}`, kind: 'uint64' },
  { name: 'time', type: `DateTime64(3, 'UTC') ${GROWING}`, kind: 'int64' },
  { name: 'at', type: `DateTime64(3, 'UTC') ${GROWING}`, kind: 'int64' },
  { name: 'source', type: 'LowCardinality(String)', kind: 'string' },
  { name: 'class', type: 'UInt32', kind: 'uint32' },
  { name: 'severity', type: 'UInt8', kind: 'uint8' },
  { name: 'actor', type: 'Array(LowCardinality(String))', kind: 'strings' },
  { name: 'target', type: 'Array(LowCardinality(String))', kind: 'strings' },
  { name: 'action', type: 'Array(LowCardinality(String))', kind: 'strings' },
  { name: 'outcome', type: 'LowCardinality(String)', kind: 'string' },
  { name: 'ip', type: 'Array(IPv6)', kind: 'addresses' },
  { name: 'app', type: 'Array(LowCardinality(String))', kind: 'strings' },
  { name: 'session', type: 'Array(String)', kind: 'strings' },
  { name: 'correlation', type: 'Array(String)', kind: 'strings' },
  { name: 'privilege', type: 'Array(String)', kind: 'strings' },
  { name: 'country', type: 'Array(LowCardinality(String))', kind: 'strings' },
  { name: 'text', type: 'String', kind: 'string' },
  { name: 'actor_name', type: `Array(LowCardinality(String)) ${QUICK}`, kind: 'strings' },
  { name: 'target_name', type: `Array(LowCardinality(String)) ${QUICK}`, kind: 'strings' },
  { name: 'app_name', type: `Array(LowCardinality(String)) ${QUICK}`, kind: 'strings' },
  // Events of one kind have the same paths, so these are few different texts.
  { name: 'paths', type: 'LowCardinality(String)', kind: 'string' },
  { name: 'places', type: 'Array(UInt32) CODEC(ZSTD(1))', kind: 'uint32s' },
  { name: 'more', type: 'String', kind: 'string' },
] as const

/** Values that identify: looked for whole, among very many. */
const looked = ['actor', 'target', 'session'] as const

/** Tables of different installations may lie in one database. */
export interface TableKey {
  readonly installId: string
  readonly tableVersion: number
  readonly mapperVersion: number
  /** Counts the rebuilds: of two tables the one with the lower is the older. */
  readonly generation: number
  /** Its rows lie in tables of the servers of a cluster. */
  readonly isSpread?: boolean
}

export function tableName({ installId, generation, tableVersion, mapperVersion, isSpread }: TableKey): string {
  return `events_${installId}_${generation}_t${tableVersion}_m${mapperVersion}${isSpread ? '_spread' : ''}`
}

/** Reads a table's name; undefined for one that is not this installation's. */
export function tableKey(name: string, installId: string): TableKey | undefined {
  const match = /^events_([a-z0-9]+)_([0-9]{1,9})_t([0-9]{1,9})_m([0-9]{1,9})(_spread)?$/.exec(name)
  if (match === null || match[1] !== installId) return undefined
  const [generation = 0, tableVersion = 0, mapperVersion = 0] = match.slice(2, 5).map(Number)
  const key = { installId, generation, tableVersion, mapperVersion }
  return match[5] === undefined ? key : { ...key, isSpread: true }
}

/** Consecutive entries of a ledger that are counted together. */
export const SLAB_COUNT = 65_536
export const HOUR_MS = 3_600_000

/** Expressions by which `counts` counts: ClickHouse takes what is counted there where a question has them in these words. */
export const slabSql = `intDiv(index, ${SLAB_COUNT})`
/** Counted from the first that there is, so that none is below zero, where division would round upwards. */
export const hourSql = `intDiv(toUnixTimestamp64Milli(time) + ${-MIN_TIME_MS}, ${HOUR_MS})`
export const countedColumns = ['source', 'class', 'severity', 'outcome'] as const

/**
 * Newest first within a ledger is a read in reverse order of the key. What is counted beforehand is a part of each part
 * of the table, so that it holds the same entries at every moment: whole slabs below a size are counted from there.
 */
export function createTable(name: string): string {
  const keys = ['ledger', slabSql, hourSql, ...countedColumns].join(', ')
  const lines = [
    ...columns.map((column) => `${quoted(column.name)} ${column.type}`),
    // Blocks come in the order of the ledger, so a range of indexes lies in few granules.
    'INDEX index_range index TYPE minmax GRANULARITY 1',
    `INDEX text_tokens text TYPE ${tokens('splitByNonAlpha')}`,
    `INDEX more_tokens more TYPE ${tokens('splitByNonAlpha')}`,
    ...looked.map((column) => `INDEX ${column}_values ${column} TYPE ${tokens('array')}`),
    // Nearly every value is of one event: a list of them all would take a tenth of the index.
    'INDEX correlation_values correlation TYPE bloom_filter(0.001) GRANULARITY 4',
    `PROJECTION counts (SELECT ${keys}, count(), min(time), max(time) GROUP BY ${keys})`,
  ]
  const settings = [
    // An insert that is sent again, or arrives late, is recognised by its token.
    'non_replicated_deduplication_window = 10000',
    // Of the newest few that are looked for, each lies somewhere else, and all of its granule is read.
    'index_granularity = 2048',
    "default_compression_codec = 'ZSTD(1)'",
    // What a repair deletes leaves what is counted beforehand too.
    "lightweight_mutation_projection_mode = 'rebuild'",
  ]
  return (
    `CREATE TABLE IF NOT EXISTS ${quoted(name)} (${lines.join(', ')}) ENGINE = MergeTree ORDER BY (ledger, time, index) ` +
    `SETTINGS ${settings.join(', ')}`
  )
}

function tokens(tokenizer: string): string {
  return `text(tokenizer = ${tokenizer}, posting_list_codec = 'bitpacking')`
}

/** A name for SQL. Names are made here and hold nothing that would have to be escaped; a column may be a keyword. */
export function quoted(name: string): string {
  return `\`${name}\``
}

/** All columns of a row as the bytes in which it was inserted. */
export const rowBytesSql = `formatRow('RowBinary', ${columns.map(({ name }) => quoted(name)).join(', ')})`

/** Their hash, in hexadecimal digits. */
export const rowHashSql = `lower(hex(SHA256(${rowBytesSql})))`
