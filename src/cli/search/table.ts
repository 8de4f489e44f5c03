// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Hits as a table, or with two lines each where a table would leave too little of the sentence. Where the output is no
// terminal nothing is shortened: what is behind the edge could not be searched for.

import type { Hit } from '@stele/sdk'

import { clipped, printable, wrapped } from '../display.ts'
import { wordsOf } from './hit-words.ts'

const titles = {
  ledger: 'LEDGER',
  index: 'INDEX',
  time: 'TIME (UTC)',
  sentence: 'EVENT',
  actor: 'ACTOR',
  target: 'TARGET',
  outcome: 'OUTCOME',
  address: 'ADDRESS',
} as const

type Column = keyof typeof titles
type Row = Readonly<Record<Column, string>>
type Widths = ReadonlyMap<Column, number>

/** Columns that are not there where all of it would be empty. */
const optional: readonly Column[] = ['actor', 'target', 'outcome', 'address']
/** Of a name at least, and all that stands before its domain. */
const MIN_NAME_CHARS = 20
/** What is not worth an ellipsis. */
const SPARED_CHARS = 4
/** Of a sentence in a table, else each hit has two lines. */
const MIN_SENTENCE_CHARS = 80
const MIN_WRAPPED_CHARS = 30
const GAP = '  '

export interface Layout {
  /** The lines of a hit: `paired` ones are as wide as `columns`. */
  readonly kind: 'whole' | 'fitted' | 'paired'
  readonly widths: Widths
  readonly columns: number
}

export function rowOf(hit: Hit): Row {
  const { ledger, index, time } = hit
  const { sentence, actor, target, outcome, address } = wordsOf(hit)
  return {
    ledger,
    index: String(index),
    time: `${time.slice(0, 10)} ${time.slice(11, 19)}`,
    sentence: printable(sentence),
    actor: printable(actor),
    target: printable(target),
    outcome: printable(outcome),
    address: printable(address),
  }
}

/** For rows such as these and a terminal of so many columns, or what is none; `withLedger` for hits of several ledgers. */
export function layoutOf(rows: readonly Row[], columns: number | undefined, withLedger: boolean): Layout {
  const shown = (Object.keys(titles) as Column[]).filter(
    (column) =>
      (withLedger || column !== 'ledger') && (!optional.includes(column) || rows.some((row) => row[column] !== '')),
  )
  const widest = (column: Column, charsIn: (text: string) => number) =>
    Math.max(titles[column].length, ...rows.map((row) => charsIn(row[column])))
  const widths = new Map(shown.map((column) => [column, widest(column, charsOf)]))
  if (columns === undefined) return { kind: 'whole', widths, columns: Infinity }
  const leastWidths: readonly (readonly [Column, number])[] = [
    ['target', widest('target', leastNameChars)],
    ['actor', widest('actor', leastNameChars)],
    ['sentence', MIN_SENTENCE_CHARS],
  ]
  let over = [...widths.values()].reduce((sum, width) => sum + width + GAP.length, -GAP.length) - columns
  for (const [column, least] of leastWidths) {
    const width = widths.get(column) ?? 0
    const given = Math.max(0, Math.min(over, width - least))
    if (given > 0) widths.set(column, width - given)
    over -= given
  }
  return { kind: over > 0 ? 'paired' : 'fitted', widths, columns }
}

export function headText(layout: Layout): string {
  return layout.kind === 'paired' ? `${leadText(layout, titles)}${GAP}${titles.sentence}\n` : line(layout, titles)
}

export function rowText(layout: Layout, row: Row): string {
  return layout.kind === 'paired' ? pair(layout, row) : line(layout, row)
}

function line({ kind, widths }: Layout, row: Row): string {
  const cells = [...widths].map(([column, width]) =>
    cell(column, kind === 'whole' ? row[column] : clipped(row[column], width), width),
  )
  return `${cells.join(GAP).trimEnd()}\n`
}

/** The sentence, and below it `alice → bob · success · 192.0.2.1`. */
function pair(layout: Layout, row: Row): string {
  const { widths, columns } = layout
  const lead = leadText(layout, row)
  const margin = charsOf(lead) + GAP.length
  const [first = '', ...rest] = wrapped(row.sentence, Math.max(MIN_WRAPPED_CHARS, columns - margin))
  const lines = [`${lead}${GAP}${first}`, ...rest.map((words) => ' '.repeat(margin) + words)]
  const detailMargin = (widths.get('ledger') ?? -GAP.length) + GAP.length + (widths.get('index') ?? 0) + GAP.length
  const room = Math.max(MIN_WRAPPED_CHARS, columns - detailMargin)
  const whole = detailOf(row, (name) => name)
  const detail = charsOf(whole) <= room ? whole : detailOf(row, (name) => clipped(name, leastNameChars(name)))
  if (detail !== '') lines.push(...wrapped(detail, room).map((words) => ' '.repeat(detailMargin) + words))
  return lines.map((text) => `${text}\n`).join('')
}

function detailOf({ actor, target, outcome, address }: Row, shortened: (name: string) => string): string {
  const names = target === '' ? shortened(actor) : `${shortened(actor)} → ${shortened(target)}`
  return [names.trimStart(), outcome, address].filter((part) => part !== '').join(' · ')
}

function leadText({ widths }: Layout, row: Row): string {
  const lead = [...widths].filter(([column]) => column === 'ledger' || column === 'index' || column === 'time')
  return lead.map(([column, width]) => cell(column, row[column], width)).join(GAP)
}

function cell(column: Column, text: string, width: number): string {
  const fill = ' '.repeat(Math.max(0, width - charsOf(text)))
  return column === 'index' ? fill + text : text + fill
}

/** Who somebody is stands before the domain. */
function leastNameChars(name: string): number {
  const at = name.indexOf('@')
  const least = at === -1 ? MIN_NAME_CHARS : Math.max(MIN_NAME_CHARS, charsOf(name.slice(0, at)) + '@…'.length)
  const whole = charsOf(name)
  return whole < least + SPARED_CHARS ? whole : least
}

function charsOf(text: string): number {
  return Array.from(text).length
}
