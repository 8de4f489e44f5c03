// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an application's action means, by its words alone: `user.role.granted`, `grantRole` and `Role granted` are the
// same. The tables below are all there is; an action that they do not hold is nothing in particular.

import { spoken as asName } from './spoken.ts'

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
  | 'impersonate'

/** What it was done to, where OCSF tells such things apart. */
export type Noun = 'user' | 'group' | 'privilege' | 'password' | 'factor'

/** The words of each, in the forms that actions use. */
const verbWords: Readonly<Record<Verb, string>> = {
  'sign in': 'login logon signin authenticate authenticated authentication',
  'sign out': 'logout logoff signout',
  create:
    'create created creates creation upload uploaded insert inserted new register registered registration provision provisioned',
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
  impersonate: 'impersonate impersonated impersonates impersonation impersonating',
}
const nounWords: Readonly<Record<Noun, string>> = {
  user: 'user users account accounts employee member members',
  group: 'group groups team teams',
  privilege: 'role roles permission permissions privilege privileges scope scopes entitlement entitlements',
  password: 'password passwords passphrase',
  factor: 'mfa 2fa totp otp passkey passkeys webauthn factor factors authenticator',
}
const failureWords = 'fail failed failure fails error invalid unauthorized forbidden'
/** A failure where something was tried; elsewhere what the actor decided. */
const denialWords = 'denied rejected refused forbidden unauthorized'
const decisionWords = 'request requests requested approval review application'
/** What may be denied without being tried. */
const accessWords = 'access authorization'
const endWords = 'end ended stop stopped finish finished expired'
/** Before these stands what an action is done to, after them where or by whom. */
const prepositionWords = 'to from in into on of for by via with at'
const fillerWords = 'the a an was were is be been has attempt attempted event'
/** `password.policy.updated` is no password. */
const ruleWords = 'policy policies rule rules setting settings requirement requirements config configuration'

/** What a sentence says was done, and what that it failed to do. */
export type Phrase = readonly [done: string, tried: string]

/** What a sentence says was done, and that it was tried in vain. */
const phrases: Readonly<Record<Verb, Phrase>> = {
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
  impersonate: ['impersonated', 'impersonate'],
}
/** Verbs that say more than the one they count as. */
const ownPhrases: readonly Phrase[] = (
  'exported export,downloaded download,viewed view,listed list,searched search,fetched fetch,opened open,' +
  'accessed access,renamed rename,rotated rotate,configured configure,edited edit,uploaded upload,' +
  'registered register,invited invite,joined join,left leave,attached attach,detached detach,assigned assign,' +
  'unassigned unassign,withdrew withdraw,activated activate,deactivated deactivate,suspended suspend,' +
  'unsuspended unsuspend,blocked block,banned ban,restored restore,transferred transfer,purged purge,' +
  'destroyed destroy,erased erase'
)
  .split(',')
  .map((pair) => pair.split(' ') as [string, string])

const verbs = inverted(verbWords)
const nouns = inverted(nounWords)
const own: ReadonlyMap<string, Phrase> = new Map(
  ownPhrases.flatMap((phrase) => phrase.map((word) => [word, phrase] as const)),
)
const failures = setOf(failureWords)
const denials = setOf(denialWords)
const decisions = setOf(decisionWords)
const accesses = setOf(accessWords)
const ends = setOf(endWords)
const prepositions = setOf(prepositionWords)
const fillers = setOf(fillerWords)
const rules = setOf(ruleWords)
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
  readonly phrase: Phrase
  /** The words that are nouns of the table, the type of the target among them. */
  readonly nouns: ReadonlySet<Noun>
  /** What it was done to by the action's own words: `session` of `user.session.revoked`. */
  readonly head: string | undefined
  /** All of these words, `user session` there; empty where it says only what was done. */
  readonly objects: readonly string[]
  /** The action's name says that it failed. */
  readonly failed: boolean
  /** Somebody was denied access: it says no more of what was tried. */
  readonly isDenial: boolean
  /** The actor is who joined or left. */
  readonly isSelf: boolean
}

const MAX_WORDS = 16

