// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { demandClean } from '../sim/run.ts'

/** What a harness said at its end, for whoever reads the log. */
const figures = (said: string): string => said.trim().split('\n').slice(-3).join('; ')

test('P1 P2 P3: a minute of simulated machines whose disks, clocks and power fail loses, tears and forks nothing', async (context) => {
  context.diagnostic(figures(await demandClean(['main.ts', '--seed', '10000', '--minutes', '1'])))
})

test('P1 P2 P3: images that a power cut at every moment of a life may leave are recovered', async (context) => {
  const said = await demandClean(['images-main.ts'])
  assert.match(said, /nothing was lost, torn or forked/)
  context.diagnostic(figures(said))
})

test('P1 P2 P3: a part of the matrix of faults: each operation fails, hangs, is late, or is done and says that it failed', async (context) => {
  context.diagnostic(figures(await demandClean(['matrix-main.ts', '--every', '15'])))
})
