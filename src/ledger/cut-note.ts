// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a start cuts off the log is noted in a file before it is cut, for a crash between the cut and its record in
 * `system` would leave no trace of it. The first commit behind a cut carries the record, so a note of a log that has
 * gone on since has served. Whoever can write to the directory can forge or remove it: it is a record's draft, and no
 * evidence.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { type Disk, replaceFile } from '../platform/disk.ts'
import { DataFault } from './data-fault.ts'

const count = z.int().nonnegative()
const cutSchema = z.strictObject({ file: z.string(), position: count, bytes: count })
const noteSchema = z.strictObject({ v: z.literal(1), commit: count, cuts: z.array(cutSchema) })

/** A last frame, or the header of a last file, that a crash left unfinished and a start cuts off. */
export type Cut = Readonly<z.infer<typeof cutSchema>>

export const CUT_NOTE = 'cut.json'

/**
 * Notes what is about to be cut off behind the last commit, beside what was noted there before. Resolves to all cuts
 * behind that commit: none of them is recorded yet.
 */
export async function noteCut(
  disk: Disk,
  directory: string,
  commit: number,
  cut: Cut | undefined,
): Promise<readonly Cut[]> {
  const note = await readNote(disk, directory)
  const before = note?.commit === commit ? note.cuts : []
  if (note !== undefined && before.length === 0) await dropCutNote(disk, directory)
  if (cut === undefined) return before
  // The crash came between the note and the cut.
  if (before.some((known) => sameCut(known, cut))) return before
  const cuts = [...before, cut]
  await replaceFile(disk, notePath(directory), Buffer.from(`${JSON.stringify({ v: 1, commit, cuts })}\n`))
  return cuts
}

export async function dropCutNote(disk: Disk, directory: string): Promise<void> {
  await disk.remove(notePath(directory))
}

async function readNote(disk: Disk, directory: string): Promise<z.infer<typeof noteSchema> | undefined> {
  const path = notePath(directory)
  const text = (await disk.readFile(path))?.toString('utf8')
  if (text === undefined) return undefined
  try {
    return noteSchema.parse(JSON.parse(text))
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
    throw new DataFault(
      path,
      0,
      'the note of what a start cut off cannot be read',
      'what Stele wrote',
      'something else',
    )
  }
}

function notePath(directory: string): string {
  return join(directory, CUT_NOTE)
}

function sameCut(a: Cut, b: Cut): boolean {
  return a.file === b.file && a.position === b.position && a.bytes === b.bytes
}
