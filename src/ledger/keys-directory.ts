// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where the keys of a data directory lie: in `keys/`, or in a folder outside of it, of which `keys.json` tells. The note
 * is for finding the keys and for nothing else: what is found must be the keys that `system` names.
 */
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { type Disk, replaceFile } from '../platform/disk.ts'
import { KeyFault } from './signing.ts'

export const KEYS = 'keys'
export const KEYS_NOTE = 'keys.json'

const noteSchema = z.strictObject({ v: z.literal(1), outside: z.string().startsWith('/') })

/** The folder outside that holds the keys, or undefined where they are in the directory. */
export async function keysOutside(disk: Disk, directory: string): Promise<string | undefined> {
  const path = join(directory, KEYS_NOTE)
  const bytes = await disk.readFile(path)
  if (bytes === undefined) return undefined
  try {
    return noteSchema.parse(JSON.parse(bytes.toString('utf8'))).outside
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
    throw new KeyFault(`${path} does not say where the keys are. Start with --keys DIR, the folder that holds them`)
  }
}

/** The folder that holds the keys. */
export async function keysDirectory(disk: Disk, directory: string): Promise<string> {
  return (await keysOutside(disk, directory)) ?? join(directory, KEYS)
}

/** Notes where the keys are, for starts to come. */
export async function noteKeysDirectory(disk: Disk, directory: string, keys: string): Promise<void> {
  const outside = resolve(keys)
  if (outside === resolve(join(directory, KEYS))) {
    await disk.remove(join(directory, KEYS_NOTE))
    await disk.syncDirectory(directory)
  } else if ((await keysOutside(disk, directory).catch(() => undefined)) !== outside) {
    await replaceFile(disk, join(directory, KEYS_NOTE), Buffer.from(`${JSON.stringify({ v: 1, outside })}\n`))
  }
}
