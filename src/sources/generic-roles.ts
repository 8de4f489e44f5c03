// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Who does it and whom it is done to, in an application's event. One party never plays both because of a key that may
// mean either: `user` is decided here, once, and nothing after this reads it.

import type { User } from '../schema/ocsf-objects.ts'
import { type Meaning, nounOf, singular, wordsOf } from './generic-actions.ts'
import type { Fields } from './generic-fields.ts'
import { isSame, type Party } from './generic-party.ts'
import { actorOf, userOf } from './ocsf-base.ts'

export interface Roles {
  readonly actor: Party | undefined
  /** Whom it was done to, where a key or the target's type says so. */
  readonly affected: Party | undefined
  readonly group: Party | undefined
  readonly target: Party | undefined
}

const peopleWords =
  'user account member employee person customer guest admin administrator identity principal owner bot machine human'
const people: ReadonlySet<string> = new Set(peopleWords.split(' '))
const services: ReadonlySet<string> = new Set(['service', 'application', 'app', 'bot', 'machine', 'client', 'workload'])

/** Verbs and nouns that are about somebody, so that a `user` alone is that one and not who did it. */
function isAboutSomebody({ verb, nouns, isDenial }: Meaning, group: Party | undefined): boolean {
  if (isDenial) return false
  if (nouns.has('user') || nouns.has('password') || nouns.has('factor') || nouns.has('privilege')) return true
  return (verb === 'add' || verb === 'remove') && (nouns.has('group') || group !== undefined)
}

export function rolesOf(fields: Fields, target: Party | undefined, meaning: Meaning): Roles {
  const named = fields.actor()
  const explicit = fields.affected()
  const user = fields.user()
  const group = fields.group()
  const typed = target !== undefined && isTypedPerson(target) ? target : undefined
  if (user === undefined) return { actor: named, affected: explicit ?? typed, group, target }
  if (named === undefined) {
    const isActor = target !== undefined || explicit !== undefined || meaning.isSelf || !isAboutSomebody(meaning, group)
    return isActor
      ? { actor: user, affected: explicit ?? typed, group, target }
      : { actor: undefined, affected: user, group, target }
  }
  const isActorAgain = isSame(user, named) && (target !== undefined || !isAboutSomebody(meaning, group))
  return { actor: named, affected: explicit ?? typed ?? (isActorAgain ? undefined : user), group, target }
}

/** Whom it was done to: the target too where it may be somebody; the actor only where nothing else is named. */
export function whomOf({ actor, affected, target }: Roles): Party | undefined {
  return affected ?? personOf(target) ?? (target === undefined ? actor : undefined)
}

/** The party where it is, or may be, somebody: by its type, else by a name that is no word of the vocabulary. */
export function personOf(party: Party | undefined): Party | undefined {
  if (party === undefined) return undefined
  if (party.type !== undefined) return isTypedPerson(party) ? party : undefined
  return nounOf(party.name?.toLowerCase()) === undefined ? party : undefined
}

function isTypedPerson(party: Party): boolean {
  const last = party.type === undefined ? undefined : wordsOf(party.type).at(-1)
  return last !== undefined && people.has(singular(last))
}

/** Whether the type of a party says that it is what `noun` stands for; `otherwise` where it has no type. */
export function isOfType(party: Party, noun: 'group' | 'privilege', otherwise: boolean): boolean {
  return party.type === undefined ? otherwise : nounOf(wordsOf(party.type).at(-1)) === noun
}

export function userFrom(party: Party | undefined): User | undefined {
  if (party === undefined) return undefined
  const type = party.type?.toLowerCase() ?? 'user'
  const typeId = isService(party) ? 4 : type === 'admin' || type === 'administrator' ? 2 : type === 'system' ? 3 : 1
  const displayName = party.displayName === party.name ? undefined : party.displayName
  return userOf(party.name, party.uid, displayName, typeId)
}

export function actorFrom(actor: Party | undefined, sessionId: string | undefined): ReturnType<typeof actorOf> {
  if (isService(actor)) return actorOf(undefined, actor?.name ?? actor?.displayName, actor?.uid, sessionId)
  return actorOf(userFrom(actor), undefined, undefined, sessionId)
}

function isService(party: Party | undefined): boolean {
  return party?.type !== undefined && services.has(party.type.toLowerCase())
}
