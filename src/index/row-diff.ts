// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { columns } from './tables.ts'

/** Names of the columns in which two rows in RowBinary differ; all of them where one is not a whole row. */
export function differingColumns(one: Buffer, other: Buffer): string[] {
  const left = columnBytes(one)
  const right = columnBytes(other)
  if (left === undefined || right === undefined) return columns.map(({ name }) => name)
  return columns.filter((_, at) => !left[at]!.equals(right[at]!)).map(({ name }) => name)
}

/** The bytes of each column of a row, or undefined where the row does not add up. */
function columnBytes(row: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = []
  let at = 0
  for (const { kind } of columns) {
    const end = columnEnd(row, at, kind)
    if (end === undefined || end > row.length) return undefined
    parts.push(row.subarray(at, end))
    at = end
  }
  return at === row.length ? parts : undefined
}

const FIXED_BYTES = { uint8: 1, uint32: 4, uint64: 8, int64: 8 } as const

function columnEnd(row: Buffer, at: number, kind: (typeof columns)[number]['kind']): number | undefined {
  if (kind in FIXED_BYTES) return at + FIXED_BYTES[kind as keyof typeof FIXED_BYTES]
  const length = readLength(row, at)
  if (length === undefined) return undefined
  if (kind === 'string') return length.end + length.value
  if (kind === 'addresses') return length.end + length.value * 16
  if (kind === 'uint32s') return length.end + length.value * 4
  let end = length.end
  for (let count = length.value; count > 0; count--) {
    const item = readLength(row, end)
    if (item === undefined) return undefined
    end = item.end + item.value
  }
  return end
}

/** LEB128. */
function readLength(row: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0
  for (let position = 0; position < 5; position++) {
    const byte = row[at + position]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * position)
    if (byte < 0x80) return { value, end: at + position + 1 }
  }
  return undefined
}
