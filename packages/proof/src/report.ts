// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The top-level verifier: it makes every check that it can and says in plain words what each showed. It alone returns a
// verdict; everything below it throws, so that a forgotten check fails closed. It reads no clock and no network.

import { openCheckpoint, parseCheckpoint, type TreeHead } from './checkpoint.ts'
import { mldsa44Verifier } from './cosignature.ts'
import type { Ed25519Check } from './ed25519.ts'
import { fromBase64Url } from './encoding.ts'
import { contentHash, parseEntry, type Entry } from './entry.ts'
import { ProofError, type ProofErrorCode, type ProofErrorPlace } from './error.ts'
import { bytesOf, demand } from './inner.ts'
import { equalBytes, hashLeaf } from './hash.ts'
import { ALG_MLDSA44, kindOf, parseVkey, type VerifierKey } from './key.ts'
import { ed25519Verifier, parseNote, type NoteSignature, type Verifier } from './note.ts'
import { openByPolicy, uncheckedKeys, type Policy, type WitnessedCheckpoint } from './policy.ts'
import { parseProof, parseReceipt, splitWitnessedReceipt, type Proof } from './receipt.ts'
import { isSettled, openByPeriods, verifyRotations } from './rotation.ts'
import { counted, summaryOf } from './summary.ts'
import { verifyInclusion } from './tree.ts'

/**
 * A key to trust, Ed25519 or ML-DSA-44. Its name must be the log's origin, and `origin`, where given, is compared with
 * it. `pinned` is false for a key that came from whoever is to be verified: such a key shows that things fit together and
 * nothing more. `rotations` are statements that lead from this key to later ones, from anybody.
 * `check` stands for WebCrypto's under this key, an Ed25519 one: where a platform has one that is quicker.
 */
export interface KeyTrust {
  readonly vkey: string
  readonly origin?: string
  readonly pinned?: boolean
  readonly rotations?: readonly (string | Uint8Array)[]
  readonly check?: Ed25519Check
}

/** What the verifier trusts: a policy or a key. Without either, only consistency in itself can be shown. */
export type Trust = Policy | KeyTrust

/** One check: what was checked, how it came out, and why. `code` and `place` are those of the error. */
export interface Check {
  readonly what: string
  readonly ok: boolean | 'not checked'
  readonly detail: string
  readonly code?: ProofErrorCode
  readonly place?: ProofErrorPlace
}

/** A leaf's place: its index, from 0, in the tree whose head a checkpoint signs. */
export interface Place extends TreeHead {
  readonly index?: number
}

/** A trusted key, or one to which `rotations` led from it. */
interface SigningKey {
  readonly name: string
  readonly kind: string
  readonly rotations?: number
}

/**
 * What was found. `valid`: everything fits and a trusted key vouches for it. `self-consistent`: everything fits, and no
 * trusted key vouches for it. `invalid`: a check failed. The fields are of use only where the verdict isn't `invalid`.
 */
export interface Report extends Partial<Place> {
  readonly verdict: 'valid' | 'invalid' | 'self-consistent'
  /**
   * The same in sentences; of a valid one the first says what was recorded, the others who vouches for it. Names in them
   * are the log's and the witnesses' own words.
   */
  readonly summary: readonly string[]
  readonly checks: readonly Check[]
  readonly entry?: Entry
  /** Ledger time of the entry, as the log says. */
  readonly time?: string
  /** Of a witnessed receipt: where in which log of heads the checkpoint is recorded. */
  readonly heads?: Place
  /** The keys that have signed: name, kind, and how many rotations led to it from the one that was given, where any did. */
  readonly keys?: readonly SigningKey[]
  /** When which witness of the policy saw the checkpoint (of `heads`, where there is one), in Unix seconds. */
  readonly cosignatures?: WitnessedCheckpoint['cosignatures']
}

/**
 * Verifies a receipt of Stele, witnessed or not: that `event` is byte for byte what was recorded, where, and under whose
 * signature. Throws only where `trust` itself is not usable (`key-malformed`, `algorithm-unsupported`,
 * `origin-unexpected`).
 */
export async function verifyReceipt(event: Uint8Array, receipt: Uint8Array | string, trust?: Trust): Promise<Report> {
  const work = new Verification(trust)
  const parts = splitWitnessedReceipt(bytesOf(receipt))
  const ledger = await work.readReceipt('', event, parts.receipt)
  if (ledger.head === undefined || parts.headsReceipt === undefined) return await work.conclude(ledger)
  const heads = await work.readReceipt('heads: ', ledger.note, parts.headsReceipt)
  if (heads.head !== undefined) await work.checkFamily(ledger.head.origin, heads.head.origin)
  return await work.conclude(ledger, heads)
}

/** Verifies that a log holds `entry`, given a C2SP tlog-proof, of Stele or of another log. Throws as `verifyReceipt`. */
export async function verifyProof(entry: Uint8Array, proof: Uint8Array | string, trust?: Trust): Promise<Report> {
  const work = new Verification(trust)
  const parsed = await work.run('the proof', () => parseProof(proof), 'it has the form of a tlog-proof')
  return await work.conclude(parsed === undefined ? NOTHING : await work.readPlace('', parsed, entry))
}

