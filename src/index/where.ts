// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A query as a condition of ClickHouse that finds what evaluating it in memory finds. Nothing of the query's text gets
// into the SQL: every value is bound as a parameter.

import { formatAddress } from '../query/address.ts'
import { beforeDot } from '../query/evaluate.ts'
import { type FieldName, fieldOf, type TextField } from '../query/fields.ts'
import { PLACE_LINES } from '../query/event-text.ts'
import { piecesOf, wordsOf } from '../query/match.ts'
import { NUMBER_EXPRESSION, type NumberRange } from '../query/range.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../query/time.ts'
import type { PathTest, Pattern, Query, Term } from '../query/tree.ts'
import { quoted } from './tables.ts'

type ParameterType = 'String' | 'Array(String)' | 'IPv6' | 'Int64' | 'UInt64' | 'Array(Float64)' | 'Array(UInt64)'

type ParameterValue = string | number | readonly string[] | readonly number[]

/** Values bound to a statement, each once: a server takes only so many. */
export class Parameters {
  readonly values: Record<string, ParameterValue> = {}
  readonly #placeholders = new Map<string, string>()

  get count(): number {
    return this.#placeholders.size
  }

  /** The placeholder that stands for the value. */
  bind(type: ParameterType, value: ParameterValue): string {
    const key = `${type} ${typeof value === 'object' ? JSON.stringify(value) : value}`
    const known = this.#placeholders.get(key)
    if (known !== undefined) return known
    const name = `p${this.count}`
    const placeholder = `{${name}:${type}}`
    this.values[name] = value
    this.#placeholders.set(key, placeholder)
    return placeholder
  }
}

/** What a value at a path is asked. */
type ValueTest = Exclude<PathTest, { kind: 'exists' }>

/** Most tokens that one function of ClickHouse's token index takes. */
const MAX_TOKENS = 64
/** Values at one path that are looked at by themselves. */
const FEW_PLACES = 4
/** All that can be an address, and little else: ClickHouse reads parts of IPv4 with zeros before them, too. */
const ADDRESS = '^(?:[0-9a-f:]*:)?(?:(?:0|[1-9][0-9]{0,2})(?:\\\\.(?:0|[1-9][0-9]{0,2})){3}|[0-9a-f:]{0,39})$'
const WORD = '[0-9a-z\\x{80}-\\x{10ffff}]'
const NO_WORD = '[^0-9a-z\\x{80}-\\x{10ffff}]'

/** The condition, to be used behind WHERE. */
export function conditionOf(query: Query, parameters: Parameters): string {
  if (query.kind === 'and') return `(${query.of.map((part) => conditionOf(part, parameters)).join(' AND ')})`
  if (query.kind === 'or') return `(${alternatives(query.of, parameters).join(' OR ')})`
  if (query.kind === 'not') return `NOT ${conditionOf(query.of, parameters)}`
  return query.kind === 'all' ? '1' : `(${termCondition(query, parameters)})`
}

/**
 * Whole values of one field are looked for together: `actor:(a OR b)` is one look into the index. So are values at one
 * path, whose lines are taken apart once.
 */
function alternatives(of: readonly Query[], parameters: Parameters): string[] {
  const wholes = new Map<TextField, string[]>()
  const atPaths = new Map<string, ValueTest[]>()
  const conditions: string[] = []
  for (const part of of) {
    if (part.kind === 'field' && part.pattern.length === 1) {
      const values = wholes.get(part.field) ?? []
      wholes.set(part.field, [...values, part.pattern[0]!])
    } else if (part.kind === 'path' && part.test.kind !== 'exists') {
      const tests = atPaths.get(part.path) ?? []
      atPaths.set(part.path, [...tests, part.test])
    } else conditions.push(conditionOf(part, parameters))
  }
  for (const [field, values] of wholes) conditions.push(hasAny(field, values, parameters))
  for (const [path, tests] of atPaths) conditions.push(`(${valueCondition(path, tests, parameters)})`)
  return conditions
}

function hasAny(field: TextField, values: readonly string[], parameters: Parameters): string {
  const [value] = values
  const column = columnOf(field)
  if (values.length === 1 && value !== undefined) {
    const placeholder = parameters.bind('String', value)
    return isScalar(field) ? `${column} = ${placeholder}` : `has(${column}, ${placeholder})`
  }
  const placeholder = parameters.bind('Array(String)', values)
  return isScalar(field) ? `has(${placeholder}, ${column})` : `hasAny(${column}, ${placeholder})`
}

