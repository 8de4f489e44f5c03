// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a verifier trusts, as a file (C2SP tlog-policy): which logs, and which of which witnesses must have cosigned.
// A key that this platform can't check is read, so that one file serves everywhere, and counts for nothing.

import { parseCheckpoint, type Checkpoint } from './checkpoint.ts'
import { parseCosignature, verifierOf } from './cosignature.ts'
import { fromUtf8, parseDecimal } from './encoding.ts'
import { bytesOf, demand, within } from './inner.ts'
import { equalBytes } from './hash.ts'
import { ALG_ED25519, ALG_ED25519_COSIGNATURE, ALG_MLDSA44, kindOf, parseVkey, type VerifierKey } from './key.ts'
import { canVerifyMldsa44 } from './mldsa44.ts'
import { sortSignatures, type NoteSignature } from './note.ts'

/** Longest policy that is read. */
export const MAX_POLICY_BYTES = 1_000_000

/** A message names so many witnesses at most. */
const MAX_NAMED = 16

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

/** A checkpoint that a policy accepts, by which log's key, and who of its witnesses cosigned it when (Unix seconds). */
export interface WitnessedCheckpoint {
  readonly checkpoint: Checkpoint
  readonly log: PolicyLog
  readonly cosignatures: readonly { readonly witness: string; readonly time: number }[]
  /** Signatures by keys that the policy doesn't list: they say nothing. */
  readonly unknown: readonly NoteSignature[]
}

/**
 * Reads a policy file. Throws `policy-malformed`, `key-malformed` or `algorithm-unsupported` with the line. One public
 * key can stand for one log and one witness only, and each name in one group only, so none counts twice.
 */
