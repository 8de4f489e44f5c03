// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// An application's own events. Nobody documents them to us, so they are read by the conventions of docs/events.md; what
// those do not cover stays under `unmapped`, and an action of no known meaning is `Other`, or a Base Event where
// nothing says what it was done to.

import type { User } from '../schema/ocsf-objects.ts'
import type { AccountChange, ApiActivity, EntityManagement, GroupManagement, OcsfEvent } from '../schema/ocsf.ts'
import type { Connector, MapContext } from './connector.ts'
import { type Meaning, meaningOf, phrases, type Verb } from './generic-actions.ts'
import { Fields, nameOf, outcomeIdOf, type Party } from './generic-fields.ts'
import { type JsonObject, text, without } from './json.ts'
import {
  actorOf,
  endpointOf,
  entityOf,
  groupOf,
  metadataOf,
  type Outcome,
  outcomeOf,
  resourceOf,
  sentence,
  sessionOf,
  userOf,
} from './ocsf-base.ts'
import {
  accountChange,
  apiActivity,
  authentication,
  baseEvent,
  type Common,
  entityManagement,
  groupManagement,
  userAccess,
} from './ocsf-event.ts'

/** Whatever no other connector recognises. It has no containers: nobody knows what its frames would mean. */
export const generic: Connector = {
  type: 'generic',
  title: 'Any event',
  family: 'generic',
  shapes: [],
  containers: [],
  map: mapGeneric,
}

/** What an event says, read once. */
interface Said {
  readonly action: string | undefined
  readonly meaning: Meaning
  readonly actor: Party | undefined
  readonly user: Party | undefined
  readonly group: Party | undefined
  readonly target: Party | undefined
  readonly privileges: readonly string[]
  readonly service: string | undefined
  readonly sessionId: string | undefined
  readonly outcome: Outcome
  /** The application's own sentence. */
  readonly message: string | undefined
  readonly common: Omit<Common, 'message'>
}

function mapGeneric(event: JsonObject, context: MapContext): OcsfEvent {
  const said = read(event, context)
  const { meaning } = said
  if (meaning.verb === 'sign in' || meaning.verb === 'sign out') return signIn(said, meaning.verb) ?? other(said)
  return credentials(said) ?? privileges(said) ?? group(said) ?? account(said) ?? entity(said) ?? other(said)
}

function read(event: JsonObject, context: MapContext): Said {
  const fields = new Fields(event)
  const action = fields.action()
  const named = fields.actor()
  const user = fields.user()
  const [target] = fields.targets()
  const meaning = meaningOf(action, target?.type)
  // `user` alone is who did it, unless it is who it was done to.
  const actor = named ?? (target !== undefined || meaning.nouns.size === 0 ? user : undefined)
  const service = fields.scalar('service')
  const sessionId = fields.sessionId()
  const privileges = fields.privileges()
  const outcome = outcomeFrom(fields, meaning)
  const ip = fields.ip()
  const time = fields.time()
  const userAgent = fields.fromContext('userAgent')
  const instance = context.source.split('/')[1]
  const said = {
    metadata: metadataOf(
      { name: service ?? instance ?? 'Application' },
      {
        uid: fields.scalar('id'),
        event_code: action,
        correlation_uid: fields.fromContext('correlation'),
        tenant_uid: fields.scalar('tenant'),
        original_time: typeof time === 'string' ? time : undefined,
      },
    ),
    time: typeof time === 'number' ? time : context.receivedMs,
    severity_id: fields.severity() ?? (outcome.status_id === 2 ? 2 : privileges.some(isPrivileged) ? 3 : 1),
    outcome,
    actor: actorFrom(actor, sessionId),
    src_endpoint: endpointOf(ip, fields.location()),
    http_request: userAgent === undefined ? undefined : { user_agent: userAgent },
  }
  const group = fields.group()
  const message = fields.message()
  const common = { ...said, unmapped: unmappedOf(event, fields) }
  return { action, meaning, actor, user, group, target, privileges, service, sessionId, outcome, message, common }
}

function outcomeFrom(fields: Fields, meaning: Meaning): Outcome {
  const given = fields.outcome()
  const id = outcomeIdOf(given) ?? (meaning.failed ? 2 : undefined)
  const written = text(given)
  const code = fields.scalar('code') ?? (typeof given === 'number' ? written : undefined)
  const reason = fields.reason()
  if (id !== undefined || written === undefined) return outcomeOf(id ?? 0, code, reason)
  return { status_id: 99, status: written, status_code: code, status_detail: reason }
}

