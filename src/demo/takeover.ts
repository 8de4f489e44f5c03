// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The attack's second half: the highest role, the guards down, and fourteen policies in one night. */
import { roles } from './applications.ts'
import type { Change, Initiator } from './audit.ts'
import { dateOf } from './calendar.ts'
import type { Policy } from './conditional-access.ts'
import { securityInfo } from './people-changes.ts'
import { asVictim, BURST_MS, exempted, operator, scripts, strangeDevice, switchedOff, WEDNESDAY } from './plot.ts'
import type { Plot, Told } from './plot.ts'
import {
  addToRole,
  deletePolicy,
  directoryPolicyUpdate,
  pim,
  pimSetting,
  updateAuthenticationMethods,
  updateAuthorizationPolicy,
  updateCrossTenantAccess,
  updateNamedLocation,
  updatePolicy,
} from './privilege-changes.ts'

export function escalate(plot: Plot): Told[] {
  const { tenant, at, attackMs, victim, security, stolenSession } = plot
  const { apps, policies, draw } = tenant
  const role = roles.globalAdministrator
  const roleObjectId = tenant.roleId(role)
  const granting = at(WEDNESDAY, '20:53:12')
  const switching = at(WEDNESDAY, '21:11:32')
  const workload: Initiator = { app: apps.provisioning, from: scripts, userAgent: 'python-requests/2.32.3' }
  const by = asVictim(plot)
  const granted = {
    user: victim,
    role,
    roleObjectId,
    requestId: draw.guid(),
    tenantId: tenant.id,
    startIso: tenant.moment(granting),
    justification: '',
  }
  const offId = draw.guid()
  const authenticator = 'Microsoft Authenticator app'
  const goesOn = {
    who: victim,
    from: operator,
    device: strangeDevice,
    interactive: false,
    session: stolenSession,
    method: 'claim',
    app: apps.entraPortal,
  } as const
  return [
    {
      event: tenant.change(granting, addToRole(workload, victim, role, roleObjectId)),
      step: {
        title: 'Global Administrator',
        words: `The app makes ${victim.name} a Global Administrator for good, past the approval that the role otherwise needs.`,
        search: `privilege:"${role.name}" target:${victim.upn}`,
      },
    },
    {
      event: tenant.change(
        at(WEDNESDAY, '20:54:31'),
        pim('Add member to role outside of PIM (permanent)', 'Assign', { app: apps.pim }, granted),
      ),
    },
    { event: tenant.signIn(at(WEDNESDAY, '21:06:02'), { ...goesOn, resource: apps.directory }) },
    { event: tenant.signIn(at(WEDNESDAY, '21:06:05'), { ...goesOn, resource: apps.graph }) },
    {
      event: tenant.change(
        switching,
        updatePolicy(by, policies.mfaEveryone, attackMs, {}, { state: 'disabled', modifiedMs: switching - 290 }),
        offId,
      ),
      step: {
        title: 'MFA switched off for everybody',
        words: `The Conditional Access policy "${policies.mfaEveryone.rule.name}" goes from enabled to disabled.`,
        search: '"require mfa for all users" action:"update conditional access policy"',
      },
    },
    { event: tenant.change(switching + 520, directoryPolicyUpdate(by, policies.mfaEveryone), offId) },
    {
      event: tenant.change(
        at(WEDNESDAY, '21:19:48'),
        securityInfo('Admin deleted security info', by, security, authenticator),
      ),
      step: {
        title: 'The defender locked out',
        words: `The authenticator app and the phone of ${security.name}, who would answer the alarm, are removed from her account.`,
        search: `target:${security.upn} action:"*security info" NOT actor:${security.upn}`,
      },
    },
    {
      event: tenant.change(
        at(WEDNESDAY, '21:20:11'),
        securityInfo('Admin deleted security info', by, security, 'Mobile phone'),
      ),
    },
    {
      event: tenant.change(
        at(WEDNESDAY, '21:24:30'),
        securityInfo('User registered security info', by, victim, authenticator),
      ),
    },
    {
      event: tenant.change(
        at(WEDNESDAY, '21:25:02'),
        securityInfo('User deleted security info', by, victim, 'Mobile phone'),
      ),
    },
  ]
}

