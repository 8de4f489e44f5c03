// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A directory audit in OCSF. The tables say what its activity means; here its parties are put where the class has them.

import type { OcsfEvent } from '../../schema/ocsf.ts'
import type { ManagedEntity, NetworkEndpoint, User } from '../../schema/ocsf-objects.ts'
import { unknownGroup, unknownPrivileges, unknownUser } from '../../schema/placeholder.ts'
import type { MapContext } from '../connector.ts'
import { text } from '../json.ts'
import type { JsonObject } from '../json.ts'
import {
  actorOf,
  endpointAmong,
  entityOf,
  groupOf,
  metadataOf,
  outcomeOf,
  resourceOf,
  unknownEntityOf,
  userOf,
} from '../ocsf-base.ts'
import type { Outcome } from '../ocsf-base.ts'
import { accountChange, baseEvent, entityManagement, groupManagement, userAccess } from '../ocsf-event.ts'
import type { Common } from '../ocsf-event.ts'
import { parseTime } from '../time.ts'
import { activityNamed } from './activity-table.ts'
import type { Activity } from './activity-table.ts'
import { guessedActivity } from './activity-words.ts'
import { castOf } from './audit-cast.ts'
import type { Cast } from './audit-cast.ts'
import { auditReading, detailOf } from './audit-reading.ts'
import type { AuditReading, Party } from './audit-reading.ts'
import { wordingOf } from './audit-wording.ts'
import { activityByProperty } from './property-activity.ts'
import { recordOf } from './record.ts'
import type { EntraRecord } from './record.ts'
import { levelOf } from './severity.ts'
import { entraProduct, strayAddresses } from './where.ts'

const NO_NAME = 'the event names no activity'
const NO_MEANING = 'neither the name of the activity nor its operation type says what was done'

export function mapAudit(event: JsonObject, context: MapContext): OcsfEvent {
  const record = recordOf(event)
  const { resource } = record
  const name = text(resource['activityDisplayName']) ?? record.operation
  const service = text(resource['loggedByService'])
  const reading = auditReading(record)
  const outcome = outcomeIn(record)
  const named =
    name === undefined
      ? undefined
      : (activityNamed(name, service) ?? guessedActivity(name, text(resource['operationType']), reading))
  const activity = named === undefined ? undefined : activityByProperty(named, reading)
  if (activity === undefined) {
    const reason = name === undefined ? NO_NAME : NO_MEANING
    const message = `An activity of Microsoft Entra that is not known${name === undefined ? '' : `: ${name}`}`
    return baseEvent(commonOf(record, context, reading, { outcome, name, message, level: 1, used: [] }), reason)
  }
  const cast = castOf(activity, reading)
  const ending = outcome.status_id === 2 ? 'failed' : outcome.status_id === 99 ? 'timed out' : 'done'
  const common = commonOf(record, context, reading, {
    outcome,
    name,
    message: wordingOf(activity, cast, reading, ending, outcome.status_detail),
    level: levelOf(activity.severity, cast, ending !== 'done'),
    used: usedOf(activity, cast, reading),
    other: activity.meaning[1] === 99,
  })
  return eventOf(activity, cast, reading, common)
}

function usedOf({ meaning }: Activity, { who, thing, scope }: Cast, { targets }: AuditReading): Told['used'] {
  if (meaning[0] === 3001) return [who?.source]
  if (meaning[0] === 3004) return [(thing ?? who ?? targets[0])?.source]
  return [who?.source, thing?.source, scope?.source]
}

interface Told {
  readonly outcome: Outcome
  readonly name: string | undefined
  readonly message: string
  readonly level: 1 | 2 | 3 | 4
  /** Targets that stand in the event's own attributes. */
  readonly used: readonly (JsonObject | undefined)[]
  readonly other?: boolean
}

function commonOf(record: EntraRecord, { receivedMs }: MapContext, reading: AuditReading, told: Told): Common {
  const { resource } = record
  const written = text(resource['activityDateTime']) ?? record.time
  const time = written === undefined ? undefined : timeOf(written)
  const userAgent = text(resource['userAgent']) ?? detailOf(reading, 'User-Agent')
  return {
    metadata: metadataOf(entraProduct, {
      uid: text(resource['id']),
      event_code: told.name,
      log_name: record.category,
      log_provider: text(resource['loggedByService']),
      correlation_uid: record.correlation,
      tenant_uid: record.tenant,
      original_time: time === undefined ? written : undefined,
    }),
    time: time ?? (record.time === undefined ? undefined : parseTime(record.time)) ?? receivedMs,
    severity_id: told.level,
    outcome: told.outcome,
    message: told.message,
    activity_name: told.other === true ? told.name : undefined,
    actor: actorIn(reading),
    src_endpoint: endpointIn(record, reading),
    http_request: userAgent === undefined ? undefined : { user_agent: userAgent },
    unmapped: unmappedOf(record, reading, told.used),
  }
}

