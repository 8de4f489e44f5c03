// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What stands where OCSF demands a name and the source gives none. It is shown, but it is no value: nobody is found by
// it. A mark tells it from somebody who is called like that; no event can bear it, since it is not text.

import type { Actor, Group, User } from './ocsf-objects.ts'

const placeholder: unique symbol = Symbol('placeholder')
export const UNKNOWN = 'Unknown'

/** The object, frozen, as one that says nothing. */
export function placeholderOf<T extends object>(object: T): T {
  return Object.freeze(Object.defineProperty(object, placeholder, { value: true }))
}

/** Whether the object, or the list, says nothing. */
export function isPlaceholder(object: object): boolean {
  return placeholder in object
}

export const unknownUser: User = placeholderOf({ name: UNKNOWN, type_id: 0, type: UNKNOWN })
export const unknownGroup: Group = placeholderOf({ name: UNKNOWN })
export const unknownPrivileges: readonly string[] = placeholderOf([UNKNOWN])
export const unknownActor: Actor = placeholderOf({ app_name: 'unknown' })
