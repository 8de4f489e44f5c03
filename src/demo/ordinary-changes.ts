// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The changes that a company of this size makes in five weeks anyway, each by whom it falls to. */
import { roles } from './applications.ts'
import { guests, joiners, leavers } from './company.ts'
import type { Person } from './company.ts'
import type { DemoEvent } from './envelope.ts'
import {
  activates,
  adjustsApplication,
  changesLicence,
  changesPassword,
  changesProfile,
  fallsOutOfCompliance,
  forgetsPassword,
  getsDevice,
  invitesGuest,
  joins,
  leaves,
  movesInGroups,
  readsRecoveryKey,
  registersApplication,
  registersSecurityInfo,
  renewsSecret,
  resetsPassword,
  reviewsGroup,
  reviewsPolicies,
} from './routines.ts'
import type { Followed, Scene } from './routines.ts'
import type { Tenant } from './tenant.ts'
import { atWork, workdays } from './weeks.ts'
import type { Weeks } from './weeks.ts'

/** How often in the five weeks, whose work it is, and what it leaves behind; `early` is well before the attack. */
type Habit = readonly [count: number, who: readonly string[], leaves: (scene: Scene) => Followed, when?: 'early']

const EARLY_DAYS = 10

const SERVICE_DESK = ['Emma de Wit', 'Emma de Wit', 'Callum Hughes'] as const
const SYSTEMS = ['François Tremblay'] as const
const SECURITY = ['Ruth Adeyemi'] as const
const APPLICATIONS = ['Daan Verbeek'] as const
const ANYBODY: readonly string[] = []

const INTUNE_REASONS = [
  'Windows update ring for the Leeds lab',
  'Enrol the field tablets',
  'Compliance after the iOS update',
]
const USER_REASONS = ['New starters on Monday', 'Mailbox rename after marriage', 'Leaver, see HR request']
const SECURITY_REASONS = ['Monthly review of risky users', 'Phishing report from Sales', 'Penetration test follow-up']
const POLICY_REASONS = ['CHG-2207 trusted range of the Toronto office', 'CHG-2231 terms of use']

const habits: readonly Habit[] = [
  [joiners.length, SERVICE_DESK, joins],
  [leavers.length, SERVICE_DESK, leaves],
  [44, SERVICE_DESK, movesInGroups],
  [14, SERVICE_DESK, resetsPassword],
  [16, SERVICE_DESK, changesLicence],
  [9, SERVICE_DESK, reviewsGroup],
  [2, SERVICE_DESK, readsRecoveryKey],
  [34, ANYBODY, changesProfile],
  [11, ANYBODY, changesPassword],
  [9, ANYBODY, forgetsPassword],
  [12, ANYBODY, registersSecurityInfo],
  [10, ANYBODY, getsDevice],
  [9, ANYBODY, fallsOutOfCompliance],
  [guests.length, ['Noor El Amrani', 'Marcus Bell', 'Zoë Bakker', 'Rohan Mehta'], invitesGuest],
  [7, SYSTEMS, activates(roles.intuneAdministrator, INTUNE_REASONS)],
  [5, SERVICE_DESK, activates(roles.userAdministrator, USER_REASONS)],
  [4, SECURITY, activates(roles.securityAdministrator, SECURITY_REASONS)],
  [2, SECURITY, activates(roles.conditionalAccessAdministrator, POLICY_REASONS)],
  [1, SECURITY, reviewsPolicies, 'early'],
  [3, APPLICATIONS, registersApplication],
  [4, APPLICATIONS, adjustsApplication],
  [2, APPLICATIONS, renewsSecret, 'early'],
]

export function ordinaryChanges(
  tenant: Tenant,
  weeks: Weeks,
  working: (person: Person, atMs: number) => boolean,
): DemoEvent[] {
  const { draw } = tenant
  const days = workdays(weeks)
  return habits.flatMap(([count, who, leaves, when]) =>
    Array.from({ length: count }, (_, turn) => {
      const person = who.length === 0 ? draw.pick(tenant.people) : tenant.person(draw.pick(who))
      const atMs = atWork(draw, draw.pick(when === 'early' ? days.slice(0, EARLY_DAYS) : days), person.office.place)
      const correlationId = draw.guid()
      const events = leaves({ tenant, weeks, atMs, person, by: tenant.by(person), turn }).map(([afterMs, change]) =>
        tenant.change(atMs + afterMs, change, correlationId),
      )
      return working(person, atMs) ? events : []
    }).flat(),
  )
}
