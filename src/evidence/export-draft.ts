// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The place of an export while it is written. A note says what the folder is about to become and how far it is; the
 * checkpoint, without which nobody takes the folder for a log, comes last, and then the note goes. So whatever
 * interrupts an export, the same command goes on.
 */
import { join } from 'node:path'
import { PATHS } from '@stele/proof/folder'
import { z } from 'zod'
import { type Disk, replaceFile } from '../platform/disk.ts'
import type { Lock } from '../platform/lock.ts'

const LOCK = 'export.lock'
const FILE_MODE = 0o600

const size = z.int().nonnegative()
const draftSchema = z.strictObject({
  v: z.literal(1),
  /** The head that is exported: a signed note, its key, and the statements that led to that. */
  checkpoint: z.string(),
  vkey: z.string(),
  rotations: z.array(z.string()),
  /** What was asked for, in words that are compared. */
  asked: z.string(),
  /** Whose contents are exported. */
  contents: z.strictObject({ first: size, end: size }).optional(),
  /** Entries that are there and durable. */
  done: size,
})

export type Draft = Readonly<z.infer<typeof draftSchema>>

/** The folder cannot take this export. */
export class ExportRefused extends Error {
  override readonly name = 'ExportRefused'
  readonly mend: string

  constructor(message: string, mend: string) {
    super(message)
    this.mend = mend
  }
}

export class ExportPlace {
  /** Of an export that was begun and not finished. */
  readonly draft: Draft | undefined
  readonly #disk: Disk
  readonly #folder: string
  readonly #lock: Lock

  private constructor(disk: Disk, folder: string, lock: Lock, draft: Draft | undefined) {
    this.#disk = disk
    this.#folder = folder
    this.#lock = lock
    this.draft = draft
  }

  /** Takes a folder that is empty, not there, or of an export that was interrupted. Throws ExportRefused. */
  static async take(
    disk: Disk,
    folder: string,
    asked: string,
    tryLock: (path: string) => Lock | undefined,
  ): Promise<ExportPlace> {
    const isOurs = (name: string) => name.startsWith(LOCK) || name === `${PATHS.draft}.new` || name === 'lost+found'
    const names = (await disk.list(folder)).filter((name) => !isOurs(name))
    const draft = await readDraft(disk, folder)
    if (draft === undefined && names.length > 0) {
      const isExport = names.includes(PATHS.checkpoint)
      const what = isExport ? 'holds a log already' : `is not empty: it has ${names.slice(0, 3).join(', ')}`
      throw new ExportRefused(`${folder} ${what}`, 'Name a folder that is empty or not there yet')
    }
    if (draft !== undefined && draft.asked !== asked) {
      const what = `the export that was begun in ${folder} is another one: ${draft.asked}`
      throw new ExportRefused(what, 'Give the same options to go on with it, or remove the folder to begin anew')
    }
    await disk.makeDirectory(folder)
    const lock = tryLock(join(folder, LOCK))
    if (lock === undefined) throw new ExportRefused(`another export into ${folder} is at work`, 'Let it end first')
    return new ExportPlace(disk, folder, lock, draft)
  }

  /** Notes what the folder is about to become, and how far it is. */
  async note(draft: Draft): Promise<void> {
    await replaceFile(this.#disk, join(this.#folder, PATHS.draft), Buffer.from(`${JSON.stringify(draft)}\n`), FILE_MODE)
  }

  /** The export is whole. */
  async finish(): Promise<void> {
    await this.#disk.remove(join(this.#folder, PATHS.draft))
    await this.#disk.syncDirectory(this.#folder)
  }

  /** Lets others have the folder. */
  async release(): Promise<void> {
    this.#lock.release()
    for (const name of await this.#disk.list(this.#folder)) {
      if (name.startsWith(LOCK)) await this.#disk.remove(join(this.#folder, name))
    }
  }
}

async function readDraft(disk: Disk, folder: string): Promise<Draft | undefined> {
  const path = join(folder, PATHS.draft)
  const bytes = await disk.readFile(path)
  if (bytes === undefined) return undefined
  try {
    return draftSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
    throw new ExportRefused(`${path} cannot be read`, 'Remove the folder to begin anew')
  }
}
