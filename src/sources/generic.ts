// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// An application's own events. Nobody documents them to us, so they are read by the conventions of docs/events.md; what
// those do not cover stays under `unmapped`, and an action of no known meaning is `Other`, or a Base Event where
// nothing says what it was done to.

import type { AccountChange, ApiActivity, GroupManagement, OcsfEvent } from '../schema/ocsf.ts'
import type { Connector, MapContext } from './connector.ts'
import { isRule, meaningOf, nounOf, singular, type Verb } from './generic-actions.ts'
import { entity } from './generic-entity.ts'
import { Fields } from './generic-fields.ts'
import { outcomeIdOf } from './generic-outcome.ts'
import { isSame, listed, MAX_SPOKEN_CHARS, nameOf, type Party, spokenName } from './generic-party.ts'
import { actorFrom, isOfType, personOf, rolesOf, userFrom, whomOf } from './generic-roles.ts'
import { isPrivileged, raised, type Said, told } from './generic-said.ts'
import { type Json, type JsonObject, text, without } from './json.ts'
import {
  type Change,
  endpointOf,
  groupOf,
  metadataOf,
  type Outcome,
  outcomeOf,
  resourceOf,
  sessionOf,
} from './ocsf-base.ts'
import {
  accountChange,
  apiActivity,
  authentication,
  baseEvent,
  type Common,
  groupManagement,
  userAccess,
} from './ocsf-event.ts'
import { spoken } from './spoken.ts'

/** Whatever no other connector recognises. It has no containers: nobody knows what its frames would mean. */
export const generic: Connector = {
  type: 'generic',
  title: 'Any event',
  family: 'generic',
  shapes: [],
  containers: [],
  map: mapGeneric,
}

function mapGeneric(event: JsonObject, context: MapContext): OcsfEvent {
  const said = read(event, context)
  const { verb } = said.meaning
  if (verb === 'sign in' || verb === 'sign out') return signIn(said, verb) ?? other(said)
  return (
    credentials(said) ??
    membership(said) ??
    roleChange(said) ??
    privileges(said) ??
    group(said) ??
    account(said) ??
    entity(said) ??
    other(said)
  )
}

function read(event: JsonObject, context: MapContext): Said {
  const fields = new Fields(event)
  const action = fields.action()
  const [target] = fields.targets()
  const meaning = meaningOf(action, target?.type)
  const roles = rolesOf(fields, target, meaning)
  const service = fields.scalar('service')
  const sessionId = fields.sessionId()
  const privileges = fields.privileges()
  const changes = fields.changes(meaning.head ?? 'value')
  const outcome = outcomeFrom(fields, meaning.failed)
  const ip = fields.ip()
  const time = fields.time()
  const userAgent = fields.fromContext('userAgent')
  const rated = fields.severity()
  const instance = context.source.split('/')[1]
  const common = {
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
    severity_id: rated ?? (outcome.status_id === 2 ? 2 : privileges?.names.some(isPrivileged) === true ? 3 : 1),
    outcome,
    actor: actorFrom(roles.actor, sessionId),
    src_endpoint: endpointOf(ip, fields.location()),
    http_request: userAgent === undefined ? undefined : { user_agent: userAgent },
  } as const
  const isRated = rated !== undefined
  const message = fields.message()
  const rest = (placed: readonly (object | undefined)[]): Common['unmapped'] =>
    unmappedOf(event, fields.taken([roles.actor, ...placed]), changes)
  return { action, meaning, ...roles, privileges, changes, service, sessionId, outcome, isRated, message, common, rest }
}

function outcomeFrom(fields: Fields, failed: boolean): Outcome {
  const given = fields.outcome()
  const id = outcomeIdOf(given) ?? (failed ? 2 : undefined)
  const written = text(given)
  const code = fields.scalar('code') ?? (typeof given === 'number' ? written : undefined)
  const reason = fields.reason()
  if (id !== undefined || written === undefined) return outcomeOf(id ?? 0, code, reason)
  return { status_id: 99, status: written, status_code: code, status_detail: reason }
}

function unmappedOf(
  event: JsonObject,
  taken: ReadonlySet<string>,
  changes: readonly Change[] | undefined,
): Common['unmapped'] {
  const rest = without(event, taken)
  // Under `changes` stands one form only, whatever an application calls so.
  const foreign = rest !== undefined && changes === undefined && Object.hasOwn(rest, 'changes')
  if (foreign) return { ...without(rest, new Set(['changes'])), raw_changes: rest['changes'] }
  return changes === undefined ? rest : { ...rest, changes }
}

