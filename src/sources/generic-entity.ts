// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an application's event did to a thing that has no class of its own. Of what type the thing is, the event says;
// the action's words say it only where they name nothing but it: `user.updated`, not `permission.denied`.

import type { ManagedEntity } from '../schema/ocsf-objects.ts'
import type { EntityManagement, OcsfEvent } from '../schema/ocsf.ts'
import { type Noun, nounOf, singular, type Verb, wordsOf } from './generic-actions.ts'
import { listed, type Party, spokenName } from './generic-party.ts'
import { personOf } from './generic-roles.ts'
import { raised, type Said, told } from './generic-said.ts'
import { entityOf } from './ocsf-base.ts'
import { entityManagement } from './ocsf-event.ts'
import { spoken } from './spoken.ts'

const activities: Readonly<Record<Verb, EntityManagement['activity_id']>> = {
  'sign in': 99,
  'sign out': 99,
  impersonate: 99,
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
const types: Partial<Record<Noun, string>> = { user: 'User', group: 'Group', privilege: 'Role' }

/** Anything that something known was done to, or something unknown to what is named. */
export function entity(said: Said): OcsfEvent | undefined {
  const { verb, isDenial } = said.meaning
  if (said.action === undefined) return undefined
  const party = said.target ?? said.group ?? said.affected
  if (areRights(said, party)) return rights(said)
  if (party === undefined) return undefined
  const type = party.type ?? impliedType(said, party)
  const object = thingOf(type, party)
  if (object === undefined) return undefined
  const { affected } = said
  const isOther = affected !== undefined && affected !== party
  const preposition = !isOther ? undefined : verb === 'grant' ? 'to' : verb === 'revoke' ? 'from' : undefined
  const side = preposition === undefined ? '' : ` ${preposition} ${spokenName(affected)}`
  const activity = verb === undefined ? 99 : activities[verb]
  const denied = isDenial ? said.privileges : undefined
  const phrase = denied === undefined ? said.meaning.phrase : deniedPhrase(denied.names)
  const common = told(said, [party, denied], `${restOf(said, party, type)}${side}`, { phrase })
  const named = { ...common, activity_name: activity === 99 ? said.action : undefined }
  return entityManagement(verb === 'impersonate' ? raised(said, named) : named, activity, { entity: object })
}

/** The rights are the thing, rather than what they are on or whoever it is about. */
function areRights({ meaning, privileges }: Said, party: Party | undefined): boolean {
  const { verb, nouns, head, isDenial } = meaning
  if (privileges === undefined) return false
  if (isDenial || verb === undefined) return party === undefined && nouns.has('privilege')
  return nouns.has('privilege') || verb === 'grant' || (verb === 'revoke' && head === undefined)
}

/** Rights that nobody is named to hold. */
function rights(said: Said): OcsfEvent | undefined {
  const { verb, isDenial, phrase } = said.meaning
  if (said.privileges === undefined) return undefined
  const { kind, names } = said.privileges
  const object = entityOf(`${kind.charAt(0).toUpperCase()}${kind.slice(1)}`, names.join(', '), undefined)
  if (object === undefined) return undefined
  const spoken = isDenial ? deniedPhrase(names) : phrase
  const common = told(said, [said.privileges], isDenial ? '' : rightsRest(said, kind, names), { phrase: spoken })
  const activity = verb === undefined ? 99 : activities[verb]
  return entityManagement({ ...common, activity_name: activity === 99 ? said.action : undefined }, activity, {
    entity: object,
  })
}

function rightsRest({ meaning, target, affected }: Said, kind: string, names: readonly string[]): string {
  const { verb } = meaning
  const on = target === undefined ? '' : ` on ${described(target, target.type)}`
  const what = listed(names)
  if (verb === undefined) return ` on the ${kind} ${what}`
  if (verb === 'grant' || verb === 'add') return ` ${what}${on}, to whom is not said`
  if (verb === 'revoke' || verb === 'remove') return ` ${what}${on}, from whom is not said`
  return ` the ${kind} ${what}${affected === undefined ? on : ` of ${spokenName(affected)}`}`
}

function deniedPhrase(names: readonly string[]): readonly [string, string] {
  const was = `was denied ${listed(names)}`
  return [was, was]
}

/** Without a type where none is known: a word in its place would look like one. */
function thingOf(type: string | undefined, { name, displayName, uid }: Party): ManagedEntity | undefined {
  const object = entityOf(type ?? '', name ?? displayName, uid)
  return type === undefined && object !== undefined ? { name: object.name, uid: object.uid } : object
}

function impliedType(said: Said, party: Party): string | undefined {
  const { verb, objects } = said.meaning
  if (party === said.affected || verb === 'impersonate') return 'User'
  if (party === said.group) return 'Group'
  if (verb === undefined || verb === 'grant' || verb === 'revoke') return undefined
  if (said.privileges !== undefined || said.affected !== undefined) return undefined
  const [noun, ...more] = new Set(objects.map((word) => nounOf(word)))
  return noun === undefined || more.length > 0 ? undefined : types[noun]
}

function restOf({ meaning, action }: Said, party: Party, type: string | undefined): string {
  const { verb, objects, isDenial, phrase } = meaning
  const name = described(party, type)
  if (isDenial) return `${phrase[0].endsWith(' access') ? ' to' : ' on'} ${name}`
  if (action === undefined || verb === undefined) return ` on ${name}`
  if (verb === 'impersonate') return ` ${spokenName(party)}`
  const typeWords = type === undefined ? [] : wordsOf(type).map(singular)
  const noun = nounOf(typeWords.at(-1))
  const isOfType = (word: string): boolean =>
    typeWords.includes(singular(word)) || (noun !== undefined && nounOf(word) === noun)
  const others = !objects.every(isOfType)
  if (objects.length === 0 || (type !== undefined && !others)) return ` ${name}`
  if (type === undefined && objects.join() === 'access') return ` access to ${name}`
  const joint =
    type === undefined ? '' : personOf({ ...party, type }) === undefined ? ' on' : verb === 'grant' ? ' to' : ' of'
  return ` ${objects.join(' ')}${joint} ${name}`
}

function described(party: Party, type: string | undefined): string {
  return type === undefined ? `${spokenName(party)}` : `the ${spoken(type.toLowerCase())} ${spokenName(party)}`
}
