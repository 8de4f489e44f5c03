// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What of an event is searched: the values of its fields and all of its text, folded and bounded. Made of whatever a
// stranger sent, once for each event that is indexed, so nothing here costs more than a look at each value. What a
// mapping filled in because OCSF demands it (schema/placeholder.ts) is no value.

import type { Entry, JsonValue } from '@stele/proof'

import type { Actor, Device, ManagedEntity, NetworkEndpoint, Session, User } from '../schema/ocsf-objects.ts'
import { isPlaceholder } from '../schema/placeholder.ts'
import type { DetectionFinding, OcsfEvent } from '../schema/ocsf.ts'
import { canonicalAddress } from './address.ts'
import { type EventText, eventTextOf, noText } from './event-text.ts'
import { clip, fold, MAX_VALUE_CHARS } from './fold.ts'
import { PathNames } from './path-names.ts'
import { instantMs, MAX_TIME_MS, MIN_TIME_MS } from './time.ts'

/** Most values that a field has; those behind are not searched. */
export const MAX_FIELD_VALUES = 64
/** Type of an observable: a Base Event has no other place for an address. */
const IP_ADDRESS = 2

/** All text is folded, values are distinct, addresses canonical. */
export interface SearchDocument extends EventText {
  /** Event time, else ledger time. */
  readonly timeMs: number
  /** Ledger time. */
  readonly atMs: number
  readonly source: string
  readonly classUid: number
  readonly severity: number
  readonly actor: readonly string[]
  readonly target: readonly string[]
  readonly action: readonly string[]
  /** One at most. */
  readonly outcome: readonly string[]
  readonly ip: readonly string[]
  readonly app: readonly string[]
  readonly session: readonly string[]
  readonly correlation: readonly string[]
  readonly privilege: readonly string[]
  readonly country: readonly string[]
  /** What each of the actors goes by, one name each: what is counted, and one of the values of `actor`. */
  readonly actorNames: readonly string[]
  readonly targetNames: readonly string[]
  readonly appNames: readonly string[]
}

type Values = readonly string[]
const none: Values = Object.freeze([])

/**
 * `value` is the event as parsed, or its text; undefined where it is neither. Whoever makes many documents gives the
 * `names` that were met before.
 */
export function documentOf(
  entry: Entry,
  ocsf: OcsfEvent,
  value: JsonValue | undefined,
  names: PathNames = new PathNames(),
): SearchDocument {
  const atMs = ledgerTime(entry)
  const { time } = ocsf
  const { text, more, paths, places } = eventTextOf(ocsf, value, names)
  const [actor, target, app] = [actorsOf(ocsf), targetsOf(ocsf), appsOf(ocsf)]
  return {
    timeMs: Number.isInteger(time) && time >= MIN_TIME_MS && time <= MAX_TIME_MS ? time : atMs,
    atMs,
    source: fold(entry.source),
    classUid: ocsf.class_uid,
    severity: ocsf.severity_id,
    actor: actor.values,
    target: target.values,
    action: actionValues(ocsf),
    outcome: outcomeValues(ocsf),
    ip: addressValues(ocsf),
    app: app.values,
    session: sessionValues(ocsf),
    correlation: plus(none, ocsf.metadata.correlation_uid),
    privilege: privilegeValues(ocsf),
    country: countryValues(ocsf),
    actorNames: actor.names,
    targetNames: target.names,
    appNames: app.names,
    text,
    more,
    paths,
    places,
  }
}

/** Of an event of which only the entry is known. */
export function emptyDocument(entry: Entry): SearchDocument {
  const atMs = ledgerTime(entry)
  return {
    timeMs: atMs,
    atMs,
    source: fold(entry.source),
    classUid: 0,
    severity: 0,
    actor: none,
    target: none,
    action: none,
    outcome: none,
    ip: none,
    app: none,
    session: none,
    correlation: none,
    privilege: none,
    country: none,
    actorNames: none,
    targetNames: none,
    appNames: none,
    ...noText,
  }
}

