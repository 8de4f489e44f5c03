// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Changes to roles and to the policies that guard the tenant. */
import type { Role } from './applications.ts'
import { modified } from './audit.ts'
import type { Change, Initiator, ModifiedProperty, Target } from './audit.ts'
import { COMPANY } from './company.ts'
import type { Account } from './company.ts'
import type { Policy } from './conditional-access.ts'
import { coreChange, included, userTarget } from './people-changes.ts'
import { policyDocument } from './policy-document.ts'
import type { Revision } from './policy-document.ts'

function roleProperties(
  { name, templateId, wellKnownName }: Role,
  objectId: string,
  added: boolean,
): ModifiedProperty[] {
  const property = (displayName: string, value: string) =>
    added ? modified(displayName, null, value) : modified(displayName, value, null)
  return [
    property('Role.ObjectID', objectId),
    property('Role.DisplayName', name),
    property('Role.TemplateId', templateId),
    property('Role.WellKnownObjectName', wellKnownName),
  ]
}

/** A direct assignment, outside of PIM. */
export function addToRole(by: Initiator, user: Account, role: Role, objectId: string): Change {
  const targets = [
    userTarget(user, roleProperties(role, objectId, true)),
    { id: objectId, displayName: null, type: 'Role' },
  ]
  return coreChange({ activity: 'Add member to role', category: 'RoleManagement', operation: 'Assign', by, targets })
}

export function removeFromRole(by: Initiator, user: Account, role: Role, objectId: string): Change {
  const targets = [
    userTarget(user, roleProperties(role, objectId, false)),
    { id: objectId, displayName: null, type: 'Role' },
  ]
  return coreChange({
    activity: 'Remove member from role',
    category: 'RoleManagement',
    operation: 'Unassign',
    by,
    targets,
  })
}

/** A record of Privileged Identity Management about one request. */
export interface PimRequest {
  readonly user: Account
  readonly role: Role
  readonly roleObjectId: string
  readonly requestId: string
  readonly tenantId: string
  readonly startIso: string
  readonly endIso?: string
  readonly justification: string
}

export function pim(activity: string, operation: Change['operation'], by: Initiator, request: PimRequest): Change {
  const { user, role, roleObjectId, requestId, tenantId, startIso, endIso, justification } = request
  const origin = {
    RoleDefinitionOriginId: role.templateId,
    RoleDefinitionOriginType: 'BuiltInRole',
    TemplateId: role.templateId,
  }
  const targets: Target[] = [
    {
      id: roleObjectId,
      displayName: role.name,
      type: 'Role',
      modifiedProperties: Object.entries(origin).map(([key, value]) => modified(key, '', value)),
    },
    { id: requestId, displayName: null, type: 'Request' },
    { ...userTarget(user), displayName: user.name },
    { id: tenantId, displayName: COMPANY, type: 'Directory' },
    { id: null, displayName: '', type: 'Other' },
  ]
  const caller = 'user' in by ? { oid: by.user.id, ipaddr: by.from?.ip ?? '' } : {}
  return {
    activity,
    category: 'RoleManagement',
    service: 'PIM',
    operation,
    by,
    targets,
    reason: justification,
    details: {
      ...origin,
      StartTime: startIso,
      ...(endIso === undefined ? {} : { ExpirationTime: endIso }),
      Justification: justification,
      tid: tenantId,
      ...caller,
      RequestId: requestId,
    },
  }
}

/** A setting of a role in PIM, or one of its alerts. */
export function pimSetting(
  activity: 'Update role setting in PIM' | 'Disable PIM alert',
  by: Initiator,
  role: Role,
  roleObjectId: string,
  setting: string,
): Change {
  const targets: Target[] = [
    {
      id: roleObjectId,
      displayName: role.name,
      type: 'Role',
      modifiedProperties: [modified('RoleDefinitionOriginId', '', role.templateId)],
    },
    { id: null, displayName: setting, type: 'Other' },
  ]
  return {
    activity,
    category: 'RoleManagement',
    service: 'PIM',
    operation: 'Update',
    by,
    targets,
    details: { Setting: setting, TemplateId: role.templateId },
    reason: null,
  }
}

