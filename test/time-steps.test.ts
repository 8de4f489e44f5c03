// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stepsOver } from '../src/http/time-steps.ts'

const FIRST_MS = Date.parse('1900-01-01T00:00:00Z')
const LAST_MS = Date.parse('2298-12-31T00:00:00Z')
const HOUR_MS = 3_600_000

test('buckets have a round step, begin at a round time in UTC, hold every moment, and are not too many', () => {
  const day = 86_400_000
  const monday = Date.parse('2026-01-05T00:00:00Z')
  const cases: readonly (readonly [firstMs: number, endMs: number, count: number, from: string, stepMs: number])[] = [
    [monday, monday + 3_600_000, 60, '2026-01-05T00:00:00.000Z', 60_000],
    [monday + 1, monday + 2, 60, '2026-01-05T00:00:00.000Z', 1_000],
    [monday - 1, monday + 1, 1, '2025-12-22T00:00:00.000Z', 28 * day],
    [monday + 12_345, monday + day, 24, '2026-01-05T00:00:00.000Z', 3_600_000],
    [monday, monday + 40 * day, 10, '2026-01-05T00:00:00.000Z', 7 * day],
    [monday, monday, 5, '2026-01-05T00:00:00.000Z', 1_000],
    [0, monday, 500, '1969-10-06T00:00:00.000Z', 7 * 13 * day],
  ]
  for (const [firstMs, endMs, count, from, stepMs] of cases) {
    const steps = stepsOver(firstMs, endMs, count)
    assert.deepEqual(
      [new Date(steps.fromMs).toISOString(), steps.stepMs],
      [from, stepMs],
      `${firstMs} ${endMs} ${count}`,
    )
  }
  let seed = 7
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  for (let turn = 0; turn < 2_000; turn++) {
    const firstMs = Math.floor(random() * 1e13)
    const endMs = firstMs + Math.floor(10 ** (random() * 13))
    const count = 1 + Math.floor(random() * 500)
    const { fromMs, toMs, stepMs } = stepsOver(firstMs, endMs, count)
    const told = JSON.stringify({ seed, firstMs, endMs, count, fromMs, toMs, stepMs })
    assert.ok(fromMs <= firstMs && toMs >= endMs, told)
    assert.ok(Number.isInteger((toMs - fromMs) / stepMs) && (toMs - fromMs) / stepMs <= count, told)
    assert.equal(stepMs % 1_000, 0, told)
  }
})

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
