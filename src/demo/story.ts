// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The story that `serve --demo` plays: five weeks of an invented company's Entra tenant as a storage account exports
 * them, with an attack in them. A function of its arguments alone: the same moment and seed give the same bytes.
 */
import { attack } from './attack.ts'
import { clock, DAY_MS, iso } from './calendar.ts'
import { account } from './company.ts'
import type { Person } from './company.ts'
import { Draw } from './draw.ts'
import { ordinaryChanges } from './ordinary-changes.ts'
import { ordinarySignIns } from './ordinary-sign-ins.ts'
import { DISABLED_MS, outages } from './plot.ts'
import type { Plot, Step, Told } from './plot.ts'
import { response } from './response.ts'
import { Tenant } from './tenant.ts'
import { weeksBefore } from './weeks.ts'

export interface DemoStep extends Step {
  /** Position in the batch, from 0. */
  readonly index: number
  /** The event's own time. */
  readonly at: string
}

export interface DemoStory {
  /** NDJSON, as one body. */
  readonly body: string
  readonly count: number
  readonly steps: readonly DemoStep[]
}

/** `nowMs` is Unix milliseconds: the story ends there. */
export function demoStory(nowMs: number, seed = 7835): DemoStory {
  const weeks = weeksBefore(nowMs)
  const tenant = new Tenant(new Draw(seed), outages(weeks.attackMs))
  const plot = plotOf(tenant, weeks.attackMs)
  const working = (person: Person, atMs: number) => person !== plot.victim || atMs < weeks.attackMs + DISABLED_MS
  // What the victim changes once the attack has begun is told by the attack alone.
  const apart = (person: Person, atMs: number) => person !== plot.victim || atMs < weeks.attackMs
  const ordinary = [...ordinarySignIns(tenant, weeks, working), ...ordinaryChanges(tenant, weeks, apart)]
  const told: Told[] = [...attack(plot), ...response(plot), ...ordinary.map((event) => ({ event }))]
  const now = iso(nowMs)
  const sorted = told.filter(({ event }) => event.time < now).toSorted((a, b) => (a.event.time < b.event.time ? -1 : 1))
  const steps = sorted.flatMap(({ event, step }, index) =>
    step === undefined ? [] : [{ ...step, index, at: event.time }],
  )
  return { body: sorted.map(({ event }) => `${event.line}\n`).join(''), count: sorted.length, steps }
}

function plotOf(tenant: Tenant, attackMs: number): Plot {
  const { draw, apps } = tenant
  const victim = tenant.person('Daan Verbeek')
  const scope = 'openid profile offline_access User.Read Mail.Read'
  return {
    tenant,
    attackMs,
    at: (day, time) => attackMs + day * DAY_MS + clock(time) + draw.below(900),
    victim,
    security: tenant.person('Ruth Adeyemi'),
    emergency: account(draw, 'Emergency Access 1'),
    consented: {
      app: apps.phish,
      resource: apps.graph,
      user: victim,
      administrator: false,
      grantId: Buffer.from(draw.hex(64), 'hex').toString('base64url'),
      scope,
    },
    planted: { portal: { id: draw.guid(), name: 'hr-sync-prod-2' }, hidden: { id: draw.guid(), name: 'rotation' } },
    settings: { location: draw.guid(), methods: draw.guid(), authorization: draw.guid(), crossTenant: draw.guid() },
    ownSession: draw.guid(),
    stolenSession: draw.guid(),
  }
}
