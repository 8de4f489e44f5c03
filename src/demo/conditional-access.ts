// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The tenant's Conditional Access policies, and what a sign-in reports of them. */
import type { Application } from './applications.ts'
import { DAY_MS } from './calendar.ts'
import type { Draw } from './draw.ts'

export type PolicyState = 'enabled' | 'disabled' | 'enabledForReportingButNotEnforced'

interface Rule {
  readonly key: string
  readonly name: string
  readonly state: PolicyState
  readonly users: 'everyone' | 'administrators' | 'guests'
  readonly applications: 'All' | 'Office365' | 'MicrosoftAdminPortals' | 'registration'
  readonly when?: 'legacyClient' | 'foreignCountry' | 'signInRisk' | 'userRisk' | 'deviceCode'
  /** As the sign-in log spells them; Graph's `builtInControls` begin with a lower-case letter. */
  readonly grant: readonly string[]
  readonly session?: string
}

const rules = [
  {
    key: 'mfaEveryone',
    name: 'CA001 – Require MFA for all users',
    state: 'enabled',
    users: 'everyone',
    applications: 'All',
    grant: ['Mfa'],
  },
  {
    key: 'legacy',
    name: 'CA002 – Block legacy authentication',
    state: 'enabled',
    users: 'everyone',
    applications: 'All',
    when: 'legacyClient',
    grant: ['Block'],
  },
  {
    key: 'office',
    name: 'CA003 – Office 365 from compliant devices or with MFA',
    state: 'enabled',
    users: 'everyone',
    applications: 'Office365',
    grant: ['Mfa', 'RequireCompliantDevice'],
  },
  {
    key: 'administrators',
    name: 'CA004 – Administrators: MFA at every session',
    state: 'enabled',
    users: 'administrators',
    applications: 'All',
    grant: ['Mfa'],
    session: 'SignInFrequency',
  },
  {
    key: 'portals',
    name: 'CA005 – Admin portals from compliant devices or with MFA',
    state: 'enabled',
    users: 'administrators',
    applications: 'MicrosoftAdminPortals',
    grant: ['Mfa', 'RequireCompliantDevice'],
  },
  {
    key: 'signInRisk',
    name: 'CA006 – MFA for medium and high sign-in risk',
    state: 'enabled',
    users: 'everyone',
    applications: 'All',
    when: 'signInRisk',
    grant: ['Mfa'],
  },
  {
    key: 'userRisk',
    name: 'CA007 – Password change for high user risk',
    state: 'enabled',
    users: 'everyone',
    applications: 'All',
    when: 'userRisk',
    grant: ['Mfa', 'PasswordChange'],
  },
  {
    key: 'registration',
    name: 'CA008 – Register security info from trusted locations',
    state: 'enabled',
    users: 'everyone',
    applications: 'registration',
    grant: ['Mfa'],
  },
  {
    key: 'guests',
    name: 'CA009 – Guests: terms of use',
    state: 'enabled',
    users: 'guests',
    applications: 'All',
    grant: ['Larkfield terms of use'],
  },
  {
    key: 'deviceCode',
    name: 'CA010 – Block device code flow',
    state: 'enabled',
    users: 'everyone',
    applications: 'All',
    when: 'deviceCode',
    grant: ['Block'],
  },
  // The gap that the attack goes through: the block of other countries was never taken out of its trial.
  {
    key: 'countries',
    name: 'CA011 – Block countries we do not work in',
    state: 'enabledForReportingButNotEnforced',
    users: 'everyone',
    applications: 'All',
    when: 'foreignCountry',
    grant: ['Block'],
  },
] as const satisfies readonly Rule[]

type PolicyKey = (typeof rules)[number]['key']

export interface Policy {
  readonly id: string
  readonly rule: Rule
  /** How long before the attack it was made, and last changed. */
  readonly madeAgoMs: number
  readonly changedAgoMs: number
  /** While the attacker has it switched off; for ever where it is deleted. */
  readonly off: { readonly fromMs: number; readonly untilMs: number }
}

export type Policies = Readonly<Record<PolicyKey, Policy>>
export type Outages = Partial<Record<PolicyKey, Policy['off']>>

export function conditionalAccess(draw: Draw, outages: Outages): Policies {
  const policies: Partial<Record<PolicyKey, Policy>> = {}
  for (const rule of rules) {
    const madeAgoMs = draw.between(200 * DAY_MS, 900 * DAY_MS)
    const off = outages[rule.key] ?? { fromMs: Infinity, untilMs: Infinity }
    policies[rule.key] = { id: draw.guid(), rule, madeAgoMs, changedAgoMs: draw.between(40 * DAY_MS, madeAgoMs), off }
  }
  return policies as Policies
}

