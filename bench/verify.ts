// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifying at rest: a data directory with all events, its entries and trees alone, and the ledger exported as a folder,
 * beside Tessera's fsck over that same folder in the same run. Nothing that can be installed here verifies contents.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KnownLogs } from '../src/evidence/known-logs.ts'
import { verifyDirectory } from '../src/evidence/verify-directory.ts'
import { verifyFolder } from '../src/evidence/verify-folder.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import { cpuCount } from '../src/platform/workers.ts'
import { startServer } from '../src/server.ts'
import { directoryConfig, fillTo } from './directories.ts'
import { entraMix, events1k } from './generate.ts'
import { count, table } from './report.ts'
import { peerPath } from './subjects.ts'

const BATCH = 500
const POOL_COUNT = 16
const RUNS = 3
const POLL_MS = 100
const FSCK_MS = 300_000
const stele = new URL('../bin/stele', import.meta.url).pathname

type Make = (count: number, seed: number) => Buffer

export async function benchVerify(eventCount: number): Promise<string> {
  const rows = [['what', 'run', 'entries', 'entries/s', 'CPU µs', 'said']]
  rows.push(...(await measured('1 KB events', events1k, eventCount, true)))
  rows.push(...(await measured('Entra mix', entraMix, Math.ceil(eventCount / 8), false)))
  return table(rows)
}

async function measured(name: string, make: Make, eventCount: number, withFolder: boolean): Promise<string[][]> {
  const folder = mkdtempSync(join(tmpdir(), 'stele-bench-'))
  const { dataDirectory: directory, head: where } = directoryConfig(folder)
  try {
    await fill(folder, make, eventCount)
    const verify = async (withContent: boolean): Promise<Measured> => {
      const heads = [{ where, bytes: readFileSync(where) }]
      const options = { disk: new NodeDisk(), directory, heads, threadCount: cpuCount(), withContent }
      const { entryCount, verdict } = await verifyDirectory(options)
      return { entryCount, said: verdict }
    }
    const works: [string, () => Promise<Measured>][] = [
      [`${name}: directory, all events`, async () => await verify(true)],
      [`${name}: directory, entries and trees`, async () => await verify(false)],
    ]
    if (withFolder) works.push(...folderWorks(folder, directory, name))
    const rows: string[][] = []
    for (let run = 1; run <= RUNS; run++) {
      for (const [what, work] of works) rows.push(await timed(what, run, work))
    }
    return rows
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Measured {
  readonly entryCount: number
  readonly said: string
}

/** Through a server whose keeper seals meanwhile; resolves once all is sealed that can be. */
async function fill(folder: string, make: Make, eventCount: number): Promise<void> {
  const served = { listenHost: '127.0.0.1', listenPort: 0, insecurePlaintext: false, noIndex: true }
  const server = await startServer({ ...directoryConfig(folder), ...served })
  const bodies = Array.from({ length: POOL_COUNT }, (_, seed) => make(BATCH, seed))
  await fillTo(server.ledgers, eventCount, bodies)
  while (server.keeper.sealing.lagBytes > 0 && server.keeper.sealing.fault === undefined) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  await server.close()
}

/** The exported ledger, read by us and by fsck. */
function folderWorks(folder: string, directory: string, name: string): [string, () => Promise<Measured>][] {
  const log = join(folder, 'export')
  const args = ['export', log, '--no-content', '--data', directory]
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 'cli-state') }
  const { status, stderr } = spawnSync(stele, args, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`export: ${stderr}`)
  const vkey = readFileSync(join(log, 'log.vkey'), 'utf8').trim()
  const ours = async (): Promise<Measured> => {
    const knownLogs = new KnownLogs(new NodeDisk(), new SystemClock(), tryLock, join(folder, 'known'))
    const { verdict, size } = await verifyFolder({ folder: log, vkey, knownLogs, threadCount: cpuCount() })
    return { entryCount: size, said: verdict }
  }
  const fsck = peerPath('fsck')
  if (fsck === undefined) return [[`${name}: export, entries and tree`, ours]]
  const theirs = async (): Promise<Measured> => {
    const given = [`--storage_url=file://${log}/`, `--public_key=${join(log, 'log.vkey')}`, '-N', '16', '--ui=false']
    const { stdout, stderr } = spawnSync(fsck, given, { encoding: 'utf8', timeout: FSCK_MS })
    // Its exit code says nothing.
    if (!`${stdout}${stderr}`.includes("Successfully fsck'd log")) throw new Error(`fsck: ${stderr}`)
    const size = Number(readFileSync(join(log, 'checkpoint'), 'utf8').split('\n')[1])
    return await Promise.resolve({ entryCount: size, said: 'accepted' })
  }
  return [
    [`${name}: export, entries and tree`, ours],
    [`${name}: the same export, Tessera fsck`, theirs],
  ]
}

/** The CPU time is this process's own, all its threads; of another program none is told. */
async function timed(what: string, run: number, work: () => Promise<Measured>): Promise<string[]> {
  const [startedMs, before] = [performance.now(), process.cpuUsage()]
  const { entryCount, said } = await work()
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(before)
  const cpu = said === 'accepted' ? '' : ((user + system) / entryCount).toFixed(2)
  return [what, String(run), count(entryCount), count(entryCount / seconds), cpu, said]
}
