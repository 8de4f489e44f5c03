// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A month of a tenant's log for the benchmarks of search: audits and sign-ins of Entra of about 1 KB, body after body in
 * the order of time, the same for the same seed and count everywhere. Few of the users, applications, addresses and
 * operations have most of the events, as in a real tenant: the share of rank r falls as 1/(r + 10). One event in fifty
 * arrives hours late. Each body can be made by itself, so that a question can be about any event of the month.
 */
import { DAY_MS } from '../src/demo/calendar.ts'
import { Draw } from '../src/demo/draw.ts'

export const BODY_COUNT = 500
export const DAYS = 30
/** 2026-01-05T00:00:00Z. */
export const START_MS = 1_767_571_200_000
const PEOPLE_COUNT = 20_000
const APP_COUNT = 400
const GROUP_COUNT = 2_000
const OFFICE_COUNT = 40
const HEAD_RANKS = 10
const LATE_SHARE = 0.02
const LATE_MS = DAY_MS / 4
const JITTER_MS = 60_000
const SIGN_IN_SHARE = 0.7
const FAILURE_SHARE = 0.06

const FIRST_NAMES =
  'Anna Ben Carla David Elif Femi Grace Hugo Ines Jonas Kira Liam Mara Nils Olga Paul Rosa Sami Tara Yann'.split(' ')
const LAST_NAMES = `Adler Brandt Castro Dubois Evans Fischer Garcia Hansen Ito Janssen Keller Lopez Moreau Novak Olsen
  Petrov Quinn Rossi Santos Tanaka Ueda Vogel Weber Young Zimmer Albers Becker Conti Duarte Eriksen`.split(/\s+/)
const WORDS = `Payroll Finance Sales Support Design Research Legal Travel Clinic Factory Harbour Orchard Meadow Summit
  Archive Beacon Canvas Delta Ember Forge`.split(/\s+/)
const PLACES = [
  ['Leeds', 'GB'],
  ['Hamburg', 'DE'],
  ['Lyon', 'FR'],
  ['Porto', 'PT'],
  ['Oslo', 'NO'],
  ['Osaka', 'JP'],
  ['Austin', 'US'],
  ['Toronto', 'CA'],
] as const
const CLIENTS = ['Browser', 'Mobile Apps and Desktop clients', 'Exchange ActiveSync', 'IMAP4'] as const
const SYSTEMS = ['Windows10', 'MacOs', 'Ios', 'Android'] as const

interface Operation {
  readonly name: string
  readonly category: string
  readonly kind: 'Assign' | 'Unassign' | 'Update' | 'Add' | 'Delete'
  readonly of: 'group' | 'app' | 'user'
  /** Of all events. */
  readonly share: number
}

/** What is done in a directory, and how much of everything it is; together what is not a sign-in. */
const operations: readonly Operation[] = [
  { name: 'Remove member from group', category: 'GroupManagement', kind: 'Unassign', of: 'group', share: 0.07 },
  { name: 'Update user', category: 'UserManagement', kind: 'Update', of: 'user', share: 0.07 },
  { name: 'Add member to group', category: 'GroupManagement', kind: 'Assign', of: 'group', share: 0.1 },
  { name: 'Reset user password', category: 'UserManagement', kind: 'Update', of: 'user', share: 0.03 },
  { name: 'Add user', category: 'UserManagement', kind: 'Add', of: 'user', share: 0.015 },
  { name: 'Add app role assignment to user', category: 'UserManagement', kind: 'Assign', of: 'app', share: 0.01 },
  { name: 'Delete user', category: 'UserManagement', kind: 'Delete', of: 'user', share: 0.004 },
  { name: 'Consent to application', category: 'ApplicationManagement', kind: 'Assign', of: 'app', share: 0.001 },
]

export interface Account {
  readonly id: string
  readonly upn: string
  readonly name: string
  readonly device: string
  readonly addresses: readonly string[]
  readonly place: (typeof PLACES)[number]
}

interface Named {
  readonly id: string
  readonly name: string
}

/** What the events are about: the same for each body. */
export class SearchEvents {
  readonly people: readonly Account[]
  readonly apps: readonly Named[]
  readonly groups: readonly Named[]
  readonly #seed: number
  readonly #eventCount: number
  readonly #tenantId: string