function unmappedOf(event: JsonObject, fields: Fields): Common['unmapped'] {
  const changes = fields.changes()
  const rest = without(event, fields.taken)
  // Under `changes` stands one form only, whatever an application calls so.
  const foreign = rest !== undefined && changes === undefined && Object.hasOwn(rest, 'changes')
  if (foreign) return { ...without(rest, new Set(['changes'])), raw_changes: rest['changes'] }
  return changes === undefined ? rest : { ...rest, changes }
}

const services: ReadonlySet<string> = new Set(['service', 'application', 'app', 'bot', 'machine', 'client', 'workload'])

function isService(party: Party | undefined): boolean {
  return party?.type !== undefined && services.has(party.type.toLowerCase())
}

function actorFrom(actor: Party | undefined, sessionId: string | undefined): Common['actor'] {
  if (isService(actor)) return actorOf(undefined, actor?.name ?? actor?.displayName, actor?.uid, sessionId)
  return actorOf(userFrom(actor), undefined, undefined, sessionId)
}

function userFrom(party: Party | undefined): User | undefined {
  if (party === undefined) return undefined
  const type = party.type?.toLowerCase() ?? 'user'
  const typeId = isService(party) ? 4 : type === 'admin' || type === 'administrator' ? 2 : type === 'system' ? 3 : 1
  const displayName = party.displayName === party.name ? undefined : party.displayName
  return userOf(party.name, party.uid, displayName, typeId)
}

function isPrivileged(privilege: string): boolean {
  return /admin|owner|root|superuser/i.test(privilege)
}

function signIn(said: Said, verb: Verb): OcsfEvent | undefined {
  const target = said.meaning.nouns.has('user') ? undefined : said.target
  const who = said.user ?? said.actor ?? said.target
  const user = userFrom(who)
  if (user === undefined) return undefined
  const service = said.service ?? nameOf(target)
  const where = service === undefined ? '' : verb === 'sign in' ? ` to ${service}` : ` of ${service}`
  return authentication(told(said, verb, where, who), verb === 'sign in' ? 1 : 2, {
    user,
    session: sessionOf(said.sessionId),
    service: service === undefined ? undefined : { name: service, uid: target?.uid },
  })
}

const factorActivities: Partial<Record<Verb, 10 | 11>> = {
  ...({ add: 10, create: 10, enable: 10 } as const),
  ...({ remove: 11, delete: 11, disable: 11, reset: 11 } as const),
}

/** The password or a second factor of an account. */
function credentials(said: Said): OcsfEvent | undefined {
  const { verb, nouns } = said.meaning
  const whose = said.user ?? said.target ?? said.actor
  const user = userFrom(whose)
  if (verb === undefined || user === undefined) return undefined
  const factor = nouns.has('factor') ? factorActivities[verb] : undefined
  const rest = ` of ${nameOf(whose)}`
  if (factor !== undefined) {
    const common = told(said, verb, ` a second factor${rest}`)
    const raised = factor === 11 && common.severity_id === 1 ? { ...common, severity_id: 3 as const } : common
    return accountChange(raised, factor, { user })
  }
  if (!nouns.has('password') || (verb !== 'reset' && verb !== 'update')) return undefined
  return accountChange(told(said, verb, ` the password${rest}`), verb === 'reset' ? 4 : 3, { user })
}

const accessActivities: Partial<Record<Verb, 1 | 2>> = { grant: 1, add: 1, revoke: 2, remove: 2 }

function privileges(said: Said): OcsfEvent | undefined {
  const { verb, nouns } = said.meaning
  const activity = verb === undefined ? undefined : accessActivities[verb]
  if (verb === undefined || activity === undefined || !(nouns.has('privilege') || said.privileges.length > 0)) {
    return undefined
  }
  const isTarget = said.privileges.length === 0
  const names = isTarget ? [nameOf(said.target) ?? ''] : said.privileges
  const grantee = said.user ?? (isTarget ? undefined : said.target)
  const user = userFrom(grantee)
  if (user === undefined || names[0] === '') return undefined
  const what = names.join(', ')
  const whom = nameOf(grantee)
  const common = told(said, verb, activity === 1 ? ` ${what} to ${whom}` : ` ${what} from ${whom}`)
  const on = isTarget || said.user === undefined ? undefined : said.target
  return userAccess(common, activity, { user, privileges: names, resource: resourceOf(on?.name, on?.uid, on?.type) })
}

const groupActivities: Partial<Record<Verb, GroupManagement['activity_id']>> = {
  add: 3,
  remove: 4,
  create: 6,
  delete: 5,
}