/** `referenceMs` is the moment that the ages of policies count from. */
export function updatePolicy(
  by: Initiator,
  policy: Policy,
  referenceMs: number,
  before: Revision,
  after: Revision,
): Change {
  return policyChange(
    'Update conditional access policy',
    'Update',
    by,
    policy,
    JSON.stringify(policyDocument(policy, referenceMs, before)),
    JSON.stringify(policyDocument(policy, referenceMs, after)),
  )
}

export function deletePolicy(by: Initiator, policy: Policy, referenceMs: number): Change {
  return policyChange(
    'Delete conditional access policy',
    'Delete',
    by,
    policy,
    JSON.stringify(policyDocument(policy, referenceMs)),
    null,
  )
}

function policyChange(
  activity: string,
  operation: Change['operation'],
  by: Initiator,
  policy: Policy,
  oldValue: string | null,
  newValue: string | null,
): Change {
  const targets = [
    {
      id: policy.id,
      displayName: policy.rule.name,
      type: 'Policy',
      modifiedProperties: [{ displayName: 'ConditionalAccessPolicy', oldValue, newValue }],
    },
  ]
  return {
    activity,
    category: 'Policy',
    service: 'Conditional Access',
    operation,
    by,
    targets,
    details: { Category: 'Conditional Access' },
  }
}

/** Trusted addresses of the tenant. */
export function updateNamedLocation(
  by: Initiator,
  id: string,
  name: string,
  oldRanges: readonly string[],
  newRanges: readonly string[],
): Change {
  const location = (ranges: readonly string[]) => ({
    id,
    displayName: name,
    isTrusted: true,
    ipRanges: ranges.map((cidrAddress) => ({ cidrAddress })),
  })
  const targets = [
    {
      id,
      displayName: name,
      type: 'Policy',
      modifiedProperties: [modified('NamedLocation', location(oldRanges), location(newRanges))],
    },
  ]
  return {
    activity: 'Update named location',
    category: 'Policy',
    service: 'Conditional Access',
    operation: 'Update',
    by,
    targets,
    details: { Category: 'Conditional Access' },
  }
}

export function updateAuthorizationPolicy(
  by: Initiator,
  id: string,
  property: string,
  oldValue: unknown,
  newValue: unknown,
): Change {
  const targets = [
    {
      id,
      displayName: 'Authorization Policy',
      type: 'Policy',
      modifiedProperties: [modified(property, oldValue, newValue), included(property)],
    },
  ]
  return coreChange({
    activity: 'Update authorization policy',
    category: 'AuthorizationPolicy',
    operation: 'Update',
    by,
    targets,
  })
}

export function updateAuthenticationMethods(by: Initiator, id: string, oldValue: unknown, newValue: unknown): Change {
  const targets = [
    {
      id,
      displayName: 'Authentication Methods Policy',
      type: 'Policy',
      modifiedProperties: [modified('AuthenticationMethodsPolicy', oldValue, newValue)],
    },
  ]
  return {
    activity: 'Authentication Methods Policy Update',
    category: 'ApplicationManagement',
    service: 'Authentication Methods',
    operation: 'Update',
    by,
    targets,
  }
}

export function updateCrossTenantAccess(by: Initiator, id: string, oldValue: unknown, newValue: unknown): Change {
  const targets = [
    {
      id,
      displayName: 'Default',
      type: 'Policy',
      modifiedProperties: [modified('b2bCollaborationInbound', oldValue, newValue)],
    },
  ]
  return coreChange({
    activity: 'Update the company default cross-tenant access setting',
    category: 'CrossTenantAccessSettings',
    operation: 'Update',
    by,
    targets,
  })
}

/** What the directory writes beside a change of Conditional Access. */
export function directoryPolicyUpdate(by: Initiator, policy: Policy): Change {
  const targets = [
    { id: policy.id, displayName: policy.rule.name, type: 'Policy', modifiedProperties: [included('PolicyDetail')] },
  ]
  return coreChange({ activity: 'Update policy', category: 'Policy', operation: 'Update', by, targets })
}
