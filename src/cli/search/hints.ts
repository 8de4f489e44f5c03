// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What may have been meant by a search that found nothing. The server is asked what values and paths its events have; where
// it does not answer that, less is said.

import { type SteleClient, SteleError } from '@stele/sdk'

import { QueryFault } from '../../query/fault.ts'
import { hintsOf, type Known, wantedFor } from '../../query/hints.ts'
import { parseQuery } from '../../query/parse.ts'
import type { Query } from '../../query/tree.ts'
import { DEFAULT_LEDGER } from '../connect.ts'
import { printable, shellWord } from '../display.ts'

const TOP_VALUES = 100
const MAX_PATHS = 1_000
/** So many a server counts in one question. */
const MAX_FIELDS = 8

export interface EmptySearch {
  readonly ledger: string
  readonly query: string
  readonly since: string | undefined
  readonly nowMs: number
  /** Whether the server may be asked: a program reads no hints. */
  readonly client: SteleClient | undefined
  readonly signal: AbortSignal
}

export async function hintText(search: EmptySearch): Promise<string> {
  const { ledger, since, nowMs } = search
  const query = readAgain(search)
  if (query === undefined) return ''
  const known = await knownOf(query, search)
  const where = ledger === DEFAULT_LEDGER ? '' : ` --ledger ${shellWord(ledger)}`
  const fieldsCommand = (path: string) => `stele fields ${shellWord(path)}${where}`
  return hintsOf(query, { nowMs, since, known, fieldsCommand })
    .map((hint) => `stele: ${printable(hint)}\n`)
    .join('')
}

/** The server has read the query: a version that reads more than this one is not hindered. */
function readAgain({ query, nowMs }: EmptySearch): Query | undefined {
  try {
    return parseQuery(query, nowMs)
  } catch (error) {
    if (error instanceof QueryFault) return undefined
    throw error
  }
}

async function knownOf(query: Query, { client, ledger, signal }: EmptySearch): Promise<Known | undefined> {
  if (client === undefined) return undefined
  const wanted = wantedFor(query)
  const fields = wanted.fields.slice(0, MAX_FIELDS)
  try {
    const counted = fields.length === 0 ? {} : (await client.facets(ledger, fields, { top: TOP_VALUES, signal })).facets
    const values = new Map(fields.map((field) => [field, (counted[field] ?? []).map(({ value }) => value)]))
    if (!wanted.hasPath) return { values }
    const { paths } = await client.fields(ledger, { begin: 'raw.', limit: MAX_PATHS, signal })
    return { values, paths: paths.map(({ path }) => path) }
  } catch (error) {
    if (error instanceof SteleError || signal.aborted) return undefined
    throw error
  }
}
