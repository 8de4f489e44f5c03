// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The canaries of the simulation and of the crash images: each ledger that is broken on purpose is caught.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { brokenLedgers } from '../sim/broken-ledgers.ts'
import { demandCaught } from '../sim/run.ts'

for (const name of Object.keys(brokenLedgers)) {
  test(`a ledger that ${name} is caught`, async () => {
    assert.match(await demandCaught(name), /Error|Fault/)
  })
}
