// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an `Update …` did, told by the property that it changed: the table of audit-properties.ts, and how the values of
// each property are compared and named.

import assert from 'node:assert/strict'

import { objectOf, objectsOf, text } from '../json.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Change } from '../ocsf-base.ts'
import { spoken } from '../spoken.ts'
import { activityOf } from './activity-table.ts'
import type { Activity, Piece } from './activity-table.ts'
import { isEqual, LIST, listOf, opened } from './audit-changes.ts'
import { propertyActivities, propertyNames } from './audit-properties.ts'
import { plain } from './audit-reading.ts'
import type { AuditReading } from './audit-reading.ts'
import { graphPermissions } from './graph-permissions.ts'
import { levelOf } from './severity.ts'

const ways = ['on', 'off', 'set', 'gained', 'lost', 'exchanged', 'kept', 'named'] as const
type Way = (typeof ways)[number]

export interface PropertyActivity extends Activity {
  readonly property: string
  readonly way: Way
}

/** Every line of the table. */
export const propertyLines: readonly PropertyActivity[] = propertyActivities.trim().split('\n').map(lineOf)

function lineOf(line: string): PropertyActivity {
  const [name, property, written, ...rest] = line.split(' | ')
  const way = ways.find((one) => one === written)
  assert(name !== undefined && property !== undefined && way !== undefined, line)
  return { ...activityOf([name, ...rest].join(' | ')), property, way }
}

type Lines = ReadonlyMap<Way, PropertyActivity>

/** By activity, then by property, then by what became of it. */
const byActivity: ReadonlyMap<string, ReadonlyMap<string, Lines>> = new Map(
  [...Map.groupBy(propertyLines, ({ name }) => name)].map(([name, lines]) => [
    name,
    new Map(
      [...Map.groupBy(lines, ({ property }) => property)].map(([property, some]) => [
        property,
        new Map(some.map((line) => [line.way, line])),
      ]),
    ),
  ]),
)

/** The activity itself where none of the properties says more. */
export function activityByProperty(activity: Activity, { changes }: AuditReading): Activity {
  const properties = byActivity.get(activity.name)
  if (properties === undefined) return activity
  let best: (Activity & { readonly severity: number }) | undefined
  for (const [property, lines] of properties) {
    const deed = deedOf(property, changes)
    const line = deed === undefined ? undefined : lines.get(deed.way)
    if (deed === undefined || line === undefined) continue
    const told = tell(line, deed)
    if (best === undefined || told.severity > best.severity) best = told
  }
  return best ?? activity
}

/** What became of a property. */
interface Deed {
  readonly way: Way
  /** Names of members or values, as a sentence has them. */
  readonly before: readonly string[]
  readonly after: readonly string[]
}

function tell(line: PropertyActivity, { before, after }: Deed): Activity & { readonly severity: number } {
  const told = (words: string): string =>
    words.replaceAll(/<(gained|lost|old|new)>/g, (_, slot: string) =>
      listed(slot === 'gained' || slot === 'new' ? after : before),
    )
  const pieces = line.pieces.map((piece): Piece =>
    piece.kind === 'words' ? { kind: 'words', words: told(piece.words) } : piece,
  )
  const grant = { role: undefined, privileges: after, forEverybody: false }
  return { ...line, pieces, severity: levelOf(line.severity, grant, false) }
}

const MAX_NAMED = 3

