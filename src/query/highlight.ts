// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What each part of a query is, for whoever shows it while it is being written: also of one that cannot be read, where
// what is behind the fault is still told. Never throws, and takes no longer than the length of the text demands.

import { QueryFault } from './fault.ts'
import { MAX_QUERY_CHARS, parseQuery } from './parse.ts'
import { type Token, tokenFrom } from './tokens.ts'

type SpanKind = 'field' | 'operator' | 'value' | 'text' | 'wildcard' | 'error'

/** UTF-16 units from `start`, counted from 0, to before `end`. */
export interface Span {
  readonly kind: SpanKind
  readonly start: number
  readonly end: number
}

/** Spans in their order, none over another; blanks between them are of none. */
export function highlight(text: string, nowMs: number): readonly Span[] {
  const kinds: (SpanKind | undefined)[] = Array.from({ length: Math.min(text.length, MAX_QUERY_CHARS) })
  /** Of each parenthesis that is open, whether it holds the values of a field. */
  const lists: boolean[] = []
  for (const piece of piecesOf(text.slice(0, MAX_QUERY_CHARS))) {
    if (piece instanceof QueryFault) {
      kinds.fill('error', piece.column - 1, piece.column - 1 + piece.length)
      continue
    }
    paint(piece, text, kinds, lists.at(-1) ?? false)
    if (piece.kind === 'open') lists.push(piece.field !== undefined || (lists.at(-1) ?? false))
    else if (piece.kind === 'close') lists.pop()
  }
  const fault = faultOf(text.slice(0, MAX_QUERY_CHARS), nowMs)
  if (fault !== undefined) kinds.fill('error', fault.column - 1, fault.column - 1 + fault.length)
  const spans = spansOf(kinds)
  return text.length > MAX_QUERY_CHARS ? [...spans, { kind: 'error', start: MAX_QUERY_CHARS, end: text.length }] : spans
}

/** Tokens and faults in their order; behind a fault it goes on. */
export function* piecesOf(text: string): Generator<Token | QueryFault, void> {
  for (let position = 0; position < text.length;) {
    try {
      const token = tokenFrom(text, position)
      if (token === undefined) return
      yield token
      position = token.end
    } catch (error) {
      if (!(error instanceof QueryFault)) throw error
      yield error
      position = Math.max(position + 1, error.column - 1 + error.length)
    }
  }
}

function paint(token: Token, text: string, kinds: (SpanKind | undefined)[], isListed: boolean): void {
  const { start, end } = token
  if (token.kind === 'open' && token.field !== undefined) {
    kinds.fill('field', start, end - '('.length)
    kinds.fill('operator', end - '('.length, end)
  } else if (token.kind !== 'value') {
    kinds.fill('operator', start, end)
  } else {
    kinds.fill('field', start, token.valueStart)
    kinds.fill(token.field === undefined && !isListed ? 'text' : 'value', token.valueStart, end)
    for (let at = token.valueStart; at < end; at++) {
      if (token.isQuoted && text[at] === '\\') at++
      else if (text[at] === '*') kinds[at] = 'wildcard'
    }
  }
}

function faultOf(text: string, nowMs: number): QueryFault | undefined {
  try {
    parseQuery(text, nowMs)
    return undefined
  } catch (error) {
    if (error instanceof QueryFault) return error
    throw error
  }
}

function spansOf(kinds: readonly (SpanKind | undefined)[]): Span[] {
  const spans: Span[] = []
  for (let start = 0, end = 0; start < kinds.length; start = end) {
    const kind = kinds[start]
    for (end = start + 1; end < kinds.length && kinds[end] === kind;) end++
    if (kind !== undefined) spans.push({ kind, start, end })
  }
  return spans
}
