// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifying a whole data directory: every frame, entry, event and tree, against the head kept outside. No peer stands
 * beside it: none that can be installed here verifies contents, entries and trees of a directory at rest.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDirectory } from '../src/directory.ts'
import { verifyDirectory } from '../src/evidence/verify-directory.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { cpuCount } from '../src/platform/workers.ts'
import { directoryConfig, fillTo } from './directories.ts'
import { entraMix, events1k } from './generate.ts'
import { count, table } from './report.ts'

const BATCH = 500
const POOL_COUNT = 16
const RUNS = 3

export async function benchVerify(eventCount: number): Promise<string> {
  const rows = [['directory', 'run', 'entries', 'events/s', 'MB/s', 'verdict']]
  rows.push(...(await measured('1 KB events', events1k, eventCount)))
  rows.push(...(await measured('Entra mix', entraMix, Math.ceil(eventCount / 8))))
  return table(rows)
}

async function measured(
  name: string,
  make: (count: number, seed: number) => Buffer,
  eventCount: number,
): Promise<string[][]> {
  const folder = mkdtempSync(join(tmpdir(), 'stele-bench-'))
  const { dataDirectory: directory, head: where } = directoryConfig(folder)
  try {
    const opened = await openDirectory(directoryConfig(folder))
    const bodies = Array.from({ length: POOL_COUNT }, (_, seed) => make(BATCH, seed))
    await fillTo(opened.ledgers, eventCount, bodies)
    await opened.close()
    const rows: string[][] = []
    for (let run = 1; run <= RUNS; run++) {
      const startedMs = performance.now()
      const heads = [{ where, bytes: readFileSync(where) }]
      const disk = new NodeDisk()
      const { entryCount, walBytes, verdict } = await verifyDirectory({
        disk,
        directory,
        heads,
        threadCount: cpuCount(),
      })
      const seconds = (performance.now() - startedMs) / 1000
      const [perSecond, megabytes] = [count(entryCount / seconds), (walBytes / 1e6 / seconds).toFixed(0)]
      rows.push([name, String(run), count(entryCount), perSecond, megabytes, verdict])
    }
    return rows
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
