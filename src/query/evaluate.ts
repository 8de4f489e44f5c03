// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The plain meaning of a query: whether a document is found. ClickHouse must find the same, and a hit of the index is
// held against this before anybody sees it.

import { parseAddress } from './address.ts'
import type { SearchDocument } from './document.ts'
import { linesOf, pathNumber, PLACE_LINES } from './event-text.ts'
import type { FieldName } from './fields.ts'
import { matchesWhole, matchesWords } from './match.ts'
import { isWithin, numberOf } from './range.ts'
import type { PathTest, Pattern, Query } from './tree.ts'

/** How many characters asking a document looks at, at most: what is worth bounding is its text, once for each term. */
export function costOf(query: Query, document: SearchDocument): number {
  return textTermCount(query) * document.text.length
}

function textTermCount(query: Query): number {
  if (query.kind === 'and' || query.kind === 'or') {
    return query.of.reduce((count, part) => count + textTermCount(part), 0)
  }
  if (query.kind === 'not') return textTermCount(query.of)
  return query.kind === 'text' || query.kind === 'path' ? 1 : 0
}

/** `ledger` is the name of the one that holds the event. */
export function matches(query: Query, document: SearchDocument, ledger: string): boolean {
  switch (query.kind) {
    case 'all':
      return true
    case 'and':
      return query.of.every((part) => matches(part, document, ledger))
    case 'or':
      return query.of.some((part) => matches(part, document, ledger))
    case 'not':
      return !matches(query.of, document, ledger)
    case 'field':
      return valuesOf(query.field, document, ledger).some((value) => matchesWhole(query.pattern, value))
    case 'exists':
      return valuesOf(query.field, document, ledger).length > 0
    case 'source':
      return matchesSource(query.parts, document.source)
    case 'cidr':
      return document.ip.some((address) => isOfNetwork(address, query))
    case 'path':
      return matchesPath(query.path, query.test, document)
    case 'number': {
      const number = query.field === 'class' ? document.classUid : document.severity
      return number >= query.from && number <= query.to
    }
    case 'after':
      return document.timeMs >= query.ms
    case 'before':
      return document.timeMs < query.ms
    case 'text':
      return matchesWords(query.pattern, document.text)
  }
}

/** A field's values, in the index's spelling. */
export function valuesOf(field: FieldName, document: SearchDocument, ledger: string): readonly string[] {
  if (field === 'ledger') return [ledger]
  if (field === 'source') return [document.source]
  if (field === 'class') return [String(document.classUid)]
  return field === 'severity' ? [String(document.severity)] : document[field]
}

function matchesPath(path: string, test: PathTest, document: SearchDocument): boolean {
  if (test.kind === 'exists') {
    return document.paths.includes(`\n${path}\n`) || document.paths.includes(`\n${path}.`)
  }
  return pathValues(path, document).some((value) => matchesValue(test, value))
}

/** The values at a path, in the event's order. */
export function pathValues(path: string, document: SearchDocument): readonly string[] {
  const number = pathNumber(path, document)
  if (number === 0) return []
  const lines = linesOf(document)
  const ofPath = document.places.filter((place) => Math.floor(place / PLACE_LINES) === number)
  return ofPath.map((place) => lines[(place % PLACE_LINES) - 1] ?? '')
}

function matchesValue(test: Exclude<PathTest, { kind: 'exists' }>, value: string): boolean {
  switch (test.kind) {
    case 'pattern':
      return matchesWhole(test.pattern, value)
    case 'cidr':
      return isOfNetwork(value, test)
    case 'range': {
      const number = numberOf(value)
      return number !== undefined && isWithin(number, test)
    }
  }
}

function isOfNetwork(address: string, { from, to }: { readonly from: string; readonly to: string }): boolean {
  const hex = parseAddress(address)
  return hex !== undefined && hex >= from && hex <= to
}

function matchesSource(patterns: readonly Pattern[], source: string): boolean {
  const parts = source.split('/')
  return patterns.every((pattern, at) => {
    const part = parts[at]
    if (part === undefined) return false
    return matchesWhole(pattern, part) || (at === 0 && matchesWhole(beforeDot(pattern), part))
  })
}

/** The pattern of a type that one of this pattern begins, before a dot. */
export function beforeDot(pattern: Pattern): Pattern {
  return [...pattern.slice(0, -1), `${pattern.at(-1)!}.`, '']
}
