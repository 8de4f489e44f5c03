// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Answers about witnesses, and the check of what leads up to a head that they have cosigned.

import {
  contentHash,
  equalBytes,
  fromBase64Url,
  fromUtf8,
  hashLeaf,
  parseEntry,
  parseReceipt,
  parseVkey,
  ProofError,
  verifyInclusion,
} from '@stele/proof'

import { type LedgerHead, readCheckpoint } from './answers.ts'
import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'

const STATES = ['new', 'cosigning', 'failing', 'contradicting'] as const
const HEADS = 'heads'

/** How many of the witnesses must cosign a head. */
export type WitnessQuorum = number | 'all'

export interface WitnessRequest {
  /** What it is called, here and in the policy. */
  readonly name: string
  /** Its cosignature key: Ed25519 (04) or ML-DSA-44 (06). */
  readonly vkey: string
  /** Its submission prefix (C2SP tlog-witness). */
  readonly url: string
}

/** What a witness said that cannot be, if the server is right. */
export interface WitnessContradiction {
  readonly at: string
  /** `fork`: a head does not follow what it has seen. `ahead`: it has seen more than there is. */
  readonly kind: 'fork' | 'ahead'
  /** Entries of `heads` that the head counts. */
  readonly size: number
  /** The size that the witness named. */
  readonly told?: number
  /** File below the server's data directory. */
  readonly evidence: string
}

export interface Witness extends WitnessRequest {
  readonly addedAt: string
  readonly addedBy: string
  readonly state: (typeof STATES)[number]
  /** Entries of `heads` that it has seen, as far as it said. */
  readonly seen: number
  /** When it last cosigned, by its own clock. */
  readonly cosignedAt?: string
  /** Why it does not; may hold what the witness answered. */
  readonly reason?: string
  readonly contradictions: readonly WitnessContradiction[]
}

/** A head of `heads` with the cosignatures of the quorum. */
export interface WitnessedHead {
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
  readonly cosignatures: readonly { readonly witness: string; readonly time: string }[]
}

export interface Witnesses {
  readonly witnesses: readonly Witness[]
  readonly quorum: WitnessQuorum
  /** How many that is now. */
  readonly needed: number
  /** Entries of `heads` that the newest published head counts. */
  readonly published: number
  /** The newest head that the quorum has cosigned. */
  readonly witnessed?: WitnessedHead
  /** Since when the quorum is missing, once that is too long. */
  readonly unmetSince?: string
}

export function readWitnesses(value: unknown): Witnesses {
  const fields = new Fields('the witnesses', value)
  const witnesses = fields.list('witnesses').map(readWitness)
  const quorum = fields.object('quorum') === 'all' ? 'all' : fields.whole('quorum')
  const needed = fields.whole('needed')
  if (new Set(witnesses.map(({ name }) => name)).size < witnesses.length)
    throw untrustworthy('a witness is listed twice')
  if (needed > witnesses.length) throw untrustworthy('more witnesses must cosign than there are')
  if (quorum === 'all' && needed < witnesses.length) throw untrustworthy('not all must cosign, as it is said')
  const unmetSince = fields.optionalTime('unmetSince')
  return {
    witnesses,
    quorum,
    needed,
    published: fields.whole('published'),
    ...(fields.has('witnessed') ? { witnessed: readHead(fields.object('witnessed')) } : {}),
    ...(unmetSince === undefined ? {} : { unmetSince }),
  }
}

export function readWitness(value: unknown): Witness {
  const fields = new Fields('the witness', value)
  const vkey = fields.text('vkey')
  try {
    parseVkey(vkey)
  } catch (error) {
    if (error instanceof ProofError) throw untrustworthy(`the witness has no key: ${error.message}`, error)
    throw error
  }
  const cosignedAt = fields.optionalTime('cosignedAt')
  const reason = fields.has('reason') ? fields.anyText('reason') : undefined
  return {
    name: fields.text('name'),
    vkey,
    url: fields.text('url'),
    addedAt: fields.time('addedAt'),
    addedBy: fields.text('addedBy'),
    state: fields.oneOf('state', STATES),
    seen: fields.whole('seen'),
    ...(cosignedAt === undefined ? {} : { cosignedAt }),
    ...(reason === undefined ? {} : { reason }),
    contradictions: fields.list('contradictions').map(readContradiction),
  }
}

function readContradiction(value: unknown): WitnessContradiction {
  const fields = new Fields('what a witness said', value)
  return {
    at: fields.time('at'),
    kind: fields.oneOf('kind', ['fork', 'ahead']),
    size: fields.whole('size'),
    ...(fields.has('told') ? { told: fields.whole('told') } : {}),
    evidence: fields.text('evidence'),
  }
}

function readHead(value: unknown): WitnessedHead {
  const fields = new Fields('the witnessed head', value)
  const cosignatures = fields.list('cosignatures').map((one) => {
    const cosignature = new Fields('a cosignature', one)
    return { witness: cosignature.text('witness'), time: cosignature.time('time') }
  })
  return { size: fields.whole('size'), root: fields.root('root'), cosignatures }
}

/**
 * Checks that a proof of a ledger leads on to a head of `heads`: `headsReceipt` must be of an entry of `heads` whose
 * content is the checkpoint that the proof ends at. For an entry of `heads` itself the checkpoint is that head.
 */
export async function readWitnessedHead(
  ledger: string,
  head: LedgerHead,
  checkpoint: Uint8Array,
  headsReceipt: Uint8Array | undefined,
): Promise<LedgerHead> {
  if (ledger === HEADS) {
    if (headsReceipt !== undefined) throw untrustworthy('a proof of heads is followed by another one')
    return head
  }
  if (headsReceipt === undefined) throw untrustworthy('a witnessed proof was asked for, and is not witnessed')
  const { salt, entry, index, hashes, checkpoint: note } = parseReceipt(headsReceipt)
  const { sha256, size } = parseEntry(entry)
  if (size !== checkpoint.length || !equalBytes(contentHash(salt, checkpoint), fromBase64Url(sha256))) {
    throw untrustworthy(`the entry of heads is not of the checkpoint of ${ledger}`)
  }
  // Whose cosignatures it takes, only a policy says; the keys that are pinned here are of other logs.
  const witnessed = await readCheckpoint(fromUtf8(note), HEADS, { demand: async () => await Promise.resolve() })
  const prefix = (origin: string) => origin.slice(0, origin.lastIndexOf('/'))
  if (prefix(witnessed.origin) !== prefix(head.origin)) {
    throw untrustworthy(`${head.origin} and ${witnessed.origin} are not of one installation`)
  }
  verifyInclusion(hashLeaf(entry), index, witnessed.size, hashes, witnessed.root)
  return witnessed
}
