// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// OCSF events of each class, put together of what all have and what only theirs has. The names of class, activity and
// severity and the sum `type_uid` are filled in here, so that no mapping gets them wrong. Members are written out, not
// spread: all events of a class have one shape, and cost little.

import type { Actor, Device, HttpRequest, Metadata, NetworkEndpoint, Observable } from '../schema/ocsf-objects.ts'
import {
  type AccountChange,
  type ApiActivity,
  type Authentication,
  type BaseEvent,
  type DetectionFinding,
  type EntityManagement,
  type GroupManagement,
  ocsfClasses,
  type UserAccess,
} from '../schema/ocsf.ts'
import { type Outcome, sentence, type SeverityId, severityNames } from './ocsf-base.ts'

/** What a mapping says of an event of any class. */
export interface Common {
  readonly metadata: Metadata
  /** Event time, else ledger time. */
  readonly time: number
  readonly severity_id: SeverityId
  readonly outcome: Outcome
  readonly message: string
  /** Instead of the activity's own name: for 99, `Other`. */
  readonly activity_name?: string | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Only where `metadata.profiles` has `host`. */
  readonly device?: Device | undefined
  readonly unmapped?: Readonly<Record<string, unknown>> | undefined
}

/** The members that only events of the class `T` have. */
type Own<T> = Omit<T, keyof BaseEvent | 'src_endpoint' | 'http_request' | 'device'>

export function accountChange(
  common: Common,
  activity: AccountChange['activity_id'],
  own: Own<AccountChange>,
): AccountChange {
  return {
    class_uid: 3001,
    class_name: ocsfClasses[3001].caption,
    category_uid: 3,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[3001].activities[activity],
    type_uid: 300_100 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    src_endpoint: common.src_endpoint,
    http_request: common.http_request,
    device: common.device,
    unmapped: common.unmapped,
    user: own.user,
    user_result: own.user_result,
    auth_factors: own.auth_factors,
    policies: own.policies,
  }
}

/** `service` or `dst_endpoint` is there: where nobody says into what, a service named after the product. */
export function authentication(
  common: Common,
  activity: Authentication['activity_id'],
  own: Own<Authentication>,
): Authentication {
  return {
    class_uid: 3002,
    class_name: ocsfClasses[3002].caption,
    category_uid: 3,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[3002].activities[activity],
    type_uid: 300_200 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    src_endpoint: common.src_endpoint,
    http_request: common.http_request,
    device: common.device,
    unmapped: common.unmapped,
    user: own.user,
    service:
      own.service ?? (own.dst_endpoint === undefined ? { name: common.metadata.product.name ?? 'unknown' } : undefined),
    session: own.session,
    dst_endpoint: own.dst_endpoint,
    is_mfa: own.is_mfa,
    is_remote: own.is_remote,
    is_cleartext: own.is_cleartext,
    is_new_logon: own.is_new_logon,
    logon_type: own.logon_type,
    logon_type_id: own.logon_type_id,
    auth_protocol: own.auth_protocol,
    auth_protocol_id: own.auth_protocol_id,
    auth_factors: own.auth_factors,
    risk_level: own.risk_level,
    risk_level_id: own.risk_level_id,
    risk_details: own.risk_details,
  }
}

export function entityManagement(
  common: Common,
  activity: EntityManagement['activity_id'],
  own: Own<EntityManagement>,
): EntityManagement {
  return {
    class_uid: 3004,
    class_name: ocsfClasses[3004].caption,
    category_uid: 3,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[3004].activities[activity],
    type_uid: 300_400 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    src_endpoint: common.src_endpoint,
    http_request: common.http_request,
    device: common.device,
    unmapped: common.unmapped,
    entity: own.entity,
    entity_result: own.entity_result,
    comment: own.comment,
    access_list: own.access_list,
  }
}

export function userAccess(common: Common, activity: UserAccess['activity_id'], own: Own<UserAccess>): UserAccess {
  return {
    class_uid: 3005,
    class_name: ocsfClasses[3005].caption,
    category_uid: 3,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[3005].activities[activity],
    type_uid: 300_500 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    src_endpoint: common.src_endpoint,
    http_request: common.http_request,
    device: common.device,
    unmapped: common.unmapped,
    user: own.user,
    privileges: own.privileges,
    resource: own.resource,
    resources: own.resources,
  }
}

