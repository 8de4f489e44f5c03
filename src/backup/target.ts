// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The folder of a backup. Whatever interrupts a backup, the folder holds what it held before, and what was copied
 * since is used by the next one: new segments lie beside the old ones, files of the log grow or are replaced by longer
 * ones that begin with the same bytes, the manifest is replaced at once, and only then goes what it no longer names.
 */
import { dirname, join } from 'node:path'
import { BACKUP_BEGUN, MANIFEST } from '../ledger/opening.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'
import type { BackupOptions } from './take-backup.ts'
import { BackupFault, type Manifest, manifestText, readManifest } from './manifest.ts'

const NEW = '.new'

export class Target {
  readonly folder: string
  readonly store: DirectoryStore
  /** Of the backup that is in the folder already. */
  readonly former: Manifest | undefined
  readonly #disk: Disk
  readonly #lock: Lock

  private constructor(disk: Disk, folder: string, former: Manifest | undefined, lock: Lock) {
    this.#disk = disk
    this.folder = folder
    this.store = new DirectoryStore(disk, join(folder, 'segments'))
    this.former = former
    this.#lock = lock
  }

  /** Takes the folder for one backup at a time. It must be empty, not there, or one of backups of this origin. */
  static async open(
    { disk, lock: take }: Pick<BackupOptions, 'disk' | 'lock'>,
    folder: string,
    originPrefix: string,
  ): Promise<Target> {
    const former = await readManifest(disk, folder)
    const begun = (await disk.readFile(join(folder, BACKUP_BEGUN)))?.toString('utf8').trim()
    const held = former?.originPrefix ?? begun
    if (held !== undefined && held !== originPrefix) {
      throw new BackupFault(`${folder} is a backup of ${held}, not of ${originPrefix}`, 'Name another folder')
    }
    const strangers = held === undefined ? (await disk.list(folder)).filter((name) => name !== 'lost+found') : []
    if (strangers.length > 0) {
      const what = `${folder} is no backup, and not empty: it has ${strangers.slice(0, 3).join(', ')}`
      throw new BackupFault(what, 'Name an empty folder, one that is not there yet, or one that stele backup made')
    }
    await disk.makeDirectory(folder)
    const lock = take(join(folder, 'LOCK'))
    if (lock === undefined) throw new BackupFault(`another backup into ${folder} is at work`, 'Let it end first')
    try {
      await replaceFile(disk, join(folder, BACKUP_BEGUN), Buffer.from(`${originPrefix}\n`))
      const target = new Target(disk, folder, former, lock)
      await target.store.removeDrafts()
      return target
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Writes a small file, for its owner alone. */
  async put(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.folder, path)
    await this.#disk.makeDirectory(dirname(file))
    await replaceFile(this.#disk, file, bytes)
  }

  /**
   * Makes a copied set the backup that the folder holds; `renewed` are the paths of the log's files that were copied
   * beside those of before. Resolves to the paths of segments that it no longer needs.
   */
  async finish(manifest: Manifest, renewed: readonly string[]): Promise<string[]> {
    const disk = this.#disk
    for (const path of renewed) await disk.rename(join(this.folder, `${path}${NEW}`), join(this.folder, path))
    await disk.syncDirectory(join(this.folder, 'wal'))
    const head = await this.store.readHead()
    if (manifest.seal !== undefined) await this.store.swapHead(head?.version, Buffer.from(manifest.seal))
    await replaceFile(disk, join(this.folder, MANIFEST), manifestText(manifest))
    await disk.remove(join(this.folder, BACKUP_BEGUN))
    return await this.#removeAllBut(new Set(manifest.files.map(({ path }) => path)))
  }

  close(): void {
    this.#lock.release()
  }

  async #removeAllBut(paths: ReadonlySet<string>): Promise<string[]> {
    const listed = async (folder: string) =>
      (await this.#disk.list(join(this.folder, folder))).map((name) => `${folder}/${name}`)
    const segments = (await this.store.list('')).map(({ key }) => `segments/${key}`)
    const keys = (await listed('keys')).filter((path) => path !== 'keys/pending')
    const all = [...segments, ...(await listed('wal')), ...keys, ...(await listed('keys/pending'))]
    const surplus = all.filter((path) => !paths.has(path))
    for (const path of surplus) await this.#disk.remove(join(this.folder, path))
    return surplus.filter((path) => path.startsWith('segments/'))
  }
}
