// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a field and its value, or a word, look for.

import { canonicalAddress, parseNetwork } from './address.ts'
import { QueryFault } from './fault.ts'
import {
  everyEventHas,
  type FieldName,
  fieldOf,
  fields,
  keywords,
  MAX_SEVERITY,
  type NumberField,
  severities,
} from './fields.ts'
import { classes } from './classes.ts'
import { fold, foldWithin, MAX_VALUE_CHARS } from './fold.ts'
import { piecesOf } from './match.ts'
import { nearest } from './nearest.ts'
import { pathTest, timeTerm } from './path-term.ts'
import { existingPathOf, isWithinOcsf, kindOf, nearestPath, pathInQuotes, pathOf } from './paths.ts'
import { type Comparison, comparisonOf, isWithin } from './range.ts'
import { parseTime, TIME_FORMS } from './time.ts'
import { type Parenthesis, quoted, refuseMembers, type Value } from './tokens.ts'
import { isAny, type Pattern, type Query } from './tree.ts'

/** Each costs a value's length once more in ClickHouse's matcher. */
const MAX_WILDCARDS = 16
/** Words and what is between them, where some have wildcards: each is tried at each word of the text. */
const MAX_PIECES = 16

/** Throws QueryFault. */
export function termOf(text: string, token: Value, nowMs: number): Query {
  const name = token.field?.toLowerCase()
  if (name === undefined) return textTerm(patternOf(token), token)
  const field = fieldOf(name)
  if (field === undefined) return namedTerm(text, name, token, nowMs)
  const pattern = patternOf(token)
  switch (field.kind) {
    case 'text':
      if (isAny(pattern)) return existsTerm(field.name, token)
      return { kind: 'field', field: field.name, pattern }
    case 'ip':
      return isAny(pattern) ? { kind: 'exists', field: 'ip' } : networkTerm(pattern, token)
    case 'source':
      return { kind: 'source', parts: sourceParts(pattern, token) }
    case 'number':
      return numberTerm(field.name, pattern, token)
  }
}

/** Folded, without the ends' blanks. */
function patternOf(token: Value): Pattern {
  const last = token.parts.length - 1
  const folded = token.parts.map((part, at) => {
    const even = foldWithin(part)
    const begun = at === 0 ? even.trimStart() : even
    return at === last ? begun.trimEnd() : begun
  })
  // Two wildcards next to each other are one.
  const pattern = folded.filter((part, at) => part !== '' || at === 0 || at === last)
  if (last === 0 && pattern[0] === '') throw fault(token, 'there is nothing in the quotes')
  if (pattern.length - 1 > MAX_WILDCARDS) throw fault(token, `a value has at most ${MAX_WILDCARDS} wildcards`)
  if (pattern.reduce((chars, part) => chars + part.length, 0) > MAX_VALUE_CHARS) {
    throw fault(token, `a value has at most ${MAX_VALUE_CHARS} characters`)
  }
  return pattern
}

function textTerm(pattern: Pattern, token: Value): Query {
  if (isAny(pattern)) return { kind: 'all' }
  if (pattern.length > 1 && piecesOf(pattern).length > MAX_PIECES) {
    throw fault(token, `a phrase with wildcards has at most ${MAX_PIECES / 2} words`)
  }
  return { kind: 'text', pattern }
}

function namedTerm(text: string, name: string, token: Value, nowMs: number): Query {
  switch (name) {
    case 'after':
    case 'before': {
      const ms = parseTime(token.parts.join('*'), nowMs)
      if (ms !== undefined) return { kind: name, ms }
      throw fault(token, `a time is written ${TIME_FORMS}`)
    }
    case 'time':
      if (isAny(patternOf(token))) throw alwaysThere('time', token)
      return timeTerm(token, nowMs)
    case 'exists':
      return existing(token)
    default: {
      const path = pathOf(token.field ?? name)
      if (path === undefined) throw unknownField(text, { ...token, field: token.field ?? name })
      return { kind: 'path', path, test: pathTest(patternOf(token), token) }
    }
  }
}

