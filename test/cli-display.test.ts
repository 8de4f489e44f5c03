// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What others wrote, on its way to a terminal, a shell, or a line of JSON.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

import fc from 'fast-check'

import { progressText } from '../src/cli/append/progress.ts'
import { bytesText, clipped, counted, jsonLine, printable, shellWord, wrapped } from '../src/cli/display.ts'

const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
)

test('whatever a text holds, what is shown has no character that a terminal acts on, and one line', () => {
  fc.assert(
    fc.property(anyText, (text) => assert.doesNotMatch(printable(text), UNSAFE)),
    { seed: 7, numRuns: 2_000 },
  )
  assert.equal(printable('Zoë · 東京 \\ 😀'), 'Zoë · 東京 \\ 😀')
  assert.equal(
    printable('\u001b[31m\r\n\t\u202e\u2066\ufeff\ud800\u0085'),
    '\\u{1b}[31m\\r\\n\\t\\u{202e}\\u{2066}\\u{feff}\\u{d800}\\u{85}',
  )
})

test('a line of JSON says the same as the value, in safe characters', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), anyText, (value, text) => {
      const line = jsonLine([value, text])
      assert.doesNotMatch(line.slice(0, -1), UNSAFE)
      assert.equal(line.at(-1), '\n')
      assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify([value, text])))
    }),
    { seed: 7, numRuns: 1_000 },
  )
})

test('a word for the shell is the very text to the shell', () => {
  const texts = [
    'plain',
    "it's",
    'a b',
    '$HOME`id`"\\',
    '',
    '*',
    '~',
    "''",
    'ünï',
    '-n',
    'stele.local/x+1f+AZ/+=',
  ].filter((text) => text !== '')
  for (const text of texts)
    assert.equal(execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`]).toString('utf8'), text)
})

test('figures are written for people', () => {
  assert.deepEqual([0, 999, 1_000, 1_250_000, 3e9, 4e12, 5e15].map(bytesText), [
    '0 B',
    '999 B',
    '1.0 kB',
    '1.3 MB',
    '3.0 GB',
    '4.0 TB',
    '5000.0 TB',
  ])
  assert.deepEqual(
    [counted(0, 'event'), counted(1, 'event'), counted(1_234, 'event')],
    ['0 events', '1 event', '1,234 events'],
  )
  assert.deepEqual(
    [clipped('four', 4), clipped('fives', 4), clipped('😀😀😀', 2), clipped('x', 0)],
    ['four', 'fiv…', '😀…', '…'],
  )
  assert.deepEqual(wrapped('one two three', 7), ['one two', 'three'])
})

test('progress says how many, how much of how much, how fast, and how long it takes yet', () => {
  const amount = { events: 12_000, readBytes: 14_200_000, totalBytes: 120_000_000 }
  assert.equal(progressText(amount, 2_000), '12,000 events · 14.2 MB of 120.0 MB · 6,000 events/s · 15 s left')
  assert.equal(progressText({ ...amount, totalBytes: undefined }, 2_000), '12,000 events · 14.2 MB · 6,000 events/s')
  assert.equal(
    progressText({ ...amount, readBytes: 142_000 }, 2_000),
    '12,000 events · 142.0 kB of 120.0 MB · 6,000 events/s · 29 min left',
  )
  assert.equal(progressText({ ...amount, readBytes: 0 }, 0), '12,000 events · 0 B of 120.0 MB · 12,000,000 events/s')
})
