// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What the occasions of an ordinary week leave behind in the log: somebody joins, a secret is renewed, a role is taken. */
import { addApplication, addOwner, addPrincipal, changeSecrets, updateApplication } from './application-changes.ts'
import { registered, roles } from './applications.ts'
import type { Role } from './applications.ts'
import type { Change, Initiator } from './audit.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './calendar.ts'
import { account, guest, guests, joiners, leavers } from './company.ts'
import type { Person } from './company.ts'
import {
  addToGroup,
  addUser,
  changeLicence,
  changeOwnPassword,
  coreChange,
  deleteUser,
  deviceCompliance,
  disableAccount,
  inviteGuest,
  registerDevice,
  removeFromGroup,
  resetPassword,
  revokeSessions,
  securityInfo,
  selfServiceReset,
  updateGroup,
  updateUser,
  userTarget,
} from './people-changes.ts'
import {
  addToRole,
  directoryPolicyUpdate,
  pim,
  removeFromRole,
  updateNamedLocation,
  updatePolicy,
} from './privilege-changes.ts'
import type { Tenant } from './tenant.ts'
import type { Weeks } from './weeks.ts'

export interface Scene {
  readonly tenant: Tenant
  readonly weeks: Weeks
  readonly atMs: number
  readonly person: Person
  readonly by: Initiator
  /** Counts how often this habit has come up, from 0. */
  readonly turn: number
}

/** What one occasion leaves behind: changes under one correlation id, so long after its begin. */
export type Followed = readonly (readonly [afterMs: number, change: Change])[]

export function joins({ tenant, by, atMs, turn }: Scene): Followed {
  const { draw, apps, groups } = tenant
  const name = joiners[turn] ?? ''
  const user = account(draw, name)
  const department = draw.pick(['Operations', 'Engineering', 'Sales', 'Service'])
  const provisioning: Initiator = { app: apps.provisioning, userAgent: 'larkfield-hr-sync/2.4' }
  return [
    [0, addUser(provisioning, user, department)],
    [2 * SECOND_MS, updateUser(provisioning, user, 'JobTitle', '', `${department} trainee`)],
    [26 * MINUTE_MS, changeLicence(by, user, undefined, 'SPE_E3')],
    ...draw
      .pick([
        [0, 9, 11],
        [1, 9, 11, 12],
        [2, 10, 11],
      ])
      .map(
        (index, place) =>
          [28 * MINUTE_MS + place * 13 * SECOND_MS, addToGroup(by, user, groups[index] ?? draw.pick(groups))] as const,
      ),
    [41 * MINUTE_MS, resetPassword(by, user, tenant.moment(atMs + 41 * MINUTE_MS))],
    [
      3 * HOUR_MS,
      securityInfo(
        'User registered all required security info',
        { user, from: tenant.person('Emma de Wit').office },
        user,
        'Microsoft Authenticator app',
      ),
    ],
  ]
}

export function leaves({ tenant, by, atMs, turn }: Scene): Followed {
  const { draw, groups } = tenant
  const user = account(draw, leavers[turn] ?? '')
  return [
    [0, disableAccount(by, user)],
    [4 * SECOND_MS, revokeSessions(by, user, tenant.moment(atMs - 90 * DAY_MS), tenant.moment(atMs + 4 * SECOND_MS))],
    ...[11, 13, turn].map(
      (index, place) =>
        [
          50 * SECOND_MS + place * 7 * SECOND_MS,
          removeFromGroup(by, user, groups[index] ?? draw.pick(groups)),
        ] as const,
    ),
    [3 * MINUTE_MS, changeLicence(by, user, 'SPE_E3', 'EXCHANGEARCHIVE_ADDON')],
    [26 * HOUR_MS, deleteUser(by, user)],
  ]
}

export function movesInGroups({ tenant: { draw, people, groups }, by }: Scene): Followed {
  const move = draw.chance(0.7) ? addToGroup : removeFromGroup
  return [[0, move(by, draw.pick(people), draw.pick(groups))]]
}

export function changesLicence({ tenant: { draw, people }, by }: Scene): Followed {
  return [[0, changeLicence(by, draw.pick(people), 'SPE_F1', draw.pick(['SPE_E3', 'SPE_E5', 'POWER_BI_PRO'] as const))]]
}

