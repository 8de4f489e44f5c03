// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Counts over time, with those of a field's values. What was counted beforehand is taken where it tells all that is
// asked; else every row is looked at.

import type { FieldName } from '../query/fields.ts'
import { MIN_TIME_MS } from '../query/time.ts'
import { countedColumn, countedSelects, isArray, isCounted, isHour } from './counted.ts'
import { scopeConditions, type SearchScope } from './scope.ts'
import { HOUR_MS, hourSql, quoted } from './tables.ts'
import { type Parameters, timeValue } from './where.ts'

export interface HistogramRequest {
  readonly fromMs: number
  readonly toMs: number
  readonly stepMs: number
  readonly by?: FieldName
}

export const MAX_BUCKET_VALUES = 20

/** Rows of bucket, count, the bucket's count of all values, and where there is a field its value and how many the bucket has. */
export function histogramStatement(
  table: string,
  scope: SearchScope,
  request: HistogramRequest,
  by: FieldName | undefined,
  parameters: Parameters,
): string {
  const groupBy = by === undefined ? 'GROUP BY bucket' : 'GROUP BY bucket, facet'
  const facet = by === undefined ? '' : `${valuesOf(by)} AS facet, `
  const counts = isAllCounted(scope, request, by)
    ? ofCounts(table, scope, request, facet, groupBy, parameters)
    : ofRows(table, scope, request, facet, groupBy, parameters)
  if (by === undefined) return `SELECT bucket, events, events FROM (${counts}) ORDER BY bucket`
  return (
    `SELECT bucket, events, sum(events) OVER (PARTITION BY bucket), facet, count() OVER (PARTITION BY bucket) ` +
    `FROM (${counts}) ORDER BY bucket, events DESC, facet LIMIT ${MAX_BUCKET_VALUES} BY bucket`
  )
}

function isAllCounted(
  scope: SearchScope,
  { fromMs, toMs, stepMs }: HistogramRequest,
  by: FieldName | undefined,
): boolean {
  return (
    isCounted(scope) && isHour(fromMs) && isHour(toMs) && stepMs % HOUR_MS === 0 && (by === undefined || !isArray(by))
  )
}

function ofCounts(
  table: string,
  scope: SearchScope,
  { fromMs, toMs, stepMs }: HistogramRequest,
  facet: string,
  groupBy: string,
  parameters: Parameters,
): string {
  const { sinceMs = -Infinity, untilMs = Infinity } = scope
  const within = { ...scope, sinceMs: Math.max(fromMs, sinceMs), untilMs: Math.min(toMs, untilMs) }
  const hour = parameters.bind('Int64', (fromMs - MIN_TIME_MS) / HOUR_MS)
  const bucket = `intDiv(${hourSql} - ${hour}, ${parameters.bind('Int64', stepMs / HOUR_MS)})`
  const select = `${bucket} AS bucket, ${facet}count() AS counted`
  const selects = countedSelects(table, within, select, groupBy, parameters)
  return `SELECT ${facet === '' ? 'bucket' : 'bucket, facet'}, sum(counted) AS events FROM (${selects}) ${groupBy}`
}

function ofRows(
  table: string,
  scope: SearchScope,
  { fromMs, toMs, stepMs }: HistogramRequest,
  facet: string,
  groupBy: string,
  parameters: Parameters,
): string {
  const conditions = scopeConditions(scope, parameters)
  conditions.push(`time >= ${timeValue(fromMs, parameters)}`, `time < ${timeValue(toMs, parameters)}`)
  const from = parameters.bind('Int64', fromMs)
  const bucket = `intDiv(toUnixTimestamp64Milli(time) - ${from}, ${parameters.bind('Int64', stepMs)})`
  return `SELECT ${bucket} AS bucket, ${facet}count() AS events FROM ${quoted(table)} WHERE ${conditions.join(' AND ')} ${groupBy}`
}

/** A row for each value of the field; an event without one has a row of the empty value. */
function valuesOf(field: FieldName): string {
  const column = quoted(countedColumn(field))
  if (!isArray(field)) return column
  const texts = field === 'ip' ? `arrayMap(address -> toString(address), ${column})` : column
  return `arrayJoin(if(empty(${texts}), [''], ${texts}))`
}
