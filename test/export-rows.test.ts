// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { csvCell } from '../src/http/export-rows.ts'
import { csvRecords } from './csv-records.ts'

test('CSV keeps to RFC 4180, and no cell of it is a formula to a spreadsheet; taking one apostrophe off gives every value', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.tuple(fc.constantFrom(...'=+-@\t\r\n\'"＝＋－＠;,'), fc.string()).map(([sign, rest]) => sign + rest),
    fc.constantFrom('=cmd|"/c calc"!A0', '@SUM(1)', '"\r\n=1', "'", "''=1", ';=1', '-2+3'),
  )
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1, maxLength: 8 }), (values) => {
      const [cells, ...others] = csvRecords(`${values.map(csvCell).join(',')}\r\n`)
      assert.deepEqual(others, [])
      for (const [at, value] of values.entries()) {
        const cell = cells?.[at] ?? assert.fail('a cell is missing')
        assert.doesNotMatch(cell, /^[=+\-@\t\r\n＝＋－＠]/)
        assert.equal(cell.replace(/^'/, ''), value.toWellFormed())
      }
      assert.equal(cells?.length, values.length)
    }),
    { seed: 7, numRuns: 200 },
  )
})