type Timed = (atMs: number) => Change

/** Fourteen changes of policy within six minutes, by one account, at night. */
export function burst(plot: Plot): Told[] {
  const { tenant, attackMs, victim } = plot
  const { policies, draw } = tenant
  const by = asVictim(plot)
  const guards = [
    ...switchedOff.map((key) => [policies[key], { state: 'disabled' }] as const),
    ...exempted.map((key) => [policies[key], { excludeUsers: [victim.id] }] as const),
  ]
  const changes: (readonly [change: Timed, policy?: Policy])[] = [
    ...guards.map(([policy, revision]) => {
      const change: Timed = (atMs) => updatePolicy(by, policy, attackMs, {}, { ...revision, modifiedMs: atMs - 290 })
      return [change, policy] as const
    }),
    [() => deletePolicy(by, policies.countries, attackMs)],
    ...settings(plot, by, 'loosen').map((change) => [() => change] as const),
    ...roleGuards(plot, by).map((change) => [() => change] as const),
  ]
  const night = dateOf(attackMs + BURST_MS)
  const step = {
    title: 'Fourteen policies in six minutes',
    words: `In the small hours ${victim.name}'s account changes ${changes.length} policies, one every few seconds; in the weeks before he changed none.`,
    // What the directory writes of each policy besides is left out.
    search: `ip:203.0.113.0/24 severity:>=medium after:${night}T01:30Z before:${night}T02:00Z NOT action:"update policy"`,
  }
  let atMs = attackMs + BURST_MS + draw.below(900)
  return changes.flatMap(([change, policy], index) => {
    if (index > 0) atMs += draw.between(11_000, 39_000)
    const correlationId = draw.guid()
    const first = index === 0 ? { step } : {}
    const beside = policy === undefined ? [] : [directoryPolicyUpdate(by, policy)]
    return [
      { event: tenant.change(atMs, change(atMs), correlationId), ...first },
      ...beside.map((update) => ({ event: tenant.change(atMs + 610, update, correlationId) })),
    ]
  })
}

/** The settings outside of Conditional Access that the attacker loosens and the defender tightens again. */
export function settings({ settings: ids }: Plot, by: Initiator, direction: 'loosen' | 'tighten'): Change[] {
  const values = <T>(strict: T, loose: T): [before: T, after: T] =>
    direction === 'loosen' ? [strict, loose] : [loose, strict]
  const office = ['192.0.2.16/28']
  const consentPolicy = (name: string) => [`ManagePermissionGrantsForSelf.microsoft-user-default-${name}`]
  const registration = (state: string) => ({ registrationEnforcement: { state } })
  const inbound = (accessType: string) => ({ applications: { accessType } })
  const granted = 'PermissionGrantPolicyIdsAssignedToDefaultUserRole'
  return [
    updateNamedLocation(by, ids.location, 'Utrecht office', ...values(office, [...office, '203.0.113.0/24'])),
    updateAuthenticationMethods(by, ids.methods, ...values(registration('enabled'), registration('disabled'))),
    updateAuthorizationPolicy(by, ids.authorization, granted, ...values(consentPolicy('low'), consentPolicy('legacy'))),
    updateCrossTenantAccess(by, ids.crossTenant, ...values(inbound('blocked'), inbound('allowed'))),
  ]
}

function roleGuards({ tenant }: Plot, by: Initiator): Change[] {
  const role = roles.globalAdministrator
  const id = tenant.roleId(role)
  const activation = 'Approval required to activate: off; multifactor on activation: off'
  const alert = 'Roles are being assigned outside of Privileged Identity Management'
  return [
    pimSetting('Update role setting in PIM', by, role, id, activation),
    pimSetting('Disable PIM alert', by, role, id, alert),
  ]
}
