// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import { test } from 'node:test'

import { simulate } from '../simulation.ts'

test('P1 P2 P3: a thousand seeds of kills, power cuts and failing datasyncs lose, tear and fork nothing', async () => {
  await simulate(40, 1_040)
})