export function groupManagement(
  common: Common,
  activity: GroupManagement['activity_id'],
  own: Own<GroupManagement>,
): GroupManagement {
  return {
    class_uid: 3006,
    class_name: ocsfClasses[3006].caption,
    category_uid: 3,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[3006].activities[activity],
    type_uid: 300_600 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    src_endpoint: common.src_endpoint,
    http_request: common.http_request,
    device: common.device,
    unmapped: common.unmapped,
    group: own.group,
    user: own.user,
    subgroup: own.subgroup,
    privileges: own.privileges,
    resource: own.resource,
  }
}

export function apiActivity(
  common: Common & { readonly actor: Actor; readonly src_endpoint: NetworkEndpoint },
  activity: ApiActivity['activity_id'],
  own: Own<ApiActivity>,
): ApiActivity {
  return {
    class_uid: 6003,
    class_name: ocsfClasses[6003].caption,
    category_uid: 6,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[6003].activities[activity],
    type_uid: 600_300 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    src_endpoint: common.src_endpoint,
    http_request: common.http_request,
    device: common.device,
    unmapped: common.unmapped,
    api: own.api,
    resources: own.resources,
    dst_endpoint: own.dst_endpoint,
    http_response: own.http_response,
  }
}

const findingStatus = {
  0: 'Unknown',
  1: 'New',
  2: 'In Progress',
  3: 'Suppressed',
  4: 'Resolved',
  5: 'Archived',
  6: 'Deleted',
  99: 'Other',
} as const

/**
 * A finding's status is not how something ended but what became of it, so `common.outcome` gives only code and detail.
 * `actor` is there only where `metadata.profiles` has `host`; whom it is about stands in `evidences`.
 */
export function detectionFinding(
  common: Common,
  activity: DetectionFinding['activity_id'],
  own: Own<DetectionFinding> & { readonly status_id: NonNullable<DetectionFinding['status_id']> },
): DetectionFinding {
  return {
    class_uid: 2004,
    class_name: ocsfClasses[2004].caption,
    category_uid: 2,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[2004].activities[activity],
    type_uid: 200_400 + activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: own.status_id,
    status: findingStatus[own.status_id],
    status_code: common.outcome.status_code,
    status_detail: common.outcome.status_detail,
    message: common.message,
    metadata: common.metadata,
    actor: common.actor,
    device: common.device,
    unmapped: common.unmapped,
    finding_info: own.finding_info,
    evidences: own.evidences,
    resources: own.resources,
    risk_level: own.risk_level,
    risk_level_id: own.risk_level_id,
    risk_details: own.risk_details,
    risk_score: own.risk_score,
    confidence: own.confidence,
    confidence_id: own.confidence_id,
    comment: own.comment,
    is_alert: own.is_alert,
  }
}

function observed(name: string, ip: string): Observable {
  return { name, type: 'IP Address', type_id: 2, value: ip }
}

/**
 * An event of no class, `reason` saying why. Base Event has no endpoint, so an address becomes an observable, and has
 * its actor by the profile `host`.
 */
export function baseEvent(common: Common, reason: string, activity: BaseEvent['activity_id'] = 0): BaseEvent {
  const { ip, intermediate_ips: others = [] } = common.src_endpoint ?? {}
  const observables: readonly Observable[] | undefined =
    ip === undefined
      ? undefined
      : [observed('src_endpoint.ip', ip), ...others.map((other) => observed('src_endpoint.intermediate_ips', other))]
  return {
    class_uid: 0,
    class_name: ocsfClasses[0].caption,
    category_uid: 0,
    activity_id: activity,
    activity_name: common.activity_name ?? ocsfClasses[0].activities[activity],
    type_uid: activity,
    time: common.time,
    severity_id: common.severity_id,
    severity: severityNames[common.severity_id],
    status_id: common.outcome.status_id,
    status: common.outcome.status,
    status_code: common.outcome.status_code,
    status_detail: reason,
    message: sentence(common.message),
    metadata: common.actor === undefined ? common.metadata : { ...common.metadata, profiles: ['host'] },
    actor: common.actor,
    observables,
    unmapped: common.unmapped,
  }
}
