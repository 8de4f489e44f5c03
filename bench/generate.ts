// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Load for the benchmarks: Entra events in the shapes and sizes of live ones, the same for the same seed everywhere.
 * A body's lines are written from a pool of rendered events, each copy with ids of its own, so that making load costs
 * little beside what is measured, and no two events of a body are equal. Few users, applications and addresses have
 * most of the events, as in a real tenant.
 */
import assert from 'node:assert/strict'

import type { Application } from '../src/demo/applications.ts'
import { DAY_MS } from '../src/demo/calendar.ts'
import { account, places } from '../src/demo/company.ts'
import type { Network, Person } from '../src/demo/company.ts'
import type { Policy } from '../src/demo/conditional-access.ts'
import { Draw } from '../src/demo/draw.ts'
import { stamp } from '../src/demo/envelope.ts'
import { addToGroup, changeLicence, removeFromGroup, resetPassword } from '../src/demo/people-changes.ts'
import { signIn } from '../src/demo/sign-in.ts'
import { Tenant } from '../src/demo/tenant.ts'

const POOL_COUNT = 512
const PEOPLE_COUNT = 400
/** Line feed included. */
const SMALL_EVENT_BYTES = 1_024
const GUID = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/
/** The digits at a GUID's end that are drawn anew for each copy. */
const FRESH_DIGITS = 12
/** 2026-01-05T00:00:00Z. */
const START_MS = 1_767_571_200_000

/**
 * What stands at the beginning of each event's ids where a body is to be sent again and again: whoever sends it puts eight
 * digits there that did not come before, or all but the first time the server would find that it has these events.
 */
export const STAMP = '{stamp}!'
const GUID_CHARS = 36

/** `count` audit events of 1,024 bytes each, as NDJSON. */
export function events1k(count: number, seed: number, isStamped = false): Buffer {
  const crowd = new Crowd(seed)
  return body(crowd, count, isStamped, () => smallAudit(crowd))
}

/** `count` events of about 120 bytes each, as NDJSON: many entries on little disk. */
export function generatedSmall(count: number, seed: number): Buffer {
  const draw = new Draw(seed)
  const lines = Array.from({ length: count }, () => {
    const actor = `user${draw.below(PEOPLE_COUNT)}@larkfield.example`
    return `{"id":"${draw.guid()}","actor":"${actor}","action":"${draw.pick(['read', 'write', 'sign-in'])}","ok":true}\n`
  })
  return Buffer.from(lines.join(''))
}

/**
 * `count` events as NDJSON in about the proportion of a tenant's log: of 100, 12 changes of 2 KB, 12 interactive and
 * 58 other sign-ins of people of 10 to 11 KB, 18 of workloads of 2.3 KB.
 */
export function entraMix(count: number, seed: number, isStamped = false): Buffer {
  const crowd = new Crowd(seed)
  return body(crowd, count, isStamped, () => {
    const share = crowd.draw.next()
    if (share < 0.12) return change(crowd)
    if (share < 0.3) return workload(crowd)
    return personal(crowd, share < 0.42)
  })
}

/** A rendered line, and for each of its ids where in it the fresh digits stand. */
interface Rendered {
  readonly bytes: Buffer
  readonly ids: readonly (readonly number[])[]
}

function body({ draw }: Crowd, count: number, isStamped: boolean, render: () => string): Buffer {
  const pool = Array.from({ length: Math.min(count, POOL_COUNT) }, () => rendered(render()))
  const order = Array.from({ length: count }, (_, index) => pool[index] ?? draw.pick(pool))
  const written = Buffer.allocUnsafe(order.reduce((sum, { bytes }) => sum + bytes.length, 0))
  let at = 0
  for (const { bytes, ids } of order) {
    bytes.copy(written, at)
    for (const offsets of ids) {
      const digits = draw.hex(FRESH_DIGITS)
      for (const offset of offsets) {
        written.write(digits, at + offset, 'latin1')
        if (isStamped) written.write(STAMP, at + offset + FRESH_DIGITS - GUID_CHARS, 'latin1')
      }
    }
    at += bytes.length
  }
  return written
}

function rendered(line: string): Rendered {
  const bytes = Buffer.from(`${line}\n`)
  const ids = ['"correlationId"', '"properties": {"id"']
    .filter((member) => line.includes(member))
    .map((member) => freshAt(bytes, GUID.exec(line.slice(line.indexOf(member)))?.[0]))
  return { bytes, ids }
}

function freshAt(bytes: Buffer, guid: string | undefined): number[] {
  assert(guid, 'the id is a GUID')
  const offsets: number[] = []
  for (let at = bytes.indexOf(guid); at !== -1; at = bytes.indexOf(guid, at + 1)) {
    offsets.push(at + guid.length - FRESH_DIGITS)
  }
  return offsets
}

