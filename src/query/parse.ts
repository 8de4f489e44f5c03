// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Reads a query into its tree. Bounded in length, terms and depth, so that whatever is typed is refused or read in no
// time; a fault says where it is and, where that can be guessed, what to write instead.

import { QueryFault } from './fault.ts'
import { isField } from './paths.ts'
import { termOf, unknownField } from './term.ts'
import { type Operator, type Parenthesis, type Token, tokensOf, type Value } from './tokens.ts'
import type { Query } from './tree.ts'

export const MAX_QUERY_CHARS = 8_192
export const MAX_TERMS = 256
/** Parentheses and negations within each other. */
export const MAX_DEPTH = 32

/** Reads a query; relative times are relative to `nowMs`. An empty one is for everything. Throws QueryFault. */
export function parseQuery(text: string, nowMs: number): Query {
  if (text.length > MAX_QUERY_CHARS) {
    throw new QueryFault(`a query has at most ${MAX_QUERY_CHARS} characters`, MAX_QUERY_CHARS, text.length)
  }
  try {
    return read(text, nowMs)
  } catch (error) {
    throw error instanceof QueryFault ? proven(text, error, nowMs) : error
  }
}

function read(text: string, nowMs: number): Query {
  const tokens = tokensOf(text)
  return tokens.length === 0 ? { kind: 'all' } : new Parser(text, tokens, nowMs).query()
}

/** The fault, with a suggestion only where the query can be read with it, or up to another fault further on. */
function proven(text: string, fault: QueryFault, nowMs: number): QueryFault {
  const { message, column, length, suggestion, otherwise } = fault
  if (suggestion === undefined) return fault
  const start = column - 1
  const mended = text.slice(0, start) + suggestion + text.slice(start + length)
  try {
    if (mended.length <= MAX_QUERY_CHARS) read(mended, nowMs)
    return fault
  } catch (error) {
    if (!(error instanceof QueryFault)) throw error
    if (/\s/.test(mended.slice(start + suggestion.length, error.column - 1))) return fault
    return otherwise === undefined ? new QueryFault(message, start, start + length) : proven(text, otherwise, nowMs)
  }
}

