// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is counted beforehand (tables.ts), and what of a question can be answered from there. Entries are counted by
// slabs of their indexes: those of whole slabs below the size come from the counts, the rest from the rows, so an answer
// is of exactly the entries below the size, whatever has arrived since.

import { type FieldName, fieldOf } from '../query/fields.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../query/time.ts'
import type { Query } from '../query/tree.ts'
import { boundedBy, scopeConditions, searched, type SearchScope } from './scope.ts'
import { countedColumns, HOUR_MS, hourSql, quoted, SLAB_COUNT, slabSql } from './tables.ts'
import { conditionOf, type Parameters } from './where.ts'

/** The column whose values are counted: of whom and what has several names the one that it goes by. */
export function countedColumn(field: FieldName): string {
  return field === 'actor' || field === 'target' || field === 'app' ? `${field}_name` : fieldOf(field)!.column
}

/** Whether an event may have several values of the field. */
export function isArray(field: FieldName): boolean {
  return field !== 'ledger' && !isCountedColumn(field)
}

function isCountedColumn(field: FieldName): boolean {
  return countedColumns.some((column) => column === field)
}

/** Whether the counts tell of everything that the scope asks for. */
export function isCounted(scope: SearchScope): boolean {
  return asksForCounted(scope.query) && isHour(scope.sinceMs) && isHour(scope.untilMs)
}

function asksForCounted(query: Query): boolean {
  const { kind } = query
  if (kind === 'and' || kind === 'or') return query.of.every(asksForCounted)
  if (kind === 'not') return asksForCounted(query.of)
  if (kind === 'number') return isCountedColumn(query.field)
  if (kind === 'field' || kind === 'exists') return query.field === 'ledger' || isCountedColumn(query.field)
  return kind === 'all' || kind === 'source'
}

/** Whether an hour begins at the time. */
export function isHour(ms: number | undefined): boolean {
  return ms === undefined || (ms - MIN_TIME_MS) % HOUR_MS === 0
}

/** The statement over whole slabs and the one over the rest, both with what is selected and by what it is grouped. */
export function countedSelects(
  table: string,
  scope: SearchScope,
  select: string,
  groupBy: string,
  parameters: Parameters,
): string {
  const ledgers = searched(scope)
  const names = ledgers.map(({ name }) => name)
  const slabs = ledgers.map(({ size }) => Math.floor(size / SLAB_COUNT))
  const starts = slabs.map((slab) => slab * SLAB_COUNT)
  const whole = [
    ...boundedBy(names, slabs, slabSql, '<', parameters),
    ...hours(scope, parameters),
    conditionOf(scope.query, parameters),
  ]
  const rest = [...boundedBy(names, starts, 'index', '>=', parameters), ...scopeConditions(scope, parameters)]
  // Of one ledger the granules of the rest can be told by their indexes.
  if (ledgers.length === 1) rest.push(`index >= ${parameters.bind('UInt64', starts[0]!)}`)
  return [whole, rest]
    .map((conditions) => `SELECT ${select} FROM ${quoted(table)} WHERE ${conditions.join(' AND ')} ${groupBy}`)
    .join(' UNION ALL ')
}

function hours({ sinceMs, untilMs }: SearchScope, parameters: Parameters): string[] {
  const bind = (ms: number) => parameters.bind('Int64', hourOf(ms))
  return [
    ...(sinceMs === undefined ? [] : [`${hourSql} >= ${bind(sinceMs)}`]),
    ...(untilMs === undefined ? [] : [`${hourSql} < ${bind(untilMs)}`]),
  ]
}

/** The number of the hour that begins at the time, or one that lies outside as the time does. */
function hourOf(ms: number): number {
  return (Math.min(Math.max(ms, MIN_TIME_MS), MAX_TIME_MS + 1) - MIN_TIME_MS) / HOUR_MS
}
