// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the commands that search have in common: how numbers are read, and how a query that cannot be read is told.

import type { SteleError } from '@stele/sdk'

import { MAX_QUERY_CHARS } from '../../query/parse.ts'
import { count, printable } from '../display.ts'
import { callFailure, type Circumstances, Failure, usageFailure } from '../failure.ts'
import { markedQuery } from './query-fault.ts'

/** A query that cannot be read is shown, with the place. */
export function searchFailure(error: SteleError, query: string, circumstances: Circumstances): Failure {
  const { column, length, suggestion } = error.problem
  if (error.code !== 'query-malformed' || column === undefined || length === undefined)
    return callFailure(error, circumstances)
  const below = markedQuery(query, { column, length, suggestion })
  return new Failure(2, `the query cannot be read: ${lowered(printable(error.message))}`).withBelow(below)
}

/** Before it is sent: a request that is far too long is no query any more to the server. */
export function demandQueryLength(query: string): void {
  if (query.length <= MAX_QUERY_CHARS) return
  const most = `a query has at most ${count(MAX_QUERY_CHARS)} characters, this one has ${count(query.length)}`
  throw usageFailure(most, 'Ask for less at a time, or for what all of it has in common')
}

export function wholeOf(name: string, text: string | undefined, value: string): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usageFailure(`--${name} ${printable(text)} is not a number`, `Write it as --${name} ${value}`)
}

/** How many to show at most; 1 at least. */
export function limitOf(text: string | undefined, standard: number): number {
  const limit = wholeOf('limit', text, 'N') ?? standard
  if (limit === 0) throw usageFailure('--limit 0 shows nothing', 'Give a number from 1 on')
  return limit
}

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
