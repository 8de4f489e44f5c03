// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The simulation itself, in a process of its own, since it computes on one thread: a few seeds, and that a seed says
// all there is to say of a run. A minute of it runs in test/slow/sim.test.ts.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const main = join(import.meta.dirname, 'sim', 'main.ts')
const simulate = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [main, ...args])).stdout

test('P1 P2 P3: a seed of the simulation is replayed to the last operation of the disk, and another one is another', async () => {
  const [first, again, other] = await Promise.all(
    ['5', '5', '6'].map(async (seed) => await simulate('--seed', seed, '--episodes', '1')),
  )
  const traceOf = (said: string) => /trace of the last: ([0-9a-f]{16})/.exec(said)?.[1] ?? assert.fail(said)
  assert.equal(traceOf(first!), traceOf(again!))
  assert.notEqual(traceOf(first!), traceOf(other!))
})
