// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** From a key that is known of a log to the one that it has now, by statements that come with the log. */
import {
  type KeyPeriod,
  openCheckpoint,
  parseVkey,
  ProofError,
  type VerifierKey,
  verifierOf,
  verifyRotations,
} from '@stele/proof'
import { type KnownLog, type KnownLogs, mergedRetired, type RetiredKey, retiredKeys } from './known-logs.ts'

export interface KeyChain {
  /** The newest key. */
  readonly vkey: string
  /** The ML-DSA-44 key beside it, where a statement names it or it is remembered. */
  readonly mldsaVkey?: string
  /** Those before it, remembered and by the statements. */
  readonly retired: readonly RetiredKey[]
  /** Why the key that came is none of the log's, as far as it is known; undefined where nothing speaks against it. */
  readonly objection: string | undefined
}

/**
 * Holds a key that came with a log, or that somebody gave, against the one that is remembered: it may be that one, one
 * that followed, or one before. A key has one successor, and the one that was seen first counts.
 */
export async function keyChain(
  knownLogs: KnownLogs,
  known: KnownLog | undefined,
  vkey: string,
  rotations: readonly string[],
): Promise<KeyChain> {
  const onFromGiven = await periodsFrom(vkey, rotations)
  if (known === undefined) return chainOf(onFromGiven, undefined, undefined)
  const onFromKnown = await periodsFrom(known.vkey, rotations)
  if (holds(onFromKnown, vkey)) return chainOf(onFromKnown, known, undefined)
  if (holds(onFromGiven, known.vkey)) return chainOf(onFromGiven, known, undefined)
  return chainOf(onFromKnown, known, successorObjection(known, onFromGiven) ?? knownLogs.keyObjection(known, vkey))
}

function chainOf(periods: readonly KeyPeriod[], known: KnownLog | undefined, objection: string | undefined): KeyChain {
  const { vkey, mldsaVkey = vkey === known?.vkey ? known.mldsaVkey : undefined } = periods.at(-1)!
  return {
    vkey,
    ...(mldsaVkey === undefined ? {} : { mldsaVkey }),
    retired: mergedRetired(known, retiredKeys(periods)),
    objection,
  }
}

/** Whether a key that is known to have ended has signed another successor, too, in words; undefined where none has. */
export async function secondSuccessor(
  known: KnownLog | undefined,
  rotations: readonly string[],
): Promise<string | undefined> {
  for (const former of known?.retired ?? []) {
    const objection = successorObjection(known!, await periodsFrom(former.vkey, rotations))
    if (objection !== undefined) return objection
  }
  return undefined
}

/** A key that is known to have ended, and that is said to be followed by another than the one that followed it. */
function successorObjection(
  { origin, vkey, retired = [] }: KnownLog,
  periods: readonly KeyPeriod[],
): string | undefined {
  const known = [...retired.map((former) => former.vkey), vkey]
  const stray = periods.findIndex((period) => !known.includes(period.vkey))
  const old = periods[stray - 1]?.vkey
  const position = old === undefined ? -1 : known.indexOf(old)
  const next = known[position + 1]
  if (position < 0 || next === undefined) return undefined
  return (
    `a retired key of ${origin} has signed two different successors. ${old} was followed by ${next}, as was seen before, ` +
    `and is now said to be followed by ${periods[stray]!.vkey}. Either the operator forked the log, or somebody else ` +
    'holds that retired key; which of the two, the statements do not show, and the successor that was seen first counts'
  )
}

function holds(periods: readonly KeyPeriod[], vkey: string): boolean {
  return periods.some((period) => period.vkey === vkey)
}

/** Statements that do not lead on lead nowhere; neither do they from a key of another kind. */
async function periodsFrom(vkey: string, rotations: readonly string[]): Promise<readonly KeyPeriod[]> {
  try {
    return await verifyRotations(vkey, rotations)
  } catch (error) {
    if (error instanceof ProofError) return [{ vkey, from: 0 }]
    throw error
  }
}

/** An Ed25519 key and the ML-DSA-44 key beside it, where that is known. */
type KeyPair = Pick<RetiredKey, 'vkey' | 'mldsaVkey'>

/**
 * The key that signed a head, where it is one that the log had before and neither of today's has signed. A line with the
 * name of a key can be written by anybody: whose it is, its signature shows.
 */
export async function retiredSigner(
  note: Uint8Array,
  { retired = [], ...today }: KeyPair & { readonly retired?: readonly RetiredKey[] | undefined },
): Promise<RetiredKey | undefined> {
  if (retired.length === 0 || (await isSignedByEither(note, today))) return undefined
  for (const former of retired.toReversed()) if (await isSignedByEither(note, former)) return former
  return undefined
}

export async function isSignedByEither(note: Uint8Array, { vkey, mldsaVkey }: KeyPair): Promise<boolean> {
  if (await isSignedBy(note, parseVkey(vkey))) return true
  return mldsaVkey !== undefined && (await isSignedBy(note, parseVkey(mldsaVkey)))
}

export async function isSignedBy(note: Uint8Array, key: VerifierKey): Promise<boolean> {
  try {
    await openCheckpoint(note, verifierOf(key), key.name)
    return true
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}
