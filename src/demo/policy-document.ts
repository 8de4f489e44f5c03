// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A Conditional Access policy as the old or new value of an audit event writes it. */
import { roles } from './applications.ts'
import { iso } from './calendar.ts'
import type { Policy, PolicyState } from './conditional-access.ts'

/** The named location of the countries that the company works in, and the terms that its guests agree to. */
const WORK_COUNTRIES_ID = '0f6e3c52-6a1d-4c3b-9b07-5f0d8e4f7a21'
const TERMS_OF_USE_ID = '7c1b9a4e-31d8-4f06-8e55-b2a60c9d3f18'

/** What one revision of a policy differs in from the policy as it stands. */
export interface Revision {
  readonly state?: PolicyState
  readonly excludeUsers?: readonly string[]
  readonly modifiedMs?: number
}

/** The policy as an audit event's old or new value writes it. `referenceMs` is the moment that the ages count from. */
export function policyDocument(policy: Policy, referenceMs: number, revision: Revision = {}): object {
  const { rule } = policy
  const everyone = rule.users === 'everyone'
  return {
    id: policy.id,
    displayName: rule.name,
    createdDateTime: offsetTime(referenceMs - policy.madeAgoMs),
    modifiedDateTime: offsetTime(revision.modifiedMs ?? referenceMs - policy.changedAgoMs),
    state: revision.state ?? rule.state,
    conditions: {
      applications: {
        includeApplications: rule.applications === 'registration' ? [] : [rule.applications],
        excludeApplications: [],
        includeUserActions: rule.applications === 'registration' ? ['urn:user:registersecurityinfo'] : [],
        includeAuthenticationContextClassReferences: [],
        applicationFilter: null,
      },
      users: {
        includeUsers: everyone ? ['All'] : [],
        excludeUsers: revision.excludeUsers ?? [],
        includeGroups: [],
        excludeGroups: [],
        includeRoles: rule.users === 'administrators' ? Object.values(roles).map(({ templateId }) => templateId) : [],
        excludeRoles: [],
        ...(rule.users === 'guests'
          ? { includeGuestsOrExternalUsers: { guestOrExternalUserTypes: 63, externalTenants: {} } }
          : {}),
      },
      ...(rule.when === 'foreignCountry'
        ? { locations: { includeLocations: ['All'], excludeLocations: ['AllTrusted', WORK_COUNTRIES_ID] } }
        : {}),
      ...(rule.when === 'deviceCode' ? { authenticationFlows: { transferMethods: 'deviceCodeFlow' } } : {}),
      userRiskLevels: rule.when === 'userRisk' ? ['high'] : [],
      signInRiskLevels: rule.when === 'signInRisk' ? ['high', 'medium'] : [],
      clientAppTypes: rule.when === 'legacyClient' ? ['exchangeActiveSync', 'other'] : ['all'],
      servicePrincipalRiskLevels: [],
    },
    grantControls: {
      operator: rule.key === 'userRisk' ? 'AND' : 'OR',
      builtInControls: rule.users === 'guests' ? [] : rule.grant.map(builtIn),
      customAuthenticationFactors: [],
      termsOfUse: rule.users === 'guests' ? [TERMS_OF_USE_ID] : [],
    },
    ...(rule.session === undefined
      ? {}
      : { sessionControls: { signInFrequency: { value: 12, type: 'hours', isEnabled: true } } }),
  }
}

function builtIn(control: string): string {
  const name = control === 'RequireCompliantDevice' ? 'CompliantDevice' : control
  return name.charAt(0).toLowerCase() + name.slice(1)
}

function offsetTime(ms: number): string {
  return `${iso(ms).slice(0, -1)}+00:00`
}
