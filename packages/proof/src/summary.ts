// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A report in sentences, for whoever decides by it and is no programmer. They say nothing that the report doesn't.

import type { Report } from './report.ts'

/** The last second of the year 9999. */
const LAST_SECOND = 253_402_300_799

/** `1 cosignature`, `1,066 cosignatures`, and what else is counted. */
export const counted = (figure: number, one: string, many = `${one}s`): string =>
  `${`${figure}`.replaceAll(/\B(?=(?:[0-9]{3})+$)/g, ',')} ${figure === 1 ? one : many}`

/** What was found, up to which size and time, against which keys and witnesses, and what was not checked and why. */
export function summaryOf(report: Omit<Report, 'summary'>): string[] {
  const { verdict, checks } = report
  if (verdict === 'invalid') {
    const failed = checks.find(({ ok }) => ok === false)
    return [`Do not rely on this. What does not hold is ${failed?.what}: ${failed?.detail}.`]
  }
  const unchecked = checks.flatMap(({ what, ok, detail }) => (ok === true ? [] : [`Not checked: ${what}: ${detail}.`]))
  if (verdict === 'valid') return [`${subject(report)}.`, ...vouchers(report), ...unchecked]
  const open = 'It all fits together, and no key that you trust vouches for it here: anybody can have made it.'
  return [open, `If it is true: ${subject(report)}.`, ...unchecked]
}

function subject({ origin, index, size = 0, entry, time }: Omit<Report, 'summary'>): string {
  if (index === undefined) return `This is a head of the log ${origin}, of ${counted(size, 'entry', 'entries')}`
  const place = `as number ${index}, counted from 0, of its first ${counted(size, 'entry', 'entries')}`
  if (entry === undefined) return `The log ${origin} holds this entry ${place}`
  return `This event is, byte for byte, what the log ${origin} recorded ${place}, on ${time} by its own clock`
}

function vouchers({ origin, size = 0, heads, keys = [], cosignatures = [] }: Omit<Report, 'summary'>): string[] {
  const behind = (led = 0) => (led === 0 ? '' : ` (${counted(led, 'rotation')} behind the given one)`)
  const named = keys.map(({ name, kind, rotations }) => `the ${kind} key of ${name}${behind(rotations)}`).join(' and ')
  const place = `The head of ${counted(size, 'entry', 'entries')} of ${origin} is number ${heads?.index} of ${heads?.origin}.`
  const signed = `Signed by ${named}, up to ${counted(heads?.size ?? size, 'entry', 'entries')}.`
  const latest = secondsText(Math.max(0, ...cosignatures.map(({ time }) => time)))
  const seen = cosignatures.map(({ witness, time }) => `${witness} on ${secondsText(time)}`).join(', ')
  const alone = 'No witness vouches for it: that all are shown the same entries rests on whoever holds its key.'
  const witnessed = `Seen by these witnesses: ${seen}. So it was there on ${latest} at the latest, as all of them say.`
  return [...(heads === undefined ? [] : [place]), signed, cosignatures.length === 0 ? alone : witnessed]
}

/** A witness's time, in Unix seconds; it can be one that no calendar has. */
export function secondsText(seconds: number): string {
  if (seconds > LAST_SECOND) return `second ${seconds} after 1970, which no calendar has,`
  // oxlint-disable-next-line no-restricted-globals -- it is handed the time: no clock is read
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
