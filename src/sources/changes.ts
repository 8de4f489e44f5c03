// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an event changed, value by value, for whoever reads a timeline: from its OCSF form, where mappings leave what a
// source says of old and new (`unmapped.changes`, JSON inside texts taken apart) and name who got or lost what. Events
// are hostile, so every count and every length has a bound. Of an attempt that failed it is what was meant to change.

import type { OcsfEvent } from '../schema/ocsf.ts'
import { isPlaceholder } from '../schema/placeholder.ts'
import { isEqual, listOf, opened } from './entra/audit-changes.ts'
import { clip, decoded, type Json, memberOf, objectOf, objectsOf, text } from './json.ts'

/** Texts as they are, other values as JSON; what was not there before, or is not any more, is absent. */
interface ChangedValue {
  /** Of whom or what, where the event says it. */
  readonly target?: string
  /** `a.b` is a member of a document; `a[]` are members of a list: those that went (`old`) and those that came (`new`). */
  readonly name: string
  readonly old?: string
  readonly new?: string
}

export interface Changes {
  readonly changes: readonly ChangedValue[]
  /** How many there are beyond. */
  readonly moreCount: number
}

const MAX_CHANGES = 64
const MAX_VALUE_CHARS = 1_024
const MAX_NAME_CHARS = 256
/** Longer lists are not compared member by member, and no more members of documents are looked at in one event. */
const MAX_MEMBERS = 512
const MAX_DEPTH = 16

export function changesOf(ocsf: OcsfEvent): Changes {
  const found = new Found()
  addGranted(found, ocsf)
  addRenamed(found, ocsf)
  for (const change of objectsOf(ocsf.unmapped?.['changes'] as Json | undefined, 256)) {
    const name = text(memberOf(change, 'name'), MAX_NAME_CHARS)
    if (name === undefined) continue
    const [old, now] = [memberOf(change, 'old'), memberOf(change, 'new')].map((value) => opened(decoded(value)))
    found.compare(text(memberOf(change, 'target'), MAX_NAME_CHARS), name, old, now, 0)
  }
  return { changes: found.list, moreCount: found.moreCount }
}

/** Privileges and members, which come or go as a whole. */
function addGranted(found: Found, ocsf: OcsfEvent): void {
  if (ocsf.class_uid === 3005) {
    const { activity_id: activity, privileges, user } = ocsf
    if (isPlaceholder(privileges) || (activity !== 1 && activity !== 2)) return
    for (const privilege of privileges) found.came(nameOf(user), 'privilege', privilege, activity === 1)
  }
  if (ocsf.class_uid === 3006) {
    const { activity_id: activity, group, user, subgroup } = ocsf
    if (activity === 3 || activity === 4) found.came(nameOf(group), 'member', nameOf(user), activity === 3)
    if (activity === 7 || activity === 8) found.came(nameOf(group), 'member', nameOf(subgroup), activity === 7)
  }
}

/** What an account or a thing was called, and is called now. */
function addRenamed(found: Found, ocsf: OcsfEvent): void {
  if (ocsf.class_uid !== 3001 && ocsf.class_uid !== 3004) return
  const [before, after] = ocsf.class_uid === 3001 ? [ocsf.user, ocsf.user_result] : [ocsf.entity, ocsf.entity_result]
  if (after === undefined) return
  const { name, uid } = after
  for (const [field, now] of Object.entries({ name, uid })) {
    const old = before[field as 'name' | 'uid']
    if (now !== undefined) found.compare(undefined, field, old, now, 0)
  }
}

function nameOf(
  named: { readonly name?: string | undefined; readonly uid?: string | undefined } | undefined,
): string | undefined {
  return named === undefined || isPlaceholder(named) ? undefined : (named.name ?? named.uid)
}

class Found {
  readonly list: ChangedValue[] = []
  moreCount = 0
  #memberCount = 0

  came(target: string | undefined, name: string, value: string | undefined, isNew: boolean): void {
    if (value !== undefined) this.#add(target, name, isNew ? undefined : value, isNew ? value : undefined)
  }

  /** Documents are compared member by member, lists by what came and went. */
  compare(
    target: string | undefined,
    name: string,
    before: Json | undefined,
    after: Json | undefined,
    depth: number,
  ): void {
    if (isEqual(before, after)) return
    const [old, now] = [objectOf(before), objectOf(after)]
    if (old !== undefined && now !== undefined && depth < MAX_DEPTH) {
      for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
        if (this.#memberCount++ >= MAX_MEMBERS) return void this.moreCount++
        this.compare(target, `${name}.${key}`, memberOf(old, key), memberOf(now, key), depth + 1)
      }
      return
    }
    if (Array.isArray(before) && Array.isArray(after) && this.#compareLists(target, name, before, after)) return
    this.#add(target, name, before, after)
  }

  /** False for lists that are too long, or differ in their order alone. */
  #compareLists(target: string | undefined, name: string, before: Json, after: Json): boolean {
    const [old, now] = [listOf(before), listOf(after)]
    if (old.length > MAX_MEMBERS || now.length > MAX_MEMBERS) return false
    const [oldTexts, newTexts] = [old, now].map((list) => new Set(list.map((member) => JSON.stringify(member))))
    const went = old.filter((member) => !newTexts!.has(JSON.stringify(member)))
    const came = now.filter((member) => !oldTexts!.has(JSON.stringify(member)))
    if (went.length + came.length === 0) return false
    const only = (list: readonly Json[]) => (list.length === 0 ? undefined : list.length === 1 ? list[0] : [...list])
    this.#add(target, `${name}[]`, only(went), only(came))
    return true
  }

  #add(target: string | undefined, name: string, before: Json | undefined, after: Json | undefined): void {
    const [old, now] = [valueText(before), valueText(after)]
    if (old === undefined && now === undefined) return
    if (this.list.length >= MAX_CHANGES) return void this.moreCount++
    this.list.push({
      ...(target === undefined ? {} : { target: clip(target, MAX_NAME_CHARS) }),
      name: clip(name, MAX_NAME_CHARS),
      ...(old === undefined ? {} : { old }),
      ...(now === undefined ? {} : { new: now }),
    })
  }
}

function valueText(value: Json | undefined): string | undefined {
  const isNothing =
    value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
  if (isNothing) return undefined
  return clip(typeof value === 'string' ? value : JSON.stringify(value), MAX_VALUE_CHARS)
}
