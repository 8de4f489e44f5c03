// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What is shown on a terminal, as people read it. Text of others goes through `printable`.

import { printableJson } from '@stele/proof/printable'
import type { RecordedEvent } from '@stele/sdk'

import { timeText } from '../platform/clock.ts'

/** The last second of the year 9999. */
const LAST_SECOND = 253_402_300_799

export { printable } from '@stele/proof/printable'

/** One line of JSON that says the same, in characters that are safe to show. */
export function jsonLine(value: unknown): string {
  return `${printableJson(JSON.stringify(value))}\n`
}

/** An event as the server gives it; `ledger` where several were asked. */
export function hitJson(hit: RecordedEvent, ledger?: string): object {
  const { index, at, time, source, event, text, entryLine, salt, ocsf } = hit
  return {
    ...(ledger === undefined ? {} : { ledger }),
    index,
    at,
    time,
    source,
    ...(text === undefined ? { eventBase64: Buffer.from(event).toString('base64') } : { event: text }),
    entry: entryLine,
    salt: Buffer.from(salt).toString('base64'),
    ocsf,
  }
}

/** At most `width` characters, the last an ellipsis where some are missing. */
export function clipped(text: string, width: number): string {
  const characters = Array.from(text)
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** As people read it: 1,234. */
export function count(figure: number): string {
  return figure.toLocaleString('en-US')
}

/** `1 event`, `2 events`. */
export function counted(figure: number, noun: string): string {
  return `${count(figure)} ${noun}${figure === 1 ? '' : 's'}`
}

/** `1 entry`, `2 entries`. */
export function entries(figure: number): string {
  return `${count(figure)} ${figure === 1 ? 'entry' : 'entries'}`
}

/** A witness's time, in Unix seconds; it can be one that no calendar has. */
export function witnessTime(seconds: number): string {
  return seconds > LAST_SECOND ? `second ${seconds} after 1970` : timeText(seconds * 1_000)
}

/** Decimal units, as disks and networks have them. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length)
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1]}`
}

/** A word of a shell's command line that stands for exactly this text. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : shellQuoted(text)
}

/** The same in quotes, whether the shell needs them or not: for what a person is to see as one word. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Words broken into lines of at most `width` characters. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}