export interface SignInFacts {
  readonly atMs: number
  readonly resource: Application
  readonly administrator: boolean
  readonly country: string
  readonly risk: 'none' | 'low' | 'medium' | 'high'
  /** Whether the demanded controls were satisfied. */
  readonly satisfied: boolean
}

const HOME_COUNTRIES = new Set(['NL', 'GB', 'CA', 'IE'])
const OFFICE_RESOURCES = new Set([
  'Office 365 Exchange Online',
  'Office 365 SharePoint Online',
  'Microsoft Teams Services',
  'OfficeHome',
])
const ADMIN_RESOURCES = new Set(['Windows Azure Service Management API', 'Windows Azure Active Directory'])

/** The conditions as flags, as the sign-in log counts them. */
const [APPLICATION, USERS, LOCATION, CLIENT, SIGN_IN_RISK, USER_RISK, FLOW] = [1, 2, 8, 16, 32, 64, 2_048] as const
const conditionFlags = {
  legacyClient: CLIENT,
  foreignCountry: LOCATION,
  signInRisk: SIGN_IN_RISK,
  userRisk: USER_RISK,
  deviceCode: FLOW,
} as const

export interface AppliedPolicy {
  readonly result: string
}

/** The member `conditionalAccessStatus` of a sign-in. */
export function conditionalAccessStatus(applied: readonly AppliedPolicy[]): string {
  const results = new Set(applied.map(({ result }) => result))
  return ['failure', 'success'].find((result) => results.has(result)) ?? 'notApplied'
}

/** The member `appliedConditionalAccessPolicies` of a sign-in. */
export function appliedPolicies(policies: Policies, facts: SignInFacts): AppliedPolicy[] {
  const existing = Object.values(policies).filter(({ off }) => facts.atMs < off.fromMs || off.untilMs !== Infinity)
  return existing.map(({ id, rule, off }) => {
    const enabled = facts.atMs < off.fromMs || facts.atMs >= off.untilMs
    const [satisfied, missed] = enabled ? conditions(rule, facts) : [0, 0]
    return {
      id,
      displayName: rule.name,
      enforcedGrantControls: rule.grant,
      enforcedSessionControls: rule.session === undefined ? [] : [rule.session],
      result: enabled ? outcome(rule, missed === 0, facts.satisfied) : 'notEnabled',
      conditionsSatisfied: satisfied,
      conditionsNotSatisfied: missed,
      includeRulesSatisfied: includedBy(rule, satisfied),
      excludeRulesSatisfied: [],
    }
  })
}

function conditions(rule: Rule, facts: SignInFacts): [satisfied: number, missed: number] {
  const application =
    rule.applications === 'All' ||
    (rule.applications === 'Office365' && OFFICE_RESOURCES.has(facts.resource.name)) ||
    (rule.applications === 'MicrosoftAdminPortals' && ADMIN_RESOURCES.has(facts.resource.name))
  if (!application) return [0, APPLICATION]
  const users = rule.users === 'everyone' || (rule.users === 'administrators' && facts.administrator)
  if (!users) return [APPLICATION, USERS]
  if (rule.when === undefined) return [APPLICATION + USERS, 0]
  const flag = conditionFlags[rule.when]
  const holds =
    (rule.when === 'foreignCountry' && !HOME_COUNTRIES.has(facts.country)) ||
    (rule.when === 'signInRisk' && (facts.risk === 'medium' || facts.risk === 'high'))
  return holds ? [APPLICATION + USERS + flag, 0] : [APPLICATION + USERS, flag]
}

function outcome(rule: Rule, applies: boolean, satisfied: boolean): string {
  const reportOnly = rule.state !== 'enabled'
  if (!applies) return reportOnly ? 'reportOnlyNotApplied' : 'notApplied'
  const passed = satisfied && !rule.grant.includes('Block')
  if (reportOnly) return passed ? 'reportOnlySuccess' : 'reportOnlyFailure'
  return passed ? 'success' : 'failure'
}

function includedBy(rule: Rule, satisfied: number): object[] {
  const included: object[] = []
  if (satisfied >= APPLICATION)
    included.push({
      conditionalAccessCondition: 'application',
      ruleSatisfied: rule.applications === 'All' ? 'allApps' : 'appId',
    })
  if (satisfied >= APPLICATION + USERS)
    included.push({
      conditionalAccessCondition: 'users',
      ruleSatisfied: rule.users === 'everyone' ? 'allUsers' : 'roleId',
    })
  return included
}
