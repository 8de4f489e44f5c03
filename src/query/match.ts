// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Matching in linear time, whatever is looked for in whatever: patterns and values are both chosen by strangers.

import { isWordUnit } from './fold.ts'
import type { Pattern } from './tree.ts'

/** What is left to `indexOf`, whose worst case is the length of the needle times that of the text. */
const SHORT_CHARS = 8
const MAX_PRODUCT = 8_000_000

/** Whether the whole of `value` is of the pattern, a wildcard standing for any characters. */
export function matchesWhole(pattern: Pattern, value: string): boolean {
  const first = pattern[0]!
  if (pattern.length === 1) return value === first
  const last = pattern.at(-1)!
  if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false
  const end = value.length - last.length
  let position = first.length
  for (let at = 1; at < pattern.length - 1; at++) {
    const part = pattern[at]!
    const found = indexOf(value, part, position)
    if (found === -1 || found + part.length > end) return false
    position = found + part.length
  }
  return true
}

/** Whether the text holds the pattern from the begin of a word to the end of one. */
export function matchesWords(pattern: Pattern, text: string): boolean {
  return pattern.length === 1 ? holdsLiteral(pattern[0]!, text) : holdsPieces(piecesOf(pattern), text)
}

/** A word, in whole or with wildcards, or the literal between two words. */
export interface Piece {
  readonly kind: 'word' | 'between'
  readonly pattern: Pattern
}

/** The words of a pattern of free text and what stands between them: no wildcard reaches beyond its word. */
export function piecesOf(pattern: Pattern): readonly Piece[] {
  const pieces: { kind: Piece['kind']; pattern: string[] }[] = []
  pattern.forEach((part, at) => {
    if (at > 0) {
      const last = pieces.at(-1)
      if (last?.kind === 'word') last.pattern.push('')
      else pieces.push({ kind: 'word', pattern: ['', ''] })
    }
    for (const [run] of part.matchAll(/[a-z0-9\u0080-\uffff]+|[^a-z0-9\u0080-\uffff]+/g)) {
      const kind = isWordUnit(run.charCodeAt(0)) ? 'word' : 'between'
      const last = pieces.at(-1)
      if (last?.kind === 'word' && kind === 'word') last.pattern[last.pattern.length - 1] = run
      else pieces.push({ kind, pattern: [run] })
    }
  })
  return pieces
}

/** The words of a pattern that are without wildcards. */
export function wordsOf(pattern: Pattern): readonly string[] {
  const words = piecesOf(pattern).flatMap(({ kind, pattern }) =>
    kind === 'word' && pattern.length === 1 ? pattern : [],
  )
  return [...new Set(words)]
}

function holdsLiteral(literal: string, text: string): boolean {
  const fromWord = isWordUnit(literal.charCodeAt(0))
  const toWord = isWordUnit(literal.charCodeAt(literal.length - 1))
  return someIndexOf(text, literal, (start) => {
    const end = start + literal.length
    return (
      !(fromWord && start > 0 && isWordUnit(text.charCodeAt(start - 1))) &&
      !(toWord && end < text.length && isWordUnit(text.charCodeAt(end)))
    )
  })
}

/** Tries at the begin of each word: there are few pieces, so a word is looked at a few times at most. */
function holdsPieces(pieces: readonly Piece[], text: string): boolean {
  const lead = pieces[0]!.kind === 'between' ? pieces[0]!.pattern[0]! : ''
  const rest = lead === '' ? pieces : pieces.slice(1)
  let position = 0
  while (position < text.length) {
    if (!isWordUnit(text.charCodeAt(position))) {
      position++
      continue
    }
    if (text.startsWith(lead, position - lead.length) && position >= lead.length && holdsAt(rest, text, position)) {
      return true
    }
    position = wordEnd(text, position)
  }
  return false
}

function holdsAt(pieces: readonly Piece[], text: string, start: number): boolean {
  let position = start
  for (const { kind, pattern } of pieces) {
    const first = pattern[0]!
    if (!text.startsWith(first, position)) return false
    if (pattern.length === 1) {
      position += first.length
      if (kind === 'word' && isWordUnit(text.charCodeAt(position))) return false
    } else {
      const end = wordEnd(text, position)
      if (end === position || !matchesWhole(pattern, text.slice(position, end))) return false
      position = end
    }
  }
  return true
}

function wordEnd(text: string, start: number): number {
  let end = start
  while (end < text.length && isWordUnit(text.charCodeAt(end))) end++
  return end
}

function isQuick(needle: string, text: string): boolean {
  return needle.length <= SHORT_CHARS || needle.length * text.length <= MAX_PRODUCT
}

function indexOf(text: string, needle: string, start: number): number {
  if (isQuick(needle, text)) return text.indexOf(needle, start)
  let found = -1
  eachIndexOf(text, needle, start, (index) => {
    found = index
    return true
  })
  return found
}

/** Whether one of the places where the text holds the needle is accepted. */
function someIndexOf(text: string, needle: string, accept: (index: number) => boolean): boolean {
  if (!isQuick(needle, text)) return eachIndexOf(text, needle, 0, accept)
  for (let index = text.indexOf(needle); index !== -1; index = text.indexOf(needle, index + 1)) {
    if (accept(index)) return true
  }
  return false
}

/** Knuth, Morris and Pratt: no unit of the text is looked at again. */
function eachIndexOf(text: string, needle: string, start: number, accept: (index: number) => boolean): boolean {
  const borders = bordersOf(needle)
  let matched = 0
  for (let at = start; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    while (matched > 0 && (matched === needle.length || needle.charCodeAt(matched) !== unit)) {
      matched = borders[matched - 1]!
    }
    if (needle.charCodeAt(matched) === unit) matched++
    if (matched === needle.length && accept(at - matched + 1)) return true
  }
  return false
}

/** For each beginning of the needle, the longest shorter beginning that ends it too. */
function bordersOf(needle: string): Uint16Array {
  const borders = new Uint16Array(needle.length)
  let matched = 0
  for (let at = 1; at < needle.length; at++) {
    while (matched > 0 && needle.charCodeAt(matched) !== needle.charCodeAt(at)) matched = borders[matched - 1]!
    if (needle.charCodeAt(matched) === needle.charCodeAt(at)) matched++
    borders[at] = matched
  }
  return borders
}
