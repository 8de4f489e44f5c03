// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What may be written next in a query: names of fields and paths, operators, and the values of which all are known. For
// other values it says of which field they are wanted: the most frequent ones are asked of the index. Never throws.

import { ocsfClasses } from '../schema/ocsf.ts'
import { QueryFault } from './fault.ts'
import { everyEventHas, fieldOf, fields, keywords, severities } from './fields.ts'
import { piecesOf } from './highlight.ts'
import { MAX_QUERY_CHARS } from './parse.ts'
import { MAX_PATH_CHARS } from './path-names.ts'
import { formatPath, ocsfPaths, pathOf } from './paths.ts'
import { quoted, type Token, type Value } from './tokens.ts'

const MAX_SUGGESTIONS = 20

interface Suggestion {
  readonly kind: 'field' | 'path' | 'operator' | 'value'
  /** What is to stand in place of what is written. */
  readonly text: string
  readonly title?: string
}

export interface Completion {
  /** What is replaced: UTF-16 units of the text from `start`, counted from 0, to before `end`. */
  readonly start: number
  readonly end: number
  readonly suggestions: readonly Suggestion[]
  /** The field or path whose values are wanted and are not known here, and what has been written of one. */
  readonly wanted?: { readonly field: string; readonly begin: string }
}

/** For the cursor behind so many units of the text. `knownPaths` are those of the ledger's own events, the most frequent first. */
export function complete(text: string, cursor: number, knownPaths: readonly string[]): Completion {
  const at = Math.max(0, Math.min(Math.trunc(cursor) || 0, text.length))
  const written = text.slice(0, at)
  const nothing = { start: at, end: at, suggestions: [] }
  if (text.length > MAX_QUERY_CHARS) return nothing
  const { field, begin, start, isOperand } = placeOf(written)
  if (field !== undefined) return valuesFor(field, begin, start, at, knownPaths)
  const names = nameSuggestions(begin, knownPaths)
  const operators = isOperand && (begin === '' || /^[A-Z]+$/.test(begin)) ? operatorSuggestions(begin) : []
  return { start, end: at, suggestions: [...operators, ...names].slice(0, MAX_SUGGESTIONS) }
}

interface Place {
  /** Whose value is being written: empty for a text, of which nothing is known, undefined where a name may stand. */
  readonly field: string | undefined
  readonly begin: string
  readonly start: number
  /** Whether an operator could stand here. */
  readonly isOperand: boolean
}

/** What is being written at the end of the text. */
function placeOf(text: string): Place {
  const lists: (string | undefined)[] = []
  let last: Piece
  let before: Piece
  for (const piece of piecesOf(text)) {
    before = last
    last = piece
    if (piece instanceof QueryFault) continue
    if (piece.kind === 'open') lists.push(piece.field ?? lists.at(-1))
    else if (piece.kind === 'close') lists.pop()
  }
  const around = lists.at(-1)
  const isEnd = last !== undefined && endOf(last) >= text.length
  if (isEnd && last instanceof QueryFault) return unfinished(text, last.column - 1, around)
  if (isEnd && isValue(last)) {
    const field = last.field ?? around
    return { field, begin: text.slice(last.valueStart), start: last.valueStart, isOperand: isValue(before) }
  }
  const isOperand = isValue(last) || (!(last instanceof QueryFault) && last?.kind === 'close')
  return { field: isOperand ? undefined : around, begin: '', start: text.length, isOperand }
}

type Piece = Token | QueryFault | undefined

function isValue(piece: Piece): piece is Value {
  return piece !== undefined && !(piece instanceof QueryFault) && piece.kind === 'value'
}

/** A field that has no value yet, or a quote that is still open. */
function unfinished(text: string, start: number, around: string | undefined): Place {
  const open = text.slice(start)
  if (open.startsWith('"')) {
    const name = /(?:^|[\s(-])(raw\.[^:]*|[^\s()":]+):$/i.exec(
      text.slice(Math.max(0, start - MAX_PATH_CHARS), start),
    )?.[1]
    return { field: name ?? around ?? '', begin: open, start, isOperand: false }
  }
  const name = /^(raw\.[^:]*|[^\s()":]+):$/i.exec(open)?.[1]
  return { field: name ?? '', begin: '', start: text.length, isOperand: false }
}

function endOf(piece: NonNullable<Piece>): number {
  return piece instanceof QueryFault ? piece.column - 1 + piece.length : piece.end
}

function operatorSuggestions(begin: string): Suggestion[] {
  return ['AND', 'OR', 'NOT']
    .filter((operator) => operator.startsWith(begin))
    .map((text) => ({ kind: 'operator', text }))
}

function nameSuggestions(begin: string, knownPaths: readonly string[]): Suggestion[] {
  const asked = begin.toLowerCase()
  const short = [...fields, ...keywords].filter(
    ({ name, also }) => name.startsWith(asked) || (asked.length >= 3 && also.some((other) => other.startsWith(asked))),
  )
  const named = short.map(({ name, title }): Suggestion => ({ kind: 'field', text: `${name}:`, title }))
  if (asked === '') return named
  return [...named, ...pathSuggestions(asked, knownPaths).map((one) => ({ ...one, text: `${one.text}:` }))]
}

/** Those of the ledger come first, then those of OCSF. */
function pathSuggestions(asked: string, knownPaths: readonly string[]): Suggestion[] {
  const found = new Set<string>()
  for (const path of [...knownPaths, ...ocsfPaths().keys()]) {
    if (found.size >= MAX_SUGGESTIONS) break
    if (path.startsWith(asked) || (asked.length >= 3 && path.includes(asked))) found.add(formatPath(path))
  }
  return [...found].map((text) => ({ kind: 'path', text }))
}

function valuesFor(name: string, begin: string, start: number, end: number, knownPaths: readonly string[]): Completion {
  const folded = name.toLowerCase()
  const [, sign = '', rest = ''] = /^([<>]=?|"?)(.*)$/s.exec(begin) ?? []
  const asked = rest.toLowerCase()
  if (folded === 'exists') {
    const short = fields
      .filter((field) => field.name.startsWith(asked) && !everyEventHas(field.name))
      .map(({ name, title }): Suggestion => ({ kind: 'field', text: name, title }))
    return { start, end, suggestions: [...short, ...pathSuggestions(asked, knownPaths)].slice(0, MAX_SUGGESTIONS) }
  }
  const known = knownValues(folded)
  if (known !== undefined) {
    const suggestions = known
      .filter((value) => value.startsWith(asked))
      .map((value): Suggestion => ({
        kind: 'value',
        text: `${sign === '"' ? '' : sign}${/\s/.test(value) ? quoted(value) : value}`,
      }))
    return { start, end, suggestions: suggestions.slice(0, MAX_SUGGESTIONS) }
  }
  const field = fieldOf(folded)?.name ?? pathOf(name)
  return { start, end, suggestions: [], ...(field === undefined ? {} : { wanted: { field, begin: asked } }) }
}

/** Undefined where strangers make the values. */
function knownValues(name: string): readonly string[] | undefined {
  switch (name) {
    case 'outcome':
      return ['success', 'failure', 'unknown']
    case 'class':
      return Object.values(ocsfClasses).map(({ caption }) => caption.toLowerCase())
    case 'severity':
      return [...severities.keys()]
    case 'time':
    case 'after':
    case 'before':
      return ['today', 'yesterday', 'now', '-1h', '-24h', '-7d', '-30d']
    default:
      return undefined
  }
}
