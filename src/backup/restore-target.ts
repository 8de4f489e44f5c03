// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The directory that a restore makes, held by the lock that a server takes on it, so that there is one of either at
 * work. The lock is worth nothing where somebody removed the folder and made another in its place; so the mark that the
 * restore began carries an id, and only what lies beside that mark is gone on with, or removed.
 */
import { join } from 'node:path'
import { CUT_NOTE } from '../ledger/cut-note.ts'
import { RESTORE_BEGUN } from '../ledger/opening.ts'
import { WITNESSED } from '../ledger/witnessed-head.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import { BackupFault } from './manifest.ts'

const LOCK = 'LOCK'
/** What a restore puts there, in the order in which it is removed: the mark goes last. */
const MADE = ['segments', 'wal', 'keys', WITNESSED, CUT_NOTE, RESTORE_BEGUN]
/** The lock stays, for whoever waits for it; the other is what a fresh file system has. */
const LEFT = [LOCK, 'lost+found']

/** Somebody put another directory into the place of the one that was being restored; it was left as it is. */
export class ReplacedFault extends Error {
  override readonly name = 'ReplacedFault'
}

export class RestoreTarget {
  readonly folder: string
  readonly #disk: Disk
  readonly #lock: Lock
  readonly #mark: Buffer

  private constructor(disk: Disk, folder: string, lock: Lock, mark: Buffer) {
    this.#disk = disk
    this.folder = folder
    this.#lock = lock
    this.#mark = mark
  }

  /** Takes a folder that is empty or not there, or one in which a restore was killed, whose files are removed. */
  static async open(
    disk: Disk,
    folder: string,
    mark: string,
    take: (path: string) => Lock | undefined,
  ): Promise<RestoreTarget> {
    // Among somebody else's files there is not even a lock.
    await namesLeft(disk, folder)
    await disk.makeDirectory(folder)
    const lock = take(join(folder, LOCK))
    if (lock === undefined) {
      const what = `a server runs on ${folder}, or another restore is at work there`
      throw new BackupFault(what, 'Let that one end first, or name another folder')
    }
    try {
      if ((await namesLeft(disk, folder)).length > 0) await removeMade(disk, folder)
      const target = new RestoreTarget(disk, folder, lock, Buffer.from(mark))
      await replaceFile(disk, join(folder, RESTORE_BEGUN), target.#mark)
      return target
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Throws where the folder is no longer the one that was taken. */
  async demandOwn(): Promise<void> {
    const found = await this.#disk.readFile(join(this.folder, RESTORE_BEGUN))
    if (found?.equals(this.#mark) === true) return
    throw new ReplacedFault(`${this.folder} is no longer the directory that this restore began`)
  }

  /** What lies there is a data directory from now on. */
  async finish(): Promise<void> {
    await this.demandOwn()
    await this.#disk.remove(join(this.folder, RESTORE_BEGUN))
    await this.#disk.syncDirectory(this.folder)
  }

  /** Removes what this restore has put there. */
  async abandon(): Promise<void> {
    await this.demandOwn()
    await removeMade(this.#disk, this.folder)
  }

  close(): void {
    this.#lock.release()
  }
}

/** What a killed restore left; refuses a folder in which there is anything else. */
async function namesLeft(disk: Disk, folder: string): Promise<string[]> {
  const names = (await disk.list(folder)).filter((name) => !LEFT.includes(name))
  const strangers = names.filter((name) => !MADE.includes(name.replace(/\.new$/, '')))
  const isMark = (name: string) => name === RESTORE_BEGUN || name === `${RESTORE_BEGUN}.new`
  const isLeft = strangers.length === 0 && (names.includes(RESTORE_BEGUN) || names.every(isMark))
  if (isLeft) return names
  const shown = (strangers.length > 0 ? strangers : names).slice(0, 3).join(', ')
  throw new BackupFault(`${folder} is not empty: it has ${shown}`, 'Name an empty folder, or one that is not there yet')
}

async function removeMade(disk: Disk, folder: string): Promise<void> {
  for (const name of MADE) {
    await disk.remove(join(folder, `${name}.new`))
    await disk.remove(join(folder, name))
  }
}
