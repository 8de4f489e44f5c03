// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies an event with its receipt, offline. The key comes from the caller, or is the one that is remembered of the
 * log; with no key at all nothing can be said in the log's favour, and nothing is.
 */
import {
  parseNote,
  parseProof,
  parseVkey,
  type Policy,
  ProofError,
  type Report,
  splitWitnessedReceipt,
  toBase64,
  type Trust,
  verifyReceipt,
} from '@stele/proof'
import { contradiction, type KeyStanding, type KnownLog, type KnownLogs, type RetiredKey } from './known-logs.ts'
import { readCheckpoint } from './signatures.ts'

export interface ReceiptOptions {
  readonly event: Uint8Array
  readonly proof: Uint8Array
  readonly vkey?: string
  readonly policy?: Policy
  readonly knownLogs: KnownLogs
}

export interface ReceiptVerdict {
  readonly verdict: Report['verdict']
  readonly report: Report
  /** Whose word the key is. */
  readonly trust: 'key' | 'policy' | 'pinned before' | 'seen before'
  /** The key that signed was followed by another; that this head is the beginning of the log is not shown. */
  readonly retired?: RetiredKey
  /** The signed head contradicts one that was seen before; both are kept in `evidence`. */
  readonly contradiction?: string
  readonly evidence?: string
}

/** Nobody has told which key the log has. */
export class NoKeyError extends Error {
  override readonly name = 'NoKeyError'
  readonly origin: string

  constructor(origin: string) {
    super(`nothing is known of the key of ${origin}`)
    this.origin = origin
  }
}

/** Throws a NoKeyError where the event fits its receipt and only the key is missing. */
export async function verifyEvent(options: ReceiptOptions): Promise<ReceiptVerdict> {
  const { event, proof, vkey, policy, knownLogs } = options
  const head = headOf(proof)
  const known = head === undefined ? undefined : await knownLogs.find(head.origin)
  const retired = head === undefined ? undefined : retiredSigner(known, head.note)
  const chosen = choose(vkey, policy, known, retired)
  const report = await verifyReceipt(event, proof, chosen?.trust)
  if (chosen === undefined || head === undefined) {
    if (report.verdict !== 'invalid') throw new NoKeyError(report.origin ?? '')
    return { verdict: 'invalid', report, trust: 'key' }
  }
  const { source } = chosen
  if (report.verdict === 'invalid') return { verdict: 'invalid', report, trust: source }
  const otherKey = vkey === undefined ? undefined : knownLogs.keyObjection(known, vkey)
  if (otherKey !== undefined) return { verdict: 'invalid', report, trust: source, contradiction: otherKey }
  // The head that vouches for a witnessed receipt is of another log, of which something may be known, too.
  const { headsReceipt } = splitWitnessedReceipt(proof)
  const headsHead = headsReceipt === undefined ? undefined : headOf(headsReceipt)
  for (const seen of [head, ...(headsHead === undefined ? [] : [headsHead])]) {
    const before = seen === head ? known : await knownLogs.find(seen.origin)
    const contradicts = contradiction(before, seen.note)
    if (contradicts === undefined) continue
    const evidence = await knownLogs.keepEvidence(seen.origin, [before?.head ?? '', seen.note])
    return { verdict: 'invalid', report, trust: source, contradiction: contradicts, evidence }
  }
  if (retired !== undefined) return heldByRetired(retired, report, source, isWitnessed(report, policy))
  const signer = vkey ?? known?.vkey
  if (signer !== undefined) {
    await knownLogs.remember({ origin: head.origin, vkey: signer, pinned: vkey !== undefined, head: head.note })
  }
  return { verdict: report.verdict, report, trust: source }
}

export function standingOf(trust: ReceiptVerdict['trust']): KeyStanding {
  return trust === 'seen before' ? 'not pinned' : 'pinned'
}

/** Whether these bytes are a proof, of whatever. */
export function isProof(bytes: Uint8Array): boolean {
  return headOf(bytes) !== undefined
}

function choose(
  vkey: string | undefined,
  policy: Policy | undefined,
  known: KnownLog | undefined,
  retired: RetiredKey | undefined,
): { readonly trust: Trust; readonly source: ReceiptVerdict['trust'] } | undefined {
  if (vkey !== undefined) return { trust: { vkey }, source: 'key' }
  if (policy !== undefined) return { trust: policy, source: 'policy' }
  if (known === undefined) return undefined
  const { pinned } = known
  return { trust: { vkey: retired?.vkey ?? known.vkey, pinned }, source: pinned ? 'pinned before' : 'seen before' }
}

/** The key that signed the head, where it is one that is known to have been followed by another. */
function retiredSigner(known: KnownLog | undefined, head: string): RetiredKey | undefined {
  const { signatures } = parseNote(Buffer.from(head))
  const hasSigned = (vkey: string) => {
    const { name, keyId } = parseVkey(vkey)
    return signatures.some((signature) => signature.name === name && signature.keyId === keyId)
  }
  if (known === undefined || hasSigned(known.vkey)) return undefined
  return known.retired?.find(({ vkey }) => hasSigned(vkey))
}

/** Whether a quorum that somebody chose saw this history: whoever has an old key gets no such cosignatures for another. */
function isWitnessed({ verdict, cosignatures = [] }: Report, policy: Policy | undefined): boolean {
  return verdict === 'valid' && policy !== undefined && policy.quorum !== 'none' && cosignatures.length > 0
}

/**
 * A head of a key that was followed by another. Of a larger tree than that key stood for it is a fork; of a smaller one it
 * counts where somebody shows that it is the beginning of the log, which a receipt does not, but witnesses do.
 */
function heldByRetired(
  retired: RetiredKey,
  report: Report,
  trust: ReceiptVerdict['trust'],
  isVouchedFor: boolean,
): ReceiptVerdict {
  const { size = 0, root } = report
  const entries = `${retired.size} entries`
  const isSame = root !== undefined && toBase64(root) === retired.root
  if (size > retired.size) {
    const contradicts = `its head counts ${size} entries, and the key that signed it was retired at ${entries}`
    return { verdict: 'invalid', report, trust, contradiction: contradicts }
  }
  if (size < retired.size && !isVouchedFor) return { verdict: 'self-consistent', report, trust, retired }
  if (size < retired.size || isSame) return { verdict: report.verdict, report, trust }
  const contradicts = `the key that signed it was retired at ${entries}, and their root was another than the one here`
  return { verdict: 'invalid', report, trust, contradiction: contradicts }
}

/** Origin and text of the signed head in a proof; undefined where it can't be read, which the report will say. */
function headOf(proof: Uint8Array): { readonly origin: string; readonly note: string } | undefined {
  try {
    const note = parseProof(splitWitnessedReceipt(proof).receipt).checkpoint
    const checkpoint = readCheckpoint(note)
    return typeof checkpoint === 'string'
      ? undefined
      : { origin: checkpoint.origin, note: Buffer.from(note).toString('utf8') }
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}