function listed(names: readonly string[]): string {
  const rest = names.length - MAX_NAMED
  return `${names.slice(0, MAX_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

function deedOf(property: string, changes: readonly Change[]): Deed | undefined {
  const change = changes.find(({ name }) => (propertyNames.get(name) ?? name) === property)
  if (change === undefined) return isNamed(property, changes) ? { way: 'named', before: [], after: [] } : undefined
  const [old, now] = [opened(change.old), opened(change.new)]
  const member = members.get(property)
  if (member !== undefined) return deedOfList(member(old), member(now))
  if (isEqual(old, now)) return undefined
  const [was, is] = [plain(old), plain(now)]
  if (is === 'true' || is === 'false') return { way: is === 'true' ? 'on' : 'off', before: [], after: [] }
  const isText = was !== undefined && is !== undefined
  const [before, after] = [was, is].map((value) => [value === undefined ? '' : spoken(value)]) as [string[], string[]]
  return { way: isText || objectOf(now) !== undefined ? 'set' : 'named', before, after }
}

/** Some events give a list of what changed, and no values. */
function isNamed(property: string, changes: readonly Change[]): boolean {
  const list = changes.find(({ name }) => name === LIST)
  const names = plain(list?.new) ?? plain(list?.old)
  return names?.split(',').some((name) => (propertyNames.get(name.trim()) ?? name.trim()) === property) ?? false
}

/** Members by what stays the same of them, and their names. */
type Members = ReadonlyMap<string, string>

function deedOfList(before: Members, after: Members): Deed {
  const gained = [...after].filter(([key]) => !before.has(key)).map(([, name]) => name)
  const lost = [...before].filter(([key]) => !after.has(key)).map(([, name]) => name)
  const way = gained.length > 0 ? (lost.length > 0 ? 'exchanged' : 'gained') : lost.length > 0 ? 'lost' : 'kept'
  return { way, before: [...new Set(lost)], after: [...new Set(gained)] }
}

const MAX_MEMBERS = 512

type Reader = (value: Json | undefined) => Members

function reader(name: (member: Json) => readonly [key: string | undefined, name: string]): Reader {
  return (value) =>
    new Map(
      listOf(value)
        .slice(0, MAX_MEMBERS)
        .map((member) => {
          const [key, named] = name(member)
          return [key ?? JSON.stringify(member), named]
        }),
    )
}

function inside(member: Json, key: string): Json | undefined {
  return objectOf(member)?.[key]
}

/** `MethodType`: the numbers of TwoWayVoiceMobile, TwoWaySms, TwoWayVoiceOffice, … PhoneAppOTP. */
const methods = [
  'a mobile phone',
  'a mobile phone',
  'an office phone',
  'another mobile phone',
  'another mobile phone',
  'a mobile phone',
  'an authenticator',
  'an authenticator',
] as const

const members: ReadonlyMap<string, Reader> = new Map([
  [
    'StrongAuthenticationMethod',
    reader((member) => {
      const type = text(inside(member, 'MethodType'))
      return [type, methods[Number(type)] ?? 'a method']
    }),
  ],
  [
    'StrongAuthenticationPhoneAppDetail',
    reader((member) => {
      const device = text(inside(member, 'DeviceName'))
      const key = text(inside(member, 'Id')) ?? text(inside(member, 'DeviceToken')) ?? device
      return [
        key,
        device === undefined || device === 'NO_DEVICE' ? 'an authenticator' : `an authenticator (${spoken(device)})`,
      ]
    }),
  ],
  ['StrongAuthenticationRequirement', reader((member) => [text(inside(member, 'RelyingParty')), 'MFA'])],
  [
    'SearchableDeviceKey',
    reader((member) => {
      const usage = text(inside(member, 'usage') ?? inside(member, 'Usage'))
      const key = text(inside(member, 'keyIdentifier') ?? inside(member, 'KeyIdentifier'))
      return [key, usage === 'FIDO' ? 'a passkey' : usage === 'NGC' ? 'Windows Hello for Business' : 'a device key']
    }),
  ],
  ['KeyDescription', reader((member) => [plain(member), 'a key'])],
  [
    'AppAddress',
    reader((member) => {
      const address = plain(member) ?? text(inside(member, 'Address'))
      return [address, address === undefined ? 'without a name' : spoken(address)]
    }),
  ],
  ['RequiredResourceAccess', permissionsIn],
])

/** `[{"ResourceAppId":…,"RequiredAppPermissions":[{"EntitlementId":…}]}]`. */
function permissionsIn(value: Json | undefined): Members {
  const apis = listOf(value).flatMap((api): JsonObject | readonly JsonObject[] => objectOf(api) ?? [])
  const ids = apis.flatMap((api) => objectsOf(api['RequiredAppPermissions'] ?? api['ResourceAccess'], MAX_MEMBERS))
  return new Map(
    ids.slice(0, MAX_MEMBERS).flatMap((permission) => {
      const id = text(permission['EntitlementId'] ?? permission['Id'])
      return id === undefined
        ? []
        : [[id, graphPermissions.get(id.toLowerCase()) ?? `the permission ${spoken(id)}`] as const]
    }),
  )
}