export function reviewsGroup({ tenant: { draw, groups }, by, turn }: Scene): Followed {
  return [[0, updateGroup(by, draw.pick(groups), `Reviewed, request ${48_210 + turn * 37}`)]]
}

export function changesPassword({ by, person }: Scene): Followed {
  return [[0, changeOwnPassword(by, person)]]
}

export function forgetsPassword({ by, person, turn }: Scene): Followed {
  return [[0, selfServiceReset(by, person, turn % 4 === 3)]]
}

export function invitesGuest({ tenant, by, turn }: Scene): Followed {
  return [[0, inviteGuest(by, guest(tenant.draw, guests[turn] ?? ''), tenant.id)]]
}

export function fallsOutOfCompliance({ tenant: { apps, draw }, person }: Scene): Followed {
  const [service, device] = [apps.deviceRegistration, person.phone]
  return [
    [0, deviceCompliance(service, device, false)],
    [draw.between(40, 290) * MINUTE_MS, deviceCompliance(service, device, true)],
  ]
}

export function resetsPassword({ tenant, by, atMs }: Scene): Followed {
  // The service desk may not reset those who run the tenant.
  const user = tenant.draw.pick(tenant.people.filter(({ department }) => department !== 'IT'))
  return [
    [0, resetPassword(by, user, tenant.moment(atMs))],
    [
      SECOND_MS,
      revokeSessions(
        by,
        user,
        tenant.moment(atMs - tenant.draw.between(20, 80) * DAY_MS),
        tenant.moment(atMs + SECOND_MS),
      ),
    ],
  ]
}

export function changesProfile({ tenant: { draw, apps }, person, turn }: Scene): Followed {
  const provisioning: Initiator = { app: apps.provisioning, userAgent: 'larkfield-hr-sync/2.4' }
  const [property, before, after] = draw.pick([
    ['JobTitle', person.title, `Senior ${person.title.toLowerCase()}`],
    ['TelephoneNumber', `+44 113 496 0${100 + turn}`, `+44 113 496 0${200 + turn}`],
    ['PhysicalDeliveryOfficeName', `${person.office.place.city} 1.${turn}`, `${person.office.place.city} 2.${turn}`],
    ['Manager', 'Lotte Jansen', 'Siân Pritchard'],
  ] as const)
  return [[0, updateUser(provisioning, person, property, before, after)]]
}

export function registersSecurityInfo({ tenant: { draw }, by, person }: Scene): Followed {
  const method = draw.pick(['Microsoft Authenticator app', 'Passkey (device-bound)', 'Mobile phone'])
  return [
    [0, securityInfo('User started security info registration', by, person, method)],
    [draw.between(40, 140) * SECOND_MS, securityInfo('User registered security info', by, person, method)],
  ]
}

/** A role that somebody is eligible for, taken for some hours, with the reason given. */
export function activates(role: Role, justifications: readonly string[]) {
  return ({ tenant, by, person, atMs }: Scene): Followed => {
    const { draw, apps } = tenant
    const roleObjectId = tenant.roleId(role)
    const service: Initiator = { app: apps.pim }
    const hours = draw.pick([1, 2, 4, 8])
    const request = {
      user: person,
      role,
      roleObjectId,
      requestId: draw.guid(),
      tenantId: tenant.id,
      startIso: tenant.moment(atMs),
      endIso: tenant.moment(atMs + hours * HOUR_MS),
      justification: draw.pick(justifications),
    }
    const grantedMs = draw.between(2_100, 11_000)
    const expiredMs = hours * HOUR_MS + draw.between(900, 40_000)
    return [
      [0, pim('Add member to role requested (PIM activation)', 'Assign', by, request)],
      [grantedMs, addToRole(service, person, role, roleObjectId)],
      [grantedMs + 440, pim('Add member to role completed (PIM activation)', 'ActivateRole', by, request)],
      [expiredMs, removeFromRole(service, person, role, roleObjectId)],
      [expiredMs + 380, pim('Remove member from role (PIM activation expired)', 'DeactivateRole', service, request)],
    ]
  }
}

