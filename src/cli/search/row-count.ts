// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Counts the events in an export as it comes: lines of NDJSON, records of CSV, whose cells may hold line breaks.

const NEWLINE = 0x0a
const QUOTE = 0x22

export class RowCount {
  readonly #isCsv: boolean
  #isQuoted = false
  #lineCount = 0

  constructor(format: 'ndjson' | 'csv') {
    this.#isCsv = format === 'csv'
  }

  /** A table's first record is its header. */
  get count(): number {
    return Math.max(0, this.#lineCount - (this.#isCsv ? 1 : 0))
  }

  add(chunk: Uint8Array): void {
    for (const byte of chunk) {
      // A quote that is written twice leaves the cell and enters it again.
      if (this.#isCsv && byte === QUOTE) this.#isQuoted = !this.#isQuoted
      else if (byte === NEWLINE && !this.#isQuoted) this.#lineCount++
    }
  }
}
