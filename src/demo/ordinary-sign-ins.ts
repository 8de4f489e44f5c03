// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What the company's people and machines do every day: the sign-ins that nobody would look at twice. */
import type { Applications } from './applications.ts'
import { clock, DAY_MS, HOUR_MS, isWeekend, MINUTE_MS, SECOND_MS } from './calendar.ts'
import { datacentre, places } from './company.ts'
import type { Device, Network, Person } from './company.ts'
import type { DemoEvent } from './envelope.ts'
import type { Attempt } from './authentication.ts'
import { administrators } from './tenant.ts'
import type { Tenant } from './tenant.ts'
import { atWork, onArrival } from './weeks.ts'
import type { Weeks } from './weeks.ts'

type Visit = readonly [app: keyof Applications, resource: keyof Applications]

const interactiveVisits: readonly Visit[] = [
  ['officeHome', 'officeHome'],
  ['windows', 'directory'],
  ['office', 'exchange'],
  ['teams', 'teamsService'],
  ['intranet', 'sharePoint'],
  ['fieldService', 'graph'],
  ['myProfile', 'graph'],
]
const administratorVisits: readonly Visit[] = [
  ['entraPortal', 'directory'],
  ['azurePortal', 'management'],
  ['officeHome', 'officeHome'],
  ['commandLine', 'graph'],
]
const laptopVisits: readonly Visit[] = [
  ['teams', 'teamsService'],
  ['oneDrive', 'sharePoint'],
  ['office', 'exchange'],
  ['broker', 'directory'],
]
const phoneVisits: readonly Visit[] = [
  ['outlookMobile', 'exchange'],
  ['teams', 'teamsService'],
]

/** How often an interactive sign-in stumbles first, and over what. */
const stumbles: readonly (readonly [probability: number, failure: NonNullable<Attempt['failure']>, retryMs: number])[] =
  [
    [0.085, 50126, 21 * SECOND_MS],
    [0.075, 50140, 4 * SECOND_MS],
    [0.045, 50074, 9 * SECOND_MS],
    [0.022, 500121, 95 * SECOND_MS],
  ]

/** The company's own jobs: which signs in where, at what hour UTC, on which days. */
const jobs: readonly (readonly [
  app: 'backup' | 'deploy' | 'provisioning' | 'fieldService',
  resource: keyof Applications,
  at: string,
  days: 'every' | 'work' | 'some',
])[] = [
  ['backup', 'storage', '01:30', 'every'],
  ['backup', 'sharePoint', '01:31', 'work'],
  ['provisioning', 'graph', '05:00', 'work'],
  ['deploy', 'management', '13:20', 'some'],
  ['deploy', 'storage', '15:45', 'some'],
  ['fieldService', 'graph', '06:10', 'some'],
]

/** Two weeks before the attack and nothing to do with it: somebody tries one password on many accounts, in vain. */
const SPRAY_BEFORE_MS = 16 * DAY_MS - clock('02:40')
const sprayer: Network = { ip: '203.0.113.201', asn: 64_509, place: places.ashburn }
const script: Device = {
  id: '',
  name: '',
  operatingSystem: '',
  browser: '',
  userAgent: 'BAV2ROPC',
  trustType: '',
  compliant: false,
}

export function ordinarySignIns(
  tenant: Tenant,
  weeks: Weeks,
  working: (person: Person, atMs: number) => boolean,
): DemoEvent[] {
  const events: DemoEvent[] = []
  const sessions = new Map<Person, string>(tenant.people.map((person) => [person, tenant.draw.guid()]))
  for (const dayMs of weeks.days) {
    for (const person of tenant.people) {
      if (working(person, dayMs + DAY_MS)) events.push(...personDay(tenant, person, dayMs, sessions))
    }
    events.push(...jobsOf(tenant, dayMs))
  }
  return [...events, ...spray(tenant, weeks.attackMs - SPRAY_BEFORE_MS)]
}

