// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The pieces of OCSF that every mapping builds its events of. Each piece keeps its object's own constraints: one that
// would have neither a name nor an id is not made, and what was clipped or is no address never gets in.

import type {
  Actor,
  Group,
  Location,
  ManagedEntity,
  Metadata,
  NetworkEndpoint,
  Product,
  ResourceDetails,
  Service,
  Session,
  User,
} from '../schema/ocsf-objects.ts'
import { OCSF_VERSION } from '../schema/ocsf.ts'
import { placeholderOf, UNKNOWN } from '../schema/placeholder.ts'
import { addressOf } from './address.ts'
import { clip, type Json } from './json.ts'
import { isGuise, quoted } from './spoken.ts'

const MAX_MESSAGE_CHARS = 500

/** What a property was and became, under `unmapped.changes`; `target` where the event has several. */
export interface Change {
  readonly target?: string | undefined
  readonly name: string
  readonly old?: Json | undefined
  readonly new?: Json | undefined
}

export interface MetadataFields {
  /** The source's id of the event. */
  readonly uid?: string | undefined
  /** The source's own name of what was done, as it spells it. */
  readonly event_code?: string | undefined
  /** The source's category. */
  readonly log_name?: string | undefined
  readonly log_provider?: string | undefined
  readonly correlation_uid?: string | undefined
  readonly tenant_uid?: string | undefined
  /** The event time as written, where it could not be read as one. */
  readonly original_time?: string | undefined
  /** Profiles whose attributes the event uses. */
  readonly profiles?: readonly string[] | undefined
}

export function metadataOf(product: Product, fields: MetadataFields): Metadata {
  return {
    version: OCSF_VERSION,
    product,
    uid: fields.uid,
    event_code: fields.event_code,
    log_name: fields.log_name,
    log_provider: fields.log_provider,
    correlation_uid: fields.correlation_uid,
    original_time: fields.original_time,
    tenant_uid: fields.tenant_uid,
    profiles: fields.profiles,
  }
}

/** How it ended. */
export interface Outcome {
  readonly status_id: 0 | 1 | 2 | 99
  readonly status: string
  /** The source's code of the reason. */
  readonly status_code?: string | undefined
  /** The source's reason. */
  readonly status_detail?: string | undefined
}

const statusNames = { 0: 'Unknown', 1: 'Success', 2: 'Failure', 99: 'Other' } as const

export function outcomeOf(id: 0 | 1 | 2 | 99, code?: string, detail?: string): Outcome {
  return { status_id: id, status: statusNames[id], status_code: code, status_detail: detail }
}

export type SeverityId = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 99
export const severityNames: Readonly<Record<SeverityId, string>> = {
  0: 'Unknown',
  1: 'Informational',
  2: 'Low',
  3: 'Medium',
  4: 'High',
  5: 'Critical',
  6: 'Fatal',
  99: 'Other',
}

/** One line for people, without a full stop at its end. */
export function sentence(text: string): string {
  const line = isOneLine(text) ? text : text.replaceAll(/[\x00-\x20\x7f\u2028\u2029]+/g, ' ').trim()
  const bare = line.endsWith('.') && !line.endsWith('..') ? line.slice(0, -1) : line
  return clip(bare, MAX_MESSAGE_CHARS)
}

function isOneLine(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char < 0x20 || char === 0x7f || char === 0x2028 || char === 0x2029) return false
  }
  return true
}

type UserType = 0 | 1 | 2 | 3 | 4 | 99
const userTypes: Readonly<Record<UserType, string>> = {
  0: 'Unknown',
  1: 'User',
  2: 'Admin',
  3: 'System',
  4: 'Service',
  99: 'Other',
}

/**
 * `name` is what the user signs in with, else what it is called. Undefined where nothing names it. A display name that
 * passes for a sign-in name is kept in quotes, so that nobody is found by the name of another.
 */