  constructor(seed: number, eventCount: number) {
    this.#seed = seed
    this.#eventCount = eventCount
    const draw = new Draw(seed)
    const guids = new Guids(draw)
    this.#tenantId = guids.next()
    const named = (name: string) => ({ id: guids.next(), name })
    this.apps = Array.from({ length: APP_COUNT }, (_, at) => named(`${WORDS[at % WORDS.length]!} Portal ${at}`))
    this.groups = Array.from({ length: GROUP_COUNT }, (_, at) =>
      named(`SG-${draw.pick(WORDS)}-${draw.pick(WORDS)}-${at}`),
    )
    this.people = Array.from({ length: PEOPLE_COUNT }, (_, at) => {
      const [first, last] = [draw.pick(FIRST_NAMES), draw.pick(LAST_NAMES)]
      const office = `198.18.0.${1 + (at % OFFICE_COUNT)}`
      return {
        id: guids.next(),
        upn: `${first}.${last}${at}@larkfield.example`.toLowerCase(),
        name: `${first} ${last}`,
        device: `LT-${guids.next().slice(0, 8)}`,
        addresses: [office, addressOf(at), addressOf(at + PEOPLE_COUNT)],
        place: PLACES[at % OFFICE_COUNT < PLACES.length ? at % OFFICE_COUNT : 0]!,
      }
    })
  }

