// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How long a start takes does not depend on how much is stored: after a stop nothing is replayed, after a kill at most
// what came since the last anchor. It prints its figures; how fast the machine is, is not tested.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { openDirectory, type OpenDirectory } from '../../src/directory.ts'
import { ownBatch } from '../../src/ledger/batch.ts'
import { hex, scratch } from '../scratch.ts'

const COUNT = 1_000_000
const BATCH_COUNT = 5_000
const EVENT_BYTES = 200
const ANCHOR_BYTES = 64 * 1024 * 1024

test('a start with a million entries replays little after a kill, nothing after a stop, and has the same root', async (context) => {
  const root = scratch(context)
  const data = join(root, 'data')
  const open = async (): Promise<{ opened: OpenDirectory; ms: number }> => {
    const started = performance.now()
    const config = { dataDirectory: data, stateDirectory: join(root, 'state'), name: 'stele.test', version: '0.0.0' }
    const opened = await openDirectory({ ...config, log: (line) => assert.fail(JSON.stringify(line)) })
    return { opened, ms: Math.round(performance.now() - started) }
  }
  const first = await open()
  const events = Array.from({ length: BATCH_COUNT }, (_, number) => Buffer.alloc(EVENT_BYTES, number))
  const batch = ownBatch(events, 'generic', 'application/octet-stream', 'tester')
  for (let count = 0; count < COUNT; count += BATCH_COUNT) await first.opened.ledgers.append('main', batch)
  const head = hex(first.opened.ledgers.log('main').root)
  await first.opened.ledgers.publish()
  // Its lock is let go and nothing else is done: what a kill leaves.
  await letGo(first.opened)

  const figures: Record<string, string> = {}
  for (const [name, before] of Object.entries({
    'after a kill': () => {},
    'after a stop': () => {},
    'without derived files': () => rmSync(join(data, 'derived'), { recursive: true }),
  })) {
    before()
    const { opened, ms } = await open()
    const { replayedBytes, rederived } = opened.ledgers.opening
    figures[name] =
      `${ms} ms, ${Math.round(replayedBytes / 1e6)} MB replayed, ${Math.round(process.memoryUsage().rss / 1e6)} MB resident`
    assert.equal(opened.ledgers.log('main').size, COUNT)
    assert.equal(hex(opened.ledgers.log('main').root), head)
    assert.deepEqual((await opened.ledgers.event('main', COUNT - 1)).event, events.at(-1))
    if (name === 'after a kill') assert(replayedBytes < 2 * ANCHOR_BYTES)
    if (name === 'after a stop') assert.equal(replayedBytes, 0)
    assert.equal(rederived !== undefined, name === 'without derived files')
    await opened.close()
  }
  for (const [name, figure] of Object.entries(figures))
    context.diagnostic(`start with 1,000,000 entries ${name}: ${figure}`)
})

async function letGo({ ledgers }: OpenDirectory): Promise<void> {
  // The failure keeps it from recording its stop and from writing an anchor.
  Object.defineProperty(ledgers, 'failure', { get: () => new Error('killed') })
  await ledgers.close()
}
