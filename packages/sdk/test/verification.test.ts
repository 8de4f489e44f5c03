// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { misshapen } from './lies.ts'
import { demandFoundOut, ground } from './lying-ground.ts'

const times = { startedAt: '2026-01-02T03:04:05.678Z', endedAt: '2026-01-02T03:05:05.678Z' }
const running = { startedAt: '2026-01-02T03:06:05.678Z', isRequested: false, doneBytes: 10, totalBytes: 20 }
const finding = { kind: 'frame', what: 'the body was changed', file: 'wal/1', offset: 7, ledger: 'main', index: 2 }
const failed = {
  ...times,
  isRequested: true,
  outcome: 'failed',
  verdict: 'changed',
  entryCount: 3,
  readBytes: 400,
  findings: [finding],
  findingCount: 1,
}

test('what a server says of its own verification is read field by field, and what cannot be is found out', async (context) => {
  const here = await ground(context)
  assert.deepEqual(await here.client().verification(), {})
  const status: object = { running, requestedAt: times.startedAt, last: failed, lastPassed: { ...failed, ...times } }
  Object.defineProperty(here.server.keeper, 'verification', { configurable: true, get: () => status })
  const told = await here.client().verification()
  const { kind: _, ...shown } = finding
  const { verdict: __, ...last } = failed
  assert.deepEqual(told, {
    running,
    requestedAt: times.startedAt,
    last: { ...last, findings: [shown] },
    lastPassedAt: times.endedAt,
  })
  // What this client does not ask for, what may be left out, and what may be any text or truth.
  const excused =
    /kind|verdict|(?:running|last|At|file|offset|ledger|index): undefined|(?:what|file): ""|isRequested: true|findings: \[\]/
  await demandFoundOut(
    here,
    { path: /\/verification$/, make: async (client) => await client.verification() },
    misshapen,
    (what) => excused.test(what) && !/(?:startedAt|endedAt): undefined/.test(what),
  )
  const lies = {
    'of 20 were verified': { running: { ...running, doneBytes: 21 } },
    'are counted as 0': { last: { ...failed, findingCount: 0 } },
    'it passed with 1': { last: { ...failed, outcome: 'passed' } },
    'has no reason': { last: { ...failed, outcome: 'unfinished', findings: [], findingCount: 0 } },
  }
  for (const [words, lie] of Object.entries(lies)) {
    Object.defineProperty(here.server.keeper, 'verification', { configurable: true, get: () => lie })
    await assert.rejects(here.client().verification(), new RegExp(words))
  }
})
