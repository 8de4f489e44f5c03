// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Whose signatures the seal and the anchor carry: of the key of `heads` that `system` names. Where that key has followed
 * another and its file still waits, a crash came before they were signed again, and they may be the former key's.
 */
import { type ReadSeal } from '../ledger/seal.ts'
import { type Signer, sealVerifier } from '../ledger/signing.ts'
import type { Beside } from './beside.ts'
import type { Findings } from './finding.ts'
import type { Replay } from './replay.ts'
import type { Signatures } from './signatures.ts'

interface SealedByCheck {
  readonly beside: Beside
  readonly replay: Replay
  /** The seal that was believed. */
  readonly seal: ReadSeal | undefined
  readonly isRunning: boolean
  readonly signatures: Signatures
  readonly findings: Findings
  readonly remarks: string[]
}

/** The keys of `heads` that lie beside the log: in its place, and waiting. */
export function lyingSigners(beside: Beside, originPrefix: string, signatures: Signatures): Signer[] {
  return [beside.keys.get('heads'), beside.pendingKeys.get('heads')].flatMap((bytes) => {
    const made =
      bytes === undefined ? undefined : signatures.keyOf('', bytes.toString('latin1'), `${originPrefix}/heads`)
    return made !== undefined && 'signer' in made ? [made.signer] : []
  })
}

export function checkSealedBy(check: SealedByCheck): void {
  const { beside, seal, findings } = check
  const { anchor } = beside
  const isOurs = believed(check)
  if (typeof anchor !== 'string' && !isOurs((signer) => anchor.isSignedBy(signer))) {
    findings.add({ kind: 'derived', file: 'derived/anchor.json', what: 'the anchor is not signed by the key of heads' })
  }
  if (seal !== undefined && !isOurs((signer) => seal.isSignedBy(signer))) {
    findings.add({ kind: 'seal', file: 'segments/_head', what: 'the seal is not signed by the key of heads' })
  }
}

/** Whether a signature is by a key that may have made it. */
function believed({ beside, replay, isRunning, signatures, remarks }: SealedByCheck) {
  const lying = lyingSigners(beside, replay.originPrefix, signatures)
  const periods = replay.systemKnown ? (replay.state.ledgers.get('heads')?.keys.periods ?? []) : []
  const named = periods.at(-1)
  if (named === undefined) {
    if (lying.length === 0 && typeof beside.anchor !== 'string') {
      remarks.push('The signature of derived/anchor.json was not checked: the key of heads is not there.')
    }
    return (by: (signer: Pick<Signer, 'isSeal'>) => boolean) => lying.length === 0 || lying.some(by)
  }
  const [place] = lying
  const isUnsettled = isRunning || (place !== undefined && place.vkey !== named.vkey)
  const vkeys = isUnsettled ? periods.slice(-2).map(({ vkey }) => vkey) : [named.vkey]
  const signers = vkeys.map(sealVerifier)
  return (by: (signer: Pick<Signer, 'isSeal'>) => boolean) => signers.some(by)
}