function ledgerTime(entry: Entry): number {
  return Math.min(Math.max(instantMs(entry.at), MIN_TIME_MS), MAX_TIME_MS)
}

/** Objects by all that they are called. */
class Entities {
  values: Values = none
  names: Values = none

  user(user: User | undefined): this {
    if (user === undefined || isPlaceholder(user)) return this
    return this.#add(user.name, user.uid, user.email_addr, user.display_name, user.full_name, user.uid_alt)
  }

  named(object: { readonly name?: string | undefined; readonly uid?: string | undefined } | undefined): this {
    return object === undefined || isPlaceholder(object) ? this : this.#add(object.name, object.uid)
  }

  allNamed(objects: readonly { readonly name?: string | undefined }[] | undefined): this {
    for (const object of bounded(objects)) this.named(object)
    return this
  }

  /** The application that an actor acted through. */
  app(actor: Actor | undefined): this {
    return actor === undefined || isPlaceholder(actor) ? this : this.#add(actor.app_name, actor.app_uid)
  }

  /** People know it by the first of its values. */
  #add(...called: readonly (string | undefined)[]): this {
    let name: string | undefined
    for (const one of called) {
      const folded = searched(one)
      if (folded === undefined) continue
      this.values = plusFolded(this.values, folded)
      name ??= folded
    }
    // What is counted can be found: not what is behind the last value that is searched.
    if (name !== undefined && this.values.includes(name)) this.names = plusFolded(this.names, name)
    return this
  }
}

function actorsOf(ocsf: OcsfEvent): Entities {
  const actor: Actor | undefined = ocsf.actor
  const actors = new Entities().user(actor?.user)
  if (ocsf.class_uid === 3002) actors.user(ocsf.user)
  if (ocsf.class_uid === 2004) {
    for (const evidence of evidencesOf(ocsf)) actors.user(evidence.actor?.user)
  }
  return actors.values.length > 0 ? actors : actors.app(actor)
}

function targetsOf(ocsf: OcsfEvent): Entities {
  const targets = new Entities()
  switch (ocsf.class_uid) {
    case 3001:
      return targets.user(ocsf.user).user(ocsf.user_result).named(accountOf(ocsf.user))
    case 3003:
      return targets.user(ocsf.user).named(ocsf.group)
    case 3004:
      return targets.named(ocsf.entity).named(ocsf.entity_result).named(ownerOf(ocsf.entity))
    case 3005:
      return targets.user(ocsf.user).named(ocsf.resource).allNamed(ocsf.resources)
    case 3006:
      return targets.user(ocsf.user).named(ocsf.group).named(ocsf.subgroup).named(ocsf.resource)
    case 6003:
      return targets.allNamed(ocsf.resources)
    case 2004: {
      targets.allNamed(ocsf.resources)
      for (const evidence of evidencesOf(ocsf)) targets.user(evidence.user)
      return targets
    }
    case 0:
    case 3002:
      return targets
  }
}

/** Where the account is. */
function accountOf(user: User | undefined): User['account'] {
  return user?.account
}

/** Whose the entity is. */
function ownerOf(entity: ManagedEntity | undefined): ManagedEntity['org'] {
  return entity?.org
}

function actionValues(ocsf: OcsfEvent): Values {
  const values = plus(none, ocsf.metadata.event_code)
  const called = ocsf.class_uid === 6003 ? plus(values, ocsf.api.operation) : values
  // OCSF's word for an activity that it has no word for.
  const { activity_name: activity } = ocsf
  return activity === 'Unknown' || activity === 'Other' ? called : plus(called, activity)
}

function outcomeValues(ocsf: OcsfEvent): Values {
  if (ocsf.class_uid === 2004) return none
  switch (ocsf.status_id) {
    case 0:
      return ['unknown']
    case 1:
      return ['success']
    case 2:
      return ['failure']
    case 99:
      return plus(none, ocsf.status ?? 'other')
    case undefined:
      return none
  }
}

