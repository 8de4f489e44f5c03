// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What stands below hits: how many there are, whether that is exact, and how far the index was when it was asked.

import type { SearchPage } from '@stele/sdk'

import { count, counted, jsonLine, printable } from '../display.ts'

/** `12 of 12 events · indexed up to 1,064 of 1,064`. */
export function footText(
  shownCount: number,
  { total, indexed, size, heldUp }: Pick<SearchPage, 'total' | 'indexed' | 'size' | 'heldUp'>,
  isMore: boolean,
): string {
  const found = total.exact ? count(total.count) : `at least ${count(total.count)}`
  const more = isMore ? ' · --limit shows more' : ''
  const rest = heldUp === undefined ? 'the rest is on its way' : `the rest is held up: ${printable(heldUp)}`
  const lag = indexed < size ? `, ${rest}` : ''
  return `${count(shownCount)} of ${found} events · indexed up to ${count(indexed)} of ${count(size)}${lag}${more}`
}

/**
 * The same for programs, as a line of JSON on standard error: standard output has events alone. `besides` is what an
 * answer has of its own. Without it a script could not tell that nothing matches from an index that is far behind.
 */
export function footJson(
  shown: number,
  { total, indexed, size, heldUp }: Pick<SearchPage, 'total' | 'indexed' | 'size' | 'heldUp'>,
  besides: object,
): string {
  return jsonLine({ shown, total, indexed, size, ...(heldUp === undefined ? {} : { heldUp }), ...besides })
}

export function leftOutText(disagreements: number): string {
  const were = disagreements === 1 ? 'was' : 'were'
  const left = `${counted(disagreements, 'hit')} of the index ${were} left out: the ledger has no such event`
  return `stele: ${left}. 'stele check index' says what is wrong with the index.\n`
}
