// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The tenant that the story plays in: who and what is in it, and the events that it writes. */
import assert from 'node:assert/strict'
import { applications, groups, roles } from './applications.ts'
import type { Applications, Group, Role } from './applications.ts'
import { audit } from './audit.ts'
import type { Change, Initiator } from './audit.ts'
import type { Key } from './application-changes.ts'
import { iso } from './calendar.ts'
import { personnel } from './company.ts'
import type { Network, Person } from './company.ts'
import { conditionalAccess } from './conditional-access.ts'
import type { Outages, Policies } from './conditional-access.ts'
import type { Draw } from './draw.ts'
import type { DemoEvent } from './envelope.ts'
import { signIn } from './sign-in.ts'
import type { SignIn } from './sign-in.ts'
import { workloadSignIn } from './workload-sign-in.ts'
import type { WorkloadSignIn } from './workload-sign-in.ts'

/** The people who run the tenant. */
export const administrators = [
  'Daan Verbeek',
  'Ruth Adeyemi',
  'Emma de Wit',
  'Callum Hughes',
  'François Tremblay',
] as const

export class Tenant {
  readonly draw: Draw
  readonly id: string
  readonly people: readonly Person[]
  readonly apps: Applications
  readonly groups: readonly Group[]
  readonly policies: Policies
  /** The secrets that the company's own workloads had before the story. */
  readonly keys: Readonly<Record<'backup' | 'deploy' | 'fieldService' | 'provisioning', Key>>
  readonly #roleIds: ReadonlyMap<Role, string>

  constructor(draw: Draw, outages: Outages = {}) {
    this.draw = draw
    this.id = draw.guid()
    this.people = personnel(draw)
    this.apps = applications(draw, this.id)
    this.groups = groups(draw)
    this.policies = conditionalAccess(draw, outages)
    const key = (name: string) => ({ id: draw.guid(), name })
    this.keys = {
      backup: key('backup-2'),
      deploy: key('ci-runner'),
      fieldService: key('portal'),
      provisioning: key('hr-sync-prod'),
    }
    this.#roleIds = new Map(Object.values(roles).map((role) => [role, draw.guid()]))
  }

  person(name: string): Person {
    const found = this.people.find((person) => person.name === name)
    assert(found, `${name} is on the staff`)
    return found
  }

  roleId(role: Role): string {
    const id = this.#roleIds.get(role)
    assert(id, `${role.name} is a role of the tenant`)
    return id
  }

  /** The person at a browser, by default in the office. */
  by(person: Person, from: Network = person.office): Initiator {
    return { user: person, from, userAgent: person.laptop.userAgent }
  }

  change(atMs: number, change: Change, correlationId?: string): DemoEvent {
    return audit(this.draw, this.id, atMs, change, correlationId)
  }

  signIn(atMs: number, happened: Omit<SignIn, 'administrator'>): DemoEvent {
    const administrator = administrators.some((name) => name === happened.who.name)
    return signIn(this.draw, this.id, this.policies, atMs, { ...happened, administrator })
  }

  workload(atMs: number, happened: WorkloadSignIn): DemoEvent {
    return workloadSignIn(this.draw, this.id, atMs, happened)
  }

  /** A moment inside an old or new value, to 100 ns. */
  moment(atMs: number): string {
    return `${iso(atMs).slice(0, -1)}${String(this.draw.below(10_000)).padStart(4, '0')}Z`
  }
}
