// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a value at a path looks for, and a time. In quotes it is a text and nothing else.

import { parseNetwork } from './address.ts'
import { QueryFault } from './fault.ts'
import { type Bound, type Comparison, comparisonOf, numberOf, type NumberRange } from './range.ts'
import { MAX_TIME_MS, parseTimeSpan, TIME_FORMS } from './time.ts'
import { quoted, type Value } from './tokens.ts'
import { isAny, type PathTest, type Pattern, type Query } from './tree.ts'

/** Throws QueryFault. */
export function pathTest(pattern: Pattern, token: Value): PathTest {
  if (isAny(pattern)) return { kind: 'exists' }
  if (token.isQuoted) return { kind: 'pattern', pattern }
  const text = pattern.join('*')
  // Of IPv4 there is one spelling only, and that is found as quickly as any text.
  const network = /[:/]/.test(text) ? parseNetwork(text) : undefined
  if (network !== undefined) return { kind: 'cidr', ...network }
  const comparison = comparisonOf(text)
  const range = comparison && rangeOf(comparison, token)
  return range === undefined ? { kind: 'pattern', pattern } : { kind: 'range', ...range }
}

/** Undefined for what is a text with two dots in it. */
function rangeOf(comparison: Comparison, token: Value): NumberRange | undefined {
  if (comparison.kind !== '..') {
    const { kind, value } = comparison
    const bound: Bound = { value: boundOf(value, token, kind), isIncluded: kind.endsWith('=') }
    return kind.startsWith('<') ? { to: bound } : { from: bound }
  }
  const { from, to } = comparison
  if ([from, to].every((end) => numberOf(end) === undefined)) return undefined
  const range: NumberRange = {
    ...(from === '' ? {} : { from: { value: boundOf(from, token, '..'), isIncluded: true } }),
    ...(to === '' ? {} : { to: { value: boundOf(to, token, '..'), isIncluded: true } }),
  }
  if (range.from !== undefined && range.to !== undefined && range.from.value > range.to.value) {
    throw reversed(token, `${to}..${from}`)
  }
  return range
}

function boundOf(text: string, token: Value, sign: string): number {
  const number = numberOf(text)
  // What is written shorter than it was has to be a number still.
  if (number !== undefined && numberOf(String(number)) !== undefined) return number
  const message = `what is compared by ${sign} is a number, as in 5${sign === '..' ? '..10' : ' or 0.5'}; a text stands in quotes`
  throw new QueryFault(message, token.valueStart, token.end, quoted(token.parts.join('*')))
}

function reversed(token: Value, mended: string): QueryFault {
  const message = 'a range goes from the lower to the higher, else nothing lies within'
  return new QueryFault(message, token.valueStart, token.end, mended)
}

/** Of a day or a month all of it is meant; ranges of times hold their begin and not their end. */
export function timeTerm(token: Value, nowMs: number): Query {
  const text = token.parts.join('*').trim()
  const comparison = comparisonOf(text)
  if (comparison === undefined) {
    const { fromMs, untilMs } = spanOf(text, token, nowMs)
    return between(fromMs, untilMs)
  }
  if (comparison.kind === '..') {
    const { from, to } = comparison
    const fromMs = from === '' ? undefined : spanOf(from, token, nowMs).fromMs
    const untilMs = to === '' ? undefined : spanOf(to, token, nowMs).fromMs
    if (fromMs === undefined && untilMs === undefined) throw noTime(token)
    if (fromMs !== undefined && untilMs !== undefined && fromMs >= untilMs) throw reversed(token, `${to}..${from}`)
    return between(fromMs, untilMs)
  }
  const { fromMs, untilMs } = spanOf(comparison.value, token, nowMs)
  switch (comparison.kind) {
    case '>=':
      return between(fromMs, undefined)
    case '>':
      return between(untilMs, undefined)
    case '<':
      return between(undefined, fromMs)
    case '<=':
      return between(undefined, untilMs)
  }
}

function spanOf(text: string, token: Value, nowMs: number): { fromMs: number; untilMs: number } {
  const span = parseTimeSpan(text, nowMs)
  if (span === undefined) throw noTime(token)
  // No event is of a later time.
  return { fromMs: span.fromMs, untilMs: Math.min(span.untilMs, MAX_TIME_MS) }
}

function noTime(token: Value): QueryFault {
  const message = `a time is written ${TIME_FORMS}; a range from..to, or with >=, >, < or <= before it`
  return new QueryFault(message, token.valueStart, token.end)
}

function between(fromMs: number | undefined, untilMs: number | undefined): Query {
  const bounds: Query[] = []
  if (fromMs !== undefined) bounds.push({ kind: 'after', ms: fromMs })
  if (untilMs !== undefined) bounds.push({ kind: 'before', ms: untilMs })
  const [only] = bounds
  return bounds.length === 1 && only !== undefined ? only : { kind: 'and', of: bounds }
}
