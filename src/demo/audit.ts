// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** AuditLogs: one change in the directory, as a small description and as the line that Entra exports for it. */
import type { Application } from './applications.ts'
import type { Account, Network } from './company.ts'
import type { Draw } from './draw.ts'
import { envelope, stamp } from './envelope.ts'
import type { DemoEvent } from './envelope.ts'

export type Initiator =
  | { readonly user: Account; readonly from: Network | undefined; readonly userAgent?: string }
  | { readonly app: Application; readonly from?: Network; readonly userAgent?: string }

export interface ModifiedProperty {
  readonly displayName: string
  readonly oldValue: string | null
  readonly newValue: string | null
}

export interface Target {
  readonly id: string | null
  readonly displayName: string | null
  readonly type: string
  readonly userPrincipalName?: string
  readonly groupType?: string
  readonly modifiedProperties?: readonly ModifiedProperty[]
}

export interface Change {
  readonly activity: string
  readonly category: string
  readonly service: string
  readonly operation:
    | 'Add'
    | 'Update'
    | 'Delete'
    | 'Assign'
    | 'Unassign'
    | 'Register'
    | 'ActivateRole'
    | 'DeactivateRole'
    | 'Other'
  readonly by: Initiator
  readonly targets: readonly Target[]
  readonly details?: Readonly<Record<string, string>>
  readonly failed?: boolean
  readonly reason?: string | null
}

/** Old and new values are JSON inside strings; an absent value is null. */
export function modified(displayName: string, oldValue: unknown, newValue: unknown): ModifiedProperty {
  return { displayName, oldValue: inner(oldValue), newValue: inner(newValue) }
}

function inner(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value)
}

/** What each service puts before the ids of its events; the others put their own name. */
const idPrefixes: Readonly<Record<string, string>> = {
  'Core Directory': 'Directory',
  'Conditional Access': 'IPCGraph',
  'Self-service Group Management': 'SSGM',
  'Self-service Password Management': 'SSPR',
}

/** Services that leave the reason null where they have none. */
const NULL_REASON = new Set(['Conditional Access', 'Authentication Methods', 'PIM'])

/** `correlationId` ties together the records that one request leaves behind. */
export function audit(
  draw: Draw,
  tenantId: string,
  atMs: number,
  change: Change,
  correlationId: string = draw.guid(),
): DemoEvent {
  const at = stamp(draw, atMs)
  const { by, service } = change
  const prefix = idPrefixes[service] ?? service
  const result = change.failed === true ? 'failure' : 'success'
  const properties = {
    tenantId,
    resultType: '',
    resultDescription: '',
    operationName: change.activity,
    identity: '',
    tenantGeo: 'EU',
    id: `${prefix}_${correlationId}_${draw.code(5)}_${draw.between(1_200_000, 289_999_999)}`,
    category: change.category,
    correlationId,
    result,
    resultReason: change.reason ?? (NULL_REASON.has(service) ? null : ''),
    activityDisplayName: change.activity,
    activityDateTime: at.offset,
    loggedByService: service,
    operationType: change.operation,
    userAgent: null,
    initiatedBy: initiatedBy(by),
    targetResources: change.targets.map(targetResource),
    additionalDetails: additionalDetails(change),
  }
  const head = {
    operationName: change.activity,
    category: 'AuditLogs',
    resultSignature: 'None',
    resultDescription: change.reason ?? undefined,
    callerIpAddress: by.from?.ip,
    correlationId,
    identity: 'user' in by ? by.user.name : by.app.name,
  }
  return envelope(tenantId, at, head, properties)
}

function initiatedBy(by: Initiator): object {
  if ('app' in by) {
    return {
      app: {
        appId: null,
        displayName: by.app.name,
        servicePrincipalId: by.app.servicePrincipalId,
        servicePrincipalName: null,
      },
    }
  }
  const { id, upn } = by.user
  return { user: { id, displayName: null, userPrincipalName: upn, ipAddress: by.from?.ip ?? null, roles: [] } }
}

function targetResource({ modifiedProperties = [], ...target }: Target): object {
  return { ...target, modifiedProperties, administrativeUnits: [] }
}

function additionalDetails({ details = {}, by }: Change): object[] {
  const all = by.userAgent === undefined ? details : { ...details, 'User-Agent': by.userAgent }
  return Object.entries(all).map(([key, value]) => ({ key, value }))
}
