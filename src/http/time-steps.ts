// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Steps of time that people count in, and the buckets that they make, in UTC; weeks begin on Monday. */

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
const stepsMs = [
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 2].map((days) => days * DAY_MS),
  ...[1, 2, 4, 13, 26, 52].map((weeks) => weeks * WEEK_MS),
] as const
/** 1970-01-05 was a Monday. Every step that divides a week is counted from there, and so from a whole day, hour, …. */
const MONDAY_MS = 4 * DAY_MS

export interface Steps {
  /** Begin of the first bucket. */
  readonly fromMs: number
  /** End of the last. */
  readonly toMs: number
  readonly stepMs: number
}

/** The shortest step with which at most `maxCount` buckets hold all from `firstMs` up to, not including, `endMs`. */
export function stepsOver(firstMs: number, endMs: number, maxCount: number): Steps {
  const last = Math.max(firstMs, endMs - 1)
  const over = (stepMs: number): Steps => ({
    fromMs: floored(firstMs, stepMs),
    toMs: floored(last, stepMs) + stepMs,
    stepMs,
  })
  const fits = ({ fromMs, toMs, stepMs }: Steps) => (toMs - fromMs) / stepMs <= maxCount
  const round = stepsMs.map(over).find(fits)
  if (round !== undefined) return round
  // Beyond all of those, and for a range across that Monday that is to be one bucket: whole weeks from its own begin.
  const fromMs = floored(firstMs, WEEK_MS)
  const stepMs = Math.ceil((last + 1 - fromMs) / maxCount / WEEK_MS) * WEEK_MS
  return { fromMs, toMs: fromMs + Math.ceil((last + 1 - fromMs) / stepMs) * stepMs, stepMs }
}

function floored(ms: number, stepMs: number): number {
  return Math.floor((ms - MONDAY_MS) / stepMs) * stepMs + MONDAY_MS
}
