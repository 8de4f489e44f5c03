// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a field and its value, or a word, look for.

import { canonicalAddress, parseNetwork } from './address.ts'
import { QueryFault } from './fault.ts'
import { type FieldName, fieldOf, fields, keywords, MAX_SEVERITY, type NumberField, severities } from './fields.ts'
import { classes } from './classes.ts'
import { foldWithin, MAX_VALUE_CHARS } from './fold.ts'
import { piecesOf } from './match.ts'
import { nearest } from './nearest.ts'
import { parseTime, TIME_FORMS } from './time.ts'
import { type Parenthesis, quoted, type Value } from './tokens.ts'
import { isAny, type Pattern, type Query } from './tree.ts'

/** Each costs a value's length once more in ClickHouse's matcher. */
const MAX_WILDCARDS = 16
/** Words and what is between them, where some have wildcards: each is tried at each word of the text. */
const MAX_PIECES = 16

/** A field, or a keyword that is written like one, in any case. */
export function isField(name: string): boolean {
  const folded = name.toLowerCase()
  return fieldOf(folded) !== undefined || keywords.some((keyword) => keyword.name === folded)
}

/** Throws QueryFault. */
export function termOf(text: string, token: Value, nowMs: number): Query {
  const name = token.field?.toLowerCase()
  if (name === undefined) return textTerm(patternOf(token), token)
  const field = fieldOf(name)
  if (field === undefined) return keywordTerm(text, name, token, nowMs)
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

function keywordTerm(text: string, name: string, token: Value, nowMs: number): Query {
  switch (name) {
    case 'after':
    case 'before': {
      const ms = parseTime(token.parts.join('*'), nowMs)
      if (ms !== undefined) return { kind: name, ms }
      throw fault(token, `a time is written ${TIME_FORMS}`)
    }
    case 'exists': {
      const asked = token.parts.join('*').toLowerCase()
      const field = fieldOf(asked)
      if (field !== undefined) return existsTerm(field.name, token)
      throw new QueryFault('there is no such field', token.valueStart, token.end, nearestField(asked))
    }
    default:
      throw unknownField(text, { ...token, field: token.field ?? name })
  }
}

function existsTerm(field: FieldName, token: Value): Query {
  if (field === 'source' || field === 'class' || field === 'severity' || field === 'ledger') {
    throw new QueryFault(`every event has a ${field}`, token.start, token.end, '*')
  }
  return { kind: 'exists', field }
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
  const [, comparison, value = ''] = /^([<>]=?)?(.*)$/.exec(pattern.join('*'))!
  const known = field === 'class' ? classes : severities
  const key = value.replaceAll(/[^a-z0-9]/g, '')
  const digits = field === 'class' ? /^[0-9]{1,9}$/ : /^(?:[0-9]|[1-9][0-9])$/
  const number = digits.test(value) ? Number(value) : known.get(key)
  if (number === undefined) throw fault(token, `there is no ${field} of that name`, nearest(key, known.keys()))
  if (comparison !== undefined && field === 'class') throw fault(token, 'classes are in no order', value)
  if (![...known.values()].includes(number)) throw fault(token, `there is no ${field} ${number}: ${numbersOf(field)}`)
  if (comparison === undefined) return { kind: 'number', field, from: number, to: number }
  const from = comparison === '>' ? number + 1 : comparison === '>=' ? number : 0
  const to = comparison === '<' ? number - 1 : comparison === '<=' ? number : MAX_SEVERITY
  if (from > to || to > MAX_SEVERITY) throw fault(token, `no severity is that: they go from 0 to ${MAX_SEVERITY}`)
  return { kind: 'number', field, from, to }
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
  const message = `there is no field ${field}`
  const meant = nearestField(field)
  const nameEnd = start + field.length
  if (kind !== 'value') return new QueryFault(message, start, nameEnd, meant)
  const whole = text.slice(start, end)
  const address = [whole, text.slice(nameEnd + ':'.length, end)].find((one) => canonicalAddress(one) !== undefined)
  const instead = address === undefined ? quoted(whole) : `ip:${address}`
  const asText = new QueryFault(`${message}; text with a colon stands in quotes`, start, end, instead)
  return meant === undefined ? asText : new QueryFault(message, start, nameEnd, meant, asText)
}

function nearestField(asked: string): string | undefined {
  const known = [...fields, ...keywords]
  const byOther = new Map<string, string>(known.flatMap(({ name, also }) => also.map((other) => [other, name])))
  const byPath = fields.find(({ paths }) => paths.some(({ path }) => path.replaceAll('[]', '') === asked))
  const exact =
    byOther.get(asked.toLowerCase()) ??
    byPath?.name ??
    nearest(
      asked,
      known.map(({ name }) => name),
    )
  if (exact !== undefined) return exact
  // Of shorter words everything would be near.
  const other = nearest(
    asked,
    [...byOther.keys()].filter((name) => name.length >= 4),
  )
  return other === undefined ? undefined : byOther.get(other)
}

function fault(token: Value, message: string, suggestion?: string): QueryFault {
  return new QueryFault(message, token.valueStart, token.end, suggestion)
}
