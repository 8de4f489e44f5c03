// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keys that a copy of the log needs, taken while ledgers may be created. A key in its place means a ledger that
 * exists, so those in their places before the log is copied are put in theirs. One that comes later, or waits, may be
 * of a ledger that the copy does not create, or follow another in what the copy lacks: it is put among those that wait,
 * which a start sorts out.
 */
import { join } from 'node:path'
import type { Disk } from '../platform/disk.ts'

type KeyFiles = ReadonlyMap<string, Buffer>

const PLACE = 'keys'
const WAITING = 'keys/pending'

/** Key files by their paths below the data directory, in their places and waiting. */
export async function readKeys(disk: Disk, directory: string): Promise<KeyFiles> {
  const keys = new Map<string, Buffer>()
  // One that is moved to its place between the two looks is seen twice, or once.
  for (const folder of [WAITING, PLACE]) {
    for (const name of (await disk.list(join(directory, folder))).filter((found) => found.endsWith('.key'))) {
      const bytes = await disk.readFile(join(directory, folder, name))
      if (bytes !== undefined) keys.set(`${folder}/${name}`, bytes)
    }
  }
  return keys
}

/** What of the keys before and behind the copying of the log goes into the backup. */
export function keysOf(before: KeyFiles, behind: KeyFiles): KeyFiles {
  const keys = new Map([...before].filter(([path]) => isInPlace(path)))
  for (const [path, bytes] of [...before, ...behind]) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (keys.get(`${PLACE}/${name}`)?.equals(bytes) !== true) keys.set(`${WAITING}/${name}`, bytes)
  }
  return keys
}

function isInPlace(path: string): boolean {
  return !path.startsWith(`${WAITING}/`)
}
