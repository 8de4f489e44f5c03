// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What a directory audit says, before anybody asks what it means: who acted, on what, which values changed.

import { decoded, arrayOf, objectOf, objectsOf, text } from '../json.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Change } from '../ocsf-base.ts'
import { isGuise } from '../spoken.ts'
import type { EntraRecord } from './record.ts'

/** Somebody or something that the event names. */
export interface Party {
  /** In Entra's words: `User`, `ServicePrincipal`, `Role`, `Policy` … */
  readonly type: string | undefined
  readonly kind: PartyKind
  /** What it is found by: a user's sign-in name, else the display name unless it passes for a sign-in name. */
  readonly name: string | undefined
  readonly displayName: string | undefined
  readonly id: string | undefined
  /** The event's own object. */
  readonly source: JsonObject | undefined
}

export type PartyKind = 'user' | 'group' | 'app' | 'device' | 'role' | 'other'

export interface AuditReading {
  readonly actor: Party | undefined
  /** The application behind a user, or `actor` itself where an application acts alone. */
  readonly app: Party | undefined
  readonly targets: readonly Party[]
  readonly changes: readonly Change[]
  readonly details: readonly Json[]
  readonly user: JsonObject | undefined
}

const MAX_CHANGES = 256

export function auditReading(record: EntraRecord): AuditReading {
  const { resource } = record
  const initiatedBy = objectOf(decoded(resource['initiatedBy']))
  const user = objectOf(initiatedBy?.['user'])
  const app = appOf(objectOf(initiatedBy?.['app']))
  const targets: Party[] = []
  const changes: Change[] = []
  const resources = objectsOf(decoded(resource['targetResources']))
  for (const target of resources) {
    const party = targetOf(target)
    targets.push(party)
    const name = resources.length > 1 ? (party.name ?? party.id) : undefined
    for (const property of arrayOf(target['modifiedProperties'])) {
      if (changes.length >= MAX_CHANGES) break
      const change = changeOf(objectOf(property), name)
      if (change !== undefined) changes.push(change)
    }
  }
  const details = arrayOf(decoded(resource['additionalDetails']))
  return { actor: userOfEvent(user) ?? app ?? identityOf(record.identity), app, targets, changes, details, user }
}

function userOfEvent(user: JsonObject | undefined): Party | undefined {
  if (user === undefined) return undefined
  const displayName = text(user['displayName'])
  const name = text(user['userPrincipalName']) ?? unguised(displayName)
  const id = text(user['id'])
  if (name === undefined && displayName === undefined && id === undefined) return undefined
  return { type: 'User', kind: 'user', name, displayName, id, source: user }
}

function appOf(app: JsonObject | undefined): Party | undefined {
  if (app === undefined) return undefined
  const name = text(app['displayName']) ?? text(app['servicePrincipalName'])
  const id = text(app['servicePrincipalId']) ?? text(app['appId'])
  if (name === undefined && id === undefined) return undefined
  return { type: 'ServicePrincipal', kind: 'app', name, displayName: name, id, source: app }
}

function unguised(displayName: string | undefined): string | undefined {
  return isGuise(displayName) ? undefined : displayName
}

/** A name of the envelope, which does not say whether a person or an application bears it. */
function identityOf(name: string | undefined): Party | undefined {
  return name === undefined
    ? undefined
    : { type: undefined, kind: 'other', name: unguised(name), displayName: name, id: undefined, source: undefined }
}

function targetOf(target: JsonObject): Party {
  // Microsoft's examples write `Type`, live data `type`.
  const type = text(target['type']) ?? text(target['Type'])
  const displayName = text(target['displayName'])
  const kind = kindOf(type)
  return {
    type,
    kind,
    name: text(target['userPrincipalName']) ?? (kind === 'user' ? unguised(displayName) : displayName),
    displayName,
    id: text(target['id']),
    source: target,
  }
}

const partyKinds: ReadonlyMap<string, PartyKind> = new Map([
  ['User', 'user'],
  ['Group', 'group'],
  ['Application', 'app'],
  ['App', 'app'],
  ['ServicePrincipal', 'app'],
  ['Device', 'device'],
  ['Role', 'role'],
  ['user', 'user'],
  ['group', 'group'],
  ['application', 'app'],
  ['app', 'app'],
  ['serviceprincipal', 'app'],
  ['device', 'device'],
  ['role', 'role'],
])

export function kindOf(type: string | undefined): PartyKind {
  if (type === undefined) return 'other'
  return partyKinds.get(type) ?? partyKinds.get(type.toLowerCase().replaceAll(' ', '')) ?? 'other'
}

function changeOf(property: JsonObject | undefined, target: string | undefined): Change | undefined {
  if (property === undefined) return undefined
  const name = text(property['displayName'])
  const before = decoded(property['oldValue']) ?? undefined
  const after = decoded(property['newValue']) ?? undefined
  if (name === undefined || (before === undefined && after === undefined)) return undefined
  return { target, name, old: before, new: after }
}

/** The value that a property has in the end; of what was taken away, what it had. */
export function valueOf(reading: AuditReading, name: string, removed: boolean): string | undefined {
  for (const change of reading.changes) {
    if (change.name !== name) continue
    const first = plain(removed ? change.old : change.new)
    return first ?? plain(removed ? change.new : change.old)
  }
  return undefined
}

/** One name out of a value that may be a list of one. */
export function plain(value: Json | undefined): string | undefined {
  if (Array.isArray(value)) return value.length === 1 ? plain((value as readonly Json[])[0]) : undefined
  return typeof value === 'boolean' ? String(value) : text(value)
}

export function detailOf(reading: AuditReading, key: string): string | undefined {
  for (const detail of reading.details) {
    const pair = objectOf(detail)
    if (pair !== undefined && pair['key'] === key) return text(pair['value'])
  }
  return undefined
}

/** Whether both are the same user, app or thing; two sign-in names count for more than a shared id. */
export function isSame(one: Party | undefined, other: Party | undefined): boolean {
  if (one === undefined || other === undefined) return false
  if (one.name?.includes('@') === true && other.name?.includes('@') === true) {
    return one.name === other.name || one.name.toLowerCase() === other.name.toLowerCase()
  }
  return one.id !== undefined && one.id === other.id
}
