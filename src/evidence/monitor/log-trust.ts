// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * By which key or policy a log's heads count. What somebody gave goes before what is remembered, and that before what
 * the server tells; a key never changes by the server's word.
 */
import {
  ALG_ED25519,
  ALG_MLDSA44,
  type Checkpoint,
  ed25519Verifier,
  formatVkey,
  isSettled,
  type KeyPeriod,
  mldsa44Verifier,
  openByPeriods,
  openByPolicy,
  openCheckpoint,
  openNote,
  parseNote,
  parseRotation,
  parseVkey,
  type Policy,
  ProofError,
  verifyRotations,
  type WitnessedCheckpoint,
} from '@stele/proof'
import { readCheckpoint } from '../signatures.ts'

/** A witness of the policy, and when it saw the head, in Unix seconds by its own clock. */
export type WitnessSeen = WitnessedCheckpoint['cosignatures'][number]

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
  /** The key that was given, or seen first. */
  readonly vkey: string
  /** Whether somebody gave the key, now or before. */
  readonly isPinned: boolean
  /** Statements by which other keys followed that one; the log's own word until they are verified here. */
  readonly rotations: readonly string[]
  /** Where it lists this log: the quorum of witnesses that every head must have. */
  readonly policy?: Policy | undefined
}

/** The key that the user gave for an origin, by itself or in a policy; of a policy's the one that signs every head. */
export function givenKey({ vkeys, policy }: GivenTrust, origin: string): string | undefined {
  const vkey = vkeys.find((given) => parseVkey(given).name === origin)
  if (vkey !== undefined) return vkey
  const logs = policy?.logs.filter(({ key }) => key.name === origin) ?? []
  const log = logs.find(({ key }) => key.alg === ALG_ED25519) ?? logs[0]
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

/** A head, and who stands for it. */
export interface SignedHead {
  readonly checkpoint: Checkpoint
  /** Whose signatures were verified. */
  readonly vkeys: readonly string[]
  /**
   * Where the newest of the keys that stand for it was retired. Whoever stole that key may have signed this head since,
   * so it counts only where it is shown to be the beginning of what the key ended with, and convicts nobody.
   */
  readonly retiredAt: number | undefined
}

/** The checkpoint of a note that the log signed, and its witnesses where a policy asks for them. Throws a HeadFault. */
export async function openHead(note: Uint8Array, trust: LogTrust): Promise<Checkpoint> {
  return (await openSigned(note, trust)).checkpoint
}

/** As `openHead`, with who stands for the head. Throws a HeadFault. */
export async function openSigned(note: Uint8Array, trust: LogTrust): Promise<SignedHead> {
  const { origin } = headOf(note)
  if (origin !== trust.origin) throw new HeadFault('key', `it is a head of ${origin}, not of ${trust.origin}`)
  try {
    if (parseVkey(trust.vkey).alg === ALG_MLDSA44) {
      const { checkpoint } =
        trust.policy === undefined
          ? await openCheckpoint(note, mldsa44Verifier(trust.vkey), trust.origin)
          : await openByPolicy(note, trust.policy)
      return { checkpoint, vkeys: [trust.vkey], retiredAt: undefined }
    }
    const periods = await verifyRotations(trust.vkey, trust.rotations)
    // The newest first: a head that it signed is not less for an older key's signature beside it.
    const { checkpoint, period } = await openByPeriods(note, periods.toReversed())
    if (trust.policy !== undefined) await openByPolicy(note, withSuccessors(trust.policy, periods))
    // For the very head that a key ended with its successor stands, too: it signed the statement.
    const isEnd = period.until !== undefined && isSettled(checkpoint, period)
    const standing = periods[periods.indexOf(period) + (isEnd ? 1 : 0)]
    return { checkpoint, vkeys: [period.vkey], retiredAt: standing?.until?.size }
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new HeadFault(error.code === 'quorum-missing' ? 'quorum' : 'key', error.message)
  }
}

/** Which witnesses of the policy cosigned a head that `openHead` has taken, each with its own time. */
export async function witnessesOf(note: Uint8Array, { vkey, rotations, policy }: LogTrust): Promise<WitnessSeen[]> {
  if (policy === undefined) return []
  const isRotating = parseVkey(vkey).alg === ALG_ED25519
  const trusted = isRotating ? withSuccessors(policy, await verifyRotations(vkey, rotations)) : policy
  return [...(await openByPolicy(note, trusted)).cosignatures]
}

/** What a statement of rotation says was the old key's last head. Throws a HeadFault. */
export async function rotationEnd(statement: string, trust: LogTrust): Promise<Checkpoint> {
  try {
    await verifyRotations(trust.vkey, trust.rotations.includes(statement) ? trust.rotations : [statement])
    const { origin, end } = parseRotation(statement)
    if (origin !== trust.origin) throw new HeadFault('key', `it is a rotation of ${origin}`)
    return { origin, ...end, extensions: [] }
  } catch (error) {
    if (error instanceof ProofError) throw new HeadFault('key', error.message)
    throw error
  }
}

/**
 * A statement of rotation by itself, as a head: each of the two keys is known by what was given and by statements that
 * were verified, or has its signature left out of account. At least the new key, if it is the given one, or the one
 * before it must be known. Throws a HeadFault.
 */
export async function openStatement(statement: Uint8Array, trust: LogTrust): Promise<SignedHead> {
  try {
    const { origin, end, vkey } = parseRotation(statement)
    if (origin !== trust.origin) throw new HeadFault('key', `it is a rotation of ${origin}`)
    const periods = await verifyRotations(trust.vkey, trust.rotations)
    const verifiers = [...new Set([...periods.map((period) => period.vkey), vkey])].map((key) => ed25519Verifier(key))
    const { verified } = await openNote(statement, verifiers)
    const vkeys = verified.map(({ verifier: { name, alg, publicKey } }) => formatVkey(name, alg, publicKey))
    const [old] = vkeys.filter((key) => key !== vkey)
    if (!vkeys.includes(vkey) || (old === undefined && vkey !== trust.vkey)) {
      throw new HeadFault('key', 'no key that is known has signed this statement')
    }
    const standing = periods.find((period) => period.vkey === vkey) ?? periods.find((period) => period.vkey === old)
    return { checkpoint: { origin, ...end, extensions: [] }, vkeys, retiredAt: standing?.until?.size }
  } catch (error) {
    if (error instanceof ProofError) throw new HeadFault('key', error.message)
    throw error
  }
}

/**
 * The key that signed two different statements of what follows it; undefined where they do not show that. A signature
 * that was not verified says nothing.
 */
export function ofTwoSuccessors(...statements: readonly (readonly [Uint8Array, SignedHead])[]): string | undefined {
  if (!statements.every(([note]) => isRotation(note))) return undefined
  const [one, other] = statements.map(([note, { vkeys }]) => {
    const { vkey } = parseRotation(note)
    return { old: vkeys.find((key) => key !== vkey), text: parseNote(note).text }
  })
  return one?.old === other?.old && one?.text !== other?.text ? one?.old : undefined
}

/** As `ofTwoSuccessors`, of notes that nobody has opened. */
export async function signerOfTwo(trust: LogTrust, ...notes: readonly [string, string]): Promise<string | undefined> {
  const opened = async (note: Buffer) => [note, await openStatement(note, trust)] as const
  try {
    return ofTwoSuccessors(...(await Promise.all(notes.map((note) => opened(Buffer.from(note))))))
  } catch (error) {
    if (error instanceof HeadFault) return undefined
    throw error
  }
}

export function isRotation(note: Uint8Array): boolean {
  return Buffer.from(note).toString('latin1').startsWith('stele/key-rotation/')
}

/** The key that signs now, by what was given and by statements that lead on from it. Throws a ProofError. */
export async function currentKey({ vkey, rotations }: LogTrust): Promise<string> {
  if (parseVkey(vkey).alg !== ALG_ED25519) return vkey
  return (await verifyRotations(vkey, rotations)).at(-1)?.vkey ?? vkey
}

/** Where the key that is trusted followed another one, which is not known then; undefined of a log's first key. */
export async function knownSince({ vkey, rotations }: LogTrust): Promise<number | undefined> {
  if (!rotations.some((statement) => parseRotation(statement).vkey === vkey)) return undefined
  return (await verifyRotations(vkey, rotations))[0]?.from
}

/** A policy names the keys of its day; those that followed them count as they. */
function withSuccessors(policy: Policy, periods: readonly KeyPeriod[]): Policy {
  const listed = new Set(policy.logs.map(({ key }) => `${key.name} ${key.keyId}`))
  const successors = periods
    .map(({ vkey }) => ({ key: parseVkey(vkey) }))
    .filter(({ key }) => !listed.has(`${key.name} ${key.keyId}`))
  return { ...policy, logs: [...policy.logs, ...successors] }
}
