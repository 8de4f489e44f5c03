// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Why a search has no answer; appends, reading by index and proofs know nothing of it. */

import { ClickHouseError } from '@clickhouse/client'

export type SearchFaultReason =
  /** It would take more time or memory than a search may: the query has to be narrowed. */
  | 'too-heavy'
  /** There is nothing to ask, or it does not answer as it should. */
  | 'unavailable'

export class SearchFault extends Error {
  override readonly name = 'SearchFault'
  readonly reason: SearchFaultReason
  /** It would have needed more time than it was given. */
  readonly isOfTime: boolean
  /** How many hits it had found by then. */
  readonly foundCount: number

  /** For `too-heavy` the message is whole sentences; for `unavailable` a reason that goes on in a sentence. */
  constructor(reason: SearchFaultReason, message: string, isOfTime = false, foundCount = 0) {
    super(message)
    this.reason = reason
    this.isOfTime = isOfTime
    this.foundCount = foundCount
  }
}

const MEMORY_EXCEEDED = '241'
const heavy: ReadonlyMap<string, string> = new Map([
  ['159', 'time'],
  ['160', 'time'],
  [MEMORY_EXCEEDED, 'memory'],
  ['158', 'rows'],
  ['307', 'rows'],
  ['396', 'values in the answer'],
  ['167', 'terms'],
  ['168', 'terms'],
  ['306', 'terms'],
  ['427', 'wildcards'],
])
/** Files of the index that do not hold what they should. */
export const DAMAGED = "the index is damaged, and 'stele rebuild-index' makes it anew from the ledgers"
/** Codes of ClickHouse for it. */
export const damageCodes = ['32', '33', '40', '107', '226', '228', '246', '271', '432'] as const
/** One server of a cluster asked another in vain. */
export const AWAY = 'a server of the search cluster does not answer'
/** Codes of ClickHouse for it. */
export const awayCodes: ReadonlySet<string> = new Set(['209', '210', '279', '198'])
const unavailable: ReadonlyMap<string, string> = new Map([
  ...damageCodes.map((code) => [code, DAMAGED] as const),
  ['60', 'the index is being made anew'],
  ['81', 'the index is not there yet'],
  ['194', 'the search server does not know its user'],
  ['202', 'the search server has too much to do'],
  ['394', 'the search server stopped the search'],
  ['497', 'the search server does not let its user read the index'],
  ['516', 'the search server does not know its user'],
])

/** The fault behind what the client threw. */
export function searchFaultOf(error: unknown): SearchFault {
  if (error instanceof SearchFault) return error
  if (!(error instanceof ClickHouseError)) return new SearchFault('unavailable', 'the search server does not answer')
  const { code, type, message } = error
  // All queries together may have used up the memory: then this one is not the one to blame.
  if (code === MEMORY_EXCEEDED && message.includes('(total)')) {
    return new SearchFault('unavailable', 'the search server is out of memory')
  }
  const what = heavy.get(code)
  if (what !== undefined) {
    const mend = 'Narrow it: by time, by a field, or by a whole word instead of a wildcard.'
    return new SearchFault('too-heavy', `The search needs more ${what} than one may have. ${mend}`, what === 'time')
  }
  if (awayCodes.has(code)) return new SearchFault('unavailable', AWAY)
  const reason = unavailable.get(code) ?? `the search server refuses the search (${code} ${type ?? ''})`
  return new SearchFault('unavailable', reason.replace(' )', ')'))
}
