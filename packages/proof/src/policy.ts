// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a verifier trusts, as a file (C2SP tlog-policy): which logs, and which of which witnesses must have cosigned.
// What can't be checked here (ML-DSA-44) is read, so that one file serves everywhere, and counts for nothing.

import { parseCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { cosignatureVerifier, parseCosignature } from './cosignature.ts'
import { fromUtf8, parseDecimal, utf8 } from './encoding.ts'
import { ProofError, within } from './error.ts'
import { equalBytes } from './hash.ts'
import { ALG_ED25519, ALG_ED25519_COSIGNATURE, ALG_MLDSA44, ed25519Verifier, openNote, parseVkey } from './note.ts'
import type { Verifier, VerifierKey } from './note.ts'

/** Longest policy that is read. */
export const MAX_POLICY_BYTES = 1_000_000

/** A log that is trusted to sign checkpoints of the origin that is its key's name. */
export interface PolicyLog {
  readonly key: VerifierKey
  readonly url?: string
}

/** A witness. `name` is the policy's own word for it, not its key's name. */
export interface PolicyWitness {
  readonly name: string
  readonly key: VerifierKey
  readonly url?: string
}

/** A group has witnessed what at least `threshold` of its members, witnesses or groups, have. */
export interface PolicyGroup {
  readonly name: string
  readonly threshold: number
  readonly members: readonly string[]
}

/**
 * A policy. `quorum` is the name of a witness or a group, or `none`. Names are the file's octets, one a character, so
 * that two are equal only where their octets are.
 */
export interface Policy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  readonly groups: readonly PolicyGroup[]
  readonly quorum: string
}

/** A checkpoint that a policy accepts, and who of its witnesses cosigned it when (Unix seconds). */
export interface WitnessedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly log: PolicyLog
  readonly cosignatures: readonly { readonly witness: string; readonly time: number }[]
}

/**
 * Reads a policy file. Throws `policy-malformed`, `key-malformed` or `algorithm-unsupported` with the line. One public
 * key can stand for one log and one witness only, and each name in one group only, so none counts twice.
 */
export function parsePolicy(policy: string | Uint8Array): Policy {
  const octets = typeof policy === 'string' ? utf8(policy) : policy
  if (octets.length > MAX_POLICY_BYTES) throw malformed(`a policy has at most ${MAX_POLICY_BYTES} bytes`, 1)
  const text = asCharacters(octets)
  const lines = text.split('\n')
  if (lines.pop() !== '') throw malformed('the last line is not ended by a newline', lines.length + 1)
  const draft = new PolicyDraft()
  for (const [i, line] of lines.entries()) {
    if (/[^\t -~\u0080-\u00ff]/.test(line)) throw malformed('the line holds a control character', i + 1)
    const [keyword, ...items] = line.split(/[ \t]+/).filter((item) => item !== '')
    if (keyword === undefined || keyword.startsWith('#')) continue
    try {
      draft.add(keyword, items)
    } catch (error) {
      throw error instanceof ProofError ? new ProofError(error.code, error.message, { line: i + 1 }) : error
    }
  }
  return draft.finish(lines.length)
}

/** Whether the witnesses of these names make the quorum of the policy. */
export function hasQuorum(policy: Policy, witnesses: ReadonlySet<string>): boolean {
  const witnessed = new Set(policy.witnesses.map(({ name }) => name).filter((name) => witnesses.has(name)))
  // A group's members stand before it, so one pass is enough.
  for (const { name, threshold, members } of policy.groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name)
  }
  return policy.quorum === 'none' || witnessed.has(policy.quorum)
}

/** Names of the witnesses and origins of the logs whose keys this package can't check. They count for nothing. */
export function uncheckedKeys(policy: Policy): string[] {
  const logs = policy.logs.filter(({ key }) => key.alg !== ALG_ED25519)
  const witnesses = policy.witnesses.filter(({ key }) => key.alg !== ALG_ED25519_COSIGNATURE)
  return [...logs.map(({ key }) => key.name), ...witnesses.map(({ name }) => nameText(name))]
}

/**
 * Verifies a signed checkpoint by a policy: a listed log signed it under its own origin, and the quorum cosigned it.
 * Throws what `openNote` and `parseCheckpoint` throw, `origin-unexpected`, `signature-missing`, `quorum-missing`.
 */
export async function openByPolicy(note: Uint8Array, policy: Policy): Promise<WitnessedCheckpoint> {
  const { verified, text } = await openNote(note, policyVerifiers(policy))
  const checkpoint = parseCheckpoint(text)
  if (!policy.logs.some(({ key }) => key.name === checkpoint.origin)) {
    throw new ProofError('origin-unexpected', `the policy lists no log with the origin ${checkpoint.origin}`)
  }
  const log = policy.logs.find(
    ({ key }) => key.name === checkpoint.origin && verified.some(({ verifier }) => isSameKey(verifier, key)),
  )
  if (log === undefined)
    throw new ProofError('signature-missing', 'no key that the policy lists for the log has signed')
  const witnessed = verified.flatMap(({ verifier, signature }) => {
    const witness = policy.witnesses.find(({ key }) => isSameKey(verifier, key))
    return witness === undefined ? [] : [{ name: witness.name, time: parseCosignature(signature).time }]
  })
  if (!hasQuorum(policy, new Set(witnessed.map(({ name }) => name)))) {
    const unchecked = uncheckedKeys(policy)
    const detail = unchecked.length === 0 ? '' : ` (of an algorithm that is not checked here: ${unchecked.join(', ')})`
    throw new ProofError(
      'quorum-missing',
      `the quorum ${nameText(policy.quorum)} has not cosigned this checkpoint${detail}`,
    )
  }
  return { checkpoint, log, cosignatures: witnessed.map(({ name, time }) => ({ witness: nameText(name), time })) }
}