export function parsePolicy(policy: string | Uint8Array): Policy {
  const octets = bytesOf(policy)
  const isShort = octets.length <= MAX_POLICY_BYTES
  demand(isShort, 'policy-malformed', `a policy has at most ${MAX_POLICY_BYTES} bytes`, { line: 1 })
  const text = Array.from(octets, (octet) => String.fromCharCode(octet)).join('')
  const lines = text.split('\n')
  const last = lines.pop()
  demand(last === '', 'policy-malformed', 'the last line is not ended by a newline', { line: lines.length + 1 })
  const draft = new PolicyDraft()
  for (const [i, line] of lines.entries()) within(undefined, { line: i + 1 }, () => draft.read(line))
  return within(undefined, { line: lines.length }, () => draft.finish())
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

/**
 * Names of the witnesses and origins of the logs whose keys this platform can't check (ML-DSA-44, where its WebCrypto
 * hasn't got it). They count for nothing.
 */
export async function uncheckedKeys(policy: Policy): Promise<string[]> {
  const unchecked = await uncheckedOf(policy)
  const logs = policy.logs.filter(({ key }) => unchecked.includes(key))
  const witnesses = policy.witnesses.filter(({ key }) => unchecked.includes(key))
  return [...logs.map(({ key }) => key.name), ...witnesses.map(({ name }) => nameText(name))]
}

/**
 * Verifies a signed checkpoint by a policy: a listed log signed it under its own origin, and the quorum cosigned it.
 * Throws what `openNote` and `parseCheckpoint` throw, `origin-unexpected`, `signature-missing`, `quorum-missing`, and
 * `algorithm-unsupported` where it hangs on signatures of a kind that this platform can't check.
 */
export async function openByPolicy(note: Uint8Array, policy: Policy): Promise<WitnessedCheckpoint> {
  const unchecked = await uncheckedOf(policy)
  const keys = [...policy.logs, ...policy.witnesses].map(({ key }) => key).filter((key) => !unchecked.includes(key))
  const { verified, unverified, text } = await sortSignatures(note, keys.map(verifierOf))
  const checkpoint = parseCheckpoint(text)
  const ofOrigin = policy.logs.filter(({ key }) => key.name === checkpoint.origin)
  const listed = `the policy lists no log with the origin ${checkpoint.origin}`
  demand(ofOrigin.length > 0, 'origin-unexpected', listed)

  const hasSigned = ({ key }: { key: VerifierKey }) => verified.some(({ verifier }) => isSameKey(verifier, key))
  const isBy = (key: VerifierKey, { name, keyId }: NoteSignature) => name === key.name && keyId === key.keyId
  const mayHaveSigned = ({ key }: { key: VerifierKey }) =>
    unchecked.includes(key) && unverified.some((signature) => isBy(key, signature))
  const log = ofOrigin.find(hasSigned)
  const witnessed = policy.witnesses.filter(hasSigned)
  const isWitnessed = hasQuorum(policy, new Set(witnessed.map(({ name }) => name)))
  if (log === undefined || !isWitnessed) {
    const open = [...ofOrigin, ...policy.witnesses].filter(mayHaveSigned)
    const names = [...witnessed, ...policy.witnesses.filter(mayHaveSigned)].map(({ name }) => name)
    const isOpen = hasQuorum(policy, new Set(names)) && (log !== undefined || ofOrigin.some(mayHaveSigned))
    const who = open.map(({ key }) => `${key.name} (${kindOf(key.alg)})`).join(', ')
    demand(!isOpen, 'algorithm-unsupported', `signature kind not checked here: ${who}`)
  }
  demand(log !== undefined, 'signature-missing', 'no key that the policy lists for the log has signed')
  demand(isWitnessed, 'quorum-missing', missingWords(policy, witnessed))
  const cosignatures = verified.flatMap(({ verifier, signature }) => {
    const witness = policy.witnesses.find(({ key }) => isSameKey(verifier, key))
    return witness === undefined ? [] : [{ witness: nameText(witness.name), time: parseCosignature(signature).time }]
  })
  const unknown = unverified.filter((signature) => !unchecked.some((key) => isBy(key, signature)))
  return { checkpoint, log, cosignatures, unknown }
}

async function uncheckedOf({ logs, witnesses }: Policy): Promise<readonly VerifierKey[]> {
  const asked = [...logs, ...witnesses].flatMap(({ key }) => (key.alg === ALG_MLDSA44 ? [key] : []))
  return asked.length === 0 || (await canVerifyMldsa44()) ? [] : asked
}

/** How many items follow a keyword, at least and at most, and what they are. */
const LINES: Readonly<Record<string, readonly [least: number, most: number, form: string]>> = {
  log: [1, 2, 'log <vkey> [<url>]'],
  witness: [2, 3, 'witness <name> <vkey> [<url>]'],
  group: [3, Number.POSITIVE_INFINITY, 'group <name> all|any|<k> <name>…'],
  quorum: [1, 1, 'quorum <name>|none'],
}

class PolicyDraft {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #groups: PolicyGroup[] = []
  /** Each defined name, and whether it is a member of a group already. */
  readonly #names = new Map<string, boolean>()
  #quorum: string | undefined

  read(line: string): void {
    demand(!/[^\t -~\u0080-\u00ff]/.test(line), 'policy-malformed', 'the line holds a control character')
    const [keyword, ...items] = line.split(/[ \t]+/).filter((item) => item !== '')
    if (keyword === undefined || keyword.startsWith('#')) return
    const isKnown = Object.hasOwn(LINES, keyword)
    demand(isKnown, 'policy-malformed', 'the line begins with none of log, witness, group, quorum, #')
    const [least, most, form] = LINES[keyword]!
    const isLine = items.length >= least && items.length <= most
    demand(isLine, 'policy-malformed', `such a line is: ${form}`)
    const [first = '', second = '', ...rest] = items
    if (keyword === 'log') this.#logs.push({ key: this.#readKey(first, ALG_ED25519), ...urlOf(items[1]) })
    else if (keyword === 'witness') {
      const key = this.#readKey(second, ALG_ED25519_COSIGNATURE)
      this.#define(first)
      this.#witnesses.push({ name: first, key, ...urlOf(items[2]) })
    } else if (keyword === 'group') this.#addGroup(first, second, rest)
    else {
      demand(this.#quorum === undefined, 'policy-malformed', 'the policy has two quorum lines')
      if (first !== 'none') this.#demandDefined(first)
      this.#quorum = first
    }
  }

  finish(): Policy {
    const quorum = this.#quorum
    demand(quorum !== undefined, 'policy-malformed', 'the policy has no quorum line')
    return { logs: this.#logs, witnesses: this.#witnesses, groups: this.#groups, quorum }
  }

  #addGroup(name: string, rule: string, members: readonly string[]): void {
    for (const member of members) {
      this.#demandDefined(member)
      const isFree = this.#names.get(member) === false
      demand(isFree, 'policy-malformed', `${nameText(member)} is a member of a group already`)
      this.#names.set(member, true)
    }
    const count = rule === 'any' ? '1' : rule === 'all' ? `${members.length}` : rule
    const threshold = within('policy-malformed', {}, () => parseDecimal(count))
    const isWithin = threshold >= 1 && threshold <= members.length
    demand(isWithin, 'policy-malformed', 'the threshold is not within the group')
    this.#define(name)
    this.#groups.push({ name, threshold, members })
  }

  #define(name: string): void {
    const isFree = name !== 'none' && !this.#names.has(name)
    demand(isFree, 'policy-malformed', `the name ${nameText(name)} is taken`)
    this.#names.set(name, false)
  }

  #demandDefined(name: string): void {
    demand(this.#names.has(name), 'policy-malformed', `${nameText(name)} is not defined above`)
  }

  /** A log's key can be a witness's, too, unless both sign the same: one signature would count as two. */
  #readKey(item: string, alg: number): VerifierKey {
    const key = parseVkey(fromUtf8(fromCharacters(item)))
    const isOfUse = key.alg === alg || key.alg === ALG_MLDSA44
    demand(isOfUse, 'algorithm-unsupported', `the key of ${key.name} is of the kind ${kindOf(key.alg)}: of no use here`)
    const equals = alg === ALG_ED25519 ? this.#logs : this.#witnesses
    const isListed =
      equals.some((other) => equalBytes(other.key.publicKey, key.publicKey)) ||
      [...this.#logs, ...this.#witnesses].some((other) => isSameKey(other.key, key))
    demand(!isListed, 'policy-malformed', `the public key of ${key.name} is listed already`)
    return key
  }
}

function urlOf(url: string | undefined): { readonly url?: string } {
  return url === undefined ? {} : { url }
}

function isSameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && a.alg === b.alg && equalBytes(a.publicKey, b.publicKey)
}

/** A policy is octets, opaque above 0x7F: a character each. */
function fromCharacters(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** Who must have cosigned, and who has. */
function missingWords({ groups, quorum }: Policy, witnessed: readonly PolicyWitness[]): string {
  const { threshold, members } = groups.find(({ name }) => name === quorum) ?? { threshold: 1, members: [quorum] }
  const named = (names: readonly string[]) => names.slice(0, MAX_NAMED).map(nameText).join(', ')
  const has = named(witnessed.map(({ name }) => name))
  return `${threshold} of ${named(members)} must have cosigned this checkpoint, and ${has === '' ? 'none has' : `only ${has} has`}`
}

/** A name for a message. */
function nameText(name: string): string {
  return new TextDecoder().decode(fromCharacters(name))
}
