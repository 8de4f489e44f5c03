// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What lies in a data directory beside the log: keys, the first admin token, the lock, names that are not Stele's. It
 * is read before the log, because a running server changes it only after the log.
 */
import { join, resolve } from 'node:path'
import { type Disk, isIrregular } from '../platform/disk.ts'
import { readAnchor, type ReadAnchor } from '../ledger/anchor.ts'
import { KEYS, keysOutside } from '../ledger/keys-directory.ts'
import { KeyFault } from '../ledger/signing.ts'
import { WITNESSED, WITNESSED_HEAD } from '../ledger/witnessed-head.ts'

export const KEY = '.key'
/** In the folder `witnessed`; the second is what a crash leaves of the first. */
const OF_WITNESSES = ['head', 'head.new', 'evidence']

export interface Beside {
  readonly names: readonly string[]
  readonly lock: Buffer | undefined
  readonly adminToken: Buffer | undefined
  /** The folder that holds the keys, as it is called in what is said: below the directory, or a path. */
  readonly keysName: string
  /** Why it is not known where the keys are. */
  readonly keysFault: string | undefined
  /** Texts of key files by ledger. */
  readonly keys: ReadonlyMap<string, Buffer>
  readonly pendingKeys: ReadonlyMap<string, Buffer>
  /** Names under `keys/` and `witnessed/` that nothing of Stele's has. */
  readonly strangers: readonly string[]
  /** The witnessed head. */
  readonly witnessed: Buffer | undefined
  /** Names under `derived/`. */
  readonly derived: readonly string[]
  /** The anchor, or why there is none to use. */
  readonly anchor: ReadAnchor | string
}

export async function readBeside(disk: Disk, directory: string, isRunning: boolean): Promise<Beside> {
  const names = await listNames(disk, directory)
  const { keysName, keysFault } = await keysPlace(disk, directory)
  const keys = resolve(directory, keysName)
  const keyNames = await listNames(disk, keys)
  const pendingNames = await listNames(disk, join(keys, 'pending'))
  const witnessedNames = await listNames(disk, join(directory, WITNESSED))
  const isKey = (name: string) => name.endsWith(KEY)
  return {
    names,
    // Closing a file ends all locks that this very process has on it, so the lock of a server is left alone.
    lock: isRunning ? Buffer.alloc(0) : await readBytes(disk, join(directory, 'LOCK')),
    adminToken: await readBytes(disk, join(directory, 'admin.token')),
    keysName,
    keysFault,
    keys: await readKeys(disk, keys, keyNames.filter(isKey)),
    pendingKeys: await readKeys(disk, join(keys, 'pending'), pendingNames.filter(isKey)),
    strangers: [
      ...keyNames.filter((name) => !isKey(name) && name !== 'pending').map((name) => `${keysName}/${name}`),
      ...pendingNames.filter((name) => !isKey(name)).map((name) => `${keysName}/pending/${name}`),
      ...witnessedNames.filter((name) => !OF_WITNESSES.includes(name)).map((name) => `${WITNESSED}/${name}`),
    ],
    witnessed: await readBytes(disk, join(directory, WITNESSED_HEAD)),
    derived: await listNames(disk, join(directory, 'derived')),
    anchor: await readAnchor(disk, directory),
  }
}

/** The folder that holds the keys, as it is called in what is said; or why it is not known. */
export async function keysPlace(disk: Disk, directory: string): Promise<Pick<Beside, 'keysName' | 'keysFault'>> {
  try {
    return { keysName: (await keysOutside(disk, directory)) ?? KEYS, keysFault: undefined }
  } catch (error) {
    if (!(error instanceof KeyFault)) throw error
    return { keysName: KEYS, keysFault: error.message }
  }
}

async function readKeys(disk: Disk, directory: string, names: readonly string[]): Promise<Map<string, Buffer>> {
  const keys = new Map<string, Buffer>()
  for (const name of names) {
    const bytes = await readBytes(disk, join(directory, name))
    if (bytes !== undefined) keys.set(name.slice(0, -KEY.length), bytes)
  }
  return keys
}

/** Names in a folder; none where it is a file. */
export async function listNames(disk: Disk, path: string): Promise<string[]> {
  try {
    return await disk.list(path)
  } catch (error) {
    if (hasCode(error, 'ENOTDIR')) return []
    throw error
  }
}

/** A file's bytes; none where it is a folder, a pipe or a device. */
async function readBytes(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await disk.readFile(path)
  } catch (error) {
    if (isIrregular(error) || hasCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
