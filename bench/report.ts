// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Names the machine that figures were measured on, and prints tables. */
import { cpus, release, totalmem } from 'node:os'

export function machine(): string {
  const [cpu] = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, ${memory}, Linux ${release()}, Node ${process.version}`
}

/** A table in plain text: the first row is its head, numbers stand right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
  const [head = [], ...body] = rows
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n')
}

/** 1234567 → 1,234,567 */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
