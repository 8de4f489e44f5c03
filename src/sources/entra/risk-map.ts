// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What Identity Protection finds, in OCSF: Detection Finding. A detection is a finding of its own; the standing of a
// user or service principal is one finding that lives as long as they do, so its id is theirs. Whom it is about stands
// in `evidences` and `resources`: the class has no `user`, and nobody acted.

import type { User } from '../../schema/ocsf-objects.ts'
import type { DetectionFinding } from '../../schema/ocsf.ts'
import { MappingFault } from '../connector.ts'
import type { MapContext } from '../connector.ts'
import { decoded, text } from '../json.ts'
import type { JsonObject } from '../json.ts'
import { metadataOf, userOf } from '../ocsf-base.ts'
import { detectionFinding } from '../ocsf-event.ts'
import { capital, spoken, spokenUser } from '../spoken.ts'
import { parseTime } from '../time.ts'
import { recordOf } from './record.ts'
import type { EntraRecord } from './record.ts'
import {
  keptOfRisk,
  riskDetails,
  riskEvents,
  riskKindByLog,
  riskStates,
  riskyUser,
  riskyWorkload,
  userDetection,
  workloadDetection,
} from './risk-terms.ts'
import type { RiskKind, RiskState } from './risk-terms.ts'
import { riskLevels } from './sign-in-terms.ts'
import type { RiskLevel } from './sign-in-terms.ts'
import { entraProduct, keepOf, line, placeName, sourceOf, timeOf } from './where.ts'

const timesOfOpen: readonly string[] = ['detectedDateTime', 'activityDateTime', 'riskLastUpdatedDateTime']
const timesOfSettled: readonly string[] = ['lastUpdatedDateTime', ...timesOfOpen]

export function mapRisk(event: JsonObject, context: MapContext): DetectionFinding {
  const record = recordOf(event)
  const { resource } = record
  const kind = kindOf(record)
  const user = userIn(resource, kind)
  const id = text(resource['id'])
  const uid = id ?? user?.uid ?? record.correlation
  if (uid === undefined) throw new MappingFault('the risk has no id')
  const written = text(resource['riskState'])
  const state = riskStates.get(written?.toLowerCase() ?? '')
  const level = levelIn(resource)
  const type = text(resource['riskEventType'])
  const source = sourceOf(record)
  const { time, original } = timeOf(record, state?.activity === 3 ? timesOfSettled : timesOfOpen, context)
  const unmapped: Record<string, unknown> = keepOf(record, keptOfRisk)
  const info = decoded(resource['additionalInfo'])
  if (info !== undefined && info !== null) unmapped['additionalInfo'] = info
  const about = { kind, user, state, level, type, place: placeName(source) }

  return detectionFinding(
    {
      metadata: metadataOf(entraProduct, {
        uid: id,
        event_code: type ?? (kind.who === 'user' ? 'Risky user' : 'Risky service principal'),
        log_name: kind.log,
        correlation_uid: record.correlation,
        tenant_uid: record.tenant,
        original_time: original,
      }),
      time,
      severity_id: severityOf(level, written),
      outcome: { status_id: 0, status: 'Unknown', status_code: written, status_detail: detailIn(resource) },
      message: line(told(about, resource)),
      unmapped,
    },
    state?.activity ?? 0,
    {
      status_id: state?.status ?? 0,
      finding_info: {
        uid,
        title: titleOf(kind, type),
        types: type === undefined ? undefined : [type],
        created_time: timeIn(resource, 'detectedDateTime'),
        modified_time: timeIn(resource, 'lastUpdatedDateTime') ?? timeIn(resource, 'riskLastUpdatedDateTime'),
        first_seen_time: timeIn(resource, 'activityDateTime'),
        data_sources: dataSources(resource),
      },
      evidences: user === undefined && source === undefined ? undefined : [{ user, src_endpoint: source }],
      resources:
        user === undefined
          ? undefined
          : [{ name: user.name, uid: user.uid, type: kind.who === 'user' ? 'User' : 'ServicePrincipal', role_id: 3 }],
      risk_level: level?.name,
      risk_level_id: level?.id,
      risk_details: detailIn(resource),
      is_alert: state?.isOpen,
    },
  )
}

