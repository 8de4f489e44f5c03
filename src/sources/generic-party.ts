// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Somebody or something, in the forms in which applications name them.

import { type Json, type JsonObject, objectOf, text } from './json.ts'
import { calledUser, isGuise, spoken } from './spoken.ts'

/** As long as an address may be. */
export const MAX_SPOKEN_CHARS = 320

/** Somebody or something that an event names. */
export interface Party {
  readonly type: string | undefined
  readonly uid: string | undefined
  readonly name: string | undefined
  readonly displayName: string | undefined
  readonly email: string | undefined
}

const partyKeys = {
  uid: ['id', 'uid', 'user_id', 'userId', 'uuid'],
  name: ['username', 'userPrincipalName', 'upn', 'login', 'name', 'title'],
  displayName: ['display_name', 'displayName', 'full_name'],
  email: ['email', 'mail'],
  type: ['type', 'kind'],
} as const
export const allPartyKeys: ReadonlySet<string> = new Set(Object.values(partyKeys).flat())

/** What somebody or something is called. */
export function nameOf(party: Party | undefined): string | undefined {
  return party?.name ?? party?.displayName ?? party?.uid
}

/** The same as a sentence has it. */
export function spokenName(party: Party | undefined): string | undefined {
  const name = nameOf(party)
  if (name === undefined) return undefined
  return party?.name === undefined && isGuise(party?.displayName)
    ? calledUser(party.displayName)
    : spoken(name, MAX_SPOKEN_CHARS)
}

export function listed(names: readonly string[]): string {
  return names.map((name) => spoken(name, MAX_SPOKEN_CHARS)).join(', ')
}

/** Whether two names may be one's: where both have an id, that decides. */
export function isSame(one: Party, other: Party): boolean {
  if (one.uid !== undefined && other.uid !== undefined) return one.uid === other.uid
  const names = [one.uid, one.name, one.displayName, one.email]
  return [other.uid, other.name, other.displayName, other.email].some(
    (name) => name !== undefined && names.includes(name),
  )
}

export function partyOf(value: Json | undefined): Party | undefined {
  const object = objectOf(value)
  if (object === undefined) {
    const name = text(value)
    return name === undefined
      ? undefined
      : { type: undefined, uid: undefined, name, displayName: undefined, email: undefined }
  }
  const uid = firstText(object, partyKeys.uid)
  const name = firstText(object, partyKeys.name)
  const displayName = firstText(object, partyKeys.displayName)
  const email = firstText(object, partyKeys.email)
  if (uid === undefined && name === undefined && displayName === undefined && email === undefined) return undefined
  return { type: firstText(object, partyKeys.type), uid, name: email ?? name, displayName: displayName ?? name, email }
}

export function firstText(object: JsonObject, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = text(object[name])
    if (value !== undefined) return value
  }
  return undefined
}