/** And, or: without the others of its kind within, and none around a single one. */
function joined(kind: 'and' | 'or', of: readonly Query[]): Query {
  const [only] = of
  if (of.length === 1 && only !== undefined) return only
  return { kind, of: of.flatMap((query) => (query.kind === kind ? query.of : [query])) }
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  readonly #nowMs: number
  #next = 0
  #depth = 0
  #termCount = 0

  constructor(text: string, tokens: readonly Token[], nowMs: number) {
    this.#text = text
    this.#tokens = tokens
    this.#nowMs = nowMs
  }

  query(): Query {
    const query = this.#or()
    const rest = this.#tokens[this.#next]
    if (rest !== undefined) throw new QueryFault('this parenthesis was never opened', rest.start, rest.end, '')
    return query
  }

  /** `field` is that of `field:(…)` around. */
  #or(field?: string): Query {
    const of = [this.#and(field)]
    for (let or = this.#take('or'); or !== undefined; or = this.#take('or')) of.push(this.#and(field, or))
    return joined('or', of)
  }

  #and(field?: string, before?: Operator): Query {
    const of = [this.#unary(field, before)]
    for (;;) {
      const and = this.#take('and')
      const token = this.#tokens[this.#next]
      if (and === undefined && (token === undefined || token.kind === 'or' || token.kind === 'close')) break
      of.push(this.#unary(field, and))
    }
    return joined('and', of)
  }

  /** `before` is the operator that wants an operand here. */
  #unary(field: string | undefined, before: Operator | Parenthesis | undefined): Query {
    const token = this.#tokens[this.#next]
    if (token === undefined) {
      const { start, end } = before ?? { start: 0, end: this.#text.length }
      throw new QueryFault(`nothing follows ${this.#text.slice(start, end)}`, start, end)
    }
    this.#next++
    switch (token.kind) {
      case 'minus':
      case 'not':
        return this.#deeper(token, () => ({ kind: 'not', of: this.#unary(field, token) }))
      case 'open':
        return this.#deeper(token, () => this.#group(token, field))
      case 'value':
        return this.#value(token, field)
      case 'and':
      case 'or':
      case 'close': {
        const word = this.#text.slice(token.start, token.end)
        const message =
          before === undefined ? `nothing stands before ${word}` : `nothing stands between this and ${word}`
        const place = before ?? token
        throw new QueryFault(message, place.start, place.end)
      }
    }
  }

  #deeper(token: Token, read: () => Query): Query {
    if (++this.#depth > MAX_DEPTH) {
      throw new QueryFault(`parentheses and negations go at most ${MAX_DEPTH} deep`, token.start, token.end)
    }
    const query = read()
    this.#depth--
    return query
  }

  #group(open: Parenthesis, around: string | undefined): Query {
    if (open.field !== undefined) {
      const end = open.end - '('.length - ':'.length
      if (around !== undefined) {
        throw new QueryFault(`a list of values of ${around} holds no other field`, open.start, end)
      }
      if (!isField(open.field)) throw unknownField(this.#text, { ...open, field: open.field })
    }
    const first = this.#tokens[this.#next]
    if (first?.kind === 'close') throw new QueryFault('there is nothing in the parentheses', open.start, first.end)
    const query = first === undefined ? undefined : this.#or(open.field ?? around)
    if (query !== undefined && this.#take('close') !== undefined) return query
    const rest = this.#text.slice(open.start).trimEnd()
    const { length } = this.#text
    throw new QueryFault('the parenthesis is never closed', open.start, length, query && `${rest})`)
  }

  #value(token: Value, around: string | undefined): Query {
    if (++this.#termCount > MAX_TERMS) {
      throw new QueryFault(`a query has at most ${MAX_TERMS} terms`, token.start, token.end)
    }
    this.#refuseSmallOperator(token, around)
    return termOf(this.#text, around === undefined ? token : listed(this.#text, token, around), this.#nowMs)
  }

  /** `actor:a or actor:b` would look for the word "or" and find nothing, without saying why. */
  #refuseSmallOperator(token: Value, around: string | undefined): void {
    if (token.isQuoted || token.field !== undefined || !/^(?:and|or|not)$/i.test(token.parts.join('*'))) return
    const neighbours = [this.#tokens[this.#next - 2], this.#tokens[this.#next]]
    const isMeant = neighbours.some(
      (token) => token !== undefined && (token.kind !== 'value' || token.field !== undefined),
    )
    if (!isMeant && around === undefined && !isAlternating(this.#tokens)) return
    const word = this.#text.slice(token.start, token.end)
    const meant = word.toUpperCase()
    throw new QueryFault(
      `operators are in capitals; the word itself is written "${word}"`,
      token.start,
      token.end,
      meant,
    )
  }

  #take<K extends Token['kind']>(kind: K): Extract<Token, { kind: K }> | undefined {
    const token = this.#tokens[this.#next]
    if (token?.kind !== kind) return undefined
    this.#next++
    return token as Extract<Token, { kind: K }>
  }
}

/** `alice or bob`: between every two words the same operator in small letters. */
function isAlternating(tokens: readonly Token[]): boolean {
  const words = tokens.map((token) => (token.kind === 'value' && !token.isQuoted ? token.parts.join('*') : ''))
  const between = new Set(words.filter((_, position) => position % 2 === 1))
  return words.length >= 3 && words.length % 2 === 1 && between.size === 1 && (between.has('or') || between.has('and'))
}

/** The value as one of the list of `field`: what looks like a field in it is a part of it, as in `ip:(fe80::1 OR ::1)`. */
function listed(text: string, token: Value, field: string): Value {
  if (token.field === undefined) return { ...token, field }
  const end = token.start + token.field.length
  if (isField(token.field)) throw new QueryFault(`a list of values of ${field} holds no other field`, token.start, end)
  if (token.isQuoted) throw unknownField(text, { ...token, field: token.field })
  return { ...token, field, valueStart: token.start, parts: text.slice(token.start, token.end).split('*') }
}
