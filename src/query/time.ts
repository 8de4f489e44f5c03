// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Times as people write them in queries, in UTC. Without the platform's calendar: the console reads them too.

const DAY_MS = 86_400_000
const unitMs: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
])
/** What the index can hold, and a little less than the last day of it. */
const FIRST_YEAR = 1900
const LAST_YEAR = 2298
export const MIN_TIME_MS: number = daysBefore(FIRST_YEAR, 1) * DAY_MS
export const MAX_TIME_MS: number = daysBefore(LAST_YEAR + 1, 1) * DAY_MS - 1

/** For whoever wrote something else. */
export const TIME_FORMS = '2026-01-31, 2026-01, 2026-01-31T09:30:00Z, today, yesterday, now, or -24h (s, m, h, d or w)'

const RELATIVE = /^([+-]?)([0-9]{1,6})([smhdw])$/
const MONTH = /^([0-9]{4})-([0-9]{2})$/
const ABSOLUTE =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))?)?$/

/**
 * Unix milliseconds of a date, a month, an RFC 3339 time (seconds and offset may be missing: then it is UTC), `now`,
 * the begin of `today` or `yesterday`, or a time relative to `nowMs`: `-24h` and `24h` are both a day ago, `+1h` is in
 * an hour. Undefined for anything else.
 */
export function parseTime(text: string, nowMs: number): number | undefined {
  if (text.length > 40) return undefined
  if (text === 'now') return nowMs
  if (text === 'today' || text === 'yesterday') {
    return within((Math.floor(nowMs / DAY_MS) - (text === 'today' ? 0 : 1)) * DAY_MS)
  }
  const relative = RELATIVE.exec(text)
  if (relative === null) return parseAbsolute(MONTH.test(text) ? `${text}-01` : text)
  const [, sign, count, unit = ''] = relative
  const ms = Number(count) * (unitMs.get(unit) ?? 0)
  return within(sign === '+' ? nowMs + ms : nowMs - ms)
}

/** From a time's first millisecond to the one behind its last: of a day, a month, a minute, a second, or a moment. */
export function parseTimeSpan(
  text: string,
  nowMs: number,
): { readonly fromMs: number; readonly untilMs: number } | undefined {
  const fromMs = parseTime(text, nowMs)
  if (fromMs === undefined) return undefined
  if (MONTH.test(text)) {
    const { year, month } = dateOf(fromMs / DAY_MS)
    return { fromMs, untilMs: (month === 12 ? daysBefore(year + 1, 1) : daysBefore(year, month + 1)) * DAY_MS }
  }
  return { fromMs, untilMs: fromMs + lengthMs(text) }
}

function lengthMs(text: string): number {
  if (text === 'today' || text === 'yesterday') return DAY_MS
  const [, , , , hour, , second, fraction] = ABSOLUTE.exec(text) ?? []
  if (!ABSOLUTE.test(text) || fraction !== undefined) return 1
  return hour === undefined ? DAY_MS : second === undefined ? 60_000 : 1_000
}

/** Unix milliseconds of `2026-01-02T03:04:05.678Z`, the one form in which an entry has its time. */
export function instantMs(at: string): number {
  const days = daysBefore(pair(at, 0) * 100 + pair(at, 2), pair(at, 5)) + pair(at, 8) - 1
  const seconds = (pair(at, 11) * 60 + pair(at, 14)) * 60 + pair(at, 17)
  return days * DAY_MS + seconds * 1_000 + pair(at, 20) * 10 + at.charCodeAt(22) - 0x30
}

function pair(text: string, at: number): number {
  return (text.charCodeAt(at) - 0x30) * 10 + text.charCodeAt(at + 1) - 0x30
}

/** RFC 3339 in UTC with milliseconds. */
export function formatTime(ms: number): string {
  const days = Math.floor(ms / DAY_MS)
  const rest = ms - days * DAY_MS
  const { year, month, day } = dateOf(days)
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`
  const [hour, minute, second] = [rest / 3_600_000, (rest / 60_000) % 60, (rest / 1_000) % 60].map(Math.floor)
  return `${date}T${pad(hour!, 2)}:${pad(minute!, 2)}:${pad(second!, 2)}.${pad(rest % 1_000, 3)}Z`
}

function parseAbsolute(text: string): number | undefined {
  const match = ABSOLUTE.exec(text)
  if (match === null) return undefined
  const [hour, minute, second, offsetHour, offsetMinute] = [4, 5, 6, 9, 10].map((at) => Number(match[at] ?? 0))
  const days = daysOf(Number(match[1]), Number(match[2]), Number(match[3]))
  if (days === undefined || hour! > 23 || minute! > 59 || second! > 59) return undefined
  if (offsetHour! > 23 || offsetMinute! > 59) return undefined
  const offsetMs = (offsetHour! * 60 + offsetMinute!) * (match[8] === '-' ? -60_000 : 60_000)
  const milliseconds = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'))
  return within(days * DAY_MS + hour! * 3_600_000 + minute! * 60_000 + second! * 1_000 + milliseconds - offsetMs)
}

function within(ms: number): number | undefined {
  return ms >= MIN_TIME_MS && ms <= MAX_TIME_MS ? ms : undefined
}

/** Days from 1970-01-01 to the date; undefined where the calendar has none. */
function daysOf(year: number, month: number, day: number): number | undefined {
  if (month < 1 || month > 12 || day < 1) return undefined
  const next = month === 12 ? daysBefore(year + 1, 1) : daysBefore(year, month + 1)
  const days = daysBefore(year, month) + day - 1
  return days < next ? days : undefined
}

/** Days from 1970-01-01 to the first of the month: years are counted from March, so that a leap day ends one. */
function daysBefore(year: number, month: number): number {
  const marchYear = month > 2 ? year : year - 1
  const leaps = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leaps + Math.floor((((month + 9) % 12) * 153 + 2) / 5) - 719_468
}

function dateOf(days: number): { year: number; month: number; day: number } {
  // Years of 365.2425 days: the guess is at most one too high.
  let year = 1970 + Math.ceil(days / 365.2425)
  while (daysBefore(year, 1) > days) year--
  let month = 12
  while (daysBefore(year, month) > days) month--
  return { year, month, day: days - daysBefore(year, month) + 1 }
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
