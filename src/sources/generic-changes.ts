// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The forms in which applications say what something was and became.

import { firstText } from './generic-party.ts'
import { arrayOf, clip, type Json, type JsonObject, MAX_NAME_CHARS, objectOf } from './json.ts'
import type { Change } from './ocsf-base.ts'

/** Keys that stand beside the action. */
export const changeKeys = [
  ['old', 'new'],
  ['old_value', 'new_value'],
  ['oldValue', 'newValue'],
  ['before', 'after'],
  ['old_role', 'new_role'],
] as const
const bareKeys: ReadonlySet<string> = new Set('old new from to before after name field property path'.split(' '))

/** Where an object says nothing but what something was and became. */
export function bareChangeOf(head: string, value: JsonObject | undefined): Change | undefined {
  if (value === undefined || !Object.keys(value).every((key) => bareKeys.has(key))) return undefined
  const ends = [value['old'], value['from'], value['before'], value['new'], value['to'], value['after']]
  if (ends.some((end) => typeof end === 'object' && end !== null && !Array.isArray(end))) return undefined
  const { name = head, old, new: now } = changeOf(undefined, { name: head, ...value }) ?? {}
  return old === undefined || now === undefined ? undefined : { name, old, new: now }
}

/** What a member of `changes` says, under the key `key` where it has one. */
export function changeOf(key: string | undefined, value: Json): Change | undefined {
  const pair = arrayOf(value)
  if (pair.length > 0)
    return key !== undefined && pair.length === 2 ? { name: key, old: pair[0], new: pair[1] } : undefined
  const change = objectOf(value)
  if (change === undefined) return undefined
  const name = key ?? firstText(change, ['name', 'field', 'property', 'path'])
  const before = change['old'] ?? change['from'] ?? change['before']
  const after = change['new'] ?? change['to'] ?? change['after']
  if (name === undefined || (before === undefined && after === undefined)) return undefined
  return { name: clip(name, MAX_NAME_CHARS), old: before, new: after }
}
