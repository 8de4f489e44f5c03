// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The conventions by which an application's own events are read (docs/events.md): which keys say who, what, to what,
// when, how it ended and from where. The first key of a list that holds something counts.

import type { Location } from '../schema/ocsf-objects.ts'
import { addressOf } from './address.ts'
import {
  arrayOf,
  booleanOf,
  clip,
  type Json,
  type JsonObject,
  MAX_NAME_CHARS,
  numberOf,
  objectOf,
  text,
  wholeOf,
} from './json.ts'
import { type Change, locationOf, type SeverityId } from './ocsf-base.ts'
import { parseTime } from './time.ts'

/** Somebody or something that an event names. */
export interface Party {
  readonly type: string | undefined
  readonly uid: string | undefined
  readonly name: string | undefined
  readonly displayName: string | undefined
  readonly email: string | undefined
}

const keys = {
  action: ['action', 'event', 'event_type', 'eventType', 'operation', 'type'],
  actor: ['actor', 'principal', 'username', 'by'],
  target: ['target', 'targets', 'resource', 'resources', 'object', 'entity'],
  user: ['grantee', 'member', 'user', 'subject'],
  group: ['group', 'team'],
  privileges: ['roles', 'role', 'permissions', 'permission', 'privileges', 'privilege', 'scopes', 'scope'],
  time: ['time', 'timestamp', 'occurred_at', 'occurredAt', '@timestamp'],
  outcome: ['outcome', 'status', 'result'],
  code: ['status_code', 'statusCode', 'error_code', 'errorCode', 'code'],
  reason: ['reason', 'failure_reason', 'failureReason', 'error', 'error_message'],
  ip: ['ip', 'source_ip', 'sourceIp', 'src_ip', 'remote_addr', 'client_ip', 'clientIp', 'ip_address', 'ipAddress'],
  userAgent: ['user_agent', 'userAgent'],
  session: ['session', 'session_id', 'sessionId'],
  correlation: ['correlation_id', 'correlationId', 'request_id', 'requestId', 'trace_id', 'traceId', 'transaction_id'],
  id: ['id', 'event_id', 'eventId', 'uuid'],
  service: ['service', 'application', 'app', 'product'],
  tenant: ['tenant', 'tenant_id', 'tenantId', 'organization', 'org'],
} as const

const partyKeys = {
  uid: ['id', 'uid', 'user_id', 'userId', 'uuid'],
  name: ['username', 'userPrincipalName', 'upn', 'login', 'name', 'title'],
  displayName: ['display_name', 'displayName', 'full_name'],
  email: ['email', 'mail'],
  type: ['type', 'kind'],
} as const
const allPartyKeys: ReadonlySet<string> = new Set(Object.values(partyKeys).flat())

interface FlatKeys {
  readonly uid: string
  readonly name: string
  readonly email: string
  readonly type: string
}

function flatKeysOf(prefix: string): FlatKeys {
  return { uid: `${prefix}_id`, name: `${prefix}_name`, email: `${prefix}_email`, type: `${prefix}_type` }
}

/** Parties whose parts stand beside one another. */
const flatKeys = {
  actor: flatKeysOf('actor'),
  user: flatKeysOf('user'),
  group: flatKeysOf('group'),
  target: flatKeysOf('target'),
  resource: flatKeysOf('resource'),
}

/** Reads an event, and knows what it has read whole: the rest is unmapped. */
export class Fields {
  readonly #event: JsonObject
  readonly #context: JsonObject | undefined
  readonly #taken = new Set<string>()

  constructor(event: JsonObject) {
    this.#event = event
    this.#context = objectOf(event['context'])
  }

  get taken(): ReadonlySet<string> {
    return this.#taken
  }