export function meaningOf(action: string | undefined, targetType: string | undefined): Meaning {
  const words = action === undefined ? [] : wordsOf(action)
  const found = new Set<Noun>()
  for (const word of targetType === undefined ? words : [...words, ...wordsOf(targetType)]) {
    const noun = nouns.get(word)
    if (noun !== undefined) found.add(noun)
  }
  const isDenied = words.some((word) => denials.has(word)) && !words.some((word) => decisions.has(word))
  const spoken = verbOf(words)
  const about = objectsOf(words, spoken)
  const ofAccess = words.some((word) => accesses.has(word))
  const isDenial = isDenied && (spoken === undefined ? found.has('privilege') || ofAccess : spoken.word === 'access')
  const verb = isDenial ? undefined : spoken?.verb
  const failed = words.some((word) => failures.has(word)) || isDenial || (isDenied && verb !== undefined)
  return {
    verb,
    phrase: isDenial ? denialPhrase(ofAccess ? 'access' : about.head) : phraseOf(spoken, action, words),
    nouns: found,
    ...about,
    failed,
    isDenial,
    isSelf: spoken !== undefined && /^(?:join|leave|left)/.test(spoken.word),
  }
}

/** The noun that a word is. */
export function nounOf(word: string | undefined): Noun | undefined {
  return word === undefined ? undefined : nouns.get(word)
}

/** Whether a word says how something is ruled. */
export function isRule(word: string | undefined): boolean {
  return word !== undefined && rules.has(word)
}

/** In the singular, as far as that is a matter of its last letter. */
export function singular(word: string): string {
  return word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word
}

function denialPhrase(what: string | undefined): Phrase {
  const was = `was denied ${what ?? 'it'}`
  return [was, was]
}

function phraseOf(spoken: Spoken | undefined, action: string | undefined, words: readonly string[]): Phrase {
  if (spoken === undefined) return [`did ${asName(action ?? 'something')}`, `do ${asName(action ?? 'something')}`]
  if (spoken.verb === 'impersonate' && words.some((word) => ends.has(word))) {
    return ['stopped impersonating', 'stop impersonating']
  }
  return own.get(spoken.word) ?? phrases[spoken.verb]
}

function objectsOf(words: readonly string[], spoken: Spoken | undefined): Pick<Meaning, 'head' | 'objects'> {
  const { from, to } = spoken ?? { from: words.length, to: words.length }
  const isObject = (word: string): boolean =>
    !failures.has(word) && !denials.has(word) && !fillers.has(word) && !prepositions.has(word) && !ends.has(word)
  const before = words.slice(0, from).filter(isObject)
  const rest = words.slice(to)
  const end = rest.findIndex((word) => prepositions.has(word))
  const after = (end === -1 ? rest : rest.slice(0, end)).filter(isObject)
  const last = after.at(-1)
  // `org.disable_requirement` names it after the verb, `user.created.v2` before.
  const isAfter = before.length === 0 || nounOf(last) !== undefined || spoken?.word.endsWith('ed') !== true
  return {
    head: isAfter ? (last ?? before.at(-1)) : before.at(-1),
    objects: [...before, ...after],
  }
}

/** The verb, the word of it, and which words are it. */
interface Spoken {
  readonly verb: Verb
  readonly word: string
  readonly from: number
  readonly to: number
}

/** A pair counts before single words, and of these the last: `user.password.reset`, `create user` alike. */
function verbOf(words: readonly string[]): Spoken | undefined {
  for (let at = 1; at < words.length; at++) {
    const word = `${words[at - 1]} ${words[at]}`
    const pair = pairs.get(word)
    if (pair !== undefined) return { verb: pair, word, from: at - 1, to: at + 1 }
  }
  const last = words.findLastIndex((word) => verbs.has(word))
  const word = words[last]
  if (word === undefined) return undefined
  const verb = assigned(words, word) ?? verbs.get(word)!
  return { verb, word: verb === verbs.get(word) ? word : verb, from: last, to: last + 1 }
}

/** To create an assignment is to assign. */
function assigned(words: readonly string[], word: string): Verb | undefined {
  if (!words.includes('assignment') || word === 'assignment') return undefined
  const verb = verbs.get(word)
  if (verb === 'create' || verb === 'add') return 'grant'
  return verb === 'delete' || verb === 'remove' ? 'revoke' : undefined
}

/** Lower-case words, apart by anything that is no letter or digit and before a capital. */
export function wordsOf(name: string): readonly string[] {
  const spaced = name.slice(0, 256).replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
  return (
    spaced
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.slice(0, MAX_WORDS) ?? []
  )
}

function setOf(words: string): ReadonlySet<string> {
  return new Set(words.split(' '))
}

function inverted<T extends string>(table: Readonly<Record<T, string>>): ReadonlyMap<string, T> {
  const rows = Object.entries(table) as [T, string][]
  return new Map(rows.flatMap(([name, words]) => words.split(' ').map((word) => [word, name] as const)))
}
