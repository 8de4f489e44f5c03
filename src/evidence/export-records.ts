// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The hits of an export as they come, in bounded memory: a line of NDJSON each, or a record of CSV, whose quotes and
// apostrophes are taken off. Whoever made the file may be hostile: what is not of the form is a fault of that record.

import { z } from 'zod'

const NEWLINE = 0x0a
const QUOTE = 0x22
/** A hit of 16 MiB, escaped at its worst. */
const MAX_RECORD_BYTES = 128 * 1024 * 1024

const hitForm = z.object({
  index: z.int().nonnegative(),
  at: z.string(),
  time: z.string(),
  source: z.string(),
  event: z.string().optional(),
  eventBase64: z.string().optional(),
  entry: z.string(),
  salt: z.string(),
  proof: z.array(z.string()).optional(),
})
export type ExportedHit = z.infer<typeof hitForm>

export class RecordFault extends Error {
  override readonly name = 'RecordFault'
}

/** Cuts bytes into records. */
export class ExportRecords {
  readonly #isCsv: boolean
  #isQuoted = false
  #parts: Uint8Array[] = []
  #partBytes = 0

  constructor(format: 'ndjson' | 'csv') {
    this.#isCsv = format === 'csv'
  }

  /** Whether something stands behind the last record. */
  get hasRest(): boolean {
    return this.#partBytes > 0
  }

  /** Texts of the records that are whole now. Throws a RecordFault for one that does not end. */
  *add(chunk: Uint8Array): Generator<string> {
    let from = 0
    for (let end = this.#endFrom(chunk, 0); end !== -1; end = this.#endFrom(chunk, from)) {
      this.#keep(chunk.subarray(from, end))
      from = end + 1
      const text = Buffer.concat(this.#parts).toString('utf8')
      this.#parts = []
      this.#partBytes = 0
      yield text
    }
    this.#keep(chunk.subarray(from))
  }

  /** Where the record ends that goes on here; the state of the quotes is that of the end, or of the chunk's. */
  #endFrom(chunk: Uint8Array, from: number): number {
    if (!this.#isCsv) return chunk.indexOf(NEWLINE, from)
    for (let at = from; at < chunk.length; at++) {
      if (this.#isQuoted) {
        at = chunk.indexOf(QUOTE, at)
        if (at === -1) return -1
        this.#isQuoted = false
      } else if (chunk[at] === NEWLINE) return at
      // A quote that is written twice leaves the cell and enters it again.
      else if (chunk[at] === QUOTE) this.#isQuoted = true
    }
    return -1
  }

  #keep(part: Uint8Array): void {
    this.#partBytes += part.length
    if (this.#partBytes > MAX_RECORD_BYTES) throw new RecordFault('it does not end')
    // What is handed in may be overwritten.
    if (part.length > 0) this.#parts.push(part.slice())
  }
}

export function hitOfLine(text: string): ExportedHit {
  try {
    return hitForm.parse(JSON.parse(text))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) throw new RecordFault('it is no hit')
    throw error
  }
}

/** By the names in the header. */
export function hitOfCells(header: readonly string[], cells: readonly string[]): ExportedHit {
  if (cells.length !== header.length) throw new RecordFault('it has not as many cells as the header')
  const cell = (name: string): string => {
    const text = cells[header.indexOf(name)]
    if (text === undefined) throw new RecordFault(`there is no column ${name}`)
    return text
  }
  const index = cell('index')
  if (!/^\d{1,15}$/.test(index)) throw new RecordFault('its index is no number')
  const [event, eventBase64] = [cell('event'), cell('event_base64')]
  if (event !== '' && eventBase64 !== '') throw new RecordFault('the event is there twice')
  return {
    index: Number(index),
    at: cell('at'),
    time: cell('time'),
    source: cell('source'),
    ...(eventBase64 === '' ? { event } : { eventBase64 }),
    entry: cell('entry'),
    salt: cell('salt'),
  }
}

/** The values of a record, without what protects spreadsheets from them. */
export function csvCells(record: string): string[] {
  const cells: string[] = []
  for (let at = 0; ;) {
    if (record[at] !== '"') throw new RecordFault('a cell is not in quotes')
    let end = record.indexOf('"', at + 1)
    while (end !== -1 && record[end + 1] === '"') end = record.indexOf('"', end + 2)
    if (end === -1) throw new RecordFault('a cell does not end')
    const text = record.slice(at + 1, end).replaceAll('""', '"')
    cells.push(text.startsWith("'") ? text.slice(1) : text)
    if (end + 2 === record.length && record[end + 1] === '\r') return cells
    if (record[end + 1] !== ',') throw new RecordFault('behind a cell stands neither a comma nor CRLF')
    at = end + 2
  }
}
