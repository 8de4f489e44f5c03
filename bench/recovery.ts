// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A start that replays the write-ahead log: after a crash, and where all that is derived from it was lost. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { openDirectory } from '../src/directory.ts'
import { directoryConfig, fillTo } from './directories.ts'
import { inFolder } from './filled.ts'
import { entraMix, events1k } from './generate.ts'
import { count, table } from './report.ts'

const POOL_COUNT = 16
const BATCH = 500
const RUNS = 3

export async function benchRecovery(eventCount: number): Promise<string> {
  const rows = [['log', 'run', 'entries', 'MB', 'seconds', 'MB/s', 'events/s', 'CPU seconds']]
  rows.push(...(await measured('batches of 500 × 1 KB', events1k, BATCH, eventCount)))
  rows.push(...(await measured('batches of 500, Entra mix', entraMix, BATCH, Math.ceil(eventCount / 8))))
  rows.push(...(await measured('8 × 1 KB a commit', events1k, 1, Math.ceil(eventCount / 20))))
  return table(rows)
}

async function measured(
  name: string,
  make: (count: number, seed: number) => Buffer,
  batch: number,
  eventCount: number,
): Promise<string[][]> {
  return await inFolder(async (folder) => {
    const config = directoryConfig(folder)
    const begun = await openDirectory(config)
    const bodies = Array.from({ length: POOL_COUNT }, (_, seed) => make(batch, seed))
    await fillTo(begun.ledgers, eventCount, bodies)
    await begun.close()
    const rows: string[][] = []
    for (let run = 1; run <= RUNS; run++) {
      rmSync(join(config.dataDirectory, 'derived'), { recursive: true })
      const startedMs = performance.now()
      const used = process.cpuUsage()
      const opened = await openDirectory(config)
      const seconds = (performance.now() - startedMs) / 1000
      const { user, system } = process.cpuUsage(used)
      const { ledgers } = opened
      const { replayedBytes } = ledgers.opening
      const figures = [replayedBytes / 1e6, seconds, replayedBytes / 1e6 / seconds, ledgers.log('main').size / seconds]
      const [megabytes = 0, took = 0, perSecond = 0, events = 0] = figures
      rows.push([
        name,
        String(run),
        count(ledgers.log('main').size),
        count(megabytes),
        took.toFixed(2),
        count(perSecond),
        count(events),
        ((user + system) / 1e6).toFixed(2),
      ])
      await opened.close()
    }
    return rows
  })
}