/** Verifies a signed checkpoint: who vouches for how many entries. Throws as `verifyReceipt`. */
export async function verifyCheckpoint(note: Uint8Array | string, trust?: Trust): Promise<Report> {
  const work = new Verification(trust)
  return await work.conclude(await work.readHead('', bytesOf(note)))
}

/** A signed head, and what was shown to be below it; the head is undefined where it could not be read. */
interface Signed {
  readonly note: Uint8Array
  readonly head?: Place
  readonly entry?: Entry
}

const NOTHING: Signed = { note: new Uint8Array(0) }

class Verification {
  readonly #checks: Check[] = []
  readonly #trust: Trust | undefined
  readonly #verifier: Verifier | undefined
  readonly #keys: SigningKey[] = []
  #cosignatures: Report['cosignatures']
  #isVouched = false

  constructor(trust: Trust | undefined) {
    this.#trust = trust
    this.#verifier = trust === undefined || 'quorum' in trust ? undefined : trustedVerifier(trust)
  }

  /** Makes a check; undefined where it failed or could not be made, which is then on the list. */
  async run<T>(
    what: string,
    check: () => T | Promise<T>,
    say: string | ((result: T) => string),
  ): Promise<T | undefined> {
    try {
      const result = await check()
      this.#checks.push({ what, ok: true, detail: typeof say === 'string' ? say : say(result) })
      return result
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      const { message, code, place } = error
      this.#checks.push({ what, ok: code === 'algorithm-unsupported' && 'not checked', detail: message, code, place })
      return undefined
    }
  }

  async readReceipt(prefix: string, event: Uint8Array, bytes: Uint8Array): Promise<Signed> {
    const receipt = await this.run(`${prefix}the receipt`, () => parseReceipt(bytes), 'it can be read')
    if (receipt === undefined) return NOTHING
    const entry = await this.run(
      `${prefix}the entry`,
      () => parseEntry(receipt.entry),
      'it can be read, in the only spelling that it can have',
    )
    const check = () => entry !== undefined && checkContent(event, receipt.salt, entry)
    if (entry !== undefined)
      await this.run(`${prefix}the event`, check, 'it is byte for byte what the entry commits to')
    const place = await this.readPlace(prefix, receipt, receipt.entry)
    return entry === undefined ? place : { ...place, entry }
  }

  async readPlace(prefix: string, { index, hashes, checkpoint }: Proof, entry: Uint8Array): Promise<Signed> {
    const { note, head } = await this.readHead(prefix, checkpoint)
    if (head === undefined) return { note }
    const check = () => verifyInclusion(hashLeaf(entry), index, head.size, hashes, head.root)
    await this.run(
      `${prefix}the place in the tree`,
      check,
      `the hashes lead from number ${index}, counted from 0, to the root`,
    )
    return { note, head: { ...head, index } }
  }

  async readHead(prefix: string, note: Uint8Array): Promise<Signed> {
    const head = await this.run(
      `${prefix}the checkpoint`,
      () => parseCheckpoint(parseNote(note).text),
      ({ size }) => `it names the root of ${counted(size, 'entry', 'entries')}`,
    )
    if (head === undefined) return { note }
    return { note, head: { origin: head.origin, size: head.size, root: head.root } }
  }

  /** A log's heads are recorded by the same server only: `NAME/ID/heads` for `NAME/ID/LEDGER`. */
  async checkFamily(origin: string, heads: string): Promise<void> {
    const expected = `${origin.slice(0, origin.lastIndexOf('/'))}/heads`
    const message = `${heads} does not record the heads of ${origin}, but ${expected} would`
    const check = () => demand(heads === expected, 'origin-unexpected', message)
    await this.run('heads: the log', check, `it records the heads of ${origin}`)
  }