function personDay(tenant: Tenant, person: Person, dayMs: number, sessions: Map<Person, string>): DemoEvent[] {
  const { draw } = tenant
  const events: DemoEvent[] = []
  const session = () => sessions.get(person) ?? ''
  if (isWeekend(dayMs)) {
    if (draw.chance(0.04))
      events.push(background(tenant, person, dayMs + clock('09:00') + draw.below(12 * HOUR_MS), session(), 'phone'))
    return events
  }
  if (draw.chance(0.1)) return events
  const administrator = administrators.some((name) => name === person.name)
  if (draw.chance(administrator ? 0.55 : 0.27)) {
    if (draw.chance(0.6)) sessions.set(person, draw.guid())
    events.push(
      ...arrival(
        tenant,
        person,
        dayMs,
        session(),
        draw.pickSkewed(administrator ? administratorVisits : interactiveVisits),
      ),
    )
  }
  if (draw.chance(0.19))
    events.push(background(tenant, person, atWork(draw, dayMs, person.office.place), session(), 'laptop'))
  if (draw.chance(0.08))
    events.push(background(tenant, person, atWork(draw, dayMs, person.office.place) + 3 * HOUR_MS, session(), 'phone'))
  return events
}

/** Unlocking a computer that is joined to the tenant. */
const WINDOWS_PROVIDER = 'Windows-AzureAD-Authentication-Provider/1.0'

/** One interactive sign-in, with what went wrong before it. Everybody has two fixed days at home. */
function arrival(tenant: Tenant, person: Person, dayMs: number, session: string, visit: Visit): DemoEvent[] {
  const { draw, apps } = tenant
  const joined = person.laptop.trustType === 'Azure AD joined'
  const [app, resource] = visit[0] === 'windows' && !joined ? (['officeHome', 'officeHome'] as const) : visit
  const device = app === 'windows' ? { ...person.laptop, browser: '', userAgent: WINDOWS_PROVIDER } : person.laptop
  const atHome = (dayMs / DAY_MS + tenant.people.indexOf(person)) % 7 < 2
  const method = app === 'windows' ? 'hello' : draw.chance(0.45) ? 'password' : 'claim'
  const attempt = {
    who: person,
    from: atHome ? person.home : person.office,
    device,
    app: apps[app],
    resource: apps[resource],
    interactive: true,
    session,
    method,
  } as const
  let atMs = onArrival(draw, dayMs, person.office.place)
  const events: DemoEvent[] = []
  for (const [probability, failure, retryMs] of stumbles) {
    if (app === 'windows' || !draw.chance(probability)) continue
    const correlationId = draw.guid()
    for (let tries = failure === 50126 ? draw.between(1, 3) : 1; tries > 0; tries--) {
      events.push(tenant.signIn(atMs, { ...attempt, method: 'password', failure, correlationId }))
      atMs += retryMs + draw.below(retryMs)
    }
  }
  events.push(tenant.signIn(atMs, attempt))
  return events
}

function background(tenant: Tenant, person: Person, atMs: number, session: string, on: 'laptop' | 'phone'): DemoEvent {
  const { draw, apps } = tenant
  const [app, resource] = draw.pickSkewed(on === 'phone' ? phoneVisits : laptopVisits)
  const from = on === 'phone' ? (draw.chance(0.7) ? person.mobile : person.home) : person.office
  const expired = draw.chance(0.03) ? ({ failure: 70043 } as const) : {}
  return tenant.signIn(atMs, {
    who: person,
    from,
    device: person[on],
    app: apps[app],
    resource: apps[resource],
    interactive: false,
    session,
    method: 'claim',
    ...expired,
  })
}

function jobsOf(tenant: Tenant, dayMs: number): DemoEvent[] {
  const { draw, apps, keys } = tenant
  const events: DemoEvent[] = []
  for (const [app, resource, at, days] of jobs) {
    const due = days === 'every' || (!isWeekend(dayMs) && (days === 'work' || draw.chance(0.5)))
    if (!due) continue
    events.push(
      tenant.workload(dayMs + clock(at) + draw.below(4 * MINUTE_MS), {
        app: apps[app],
        resource: apps[resource],
        from: datacentre,
        credentialKeyId: keys[app].id,
      }),
    )
  }
  if (draw.chance(0.6))
    events.push(tenant.workload(dayMs + draw.below(DAY_MS), { app: apps.telemetry, resource: apps.vault }))
  return events
}

function spray(tenant: Tenant, startMs: number): DemoEvent[] {
  const { draw, apps, people } = tenant
  let atMs = startMs
  return people
    .filter((_, index) => index % 2 === 0)
    .map((who, index) => {
      atMs += draw.between(70_000, 190_000)
      const failure = index === 4 ? 50053 : 50126
      const tried = {
        app: apps.exchange,
        resource: apps.exchange,
        interactive: true,
        session: '',
        method: 'password',
      } as const
      return tenant.signIn(atMs, { ...tried, who, from: sprayer, device: script, failure })
    })
}
