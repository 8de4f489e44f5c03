// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds `witnessed/head` against the data: the newest head that a quorum of witnesses had cosigned. It lies in the
 * directory, so by itself it vouches for nothing: whoever rewrites `system` chooses its witnesses. What it shows is that
 * data which is older than it was rolled back; and under a policy that came from elsewhere it is as good as a head that
 * was kept outside, for nobody makes its cosignatures again.
 */
import { type KeyPeriod, openByPolicy, parseNote, parseVkey, type Policy, ProofError } from '@stele/proof'
import { WITNESSED_HEAD } from '../ledger/witnessed-head.ts'
import { timeText } from '../platform/clock.ts'
import { type CosignedHead, cosignedNote, readCosigned } from '../state/cosigned-head.ts'
import type { Findings } from './finding.ts'
import { type HeldHead, holdHead, type ReadHead } from './kept-heads.ts'
import type { Replay } from './replay.ts'
import { readCheckpoint, type Signatures } from './signatures.ts'
import { toHex } from './ledger-replay.ts'

const HEADS = 'heads'

/** What is known of the witnesses, and of the newest head that they have cosigned. */
export interface WitnessedReport {
  /** Names of those that are asked. */
  readonly witnesses: readonly string[]
  /** How many of them must cosign. */
  readonly needed: number
  /** The head that is kept, where one is and our own key has signed it. */
  readonly head?: HeldHead
  /** The good cosignatures on it; `time` is the witness's own. */
  readonly cosignatures: readonly { readonly witness: string; readonly time: string }[]
  /** The policy that was given accepts the head, and it holds: it counts like one that was kept outside. */
  readonly isVouchedFor: boolean
}

/** The head as it was read; undefined where there is none, or none that can be read, which is a finding. */
export function readWitnessed(bytes: Buffer | undefined, findings: Findings): ReadHead | undefined {
  if (bytes === undefined) return undefined
  const checkpoint = readCheckpoint(bytes)
  if (typeof checkpoint === 'string') {
    findings.add({ kind: 'cosignature', file: WITNESSED_HEAD, what: `not a signed head: ${checkpoint}` })
    return undefined
  }
  const { origin, size, root } = checkpoint
  const ledger = origin.slice(origin.lastIndexOf('/') + 1)
  return { where: WITNESSED_HEAD, bytes, origin, ledger, size, root: toHex(root) }
}

export async function holdWitnessed(
  head: ReadHead | undefined,
  replay: Replay,
  signatures: Signatures,
  policy: Policy | undefined,
  findings: Findings,
): Promise<WitnessedReport> {
  const { asked, neededCount: needed, known } = replay.state.witnesses
  const none = { witnesses: asked.map(({ name }) => name), needed, cosignatures: [], isVouchedFor: false }
  if (head === undefined || !replay.systemKnown) return none
  const object = (what: string, rest: object = {}) =>
    findings.add({ kind: 'cosignature', file: WITNESSED_HEAD, what, ...rest })
  const expected = `${replay.originPrefix}/${HEADS}`
  const periods = replay.state.ledgers.get(HEADS)?.keys.periods
  const fault =
    periods === undefined ? 'system names no ledger heads' : await signatures.faultOf(head.bytes, head.size, periods)
  if (head.origin !== expected || fault !== undefined) {
    object(`not signed by the key of heads${fault === undefined ? '' : `: ${fault}`}`, { expected, found: head.origin })
    return none
  }
  const held = await holdHead(head, replay, signatures, undefined, findings)
  const cosigned = await readCosigned(head.bytes, expected, known)
  checkCosignatures(cosigned, head.bytes, object)
  if (!areOwn(head.bytes, expected, periods ?? [])) object('a signature in the name of heads is by no key of its')
  const cosignatures = [...cosigned.cosignatures].map(([witness, { time }]) => ({
    witness,
    time: timeText(time * 1_000),
  }))
  const isVouchedFor = held.holds && policy !== undefined && (await isAccepted(head.bytes, policy))
  return { ...none, head: held, cosignatures, isVouchedFor }
}

/** Stele keeps good cosignatures and nothing else. */
function checkCosignatures(
  { text, ownLines, cosignatures, bad, unknown }: CosignedHead,
  bytes: Uint8Array,
  object: (what: string) => void,
): void {
  for (const name of bad) object(`the cosignature of ${name} does not belong to this head`)
  for (const name of unknown) object(`it is signed by ${name}, which system never named as a witness`)
  if (bad.length + unknown.length > 0) return
  if (!cosignedNote({ text, ownLines }, cosignatures.values()).equals(bytes)) object('it is not as Stele writes it')
}

/** Whether each line in the log's own name is by a key that it had: by any other, it would not have been checked. */
function areOwn(note: Uint8Array, origin: string, periods: readonly KeyPeriod[]): boolean {
  const vkeys = periods.flatMap(({ vkey, mldsaVkey }) => (mldsaVkey === undefined ? [vkey] : [vkey, mldsaVkey]))
  const keyIds = new Set(vkeys.map((vkey) => parseVkey(vkey).keyId))
  return parseNote(note).signatures.every(({ name, keyId }) => name !== origin || keyIds.has(keyId))
}

/** Whether a quorum of witnesses that somebody chose has signed; that a log's own key has is no news here. */
async function isAccepted(note: Uint8Array, policy: Policy): Promise<boolean> {
  try {
    return (await openByPolicy(note, policy)).cosignatures.length > 0
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}

/** What is to be said of it, where nothing is wrong with it. */
export function witnessedRemarks({ witnesses, needed, head, cosignatures, isVouchedFor }: WitnessedReport): string[] {
  if (head === undefined) {
    return witnesses.length === 0
      ? []
      : ['No witnessed head is here: the witnesses have not cosigned one, or it was taken away.']
  }
  const by = cosignatures.map(({ witness, time }) => `${witness} at ${time}`).join(', ')
  const worth = isVouchedFor
    ? 'The policy accepts them.'
    : 'Their keys are those that system names: a policy from elsewhere (--policy FILE) shows what they are worth.'
  return [`The head of heads at ${head.size} is cosigned by ${by === '' ? 'nobody' : by}; ${needed} must. ${worth}`]
}