function addressValues(ocsf: OcsfEvent): Values {
  let values = plusAddress(plusEndpoint(none, endpointOf(ocsf)), deviceOf(ocsf)?.ip)
  if (ocsf.class_uid === 0) {
    for (const { type_id: type, value } of bounded(ocsf.observables)) {
      if (type === IP_ADDRESS) values = plusAddress(values, value)
    }
  }
  if (ocsf.class_uid === 2004) {
    for (const evidence of evidencesOf(ocsf)) values = plusEndpoint(values, evidence.src_endpoint)
  }
  return values
}

function appsOf(ocsf: OcsfEvent): Entities {
  const apps = new Entities().app(ocsf.actor)
  if (ocsf.class_uid === 3002) return apps.named(ocsf.service)
  return ocsf.class_uid === 6003 ? apps.named(ocsf.api.service) : apps
}

function sessionValues(ocsf: OcsfEvent): Values {
  const values = plusSession(none, ocsf.actor?.session)
  return ocsf.class_uid === 3002 || ocsf.class_uid === 3003 ? plusSession(values, ocsf.session) : values
}

function privilegeValues(ocsf: OcsfEvent): Values {
  if (ocsf.class_uid !== 3005 && ocsf.class_uid !== 3003 && ocsf.class_uid !== 3006) return none
  if (ocsf.privileges !== undefined && isPlaceholder(ocsf.privileges)) return none
  let values = none
  for (const privilege of bounded(ocsf.privileges)) values = plus(values, privilege)
  return values
}

function countryValues(ocsf: OcsfEvent): Values {
  let values = plus(none, endpointOf(ocsf)?.location?.country)
  values = plus(values, deviceOf(ocsf)?.location?.country)
  if (ocsf.class_uid === 2004) {
    for (const evidence of evidencesOf(ocsf)) values = plus(values, evidence.src_endpoint?.location?.country)
  }
  return values
}

function endpointOf(ocsf: OcsfEvent): NetworkEndpoint | undefined {
  return ocsf.class_uid === 0 || ocsf.class_uid === 2004 ? undefined : ocsf.src_endpoint
}

function deviceOf(ocsf: OcsfEvent): Device | undefined {
  return ocsf.class_uid === 0 ? undefined : ocsf.device
}

function evidencesOf(finding: DetectionFinding): NonNullable<DetectionFinding['evidences']> {
  return bounded(finding.evidences)
}

function bounded<T>(members: readonly T[] | undefined): readonly T[] {
  if (members === undefined) return []
  return members.length > MAX_FIELD_VALUES ? members.slice(0, MAX_FIELD_VALUES) : members
}

function plusSession(values: Values, session: Session | undefined): Values {
  return session === undefined ? values : plus(plus(values, session.uid), session.uid_alt)
}

function plusEndpoint(values: Values, endpoint: NetworkEndpoint | undefined): Values {
  if (endpoint === undefined) return values
  return bounded(endpoint.intermediate_ips).reduce(plusAddress, plusAddress(values, endpoint.ip))
}

function plusAddress(values: Values, text: string | undefined): Values {
  return text === undefined ? values : plus(values, canonicalAddress(text))
}

/** The values and this one; `none` is never written to, and a list that is begun belongs to its only caller. */
function plus(values: Values, value: string | undefined): Values {
  const folded = searched(value)
  return folded === undefined ? values : plusFolded(values, folded)
}

function plusFolded(values: Values, folded: string): Values {
  if (values === none) return [folded]
  if (values.length < MAX_FIELD_VALUES && !values.includes(folded)) (values as string[]).push(folded)
  return values
}

/** A value as it is searched; undefined where nothing is left of it. */
function searched(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  const folded = clip(fold(value), MAX_VALUE_CHARS)
  return folded === '' ? undefined : folded
}