  /** Checks the signatures, of which those of `heads` vouch for all where their key is trusted, and sums up. */
  async conclude(ledger: Signed, heads: Signed = NOTHING): Promise<Report> {
    const isByHeads = heads.head !== undefined && this.#knows(heads.head.origin)
    if (ledger.head !== undefined) await this.#checkSignature('', ledger.note, ledger.head.origin, !isByHeads)
    if (heads.head !== undefined) await this.#checkSignature('heads: ', heads.note, heads.head.origin, isByHeads)
    const isInvalid = ledger.head === undefined || this.#checks.some(({ ok }) => ok === false)
    const report = {
      verdict: isInvalid ? 'invalid' : this.#isVouched ? 'valid' : 'self-consistent',
      checks: this.#checks,
      ...ledger.head,
      ...(ledger.entry === undefined ? {} : { entry: ledger.entry, time: ledger.entry.at }),
      ...(heads.head === undefined ? {} : { heads: heads.head }),
      ...(this.#keys.length === 0 ? {} : { keys: this.#keys }),
      ...(this.#cosignatures === undefined ? {} : { cosignatures: this.#cosignatures }),
    } as const
    return { ...report, summary: summaryOf(report) }
  }

  #knows(origin: string): boolean {
    const trust = this.#trust
    if (trust === undefined || !('quorum' in trust)) return this.#verifier?.name === origin
    return trust.logs.some(({ key }) => key.name === origin)
  }

  /** `isDeciding`: this is the signature that is to vouch for all; the other log's may go without. */
  async #checkSignature(prefix: string, note: Uint8Array, origin: string, isDeciding: boolean): Promise<void> {
    const trust = this.#trust
    const what = `${prefix}the signature`
    const anybody = `no key was given: anybody can have written this in the name of ${origin}`
    if (trust === undefined) this.#skip(what, anybody)
    else if (!isDeciding && !this.#knows(origin))
      this.#skip(what, `not needed beside the other log's, and no key of ${origin} was given`)
    else if ('quorum' in trust) await this.#checkPolicy(prefix, note, trust, isDeciding)
    else if (trust.rotations !== undefined) await this.#checkPeriods(what, note, trust)
    else await this.#checkKey(prefix, note, this.#verifier!, trust.pinned !== false)
  }

  async #checkKey(prefix: string, note: Uint8Array, verifier: Verifier, isPinned: boolean): Promise<void> {
    const detail = `signed by ${verifier.name}${isPinned ? '' : ', with a key that is not pinned'}`
    const check = () => openCheckpoint(note, verifier, verifier.name)
    const opened = await this.run(`${prefix}the signature`, check, detail)
    if (opened !== undefined) this.#vouch(isPinned, verifier, prefix, opened.note.unverified)
  }

  async #checkPolicy(prefix: string, note: Uint8Array, policy: Policy, isDeciding: boolean): Promise<void> {
    const unchecked = (await uncheckedKeys(policy)).join(', ')
    const why = 'signature kind not checked here, so they count for nothing'
    if (unchecked !== '') this.#skip(`${prefix}other keys`, `${why}: ${unchecked}`)
    const check = () => openByPolicy(note, isDeciding ? policy : { ...policy, quorum: 'none' })
    const opened = await this.run(`${prefix}the signature${isDeciding ? 's' : ''}`, check, ({ log, cosignatures }) => {
      return `signed by ${log.key.name}, with ${counted(cosignatures.length, 'cosignature')} that the policy knows`
    })
    if (opened === undefined) return
    if (isDeciding) this.#cosignatures = opened.cosignatures
    this.#vouch(isDeciding, opened.log.key, prefix, opened.unknown)
  }

  async #checkPeriods(what: string, note: Uint8Array, { vkey, rotations = [], pinned }: KeyTrust): Promise<void> {
    const keyOf = (rank: number) =>
      rank === 0 ? 'the given key' : `the key ${counted(rank, 'rotation')} behind the given one`
    const lead = ({ length }: { length: number }) => `${keyOf(length - 1)} is the newest`
    const periods = await this.run('the rotations', () => verifyRotations(vkey, rotations), lead)
    if (periods === undefined) return
    const opened = await this.run(
      what,
      () => openByPeriods(note, periods),
      ({ rank }) => `signed by ${keyOf(rank)}`,
    )
    if (opened === undefined) return
    const settled = isSettled(opened.checkpoint, opened.period)
    const open = 'it counts only where this head is shown to be the start of the log as that key left it'
    if (!settled) this.#skip('the retired key', open)
    this.#vouch(settled && pinned !== false, { ...ed25519Verifier(opened.period.vkey), rotations: opened.rank }, '', [])
  }

  #vouch(
    isVouched: boolean,
    { name, alg, rotations = 0 }: VerifierKey & Pick<SigningKey, 'rotations'>,
    prefix: string,
    unknown: readonly NoteSignature[],
  ): void {
    this.#isVouched ||= isVouched
    this.#keys.push({ name, kind: kindOf(alg), ...(rotations > 0 && { rotations }) })
    const names = unknown.map((signature) => signature.name).join(', ')
    const silent = `by keys that were not given, so they say nothing: ${names}`
    if (names !== '') this.#skip(`${prefix}other signatures`, silent)
  }

  #skip(what: string, detail: string): void {
    this.#checks.push({ what, ok: 'not checked', detail })
  }
}

function trustedVerifier({ vkey, origin, check }: KeyTrust): Verifier {
  const key = parseVkey(vkey)
  const isExpected = origin === undefined || origin === key.name
  demand(isExpected, 'origin-unexpected', `the key is of ${key.name}, not of ${origin}`, { field: 'origin' })
  return key.alg === ALG_MLDSA44 ? mldsa44Verifier(key) : ed25519Verifier(key, check)
}

function checkContent(event: Uint8Array, salt: Uint8Array, { size, sha256 }: Entry): void {
  const { length } = event
  const told = `the event has ${length} bytes and the entry says ${size}`
  demand(length === size, 'content-mismatch', told, { field: 'size' })
  const isSame = equalBytes(contentHash(salt, event), fromBase64Url(sha256))
  const differs = 'the event is not the one that was recorded: its salted hash differs'
  demand(isSame, 'content-mismatch', differs, { field: 'sha256' })
}
