// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Changes to users, groups, licences, security info and devices, spelt as Entra spells them. */
import type { Application, Group } from './applications.ts'
import { modified } from './audit.ts'
import type { Change, Initiator, ModifiedProperty, Target } from './audit.ts'
import { COMPANY } from './company.ts'
import type { Account, Device, Person } from './company.ts'

const GRAPH_CLIENT = 'Microsoft Azure Graph Client Library 1.0'

type CoreChange = Pick<Change, 'activity' | 'category' | 'operation' | 'by' | 'targets'> & Partial<Change>

/** A change that the directory itself logs. */
export function coreChange(change: CoreChange): Change {
  return { service: 'Core Directory', details: { 'User-Agent': GRAPH_CLIENT }, ...change }
}

export function userTarget(user: Account, modifiedProperties: readonly ModifiedProperty[] = []): Target {
  return { id: user.id, displayName: null, type: 'User', userPrincipalName: user.upn, modifiedProperties }
}

/** The list of what changed that ends most of the directory's own records. */
export function included(...names: string[]): ModifiedProperty {
  return modified('Included Updated Properties', null, names.join(', '))
}

function userChange(
  activity: string,
  operation: Change['operation'],
  by: Initiator,
  user: Account,
  properties: readonly ModifiedProperty[],
): Change {
  return coreChange({
    activity,
    category: 'UserManagement',
    operation,
    by,
    targets: [userTarget(user, properties)],
    details: { 'User-Agent': GRAPH_CLIENT, UserType: 'Member' },
  })
}

export function addUser(by: Initiator, user: Account, department: string): Change {
  return userChange('Add user', 'Add', by, user, [
    modified('AccountEnabled', [], [true]),
    modified('Department', [], [department]),
    modified('DisplayName', [], [user.name]),
    modified('MailNickname', [], [user.upn.split('@')[0]]),
    modified('StsRefreshTokensValidFrom', [], []),
    modified('UserPrincipalName', [], [user.upn]),
    modified('UserType', [], ['Member']),
    included(
      'AccountEnabled',
      'Department',
      'DisplayName',
      'MailNickname',
      'StsRefreshTokensValidFrom',
      'UserPrincipalName',
      'UserType',
    ),
  ])
}

export function updateUser(by: Initiator, user: Account, property: string, oldValue: string, newValue: string): Change {
  return userChange('Update user', 'Update', by, user, [
    modified(property, oldValue === '' ? [] : [oldValue], [newValue]),
    included(property),
    modified('TargetId.UserType', null, 'Member'),
  ])
}

export function deleteUser(by: Initiator, user: Account): Change {
  return userChange('Delete user', 'Delete', by, user, [modified('Is Hard Deleted', null, 'False')])
}

export function disableAccount(by: Initiator, user: Account): Change {
  return userChange('Disable account', 'Update', by, user, [
    modified('AccountEnabled', [true], [false]),
    included('AccountEnabled'),
    modified('TargetId.UserType', null, 'Member'),
  ])
}

export function resetPassword(by: Initiator, user: Account, atIso: string): Change {
  return userChange('Reset user password', 'Update', by, user, [
    modified('LastPasswordChangeTimestamp', [], [atIso]),
    modified('ForceChangePassword', [false], [true]),
    included('LastPasswordChangeTimestamp', 'ForceChangePassword'),
  ])
}

export function changeOwnPassword(by: Initiator, user: Account): Change {
  return userChange('Change user password', 'Update', by, user, [])
}

/** What revoking a user's sessions leaves behind. */
export function revokeSessions(by: Initiator, user: Account, oldIso: string, newIso: string): Change {
  return userChange('Update StsRefreshTokenValidFrom Timestamp', 'Update', by, user, [
    modified('StsRefreshTokensValidFrom', [oldIso], [newIso]),
    included('StsRefreshTokensValidFrom'),
    modified('TargetId.UserType', null, 'Member'),
  ])
}

/** Products by the ids that Microsoft publishes for them. */
const skuIds = {
  EXCHANGEARCHIVE_ADDON: 'ee02fd1b-340e-4a4b-b355-4a514e4c8943',
  POWER_BI_PRO: 'f8a1db68-be16-40ed-86d5-cb42ce701560',
  SPE_E3: '05e9a617-0261-4cee-bb44-138d3ef5d965',
  SPE_E5: '06ebc4ee-1bb5-47dd-8120-11324bc54e06',
  SPE_F1: '66b55226-6b4f-492c-910c-a3b7a3c9d993',
} as const

type Sku = keyof typeof skuIds

export function changeLicence(by: Initiator, user: Account, from: Sku | undefined, to: Sku): Change {
  const assigned = (sku: Sku) => `[SkuName=${sku}, SkuId=${skuIds[sku]}, DisabledPlans=[]]`
  return userChange('Change user license', 'Update', by, user, [
    modified('AssignedLicense', from === undefined ? [] : [assigned(from)], [assigned(to)]),
    included('AssignedLicense'),
    modified('TargetId.UserType', null, 'Member'),
  ])
}

