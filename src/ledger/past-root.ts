// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The root that a ledger had at a smaller size, to be signed. It is computed from hashes on the disk, which nobody has
 * checked, so it counts only where it is shown to be the beginning of the tree that the ledger has now: else a size could
 * get a second root by whoever changes those files.
 */
import { consistencyProof, EMPTY_ROOT, type Hash, ProofError, rootAt, verifyConsistency } from '@stele/proof'
import type { Log } from './log.ts'
import { DamagedError } from './read.ts'

/** Throws a DamagedError where the hashes on the disk are not those of the ledger's tree. */
export async function pastRoot(log: Log, size: number): Promise<Hash> {
  const now = { size: log.size, root: log.root }
  if (size === now.size) return now.root
  if (size === 0) return EMPTY_ROOT
  const root = await rootAt(size, log.hashes)
  try {
    verifyConsistency(size, root, now.size, now.root, await consistencyProof(size, now.size, log.hashes))
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new DamagedError(`the hashes of ${log.name} on the disk are not those of its tree: ${error.message}`)
  }
  return root
}
