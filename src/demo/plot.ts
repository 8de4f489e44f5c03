// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Who and what the attack in the story is about, and when: what its acts share. */
import type { Consent, Key } from './application-changes.ts'
import type { Initiator } from './audit.ts'
import { clock, DAY_MS } from './calendar.ts'
import { places } from './company.ts'
import type { Account, Device, Network, Person } from './company.ts'
import type { Outages } from './conditional-access.ts'
import type { DemoEvent } from './envelope.ts'
import type { Tenant } from './tenant.ts'

export interface Told {
  readonly event: DemoEvent
  /** Set on the event that a step of the story points at. */
  readonly step?: Step
}

/** What a reader is told of a step. */
export interface Step {
  readonly title: string
  /** One plain sentence. */
  readonly words: string
  /** A query that finds the step among few others: what somebody would ask who looks into the attack. */
  readonly search: string
}

/** Everything that the acts of the story share. */
export interface Plot {
  readonly tenant: Tenant
  /** 00:00 UTC of the Tuesday. */
  readonly attackMs: number
  /** A moment within a second of that day, drawn anew each time. */
  readonly at: (day: number, time: string) => number
  readonly victim: Person
  readonly security: Person
  readonly emergency: Account
  readonly consented: Consent
  readonly planted: { readonly portal: Key; readonly hidden: Key }
  /** Ids of what the burst changes beside Conditional Access. */
  readonly settings: Readonly<Record<'location' | 'methods' | 'authorization' | 'crossTenant', string>>
  readonly ownSession: string
  readonly stolenSession: string
}

/** Rented machines: one relays the phishing page, one uses the session, one runs scripts. */
const rented = (last: number): Network => ({ ip: `203.0.113.${last}`, asn: 64_511, place: places.bucharest })
export const relay = rented(24)
export const operator = rented(77)
export const scripts = rented(141)

/** The attacker's browser: nothing that the tenant knows. */
export const strangeDevice: Device = {
  id: '',
  name: '',
  operatingSystem: 'Linux',
  browser: 'Firefox 128.0',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  trustType: '',
  compliant: false,
}

/** Days of the attack. */
export const [TUESDAY, WEDNESDAY, THURSDAY] = [0, 1, 2] as const

/** When, after 00:00 UTC of the Tuesday, the tenant's state changes. */
const MFA_OFF_MS = WEDNESDAY * DAY_MS + clock('21:11:32')
export const BURST_MS = THURSDAY * DAY_MS + clock('01:41:08')
export const DISABLED_MS = THURSDAY * DAY_MS + clock('07:02:14')
/** When, on the Thursday, the policies are put back, that of MFA first. */
const RESTORED = [
  '07:16:09',
  '07:19:41',
  '07:21:30',
  '07:25:52',
  '07:27:05',
  '07:31:38',
  '07:34:20',
  '07:39:47',
] as const

/** The policies that the burst switches off, beside the one that demands MFA, in its order. */
export const switchedOff = ['legacy', 'administrators', 'portals', 'signInRisk', 'userRisk'] as const
/** The policies that it exempts the stolen account from. */
export const exempted = ['office', 'registration'] as const

export function restoredMs(attackMs: number, index: number): number {
  return attackMs + THURSDAY * DAY_MS + clock(RESTORED[index] ?? '07:45')
}

/** From when until when the attacker has which policy switched off. */
export function outages(attackMs: number): Outages {
  const burstMs = attackMs + BURST_MS
  const sinceBurst = (index: number) => ({ fromMs: burstMs, untilMs: restoredMs(attackMs, index) })
  return {
    mfaEveryone: { fromMs: attackMs + MFA_OFF_MS, untilMs: restoredMs(attackMs, 0) },
    legacy: sinceBurst(1),
    administrators: sinceBurst(2),
    portals: sinceBurst(3),
    signInRisk: sinceBurst(4),
    userRisk: sinceBurst(5),
    countries: { fromMs: burstMs, untilMs: Infinity },
  }
}

/** As the thief of the victim's session. */
export function asVictim({ victim }: Plot): Initiator {
  return { user: victim, from: operator, userAgent: strangeDevice.userAgent }
}
