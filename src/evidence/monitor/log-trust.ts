// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * By which key or policy a log's heads count. What somebody gave goes before what is remembered, and that before what
 * the server tells; a key never changes by the server's word.
 */
import {
  type Checkpoint,
  ed25519Verifier,
  formatVkey,
  openByPolicy,
  openCheckpoint,
  parseVkey,
  type Policy,
  ProofError,
} from '@stele/proof'
import { readCheckpoint } from '../signatures.ts'

/** What the user gave. */
export interface GivenTrust {
  readonly vkeys: readonly string[]
  readonly policy?: Policy | undefined
}

/** Why a note is not a head of the log. */
export class HeadFault extends Error {
  override readonly name = 'HeadFault'
  /** `malformed`: it is no checkpoint at all, so nobody has signed anything. */
  readonly kind: 'malformed' | 'key' | 'quorum'

  constructor(kind: HeadFault['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

export interface LogTrust {
  readonly origin: string
  readonly vkey: string
  /** Whether somebody gave the key, now or before. */
  readonly isPinned: boolean
  /** Where it lists this log: the quorum of witnesses that every head must have. */
  readonly policy?: Policy | undefined
}

/** The key that the user gave for an origin, by itself or in a policy. */
export function givenKey({ vkeys, policy }: GivenTrust, origin: string): string | undefined {
  const vkey = vkeys.find((given) => parseVkey(given).name === origin)
  if (vkey !== undefined) return vkey
  const log = policy?.logs.find(({ key }) => key.name === origin)
  return log === undefined ? undefined : formatVkey(origin, log.key.alg, log.key.publicKey)
}

/** Origins that the user gave a key for. */
export function givenOrigins({ vkeys, policy }: GivenTrust): string[] {
  return [...vkeys.map((vkey) => parseVkey(vkey).name), ...(policy?.logs ?? []).map(({ key }) => key.name)]
}

/** The checkpoint of a note that is taken apart, nothing verified. Throws a HeadFault. */
export function headOf(note: Uint8Array): Checkpoint {
  const checkpoint = readCheckpoint(note)
  if (typeof checkpoint === 'string') throw new HeadFault('malformed', `it is no checkpoint: ${checkpoint}`)
  return checkpoint
}

/** The checkpoint of a note that the log signed, and its witnesses where a policy asks for them. Throws a HeadFault. */
export async function openHead(note: Uint8Array, trust: LogTrust): Promise<Checkpoint> {
  const { origin } = headOf(note)
  if (origin !== trust.origin) throw new HeadFault('key', `it is a head of ${origin}, not of ${trust.origin}`)
  try {
    if (trust.policy !== undefined) return (await openByPolicy(note, trust.policy)).checkpoint
    return (await openCheckpoint(note, ed25519Verifier(trust.vkey), trust.origin)).checkpoint
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new HeadFault(error.code === 'quorum-missing' ? 'quorum' : 'key', error.message)
  }
}
