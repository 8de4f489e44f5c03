// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies an event with its receipt, offline. The key comes from the caller, or is the one that is remembered of the
 * log; with no key at all nothing can be said in the log's favour, and nothing is.
 */
import {
  ALG_ED25519,
  ALG_MLDSA44,
  formatVkey,
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
  verifyReceipt,
  verifyRotations,
} from '@stele/proof'
import { isSignedBy, isSignedByEither, type KeyChain, keyChain, retiredSigner } from './key-chain.ts'
import { contradiction, type KeyStanding, type KnownLog, type KnownLogs, type RetiredKey } from './known-logs.ts'
import { readCheckpoint } from './signatures.ts'

export interface ReceiptOptions {
  readonly event: Uint8Array
  readonly proof: Uint8Array
  readonly vkey?: string
  /** Statements that lead on from that key, or from the one that is remembered of the ledger, by the log's origin. */
  readonly rotations?: (origin: string) => readonly string[]
  readonly policy?: Policy
  readonly knownLogs: KnownLogs
}

export interface ReceiptVerdict {
  readonly verdict: Report['verdict']
  readonly report: Report
  /** Whose word the key is. */
  readonly trust: 'key' | 'policy' | 'pinned before' | 'seen before'
  /** Where keys ended on the way from the trusted key to the one that signed; empty where it is the same. */
  readonly followedAt: readonly number[]
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
  const { event, proof, policy, knownLogs } = options
  const statements = statementsOf(options)
  const given = await givenKeys(options, statements)
  const { receipt, headsReceipt } = splitWitnessedReceipt(proof)
  const ledger = await look(receipt, given, options, statements)
  const heads = headsReceipt === undefined ? undefined : await look(headsReceipt, given, options, statements)
  const chosen = choose(options, statements, ledger)
  const report = await verifyReceipt(event, proof, chosen?.trust)
  if (chosen === undefined || ledger === undefined) {
    if (report.verdict !== 'invalid') throw new NoKeyError(report.origin ?? '')
    return { verdict: 'invalid', report, trust: 'key', followedAt: [] }
  }
  const followedAt = report.verdict === 'invalid' ? [] : await endsOnTheWay(report, chosen.trust)
  const verdict = { verdict: report.verdict, report, trust: chosen.source, followedAt }
  const seen = heads === undefined ? [ledger] : [ledger, heads]
  // What speaks against the key says more than that it has not signed, and less than any other fault.
  const isSound = report.checks.every(({ ok, code }) => ok !== false || code === 'signature-missing')
  const objection = isSound ? seen.find(({ chain }) => chain?.objection !== undefined)?.chain?.objection : undefined
  if (objection !== undefined) return { ...verdict, verdict: 'invalid', contradiction: objection }
  if (report.verdict === 'invalid') return verdict
  const vouching = heads !== undefined && given.some(({ name }) => name === heads.origin) ? heads : undefined
  for (const head of seen) {
    const { origin, note, known, isSigned } = head
    // Without a signature of its log a head is anybody's word, unless the log of heads says that it recorded it.
    const isRecorded = head === ledger && vouching !== undefined && vouching.retired === undefined
    if (!isSigned && !isRecorded) continue
    const contradicts = contradiction(known, note)
    if (contradicts === undefined) continue
    const evidence = await knownLogs.keepEvidence(origin, [known?.head ?? '', note])
    return { ...verdict, verdict: 'invalid', contradiction: contradicts, evidence }
  }
  const isVouchedFor = isWitnessed(report, policy)
  for (const head of vouching === undefined ? [ledger] : [vouching, ledger]) {
    const doubt = doubtOfRetired(head, isVouchedFor)
    if (doubt !== undefined) return { ...verdict, ...doubt }
  }
  for (const head of seen) await rememberHead(head, given, options)
  return verdict
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
  /** The log's keys, from the one that was given or is remembered on; undefined where there is none. */
  readonly chain: KeyChain | undefined
  /** Somebody gave a key of this log by itself. */
  readonly isGiven: boolean
  /** A key of the log that is given or remembered has signed it. */
  readonly isSigned: boolean
  /** The key that signed it, where it is one that is known to have been followed by another. */
  readonly retired: RetiredKey | undefined
}

/** Statements of rotation of one log. */
interface Statements {
  readonly origin: string
  readonly rotations: readonly string[]
}

