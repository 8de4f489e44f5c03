// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One reading view of an Entra record, whatever form it arrived in, so that each kind has one mapping: the Graph
// resource on its own, the envelope of diagnostic settings with that resource as `properties`, or a row of a Log
// Analytics table. Nothing is copied but the top of a row, whose columns get the names that the other forms use.

import { decoded, memberOf, objectOf, text } from '../json.ts'
import type { Json, JsonObject } from '../json.ts'

export interface EntraRecord {
  readonly form: 'graph' | 'diagnostic' | 'log-analytics'
  /** The Graph resource. Of a row: all its columns, renamed. */
  readonly resource: JsonObject
  /** The envelope; of a row the same object as `resource`, since rows have both in one; of a Graph resource empty. */
  readonly envelope: JsonObject
  /** The tenant whose log this is; never the Log Analytics workspace, nor the tenant of a guest. */
  readonly tenant: string | undefined
  /** The resource's own category (`RoleManagement`), else the envelope's (`AuditLogs`, `SignInLogs`). */
  readonly category: string | undefined
  readonly correlation: string | undefined
  /** As written: it may carry a port or brackets, or be no address at all. */
  readonly callerIp: string | undefined
  /** Who acted, by name, where only the envelope says it. */
  readonly identity: string | undefined
  readonly operation: string | undefined
  readonly resultType: string | undefined
  readonly resultSignature: string | undefined
  readonly resultDescription: string | undefined
  /** The envelope's `Level` or `level`, which may be a number or a string. */
  readonly level: string | undefined
  /** When the envelope was written, or the row's `TimeGenerated`: a fallback for the resource's own time. */
  readonly time: string | undefined
}

const NOTHING: JsonObject = Object.freeze({})

export function recordOf(event: JsonObject): EntraRecord {
  if (Object.hasOwn(event, 'TimeGenerated')) {
    const row = renamed(event)
    return view('log-analytics', row, row)
  }
  if (Object.hasOwn(event, 'properties') || Object.hasOwn(event, 'time')) {
    return view('diagnostic', objectOf(decoded(event['properties'])) ?? NOTHING, event)
  }
  return view('graph', event, NOTHING)
}

function view(form: EntraRecord['form'], resource: JsonObject, envelope: JsonObject): EntraRecord {
  return {
    form,
    resource,
    envelope,
    tenant: text(envelope['tenantId']) ?? text(resource['tenantId']) ?? tenantIn(text(envelope['resourceId'])),
    category: text(resource['category']) ?? text(envelope['category']),
    correlation: text(resource['correlationId']) ?? text(envelope['correlationId']),
    callerIp: text(envelope['callerIpAddress']),
    identity: text(envelope['identity']),
    operation: text(envelope['operationName']) ?? text(resource['operationName']),
    resultType: text(envelope['resultType']),
    resultSignature: text(envelope['resultSignature']),
    resultDescription: text(envelope['resultDescription']),
    level: text(envelope['Level'] ?? envelope['level']),
    time: text(envelope['time']),
  }
}

/** Deeper than events themselves may be, JSON inside a string stays text: what walks an event need not expect it. */

/** `/tenants/<id>/providers/Microsoft.aadiam`. */
function tenantIn(resourceId: string | undefined): string | undefined {
  if (resourceId === undefined || resourceId.slice(0, 9).toLowerCase() !== '/tenants/') return undefined
  const end = resourceId.indexOf('/', 9)
  return text(end < 0 ? resourceId.slice(9) : resourceId.slice(9, end))
}

/** Columns that are not named as the resource names the same, with a capital. */
const columns: ReadonlyMap<string, string> = new Map([
  ['AADOperationType', 'operationType'],
  ['AADTenantId', 'tenantId'],
  ['ConditionalAccessPolicies', 'appliedConditionalAccessPolicies'],
  ['IPAddress', 'ipAddress'],
  ['IPAddressFromResourceProvider', 'ipAddressFromResourceProvider'],
  ['LocationDetails', 'location'],
  ['Location', 'country'],
  ['RiskEventTypes_V2', 'riskEventTypes_v2'],
  ['TenantId', 'workspaceId'],
  ['TimeGenerated', 'time'],
])

/** Columns that hold JSON, which exports write as text: opened where they are what they should be, else left. */
const opened: ReadonlySet<string> = new Set([
  'AdditionalDetails',
  'AdditionalInfo',
  'AppliedEventListeners',
  'AuthenticationAppDeviceDetails',
  'AuthenticationAppPolicyEvaluationDetails',
  'AuthenticationContextClassReferences',
  'AuthenticationDetails',
  'AuthenticationProcessingDetails',
  'AuthenticationRequirementPolicies',
  'ConditionalAccessPolicies',
  'DeviceDetail',
  'InitiatedBy',
  'Location',
  'LocationDetails',
  'MfaDetail',
  'ModifiedProperties',
  'NetworkLocationDetails',
  'PrivateLinkDetails',
  'ProvisioningStatusInfo',
  'ProvisioningSteps',
  'RiskEventTypes',
  'RiskEventTypes_V2',
  'ServicePrincipal',
  'SessionLifetimePolicies',
  'SourceIdentity',
  'SourceSystem',
  'Status',
  'TargetIdentity',
  'TargetResources',
  'TargetSystem',
  'TokenProtectionStatusDetails',
])

/** Keys that a query's author added beside the columns keep their names, and never displace a column. */
function renamed(row: JsonObject): JsonObject {
  const members: [string, Json][] = []
  const added: [string, Json][] = []
  for (const key of Object.keys(row)) {
    const value = memberOf(row, key) ?? null
    const first = key.charCodeAt(0)
    if (first >= 0x41 && first <= 0x5a) {
      members.push([columns.get(key) ?? lowerFirst(key), opened.has(key) ? (decoded(value) ?? null) : value])
    } else added.push([key, value])
  }
  // Defines members instead of assigning them: `__proto__` is a key like any other. The last of one name stays.
  return Object.fromEntries([...added, ...members])
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}