export function userOf(
  name: string | undefined,
  uid: string | undefined,
  displayName: string | undefined,
  typeId: UserType,
): User | undefined {
  if (name === undefined && displayName === undefined && uid === undefined) return undefined
  const isDisguised = name === undefined && isGuise(displayName)
  const called = isDisguised ? undefined : (name ?? displayName)
  return {
    name: called,
    uid,
    display_name: isDisguised ? quoted(displayName) : displayName,
    email_addr: called === undefined ? undefined : emailOf(called),
    type_id: typeId,
    type: userTypes[typeId],
  }
}

/** The text where it is an email address as OCSF has them. */
export function emailOf(text: string): string | undefined {
  const at = text.indexOf('@')
  if (at < 1 || text.length > 320) return undefined
  return /^[\w!#$%&'*+,\-./=?^`{|}~]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+$/.test(text) ? text : undefined
}

/** Whoever did it: a person, an application, or one through the other. Undefined where nobody is named. */
export function actorOf(
  user: User | undefined,
  appName?: string,
  appUid?: string,
  sessionUid?: string,
): Actor | undefined {
  if (user === undefined && appName === undefined && appUid === undefined && sessionUid === undefined) return undefined
  return {
    user,
    app_name: appName,
    app_uid: appUid,
    session: sessionUid === undefined ? undefined : { uid: sessionUid },
  }
}

export function sessionOf(uid: string | undefined): Session | undefined {
  return uid === undefined ? undefined : { uid }
}

export function serviceOf(name: string | undefined, uid: string | undefined): Service | undefined {
  return name === undefined && uid === undefined ? undefined : { name, uid }
}

export function groupOf(name: string | undefined, uid: string | undefined, type?: string): Group | undefined {
  return name === undefined && uid === undefined ? undefined : { name, uid, type }
}

export function resourceOf(
  name: string | undefined,
  uid: string | undefined,
  type?: string,
): ResourceDetails | undefined {
  return name === undefined && uid === undefined ? undefined : { name, uid, type }
}

const entityTypes: ReadonlyMap<string, readonly [typeId: 1 | 2 | 3 | 4 | 5 | 6 | 7, caption: string]> = new Map([
  ['device', [1, 'Device']],
  ['user', [2, 'User']],
  ['group', [3, 'Group']],
  ['organization', [4, 'Organization']],
  ['policy', [5, 'Policy']],
  ['email', [6, 'Email']],
  ['network zone', [7, 'Network Zone']],
])

/** `type` in the source's words, or as OCSF writes it; what OCSF has no type for is Other. */
export function entityOf(
  type: string | undefined,
  name: string | undefined,
  uid: string | undefined,
): ManagedEntity | undefined {
  if (name === undefined && uid === undefined) return undefined
  if (type === undefined) return { name, uid, type: 'Unknown', type_id: 0 }
  const known = entityTypes.get(type) ?? entityTypes.get(type.toLowerCase())
  return known === undefined ? { name, uid, type, type_id: 99 } : { name, uid, type: known[1], type_id: known[0] }
}

/** An entity that the source does not name. */
export function unknownEntityOf(type: string | undefined): ManagedEntity {
  return placeholderOf(entityOf(type, UNKNOWN, undefined)!)
}

/** Undefined where there is no address: a place alone is no endpoint. */
export function endpointOf(ip: string | undefined, location?: Location): NetworkEndpoint | undefined {
  const address = addressOf(ip)
  return address === undefined ? undefined : { ip: address, location }
}

/** The first address is where it came from; others that differ are what it came through. */
export function endpointAmong(
  written: readonly (string | undefined)[],
  location?: Location,
): NetworkEndpoint | undefined {
  let ip: string | undefined
  let others: string[] | undefined
  for (const text of written) {
    const address = addressOf(text)
    if (address === undefined || address === ip || others?.includes(address) === true) continue
    if (ip === undefined) ip = address
    else others = [...(others ?? []), address]
  }
  return ip === undefined ? undefined : { ip, location, intermediate_ips: others }
}

/** Undefined where neither city, region nor country is known. */
export function locationOf(
  city: string | undefined,
  region: string | undefined,
  country: string | undefined,
  lat?: number,
  long?: number,
): Location | undefined {
  if (city === undefined && region === undefined && country === undefined) return undefined
  return { city, region, country, lat, long }
}
