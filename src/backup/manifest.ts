// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a backup says of itself: how far it goes, and every file in it with its length and hash. It is written last, so
 * a folder without it is no backup, and a file that is missing, short or changed is noticed before it is believed. It
 * is no evidence: whoever can change the files can change it too. What a backup is worth is shown by verifying what is
 * restored from it.
 */
import { hash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { MANIFEST } from '../ledger/opening.ts'
import type { Disk } from '../platform/disk.ts'

const index = z.int().nonnegative()
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const path = z.string().regex(/^(?:keys|segments|wal)(?:\/(?!\.)[A-Za-z0-9._-]+)+$/)

const fileSchema = z.strictObject({ path, sizeBytes: index, sha256: digest })

const manifestSchema = z.strictObject({
  /** 2 where it has what 1 does not know: a witnessed head. */
  v: z.union([z.literal(1), z.literal(2)]),
  originPrefix: z.string(),
  takenAt: z.string(),
  /** By which version of Stele. */
  version: z.string(),
  /** The last commit in it. */
  commit: index,
  /** As recomputed from what was copied; of all ledgers that have entries. */
  ledgers: z.array(z.strictObject({ name: z.string(), size: index, root: digest })),
  /** The seal, what `segments/_head` holds; not there where nothing is sealed. */
  seal: z.string().optional(),
  /** What `cut.json` holds, where it is there. */
  cut: z.string().optional(),
  /** What `witnessed/head` holds, where it is there. */
  witnessed: z.string().optional(),
  withKeys: z.boolean(),
  /** The folder that held the keys, where they were not in the directory: they are in no backup. */
  keysOutside: z.string().optional(),
  /** A file may have grown since: then its first bytes are meant. */
  files: z.array(fileSchema),
})

export type Manifest = Readonly<z.infer<typeof manifestSchema>>
export type ManifestFile = Readonly<z.infer<typeof fileSchema>>

/** A backup cannot be made or used: what is wrong, and how to mend it. */
export class BackupFault extends Error {
  override readonly name = 'BackupFault'
  readonly mend: string

  constructor(what: string, mend: string) {
    super(what)
    this.mend = mend
  }
}

/** JSON on one line, and on the next its SHA-256. */
export function manifestText(manifest: Manifest): Buffer {
  const line = `${JSON.stringify(manifest)}\n`
  return Buffer.from(`${line}${hash('sha256', line)}\n`)
}

/** The manifest of a folder, or undefined where it has none. Throws a BackupFault where it is not as it was written. */
export async function readManifest(disk: Disk, folder: string): Promise<Manifest | undefined> {
  const bytes = await disk.readFile(join(folder, MANIFEST))
  if (bytes === undefined) return undefined
  const text = bytes.toString('utf8')
  const line = text.slice(0, text.indexOf('\n') + 1)
  const version = /^\{"v":(\d+),/.exec(line)?.[1]
  if (version !== undefined && !['1', '2'].includes(version)) {
    const mend = 'Use the Stele version that made it, or a newer one'
    throw new BackupFault(`${folder} is a backup in another form than this version of Stele knows`, mend)
  }
  try {
    if (text === `${line}${hash('sha256', line)}\n`) return manifestSchema.parse(JSON.parse(line))
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
  }
  throw new BackupFault(
    `${join(folder, MANIFEST)} was changed, or is not whole`,
    'Without it nothing says what the backup must hold: use another copy',
  )
}
