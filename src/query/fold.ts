// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How text is made comparable, in events and in queries alike: well-formed, NFC, lower case, with single spaces. The
// index holds folded text only, so ClickHouse compares bytes and knows nothing of Unicode.

/** Longest value of a field that is kept, and longest word or phrase of a query, folded. */
export const MAX_VALUE_CHARS = 1_024

/** Printable ASCII with single spaces: most text, and only its case has to be looked at. */
const UNEVEN = /[^ -~]| {2}/
const UNEVEN_LINES = /[^ -~\n]/
const NOT_ASCII = /[^\0-\x7f]/
/** White space and control characters, line breaks too. */
const BLANKS = /[\s\0-\x1f\x7f-\x9f]+/g

/** Folded and trimmed; folding again changes nothing. */
export function fold(text: string): string {
  return foldWithin(text).trim()
}

/** As `fold`, for a piece whose ends are not those of the value. */
export function foldWithin(text: string): string {
  return UNEVEN.test(text) ? foldUneven(text) : text.toLowerCase()
}

function foldUneven(text: string): string {
  const even = text.replaceAll(BLANKS, ' ')
  if (!NOT_ASCII.test(even)) return even.toLowerCase()
  // A sigma looks different at the end of a word, which the end of a piece need not be. Lower case can have marks in
  // another order than NFC wants.
  return even.toWellFormed().normalize('NFC').toLowerCase().replaceAll('ς', 'σ').normalize('NFC')
}

export interface FoldedLines {
  readonly text: string
  /** Of each value the number of its line, from 1; undefined where they are in their order. */
  readonly lines: readonly number[] | undefined
}

/** The values folded, each a line; what is a line break in one of them is a space. */
export function foldLines(values: readonly string[]): FoldedLines {
  const text = values.join('\n')
  if (isEven(text) && breakCount(text) < values.length) return { text: text.toLowerCase(), lines: undefined }
  // One dash among them makes all of a text slow to fold: only the values that need it are folded by themselves.
  const even: string[] = []
  const uneven: string[] = []
  const lines = values.map((value) => (isUneven(value) ? -uneven.push(foldUneven(value).trim()) : even.push(value)))
  const folded = uneven.join('\n')
  if (even.length === 0) return { text: folded, lines: undefined }
  return {
    text: `${even.join('\n').toLowerCase()}\n${folded}`,
    lines: lines.map((line) => (line > 0 ? line : even.length - line)),
  }
}

/** Whether folding changes more than its case. */
function isUneven(value: string): boolean {
  return value.charCodeAt(0) === 0x20 || value.charCodeAt(value.length - 1) === 0x20 || UNEVEN.test(value)
}

function isEven(lines: string): boolean {
  if (UNEVEN_LINES.test(lines) || lines.includes('  ') || lines.includes(' \n') || lines.includes('\n ')) return false
  return !lines.startsWith(' ') && !lines.endsWith(' ')
}

function breakCount(lines: string): number {
  let count = 0
  for (let at = lines.indexOf('\n'); at !== -1; at = lines.indexOf('\n', at + 1)) count++
  return count
}

/** At most `maxChars` of folded text, no character cut in two. */
export function clip(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text
  const last = text.charCodeAt(maxChars - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars).trimEnd()
}

/** Whether a UTF-16 unit of folded text belongs to a word: letters and digits of ASCII, and all beyond ASCII. */
export function isWordUnit(unit: number): boolean {
  return unit > 0x7f || (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39)
}