export function registersApplication({ tenant, by, person, turn }: Scene): Followed {
  const { draw } = tenant
  const app = registered(
    draw,
    ['Calibration Certificates', 'Spare Parts Catalogue', 'Visitor Badges'][turn] ?? '',
    tenant.id,
  )
  return [
    [0, addApplication(by, app)],
    [380, addOwner(by, app, person)],
    [910, addPrincipal(by, app, false)],
  ]
}

export function adjustsApplication({ tenant: { apps }, by, turn }: Scene): Followed {
  const reply = (path: string) => ({
    AddressType: 0,
    Address: `https://service.larkfield.example/${path}`,
    ReplyAddressClientType: 1,
  })
  const access = {
    ResourceAppId: apps.graph.appId,
    RequiredAppPermissions: [
      {
        EntitlementId: 'e1fe6dd8-ba31-4d61-89e7-88639da4683d',
        DirectAccessGrant: false,
        ImpersonationAccessGrants: [20],
      },
    ],
    EncodingVersion: 1,
  }
  const adjustments = [
    ['AppAddress', [reply('signin-oidc')], [reply('signin-oidc'), reply('v2/signin-oidc')]],
    ['RequiredResourceAccess', [], [access]],
    ['GroupMembershipClaims', [], ['SecurityGroup']],
    ['LogoutUrl', [], ['https://service.larkfield.example/signout']],
  ] as const
  const [property, before, after] = adjustments[turn % adjustments.length] ?? adjustments[0]
  return [[0, updateApplication(by, apps.fieldService, property, before, after)]]
}

export function getsDevice({ tenant: { draw, apps }, person }: Scene): Followed {
  const laptop = draw.chance(0.4)
  const device = laptop ? { ...person.laptop, name: `LF-NEW-${draw.between(700, 799)}` } : person.phone
  return registerDevice(apps.deviceRegistration, person, { ...device, id: draw.guid() }).map((change, index) => [
    index * 420,
    change,
  ])
}

/** The yearly new secret of a workload: what the attack's new secret hides among. */
export function renewsSecret({ tenant: { apps, keys, draw }, by, turn }: Scene): Followed {
  const [app, old] = turn === 0 ? [apps.backup, keys.backup] : [apps.deploy, keys.deploy]
  const fresh = { id: draw.guid(), name: `${old.name.replace(/-\d$/, '')}-next` }
  return [[0, changeSecrets(by, app, [old], [old, fresh])]]
}

export function readsRecoveryKey({ tenant: { draw, people }, by }: Scene): Followed {
  const owner = draw.pick(people)
  const { id, name } = owner.laptop
  const change = coreChange({
    activity: 'Read BitLocker key',
    category: 'KeyManagement',
    operation: 'Other',
    by,
    targets: [{ id, displayName: name, type: 'Device' }, userTarget(owner)],
    details: { additionalInfo: `Successfully read BitLocker key for device: '${id}'` },
  })
  return [[0, change]]
}

/** Routine to hold the attack's burst against: a role taken, a handful of changes over an afternoon, from the office. */
export function reviewsPolicies(scene: Scene): Followed {
  const { tenant, by, weeks, atMs } = scene
  const { policies, draw } = tenant
  const reviewed = [
    [policies.guests, 'disabled'],
    [policies.deviceCode, 'enabledForReportingButNotEnforced'],
  ] as const
  return [
    ...activates(roles.conditionalAccessAdministrator, ['CHG-2214 review of Conditional Access'])(scene),
    [6 * MINUTE_MS, updateNamedLocation(by, draw.guid(), 'Toronto office', ['192.0.2.144/29'], ['192.0.2.144/28'])],
    ...reviewed.flatMap(([policy, state], index) => {
      const afterMs = (index + 1) * 16 * MINUTE_MS + draw.below(5 * MINUTE_MS)
      const change = updatePolicy(by, policy, weeks.attackMs, { state }, { modifiedMs: atMs + afterMs - 310 })
      return [
        [afterMs, change],
        [afterMs + 640, directoryPolicyUpdate(by, policy)],
      ] as const
    }),
  ]
}
