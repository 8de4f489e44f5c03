// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What grows with a ledger. One ledger is filled to each of the sizes in turn, sealed, and looked at by a fresh process:
 * how long it takes to open and in how much memory, an append of one event, a proof of a random entry, 50 scattered
 * events with their content. The directory may be kept: a later run goes on where the last one stopped.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer } from '../src/server.ts'
import { directoryConfig, fillTo } from './directories.ts'
import { generatedSmall } from './generate.ts'
import type { Grown } from './growth-look.ts'
import { count, table } from './report.ts'

const BATCH = 4_000
const POOL_COUNT = 8
const POLL_MS = 100
/** Bytes of completed WAL files that may wait to be sealed: the disk is to hold what it has to and not twice that. */
const MAX_LAG_BYTES = 1024 * 1024 * 1024

export async function benchGrowth(sizes: readonly number[], kept: string | undefined): Promise<string> {
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'stele-bench-'))
  const rows = [
    [
      'entries',
      'fill events/s',
      'open s',
      'open MB',
      'append p50 ms',
      'p99',
      'proof p50 ms',
      'p99',
      '50 events p50 ms',
      'p99',
    ],
  ]
  try {
    for (const size of sizes) {
      const perSecond = await fill(folder, size)
      const { entryCount, openMs, residentBytes, append, proof, scattered } = look(folder)
      const latencies = [append, proof, scattered].flatMap(({ p50Ms, p99Ms }) => [p50Ms.toFixed(2), p99Ms.toFixed(2)])
      const opened = [(openMs / 1000).toFixed(2), count(residentBytes / 1e6)]
      rows.push([count(entryCount), perSecond, ...opened, ...latencies])
    }
    return table(rows)
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Through a server without its index, whose keeper seals meanwhile; resolves once all is sealed that can be. */
export async function fill(folder: string, size: number): Promise<string> {
  const served = { listenHost: '127.0.0.1', listenPort: 0, insecurePlaintext: false, noIndex: true }
  const server = await startServer({ ...directoryConfig(folder), ...served })
  const { ledgers, keeper } = server
  try {
    const before = ledgers.log('main').size
    const bodies = Array.from({ length: POOL_COUNT }, (_, seed) => generatedSmall(BATCH, seed))
    const startedMs = performance.now()
    const step = BATCH * 100
    for (let next = before; next < size;) {
      next = Math.min(size, next + step)
      await fillTo(ledgers, next, bodies)
      while (keeper.sealing.lagBytes > MAX_LAG_BYTES) await rest()
    }
    const filled = ledgers.log('main').size - before
    const seconds = (performance.now() - startedMs) / 1000
    while (keeper.sealing.lagBytes > 0 && keeper.sealing.fault === undefined) await rest()
    return filled === 0 ? 'was there' : count(filled / seconds)
  } finally {
    await server.close()
  }
}

function look(folder: string): Grown {
  const script = new URL('growth-look.ts', import.meta.url).pathname
  const { stdout, status } = spawnSync(process.execPath, [script, folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${script} ended with ${status}`)
  return JSON.parse(stdout) as Grown
}

async function rest(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, POLL_MS))
}
