// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The harnesses of docs/reliability.md, each for a moment; longer in test/slow/simulation.test.ts. They run in processes
// of their own, as whoever types the commands runs them.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { demandCaught, demandClean } from './sim/run.ts'

test('P1 P2 P3: a seed of the simulation is replayed to the last operation of the disk, and another one is another', async () => {
  const said = await Promise.all(
    ['19', '19', '24'].map(async (seed) => await demandClean(['main.ts', '--seed', seed, '--episodes', '1'])),
  )
  const [first, again, other] = said.map((text) => /trace of the last: ([0-9a-f]{16})/.exec(text)?.[1])
  assert(first !== undefined && other !== undefined)
  assert.equal(first, again)
  assert.notEqual(first, other)
})

test('P1 P2 P3: images of power cuts at some moments of a life are recovered with all that was acknowledged', async () => {
  const said = await demandClean(['images-main.ts', '--tears', '4096', '--every', '12', '--starts', '1', '--max', '6'])
  assert.match(said, /nothing was lost, torn or forked/)
})

test('P1 P2 P3: operations that fail, hang, are late, or are done and say that they failed, lose nothing', async () => {
  const said = await demandClean(['matrix-main.ts', '--every', '199'])
  assert.match(said, /^\d\d cases, \d\d faults/)
})

for (const name of [
  'puts a key in its place before its ledger is durable',
  'gives up the log before the seal is durable',
]) {
  test(`a ledger that ${name} is caught`, async () => {
    await demandCaught(name)
  })
}