function membership(
  activity: string,
  operation: Change['operation'],
  by: Initiator,
  user: Account,
  { id, name }: Group,
  added: boolean,
): Change {
  const property = (displayName: string, value: string) =>
    added ? modified(displayName, null, value) : modified(displayName, value, null)
  const properties = [
    property('Group.ObjectID', id),
    property('Group.DisplayName', name),
    modified('Group.WellKnownObjectName', null, null),
  ]
  const group: Target = { id, displayName: null, type: 'Group', groupType: 'azureAD' }
  return coreChange({
    activity,
    category: 'GroupManagement',
    operation,
    by,
    targets: [userTarget(user, properties), group],
  })
}

export function addToGroup(by: Initiator, user: Account, group: Group): Change {
  return membership('Add member to group', 'Assign', by, user, group, true)
}

export function removeFromGroup(by: Initiator, user: Account, group: Group): Change {
  return membership('Remove member from group', 'Unassign', by, user, group, false)
}

export function updateGroup(by: Initiator, { id, name }: Group, description: string): Change {
  const properties = [modified('Description', [`${name} – members`], [description]), included('Description')]
  const targets = [{ id, displayName: name, type: 'Group', groupType: 'azureAD', modifiedProperties: properties }]
  return coreChange({ activity: 'Update group', category: 'GroupManagement', operation: 'Update', by, targets })
}

export function inviteGuest(by: Initiator, guest: Account, tenantId: string): Change {
  return {
    activity: 'Invite external user',
    category: 'UserManagement',
    service: 'Invited Users',
    operation: 'Add',
    by,
    targets: [{ id: guest.id, displayName: guest.name, type: 'User', userPrincipalName: guest.upn }],
    details: {
      ...('user' in by ? { oid: by.user.id } : {}),
      tid: tenantId,
      ipaddr: by.from?.ip ?? '',
      InvitationId: guest.id,
      invitedUserEmailAddress: guest.name,
    },
  }
}

/** `User registered security info`, `Admin deleted security info` and their kin. */
export function securityInfo(activity: string, by: Initiator, user: Account, method: string): Change {
  const operation = activity.includes('deleted') ? 'Delete' : activity.includes('updated') ? 'Update' : 'Add'
  const verb = operation === 'Delete' ? 'deleted' : operation === 'Update' ? 'changed' : 'registered'
  const who = activity.startsWith('Admin') ? 'Admin' : 'User'
  return {
    activity,
    category: 'UserManagement',
    service: 'Authentication Methods',
    operation,
    by,
    targets: [userTarget(user)],
    reason: `${who} ${verb} ${method}`,
    details: { AuthenticationMethod: method },
  }
}

export function selfServiceReset(by: Initiator, user: Account, failed: boolean): Change {
  return {
    activity: 'Reset password (self-service)',
    category: 'UserManagement',
    service: 'Self-service Password Management',
    operation: 'Update',
    by,
    targets: [userTarget(user)],
    failed,
    reason: failed ? 'User’s new password does not meet the password policy' : 'Successfully completed reset.',
    details: { OnPremisesAgent: 'None' },
  }
}

/** The records that a new phone or computer leaves, in their order. */
export function registerDevice(by: Application, owner: Person, device: Device): Change[] {
  const initiator: Initiator = { app: by }
  const target = (...properties: ModifiedProperty[]): Target => ({
    id: device.id,
    displayName: device.name,
    type: 'Device',
    modifiedProperties: properties,
  })
  const operatingSystem = device.operatingSystem.split(' ')[0]
  const added = target(
    modified('AccountEnabled', [], [true]),
    modified('DeviceOSType', [], [operatingSystem]),
    modified('DeviceTrustType', [], [device.trustType === 'Azure AD joined' ? 'AzureAd' : 'Workplace']),
    modified('DisplayName', [], [device.name]),
    included('AccountEnabled', 'DeviceOSType', 'DeviceTrustType', 'DisplayName'),
  )
  const held = userTarget(owner, [
    modified('Device.ObjectID', null, device.id),
    modified('Device.DisplayName', null, device.name),
    modified('TargetId.DeviceId', null, device.id),
  ])
  const common = { category: 'Device', by: initiator } as const
  return [
    coreChange({ ...common, activity: 'Add device', operation: 'Add', targets: [added] }),
    coreChange({
      ...common,
      activity: 'Add registered owner to device',
      operation: 'Assign',
      targets: [held, target()],
    }),
    coreChange({
      ...common,
      activity: 'Add registered users to device',
      operation: 'Assign',
      targets: [held, target()],
    }),
    {
      ...common,
      activity: 'Register device',
      service: 'Device Registration Service',
      operation: 'Register',
      by: { user: owner, from: owner.office },
      targets: [target(), userTarget(owner)],
      details: {
        'Device Id': device.id,
        'Device OS': operatingSystem ?? '',
        'Device Trust Type': device.trustType,
        'Authentication Requirement': 'multiFactorAuthentication',
        Tenant: COMPANY,
      },
    },
  ]
}

export function deviceCompliance(by: Application, device: Device, compliant: boolean): Change {
  const properties = [
    modified('IsCompliant', [!compliant], [compliant]),
    included('IsCompliant'),
    modified('TargetId.DeviceId', null, device.id),
    modified('TargetId.DeviceOSType', null, device.operatingSystem.split(' ')[0]),
  ]
  const activity = compliant ? 'Update device' : 'Device no longer compliant'
  return coreChange({
    activity,
    category: 'Device',
    operation: 'Update',
    by: { app: by },
    targets: [{ id: device.id, displayName: device.name, type: 'Device', modifiedProperties: properties }],
  })
}