function kindOf({ category, resource }: EntraRecord): RiskKind {
  const byLog = riskKindByLog.get((category ?? '').toLowerCase()) ?? riskKindByLog.get(typeIn(resource))
  if (byLog !== undefined) return byLog
  const isWorkload =
    text(
      resource['servicePrincipalId'] ?? resource['servicePrincipalType'] ?? resource['servicePrincipalDisplayName'],
    ) !== undefined
  if (text(resource['riskEventType']) !== undefined) return isWorkload ? workloadDetection : userDetection
  return isWorkload ? riskyWorkload : riskyUser
}

function typeIn(resource: JsonObject): string {
  return text(resource['type'])?.toLowerCase() ?? ''
}

function userIn(resource: JsonObject, { of, who }: RiskKind): User | undefined {
  const own = of === 'standing' ? text(resource['id']) : undefined
  if (who === 'user') {
    const upn = text(resource['userPrincipalName'])
    return userOf(upn, text(resource['userId']) ?? own, text(resource['userDisplayName']), 1)
  }
  const name = text(resource['servicePrincipalDisplayName']) ?? text(resource['displayName'])
  const user = userOf(name, text(resource['servicePrincipalId']) ?? own, undefined, 4)
  return user === undefined ? undefined : { ...user, uid_alt: text(resource['appId']) }
}

function levelIn(resource: JsonObject): RiskLevel | undefined {
  return riskLevels.get(text(resource['riskLevel'])?.toLowerCase() ?? '')
}

/** By level; Unknown where the licence hides it. A confirmed compromise is never less than High. */
function severityOf(level: RiskLevel | undefined, state: string | undefined): 0 | 1 | 2 | 3 | 4 {
  return state?.toLowerCase() === 'confirmedcompromised' ? 4 : (level?.severity ?? 0)
}

function detailIn(resource: JsonObject): string | undefined {
  const detail = text(resource['riskDetail'])
  return detail === undefined || detail === 'none' || detail === 'hidden' ? undefined : detail
}

function titleOf(kind: RiskKind, type: string | undefined): string {
  if (type !== undefined) return riskEvents.get(type.toLowerCase())?.title ?? type
  return kind.who === 'user' ? 'Risky user' : 'Risky service principal'
}

function dataSources(resource: JsonObject): readonly string[] | undefined {
  const source = text(resource['source'])
  return source === undefined ? undefined : [source]
}

function timeIn(resource: JsonObject, name: string): number | undefined {
  const written = text(resource[name])
  return written === undefined ? undefined : parseTime(written)
}

interface About {
  readonly kind: RiskKind
  readonly user: User | undefined
  readonly state: RiskState | undefined
  readonly level: RiskLevel | undefined
  readonly type: string | undefined
  readonly place: string | undefined
}

function told({ kind, user, state, level, type, place }: About, resource: JsonObject): string {
  const name = user === undefined ? 'somebody' : spokenUser(user)
  const [who, subject] =
    kind.who === 'user' ? [name, capital(name)] : [`the service principal ${name}`, `The service principal ${name}`]
  if (kind.of === 'detection') {
    const saw = type === undefined ? 'a risk' : (riskEvents.get(type.toLowerCase())?.saw ?? spoken(type))
    const standing = [level === undefined ? undefined : `risk ${level.word}`, state?.words].filter(Boolean).join(', ')
    const from = place === undefined ? '' : `, from ${place}`
    return `Identity Protection saw ${saw} for ${who}${standing === '' ? '' : ` (${standing})`}${from}`
  }
  const why = riskDetails.get(detailIn(resource)?.toLowerCase() ?? '')
  const because = why === undefined ? '' : `: ${why}`
  const rated = level === undefined || level.id === 0 ? '' : ` (risk ${level.word})`
  const { words } = state ?? {}
  if (words === 'remediated' || words === 'dismissed') return `The risk of ${who} was ${words}${because}`
  if (words !== undefined) return `${subject} was ${words}${rated}${because}`
  return `Identity Protection rated ${who} ${state?.isOpen === true ? `at risk${rated}` : `as not at risk${because}`}`
}
