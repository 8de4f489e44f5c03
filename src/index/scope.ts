// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is searched, as conditions of ClickHouse: which ledgers, up to which size, from when to when, for what.

import type { Query } from '../query/tree.ts'
import { conditionOf, type Parameters, timeValue } from './where.ts'

export interface SearchScope {
  /** Only entries below `size` are searched. */
  readonly ledgers: readonly { readonly name: string; readonly size: number }[]
  readonly query: Query
  /** Events at this time or later. */
  readonly sinceMs?: number
  /** Events before this time. */
  readonly untilMs?: number
}

/** The ledgers that have something to search. */
export function searched(scope: SearchScope): SearchScope['ledgers'] {
  return scope.ledgers.filter(({ size }) => size > 0)
}

export function scopeConditions(scope: SearchScope, parameters: Parameters): string[] {
  const ledgers = searched(scope)
  const sizes = ledgers.map(({ size }) => size)
  const names = ledgers.map(({ name }) => name)
  // Nearly all entries are below the size: to look that up for each granule costs more than it spares, and ClickHouse
  // does not where the index is inside of a function.
  const conditions =
    ledgers.length === 1
      ? [
          `ledger = ${parameters.bind('String', names[0]!)}`,
          `bitOr(index, 0) < ${parameters.bind('UInt64', sizes[0]!)}`,
        ]
      : boundedBy(names, sizes, 'index', '<', parameters)
  if (scope.sinceMs !== undefined) conditions.push(`time >= ${timeValue(scope.sinceMs, parameters)}`)
  if (scope.untilMs !== undefined) conditions.push(`time < ${timeValue(scope.untilMs, parameters)}`)
  conditions.push(conditionOf(scope.query, parameters))
  return conditions
}

/** The ledgers, and of each what holds of the number that is given for it. */
export function boundedBy(
  names: readonly string[],
  numbers: readonly number[],
  of: string,
  holds: '<' | '>=',
  parameters: Parameters,
): string[] {
  const ledgers = parameters.bind('Array(String)', names)
  const bounds = parameters.bind('Array(UInt64)', numbers)
  return [`ledger IN ${ledgers}`, `${of} ${holds} arrayElement(${bounds}, indexOf(${ledgers}, toString(ledger)))`]
}