function termCondition(term: Term, parameters: Parameters): string {
  switch (term.kind) {
    case 'field': {
      const { field, pattern } = term
      if (pattern.length === 1) return hasAny(field, pattern, parameters)
      const like = parameters.bind('String', likePattern(pattern))
      const column = columnOf(field)
      return isScalar(field) ? `${column} LIKE ${like}` : `arrayExists(value -> value LIKE ${like}, ${column})`
    }
    case 'exists':
      return `notEmpty(${columnOf(term.field)})`
    case 'source':
      return term.parts.map((pattern, at) => sourceCondition(pattern, at, parameters)).join(' AND ')
    case 'cidr': {
      const [from, to] = [term.from, term.to].map((hex) => parameters.bind('IPv6', formatAddress(hex)))
      return term.from === term.to
        ? `has(${columnOf('ip')}, ${from})`
        : `arrayExists(address -> address >= ${from} AND address <= ${to}, ${columnOf('ip')})`
    }
    case 'number': {
      const column = columnOf(term.field)
      const from = parameters.bind('Int64', term.from)
      if (term.from === term.to) return `${column} = ${from}`
      return `${column} >= ${from} AND ${column} <= ${parameters.bind('Int64', term.to)}`
    }
    case 'path':
      return term.test.kind === 'exists'
        ? `${holdsPath(`\n${term.path}\n`, parameters)} OR ${holdsPath(`\n${term.path}.`, parameters)}`
        : valueCondition(term.path, [term.test], parameters)
    case 'after':
      return `${quoted('time')} >= ${timeValue(term.ms, parameters)}`
    case 'before':
      return `${quoted('time')} < ${timeValue(term.ms, parameters)}`
    case 'text':
      return textCondition(term.pattern, parameters)
  }
}

/** A time for ClickHouse, which would wrap one that is out of its range; none of the index is. */
export function timeValue(ms: number, parameters: Parameters): string {
  const within = Math.min(Math.max(Math.ceil(ms), MIN_TIME_MS), MAX_TIME_MS + 1)
  return `fromUnixTimestamp64Milli(${parameters.bind('Int64', within)}, 'UTC')`
}

function columnOf(field: FieldName | 'text' | 'more'): string {
  return quoted(field === 'text' || field === 'more' ? field : fieldOf(field)!.column)
}

/** Of these an event has one value, or the empty text. */
function isScalar(field: TextField): boolean {
  return field === 'outcome' || field === 'ledger'
}

function sourceCondition(pattern: Pattern, at: number, parameters: Parameters): string {
  const part = `splitByChar('/', toString(${columnOf('source')}))[${at + 1}]`
  const like = (asked: Pattern) => `${part} LIKE ${parameters.bind('String', likePattern(asked))}`
  // A part that is not there is the empty text.
  return at === 0 ? `(${like(pattern)} OR ${like(beforeDot(pattern))})` : `(${part} != '' AND ${like(pattern)})`
}

function textCondition(pattern: Pattern, parameters: Parameters): string {
  const words = wordsOf(pattern)
  const text = columnOf('text')
  if (pattern.length === 1 && words[0] === pattern[0])
    return `hasToken(${text}, ${parameters.bind('String', pattern[0]!)})`
  const matches = `match(${text}, ${parameters.bind('String', wordsExpression(pattern))})`
  if (words.length === 0) return matches
  // What the index can tell comes first, and spares most events the look at their text.
  return `hasAllTokens(${text}, ${parameters.bind('Array(String)', words.slice(0, MAX_TOKENS))}) AND ${matches}`
}

/**
 * Which number a path has is found once for all events of the same paths. Then come words, of which the indexes tell;
 * only the text of what is left is taken apart into lines. Where few values stand at the path, those are looked at; else
 * all lines are, each once, since a function of ClickHouse would be handed the whole text anew for every place.
 */
function valueCondition(path: string, tests: readonly ValueTest[], parameters: Parameters): string {
  const conditions = [holdsPath(`\n${path}\n`, parameters), ...wordConditions(path, tests, parameters)]
  const upTo = parameters.bind('String', `(?s)^(.*?\n)${literal(path)}\n`)
  const first = `countSubstrings(extract(${quoted('paths')}, ${upTo}), '\\n') * ${PLACE_LINES}`
  const ofPath = `arrayFilter(place -> place >= ${first} AND place < ${first} + ${PLACE_LINES}, ${quoted('places')})`
  const lines = `splitByChar('\\n', concat(${columnOf('text')}, '\\n', ${columnOf('more')}))`
  const isSo = lineConditions(tests, parameters).join(' OR ')
  const few = `arrayExists(line -> ${isSo}, arrayMap(place -> ${lines}[place - ${first}], ${ofPath}))`
  const fitting = `arrayFilter((number, line) -> ${isSo}, arrayEnumerate(${lines}), ${lines})`
  const many = `hasAny(${quoted('places')}, arrayMap(number -> toUInt32(${first} + number), ${fitting}))`
  conditions.push(`if(length(${ofPath}) <= ${FEW_PLACES}, ${few}, ${many})`)
  return conditions.join(' AND ')
}

