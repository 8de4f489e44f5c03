// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** UTC calendar arithmetic on Unix milliseconds, without the platform's clock or time zone. */
export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** 00:00 UTC of the day that `ms` lies in. */
export function startOfDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS
}

/** 0 is Sunday. */
export function weekday(ms: number): number {
  return (Math.floor(ms / DAY_MS) + 4) % 7
}

export function isWeekend(ms: number): boolean {
  return weekday(ms) === 0 || weekday(ms) === 6
}

/** `hh:mm[:ss]` into milliseconds since midnight. */
export function clock(text: string): number {
  const [hour = 0, minute = 0, second = 0] = text.split(':').map(Number)
  return hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS
}

/** RFC 3339 in UTC with milliseconds. */
export function iso(ms: number): string {
  return `${dateOf(ms)}T${timeOf(ms)}Z`
}

/** The date as `yyyy-mm-dd`; after Howard Hinnant's `civil_from_days`. */
export function dateOf(ms: number): string {
  const days = Math.floor(ms / DAY_MS) + 719_468
  const era = Math.floor(days / 146_097)
  const dayOfEra = days - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`
}

function timeOf(ms: number): string {
  const rest = ms - startOfDay(ms)
  const second = Math.floor(rest / SECOND_MS)
  const hhmm = `${digits(Math.floor(second / 3_600), 2)}:${digits(Math.floor(second / 60) % 60, 2)}`
  return `${hhmm}:${digits(second % 60, 2)}.${digits(rest % SECOND_MS, 3)}`
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0')
}
