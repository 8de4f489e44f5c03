// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stepsOver } from '../src/http/time-steps.ts'

const FIRST_MS = Date.parse('1900-01-01T00:00:00Z')
const LAST_MS = Date.parse('2298-12-31T00:00:00Z')
const HOUR_MS = 3_600_000

test('whatever the range, at most so many buckets hold all of it, and no longer ones than it takes', () => {
  const at = fc.integer({ min: FIRST_MS, max: LAST_MS })
  fc.assert(
    fc.property(at, at, fc.integer({ min: 1, max: 500 }), (one, other, maxCount) => {
      const [first, end] = [Math.min(one, other), Math.max(one, other) + 1]
      const { fromMs, toMs, stepMs } = stepsOver(first, end, maxCount)
      assert(fromMs <= first && toMs >= end && stepMs > 0)
      assert((toMs - fromMs) / stepMs <= maxCount && (toMs - fromMs) % stepMs === 0)
    }),
    { numRuns: 2_000, seed: 7 },
  )
})

test('a range across the moment from which steps are counted fits one bucket', () => {
  const { fromMs, toMs, stepMs } = stepsOver(0, Date.parse('2026-11-21T00:00:00Z'), 1)
  assert(fromMs <= 0 && fromMs > -8 * 24 * HOUR_MS && toMs - fromMs === stepMs)
})

test('steps are round ones, and begin where people expect them to', () => {
  const day = Date.parse('2026-11-17T00:00:00Z')
  assert.deepEqual(stepsOver(day, day + 24 * HOUR_MS, 24), { fromMs: day, toMs: day + 24 * HOUR_MS, stepMs: HOUR_MS })
})
