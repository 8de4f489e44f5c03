// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A little of test/slow/fuzz.test.ts.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

import { fuzz, fuzzLengths, fuzzVerdicts, parsers } from './fuzzed-parsers.ts'

test('every parser that the package exports is fuzzed', () => {
  const folder = new URL('../src/', import.meta.url)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const sources = files.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('')
  const named = [...sources.matchAll(/^export (?:async )?function ((?:parse|from|split)\w+|entrySource)/gm)]
  const found = named.map(([, name = 'entrySource']) => name)
  assert.deepEqual(new Set(found), new Set(Object.keys(parsers)))
})

for (const name of Object.keys(parsers)) {
  test(`${name} answers hostile input or refuses it with a typed error`, () => {
    assert.ok(fuzz(name, 500, 1) > 0, 'some of the inputs are good')
  })
}

test('every hostile receipt gets a verdict', async () => await fuzzVerdicts(300, 1))

test('long inputs are answered in bounded time and memory', () => fuzzLengths(30_000))
