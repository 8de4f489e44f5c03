// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Appending over HTTP, durable: Stele beside the peers that are installed, in one run on one machine, the load
 * generator on it too. Prints figures and asserts nothing about them.
 */
import { entraMix, events1k } from './generate.ts'
import { wrkInstalled } from './load.ts'
import { count, table } from './report.ts'
import { peerPath, startStele, startTessera } from './subjects.ts'
import { type UnderLoad, underLoad, type Workload } from './under-load.ts'

const BODY_COUNT = 16
const BATCH = 500

/** A workload on one ledger, and on how many it is also measured. */
interface Series extends Workload {
  readonly alsoOn: readonly number[]
}

function series(): Series[] {
  const bodies = (make: typeof events1k, events: number) =>
    Array.from({ length: BODY_COUNT }, (_, seed) => make(events, seed, true))
  const batches = { connections: 8, eventsPerRequest: BATCH }
  const singles = { eventsPerRequest: 1, bodies: bodies(events1k, 1) }
  return [
    { name: '1 KB, NDJSON of 500, 8 connections', ...batches, bodies: bodies(events1k, BATCH), alsoOn: [100, 1_000] },
    { name: 'Entra mix, NDJSON of 500, 8 connections', ...batches, bodies: bodies(entraMix, BATCH), alsoOn: [] },
    { name: '1 KB, one a request, 64 clients', connections: 64, ...singles, alsoOn: [100] },
    // Tessera answers once a batch is integrated: it needs many clients to show what it can.
    { name: '1 KB, one a request, 512 clients', connections: 512, ...singles, alsoOn: [] },
  ]
}

export async function benchAppend(seconds: number): Promise<string> {
  if (!wrkInstalled()) return 'append: wrk, the load generator, is not installed (Debian: apt-get install wrk)'
  const rows = [
    ['workload', 'subject', 'events/s', 'MB/s', 'p50 ms', 'p99 ms', 'errors', 'CPU µs', 'peak MB', 'beside'],
  ]
  // What the index costs is measured by `bench index`.
  const stele = async (workload: Workload) =>
    await underLoad(workload, async (folder) => await startStele(folder, ['--no-index']), seconds)
  const tessera = peerPath('posix')
  for (const workload of series()) {
    const one = await stele(workload)
    rows.push(row(workload, 'Stele', one, ''))
    for (const ledgerCount of workload.alsoOn) {
      const many = await stele({ ...workload, ledgerCount })
      rows.push(row(workload, `Stele, ${count(ledgerCount)} ledgers`, many, `${ratio(many, one)} of one ledger's rate`))
    }
    if (workload.eventsPerRequest !== 1 || tessera === undefined) continue
    const peer = await underLoad(workload, async (folder) => await startTessera(tessera, folder), seconds)
    rows.push(row(workload, 'Tessera POSIX', peer, `Stele has ${ratio(one, peer)} times its rate`))
  }
  const absent =
    tessera === undefined ? '\nTessera is not installed: bash scripts/ci-tools.sh builds it where there is Go.' : ''
  return table(rows) + absent
}

function ratio(one: UnderLoad, other: UnderLoad): string {
  return (one.eventsPerSecond / other.eventsPerSecond).toFixed(2)
}

function row({ name, bodies, eventsPerRequest }: Workload, subject: string, load: UnderLoad, beside: string): string[] {
  const bodyBytes = bodies.reduce((sum, body) => sum + body.length, 0) / bodies.length
  return [
    name,
    subject,
    count(load.eventsPerSecond),
    (((load.eventsPerSecond / eventsPerRequest) * bodyBytes) / 1e6).toFixed(1),
    load.p50Ms.toFixed(1),
    load.p99Ms.toFixed(1),
    String(load.errors),
    load.cpuMicroseconds.toFixed(2),
    count(load.peakBytes / 1e6),
    beside,
  ]
}
