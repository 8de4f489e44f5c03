// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * `witnessed/head`: the newest head of `heads` that a quorum of witnesses has cosigned. It is a copy of what others hold:
 * lost, it is asked for again. But our own signature on it says that its size was published, so data that has less was
 * rolled back, and data that has another root was changed.
 */
import { join } from 'node:path'
import { type KeyPeriod, openByPeriods, ProofError } from '@stele/proof'
import type { Disk } from '../platform/disk.ts'
import type { Log } from './log.ts'
import { checkKeptHead } from './publish.ts'

/** The folder below the data directory. */
export const WITNESSED = 'witnessed'
/** The head's path below the data directory. */
export const WITNESSED_HEAD = `${WITNESSED}/head`
/** Holds what witnesses have said that contradicts these ledgers. */
export const WITNESSED_EVIDENCE = `${WITNESSED}/evidence`

export async function readWitnessedHead(disk: Disk, directory: string): Promise<Buffer | undefined> {
  return await disk.readFile(join(directory, WITNESSED_HEAD))
}

/** Throws a HeadFault where the data is older or other than this head. One that we did not sign says nothing. */
export async function checkWitnessedHead(
  heads: Log | undefined,
  periods: readonly KeyPeriod[],
  where: string,
  head: Buffer,
): Promise<void> {
  try {
    await openByPeriods(head, periods)
  } catch (error) {
    if (error instanceof ProofError) return
    throw error
  }
  if (heads !== undefined) await checkKeptHead(heads, periods, { where }, head)
}
