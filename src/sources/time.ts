// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The times that events carry, as milliseconds since 1970 in UTC. Only what is an instant of the calendar between 1970
// and 2299 (what the index can hold) is one: `0001-01-01T00:00:00Z`, which stands for "none", is not.

const FIRST_YEAR = 1970
const LAST_YEAR = 2299
const DAY_MS = 86_400_000

/** `2022-08-22 6:11:52.1234567 +02:00`, the time of day and the offset being optional. */
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(?: ?(?:[Zz]|UTC|([+-])(\d{2}):?(\d{2})))?$/
/** `8/22/2022 6:11:52 PM +02:00`: month, day, year; the half of the day and the offset being optional. */
const AMERICAN =
  /^(\d{1,2})\/(\d{1,2})\/(\d{4}),? (\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?([AaPp])[Mm])?(?: ?(?:[Zz]|UTC|([+-])(\d{2}):?(\d{2})))?$/

/** Reads the forms in which sources write times, one without an offset as UTC; a fraction is cut to milliseconds. */
export function parseTime(text: string): number | undefined {
  const { length } = text
  if (length < 8 || length > 40) return undefined
  const end = text.charCodeAt(length - 1) === 0x5a ? length - 1 : text.endsWith('+00:00') ? length - 6 : 0
  if (end >= 19) {
    const ms = plainIso(text, end)
    if (ms !== -1) return ms
  }
  const iso = ISO.exec(text)
  if (iso !== null) return fromIso(iso)
  const american = AMERICAN.exec(text)
  return american === null ? undefined : fromAmerican(american)
}

/** The time of `2022-08-22T18:11:52.1234567` before `end`, -1 where it is of another form or no instant. */
function plainIso(text: string, end: number): number {
  if (
    text.charCodeAt(4) !== 0x2d ||
    text.charCodeAt(7) !== 0x2d ||
    text.charCodeAt(10) !== 0x54 ||
    text.charCodeAt(13) !== 0x3a ||
    text.charCodeAt(16) !== 0x3a
  )
    return -1
  let ms = 0
  if (end > 19) {
    if (text.charCodeAt(19) !== 0x2e || end > 29 || end === 20) return -1
    let scale = 100
    for (let at = 20; at < end; at++) {
      const value = digit(text, at)
      if (value < 0) return -1
      if (at > 22) continue
      ms += value * scale
      scale /= 10
    }
  }
  const instant = instantOf(
    pair(text, 0) * 100 + pair(text, 2),
    pair(text, 5),
    pair(text, 8),
    pair(text, 11),
    pair(text, 14),
    pair(text, 17),
    ms,
  )
  return instant ?? -1
}

/** Two digits; far below zero where one of them is none. */
function pair(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1)
}

function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 0x30
  return value >= 0 && value <= 9 ? value : -100_000
}

function fromIso(match: RegExpExecArray): number | undefined {
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', sign, hours, minutes] = match
  const instant = instantOf(+year!, +month!, +day!, +hour, +minute, +second, milliseconds(fraction))
  return atOffset(instant, sign, hours, minutes)
}

function fromAmerican(match: RegExpExecArray): number | undefined {
  const [, month, day, year, clockHour, minute, second = '0', fraction = '', half, sign, hours, minutes] = match
  let hour = +clockHour!
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return undefined
    hour = (hour % 12) + (half === 'P' || half === 'p' ? 12 : 0)
  }
  const instant = instantOf(+year!, +month!, +day!, hour, +minute!, +second, milliseconds(fraction))
  return atOffset(instant, sign, hours, minutes)
}

function atOffset(instant: number | undefined, sign?: string, hours = '0', minutes = '0'): number | undefined {
  if (instant === undefined || sign === undefined) return instant
  const offset = +hours * 60 + +minutes
  if (+minutes > 59 || offset > 14 * 60) return undefined
  const ms = instant + (sign === '+' ? -offset : offset) * 60_000
  return ms < 0 ? undefined : ms
}

function milliseconds(fraction: string): number {
  return Number(fraction.slice(0, 3).padEnd(3, '0'))
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Undefined where the calendar has no such instant. A leap second is the last one before it. */
function instantOf(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  ms: number,
): number | undefined {
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR && month >= 1 && month <= 12 && day >= 1)) return undefined
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (day > monthDays[month - 1]! + (isLeap && month === 2 ? 1 : 0)) return undefined
  if (!(hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 60)) return undefined
  const days = daysBefore(year, month) + day - 1
  return days * DAY_MS + hour * 3_600_000 + minute * 60_000 + Math.min(second, 59) * 1_000 + ms
}

/** Days from 1970-01-01 to the first of the month: years are counted from March, so that a leap day ends one. */
function daysBefore(year: number, month: number): number {
  const marchYear = month > 2 ? year : year - 1
  const marchMonth = (month + 9) % 12
  const leaps = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leaps + Math.floor((marchMonth * 153 + 2) / 5) - 719_468
}
