// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A reader of RFC 4180 after its grammar, for what Stele writes.

import assert from 'node:assert/strict'

/** Records of cells; what is not of the grammar fails. */
export function csvRecords(text: string): string[][] {
  const records: string[][] = []
  let cells: string[] = []
  let at = 0
  while (at < text.length) {
    const [whole, quoted, bare] = /"((?:[^"]|"")*)"|([^",\r\n]*)/uy.exec(text.slice(at)) ?? assert.fail('no cell')
    cells.push(quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"'))
    at += whole.length
    if (text[at] === ',') {
      at++
      continue
    }
    assert.equal(text.slice(at, at + 2), '\r\n', 'a record ends with CRLF')
    at += 2
    records.push(cells)
    cells = []
  }
  return records
}