  /** How many bodies the events are. */
  get bodyCount(): number {
    return Math.ceil(this.#eventCount / BODY_COUNT)
  }

  /** Body `number` as NDJSON. */
  body(number: number): Buffer {
    return Buffer.from(this.lines(number).join(''), 'latin1')
  }

  lines(number: number): readonly string[] {
    const draw = new Draw(this.#seed * 1_000_003 + number + 1)
    const guids = new Guids(draw)
    return Array.from({ length: BODY_COUNT }, (_, at) => {
      const dueMs = ((number * BODY_COUNT + at) / this.#eventCount) * DAYS * DAY_MS
      const lateMs = draw.chance(LATE_SHARE) ? draw.below(LATE_MS) : draw.below(JITTER_MS)
      const time = new Date(START_MS + Math.max(0, Math.floor(dueMs) - lateMs)).toISOString()
      return draw.chance(SIGN_IN_SHARE) ? this.#signIn(time, draw, guids) : this.#audit(time, draw, guids)
    })
  }

  #signIn(time: string, draw: Draw, guids: Guids): string {
    const who = this.people[ranked(draw, PEOPLE_COUNT)]!
    const [app, resource] = [this.apps[ranked(draw, APP_COUNT)]!, this.apps[ranked(draw, 40)]!]
    const address = who.addresses[Math.floor(draw.next() * 3)]!
    const isFailed = draw.chance(FAILURE_SHARE)
    const status = isFailed
      ? '"status":{"errorCode":50126,"failureReason":"Invalid username or password or Invalid on-premise username or password."}'
      : '"status":{"errorCode":0}'
    const [city, country] = who.place
    const isInteractive = draw.chance(0.2)
    const correlation = guids.next()
    const client = CLIENTS[Math.floor(Math.pow(draw.next(), 3) * CLIENTS.length)]!
    return (
      `{"time":"${time}","resourceId":"/tenants/${this.#tenantId}/providers/Microsoft.aadiam","operationName":"Sign-in activity",` +
      `"category":"${isInteractive ? 'SignInLogs' : 'NonInteractiveUserSignInLogs'}","resultType":"${isFailed ? 50126 : 0}",` +
      `"callerIpAddress":"${address}","correlationId":"${correlation}","Level":4,"properties":{"id":"${guids.next()}",` +
      `"createdDateTime":"${time}","userDisplayName":"${who.name}","userPrincipalName":"${who.upn}","userId":"${who.id}",` +
      `"appId":"${app.id}","appDisplayName":"${app.name}","ipAddress":"${address}",${status},"clientAppUsed":"${client}",` +
      `"deviceDetail":{"deviceId":"","displayName":"${who.device}","operatingSystem":"${SYSTEMS[who.device.length % 4]!}"},` +
      `"location":{"city":"${city}","countryOrRegion":"${country}"},"correlationId":"${correlation}","conditionalAccessStatus":"${
        isFailed ? 'notApplied' : 'success'
      }","isInteractive":${isInteractive},"resourceDisplayName":"${resource.name}","resourceId":"${resource.id}",` +
      `"sessionId":"${who.id.slice(0, 32)}${sessionDigits(time, client)}"}}\n`
    )
  }

  #audit(time: string, draw: Draw, guids: Guids): string {
    const operation = operationAt(draw.next() * (1 - SIGN_IN_SHARE))
    // Few administer, and they do so for everybody.
    const by = this.people[Math.floor(ranked(draw, PEOPLE_COUNT) / 10)]!
    const user = this.people[ranked(draw, PEOPLE_COUNT)]!
    const correlation = guids.next()
    const isFailed = draw.chance(FAILURE_SHARE / 2)
    const more =
      operation.of === 'group'
        ? `,${target(this.groups[ranked(draw, GROUP_COUNT)]!, 'Group')}`
        : operation.of === 'app'
          ? `,${target(this.apps[ranked(draw, APP_COUNT)]!, 'ServicePrincipal')}`
          : ''
    return (
      `{"time":"${time}","resourceId":"/tenants/${this.#tenantId}/providers/Microsoft.aadiam","operationName":"${operation.name}",` +
      `"category":"AuditLogs","correlationId":"${correlation}","Level":4,"properties":{"id":"Directory_${correlation}_${guids.short()}",` +
      `"category":"${operation.category}","result":"${isFailed ? 'failure' : 'success'}","resultReason":"${isFailed ? 'Insufficient privileges' : ''}",` +
      `"activityDisplayName":"${operation.name}","activityDateTime":"${time}","loggedByService":"Core Directory",` +
      `"operationType":"${operation.kind}","initiatedBy":{"user":{"id":"${by.id}","displayName":"${by.name}",` +
      `"userPrincipalName":"${by.upn}","ipAddress":"${by.addresses[0]!}"}},"targetResources":[{"id":"${user.id}",` +
      `"displayName":"${user.name}","type":"User","userPrincipalName":"${user.upn}"}${more}],"additionalDetails":[{"key":"User-Agent",` +
      '"value":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"}]}}\n'
    )
  }
}

function target({ id, name }: Named, type: string): string {
  return `{"id":"${id}","displayName":"${name}","type":"${type}"}`
}

function operationAt(share: number): Operation {
  let sum = 0
  for (const operation of operations) {
    sum += operation.share
    if (share < sum) return operation
  }
  return operations[0]!
}

/** From 0 to `count - 1`, the share of each falling as 1/(rank + 10). */
function ranked(draw: Draw, count: number): number {
  return Math.floor(HEAD_RANKS * Math.pow((count + HEAD_RANKS) / HEAD_RANKS, draw.next())) - HEAD_RANKS
}

/** A session lasts a day, and each program has its own. */
function sessionDigits(time: string, client: (typeof CLIENTS)[number]): string {
  return hexOf[Number(time.slice(8, 10)) * CLIENTS.length + CLIENTS.indexOf(client)]!
}

/** Addresses set aside for benchmarks (RFC 2544). */
function addressOf(at: number): string {
  return `198.19.${Math.floor(at / 250) % 256}.${(at % 250) + 1}`
}

const hexOf: readonly string[] = Array.from({ length: 0x10000 }, (_, value) => value.toString(16).padStart(4, '0'))

/** GUIDs of a draw, four digits at a time. */
class Guids {
  readonly #draw: Draw

  constructor(draw: Draw) {
    this.#draw = draw
  }

  next(): string {
    const tail = `${this.#four()}${this.#four()}${this.#four()}`
    return `${this.#four()}${this.#four()}-${this.#four()}-4${this.#four().slice(1)}-a${this.#four().slice(1)}-${tail}`
  }

  short(): string {
    return `${this.#four()}${this.#four()}`.toUpperCase()
  }

  #four(): string {
    return hexOf[Math.floor(this.#draw.next() * 0x10000)]!
  }
}
