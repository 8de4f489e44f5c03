// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Appending over HTTP, durable: Stele beside the peers that are installed, in one run on one machine, the load
 * generator on it too. Prints figures and asserts nothing about them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entraMix, events1k } from './generate.ts'
import { type LoadResult, runLoad, wrkInstalled } from './load.ts'
import { count, table } from './report.ts'
import { bodyFiles, createLedgers, peerPath, type Running, startStele, startTessera } from './subjects.ts'

const BODY_COUNT = 16
const BATCH = 500

interface Workload {
  readonly name: string
  readonly connections: number
  readonly eventsPerRequest: number
  readonly bodies: readonly Buffer[]
  /** Written to in turn; one, `main`, where it is not said. */
  readonly ledgerCount?: number
}

function workloads(): Workload[] {
  const bodies = (make: (count: number, seed: number) => Buffer, events: number) =>
    Array.from({ length: BODY_COUNT }, (_, seed) => make(events, seed))
  return [
    {
      name: '1 KB, NDJSON of 500, 8 connections',
      connections: 8,
      eventsPerRequest: BATCH,
      bodies: bodies(events1k, BATCH),
    },
    {
      name: 'Entra mix, NDJSON of 500, 8 connections',
      connections: 8,
      eventsPerRequest: BATCH,
      bodies: bodies(entraMix, BATCH),
    },
    ...[100, 1_000].map((ledgerCount) => ({
      name: `1 KB, NDJSON of 500, 8 connections, ${ledgerCount} ledgers`,
      connections: 8,
      eventsPerRequest: BATCH,
      bodies: bodies(events1k, BATCH),
      ledgerCount,
    })),
    {
      name: '1 KB, one a request, 64 clients, 100 ledgers',
      connections: 64,
      eventsPerRequest: 1,
      bodies: bodies(events1k, 1),
      ledgerCount: 100,
    },
    // Tessera answers once a batch is integrated: it needs many clients to show what it can.
    ...[64, 512].map((connections) => ({
      name: `1 KB, one a request, ${connections} clients`,
      connections,
      eventsPerRequest: 1,
      bodies: bodies(events1k, 1),
    })),
  ]
}

export async function benchAppend(seconds: number): Promise<string> {
  if (!wrkInstalled()) return 'append: wrk, the load generator, is not installed (Debian: apt-get install wrk)'
  const rows = [['workload', 'subject', 'events/s', 'MB/s', 'p50 ms', 'p99 ms', 'errors', 'peak MB']]
  for (const workload of workloads()) {
    // What the index costs is measured by `bench index`.
    rows.push(await measured(workload, 'Stele', async (folder) => await startStele(folder, ['--no-index']), seconds))
    const tessera = peerPath('posix')
    if (workload.eventsPerRequest === 1 && workload.ledgerCount === undefined && tessera !== undefined) {
      rows.push(
        await measured(workload, 'Tessera POSIX', async (folder) => await startTessera(tessera, folder), seconds),
      )
    }
  }
  const absent =
    peerPath('posix') === undefined
      ? '\nTessera is not installed: bash scripts/ci-tools.sh builds it where there is Go.'
      : ''
  return table(rows) + absent
}

async function measured(
  workload: Workload,
  subject: string,
  start: (folder: string) => Promise<Running>,
  seconds: number,
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stele-bench-'))
  try {
    const bodyPaths = bodyFiles(folder, workload.bodies)
    const running = await start(folder)
    try {
      const { connections, ledgerCount } = workload
      const paths = ledgerCount === undefined ? {} : { paths: await createLedgers(running, ledgerCount) }
      const load = { url: running.url, headers: running.headers, bodyPaths, connections, folder, ...paths }
      await runLoad({ ...load, seconds: 2 })
      return row(workload, subject, await runLoad({ ...load, seconds }), running.peakBytes())
    } finally {
      await running.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function row(workload: Workload, subject: string, result: LoadResult, peakBytes: number): string[] {
  const eventsPerSecond = result.requestsPerSecond * workload.eventsPerRequest
  const bodyBytes = workload.bodies.reduce((sum, body) => sum + body.length, 0) / workload.bodies.length
  return [
    workload.name,
    subject,
    count(eventsPerSecond),
    ((result.requestsPerSecond * bodyBytes) / 1e6).toFixed(1),
    result.p50Ms.toFixed(1),
    result.p99Ms.toFixed(1),
    String(result.errors),
    count(peakBytes / 1e6),
  ]
}
