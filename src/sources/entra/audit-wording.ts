// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One plain sentence of an event: who did what, or tried to and why it failed. An application is always called one,
// whatever it calls itself. The words in capitals of the tables:
//
//   WHO, WHOSE     whom it happens to; `themself`, `their own` where that is the actor
//   TARGET         the name alone of whom or what it happens to
//   SELF           `their own`
//   ROLE           the role, and where it applies
//   SCOPES, CLIENT, API, FOR EVERYBODY   delegated permissions, who gets them, of which API, for the whole tenant
//   PERMISSION     an app role; AS PERMISSION ` as <app role>`, nothing for the default one
//   METHOD         an authentication method, else `security info`; METHOD BEHIND `: <method>`, nothing for none
//   CHANGES        `: <what changed>`; KEYS the same of credentials; SETTING `: <setting>` of PIM

import { clip, text } from '../json.ts'
import { sentence } from '../ocsf-base.ts'
import { calledUser, capital, isGuise, quoted, spoken } from '../spoken.ts'
import type { Activity, Piece, Slot } from './activity-table.ts'
import type { Cast } from './audit-cast.ts'
import { changesText, keysText } from './audit-changes.ts'
import { detailOf, isSame } from './audit-reading.ts'
import type { AuditReading, Party } from './audit-reading.ts'
import { tierOf } from './built-in-roles.ts'

const MAX_SENTENCE_CHARS = 200
const MAX_NAMED = 4

export type Ending = 'done' | 'failed' | 'timed out'

interface Told {
  readonly cast: Cast
  readonly reading: AuditReading
  readonly reason: string | undefined
  readonly ending: Ending
}

export function wordingOf(
  activity: Activity,
  cast: Cast,
  reading: AuditReading,
  ending: Ending,
  reason: string | undefined,
): string {
  const told = { cast, reading, reason, ending }
  let words = `${subjectOf(reading.actor)} ${ending === 'done' ? activity.past : `tried to ${activity.infinitive}`}`
  for (const piece of activity.pieces) words += pieceText(piece, told)
  if (ending === 'timed out') words += ' and timed out'
  if (ending === 'failed')
    words += `${words.includes(': ') ? ',' : ''} and failed${reason === undefined ? '' : `: ${reason}`}`
  return sentence(clip(words, MAX_SENTENCE_CHARS))
}

const nameless: Named = { name: undefined, displayName: undefined, id: undefined, kind: 'other' }

function subjectOf(actor: Party | undefined): string {
  if (actor === undefined) return 'An unknown actor'
  if (actor.kind === 'app') return `The app ${short(actor)}`
  if (actor.name === undefined && !isGuise(actor.displayName)) return `The user ${short(actor)}`
  return capital(short(actor))
}

type Named = Pick<Party, 'name' | 'displayName' | 'id' | 'kind'>

/** What it is called, else its id. */
function short({ name, displayName, id, kind }: Named): string {
  if (name !== undefined) return spoken(name)
  if (isGuise(displayName)) return kind === 'user' ? calledUser(displayName) : `somebody called ${quoted(displayName)}`
  return id === undefined ? 'without a name' : spoken(id)
}

function pieceText(piece: Piece, told: Told): string {
  if (piece.kind === 'words') return piece.words
  if (piece.kind === 'slot') return slotText(piece.slot, told)
  if (piece.noun === 'user') return userText(told)
  return thingText(piece.noun, told.cast.thing)
}

function thingText(noun: string, thing: Party | undefined): string {
  const name = thing?.name ?? thing?.id
  if (name === undefined) return `${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`
  return name.toLowerCase() === noun.toLowerCase()
    ? `the ${noun}`
    : `the ${noun} ${noun === 'role' ? privilegeText(name) : spoken(name)}`
}

function userText({ cast: { who }, reading }: Told): string {
  if (who === undefined) return 'a user'
  if (isSame(who, reading.actor)) return 'themself'
  return who.kind === 'user' && who.name !== undefined ? `the user ${short(who)}` : partyText(who)
}

function partyText(party: Party | undefined): string {
  if (party === undefined) return 'somebody unnamed'
  const { kind } = party
  return kind === 'group' || kind === 'app' || kind === 'device' ? `the ${kind} ${short(party)}` : short(party)
}

function slotText(slot: Slot, told: Told): string {
  const { cast, reading } = told
  switch (slot) {
    case 'WHO':
      return isSame(cast.who, reading.actor) ? 'themself' : partyText(cast.who)
    case 'WHOSE':
      return isSame(cast.who, reading.actor) ? 'their own' : `${partyText(cast.who)}'s`
    case 'TARGET':
      return short(cast.thing ?? cast.who ?? reading.targets[0] ?? nameless)
    case 'SELF':
      return 'their own'
    case 'ROLE':
      return roleText(cast)
    case 'SCOPES':
      return cast.privileges.length === 0 ? 'unnamed permissions' : listed(telling(cast.privileges))
    case 'PERMISSION':
      return cast.privileges.length === 0 ? 'without a name' : listed(cast.privileges)
    case 'AS PERMISSION':
      return cast.privileges[0] === 'Default access' ? '' : ` as ${listed(cast.privileges)}`
    case 'FOR EVERYBODY':
      return cast.forEverybody ? ' for everybody' : ''
    case 'CLIENT':
      return cast.who === undefined ? 'an app' : `the app ${short(cast.who)}`
    case 'API':
      return cast.scope === undefined ? 'an API' : short(cast.scope)
    case 'METHOD':
      return methodText(methodOf(told))
    case 'METHOD BEHIND':
      return behind(methodOf(told))
    case 'CHANGES':
      return changesText(reading.changes)
    case 'KEYS':
      return keysText(reading.changes)
    case 'SETTING':
      return behind(settingOf(told))
  }
}

function roleText({ role, scope, thing }: Cast): string {
  const name = role === undefined ? 'a role' : privilegeText(role)
  if (scope === undefined || scope === thing) return name
  return scope.kind === 'group' ? `${name} of the group ${short(scope)}` : `${name} on ${short(scope)}`
}

/** Microsoft's own roles need no quotes. */
function privilegeText(name: string): string {
  return tierOf(name) === undefined ? spoken(name) : name
}

function listed(names: readonly string[]): string {
  const rest = names.length - MAX_NAMED
  const named = names.slice(0, MAX_NAMED).map(privilegeText)
  return `${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** What most apps ask for comes last. */
const common: ReadonlySet<string> = new Set(['openid', 'profile', 'email', 'offline_access', 'User.Read'])

function telling(scopes: readonly string[]): readonly string[] {
  return [...scopes.filter((scope) => !common.has(scope)), ...scopes.filter((scope) => common.has(scope))]
}

function behind(text: string | undefined): string {
  return text === undefined ? '' : `: ${spoken(text)}`
}

/** `User registered Authenticator App with Code`, `Admin registered temporary access pass method for user`. */
const METHOD = /^(?:User|Admin) (?:registered|deleted|updated|changed|added|removed) (.{1,64}?)(?: for user)?\.?$/

function methodText(method: string | undefined): string {
  return method === undefined ? 'security info' : spoken(method)
}

function methodOf({ reading, reason, ending }: Told): string | undefined {
  const method = detailOf(reading, 'AuthenticationMethod')
  if (method !== undefined || ending !== 'done' || reason === undefined) return method
  return METHOD.exec(reason)?.[1]
}

function settingOf({ reading, reason }: Told): string | undefined {
  const target = reading.targets.find(({ type, name }) => name !== undefined && type === 'Other')
  return target?.name ?? detailOf(reading, 'Setting') ?? text(reason)
}
