// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies an event with its receipt, offline. The key comes from the caller, or is the one that is remembered of the
 * log; with no key at all nothing can be said in the log's favour, and nothing is.
 */
import {
  openCheckpoint,
  parseProof,
  parseVkey,
  type Policy,
  ProofError,
  type Report,
  splitWitnessedReceipt,
  toBase64,
  type TreeHead,
  type Trust,
  type VerifierKey,
  verifierOf,
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
  const given = vkey === undefined ? (policy?.logs ?? []).map(({ key }) => key) : [parseVkey(vkey)]
  const { receipt, headsReceipt } = splitWitnessedReceipt(proof)
  const ledger = await look(receipt, given, knownLogs)
  const heads = headsReceipt === undefined ? undefined : await look(headsReceipt, given, knownLogs)
  const chosen = choose(vkey, policy, ledger)
  const report = await verifyReceipt(event, proof, chosen?.trust)
  if (chosen === undefined || ledger === undefined) {
    if (report.verdict !== 'invalid') throw new NoKeyError(report.origin ?? '')
    return { verdict: 'invalid', report, trust: 'key' }
  }
  const { source } = chosen
  if (report.verdict === 'invalid') return { verdict: 'invalid', report, trust: source }
  const seen = heads === undefined ? [ledger] : [ledger, heads]
  for (const { origin, known } of seen) {
    if (vkey === undefined || parseVkey(vkey).name !== origin) continue
    const otherKey = knownLogs.keyObjection(known, vkey)
    if (otherKey !== undefined) return { verdict: 'invalid', report, trust: source, contradiction: otherKey }
  }
  const vouching = heads !== undefined && given.some(({ name }) => name === heads.origin) ? heads : undefined
  for (const head of seen) {
    const { origin, note, known, isSigned } = head
    // Without a signature of its log a head is anybody's word, unless the log of heads says that it recorded it.
    const isRecorded = head === ledger && vouching !== undefined && vouching.retired === undefined
    if (!isSigned && !isRecorded) continue
    const contradicts = contradiction(known, note)
    if (contradicts === undefined) continue
    const evidence = await knownLogs.keepEvidence(origin, [known?.head ?? '', note])
    return { verdict: 'invalid', report, trust: source, contradiction: contradicts, evidence }
  }
  const isVouchedFor = isWitnessed(report, policy)
  for (const head of vouching === undefined ? [ledger] : [vouching, ledger]) {
    const doubt = doubtOfRetired(head, isVouchedFor)
    if (doubt !== undefined) return { report, trust: source, ...doubt }
  }
  for (const head of seen) await rememberHead(knownLogs, head, vkey)
  return { verdict: report.verdict, report, trust: source }
}

export function standingOf(trust: ReceiptVerdict['trust']): KeyStanding {
  return trust === 'seen before' ? 'not pinned' : 'pinned'
}

/** Whether these bytes are a proof, of whatever. */
export function isProof(bytes: Uint8Array): boolean {
  return headOf(bytes) !== undefined
}

/** A signed head in a proof, and what is known of its log. */
interface SeenHead extends TreeHead {
  readonly note: string
  readonly known: KnownLog | undefined
  /** A key of the log that is given or remembered has signed it. */
  readonly isSigned: boolean
  /** The key that signed it, where it is one that is known to have been followed by another. */
  readonly retired: RetiredKey | undefined
}

async function look(
  proof: Uint8Array,
  given: readonly VerifierKey[],
  knownLogs: KnownLogs,
): Promise<SeenHead | undefined> {
  const head = headOf(proof)
  if (head === undefined) return undefined
  const known = await knownLogs.find(head.origin)
  // A line with the name of a key can be written by anybody: whose it is, its signature shows.
  const isCurrent = known !== undefined && (await hasSigned(head.note, parseVkey(known.vkey)))
  let retired: RetiredKey | undefined
  for (const former of isCurrent ? [] : (known?.retired ?? [])) {
    if (retired === undefined && (await hasSigned(head.note, parseVkey(former.vkey)))) retired = former
  }
  let isSigned = isCurrent || retired !== undefined
  for (const key of given) isSigned ||= key.name === head.origin && (await hasSigned(head.note, key))
  return { ...head, known, isSigned, retired }
}

async function hasSigned(note: string, key: VerifierKey): Promise<boolean> {
  try {
    await openCheckpoint(Buffer.from(note), verifierOf(key), key.name)
    return true
  } catch (error) {
    if (error instanceof ProofError) return false
    throw error
  }
}

function choose(
  vkey: string | undefined,
  policy: Policy | undefined,
  ledger: SeenHead | undefined,
): { readonly trust: Trust; readonly source: ReceiptVerdict['trust'] } | undefined {
  if (vkey !== undefined) return { trust: { vkey }, source: 'key' }
  if (policy !== undefined) return { trust: policy, source: 'policy' }
  if (ledger?.known === undefined) return undefined
  const { retired, known } = ledger
  const { pinned } = known
  return { trust: { vkey: retired?.vkey ?? known.vkey, pinned }, source: pinned ? 'pinned before' : 'seen before' }
}

/** Remembers a head by the key of its own log, where that key has signed it and no other has followed. */
async function rememberHead(
  knownLogs: KnownLogs,
  { origin, note, known, retired }: SeenHead,
  vkey: string | undefined,
): Promise<void> {
  const isGiven = vkey !== undefined && parseVkey(vkey).name === origin
  const signer = isGiven ? vkey : known?.vkey
  if (signer === undefined || retired !== undefined || !(await hasSigned(note, parseVkey(signer)))) return
  await knownLogs.remember({ origin, vkey: signer, pinned: isGiven, head: note })
}

/** Whether a quorum that somebody chose saw this history: whoever has an old key gets no such cosignatures for another. */
function isWitnessed({ verdict, cosignatures = [] }: Report, policy: Policy | undefined): boolean {
  return verdict === 'valid' && policy !== undefined && policy.quorum !== 'none' && cosignatures.length > 0
}

/**
 * What is to be said of a head of a key that was followed by another. Of a larger tree than that key stood for it is a
 * fork; of a smaller one it counts where somebody shows that it is the beginning of the log, which a receipt does not, but
 * witnesses do.
 */
function doubtOfRetired(
  { size, root, retired }: SeenHead,
  isVouchedFor: boolean,
): Pick<ReceiptVerdict, 'verdict' | 'contradiction' | 'retired'> | undefined {
  if (retired === undefined) return undefined
  const { name } = parseVkey(retired.vkey)
  const ended = `was retired at ${retired.size} entries`
  if (size > retired.size) {
    const contradicts = `its head of ${name} counts ${size} entries, and the key that signed it ${ended}`
    return { verdict: 'invalid', contradiction: contradicts }
  }
  if (size < retired.size) return isVouchedFor ? undefined : { verdict: 'self-consistent', retired }
  if (toBase64(root) === retired.root) return undefined
  const contradicts = `the key of ${name} that signed it ${ended}, and their root was another than the one here`
  return { verdict: 'invalid', contradiction: contradicts }
}

/** The signed head in a proof; undefined where it can't be read, which the report will say. */
function headOf(proof: Uint8Array): (TreeHead & { readonly note: string }) | undefined {
  try {
    const note = parseProof(splitWitnessedReceipt(proof).receipt).checkpoint
    const checkpoint = readCheckpoint(note)
    if (typeof checkpoint === 'string') return undefined
    const { origin, size, root } = checkpoint
    return { origin, size, root, note: Buffer.from(note).toString('utf8') }
  } catch (error) {
    if (error instanceof ProofError) return undefined
    throw error
  }
}
