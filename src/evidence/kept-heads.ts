// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Heads that were kept outside the data directory: what shows that nothing changed, not only that all fits together.
 * A head is worth what its keeper is worth; that it is signed shows whose it is.
 */
import type { Policy } from '@stele/proof'
import type { Findings } from './finding.ts'
import { toHex } from './ledger-replay.ts'
import type { Replay } from './replay.ts'
import { policyFault, readCheckpoint, type Signatures } from './signatures.ts'

export interface KeptHead {
  /** Path or words that say where it was kept. */
  readonly where: string
  /** The signed note. */
  readonly bytes: Uint8Array
}

export interface ReadHead extends KeptHead {
  readonly origin: string
  readonly ledger: string
  readonly size: number
  readonly root: string
}

/** A head and whether the data has its root at its size. */
export interface HeldHead {
  readonly where: string
  readonly ledger: string
  readonly size: number
  /** base64, as checkpoints write it. */
  readonly root: string
  readonly holds: boolean
  /** Entries that it counts and the data does not have: then nothing can be held against it. */
  readonly missing?: number
}

/** Reads heads; one that is none is a finding. */
export function readHeads(heads: readonly KeptHead[], findings: Findings): ReadHead[] {
  return heads.flatMap((head) => {
    const checkpoint = readCheckpoint(head.bytes)
    if (typeof checkpoint === 'string') {
      findings.add({
        kind: 'kept-head',
        file: head.where,
        what: `the head kept outside is not a signed checkpoint: ${checkpoint}`,
      })
      return []
    }
    const { origin, size } = checkpoint
    return [{ ...head, origin, size, ledger: origin.slice(origin.lastIndexOf('/') + 1), root: toHex(checkpoint.root) }]
  })
}

/** Sizes whose roots a replay must keep for these heads. */
export function wantedSizes(heads: readonly ReadHead[]): Map<string, number[]> {
  const wanted = new Map<string, Set<number>>()
  for (const { ledger, size } of heads) wanted.set(ledger, (wanted.get(ledger) ?? new Set()).add(size))
  return new Map([...wanted].map(([ledger, sizes]) => [ledger, [...sizes].toSorted((a, b) => a - b)]))
}

/** Holds a head against the replayed data. */
export async function holdHead(
  head: ReadHead,
  replay: Replay,
  signatures: Signatures,
  policy: Policy | undefined,
  findings: Findings,
): Promise<HeldHead> {
  const { where, ledger, size, root, origin } = head
  const held = { where, ledger, size, root: Buffer.from(root, 'hex').toString('base64') }
  const object = (what: string, rest: object = {}) => {
    findings.add({ kind: 'kept-head', file: where, what, ...rest })
    return { ...held, holds: false }
  }
  const expectedOrigin = `${replay.originPrefix}/${ledger}`
  if (origin !== expectedOrigin) {
    return object('the head kept outside is of other ledgers', { expected: expectedOrigin, found: origin })
  }
  const fault = await signatureFault(head, replay, signatures, policy)
  if (fault !== undefined) return object(`the head kept outside is not signed as it must be: ${fault}`)
  const data = replay.ledgers.get(ledger)
  const present = data?.size ?? 0
  if (size > present) {
    const what = `${ledger} had ${size} entries when its head was kept, and has ${present}`
    const missing = size - present
    const place = { ledger, index: present, count: missing }
    return { ...object(what, { ...place, expected: `${size} entries`, found: `${present}` }), missing }
  }
  // A ledger without entries has no replay, and the root of nothing.
  const found = data === undefined ? root : data.rootsAt.get(size)
  if (found === root) return { ...held, holds: true }
  const what = `the first ${size} entries of ${ledger} are not those that the kept head was made of`
  return object(what, {
    ledger,
    index: 0,
    count: Math.max(1, size),
    expected: root,
    found: found ?? 'unknown: some are missing',
  })
}

async function signatureFault(
  { bytes, ledger, size }: ReadHead,
  replay: Replay,
  signatures: Signatures,
  policy: Policy | undefined,
): Promise<string | undefined> {
  // A kept head is worth what its keeper is worth, and need not be one that witnesses have seen.
  if (policy !== undefined) return await policyFault(bytes, { ...policy, quorum: 'none' })
  const periods = replay.state.ledgers.get(ledger)?.keys.periods
  if (periods !== undefined) return await signatures.faultOf(bytes, size, periods)
  return replay.systemKnown ? `system names no ledger ${ledger}` : undefined
}

/** Entries that heads cover, by ledger: their own, and through `heads` those of all the others. */
export function coverage(held: readonly HeldHead[], replay: Replay): Map<string, number> {
  const covered = new Map<string, number>()
  const cover = (ledger: string, size: number) => covered.set(ledger, Math.max(size, covered.get(ledger) ?? 0))
  for (const { ledger, size } of held.filter((head) => head.holds)) {
    cover(ledger, size)
    if (ledger !== 'heads') continue
    for (const [name, statement] of replay.published.upTo(size)) cover(name, statement.size)
  }
  return covered
}
