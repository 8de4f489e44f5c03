// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// OCSF 1.8.0 (https://schema.ocsf.io/1.8.0/), as far as mappings fill it: made by
// scripts/ocsf-types.ts and not to be edited. An attribute that is undefined is absent. One of a profile stands only
// in an event whose `metadata.profiles` names that profile.

import type {
  Metadata,
  Observable,
  Actor,
  User,
  Session,
  Group,
  NetworkEndpoint,
  Device,
  AuthFactor,
  Policy,
  Service,
  ManagedEntity,
  ResourceDetails,
  FindingInfo,
  Evidences,
  Api,
  HttpRequest,
  HttpResponse,
} from './ocsf-objects.ts'

export const OCSF_VERSION = '1.8.0'

/** Names of the classes and their activities, by uid. */
export const ocsfClasses = {
  0: { caption: 'Base Event', category: 0, activities: { 0: 'Unknown', 99: 'Other' } },
  2004: {
    caption: 'Detection Finding',
    category: 2,
    activities: { 0: 'Unknown', 1: 'Create', 2: 'Update', 3: 'Close', 99: 'Other' },
  },
  3001: {
    caption: 'Account Change',
    category: 3,
    activities: {
      0: 'Unknown',
      1: 'Create',
      2: 'Enable',
      3: 'Password Change',
      4: 'Password Reset',
      5: 'Disable',
      6: 'Delete',
      7: 'Attach Policy',
      8: 'Detach Policy',
      9: 'Lock',
      10: 'MFA Factor Enable',
      11: 'MFA Factor Disable',
      12: 'Unlock',
      99: 'Other',
    },
  },
  3002: {
    caption: 'Authentication',
    category: 3,
    activities: {
      0: 'Unknown',
      1: 'Logon',
      2: 'Logoff',
      3: 'Authentication Ticket',
      4: 'Service Ticket Request',
      5: 'Service Ticket Renew',
      6: 'Preauth',
      7: 'Account Switch',
      99: 'Other',
    },
  },
  3003: {
    caption: 'Authorize Session',
    category: 3,
    activities: { 0: 'Unknown', 1: 'Assign Privileges', 2: 'Assign Groups', 99: 'Other' },
  },
  3004: {
    caption: 'Entity Management',
    category: 3,
    activities: {
      0: 'Unknown',
      1: 'Create',
      2: 'Read',
      3: 'Update',
      4: 'Delete',
      5: 'Move',
      6: 'Enroll',
      7: 'Unenroll',
      8: 'Enable',
      9: 'Disable',
      10: 'Activate',
      11: 'Deactivate',
      12: 'Suspend',
      13: 'Resume',
      99: 'Other',
    },
  },
  3005: {
    caption: 'User Access Management',
    category: 3,
    activities: { 0: 'Unknown', 1: 'Assign Privileges', 2: 'Revoke Privileges', 99: 'Other' },
  },
  3006: {
    caption: 'Group Management',
    category: 3,
    activities: {
      0: 'Unknown',
      1: 'Assign Privileges',
      2: 'Revoke Privileges',
      3: 'Add User',
      4: 'Remove User',
      5: 'Delete',
      6: 'Create',
      7: 'Add Subgroup',
      8: 'Remove Subgroup',
      99: 'Other',
    },
  },
  6003: {
    caption: 'API Activity',
    category: 6,
    activities: { 0: 'Unknown', 1: 'Create', 2: 'Read', 3: 'Update', 4: 'Delete', 99: 'Other' },
  },
} as const

export type OcsfEvent =
  | BaseEvent
  | DetectionFinding
  | AccountChange
  | Authentication
  | AuthorizeSession
  | EntityManagement
  | UserAccess
  | GroupManagement
  | ApiActivity

/** What all classes have. */
interface EveryEvent {
  readonly class_name?: string | undefined
  readonly category_name?: string | undefined
  readonly activity_name?: string | undefined
  readonly type_uid: number
  readonly time: number
  readonly message?: string | undefined
  readonly severity_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 99
  readonly severity?: string | undefined
  readonly status?: string | undefined
  readonly status_code?: string | undefined
  readonly status_detail?: string | undefined
  readonly count?: number | undefined
  readonly start_time?: number | undefined
  readonly end_time?: number | undefined
  readonly metadata: Metadata
  readonly observables?: readonly Observable[] | undefined
  readonly unmapped?: Readonly<Record<string, unknown>> | undefined
}

/** Base Event. */
export interface BaseEvent extends EveryEvent {
  readonly class_uid: 0
  readonly category_uid: 0
  readonly activity_id: 0 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  /** Profile `host`. */
  readonly actor?: Actor | undefined
}