  scalar(field: keyof typeof keys): string | undefined {
    for (const key of keys[field]) {
      const value = text(this.#event[key])
      if (value === undefined) continue
      this.#taken.add(key)
      return value
    }
    return undefined
  }

  /** Under its own key, or inside `context`. */
  fromContext(field: keyof typeof keys): string | undefined {
    return this.scalar(field) ?? (this.#context === undefined ? undefined : firstText(this.#context, keys[field]))
  }

  action(): string | undefined {
    const event = objectOf(this.#event['event'])
    return this.scalar('action') ?? (event === undefined ? undefined : firstText(event, ['action', 'name', 'type']))
  }

  /** `actor`, else a key of that meaning, else `actor_id`, `actor_name`, `actor_type`, `actor_email`. */
  actor(): Party | undefined {
    return this.#party('actor')
  }

  targets(): readonly Party[] {
    for (const key of keys.target) {
      const value = this.#event[key]
      if (value === undefined) continue
      const members = Array.isArray(value) ? arrayOf(value).slice(0, 64) : [value]
      const parties = members.flatMap((member) => partyOf(member) ?? [])
      if (parties.length === 0) continue
      if (members.length === 1) this.#take(key, members[0])
      return parties
    }
    const flat = this.#flat(flatKeys.target) ?? this.#flat(flatKeys.resource)
    return flat === undefined ? [] : [flat]
  }

  /** Whom it is about, where another than the target is named. */
  user(): Party | undefined {
    return this.#party('user')
  }

  group(): Party | undefined {
    return this.#party('group')
  }

  privileges(): readonly string[] {
    for (const key of keys.privileges) {
      const value = this.#event[key]
      if (value === undefined) continue
      const members = Array.isArray(value) ? arrayOf(value).slice(0, 64) : [value]
      const names = members.flatMap((member) => text(member) ?? nameOf(partyOf(member)) ?? [])
      if (names.length === 0) continue
      this.#taken.add(key)
      return names
    }
    return []
  }

  /** Event time; where one is given that is none, as it was written. */
  time(): number | string | undefined {
    for (const key of keys.time) {
      const value = this.#event[key]
      const written = text(value)
      if (written === undefined) continue
      this.#taken.add(key)
      return timeOf(value) ?? written
    }
    return undefined
  }

  ip(): string | undefined {
    for (const key of keys.ip) {
      const ip = addressOf(text(this.#event[key]))
      if (ip === undefined) continue
      this.#taken.add(key)
      return ip
    }
    const insides = [this.#context, objectOf(this.#event['source']), objectOf(this.#event['actor'])]
    for (const inside of insides) {
      const ip = inside === undefined ? undefined : addressOf(firstText(inside, keys.ip))
      if (ip !== undefined) return ip
    }
    return undefined
  }

  location(): Location | undefined {
    const value = this.#context?.['location'] ?? this.#event['location']
    const place = objectOf(value)
    if (place === undefined) return locationOf(undefined, undefined, /^[A-Za-z]{2}$/.exec(text(value) ?? '')?.[0])
    return locationOf(
      firstText(place, ['city']),
      firstText(place, ['region', 'state']),
      firstText(place, ['country', 'country_code', 'countryOrRegion']),
      numberOf(place['lat'] ?? place['latitude']),
      numberOf(place['long'] ?? place['lon'] ?? place['lng'] ?? place['longitude']),
    )
  }

  sessionId(): string | undefined {
    const session = objectOf(this.#event['session'])
    return this.scalar('session') ?? text(session?.['id']) ?? text(this.#context?.['session_id'])
  }

  /** 200 and `true` are outcomes as well. */
  outcome(): Json | undefined {
    for (const key of [...keys.outcome, 'success']) {
      const value = this.#event[key]
      if (value === undefined || value === null || typeof value === 'object') continue
      this.#taken.add(key)
      return key === 'success' ? booleanOf(value) : value
    }
    return objectOf(this.#event['event'])?.['outcome']
  }

  reason(): string | undefined {
    const error = objectOf(this.#event['error'])
    return this.scalar('reason') ?? (error === undefined ? undefined : firstText(error, ['message', 'code', 'name']))
  }

  severity(): SeverityId | undefined {
    const value = this.#event['severity']
    const severity = typeof value === 'string' ? severities.get(value.slice(0, 32).trim().toLowerCase()) : undefined
    if (severity !== undefined) this.#taken.add('severity')
    return severity
  }

  message(): string | undefined {
    const message = text(this.#event['message'])
    if (message !== undefined && message === this.#event['message']) this.#taken.add('message')
    return message
  }

  /** `{"plan":{"old":1,"new":2}}`, `{"plan":[1,2]}` or `[{"name":"plan","old":1,"new":2}]`; else undefined. */
  changes(): readonly Change[] | undefined {
    const value = this.#event['changes']
    const members = Array.isArray(value)
      ? arrayOf(value).map((member) => [undefined, member] as const)
      : Object.entries(objectOf(value) ?? {})
    if (members.length === 0 || members.length > 256) return undefined
    const changes = members.map(([name, change]) => changeOf(name, change))
    if (!changes.every((change) => change !== undefined)) return undefined
    this.#taken.add('changes')
    return changes
  }

  #party(field: 'actor' | 'user' | 'group'): Party | undefined {
    for (const key of keys[field]) {
      const party = partyOf(this.#event[key])
      if (party === undefined) continue
      this.#take(key, this.#event[key])
      return party
    }
    return this.#flat(flatKeys[field])
  }

  #flat(names: FlatKeys): Party | undefined {
    const uid = text(this.#event[names.uid])
    const name = text(this.#event[names.name])
    const email = text(this.#event[names.email])
    if (uid === undefined && name === undefined && email === undefined) return undefined
    const type = text(this.#event[names.type])
    for (const key of [names.uid, names.name, names.email, names.type]) this.#taken.add(key)
    return { type, uid, name: name ?? email, displayName: undefined, email }
  }

  /** An object with more than a party has stays among the unmapped. */
  #take(key: string, value: Json | undefined): void {
    const object = objectOf(value)
    if (object === undefined || Object.keys(object).every((name) => allPartyKeys.has(name))) this.#taken.add(key)
  }
}

/** How a sentence calls somebody or something. */
export function nameOf(party: Party | undefined): string | undefined {
  return party?.name ?? party?.displayName ?? party?.uid
}

function partyOf(value: Json | undefined): Party | undefined {
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

function firstText(object: JsonObject, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = text(object[name])
    if (value !== undefined) return value
  }
  return undefined
}

/** Text, or seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size. */
function timeOf(value: Json | undefined): number | undefined {
  const number = numberOf(value)
  if (number === undefined) return typeof value === 'string' ? parseTime(value.trim()) : undefined
  for (const perMs of [0.001, 1, 1_000, 1_000_000]) {
    const ms = Math.floor(number / perMs)
    // From 2001 to 2286 in each of the units; no number is in two of these ranges.
    if (ms >= 1e12 && ms < 1e13) return ms
  }
  return undefined
}

function changeOf(key: string | undefined, value: Json): Change | undefined {
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

const severities: ReadonlyMap<string, SeverityId> = new Map([
  ['debug', 1],
  ['info', 1],
  ['information', 1],
  ['informational', 1],
  ['notice', 1],
  ['low', 2],
  ['medium', 3],
  ['moderate', 3],
  ['warn', 3],
  ['warning', 3],
  ['high', 4],
  ['error', 4],
  ['critical', 5],
  ['crit', 5],
  ['alert', 5],
  ['fatal', 6],
  ['emergency', 6],
])

const successWords = 'success successful succeeded ok allow allowed granted accepted completed true'
const failureWords =
  'failure failed fail error deny denied rejected refused blocked unauthorized forbidden timeout aborted invalid false'
const outcomes: ReadonlyMap<string, 1 | 2> = new Map([
  ...successWords.split(' ').map((word) => [word, 1] as const),
  ...failureWords.split(' ').map((word) => [word, 2] as const),
])

/** Undefined for a word that no table holds; numbers are HTTP status codes. */
export function outcomeIdOf(value: Json | undefined): 1 | 2 | undefined {
  const status = wholeOf(value)
  if (status !== undefined) return status >= 100 && status < 400 ? 1 : status >= 400 && status < 600 ? 2 : undefined
  if (typeof value === 'boolean') return value ? 1 : 2
  return typeof value === 'string' ? outcomes.get(value.slice(0, 32).trim().toLowerCase()) : undefined
}
