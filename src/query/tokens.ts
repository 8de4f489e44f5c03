// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Cuts a query into tokens, each with its place in the text. Every unit is looked at a fixed number of times.

import { QueryFault } from './fault.ts'
import { isField, isShort } from './paths.ts'

interface Placed {
  readonly start: number
  readonly end: number
}

export interface Operator extends Placed {
  readonly kind: 'and' | 'or' | 'not' | 'minus'
}

export interface Parenthesis extends Placed {
  readonly kind: 'open' | 'close'
  /** Of `field:(`. */
  readonly field?: string
}

/** A word, a phrase or a field with its value. */
export interface Value extends Placed {
  readonly kind: 'value'
  /** What stands before the first colon, where that could be a field. */
  readonly field?: string
  /** Where the value begins, behind the colon. */
  readonly valueStart: number
  readonly isQuoted: boolean
  /** As written, a wildcard between each two of them. */
  readonly parts: readonly string[]
}

export type Token = Operator | Parenthesis | Value

const BLANK = /\s+/y
/** A name, or a path of the source's own, in which names may stand in quotes. */
const FIELD = /(?:raw(?:\.(?:"(?:[^"\\]|\\.)*"|[^\s:()".]+))+|[A-Za-z_][A-Za-z0-9_.]*):/iy
const BARE = /[^\s()"]+/y
/** How other languages hold a field against a value. */
const COMPARED = /([A-Za-z_][A-Za-z0-9_.]*)(!=|==?|[<>]=?)/y
/** How other languages name members of an array. */
const INDEXED = /([A-Za-z_][^\s:()"[\]]*\[(?:[0-9]+|\*)?\][^\s:()"]*):/y
const SPACED_VALUE = /\s+([^\s()"]+)/y
const operators: ReadonlyMap<string, Operator['kind']> = new Map([
  ['AND', 'and'],
  ['OR', 'or'],
  ['NOT', 'not'],
])
/** What editors and chats make of a quotation mark or a minus, and what other languages have for an operator. */
const lookalikes: ReadonlyMap<string, string> = new Map([
  ...['“', '”', '„', '«', '»', '＂'].map((mark) => [mark, '"'] as const),
  ...['–', '—', '−', '－'].map((mark) => [mark, '-'] as const),
])
const LOOKALIKE_PHRASE = /[“”„«»＂]([^“”„«»＂"]*)[“”„«»＂]/y
const foreignOperators: ReadonlyMap<string, string> = new Map([
  ['&&', 'AND'],
  ['&', 'AND'],
  ['||', 'OR'],
  ['|', 'OR'],
])

export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  for (let token = tokenFrom(text, 0); token !== undefined; token = tokenFrom(text, token.end)) tokens.push(token)
  return tokens
}

/** The next token from there on; undefined where there is none. Throws QueryFault. */
export function tokenFrom(text: string, position: number): Token | undefined {
  const start = skipBlanks(text, position)
  return start < text.length ? tokenAt(text, start) : undefined
}

function skipBlanks(text: string, position: number): number {
  return position + (matchAt(BLANK, text, position)?.[0].length ?? 0)
}

function tokenAt(text: string, start: number): Token {
  const first = text[start]!
  if (first === '(') return { kind: 'open', start, end: start + 1 }
  if (first === ')') return { kind: 'close', start, end: start + 1 }
  if (first === '-') {
    if (/[^\s)]/.test(text[start + 1] ?? ' ')) return { kind: 'minus', start, end: start + 1 }
    throw new QueryFault('nothing follows the minus; the sign itself is written in quotes', start, start + 1, '"-"')
  }
  refuseLookalike(text, start)
  refuseForeign(text, start)
  const prefix = matchAt(FIELD, text, start)?.[0]
  if (prefix === undefined) return valueAt(text, start, start)
  const valueStart = start + prefix.length
  const field = prefix.slice(0, -1)
  if (text[valueStart] === '(') return { kind: 'open', field, start, end: valueStart + 1 }
  refuseEmpty(text, start, valueStart)
  refuseLookalike(text, valueStart)
  return valueAt(text, start, valueStart, field)
}

function valueAt(text: string, start: number, valueStart: number, field?: string): Token {
  const placed = { kind: 'value' as const, start, valueStart, ...(field === undefined ? {} : { field }) }
  if (text[valueStart] === '"') {
    const { parts, end } = quotedAt(text, valueStart)
    if (/[^\s()]/.test(text[end] ?? ' ')) {
      throw new QueryFault(
        'a space is missing behind the closing quote; a quote within a value is written \\"',
        end,
        end + 1,
      )
    }
    return { ...placed, end, isQuoted: true, parts }
  }
  const word = matchAt(BARE, text, valueStart)![0]
  const end = valueStart + word.length
  if (text[end] === '(' || text[end] === '"') {
    const whole = /^\S*/.exec(text.slice(valueStart))![0]
    const message = `${text[end] === '(' ? 'a parenthesis' : 'a quote'} that belongs to a value stands in quotes with it`
    throw new QueryFault(message, valueStart, valueStart + whole.length, quoted(whole))
  }
  if (field === undefined) {
    const operator = operators.get(word)
    if (operator !== undefined) return { kind: operator, start, end }
    const meant = foreignOperators.get(word)
    if (meant !== undefined) throw new QueryFault(`${word} is written ${meant}`, start, end, meant)
  }
  return { ...placed, end, isQuoted: false, parts: word.split('*') }
}

/** From the opening quote at `start`. A backslash stands before a quote, a star or itself; else it is just one. */
function quotedAt(text: string, start: number): { parts: string[]; end: number } {
  const parts = ['']
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]!
    if (char === '"') return { parts, end: at + 1 }
    const next = text[at + 1]
    if (char === '*') parts.push('')
    else if (char === '\\' && (next === '"' || next === '*' || next === '\\')) {
      parts[parts.length - 1] += next
      at++
    } else parts[parts.length - 1] += char
  }
  const closed = `${text.slice(start).trimEnd()}${/(?:^|[^\\])(?:\\\\)*\\$/.test(text.slice(start)) ? '\\' : ''}"`
  throw new QueryFault('the quote is never closed', start, text.length, closed)
}

/** The text as a phrase that means just itself, or with its wildcards. */
export function quoted(text: string, wildcards: 'literal' | 'kept' = 'kept'): string {
  return `"${text.replaceAll(wildcards === 'kept' ? /["\\]/g : /["\\*]/g, '\\$&')}"`
}

function refuseEmpty(text: string, start: number, valueStart: number): void {
  if (/[^\s)]/.test(text[valueStart] ?? ' ')) return
  const spaced = matchAt(SPACED_VALUE, text, valueStart)
  const prefix = text.slice(start, valueStart)
  if (spaced === undefined || operators.has(spaced[1]!)) {
    throw new QueryFault(`no value follows ${prefix}`, start, valueStart)
  }
  const end = valueStart + spaced[0].length
  throw new QueryFault(`no value follows ${prefix} directly, without a space`, start, end, `${prefix}${spaced[1]!}`)
}

