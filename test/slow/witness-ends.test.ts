// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A witness ended after each single operation of its disk, over several seeds.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { endEverywhere } from '../witness-cuts.ts'

const SEEDS = [62, 63]

for (const seed of SEEDS) {
  for (const end of ['afterPowerCut', 'afterKill'] as const) {
    test(`after each operation at which it can end (${end}, seed ${seed}), a witness contradicts nothing that it answered`, async () => {
      const { endCount, answeredCount } = await endEverywhere({ end, seed, first: 0, step: 1 })
      assert(endCount > 150 && answeredCount > 200, `${endCount} ${answeredCount}`)
    })
  }
}