function holdsPath(begin: string, parameters: Parameters): string {
  return `position(${quoted('paths')}, ${parameters.bind('String', begin)}) > 0`
}

/** The source's own values are in the text; OCSF's may be behind it. */
function wordConditions(path: string, tests: readonly ValueTest[], parameters: Parameters): string[] {
  const conditions: string[] = []
  for (const test of tests) {
    const words = test.kind === 'pattern' ? wordsOf(test.pattern) : []
    // What has no words may hold whatever words are there.
    if (words.length === 0) return []
    const placeholder = parameters.bind('Array(String)', words.slice(0, MAX_TOKENS))
    conditions.push(`hasAllTokens(${columnOf('text')}, ${placeholder})`)
    if (!path.startsWith('raw.')) conditions.push(`hasAllTokens(${columnOf('more')}, ${placeholder})`)
  }
  return [conditions.length === 1 ? conditions[0]! : `(${conditions.join(' OR ')})`]
}

/** Of which a line has to meet one; what all of a kind ask first is asked once. */
function lineConditions(tests: readonly ValueTest[], parameters: Parameters): string[] {
  const [wholes, addresses, conditions]: [string[], string[], string[]] = [[], [], []]
  const ranges: NumberRange[] = []
  for (const test of tests) {
    if (test.kind === 'cidr') {
      const [from, to] = [test.from, test.to].map((hex) => parameters.bind('IPv6', formatAddress(hex)))
      addresses.push(`toIPv6OrNull(line) >= ${from} AND toIPv6OrNull(line) <= ${to}`)
    } else if (test.kind === 'range') ranges.push(test)
    else if (test.pattern.length === 1) wholes.push(test.pattern[0]!)
    else conditions.push(`line LIKE ${parameters.bind('String', likePattern(test.pattern))}`)
  }
  if (wholes.length === 1) conditions.push(`line = ${parameters.bind('String', wholes[0]!)}`)
  if (wholes.length > 1) conditions.push(`has(${parameters.bind('Array(String)', wholes)}, line)`)
  if (addresses.length > 0) conditions.push(`match(line, '${ADDRESS}') AND ifNull(${addresses.join(' OR ')}, 0)`)
  if (ranges.length > 0) {
    const isNumber = `match(line, ${parameters.bind('String', NUMBER_EXPRESSION)})`
    conditions.push(`${isNumber} AND (${rangeConditions(ranges, parameters).join(' OR ')})`)
  }
  return conditions
}

/** Ranges that hold their bounds alike are a list: ClickHouse would be seconds about hundreds of comparisons. */
function rangeConditions(ranges: readonly NumberRange[], parameters: Parameters): string[] {
  const alike = new Map<string, { readonly from: number[]; readonly to: number[] }>()
  for (const { from, to } of ranges) {
    const signs = `${from?.isIncluded === false ? '>' : '>='} ${to?.isIncluded === false ? '<' : '<='}`
    const bounds = alike.get(signs) ?? { from: [], to: [] }
    // No number of an event is beyond these.
    bounds.from.push(from?.value ?? -Number.MAX_VALUE)
    bounds.to.push(to?.value ?? Number.MAX_VALUE)
    alike.set(signs, bounds)
  }
  const number = 'toFloat64OrZero(line)'
  return [...alike].map(([signs, { from, to }]) => {
    const [more, less] = signs.split(' ')
    const [lower, upper] = [from, to].map((values) => parameters.bind('Array(Float64)', values))
    if (from.length === 1) return `${number} ${more} ${lower}[1] AND ${number} ${less} ${upper}[1]`
    const isWithin = `arrayExists((from, to) -> number ${more} from AND number ${less} to, ${lower}, ${upper})`
    return `arrayExists(number -> ${isWithin}, [${number}])`
  })
}

function likePattern(pattern: Pattern): string {
  return pattern.map((part) => part.replaceAll(/[\\%_]/g, '\\$&')).join('%')
}

/** An RE2 expression for the pattern from the begin of a word to the end of one. */
function wordsExpression(pattern: Pattern): string {
  const pieces = piecesOf(pattern)
  const expressions = pieces.map(({ kind, pattern }) =>
    kind === 'word' && pattern.every((part) => part === '') && pattern.length > 1
      ? `${WORD}+`
      : pattern.map(literal).join(`${WORD}*`),
  )
  const before = pieces[0]!.kind === 'word' ? `(?:^|${NO_WORD})` : ''
  const after = pieces.at(-1)!.kind === 'word' ? `(?:$|${NO_WORD})` : ''
  return before + expressions.join('') + after
}

function literal(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&')
}