function group(said: Said): OcsfEvent | undefined {
  const { verb, nouns } = said.meaning
  const activity = verb === undefined ? undefined : groupActivities[verb]
  if (verb === undefined || activity === undefined || !nouns.has('group')) return undefined
  const party = said.group ?? said.target
  const object = groupOf(party?.name ?? party?.displayName, party?.uid)
  const member = said.user ?? (said.group === undefined ? undefined : said.target)
  const ofMember = activity === 3 || activity === 4
  if (object === undefined || (ofMember && member === undefined)) return undefined
  const name = `the group ${nameOf(party)}`
  const rest = ofMember ? ` ${nameOf(member)} ${activity === 3 ? 'to' : 'from'} ${name}` : ` ${name}`
  return groupManagement(told(said, verb, rest), activity, { group: object, user: userFrom(member) })
}

const accountActivities: Partial<Record<Verb, AccountChange['activity_id']>> = {
  ...({ create: 1, add: 1, enable: 2, disable: 5, delete: 6, remove: 6, lock: 9, unlock: 12 } as const),
}

function account(said: Said): OcsfEvent | undefined {
  const { verb, nouns } = said.meaning
  const activity = verb === undefined ? undefined : accountActivities[verb]
  if (verb === undefined || activity === undefined || !nouns.has('user') || nouns.size > 1) return undefined
  const whose = said.target ?? said.user ?? said.actor
  const user = userFrom(whose)
  if (user === undefined) return undefined
  return accountChange(told(said, verb, ` the user ${nameOf(whose)}`), activity, { user })
}

const entityActivities: Readonly<Record<Verb, EntityManagement['activity_id']>> = {
  'sign in': 99,
  'sign out': 99,
  create: 1,
  add: 1,
  read: 2,
  update: 3,
  grant: 3,
  revoke: 3,
  lock: 3,
  unlock: 3,
  reset: 3,
  delete: 4,
  remove: 4,
  move: 5,
  enable: 8,
  disable: 9,
}
const entityNouns = { user: 'User', group: 'Group', privilege: 'Role', password: 'User', factor: 'User' } as const

/** Anything else that something known was done to, or something unknown to what is named. */
function entity(said: Said): OcsfEvent | undefined {
  const { verb, nouns } = said.meaning
  const thing = said.target ?? said.group
  const party = thing ?? (said.actor === said.user ? undefined : said.user)
  const [noun] = nouns
  const implied = thing === undefined ? 'User' : noun === undefined ? undefined : entityNouns[noun]
  const type = party?.type ?? implied
  const object = entityOf(type, party?.name ?? party?.displayName, party?.uid)
  if (object === undefined) return undefined
  const rest = ` the ${type === undefined ? '' : `${type.toLowerCase()} `}${nameOf(party)}`
  const activity = verb === undefined ? 99 : entityActivities[verb]
  const common =
    verb === undefined ? told(said, verb, ` on${rest}`) : told(said, activity === 3 ? 'update' : verb, rest)
  return entityManagement({ ...common, activity_name: activity === 99 ? said.action : undefined }, activity, {
    entity: object,
  })
}

const apiActivities: Partial<Record<Verb, ApiActivity['activity_id']>> = { create: 1, read: 2, update: 3, delete: 4 }

/** What was done to nothing that is named. */
function other(said: Said): OcsfEvent {
  const { verb } = said.meaning
  const common = told(said, undefined, '')
  const { actor, src_endpoint } = common
  const activity = verb === undefined ? undefined : apiActivities[verb]
  if (activity !== undefined && actor !== undefined && src_endpoint !== undefined) {
    return apiActivity({ ...common, actor, src_endpoint }, activity, { api: { operation: said.action ?? '' } })
  }
  return baseEvent(
    common,
    said.action === undefined ? 'the event names no action' : reasons[verb === undefined ? 0 : 1],
  )
}

const reasons = ['the action is of no known kind and the event names no target', 'the event names no target'] as const

/** With the application's sentence, else with one of our own. */
function told(said: Said, verb: Verb | undefined, rest: string, who = said.actor): Common {
  const written = said.message === undefined ? '' : sentence(said.message)
  if (written !== '') return { ...said.common, message: written }
  return { ...said.common, message: sentence(sentenceOf(said, verb, rest, nameOf(who))) }
}

function sentenceOf({ action, outcome }: Said, verb: Verb | undefined, rest: string, who: string | undefined): string {
  if (action === undefined && who === undefined) return 'An event that names no action'
  const failed = outcome.status_id === 2
  const reason = failed && outcome.status_detail !== undefined ? `: ${outcome.status_detail}` : ''
  const what = action ?? 'something'
  const [done, tried] = verb === undefined ? [`did ${what}`, `do ${what}`] : phrases[verb]
  return `${who ?? 'Someone'} ${failed ? `failed to ${tried}` : done}${rest}${reason}`
}
