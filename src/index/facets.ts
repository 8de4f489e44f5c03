// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The most frequent values of several fields in one statement, and in few looks at each row: one for all fields of which
// an event has one value, one for those of which it may have several, one for addresses.

import type { FieldName } from '../query/fields.ts'
import { countedColumn, isArray } from './counted.ts'
import { quoted } from './tables.ts'

export interface FacetsStatement {
  /** Rows of a number that says the field, a value as text, and how many events have it; the most frequent first. */
  readonly sql: string
  readonly fieldOf: ReadonlyMap<number, FieldName>
}

/** `where` are the conditions, `top` the placeholder of how many values there may be of a field. */
export function facetsStatement(
  table: string,
  fields: readonly FieldName[],
  where: string,
  top: string,
): FacetsStatement {
  const looks = [
    fields.filter((field) => !isArray(field)),
    fields.filter((field) => isArray(field) && field !== 'ip'),
    // What fills a list up to the length of another would be an address that an event may have.
    fields.filter((field) => field === 'ip'),
  ]
  const numberOf = new Map<FieldName, number>()
  const selects = looks.flatMap((members, look) => {
    if (members.length === 0) return []
    members.forEach((field, at) => numberOf.set(field, look * LOOK + mask(members.length, at)))
    return [countsOf(table, members, where, look * LOOK)]
  })
  return {
    sql:
      `SELECT facet, value, events FROM (${selects.join(' UNION ALL ')}) WHERE value != '' ` +
      `ORDER BY facet, events DESC, value LIMIT ${top} BY facet`,
    fieldOf: new Map([...numberOf].map(([field, number]) => [number, field])),
  }
}

/** Lists are unrolled side by side, the shorter ones filled with empty values, so that each row is read once. */
function countsOf(table: string, members: readonly FieldName[], where: string, first: number): string {
  const { length } = members
  const columns = members.map((field, at) => `${quoted(countedColumn(field))} AS column${at}`).join(', ')
  const rows = `(SELECT ${columns} FROM ${quoted(table)} WHERE ${where})`
  const isUnrolled = isArray(members[0]!)
  const values = members.map((_, at) => (isUnrolled ? `value${at}` : `column${at}`))
  const from = isUnrolled
    ? `${rows} ARRAY JOIN ${values.map((value, at) => `column${at} AS ${value}`).join(', ')}`
    : rows
  if (length === 1) {
    return `SELECT toInt64(${first}) AS facet, toString(${values[0]!}) AS value, count() AS events FROM ${from} GROUP BY ${values[0]!}`
  }
  const set = `grouping(${values.join(', ')})`
  const texts = values.map((value, at) => `${set} = ${mask(length, at)}, toString(${value})`)
  return (
    `SELECT toInt64(${first} + ${set}) AS facet, multiIf(${texts.join(', ')}, '') AS value, count() AS events ` +
    `FROM ${from} GROUP BY GROUPING SETS (${values.map((value) => `(${value})`).join(', ')})`
  )
}

/** Beyond all that ClickHouse says of the sets of one look. */
const LOOK = 1_024

/** What ClickHouse says of a set: a bit for each of the values that it was not grouped by, the first one highest. */
function mask(length: number, at: number): number {
  return length === 1 ? 0 : 2 ** length - 1 - 2 ** (length - 1 - at)
}