function policyVerifiers(policy: Policy): Verifier[] {
  const logs = policy.logs.filter(({ key }) => key.alg === ALG_ED25519)
  const witnesses = policy.witnesses.filter(({ key }) => key.alg === ALG_ED25519_COSIGNATURE)
  return [...logs.map(({ key }) => ed25519Verifier(key)), ...witnesses.map(({ key }) => cosignatureVerifier(key))]
}

class PolicyDraft {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #groups: PolicyGroup[] = []
  /** Each defined name, and whether it is a member of a group already. */
  readonly #names = new Map<string, boolean>()
  #quorum: string | undefined

  add(keyword: string, items: readonly string[]): void {
    if (keyword === 'log') this.#addLog(items)
    else if (keyword === 'witness') this.#addWitness(items)
    else if (keyword === 'group') this.#addGroup(items)
    else if (keyword === 'quorum') this.#setQuorum(items)
    else throw malformed('the line begins with none of log, witness, group, quorum, #')
  }

  finish(line: number): Policy {
    if (this.#quorum === undefined) throw malformed('the policy has no quorum line', line)
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum: this.#quorum }
  }

  #addLog([vkey, url, ...rest]: readonly string[]): void {
    if (vkey === undefined || rest.length > 0) throw malformed('a log line is: log <vkey> [<url>]')
    const key = readKey(vkey, ALG_ED25519, this.#logs)
    this.#logs.push({ key, ...(url === undefined ? {} : { url }) })
  }

  #addWitness([name, vkey, url, ...rest]: readonly string[]): void {
    if (name === undefined || vkey === undefined || rest.length > 0) {
      throw malformed('a witness line is: witness <name> <vkey> [<url>]')
    }
    const key = readKey(vkey, ALG_ED25519_COSIGNATURE, this.#witnesses)
    this.#define(name)
    this.#witnesses.push({ name, key, ...(url === undefined ? {} : { url }) })
  }

  #addGroup([name, rule, ...members]: readonly string[]): void {
    if (name === undefined || rule === undefined || members.length === 0) {
      throw malformed('a group line is: group <name> all|any|<k> <name>…')
    }
    for (const member of members) {
      const isTaken = this.#names.get(member)
      if (isTaken === undefined) throw malformed(`${nameText(member)} is not defined above`)
      if (isTaken) throw malformed(`${nameText(member)} is a member of a group already`)
      this.#names.set(member, true)
    }
    const threshold =
      rule === 'any' ? 1 : rule === 'all' ? members.length : within('policy-malformed', {}, () => parseDecimal(rule))
    if (threshold < 1 || threshold > members.length) throw malformed('the threshold is not within the group')
    this.#define(name)
    this.#groups.push({ name, threshold, members })
  }

  #setQuorum([name, ...rest]: readonly string[]): void {
    if (name === undefined || rest.length > 0) throw malformed('a quorum line is: quorum <name>|none')
    if (this.#quorum !== undefined) throw malformed('the policy has two quorum lines')
    if (name !== 'none' && !this.#names.has(name)) throw malformed(`${nameText(name)} is not defined above`)
    this.#quorum = name
  }

  #define(name: string): void {
    if (name === 'none' || this.#names.has(name)) throw malformed(`the name ${nameText(name)} is taken`)
    this.#names.set(name, false)
  }
}

function readKey(item: string, alg: number, others: readonly { readonly key: VerifierKey }[]): VerifierKey {
  const key = parseVkey(fromCharacters(item))
  if (key.alg !== alg && key.alg !== ALG_MLDSA44) {
    throw new ProofError('algorithm-unsupported', `the key of ${key.name} is of an algorithm that has no use here`)
  }
  if (others.some((other) => equalBytes(other.key.publicKey, key.publicKey))) {
    throw malformed(`the public key of ${key.name} is listed already`)
  }
  return key
}

function isSameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && a.alg === b.alg && equalBytes(a.publicKey, b.publicKey)
}

/** A policy is octets, opaque above 0x7F. */
function asCharacters(octets: Uint8Array): string {
  return Array.from(octets, (octet) => String.fromCharCode(octet)).join('')
}

function fromCharacters(text: string): string {
  return fromUtf8(Uint8Array.from(text, (character) => character.charCodeAt(0)))
}

/** A name for a message. */
function nameText(name: string): string {
  return new TextDecoder().decode(Uint8Array.from(name, (character) => character.charCodeAt(0)))
}

function malformed(message: string, line?: number): ProofError {
  return new ProofError('policy-malformed', message, line === undefined ? {} : { line })
}
