// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Records of Entra that have no mapping: Base Event with the category as the reason, and what every envelope has: when,
// who, from where, and what it belongs to.

import type { BaseEvent } from '../../schema/ocsf.ts'
import type { MapContext } from '../connector.ts'
import { text } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { actorOf, metadataOf, outcomeOf, userOf } from '../ocsf-base.ts'
import type { Outcome } from '../ocsf-base.ts'
import { baseEvent } from '../ocsf-event.ts'
import { spoken, spokenUser } from '../spoken.ts'
import { recordOf } from './record.ts'
import type { EntraRecord } from './record.ts'
import { entraProduct, keepOf, line, placeName, sourceOf, timeOf } from './where.ts'

/** Categories and tables by what they hold, in lower case. */
export const otherCategories: ReadonlyMap<string, string> = new Map([
  ['b2crequestlogs', 'a B2C request'],
  ['enrichedoffice365auditlogs', 'an Office 365 event with its network'],
  ['enrichedmicrosoft365auditlogs', 'a Microsoft 365 event with its network'],
  ['networkaccessalerts', 'an alert of Global Secure Access'],
  ['networkaccessconnectionevents', 'a connection of Global Secure Access'],
  ['networkaccesstraffic', 'traffic of Global Secure Access'],
  ['networkaccesstrafficlogs', 'traffic of Global Secure Access'],
  ['remotenetworkhealthlogs', 'the health of a remote network'],
])

const times: readonly string[] = ['createdDateTime', 'activityDateTime', 'timeGenerated']
/** What those categories say of an event and its parts: of traffic, who was let through to where. */
const kept: readonly string[] = [
  'action',
  'connectionId',
  'destinationFqdn',
  'destinationFQDN',
  'destinationIp',
  'destinationPort',
  'destinationUrl',
  'deviceId',
  'operation',
  'policyName',
  'remoteNetworkId',
  'ruleName',
  'sessionId',
  'sourceIp',
  'trafficType',
  'transactionId',
  'workload',
]

export function mapOther(event: JsonObject, context: MapContext): BaseEvent {
  const record = recordOf(event)
  const { resource } = record
  const category = record.category ?? text(resource['type'])
  const actor = actorOf(
    userOf(
      text(resource['userPrincipalName']),
      text(resource['userId']),
      text(resource['userDisplayName']) ?? record.identity,
      1,
    ),
    text(resource['appDisplayName']),
    text(resource['appId']),
    text(resource['sessionId']),
  )
  const address = text(resource['sourceIp']) ?? text(resource['clientIp'])
  const source = sourceOf(address === undefined ? record : { ...record, callerIp: address })
  const { time, original } = timeOf(record, times, context)
  const outcome = outcomeIn(record)
  const what = otherCategories.get(category?.toLowerCase() ?? '') ?? spoken(record.operation ?? 'an event')
  const { user, app_name: app } = actor ?? {}
  const who = user !== undefined ? spokenUser(user) : app === undefined ? undefined : `the app ${spoken(app)}`
  const place = placeName(source)
  const message = `Microsoft Entra logged ${what}${who === undefined ? '' : ` of ${who}`}${place === undefined ? '' : ` from ${place}`}`
  return baseEvent(
    {
      metadata: metadataOf(entraProduct, {
        uid: text(resource['id']) ?? text(resource['transactionId']),
        event_code: record.operation,
        log_name: category,
        correlation_uid: record.correlation,
        tenant_uid: record.tenant,
        original_time: original,
      }),
      time,
      severity_id: outcome.status_id === 2 ? 2 : 1,
      outcome,
      message: line(message),
      actor,
      src_endpoint: source,
      unmapped: keepOf(record, kept),
    },
    category === undefined ? 'the record names no category' : `no class for the category ${spoken(category)}`,
    99,
  )
}

const results: ReadonlyMap<string, 1 | 2> = new Map([
  ['0', 1],
  ['success', 1],
  ['succeeded', 1],
  ['failure', 2],
  ['failed', 2],
])

function outcomeIn({ resultType, resultDescription }: EntraRecord): Outcome {
  return outcomeOf(results.get(resultType?.toLowerCase() ?? '') ?? 0, resultType, resultDescription)
}
