// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads ClickHouse's answers. The index may lie, and so may what stands at its address: an answer has a bound in bytes,
 * ends where it says, and every row is of the form that was asked for, or the search has no answer at all. Half an
 * answer would read as "there was nothing".
 */
import type { Readable } from 'node:stream'
import { SearchFault } from './search-fault.ts'

const MAX_ANSWER_BYTES = 64 * 1024 * 1024

/** What a column of a row holds; a count is not below zero. */
export type Cell = 'text' | 'integer' | 'count' | 'text or integer'

/** Rows of JSONCompactEachRow. Throws SearchFault. */
export async function readRows<Row>(stream: Readable, cells: readonly Cell[]): Promise<Row[]> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of stream as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_ANSWER_BYTES) throw nonsense('more than was asked for')
    parts.push(part)
  }
  const text = Buffer.concat(parts).toString('utf8')
  if (text === '') return []
  if (!text.endsWith('\n')) throw nonsense('half an answer')
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => checked(line, cells) as Row)
}

/** A row, each column of it held against what it is to be. */
function checked(line: string, cells: readonly Cell[]): readonly unknown[] {
  let row: unknown
  try {
    row = JSON.parse(line)
  } catch {
    throw nonsense('what is no answer')
  }
  if (!Array.isArray(row) || row.length !== cells.length) throw nonsense('what is no answer')
  const values: readonly unknown[] = row
  if (!cells.every((cell, at) => holds(cell, values[at]))) throw nonsense('what is no answer')
  return values
}

function holds(cell: Cell, value: unknown): boolean {
  if (typeof value === 'string') return cell === 'text' || cell === 'text or integer'
  return cell !== 'text' && typeof value === 'number' && Number.isSafeInteger(value) && (cell !== 'count' || value >= 0)
}

export function nonsense(what: string): SearchFault {
  return new SearchFault('unavailable', `the search server answers ${what}`)
}