function existing(token: Value): Query {
  const asked = token.parts.join('*')
  const field = fieldOf(asked.toLowerCase())
  if (field !== undefined) return existsTerm(field.name, token)
  if (asked.toLowerCase() === 'time') throw alwaysThere('time', token)
  if (!token.isQuoted) refuseMembers(asked, token.valueStart)
  const path = token.isQuoted ? pathInQuotes(asked) : existingPathOf(asked)
  if (path !== undefined) return { kind: 'path', path, test: { kind: 'exists' } }
  const message = isExplained(asked) ? unknownMessage(asked) : 'there is no such field'
  throw new QueryFault(message, token.valueStart, token.end, nearestField(asked))
}

function existsTerm(field: FieldName, token: Value): Query {
  if (everyEventHas(field)) throw alwaysThere(field, token)
  return { kind: 'exists', field }
}

function alwaysThere(field: string, token: Value): QueryFault {
  return new QueryFault(`every event has a ${field}`, token.start, token.end, '*')
}

function networkTerm(pattern: Pattern, token: Value): Query {
  const network = pattern.length === 1 ? parseNetwork(pattern[0]!) : undefined
  if (network !== undefined) return { kind: 'cidr', ...network }
  const message = 'an address is written 10.1.2.3 or 2001:db8::1, a network 10.0.0.0/8 or 2001:db8::/32'
  const bytes = /^((?:[0-9]{1,3}\.){1,3})(?:\*\.)*\*$/.exec(pattern.join('*'))?.[1]?.split('.').slice(0, -1)
  const prefix = bytes && `${[...bytes, '0', '0', '0'].slice(0, 4).join('.')}/${bytes.length * 8}`
  throw fault(token, message, prefix !== undefined && parseNetwork(prefix) !== undefined ? prefix : undefined)
}

function sourceParts(pattern: Pattern, token: Value): readonly Pattern[] {
  const parts = [['']]
  pattern.forEach((literal, at) => {
    if (at > 0) parts.at(-1)!.push('')
    const [first = '', ...rest] = literal.split('/')
    const part = parts.at(-1)!
    part[part.length - 1] = first
    for (const begun of rest) parts.push([begun])
  })
  if (parts.length > 3 || parts.some((part) => part.length === 1 && part[0] === '')) {
    throw fault(token, 'a source is written type, type/instance or type/instance/stream')
  }
  return parts
}

function numberTerm(field: NumberField, pattern: Pattern, token: Value): Query {
  const text = pattern.join('*')
  const comparison = comparisonOf(text)
  if (comparison === undefined) {
    const number = idOf(field, text, token)
    return { kind: 'number', field, from: number, to: number }
  }
  if (field === 'class') {
    throw fault(token, 'classes are in no order', classesWithin(comparison, token))
  }
  if (comparison.kind === '..') {
    const { from, to } = comparison
    return severityRange(
      from === '' ? 0 : idOf(field, from, token),
      to === '' ? MAX_SEVERITY : idOf(field, to, token),
      token,
    )
  }
  const { kind, value } = comparison
  const number = idOf(field, value, token)
  if (kind.startsWith('>')) return severityRange(kind === '>' ? number + 1 : number, MAX_SEVERITY, token)
  return severityRange(0, kind === '<' ? number - 1 : number, token)
}

function severityRange(from: number, to: number, token: Value): Query {
  if (from > to || to > MAX_SEVERITY) throw fault(token, `no severity is that: they go from 0 to ${MAX_SEVERITY}`)
  return { kind: 'number', field: 'severity', from, to }
}

/** The number of a class or a severity, by its name or itself. */
function idOf(field: NumberField, value: string, token: Value): number {
  const known = field === 'class' ? classes : severities
  const key = value.replaceAll(/[^a-z0-9]/g, '')
  const digits = field === 'class' ? /^[0-9]{1,9}$/ : /^(?:[0-9]|[1-9][0-9])$/
  const number = digits.test(value) ? Number(value) : known.get(key)
  if (number === undefined)
    throw fault(token, `there is no ${field} of that name${namesOf(field)}`, nearest(key, known.keys()))
  if (![...known.values()].includes(number)) throw fault(token, `there is no ${field} ${number}: ${numbersOf(field)}`)
  return number
}

