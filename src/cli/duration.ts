// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Spans of time on the command line: 30s, 15m, 12h, 7d.

import { printable } from './display.ts'
import { usageFailure } from './failure.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_MS = 366 * 86_400_000

/** Milliseconds of a span. Throws a Failure for what is none, or none that a command can wait for. */
export function durationMs(option: string, text: string): number {
  const [, figure = '', unit = ''] = /^([0-9]{1,9})([smhd])$/.exec(text) ?? []
  const ms = Number(figure) * (UNITS_MS[unit] ?? 0)
  if (ms > 0 && ms <= MAX_MS) return ms
  throw usageFailure(`${option} ${printable(text)} is no span of time`, 'Write it as 30s, 15m, 12h or 7d, up to a year')
}
