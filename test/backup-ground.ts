// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A data directory in a temporary folder that grows and is sealed while it is backed up, in this process.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { TestContext } from 'node:test'
import { type BackupOptions, type BackupReport, takeBackup } from '../src/backup/take-backup.ts'
import { restore, type RestoreOptions, type RestoreReport } from '../src/backup/restore.ts'
import { verifyDirectory, type DirectoryReport } from '../src/evidence/verify-directory.ts'
import type { LedgerSizes } from '../src/ledger/opening.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { tryLock } from '../src/platform/lock.ts'
import {
  append,
  MemoryHeadStore,
  openStele,
  scratch,
  sealAll,
  SeededRandom,
  type Stele,
  TurnedClock,
} from './scratch.ts'

/** So small that a few hundred events fill a file and a segment. */
const SIZES: Partial<LedgerSizes> = { anchorEveryBytes: 60_000, walFileBytes: 60_000, segmentEntries: 512 }

export interface BackupGround {
  readonly folder: string
  readonly data: string
  readonly to: string
  readonly head: MemoryHeadStore
  readonly disk: NodeDisk
  stele: Stele
  /** Opens a directory, with the head outside. */
  open(directory: string): Promise<Stele>
  /** Appends batches of events to two ledgers. */
  fill(batchCount: number): Promise<void>
  /** Fills, and seals, and fills a little behind that. */
  grow(): Promise<void>
  seal(): Promise<number>
  backup(options?: Partial<BackupOptions>): Promise<BackupReport>
  restore(to: string, options?: Partial<RestoreOptions>): Promise<RestoreReport>
  verify(directory: string): Promise<DirectoryReport>
}

export async function backupGround(context: TestContext): Promise<BackupGround> {
  const folder = scratch(context)
  const [data, to] = [join(folder, 'data'), join(folder, 'backup')]
  mkdirSync(data)
  const disk = new NodeDisk()
  const head = new MemoryHeadStore()
  const random = new SeededRandom(17)
  const open = async (directory: string) =>
    await openStele({ disk, directory, clock: new TurnedClock(), random, head, sizes: SIZES })
  const stele = await open(data)
  await stele.administration.createLedger({ name: 'other' }, 'tester')
  const heads = async () => (head.kept === undefined ? [] : [{ where: 'memory', bytes: head.kept }])
  const ground: BackupGround = {
    folder,
    data,
    to,
    head,
    disk,
    stele,
    open,
    async fill(batchCount) {
      for (let batch = 0; batch < batchCount; batch++) {
        const events = Array.from({ length: 1 + random.below(30) }, () => random.bytes(random.below(400)))
        await append(ground.stele.ledgers, batch % 4 === 0 ? 'other' : 'main', events)
      }
      await ground.stele.ledgers.publish()
    },
    async grow() {
      await ground.fill(60)
      await ground.seal()
      await ground.fill(5)
    },
    seal: async () => await sealAll(ground.stele, disk, data),
    backup: async (options = {}) =>
      await takeBackup({
        disk,
        clock: new SystemClock(),
        from: data,
        to,
        withKeys: true,
        isRunning: true,
        version: '1.2.3-test',
        lock: tryLock,
        onProgress: () => {},
        ...options,
      }),
    restore: async (target, options = {}) =>
      await restore({
        disk,
        from: to,
        to: target,
        heads,
        isForReading: false,
        threadCount: 0,
        random,
        lock: tryLock,
        onProgress: () => {},
        ...options,
      }),
    verify: async (directory) => await verifyDirectory({ disk, directory, heads: await heads() }),
  }
  context.after(async () => await ground.stele.close().catch(() => {}))
  return ground
}

/** Every file below a folder, by its path in it. */
export function filesIn(folder: string): Map<string, Buffer> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name))
  return new Map(paths.map((path) => [relative(folder, path), readFileSync(path)]))
}
