// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The conventions by which an application's own events are read (docs/events.md): which keys say who, what, to what,
// when, how it ended and from where. The first key of a list that holds something counts.

import type { Location } from '../schema/ocsf-objects.ts'
import { addressOf } from './address.ts'
import { bareChangeOf, changeKeys, changeOf } from './generic-changes.ts'
import { severities } from './generic-outcome.ts'
import { allPartyKeys, firstText, nameOf, type Party, partyOf } from './generic-party.ts'
import { arrayOf, booleanOf, type Json, type JsonObject, numberOf, objectOf, text } from './json.ts'
import { type Change, locationOf, type SeverityId } from './ocsf-base.ts'
import { parseTime } from './time.ts'

const keys = {
  action: ['action', 'event', 'event_type', 'eventType', 'operation', 'type', 'what'],
  actor: ['actor', 'principal', 'username', 'by', 'who'],
  target: ['target', 'targets', 'resource', 'resources', 'object', 'entity'],
  affected: ['grantee', 'member', 'subject'],
  user: ['user'],
  group: ['group', 'team'],
  privileges: ['roles', 'role', 'permissions', 'permission', 'privileges', 'privilege', 'scopes', 'scope'],
  time: [
    ...(['time', 'timestamp', 'occurred_at', 'occurredAt', '@timestamp'] as const),
    ...(['ts', 'event_time', 'eventTime', 'datetime'] as const),
  ],
  outcome: ['outcome', 'status', 'result'],
  code: ['status_code', 'statusCode', 'error_code', 'errorCode', 'code'],
  reason: ['reason', 'failure_reason', 'failureReason', 'error', 'error_message'],
  ip: ['ip', 'source_ip', 'sourceIp', 'src_ip', 'remote_addr', 'client_ip', 'clientIp', 'ip_address', 'ipAddress'],
  userAgent: ['user_agent', 'userAgent'],
  session: ['session', 'session_id', 'sessionId'],
  correlation: ['correlation_id', 'correlationId', 'request_id', 'requestId', 'trace_id', 'traceId', 'transaction_id'],
  id: ['id', 'event_id', 'eventId', 'uuid'],
  service: ['service', 'application', 'app', 'product'],
  message: ['message', 'msg'],
  tenant: ['tenant', 'tenant_id', 'tenantId', 'organization', 'org'],
} as const

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
  readonly #keysOf = new Map<object, readonly string[]>()

  constructor(event: JsonObject) {
    this.#event = event
    this.#context = objectOf(event['context'])
  }

  /** What was read whole; of parties and privileges only those that are `placed` in the event. */
  taken(placed: readonly (object | undefined)[]): ReadonlySet<string> {
    const keys = placed.flatMap((one) => (one === undefined ? [] : (this.#keysOf.get(one) ?? [])))
    return new Set([...this.#taken, ...keys])
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
      if (members.length === 1) this.#take(key, members[0], parties[0]!)
      return parties
    }
    const flat = this.#flat(flatKeys.target) ?? this.#flat(flatKeys.resource)
    return flat === undefined ? [] : [flat]
  }

  /** Whom it was done to, by a key that says nothing else. */
  affected(): Party | undefined {
    return this.#party('affected')
  }

  /** Whoever did it, or whom it was done to: the key alone does not tell. */
  user(): Party | undefined {
    return this.#party('user')
  }

  group(): Party | undefined {
    return this.#party('group')
  }

  /** With the key that they stand under, in the singular. */
  privileges(): { readonly kind: string; readonly names: readonly string[] } | undefined {
    for (const key of keys.privileges) {
      const value = this.#event[key]
      if (value === undefined) continue
      const members = Array.isArray(value) ? arrayOf(value).slice(0, 64) : [value]
      const names = members.flatMap((member) => text(member) ?? nameOf(partyOf(member)) ?? [])
      if (names.length === 0) continue
      const privileges = { kind: key.replace(/s$/, ''), names }
      this.#keysOf.set(privileges, [key])
      return privileges
    }
    return undefined
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
    for (const key of keys.message) {
      const message = text(this.#event[key])
      if (message === undefined) continue
      if (message === this.#event[key]) this.#taken.add(key)
      return message
    }
    return undefined
  }

  /**
   * `{"plan":{"old":1,"new":2}}`, `{"plan":[1,2]}` or `[{"name":"plan","old":1,"new":2}]`. A change that says not of
   * what, `{"old":1,"new":2}` there or beside the action, is one of `head`. Else undefined.
   */
  changes(head: string): readonly Change[] | undefined {
    const value = this.#event['changes']
    if (value === undefined) return this.#changeBeside(head)
    const bare = bareChangeOf(head, objectOf(value))
    const members = Array.isArray(value)
      ? arrayOf(value).map((member) => [undefined, member] as const)
      : Object.entries(objectOf(value) ?? {})
    if (members.length === 0 || members.length > 256) return undefined
    const changes = bare === undefined ? members.map(([name, change]) => changeOf(name, change)) : [bare]
    if (!changes.every((change) => change !== undefined)) return undefined
    this.#taken.add('changes')
    return changes
  }

  #changeBeside(head: string): readonly Change[] | undefined {
    for (const [before, after] of changeKeys) {
      const [old, now] = [this.#event[before], this.#event[after]]
      if (old === undefined || now === undefined) continue
      this.#taken.add(before)
      this.#taken.add(after)
      return [{ name: before.endsWith('_role') ? 'role' : head, old, new: now }]
    }
    return undefined
  }

  #party(field: 'actor' | 'affected' | 'user' | 'group'): Party | undefined {
    for (const key of keys[field]) {
      const party = partyOf(this.#event[key])
      if (party === undefined) continue
      this.#take(key, this.#event[key], party)
      return party
    }
    return field === 'affected' ? undefined : this.#flat(flatKeys[field])
  }

  #flat(names: FlatKeys): Party | undefined {
    const uid = text(this.#event[names.uid])
    const name = text(this.#event[names.name])
    const email = text(this.#event[names.email])
    if (uid === undefined && name === undefined && email === undefined) return undefined
    const type = text(this.#event[names.type])
    const party = { type, uid, name: name ?? email, displayName: undefined, email }
    this.#keysOf.set(party, [names.uid, names.name, names.email, names.type])
    return party
  }

  /** An object with more than a party has stays among the unmapped. */
  #take(key: string, value: Json | undefined, party: Party): void {
    const object = objectOf(value)
    const isWhole = object === undefined || Object.keys(object).every((name) => allPartyKeys.has(name))
    if (isWhole) this.#keysOf.set(party, [key])
  }
}

/** Seconds have a fraction, which doubles do not hold exactly. */
const units = [
  ...([[0.001, 0.001]] as const),
  ...([1, 1_000, 1_000_000] as const).map((perMs) => [perMs, 0] as const),
] as const

/** Text, or seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size. */
function timeOf(value: Json | undefined): number | undefined {
  const number = numberOf(value)
  if (number === undefined) return typeof value === 'string' ? parseTime(value.trim()) : undefined
  for (const [perMs, slack] of units) {
    const ms = Math.floor(number / perMs + slack)
    // From 2001 to 2286 in each of the units; no number is in two of these ranges.
    if (ms >= 1e12 && ms < 1e13) return ms
  }
  return undefined
}
