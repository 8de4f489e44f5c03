// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The attack in the story, as it would stand in the logs: a consent phish on the engineer who looks after
 * applications, his session stolen, a secret planted on an over-privileged workload, that workload making him Global
 * Administrator, and the guards taken down. It runs from a Tuesday morning to the Thursday after.
 */
import {
  addGrant,
  addPrincipal,
  assignToUser,
  changePrincipalKeys,
  changeSecrets,
  consent,
  updatePrincipal,
} from './application-changes.ts'
import { dateOf, HOUR_MS, MINUTE_MS } from './calendar.ts'
import { asVictim, operator, relay, scripts, strangeDevice, TUESDAY, WEDNESDAY } from './plot.ts'
import type { Plot, Told } from './plot.ts'
import { burst, escalate } from './takeover.ts'

export function attack(plot: Plot): Told[] {
  return [...phish(plot), ...session(plot), ...plant(plot), ...escalate(plot), ...burst(plot)]
}

function phish(plot: Plot): Told[] {
  const { tenant, at, victim, consented, ownSession } = plot
  const { apps, draw } = tenant
  const clicks = at(TUESDAY, '09:47:41')
  const own = {
    who: victim,
    from: victim.office,
    device: victim.laptop,
    interactive: true,
    session: ownSession,
    method: 'claim',
  } as const
  const by = tenant.by(victim)
  const correlationId = draw.guid()
  const viewer = { ...own, app: apps.phish, resource: apps.graph, correlationId }
  const wider = {
    ...consented,
    oldScope: consented.scope,
    scope: `${consented.scope} Mail.ReadWrite MailboxSettings.ReadWrite Files.Read.All`,
  }
  const later = at(TUESDAY, '13:20:16')
  const laterId = draw.guid()
  const reads = {
    who: victim,
    from: relay,
    device: { ...strangeDevice, browser: '', userAgent: 'python-requests/2.32.3' },
    app: apps.phish,
    resource: apps.graph,
    interactive: false,
    session: ownSession,
    method: 'claim',
  } as const
  return [
    {
      event: tenant.signIn(at(TUESDAY, '07:58:20'), {
        ...own,
        app: apps.officeHome,
        resource: apps.officeHome,
        method: 'password',
      }),
    },
    { event: tenant.signIn(clicks - 31_270, { ...viewer, failure: 65001 }) },
    { event: tenant.change(clicks, addPrincipal(by, apps.phish, false), correlationId) },
    { event: tenant.change(clicks + 230, addGrant(by, consented), correlationId) },
    { event: tenant.change(clicks + 410, assignToUser(by, consented, tenant.moment(clicks + 410)), correlationId) },
    {
      event: tenant.change(clicks + 560, consent(by, consented), correlationId),
      step: {
        title: 'A consent, phished',
        words: `${victim.name} lets "${apps.phish.name}", an app nobody here had seen before, read his mail for as long as it likes.`,
        search: 'action:"consent to application" privilege:mail.*',
      },
    },
    { event: tenant.signIn(clicks + 3_118, viewer) },
    { event: tenant.signIn(clicks + 11 * MINUTE_MS + 731, reads) },
    { event: tenant.signIn(clicks + 2 * HOUR_MS + 402, reads) },
    {
      event: tenant.change(later, addGrant(by, wider), laterId),
      step: {
        title: 'The grant grows',
        words:
          'Three and a half hours later the same app asks again, and is also granted writing mail, mailbox settings and all files.',
        search: 'privilege:(Mail.ReadWrite OR Files.Read.All)',
      },
    },
    { event: tenant.change(later + 190, consent(by, wider), laterId) },
  ]
}

function session(plot: Plot): Told[] {
  const { tenant, at, victim, stolenSession } = plot
  const { apps } = tenant
  const risk = { risk: 'medium', riskEvents: ['unfamiliarFeatures', 'anomalousToken'] } as const
  const stolen = {
    who: victim,
    from: operator,
    device: strangeDevice,
    interactive: false,
    session: stolenSession,
    method: 'claim',
  } as const
  const uses = [
    ['14:33:05', 'officeHome', 'exchange'],
    ['14:41:50', 'officeHome', 'sharePoint'],
    ['15:26:12', 'officeHome', 'graph'],
    ['19:52:38', 'entraPortal', 'directory'],
    ['19:53:01', 'entraPortal', 'graph'],
    ['20:18:44', 'azurePortal', 'management'],
  ] as const
  return [
    {
      event: tenant.signIn(at(TUESDAY, '14:31:26'), {
        ...stolen,
        from: relay,
        interactive: true,
        method: 'password',
        app: apps.officeHome,
        resource: apps.officeHome,
        ...risk,
      }),
      step: {
        title: 'A session in the wrong place',
        words: `${victim.name} signs in from Bucharest with his phone's approval, while his laptop is in Utrecht; a second address there goes on with the session.`,
        search: `class:authentication outcome:success actor:${victim.upn} -country:NL`,
      },
    },
    ...uses.map(([time, app, resource]) => ({
      event: tenant.signIn(at(TUESDAY, time), { ...stolen, app: apps[app], resource: apps[resource] }),
    })),
  ]
}

function plant(plot: Plot): Told[] {
  const { tenant, at, attackMs, planted } = plot
  const { apps, keys, draw } = tenant
  const by = asVictim(plot)
  const app = apps.provisioning
  const adds = at(TUESDAY, '21:14:03')
  const hides = at(TUESDAY, '21:19:26')
  const [secretId, hiddenId] = [draw.guid(), draw.guid()]
  const use = { app, resource: apps.graph, from: scripts, credentialKeyId: planted.hidden.id } as const
  return [
    {
      event: tenant.change(
        adds,
        changeSecrets(by, app, [keys.provisioning], [keys.provisioning, planted.portal]),
        secretId,
      ),
      step: {
        title: 'A new secret for an old app',
        words: `The stolen session adds a secret to "${app.name}", which may write roles, and a second one where the portal does not list it.`,
        search: `action:("*credentials*" OR "*secrets management*") after:${dateOf(attackMs)}`,
      },
    },
    { event: tenant.change(adds + 340, updatePrincipal(by, app, 'KeyDescription'), secretId) },
    {
      event: tenant.change(
        hides,
        changePrincipalKeys('Add service principal credentials', by, app, [], [planted.hidden]),
        hiddenId,
      ),
    },
    { event: tenant.change(hides + 280, updatePrincipal(by, app, 'KeyDescription'), hiddenId) },
    { event: tenant.workload(at(TUESDAY, '21:32:11'), { ...use, failure: 7000215 }) },
    {
      event: tenant.workload(at(TUESDAY, '21:33:07'), use),
      step: {
        title: 'The app signs in from elsewhere',
        words: `"${app.name}" has always come from one machine in Dublin; now it comes from Bucharest, with the hidden secret.`,
        search: `class:authentication actor:"${app.name}" NOT ip:192.0.2.0/24`,
      },
    },
    { event: tenant.workload(at(TUESDAY, '21:33:52'), { ...use, resource: apps.directory }) },
    { event: tenant.workload(at(WEDNESDAY, '20:51:40'), use) },
  ]
}
