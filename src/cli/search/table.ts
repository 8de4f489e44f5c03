// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Hits as a table that fits the width. The sentence has the room: it says who, whom and how by itself, so that the
// columns that repeat it go first where there is little.

import type { Hit } from '@stele/sdk'

import { clipped, printable } from '../display.ts'
import { wordsOf } from './hit-words.ts'

type Column = 'ledger' | 'index' | 'time' | 'sentence' | 'actor' | 'target' | 'outcome' | 'address'

interface Form {
  readonly title: string
  /** Characters at most; of the sentence what is left. */
  readonly most: number
}

const forms: Readonly<Record<Column, Form>> = {
  ledger: { title: 'LEDGER', most: 20 },
  index: { title: 'INDEX', most: 16 },
  time: { title: 'TIME (UTC)', most: 19 },
  sentence: { title: 'EVENT', most: 200 },
  actor: { title: 'ACTOR', most: 30 },
  target: { title: 'TARGET', most: 30 },
  outcome: { title: 'OUTCOME', most: 9 },
  address: { title: 'ADDRESS', most: 39 },
}

/** What goes, in this order, until the sentence has as much room: first what it says itself. */
const spared: readonly (readonly [column: Column, sentenceChars: number])[] = [
  ['target', 100],
  ['actor', 100],
  ['address', 48],
  ['outcome', 48],
]
const GAP = '  '

type Row = Readonly<Record<Column, string>>

export interface Layout {
  readonly columns: readonly { readonly column: Column; readonly width: number }[]
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

/** Widths for rows such as these; `withLedger` where hits are of several ledgers. */
export function layoutOf(rows: readonly Row[], columns: number, withLedger: boolean): Layout {
  let shown = (Object.keys(forms) as Column[]).filter(
    (column) =>
      (withLedger || column !== 'ledger') &&
      (!spared.some(([one]) => one === column) || rows.some((row) => row[column] !== '')),
  )
  const widthOf = (column: Column) => {
    const { title, most } = forms[column]
    return Math.min(most, Math.max(title.length, ...rows.map((row) => charsOf(row[column]))))
  }
  const sentence = widthOf('sentence')
  const left = () =>
    columns - shown.filter((one) => one !== 'sentence').reduce((sum, one) => sum + widthOf(one) + GAP.length, 0)
  for (const [column, chars] of spared) {
    if (left() < Math.min(sentence, chars)) shown = shown.filter((one) => one !== column)
  }
  const sentenceWidth = Math.max(forms.sentence.title.length, Math.min(sentence, left()))
  return {
    columns: shown.map((column) => ({ column, width: column === 'sentence' ? sentenceWidth : widthOf(column) })),
  }
}

export function headText(layout: Layout): string {
  return line(layout, (column) => forms[column].title)
}

export function rowText(layout: Layout, row: Row): string {
  return line(layout, (column) => row[column])
}

function line({ columns }: Layout, textOf: (column: Column) => string): string {
  const cells = columns.map(({ column, width }) => {
    const text = clipped(textOf(column), width)
    const fill = ' '.repeat(width - charsOf(text))
    return column === 'index' ? fill + text : text + fill
  })
  return `${cells.join(GAP).trimEnd()}\n`
}

function charsOf(text: string): number {
  return Array.from(text).length
}