const FIRST_NAMES = ['Anna', 'Ben', 'Carla', 'David', 'Elif', 'Femi', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Kira', 'Liam']
const LAST_NAMES = ['Adler', 'Brandt', 'Castro', 'Dubois', 'Evans', 'Fischer', 'Garcia', 'Hansen', 'Ito', 'Janssen']

/** A tenant with some hundreds of people, the first of them the busiest. */
class Crowd {
  readonly draw: Draw
  readonly tenant: Tenant
  readonly people: readonly Person[]
  readonly apps: readonly Application[]
  /** More than the story's, until a sign-in has its live size. */
  readonly policies: Tenant['policies']

  constructor(seed: number) {
    this.draw = new Draw(seed)
    this.tenant = new Tenant(this.draw)
    const { people, apps, policies } = this.tenant
    this.people = Array.from({ length: PEOPLE_COUNT }, (_, index) => {
      const like = people[index % people.length] ?? this.draw.pick(people)
      const name = `${this.draw.pick(FIRST_NAMES)} ${this.draw.pick(LAST_NAMES)} ${index}`
      return { ...like, ...account(this.draw, name), home: network(index), mobile: network(index + PEOPLE_COUNT) }
    })
    this.apps = [apps.exchange, apps.teamsService, apps.sharePoint, apps.graph, apps.officeHome, apps.intranet]
    const more: Record<string, Policy> = {}
    for (const { rule, ...policy } of [policies.legacy, policies.signInRisk, policies.guests, policies.office]) {
      more[`${rule.key}Again`] = { ...policy, id: this.draw.guid(), rule: { ...rule, name: `${rule.name} (pilot)` } }
    }
    this.policies = { ...policies, ...more }
  }

  someone(): Person {
    return this.draw.pickSkewed(this.people)
  }

  sometime(): number {
    return START_MS + this.draw.below(DAY_MS)
  }
}

/** Addresses set aside for benchmarks (RFC 2544). */
function network(index: number): Network {
  return {
    ip: `198.18.${Math.floor(index / 250)}.${(index % 250) + 1}`,
    asn: 64_496 + (index % 16),
    place: places.leeds,
  }
}

function change(crowd: Crowd): string {
  const { draw, tenant } = crowd
  const [user, atMs] = [crowd.someone(), crowd.sometime()]
  const by = tenant.by(crowd.someone())
  const made = draw.pickSkewed([
    () => addToGroup(by, user, draw.pickSkewed(tenant.groups)),
    () => removeFromGroup(by, user, draw.pickSkewed(tenant.groups)),
    () => changeLicence(by, user, 'SPE_F1', 'SPE_E3'),
    () => resetPassword(by, user, tenant.moment(atMs)),
  ])
  return tenant.change(atMs, made()).line
}

function workload(crowd: Crowd): string {
  const { draw, tenant } = crowd
  const { backup, provisioning, deploy } = tenant.apps
  const app = draw.pickSkewed([backup, provisioning, deploy])
  const from = network(draw.below(8))
  const used = { app, resource: draw.pickSkewed(crowd.apps), from, credentialKeyId: tenant.keys.backup.id }
  return tenant.workload(crowd.sometime(), used).line
}

function personal(crowd: Crowd, interactive: boolean): string {
  const { draw, tenant, policies } = crowd
  const who = crowd.someone()
  const happened = {
    who,
    from: draw.pick([who.office, who.home, who.mobile]),
    device: draw.chance(0.6) ? who.laptop : who.phone,
    app: interactive ? tenant.apps.officeHome : draw.pickSkewed([tenant.apps.teams, tenant.apps.oneDrive]),
    resource: draw.pickSkewed(crowd.apps),
    interactive,
    session: draw.guid(),
    method: 'claim',
    ...(draw.chance(0.04) ? ({ failure: 50126 } as const) : {}),
  } as const
  return signIn(draw, tenant.id, policies, crowd.sometime(), happened).line
}

const NOTE =
  'Requested by the line manager through the service desk, checked against the joiner list of the week and approved by the owner of the group. '

/** In the envelope of some years ago, which is smaller; a note fills what is missing to the size. */
function smallAudit(crowd: Crowd): string {
  const { draw, tenant } = crowd
  const at = stamp(draw, crowd.sometime())
  const [user, group, by] = [crowd.someone(), draw.pickSkewed(tenant.groups), crowd.someone()]
  const correlationId = draw.guid()
  const [operation, activity] = draw.chance(0.7)
    ? (['Assign', 'Add member to group'] as const)
    : (['Unassign', 'Remove member from group'] as const)
  const line = (note: string) =>
    JSON.stringify({
      time: at.utc,
      resourceId: `/tenants/${tenant.id}/providers/Microsoft.aadiam`,
      operationName: activity,
      category: 'AuditLogs',
      correlationId,
      Level: 4,
      properties: {
        id: `Directory_${correlationId}_${draw.code(5)}_${draw.between(10_000_000, 99_999_999)}`,
        category: 'GroupManagement',
        result: 'success',
        activityDisplayName: activity,
        activityDateTime: at.offset,
        loggedByService: 'Core Directory',
        operationType: operation,
        initiatedBy: { user: { id: by.id, userPrincipalName: by.upn, ipAddress: by.home.ip } },
        targetResources: [
          { id: user.id, type: 'User', userPrincipalName: user.upn },
          { id: group.id, displayName: group.name, type: 'Group' },
        ],
        additionalDetails: [{ key: 'Note', value: note }],
      },
    })
  const missing = SMALL_EVENT_BYTES - 1 - Buffer.byteLength(line(''))
  assert(missing >= 0 && missing <= NOTE.length, `a note of ${missing} bytes fills the event`)
  return line(NOTE.slice(0, missing))
}