function statementsOf({ vkey, rotations, proof }: ReceiptOptions): Statements | undefined {
  const origin = vkey === undefined ? headOf(proof)?.origin : parseVkey(vkey).name
  return origin === undefined || rotations === undefined ? undefined : { origin, rotations: rotations(origin) }
}

/** The keys of logs that the caller gave, and those to which the statements lead. */
async function givenKeys({ vkey, policy }: ReceiptOptions, statements: Statements | undefined): Promise<VerifierKey[]> {
  const { rotations = [] } = statements ?? {}
  if (vkey === undefined) return (policy?.logs ?? []).map(({ key }) => key)
  if (parseVkey(vkey).alg !== ALG_ED25519 || rotations.length === 0) return [parseVkey(vkey)]
  const periods = await verifyRotations(vkey, rotations).catch((error: unknown) => {
    if (error instanceof ProofError) return [{ vkey }]
    throw error
  })
  return periods.map((period) => parseVkey(period.vkey))
}

async function look(
  proof: Uint8Array,
  given: readonly VerifierKey[],
  { vkey, knownLogs }: ReceiptOptions,
  statements: Statements | undefined,
): Promise<SeenHead | undefined> {
  const head = headOf(proof)
  if (head === undefined) return undefined
  const note = Buffer.from(head.note)
  const known = await knownLogs.find(head.origin)
  const key = vkey === undefined ? undefined : parseVkey(vkey)
  const isGiven = key?.name === head.origin && key.alg === ALG_ED25519
  const start = isGiven ? vkey : known?.vkey
  const rotations = statements?.origin === head.origin ? statements.rotations : []
  const chain = start === undefined ? undefined : await keyChain(knownLogs, known, start, rotations)
  const retired = chain === undefined ? undefined : await retiredSigner(note, chain)
  let isSigned = retired !== undefined || (chain !== undefined && (await isSignedByEither(note, chain)))
  for (const some of given) isSigned ||= some.name === head.origin && (await isSignedBy(note, some))
  return { ...head, known, chain, isGiven, isSigned, retired }
}

function choose(
  { vkey, policy }: ReceiptOptions,
  statements: Statements | undefined,
  ledger: SeenHead | undefined,
): { readonly trust: Trust; readonly source: ReceiptVerdict['trust'] } | undefined {
  const led = statements === undefined ? {} : { rotations: statements.rotations }
  if (vkey !== undefined) return { trust: { vkey, ...led }, source: 'key' }
  if (policy !== undefined) return { trust: policy, source: 'policy' }
  if (ledger?.known === undefined) return undefined
  const { retired, known } = ledger
  const { pinned } = known
  const source = pinned ? 'pinned before' : 'seen before'
  // What a remembered retired key is worth is said below.
  return {
    trust: retired === undefined ? { vkey: known.vkey, pinned, ...led } : { vkey: retired.vkey, pinned },
    source,
  }
}

/** At which sizes keys ended, from the trusted one on to the one that signed. */
async function endsOnTheWay({ keys = [] }: Report, trust: Trust): Promise<number[]> {
  const led = keys.find(({ rotations = 0 }) => rotations > 0)?.rotations ?? 0
  if ('quorum' in trust || led === 0) return []
  const periods = await verifyRotations(trust.vkey, trust.rotations ?? [])
  return periods.slice(0, led).map(({ until }) => until?.size ?? 0)
}

/** Remembers a head by the key of its own log, where that key has signed it and no other has followed. */
async function rememberHead(
  { origin, note, chain, isGiven, retired }: SeenHead,
  given: readonly VerifierKey[],
  { knownLogs }: ReceiptOptions,
): Promise<void> {
  const bytes = Buffer.from(note)
  if (chain === undefined || retired !== undefined || !(await isSignedBy(bytes, parseVkey(chain.vkey)))) return
  let { mldsaVkey } = chain
  // One that somebody gave and that signs beside the log's key is its companion.
  for (const key of given) {
    if (mldsaVkey !== undefined || key.name !== origin || key.alg !== ALG_MLDSA44) continue
    if (await isSignedBy(bytes, key)) mldsaVkey = formatVkey(key.name, key.alg, key.publicKey)
  }
  const beside = mldsaVkey === undefined ? {} : { mldsaVkey }
  await knownLogs.remember({ origin, vkey: chain.vkey, ...beside, retired: chain.retired, pinned: isGiven, head: note })
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
