// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** From a key that is known of a log to the one that it has now, by statements that come with the log. */
import { type KeyPeriod, ProofError, verifyRotations } from '@stele/proof'
import { type KnownLog, type KnownLogs, type RetiredKey, retiredKey } from './known-logs.ts'

export interface KeyChain {
  /** The newest key. */
  readonly vkey: string
  readonly retired: readonly RetiredKey[]
  /** Why the key that came is none of the log's, as far as it is known; undefined where nothing speaks against it. */
  readonly objection: string | undefined
}

/** Holds a key that came with a log against the one that is remembered: it may be that one or one that followed. */
export async function keyChain(
  knownLogs: KnownLogs,
  known: KnownLog | undefined,
  vkey: string,
  rotations: readonly string[],
): Promise<KeyChain> {
  const periods = await periodsFrom(known?.vkey ?? vkey, rotations)
  const isFollowed = periods.some((period) => period.vkey === vkey)
  return {
    vkey: periods.at(-1)!.vkey,
    retired: periods.flatMap(({ vkey, until }) => (until === undefined ? [] : [retiredKey(vkey, until)])),
    objection: isFollowed ? undefined : knownLogs.keyObjection(known, vkey),
  }
}

/** Statements that do not lead on lead nowhere. */
async function periodsFrom(vkey: string, rotations: readonly string[]): Promise<readonly KeyPeriod[]> {
  try {
    return await verifyRotations(vkey, rotations)
  } catch (error) {
    if (error instanceof ProofError) return [{ vkey, from: 0 }]
    throw error
  }
}
