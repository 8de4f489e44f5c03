// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an application's action means, by its words alone: `user.role.granted`, `grantRole` and `Role granted` are the
// same. The tables below are all there is; an action that they do not hold is nothing in particular.

/** What was done. */
export type Verb =
  | 'sign in'
  | 'sign out'
  | 'create'
  | 'read'
  | 'update'
  | 'delete'
  | 'add'
  | 'remove'
  | 'grant'
  | 'revoke'
  | 'enable'
  | 'disable'
  | 'lock'
  | 'unlock'
  | 'reset'
  | 'move'

/** What it was done to, where OCSF tells such things apart. */
type Noun = 'user' | 'group' | 'privilege' | 'password' | 'factor'

/** The words of each, in the forms that actions use. */
const verbWords: Readonly<Record<Verb, string>> = {
  'sign in': 'login logon signin authenticate authenticated authentication',
  'sign out': 'logout logoff signout',
  create: 'create created creates creation insert inserted new register registered registration provision provisioned',
  read: 'read reads view viewed views list listed get fetch fetched download downloaded export exported search searched query queried open opened access accessed',
  update:
    'update updated updates change changed changes modify modified edit edited set patch patched rename renamed configure configured rotate rotated',
  delete: 'delete deleted deletes deletion destroy destroyed purge purged erase erased deprovision deprovisioned',
  add: 'add added adds invite invited join joined attach attached',
  remove: 'remove removed removes leave left detach detached kick kicked',
  grant:
    'grant granted grants assign assigned assignment give given elevate elevated promote promoted consent consented',
  revoke: 'revoke revoked revokes revocation unassign unassigned withdraw withdrawn demote demoted',
  enable:
    'enable enabled activate activated unsuspend unsuspended reactivate reactivated restore restored enroll enrolled',
  disable: 'disable disabled deactivate deactivated suspend suspended block blocked ban banned unenroll unenrolled',
  lock: 'lock locked lockout',
  unlock: 'unlock unlocked',
  reset: 'reset resets',
  move: 'move moved transfer transferred',
}
const nounWords: Readonly<Record<Noun, string>> = {
  user: 'user users account accounts employee member members',
  group: 'group groups team teams',
  privilege: 'role roles permission permissions privilege privileges scope scopes entitlement entitlements',
  password: 'password passwords passphrase',
  factor: 'mfa 2fa totp otp passkey webauthn factor authenticator',
}
const failureWords = 'fail failed failure fails denied rejected refused error invalid unauthorized forbidden'

/** What a sentence says was done, and that it was tried in vain. */
export const phrases: Readonly<Record<Verb, readonly [done: string, tried: string]>> = {
  'sign in': ['signed in', 'sign in'],
  'sign out': ['signed out', 'sign out'],
  create: ['created', 'create'],
  read: ['read', 'read'],
  update: ['changed', 'change'],
  delete: ['deleted', 'delete'],
  add: ['added', 'add'],
  remove: ['removed', 'remove'],
  grant: ['granted', 'grant'],
  revoke: ['revoked', 'revoke'],
  enable: ['enabled', 'enable'],
  disable: ['disabled', 'disable'],
  lock: ['locked', 'lock'],
  unlock: ['unlocked', 'unlock'],
  reset: ['reset', 'reset'],
  move: ['moved', 'move'],
}

const verbs = inverted(verbWords)
const nouns = inverted(nounWords)
const failures: ReadonlySet<string> = new Set(failureWords.split(' '))
/** `sign_in` and `logged out` are two words each. */
const pairs: ReadonlyMap<string, Verb> = new Map(
  ['sign', 'signed', 'log', 'logged'].flatMap((word) => [
    [`${word} in`, 'sign in'] as const,
    [`${word} on`, 'sign in'] as const,
    [`${word} out`, 'sign out'] as const,
    [`${word} off`, 'sign out'] as const,
  ]),
)

export interface Meaning {
  readonly verb: Verb | undefined
  readonly nouns: ReadonlySet<Noun>
  /** The action's name says that it failed. */
  readonly failed: boolean
}

const MAX_WORDS = 16

export function meaningOf(action: string | undefined, targetType: string | undefined): Meaning {
  const words = action === undefined ? [] : wordsOf(action)
  const found = new Set<Noun>()
  for (const word of targetType === undefined ? words : [...words, ...wordsOf(targetType)]) {
    const noun = nouns.get(word)
    if (noun !== undefined) found.add(noun)
  }
  return { verb: verbOf(words), nouns: found, failed: words.some((word) => failures.has(word)) }
}

/** A pair counts before single words, and of these the last: `user.password.reset`, `create user` alike. */
function verbOf(words: readonly string[]): Verb | undefined {
  for (let at = 1; at < words.length; at++) {
    const pair = pairs.get(`${words[at - 1]} ${words[at]}`)
    if (pair !== undefined) return pair
  }
  for (let at = words.length - 1; at >= 0; at--) {
    const verb = verbs.get(words[at]!)
    if (verb !== undefined) return verb
  }
  return undefined
}

/** Lower-case words, apart by anything that is no letter or digit and before a capital. */
function wordsOf(name: string): readonly string[] {
  const spaced = name.slice(0, 256).replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
  return (
    spaced
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.slice(0, MAX_WORDS) ?? []
  )
}

function inverted<T extends string>(table: Readonly<Record<T, string>>): ReadonlyMap<string, T> {
  const rows = Object.entries(table) as [T, string][]
  return new Map(rows.flatMap(([name, words]) => words.split(' ').map((word) => [word, name] as const)))
}
