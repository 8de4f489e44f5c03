// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Who and what plays which part in an activity: whom it happens to, the thing it is about, what was granted. Entra
// names a target's group or role now in the target, now in a property, so both are asked.

import type { Activity } from './activity-table.ts'
import { detailOf, isSame, kindOf, valueOf } from './audit-reading.ts'
import type { AuditReading, Party } from './audit-reading.ts'
import { roleNameOf } from './built-in-roles.ts'
import { grantedScopes } from './consent.ts'

export interface Cast {
  /** The user, app or group that something happens to. */
  readonly who: Party | undefined
  /** What the activity is about. */
  readonly thing: Party | undefined
  readonly role: string | undefined
  /** Where a role applies, if not in the whole directory; the API of a permission. */
  readonly scope: Party | undefined
  readonly privileges: readonly string[]
  readonly forEverybody: boolean
}

/** Which types of target a word of the tables means, and what its properties begin with. Others are as they read. */
const nouns: ReadonlyMap<string, { readonly types: readonly string[]; readonly property?: string }> = new Map([
  ['app', { types: ['application', 'app', 'serviceprincipal'], property: 'Application' }],
  ['service principal', { types: ['serviceprincipal'], property: 'ServicePrincipal' }],
  ['group', { types: ['group'], property: 'Group' }],
  ['device', { types: ['device'], property: 'Device' }],
  ['administrative unit', { types: ['administrativeunit'], property: 'AdministrativeUnit' }],
  ['restricted administrative unit', { types: ['administrativeunit'], property: 'AdministrativeUnit' }],
  ['policy', { types: ['policy'], property: 'Policy' }],
  ['tenant', { types: ['tenant', 'company', 'directory', 'organization'] }],
  ['PIM alert', { types: ['alert', 'pimalert', 'other'] }],
])

export function castOf(activity: Activity, reading: AuditReading): Cast {
  const { needs, removes, noun } = activity
  if (needs.has('CLIENT')) return permissionCast(activity, reading)
  const role = needs.has('ROLE') || noun === 'role' ? roleOf(reading, removes) : undefined
  if (needs.has('SELF')) {
    return cast({ who: reading.actor, privileges: activity.privilege === undefined ? [] : [activity.privilege] })
  }
  if (noun === 'role') {
    const target = reading.targets.find(({ kind }) => kind === 'role')
    return cast({ thing: party('Role', role ?? target?.name, target?.id, target), role })
  }
  const thing = noun === undefined || noun === 'user' ? undefined : thingOf(noun, reading, activity)
  const happens = needs.has('WHO') || noun === 'user' || activity.meaning[0] === 3001 || activity.meaning[0] === 3005
  const who = happens ? whoOf(reading, thing) : undefined
  const scope = role === undefined ? undefined : (thing ?? scopeOf(reading, who))
  return cast({ who, thing, role, scope, privileges: privilegesOf(activity, role, thing, reading) })
}

function cast(parts: Partial<Cast>): Cast {
  return {
    who: parts.who,
    thing: parts.thing,
    role: parts.role,
    scope: parts.scope,
    privileges: parts.privileges ?? [],
    forEverybody: parts.forEverybody ?? false,
  }
}

function privilegesOf(
  activity: Activity,
  role: string | undefined,
  thing: Party | undefined,
  reading: AuditReading,
): readonly string[] {
  if (activity.privilege !== undefined) return [activity.privilege]
  if (role !== undefined) return [role]
  if (activity.meaning[0] !== 3005) return []
  if (activity.needs.has('AS PERMISSION')) return [appRoleOf(reading, activity.removes) ?? 'Default access']
  const named = activity.needs.has('ROLE') ? undefined : (thing?.name ?? thing?.id)
  return named === undefined ? [] : [named]
}

/** The target of the word's types; a property names it where the directory does. */
function thingOf(noun: string, reading: AuditReading, { removes }: Activity): Party | undefined {
  const { types, property } = nouns.get(noun) ?? {
    types: [noun.toLowerCase().replaceAll(' ', '')],
    property: undefined,
  }
  const id = property === undefined ? undefined : valueOf(reading, `${property}.ObjectID`, removes)
  const target = (id === undefined ? undefined : reading.targets.find((one) => one.id === id)) ?? typed(reading, types)
  const name = property === undefined ? undefined : valueOf(reading, `${property}.DisplayName`, removes)
  if (target !== undefined || id !== undefined || name !== undefined) {
    return party(target?.type ?? property ?? noun, target?.name ?? name, target?.id ?? id, target)
  }
  return reading.targets.find(({ kind }) => kind === 'other') ?? reading.targets.find(({ kind }) => kind !== 'user')
}