function refuseLookalike(text: string, position: number): void {
  const char = text[position]!
  const meant = lookalikes.get(char)
  if (meant === undefined) return
  const message = `this is not the ${meant === '"' ? 'quote' : 'minus'} of the keyboard; where it is meant, it stands in quotes`
  const phrase = meant === '"' ? matchAt(LOOKALIKE_PHRASE, text, position) : undefined
  if (phrase === undefined) throw new QueryFault(message, position, position + 1, meant)
  throw new QueryFault(message, position, position + phrase[0].length, quoted(phrase[1]!))
}

/** `raw.members[0].id`: all members of an array are looked at. Throws QueryFault. */
export function refuseMembers(name: string, start: number): void {
  const whole = name.replaceAll(/\[(?:[0-9]+|\*)?\]/g, '')
  if (whole === name || !isField(whole)) return
  const message = 'members of an array have no number: one of them is enough; a name with brackets stands in quotes'
  throw new QueryFault(message, start, start + name.length, whole)
}

/** `!alice`, `actor=alice` and `severity>=high`, which would be looked for as text. */
function refuseForeign(text: string, position: number): void {
  if (text[position] === '!' && /[\w("*]/.test(text[position + 1] ?? '')) {
    throw new QueryFault('! is written NOT or -; the sign itself stands in quotes', position, position + 1, '-')
  }
  const indexed = matchAt(INDEXED, text, position)?.[1]
  if (indexed !== undefined) refuseMembers(indexed, position)
  const [written, name = '', sign = ''] = matchAt(COMPARED, text, position) ?? ['']
  if (!isShort(name) && !(name.includes('.') && isField(name))) return
  const meant = `${sign === '!=' ? '-' : ''}${name}:${/[<>]/.test(sign) ? sign : ''}`
  const message = `${written} is written ${meant}; text with such a sign stands in quotes`
  throw new QueryFault(message, position, position + written.length, meant)
}

function matchAt(sticky: RegExp, text: string, position: number): RegExpExecArray | undefined {
  sticky.lastIndex = position
  return sticky.exec(text) ?? undefined
}