/** Detection Finding. */
export interface DetectionFinding extends EveryEvent {
  readonly class_uid: 2004
  readonly category_uid: 2
  readonly activity_id: 0 | 1 | 2 | 3 | 99
  readonly status_id?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 99 | undefined
  /** Profile `host`. */
  readonly actor?: Actor | undefined
  readonly device?: Device | undefined
  readonly finding_info: FindingInfo
  readonly evidences?: readonly Evidences[] | undefined
  readonly resources?: readonly ResourceDetails[] | undefined
  readonly risk_level?: string | undefined
  readonly risk_level_id?: 0 | 1 | 2 | 3 | 4 | 99 | undefined
  readonly risk_details?: string | undefined
  readonly risk_score?: number | undefined
  readonly confidence?: string | undefined
  readonly confidence_id?: 0 | 1 | 2 | 3 | 99 | undefined
  readonly comment?: string | undefined
  readonly is_alert?: boolean | undefined
}

/** Account Change. */
export interface AccountChange extends EveryEvent {
  readonly class_uid: 3001
  readonly category_uid: 3
  readonly activity_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly user: User
  readonly user_result?: User | undefined
  readonly auth_factors?: readonly AuthFactor[] | undefined
  readonly policies?: readonly Policy[] | undefined
}

/** Authentication. */
export interface Authentication extends EveryEvent {
  readonly class_uid: 3002
  readonly category_uid: 3
  readonly activity_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly user: User
  readonly service?: Service | undefined
  readonly session?: Session | undefined
  readonly dst_endpoint?: NetworkEndpoint | undefined
  readonly is_mfa?: boolean | undefined
  readonly is_remote?: boolean | undefined
  readonly is_cleartext?: boolean | undefined
  readonly is_new_logon?: boolean | undefined
  readonly logon_type?: string | undefined
  readonly logon_type_id?: 0 | 1 | 2 | 3 | 4 | 5 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 99 | undefined
  readonly auth_protocol?: string | undefined
  readonly auth_protocol_id?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 99 | undefined
  readonly auth_factors?: readonly AuthFactor[] | undefined
  /** Profile `security_control`. */
  readonly risk_level?: string | undefined
  /** Profile `security_control`. */
  readonly risk_level_id?: 0 | 1 | 2 | 3 | 4 | 99 | undefined
  /** Profile `security_control`. */
  readonly risk_details?: string | undefined
}

/** Authorize Session. */
interface AuthorizeSession extends EveryEvent {
  readonly class_uid: 3003
  readonly category_uid: 3
  readonly activity_id: 0 | 1 | 2 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly user: User
  readonly session?: Session | undefined
  readonly privileges?: readonly string[] | undefined
  readonly group?: Group | undefined
  readonly dst_endpoint?: NetworkEndpoint | undefined
}

/** Entity Management. */
export interface EntityManagement extends EveryEvent {
  readonly class_uid: 3004
  readonly category_uid: 3
  readonly activity_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly entity: ManagedEntity
  readonly entity_result?: ManagedEntity | undefined
  readonly comment?: string | undefined
  readonly access_list?: readonly string[] | undefined
}

/** User Access Management. */
export interface UserAccess extends EveryEvent {
  readonly class_uid: 3005
  readonly category_uid: 3
  readonly activity_id: 0 | 1 | 2 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly user: User
  readonly privileges: readonly string[]
  readonly resource?: ResourceDetails | undefined
  readonly resources?: readonly ResourceDetails[] | undefined
}

/** Group Management. */
export interface GroupManagement extends EveryEvent {
  readonly class_uid: 3006
  readonly category_uid: 3
  readonly activity_id: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor?: Actor | undefined
  readonly src_endpoint?: NetworkEndpoint | undefined
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly group: Group
  readonly user?: User | undefined
  readonly subgroup?: Group | undefined
  readonly privileges?: readonly string[] | undefined
  readonly resource?: ResourceDetails | undefined
}

/** API Activity. */
export interface ApiActivity extends EveryEvent {
  readonly class_uid: 6003
  readonly category_uid: 6
  readonly activity_id: 0 | 1 | 2 | 3 | 4 | 99
  readonly status_id?: 0 | 1 | 2 | 99 | undefined
  readonly actor: Actor
  readonly src_endpoint: NetworkEndpoint
  readonly http_request?: HttpRequest | undefined
  /** Profile `host`. */
  readonly device?: Device | undefined
  readonly dst_endpoint?: NetworkEndpoint | undefined
  readonly api: Api
  readonly resources?: readonly ResourceDetails[] | undefined
  readonly http_response?: HttpResponse | undefined
}