function signIn(said: Said, verb: Verb): OcsfEvent | undefined {
  const who = said.affected ?? said.actor ?? said.target
  const user = userFrom(who)
  if (user === undefined) return undefined
  const { target: on } = said
  const isPerson = on?.type !== undefined && personOf(on) !== undefined
  const target = on === undefined || who === undefined || isPerson || isSame(on, who) ? undefined : on
  const service = said.service ?? nameOf(target)
  const where =
    service === undefined
      ? ''
      : verb === 'sign in'
        ? ` to ${spoken(service, MAX_SPOKEN_CHARS)}`
        : ` of ${spoken(service, MAX_SPOKEN_CHARS)}`
  const placed = [who, said.service === undefined ? target : undefined]
  return authentication(told(said, placed, where, { who }), verb === 'sign in' ? 1 : 2, {
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
  const { verb, nouns, head } = said.meaning
  const whose = whomOf(said)
  const user = userFrom(whose)
  if (verb === undefined || user === undefined || isRule(head)) return undefined
  const factor = nouns.has('factor') ? factorActivities[verb] : undefined
  const rest = ` of ${spokenName(whose)}`
  if (factor !== undefined) {
    const common = told(said, [whose], ` a second factor${rest}`)
    return accountChange(factor === 11 ? raised(said, common) : common, factor, { user })
  }
  if (!nouns.has('password') || (verb !== 'reset' && verb !== 'update')) return undefined
  return accountChange(told(said, [whose], ` the password${rest}`), verb === 'reset' ? 4 : 3, { user })
}

/** A key `group` makes it one of members, where the action names nothing else that was added. */
function membership(said: Said): OcsfEvent | undefined {
  const { verb, nouns, head, isSelf } = said.meaning
  const ofGroup = said.group !== undefined || nouns.has('group')
  if ((verb !== 'add' && verb !== 'remove') || !ofGroup || nouns.has('privilege')) return undefined
  const noun = nounOf(head)
  if (head !== undefined && noun !== 'user' && noun !== 'group') return undefined
  const { target } = said
  const party = said.group ?? (target !== undefined && isOfType(target, 'group', true) ? target : undefined)
  const group = groupOf(party?.name ?? party?.displayName, party?.uid)
  const isElse = said.group !== undefined && target !== undefined && personOf(target) === undefined
  if (group === undefined || isElse) return undefined
  const member = said.affected ?? (party === target ? undefined : target) ?? (isSelf ? said.actor : undefined)
  // Without a member, `group.added` is about the group itself.
  if (member === undefined && noun === 'group') return undefined
  const activity = verb === 'add' ? 3 : 4
  const whom = `${spokenName(member) ?? 'somebody who is not named'} ${activity === 3 ? 'to' : 'from'} `
  const rest = ` ${isSelf && member === said.actor ? '' : whom}the group ${spokenName(party)}`
  return groupManagement(told(said, [party, member], rest), activity, { group, user: userFrom(member) })
}

/** The role of somebody is another than it was. */
function roleChange(said: Said): OcsfEvent | undefined {
  const { verb, nouns, head = 'role' } = said.meaning
  const whom = said.affected ?? personOf(said.target)
  const user = userFrom(whom)
  if (verb !== 'update' || user === undefined || !nouns.has('privilege') || nounOf(head) !== 'privilege')
    return undefined
  const kind = singular(head)
  const change = said.changes?.find(({ name }) => singular(name.toLowerCase()) === kind)
  const isTheirs = said.affected !== undefined || nouns.has('user')
  if (change === undefined && (said.privileges === undefined || !isTheirs)) return undefined
  const old = namesOf(change?.old)
  const now = change === undefined ? (said.privileges?.names ?? []) : namesOf(change.new)
  if (old.length + now.length === 0) return undefined
  const from = old.length === 0 ? '' : ` from ${listed(old)}`
  const rest = ` the ${kind} of ${spokenName(whom)}${from} to ${now.length === 0 ? 'none' : listed(now)}`
  const resource = whom === said.target ? undefined : said.target
  const common = told(said, [whom, resource, change === undefined ? said.privileges : undefined], rest)
  return userAccess([...old, ...now].some(isPrivileged) ? raised(said, common) : common, now.length > 0 ? 1 : 2, {
    user,
    privileges: now.length > 0 ? now : old,
    resource: resourceOf(resource?.name, resource?.uid, resource?.type),
  })
}

function namesOf(value: Json | undefined): readonly string[] {
  const members: readonly Json[] = Array.isArray(value) ? value.slice(0, 64) : [value ?? null]
  return members.flatMap((member: Json) => text(member) ?? [])
}

const accessActivities: Partial<Record<Verb, 1 | 2>> = { grant: 1, add: 1, revoke: 2, remove: 2 }
const accessPhrases: ReadonlySet<string> = new Set(
  'grant assign revoke unassign withdraw add remove attach detach'.split(' '),
)

/** Rights of somebody, or of a group. */
function privileges(said: Said): OcsfEvent | undefined {
  const { verb, nouns, head, phrase } = said.meaning
  const activity = verb === undefined ? undefined : accessActivities[verb]
  if (activity === undefined || !accessPhrases.has(phrase[1])) return undefined
  const noun = nounOf(head)
  const isOfRights = verb === 'grant' || head === undefined || noun === 'privilege' || noun === 'user'
  if (!isOfRights || !(nouns.has('privilege') || said.privileges !== undefined)) return undefined
  const { target, affected } = said
  const isTarget = said.privileges === undefined
  const role = isTarget && target !== undefined && isOfType(target, 'privilege', true) ? nameOf(target) : undefined
  const names = said.privileges?.names ?? (role === undefined ? [] : [role])
  if (names.length === 0) return undefined
  const side = activity === 1 ? 'to' : 'from'
  const grantee = affected ?? (isTarget ? undefined : personOf(target))
  const user = userFrom(grantee)
  if (user === undefined) {
    const party = said.group ?? (target !== undefined && isOfType(target, 'group', false) ? target : undefined)
    const group = groupOf(party?.name ?? party?.displayName, party?.uid)
    if (group === undefined) return undefined
    const on = party === target || isTarget ? undefined : target
    const rest = ` ${listed(names)} ${side} the group ${spokenName(party)}${onThing(on)}`
    return groupManagement(told(said, [party, on, said.privileges ?? target], rest), activity, {
      group,
      privileges: names,
      resource: resourceOf(on?.name, on?.uid, on?.type),
    })
  }
  const on = isTarget || grantee === target ? undefined : target
  const rest = ` ${listed(names)} ${side} ${spokenName(grantee)}${onThing(on)}`
  return userAccess(told(said, [grantee, on, said.privileges ?? target], rest), activity, {
    user,
    privileges: names,
    resource: resourceOf(on?.name ?? on?.displayName, on?.uid, on?.type),
  })
}

function onThing(on: Party | undefined): string {
  return on === undefined ? '' : ` on ${spokenName(on)}`
}

const groupActivities: Partial<Record<Verb, GroupManagement['activity_id']>> = {
  create: 6,
  add: 6,
  delete: 5,
  remove: 5,
}

/** The group itself. */
function group(said: Said): OcsfEvent | undefined {
  const { verb, nouns, head } = said.meaning
  const activity = verb === undefined ? undefined : groupActivities[verb]
  const { target } = said
  const isGroup = head === undefined ? nouns.has('group') || target === undefined : nounOf(head) === 'group'
  if (activity === undefined || !isGroup) return undefined
  const party = said.group ?? (target !== undefined && isOfType(target, 'group', true) ? target : undefined)
  const object = groupOf(party?.name ?? party?.displayName, party?.uid)
  if (object === undefined || (said.group !== undefined && target !== undefined)) return undefined
  return groupManagement(told(said, [party], ` the group ${spokenName(party)}`), activity, { group: object })
}

const accountActivities: Partial<Record<Verb, AccountChange['activity_id']>> = {
  ...({ create: 1, add: 1, enable: 2, disable: 5, delete: 6, remove: 6, lock: 9, unlock: 12 } as const),
}

function account(said: Said): OcsfEvent | undefined {
  const { verb, nouns, head, isSelf } = said.meaning
  const activity = verb === undefined ? undefined : accountActivities[verb]
  if (activity === undefined || !nouns.has('user') || nouns.size > 1 || isSelf) return undefined
  if (head !== undefined && nounOf(head) !== 'user') return undefined
  const whose = said.affected ?? personOf(said.target)
  const user = userFrom(whose)
  if (user !== undefined)
    return accountChange(told(said, [whose], ` the user ${spokenName(whose)}`), activity, { user })
  // Whoever has an account locked is not who locked it.
  const own = verb === 'lock' && said.target === undefined ? userFrom(said.actor) : undefined
  if (own === undefined) return undefined
  return accountChange(told(said, [], '', { phrase: ['was locked', 'be locked'] }), activity, { user: own })
}

const apiActivities: Partial<Record<Verb, ApiActivity['activity_id']>> = { create: 1, read: 2, update: 3, delete: 4 }

/** What was done to nothing that is named. */
function other(said: Said): OcsfEvent {
  const { verb, phrase, isDenial } = said.meaning
  const { action = 'something' } = said
  const common = told(said, [], '', { phrase: isDenial ? phrase : [`did ${spoken(action)}`, `do ${spoken(action)}`] })
  const { actor, src_endpoint } = common
  const activity = verb === undefined ? undefined : apiActivities[verb]
  if (activity !== undefined && actor !== undefined && src_endpoint !== undefined) {
    return apiActivity({ ...common, actor, src_endpoint }, activity, { api: { operation: action } })
  }
  const reason = verb === undefined && !isDenial ? 'the action is of no known kind and the event names no target' : ''
  if (said.action === undefined) return baseEvent(common, 'the event names no action')
  return baseEvent(common, reason === '' ? 'the event names no target' : reason)
}