/** By the order of the types, not of the targets. */
function typed(reading: AuditReading, types: readonly string[]): Party | undefined {
  for (const type of types) {
    for (const target of reading.targets) {
      if (target.type !== undefined && target.type.toLowerCase().replaceAll(' ', '') === type) return target
    }
  }
  return undefined
}

function party(type: string, name: string | undefined, id: string | undefined, target: Party | undefined): Party {
  return { type, kind: kindOf(type), name, displayName: name, id, source: target?.source }
}

/** Users before apps before groups: PIM names the group that a role is in beside the user who gets it. */
function whoOf(reading: AuditReading, thing: Party | undefined): Party | undefined {
  const { targets } = reading
  const candidates = targets.filter((target) => target.source !== thing?.source && !isSame(target, thing))
  const found =
    candidates.find(({ kind }) => kind === 'user') ??
    candidates.find(({ kind }) => kind === 'app') ??
    candidates.find(({ kind }) => kind === 'group') ??
    candidates.find(({ kind }) => kind === 'device') ??
    candidates.find(({ type }) => type === undefined)
  return found === undefined ? undefined : named(found, reading)
}

/** An invited guest has no sign-in name yet, and some properties name a user whom the target only numbers. */
function named(who: Party, reading: AuditReading): Party {
  if (who.kind !== 'user' || (who.name !== undefined && who.name !== who.displayName)) return who
  const name = detailOf(reading, 'invitedUserEmailAddress') ?? valueOf(reading, 'User.UPN', false)
  return name === undefined ? who : { ...who, name }
}

function roleOf(reading: AuditReading, removed: boolean): string | undefined {
  const name = valueOf(reading, 'Role.DisplayName', removed)
  if (name !== undefined) return name
  const target = reading.targets.find(({ kind }) => kind === 'role')
  if (target?.name !== undefined) return target.name
  const template =
    valueOf(reading, 'Role.TemplateId', removed) ??
    detailOf(reading, 'TemplateId') ??
    detailOf(reading, 'RoleDefinitionOriginId')
  const known = template === undefined ? undefined : roleNameOf(template)
  return known ?? detailOf(reading, 'RoleName') ?? target?.id ?? template
}

/** Kinds of target beside a role that are not where it applies. */
const nowhere: ReadonlySet<string> = new Set(['user', 'role', 'request', 'directory', 'other', 'serviceprincipal'])

function scopeOf(reading: AuditReading, who: Party | undefined): Party | undefined {
  const target = reading.targets.find(
    ({ name, type, source }) =>
      name !== undefined && type !== undefined && !nowhere.has(type.toLowerCase()) && source !== who?.source,
  )
  return target ?? writtenScope(reading)
}

/** The path of an Azure resource or an administrative unit; `/` is the whole directory, in which roles are anyway. */
function writtenScope(reading: AuditReading): Party | undefined {
  const path = detailOf(reading, 'Scope') ?? detailOf(reading, 'DirectoryScopeId')
  if (path === undefined || path === '/') return undefined
  const [unit, id, ...more] = path.split('/').slice(1)
  if (unit?.toLowerCase() !== 'administrativeunits' || id === undefined || more.length > 0) {
    return party(path.startsWith('/') ? 'Azure resource' : 'Scope', path, path, undefined)
  }
  const named = valueOf(reading, 'AdministrativeUnit.DisplayName', false)
  return party('AdministrativeUnit', named ?? path, id, undefined)
}

function appRoleOf(reading: AuditReading, removed: boolean): string | undefined {
  return valueOf(reading, 'AppRole.Value', removed) ?? valueOf(reading, 'AppRole.DisplayName', removed)
}

/** The first target is the API, and properties name the app that gets the permission; of a consent it is the app. */
function permissionCast(activity: Activity, reading: AuditReading): Cast {
  const { targets } = reading
  const removed = activity.removes
  const id = valueOf(reading, 'ServicePrincipal.ObjectID', removed)
  const name = valueOf(reading, 'ServicePrincipal.DisplayName', removed)
  const { scopes, forEverybody, resourceId } = grantedScopes(reading, removed)
  const appRole = activity.needs.has('PERMISSION') ? appRoleOf(reading, removed) : undefined
  const privileges = appRole === undefined ? scopes : [appRole]
  if (id === undefined && name === undefined && !activity.needs.has('API')) {
    const scope = resourceId === undefined ? undefined : party('ServicePrincipal', undefined, resourceId, undefined)
    const who = targets.find(({ kind }) => kind === 'app') ?? targets[0]
    return cast({ who, scope, privileges, forEverybody })
  }
  const second = targets.find((target) => (id === undefined ? target !== targets[0] : target.id === id))
  const who =
    id === undefined && name === undefined && second === undefined
      ? undefined
      : party('ServicePrincipal', name ?? second?.name, id ?? second?.id, second)
  return cast({ who, scope: targets.find((target) => target !== second), privileges, forEverybody })
}
