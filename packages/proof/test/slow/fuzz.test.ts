// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// STELE_FUZZ_CASES and STELE_FUZZ_SEED set how many inputs each parser gets, and which: `npm run fuzz`, for every night,
// takes a million by a seed of its own, which the names of the tests say.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MAX_NOTE_BYTES, MAX_POLICY_BYTES, MAX_PROOF_BYTES } from '../../src/index.ts'
import { fuzz, fuzzLengths, fuzzVerdicts, parsers } from '../fuzzed-parsers.ts'

const cases = Number(process.env['STELE_FUZZ_CASES'] ?? 100_000)
const seed = Number(process.env['STELE_FUZZ_SEED'] ?? 20_261_121)

for (const name of Object.keys(parsers)) {
  test(`${name} answers ${cases} hostile inputs of seed ${seed} or refuses them with a typed error`, () => {
    assert.ok(fuzz(name, cases, seed) > 0, 'some of the inputs are good')
  })
}

// A verdict checks signatures, so there are fewer of these.
test(`${cases / 10} hostile receipts of seed ${seed} get a verdict`, async () => await fuzzVerdicts(cases / 10, seed))

test('inputs that are as long as they may be are answered in bounded time and memory', () => {
  fuzzLengths(Math.max(MAX_NOTE_BYTES, MAX_POLICY_BYTES, MAX_PROOF_BYTES))
})
