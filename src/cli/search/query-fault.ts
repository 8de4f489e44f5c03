// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A query that cannot be read, shown with a mark below the place.

import { printable } from '../display.ts'

/** What of a long query is shown around the place. */
const AROUND_CHARS = 40

export interface QueryPlace {
  /** From 1, in UTF-16 units. */
  readonly column: number
  readonly length: number
  readonly suggestion?: string | undefined
}

/** The query, a mark below what is meant, and what may have been meant instead; each line is indented. */
export function markedQuery(query: string, { column, length, suggestion }: QueryPlace): string {
  const start = Math.min(Math.max(0, column - 1), query.length)
  const end = Math.min(start + Math.max(1, length), query.length)
  const before = part(query.slice(0, start), 'end')
  const meant = part(query.slice(start, end), 'begin')
  const after = part(query.slice(end), 'begin')
  const mark = '^'.repeat(Math.max(1, Array.from(meant).length))
  const lines = [`${before}${meant}${after}`, `${' '.repeat(Array.from(before).length)}${mark}`]
  const mend = suggestion === undefined ? [] : [suggestionText(query, start, end, suggestion)]
  return [...lines, ...mend].map((line) => `  ${line}\n`).join('')
}

function suggestionText(query: string, start: number, end: number, suggestion: string): string {
  const mended = query.slice(0, start) + suggestion + query.slice(end)
  return mended.length <= 2 * AROUND_CHARS
    ? `Did you mean ${printable(mended.trim())}`
    : `Did you mean ${printable(suggestion)}`
}

function part(text: string, kept: 'begin' | 'end'): string {
  if (text.length <= AROUND_CHARS) return printable(text)
  const [piece, mark] = kept === 'end' ? [text.slice(-AROUND_CHARS), 'before'] : [text.slice(0, AROUND_CHARS), 'after']
  const shown = printable(piece.toWellFormed())
  return mark === 'before' ? `…${shown}` : `${shown}…`
}
