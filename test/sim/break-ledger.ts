// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// `node --import ./test/sim/break-ledger.ts …` with STELE_BROKEN=NAME: what is loaded from src/ is broken as
// broken-ledgers.ts says. Nothing on the disk is changed.

import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'

import { brokenLedgers } from './broken-ledgers.ts'

const broken = brokenLedgers[process.env['STELE_BROKEN'] ?? '']
assert(broken !== undefined, 'STELE_BROKEN names one of test/sim/broken-ledgers.ts')
const url = new URL(`../../src/${broken.file}`, import.meta.url).href

registerHooks({
  load(loaded, context, nextLoad) {
    const result = nextLoad(loaded, context)
    if (loaded !== url) return result
    const { source } = result
    assert(source instanceof Uint8Array)
    const parts = Buffer.from(source).toString('utf8').split(broken.find)
    assert.equal(parts.length, 2, `${broken.file} does not have what is to be broken in it, once`)
    return { ...result, source: parts.join(broken.replace) }
  },
})
