// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The top-level verifier: it makes every check that it can and says in plain words what each showed. It alone returns a
// verdict; everything below it throws, so that a forgotten check fails closed. It reads no clock and no network.

import { openCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { equalBytes, hashLeaf } from './hash.ts'
import { fromBase64Url } from './encoding.ts'
import { contentHash, parseEntry } from './entry.ts'
import type { Entry } from './entry.ts'
import { ProofError } from './error.ts'
import type { ProofErrorCode, ProofErrorPlace } from './error.ts'
import { ed25519Verifier, parseNote } from './note.ts'
import type { Verifier } from './note.ts'
import { openByPolicy, uncheckedKeys } from './policy.ts'
import type { Policy } from './policy.ts'
import { parseProof, parseReceipt } from './receipt.ts'
import type { Proof, Receipt } from './receipt.ts'
import { verifyInclusion } from './tree.ts'

/**
 * A key to trust. Its name must be the log's origin, and `origin`, where given, is compared with it. `pinned` is false
 * for a key that came from whoever is to be verified: such a key shows that things fit together and nothing more.
 */
export interface KeyTrust {
  readonly vkey: string
  readonly origin?: string
  readonly pinned?: boolean
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

/**
 * What was found. `valid`: everything fits and a trusted key vouches for it. `self-consistent`: everything fits, and no
 * trusted key vouches for it. `invalid`: a check failed. The fields are of use only where the verdict isn't `invalid`.
 */
export interface Report {
  readonly verdict: 'valid' | 'invalid' | 'self-consistent'
  readonly checks: readonly Check[]
  readonly origin?: string
  readonly index?: number
  /** Number of leaves of the tree that the checkpoint is of. */
  readonly size?: number
  /** Root of that tree, 32 bytes. */
  readonly root?: Uint8Array
  readonly entry?: Entry
  /** Ledger time of the entry, as the log says. */
  readonly time?: string
  /** When which witness of the policy saw the checkpoint, in Unix seconds. */
  readonly cosignatures?: readonly { readonly witness: string; readonly time: number }[]
}

/**
 * Verifies a receipt of Stele: that `event` is byte for byte what was recorded, where, and under whose signature. Throws
 * only where `trust` itself is not usable (`key-malformed`, `algorithm-unsupported`, `origin-unexpected`).
 */
export async function verifyReceipt(event: Uint8Array, receipt: Uint8Array | string, trust?: Trust): Promise<Report> {
  const checks = new Checklist()
  const parsed = await checks.run('the receipt', () => parseReceipt(receipt), 'it is a receipt of Stele')
  if (parsed === undefined) return await conclude(checks, undefined, undefined, trust)
  const entry = await checks.run('the entry', () => parseEntry(parsed.entry), 'it is in its one serialisation')
  if (entry !== undefined) {
    await checks.run(
      'the event',
      () => checkContent(event, parsed, entry),
      'it is byte for byte what the entry commits to',
    )
  }
  const report = await conclude(checks, parsed, parsed.entry, trust)
  return entry === undefined ? report : { ...report, entry, time: entry.at }
}

/** Verifies that a log holds `entry`, given a C2SP tlog-proof, of Stele or of another log. Throws as `verifyReceipt`. */
export async function verifyProof(entry: Uint8Array, proof: Uint8Array | string, trust?: Trust): Promise<Report> {
  const checks = new Checklist()
  const parsed = await checks.run('the proof', () => parseProof(proof), 'it has the form of a tlog-proof')
  return await conclude(checks, parsed, entry, trust)
}

class Checklist {
  readonly list: Check[] = []

  /** Makes a check; undefined where it failed, which is then on the list. */
  async run<T>(
    what: string,
    check: () => T | Promise<T>,
    detail: string | ((result: T) => string),
  ): Promise<T | undefined> {
    try {
      const result = await check()
      this.list.push({ what, ok: true, detail: typeof detail === 'string' ? detail : detail(result) })
      return result
    } catch (error) {
      if (!(error instanceof ProofError)) throw error
      this.list.push({ what, ok: false, detail: error.message, code: error.code, place: error.place })
      return undefined
    }
  }

  skip(what: string, detail: string): void {
    this.list.push({ what, ok: 'not checked', detail })
  }
}

async function conclude(
  checks: Checklist,
  proof: Proof | undefined,
  entry: Uint8Array | undefined,
  trust: Trust | undefined,
): Promise<Report> {
  const verifier = trust === undefined || 'quorum' in trust ? undefined : trustedVerifier(trust)
  if (proof === undefined || entry === undefined) return { verdict: 'invalid', checks: checks.list }
  const { index, hashes, checkpoint: note } = proof
  const head = await checks.run(
    'the checkpoint',
    () => parseCheckpoint(parseNote(note).text),
    'it has the form of a tree head',
  )
  if (head === undefined) return { verdict: 'invalid', checks: checks.list, index }
  const { origin, size, root } = head
  await checks.run(
    'the place in the tree',
    () => verifyInclusion(hashLeaf(entry), index, size, hashes, root),
    `the entry is number ${index} of ${size}, counted from 0`,
  )
  let cosignatures: Report['cosignatures']
  if (verifier !== undefined) {
    const pinned = isPinned(trust) ? '' : ', with a key that is not pinned'
    await checks.run(
      'the signature',
      () => openCheckpoint(note, verifier, verifier.name),
      `signed by ${verifier.name}${pinned}`,
    )
  } else if (trust !== undefined && 'quorum' in trust) {
    cosignatures = await checkPolicy(checks, note, trust)
  } else {
    checks.skip('the signature', `no key was given: anybody can have written this in the name of ${origin}`)
  }
  const isInvalid = checks.list.some(({ ok }) => ok === false)
  const verdict = isInvalid ? 'invalid' : isPinned(trust) ? 'valid' : 'self-consistent'
  return {
    verdict,
    checks: checks.list,
    origin,
    index,
    size,
    root,
    ...(cosignatures === undefined ? {} : { cosignatures }),
  }
}

async function checkPolicy(checks: Checklist, note: Uint8Array, policy: Policy): Promise<Report['cosignatures']> {
  const unchecked = uncheckedKeys(policy)
  if (unchecked.length > 0) {
    checks.skip('other keys', `their algorithm is not checked here, so they count for nothing: ${unchecked.join(', ')}`)
  }
  const opened = await checks.run(
    'the signatures',
    () => openByPolicy(note, policy),
    ({ log, cosignatures }) =>
      `signed by ${log.key.name}, with ${cosignatures.length} cosignatures that the policy knows`,
  )
  return opened?.cosignatures
}

/** Whether somebody chose to trust this, rather than take it from whoever is to be verified. */
function isPinned(trust: Trust | undefined): boolean {
  return trust !== undefined && ('quorum' in trust || trust.pinned !== false)
}

function trustedVerifier(trust: KeyTrust): Verifier {
  const verifier = ed25519Verifier(trust.vkey)
  if (trust.origin !== undefined && trust.origin !== verifier.name) {
    throw new ProofError('origin-unexpected', `the key is of ${verifier.name}, not of ${trust.origin}`)
  }
  return verifier
}

function checkContent(event: Uint8Array, receipt: Receipt, entry: Entry): void {
  if (event.length !== entry.size) {
    throw new ProofError('content-mismatch', `the event has ${event.length} bytes and the entry says ${entry.size}`)
  }
  if (!equalBytes(contentHash(receipt.salt, event), fromBase64Url(entry.sha256))) {
    throw new ProofError('content-mismatch', 'the event is not the one that was recorded: its salted hash differs')
  }
}