/** The classes of which a range would be: a list of them. */
function classesWithin(comparison: Comparison, token: Value): string | undefined {
  const [from, to] = endsOf(comparison).map((text) => (text === '' ? undefined : idOf('class', text, token)))
  const isIncluded = comparison.kind === '..' || comparison.kind.endsWith('=')
  const range = {
    ...(from === undefined ? {} : { from: { value: from, isIncluded } }),
    ...(to === undefined ? {} : { to: { value: to, isIncluded } }),
  }
  const within = [...new Set(classes.values())]
    .filter((number) => isWithin(number, range))
    .toSorted((one, other) => one - other)
  if (within.length < 2) return within[0]?.toString()
  return `(${within.join(' OR ')})`
}

function endsOf(comparison: Comparison): readonly string[] {
  if (comparison.kind === '..') return [comparison.from, comparison.to]
  return comparison.kind.startsWith('>') ? [comparison.value, ''] : ['', comparison.value]
}

function namesOf(field: NumberField): string {
  return field === 'severity' ? `: they are ${[...severities.keys()].join(', ')}` : ''
}

function numbersOf(field: NumberField): string {
  if (field === 'severity') return `they go from 0 to ${MAX_SEVERITY}, and 99 is other`
  return `events have ${[...classes.values()].join(', ')}`
}

/** The fault that a field is not known, for a field's value or `field:(`, which has no value. */
export function unknownField(
  text: string,
  { field, start, end, kind }: { field: string; start: number; end: number; kind: (Value | Parenthesis)['kind'] },
): QueryFault {
  const message = unknownMessage(field)
  const meant = nearestField(field)
  const nameEnd = start + field.length
  if (kind !== 'value') return new QueryFault(message, start, nameEnd, meant)
  const whole = text.slice(start, end)
  const address = [whole, text.slice(nameEnd + ':'.length, end)].find((one) => canonicalAddress(one) !== undefined)
  const instead = address === undefined ? quoted(whole) : `ip:${address}`
  const asText = new QueryFault(`${message}; text with a colon stands in quotes`, start, end, instead)
  // An address of the web, whatever its scheme is near to.
  const isUrl = text.startsWith('://', nameEnd)
  return meant === undefined || isUrl ? asText : new QueryFault(message, start, nameEnd, meant, asText)
}

/** Whether there is more to say of it than that it is not there. */
function isExplained(name: string): boolean {
  return kindOf(fold(name)) === 'json' || isUnfilled(fold(name))
}

/** Whether OCSF may have it, while none that is near is ever filled. */
function isUnfilled(path: string): boolean {
  return isWithinOcsf(path) && nearestPath(path) === undefined
}

function unknownMessage(field: string): string {
  if (/^raw(?:\.|$)/i.test(field)) {
    return `there is no field ${field}: a path of the source’s own is written raw.name.name, a name with other signs in quotes`
  }
  const path = fold(field)
  const kind = field.includes('.') || kindOf(path) === 'json' ? kindOf(path) : undefined
  if (kind === 'json') return `${field} is of the source’s own making: look for it by its own path, as raw.name`
  if (kind === undefined && isUnfilled(path)) {
    return `${field} is no attribute that events are read into: of OCSF's there are those alone that Stele fills`
  }
  return kind === undefined ? `there is no field ${field}` : `${field} has no value of its own, its attributes have`
}

function nearestField(asked: string): string | undefined {
  const known = [...fields, ...keywords]
  const byOther = new Map<string, string>(known.flatMap(({ name, also }) => also.map((other) => [other, name])))
  const other = byOther.get(asked.toLowerCase())
  if (other !== undefined) return other
  if (/^raw(?:\.|$)/i.test(asked)) return undefined
  if (kindOf(fold(asked)) === 'json') return undefined
  // What is no path of OCSF may be one of the source's own.
  if (asked.includes('.'))
    return nearestPath(asked) ?? (pathOf(`raw.${asked}`) === undefined ? undefined : `raw.${asked}`)
  const exact = nearest(
    asked,
    known.map(({ name }) => name),
  )
  if (exact !== undefined) return exact
  // Of shorter words everything would be near.
  const near = nearest(
    asked,
    [...byOther.keys()].filter((name) => name.length >= 4),
  )
  if (near !== undefined) return byOther.get(near)
  return asked.length < 4 ? undefined : nearestPath(asked)
}

function fault(token: Value, message: string, suggestion?: string): QueryFault {
  return new QueryFault(message, token.valueStart, token.end, suggestion)
}
