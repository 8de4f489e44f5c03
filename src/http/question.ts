// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** From a search request to what is searched: which ledgers, up to which size, for what, from when to when. */
import { allows } from '../access/credentials.ts'
import type { Asked } from '../access/audit.ts'
import { isIndexed } from '../index/ledger-source.ts'
import type { SearchScope } from '../index/search.ts'
import { QueryFault } from '../query/fault.ts'
import { formatQuery } from '../query/format.ts'
import { matchesWhole } from '../query/match.ts'
import { parseQuery } from '../query/parse.ts'
import { parseTime, TIME_FORMS } from '../query/time.ts'
import type { Query } from '../query/tree.ts'
import { RESERVED_LEDGERS } from '../schema/limits.ts'
import { Problem } from '../schema/problem.ts'
import { EVERY_LEDGER } from './admission.ts'
import type { Question } from './cursor.ts'
import type { Caller, Services } from './route.ts'
import { plainReason } from './searches.ts'

/** Of each the cursor holds a size. */
const MAX_LEDGERS = 1_000

interface AskedFor {
  readonly q: string
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** The heads of the ledgers are no events. Throws `ledger-reserved`. */
export function demandSearched(ledger: string): void {
  if (isIndexed(ledger)) return
  throw new Problem('ledger-reserved', `${ledger} holds signed heads and no events: it is read by index, not searched.`)
}

/** How far each ledger can be searched. */
export function sizesNow(names: readonly string[], { ledgers, index }: Services): readonly number[] {
  return names.map((name) => Math.min(index.indexed(name), ledgers.log(name).size))
}

/**
 * Ledgers that a search is over, in the order in which they were created. Stele's own are not of all: who searched for
 * something would find that first.
 */
export function ledgersOf(
  { ledger, q }: Question,
  nowMs: number,
  { credential }: Caller,
  { administration, ledgers }: Services,
): string[] {
  if (ledger !== EVERY_LEDGER) return [ledger]
  const query = queryOf(q, nowMs)
  const names = [...administration.state.ledgers.keys()].filter(
    (name) =>
      ledgers.has(name) &&
      isIndexed(name) &&
      credential !== undefined &&
      allows(credential, 'read', name) &&
      (!RESERVED_LEDGERS.some((reserved) => reserved === name) || isNamed(name, query)),
  )
  if (names.length > MAX_LEDGERS) {
    const mend = `Search one, or with a token that is bound to fewer.`
    throw new Problem(
      'query-too-heavy',
      `The token may read ${names.length} ledgers, a search is over ${MAX_LEDGERS} at most. ${mend}`,
      { limit: MAX_LEDGERS },
    )
  }
  return names
}

/** Whether the query says of the ledger that it is to be, or not to be, searched. */
function isNamed(ledger: string, query: Query): boolean {
  if (query.kind === 'and' || query.kind === 'or') return query.of.some((part) => isNamed(ledger, part))
  if (query.kind === 'not') return isNamed(ledger, query.of)
  return query.kind === 'field' && query.field === 'ledger' && matchesWhole(query.pattern, ledger)
}

export function questionOf(ledger: string, { q, since, until }: AskedFor): Question {
  return { ledger, q, since, until }
}

/** Throws `query-malformed`, or `invalid-field` for a time that is none or a range that is reversed. */
export function scopeOf(
  { q, about, since, until }: Question,
  names: readonly string[],
  sizes: readonly number[],
  nowMs: number,
): SearchScope {
  const sinceMs = since === undefined ? undefined : momentOf('since', since, nowMs)
  const untilMs = until === undefined ? undefined : momentOf('until', until, nowMs)
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs > untilMs) {
    throw new Problem('invalid-field', 'since: it is later than until, so that nothing lies between them.')
  }
  const query = queryOf(q, nowMs)
  return {
    ledgers: names.map((name, position) => ({ name, size: sizes[position] ?? 0 })),
    query: about === undefined ? query : { kind: 'and', of: [about, query] },
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  }
}

function queryOf(text: string, nowMs: number): Query {
  try {
    return parseQuery(text, nowMs)
  } catch (error) {
    if (!(error instanceof QueryFault)) throw error
    const { message, column, length, suggestion } = error
    throw new Problem('query-malformed', `${message.charAt(0).toUpperCase()}${message.slice(1)}.`, {
      column,
      length,
      ...(suggestion === undefined ? {} : { suggestion }),
    })
  }
}

function momentOf(name: string, text: string, nowMs: number): number {
  const ms = parseTime(text, nowMs)
  if (ms !== undefined) return ms
  throw new Problem('invalid-field', `${name}: a time is written ${TIME_FORMS}.`)
}

/** What of a question goes on record. */
export function recordOf({ q, about, since, until }: Question, fields?: readonly string[]): Asked {
  const besides = about === undefined ? '' : formatQuery(about)
  const query = besides === '' ? q : q.trim() === '' ? besides : `(${besides}) (${q})`
  return { query, since, until, ...(fields === undefined ? {} : { fields }) }
}

/** How many entries of a ledger the index holds as the ledger has them, as far as is known. */
export function soundCount(name: string, size: number, index: Pick<Services['index'], 'indexed' | 'doubted'>): number {
  return Math.max(0, Math.min(index.indexed(name), size) - index.doubted(name))
}

/** How far an answer goes: sums, and for `*` each ledger. To be asked when the index has answered. */
export function reachOf(
  ledger: string,
  names: readonly string[],
  services: Services,
): {
  indexed: number
  size: number
  ledgers?: Record<string, { indexed: number; size: number }>
  heldUp?: string
} {
  const { index, ledgers } = services
  const { reason } = index.status()
  const each = names.map((name) => {
    const { size } = ledgers.log(name)
    return { name, indexed: soundCount(name, size, index), size }
  })
  const sum = (of: (one: (typeof each)[number]) => number) => each.reduce((total, one) => total + of(one), 0)
  return {
    indexed: sum(({ indexed }) => indexed),
    size: sum(({ size }) => size),
    ...(ledger === EVERY_LEDGER
      ? { ledgers: Object.fromEntries(each.map(({ name, indexed, size }) => [name, { indexed, size }])) }
      : {}),
    ...(reason === undefined ? {} : { heldUp: plainReason(reason) }),
  }
}
