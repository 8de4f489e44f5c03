// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** How it ends: the defender finds herself locked out, takes the emergency account, and undoes the attack. */
import { changePrincipalKeys, changeSecrets, removeGrant, removePrincipal } from './application-changes.ts'
import { roles } from './applications.ts'
import { dateOf, DAY_MS, MINUTE_MS } from './calendar.ts'
import { disableAccount, revokeSessions, securityInfo } from './people-changes.ts'
import { exempted, operator, restoredMs, scripts, strangeDevice, switchedOff, THURSDAY } from './plot.ts'
import type { Plot, Told } from './plot.ts'
import { directoryPolicyUpdate, removeFromRole, updatePolicy } from './privilege-changes.ts'
import { settings } from './takeover.ts'

export function response(plot: Plot): Told[] {
  return [...alarm(plot), ...lockOut(plot), ...restore(plot), ...knocks(plot)]
}

/** The portal demands MFA of its own accord, with every policy off; she has nothing left to answer it with. */
function alarm({ tenant, at, security, emergency }: Plot): Told[] {
  const { apps, draw } = tenant
  const attempt = {
    who: security,
    from: security.office,
    device: security.laptop,
    app: apps.entraPortal,
    resource: apps.directory,
    interactive: true,
    session: draw.guid(),
    method: 'password',
    failure: 50072,
  } as const
  const { failure: _, ...admitted } = attempt
  return [
    { event: tenant.signIn(at(THURSDAY, '06:41:10'), attempt) },
    { event: tenant.signIn(at(THURSDAY, '06:43:57'), attempt) },
    {
      event: tenant.signIn(at(THURSDAY, '06:58:33'), {
        ...admitted,
        who: emergency,
        session: draw.guid(),
        method: 'passkey',
      }),
    },
  ]
}

function lockOut({ tenant, at, attackMs, victim, security, emergency, consented, planted }: Plot): Told[] {
  const { apps, keys } = tenant
  const by = { user: emergency, from: security.office, userAgent: security.laptop.userAgent }
  const disabling = at(THURSDAY, '07:02:14')
  const role = roles.globalAdministrator
  const app = apps.provisioning
  return [
    {
      event: tenant.change(disabling, disableAccount(by, victim)),
      step: {
        title: 'The account disabled',
        words: `From the emergency account ${security.name} disables ${victim.name}'s, revokes his sessions and begins to put things back.`,
        search: `target:${victim.upn} after:${dateOf(attackMs + THURSDAY * DAY_MS)}`,
      },
    },
    {
      event: tenant.change(
        disabling + 9_130,
        revokeSessions(by, victim, tenant.moment(attackMs - 61 * DAY_MS), tenant.moment(disabling + 9_130)),
      ),
    },
    { event: tenant.change(at(THURSDAY, '07:03:50'), removeFromRole(by, victim, role, tenant.roleId(role))) },
    {
      event: tenant.change(
        at(THURSDAY, '07:06:21'),
        changePrincipalKeys('Remove service principal credentials', by, app, [planted.hidden], []),
      ),
    },
    {
      event: tenant.change(
        at(THURSDAY, '07:07:02'),
        changeSecrets(by, app, [keys.provisioning, planted.portal], [keys.provisioning]),
      ),
    },
    { event: tenant.change(at(THURSDAY, '07:10:04'), removeGrant(by, consented)) },
    { event: tenant.change(at(THURSDAY, '07:10:19'), removePrincipal(by, apps.phish)) },
  ]
}

function restore(plot: Plot): Told[] {
  const { tenant, at, attackMs, victim, security, emergency } = plot
  const { policies, draw } = tenant
  const by = { user: emergency, from: security.office, userAgent: security.laptop.userAgent }
  const before = [
    ...(['mfaEveryone', ...switchedOff] as const).map((key) => [policies[key], { state: 'disabled' }] as const),
    ...exempted.map((key) => [policies[key], { excludeUsers: [victim.id] }] as const),
  ]
  const restored = before.flatMap(([policy, revision], index) => {
    const atMs = restoredMs(attackMs, index) + draw.below(900)
    const correlationId = draw.guid()
    const change = updatePolicy(by, policy, attackMs, revision, { modifiedMs: atMs - 290 })
    return [
      { event: tenant.change(atMs, change, correlationId) },
      { event: tenant.change(atMs + 800, directoryPolicyUpdate(by, policy), correlationId) },
    ]
  })
  const tightened = settings(plot, by, 'tighten').map((change, index) => ({
    event: tenant.change(at(THURSDAY, '08:02:40') + index * 4 * MINUTE_MS + draw.below(70_000), change),
  }))
  const own = tenant.by(security)
  return [
    ...restored,
    ...tightened,
    {
      event: tenant.change(
        at(THURSDAY, '09:12:40'),
        securityInfo('Admin registered security info', by, security, 'Temporary access pass'),
      ),
    },
    {
      event: tenant.change(
        at(THURSDAY, '09:18:22'),
        securityInfo('User registered security info', own, security, 'Passkey (device-bound)'),
      ),
    },
  ]
}

/** The attacker finds the doors shut. */
function knocks({ tenant, at, victim, planted, stolenSession }: Plot): Told[] {
  const { apps } = tenant
  const shut = {
    who: victim,
    from: operator,
    device: strangeDevice,
    app: apps.entraPortal,
    resource: apps.directory,
    interactive: false,
    session: stolenSession,
    method: 'claim',
    failure: 50057,
  } as const
  const job = {
    app: apps.provisioning,
    resource: apps.graph,
    from: scripts,
    credentialKeyId: planted.hidden.id,
    failure: 7000215,
  } as const
  return [
    { event: tenant.signIn(at(THURSDAY, '07:21:09'), shut) },
    { event: tenant.signIn(at(THURSDAY, '07:21:40'), { ...shut, app: apps.officeHome, resource: apps.exchange }) },
    { event: tenant.workload(at(THURSDAY, '07:48:15'), job) },
    { event: tenant.workload(at(THURSDAY, '07:48:22'), job) },
    { event: tenant.signIn(at(THURSDAY, '11:05:51'), { ...shut, interactive: true, method: 'password' }) },
  ]
}
