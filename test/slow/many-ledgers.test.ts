// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

import { openDirectory } from '../../src/directory.ts'
import { append, readAll, scratch } from '../scratch.ts'

const COUNT = 1_000
/** What most systems give a process. */
const DESCRIPTORS = 1_024

interface Figures {
  readonly createdMs: number
  readonly appendedMs: number
  readonly closedMs: number
  readonly openedMs: number
  readonly residentMb: number
}

if (process.env['STELE_TEST_ROOT'] === undefined) {
  test(
    'a thousand ledgers live in one directory with the usual number of file descriptors',
    { timeout: 300_000 },
    (context) => {
      const limited = `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`
      const { status, stdout, stderr } = spawnSync('bash', ['-c', limited, process.execPath, import.meta.filename], {
        env: { ...process.env, STELE_TEST_ROOT: scratch(context), NODE_TEST_CONTEXT: undefined },
        encoding: 'utf8',
      })
      assert.equal(status, 0, stderr + stdout)
      const figures = JSON.parse(stdout) as Figures
      context.diagnostic(`1,000 ledgers: ${JSON.stringify(figures)}`)
      assert(figures.residentMb < 400)
    },
  )
} else {
  console.log(JSON.stringify(await live(process.env['STELE_TEST_ROOT'])))
}

/** Creates them, appends to all at once, stops, opens again, reads all at once and all of each. */
async function live(root: string): Promise<Figures> {
  const paths = { dataDirectory: join(root, 'data'), stateDirectory: join(root, 'state') }
  const config = {
    ...paths,
    name: 'stele.test',
    version: '0.0.0',
    log: (line: object) => assert.fail(JSON.stringify(line)),
  }
  const names = Array.from({ length: COUNT }, (_, number) => `ledger-${number}`)
  const first = await openDirectory(config)
  const createdMs = await timed(async () => {
    for (const name of names) await first.administration.createLedger({ name }, 'tester')
  })
  const appendedMs = await timed(async () => {
    for (const round of ['one', 'two', 'three']) {
      await Promise.all(names.map(async (name) => await append(first.ledgers, name, [Buffer.from(`${round} ${name}`)])))
    }
  })
  const closedMs = await timed(async () => await first.close())
  const openedMs = await timed(async () => await (await openDirectory(config)).close())
  const again = await openDirectory(config)
  assert.equal(again.ledgers.opening.replayedBytes, 0)
  const seconds = await Promise.all(names.map(async (name) => (await again.ledgers.event(name, 1)).event.toString()))
  assert.deepEqual(
    seconds,
    names.map((name) => `two ${name}`),
  )
  for (const name of names)
    assert.equal((await readAll(again.ledgers, name)).join(), `one ${name},two ${name},three ${name}`)
  await again.close()
  return { createdMs, appendedMs, closedMs, openedMs, residentMb: Math.round(process.memoryUsage().rss / 1e6) }
}

async function timed(act: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await act()
  return Math.round(performance.now() - started)
}
