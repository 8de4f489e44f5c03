// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The folders in which drills are held. One has copies of keys in it, so it is for its user alone and goes when the
 * drill ends; where the drill was killed, the next one removes it. A lock in the folder, which the system frees when
 * its holder dies, tells the folder of a dead drill from that of one that runs.
 */
import { join } from 'node:path'
import type { Disk } from '../platform/disk.ts'
import type { Files } from '../platform/files.ts'
import { tryLock } from '../platform/lock.ts'
import { isHeld } from '../platform/lock-probe.ts'
import { randomBase32, type Random } from '../platform/random.ts'

const RANDOM_CHARS = 16
const NAME = /^stele-drill-[a-z2-7]{16}$/
const LOCK = 'LOCK'
const MODE = 0o700

export function drillFolder(temporary: string, random: Random): string {
  return join(temporary, `stele-drill-${randomBase32(random, RANDOM_CHARS)}`)
}

/** Works in a folder that is made now and removed at the end, whatever happens. */
export async function inDrillFolder<T>(disk: Disk, folder: string, work: () => Promise<T>): Promise<T> {
  await disk.makeDirectory(folder, MODE)
  const lock = tryLock(join(folder, LOCK))
  try {
    return await work()
  } finally {
    try {
      await disk.remove(folder)
    } finally {
      lock?.release()
    }
  }
}

/** Removes this user's folders of drills that were killed. Resolves to their paths. */
export async function removeDeadFolders(disk: Disk, files: Files, temporary: string): Promise<string[]> {
  const removed: string[] = []
  for (const name of await disk.list(temporary)) {
    const folder = join(temporary, name)
    if (!NAME.test(name) || !(await isDead(disk, files, folder))) continue
    await disk.remove(folder)
    removed.push(folder)
  }
  return removed
}

async function isDead(disk: Disk, files: Files, folder: string): Promise<boolean> {
  const status = await files.status(folder, 'show')
  if (status?.kind !== 'directory' || !status.isOwn) return false
  const names = await disk.list(folder)
  // With nothing but its lock it may be one that begins now, and has no keys yet.
  return names.length > 1 && names.includes(LOCK) && !isHeld(join(folder, LOCK))
}