/** Live data writes `+00:00`, which is `Z`, and quicker to read as such. */
function timeOf(written: string): number | undefined {
  return parseTime(written.endsWith('+00:00') ? `${written.slice(0, -6)}Z` : written)
}

function actorIn({ actor, app, user }: AuditReading): Common['actor'] {
  if (actor === undefined || actor.kind === 'app') return actorOf(undefined, app?.name, app?.id)
  const homeTenant = text(user?.['homeTenantId'])
  const whole = userOf(actor.name, actor.id, actor.displayName, actor.kind === 'user' ? 1 : 0)
  const guest = homeTenant === undefined || whole === undefined ? whole : { ...whole, org: { uid: homeTenant } }
  return actorOf(guest, app?.name, app?.id)
}

function endpointIn(record: EntraRecord, reading: AuditReading): NetworkEndpoint | undefined {
  return endpointAmong([text(reading.user?.['ipAddress']), detailOf(reading, 'ipaddr'), record.callerIp])
}

const outcomes: ReadonlyMap<string, 1 | 2 | 99> = new Map([
  ['success', 1],
  ['succeeded', 1],
  ['0', 1],
  ['failure', 2],
  ['failed', 2],
  ['error', 2],
  ['timeout', 99],
])

function outcomeIn({ resource, envelope, resultType, resultSignature, resultDescription }: EntraRecord): Outcome {
  const result = text(resource['result']) ?? text(envelope['result']) ?? resultType
  const id = result === undefined ? 0 : (outcomes.get(result) ?? outcomes.get(result.toLowerCase()) ?? 0)
  const code = resultSignature === 'None' ? undefined : resultSignature
  return outcomeOf(id, code, text(resource['resultReason']) ?? resultDescription)
}

function unmappedOf(
  { resource, callerIp }: EntraRecord,
  { changes, details, targets, user }: AuditReading,
  used: readonly (JsonObject | undefined)[],
): Common['unmapped'] {
  const rest = targets.filter(({ source }) => !used.includes(source)).map(({ source }) => source)
  const operationType = text(resource['operationType'])
  const performedBy = resource['performedBy'] ?? undefined
  const strays = strayAddresses(user?.['ipAddress'], callerIp)
  if (
    changes.length + details.length + rest.length === 0 &&
    operationType === undefined &&
    performedBy === undefined &&
    strays === undefined
  ) {
    return undefined
  }
  return {
    ...strays,
    changes: changes.length === 0 ? undefined : changes,
    operationType,
    performedBy,
    additionalDetails: details.length === 0 ? undefined : details,
    targetResources: rest.length === 0 ? undefined : rest,
  }
}

function eventOf(activity: Activity, cast: Cast, reading: AuditReading, common: Common): OcsfEvent {
  const [uid, id] = activity.meaning
  switch (uid) {
    case 3001:
      return accountChange(common, id, { user: userIn(cast.who) })
    case 3004:
      return entityManagement(common, id, { entity: entityIn(activity, cast, reading) })
    case 3005: {
      const { scope, thing } = cast
      const place = scope ?? thing
      return userAccess(common, id, {
        user: userIn(cast.who),
        privileges: cast.privileges.length === 0 ? unknownPrivileges : cast.privileges,
        resource: place === undefined ? undefined : resourceOf(place.name, place.id, place.type),
      })
    }
    case 3006:
      return groupEvent(id, activity, cast, common)
  }
}

/** Groups and devices have no type of user; applications are services. */
function userIn(who: Party | undefined): User {
  if (who === undefined) return unknownUser
  const displayName = who.displayName === who.name ? undefined : who.displayName
  const user = userOf(who.name, who.id, displayName, who.kind === 'user' ? 1 : who.kind === 'app' ? 4 : 99)
  if (user === undefined) return unknownUser
  return who.kind === 'user' || who.kind === 'app' ? user : { ...user, type: who.type ?? 'Other' }
}

function entityIn(activity: Activity, { thing, who }: Cast, { targets }: AuditReading): ManagedEntity {
  const about = thing ?? who ?? targets[0]
  const type = about?.type ?? activity.noun
  return entityOf(type, about?.name, about?.id) ?? unknownEntityOf(activity.noun)
}

function groupEvent(
  id: 1 | 2 | 3 | 4 | 5 | 6 | 99,
  activity: Activity,
  { thing, who, privileges }: Cast,
  common: Common,
): OcsfEvent {
  const group = groupOf(thing?.name, thing?.id, thing?.kind === 'group' ? undefined : thing?.type) ?? unknownGroup
  const subgroup = who?.kind === 'group' ? groupOf(who.name, who.id) : undefined
  if (subgroup !== undefined && (id === 3 || id === 4))
    return groupManagement(common, id === 3 ? 7 : 8, { group, subgroup })
  return groupManagement(common, id, {
    group,
    user: activity.needs.has('WHO') ? userIn(who) : undefined,
    subgroup,
    privileges: privileges.length === 0 ? undefined : privileges,
  })
}
