// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** One server on an empty directory, under the load of appends. */
import { inFolder } from './filled.ts'
import { runLoad } from './load.ts'
import { bodyFiles, createLedgers, type Running } from './subjects.ts'

const WARM_UP_SECONDS = 3

export interface Workload {
  readonly name: string
  readonly connections: number
  readonly eventsPerRequest: number
  readonly bodies: readonly Buffer[]
  /** Written to in turn; one, `main`, where it is not said. */
  readonly ledgerCount?: number
}

export interface UnderLoad {
  readonly eventsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
  /** Of the server an event, all its threads together. */
  readonly cpuMicroseconds: number
  readonly peakBytes: number
}

export async function underLoad(
  { connections, eventsPerRequest, bodies, ledgerCount }: Workload,
  start: (folder: string) => Promise<Running>,
  seconds: number,
): Promise<UnderLoad> {
  return await inFolder(async (folder) => {
    const bodyPaths = bodyFiles(folder, bodies)
    const running = await start(folder)
    try {
      const paths = ledgerCount === undefined ? {} : { paths: await createLedgers(running, ledgerCount) }
      const load = { url: running.url, headers: running.headers, bodyPaths, connections, folder, ...paths }
      await runLoad({ ...load, seconds: WARM_UP_SECONDS })
      const usedBefore = running.cpuSeconds()
      const startedMs = performance.now()
      const { requestsPerSecond, ...latencies } = await runLoad({ ...load, seconds })
      const eventsPerSecond = requestsPerSecond * eventsPerRequest
      const eventCount = (eventsPerSecond * (performance.now() - startedMs)) / 1000
      const cpuMicroseconds = ((running.cpuSeconds() - usedBefore) * 1e6) / eventCount
      return { eventsPerSecond, ...latencies, cpuMicroseconds, peakBytes: running.peakBytes() }
    } finally {
      await running.stop()
    }
  })
}
