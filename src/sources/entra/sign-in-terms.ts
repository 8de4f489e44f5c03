// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the values of Graph's `signIn` mean in OCSF's terms, one table a property. The sources are the resource's page
// (learn.microsoft.com/graph/api/resources/signin, beta), that of its parts, and the reference of the Log Analytics
// tables. Values are looked up in lower case.

import type { AuthFactor } from '../../schema/ocsf-objects.ts'

/** Who signs in decides where the name stands and how the sentence begins. */
export interface SignInKind {
  /** The category of diagnostic settings, which stands for the kind in whatever form it came. */
  readonly log: string
  readonly who: 'user' | 'service principal' | 'managed identity'
  readonly logon: { readonly logon_type_id: 2 | 99; readonly logon_type: string }
  /** Between `signed in` and `to`. */
  readonly manner: '' | ' non-interactively'
}

const interactive = { logon_type_id: 2, logon_type: 'Interactive' } as const

function unattended(logon_type: string): SignInKind['logon'] {
  return { logon_type_id: 99, logon_type }
}

export const interactiveUser: SignInKind = { log: 'SignInLogs', who: 'user', logon: interactive, manner: '' }
export const nonInteractiveUser: SignInKind = {
  log: 'NonInteractiveUserSignInLogs',
  who: 'user',
  logon: unattended('Non-interactive'),
  manner: ' non-interactively',
}
export const servicePrincipal: SignInKind = {
  log: 'ServicePrincipalSignInLogs',
  who: 'service principal',
  logon: unattended('Service principal'),
  manner: '',
}
const managedIdentity: SignInKind = {
  log: 'ManagedIdentitySignInLogs',
  who: 'managed identity',
  logon: unattended('Managed identity'),
  manner: '',
}
const microsoft: SignInKind = { ...servicePrincipal, log: 'MicrosoftServicePrincipalSignInLogs' }
export const federated: SignInKind = { ...interactiveUser, log: 'ADFSSignInLogs' }

/** By category of the envelope or of the row, and by name of the table. */
export const kindByLog: ReadonlyMap<string, SignInKind> = new Map([
  ['signinlogs', interactiveUser],
  ['noninteractiveusersigninlogs', nonInteractiveUser],
  ['aadnoninteractiveusersigninlogs', nonInteractiveUser],
  ['serviceprincipalsigninlogs', servicePrincipal],
  ['aadserviceprincipalsigninlogs', servicePrincipal],
  ['managedidentitysigninlogs', managedIdentity],
  ['aadmanagedidentitysigninlogs', managedIdentity],
  ['microsoftserviceprincipalsigninlogs', microsoft],
  ['adfssigninlogs', federated],
])

/** By the first of `signInEventTypes` (beta). */
export const kindByEventType: ReadonlyMap<string, SignInKind> = new Map([
  ['interactiveuser', interactiveUser],
  ['noninteractiveuser', nonInteractiveUser],
  ['serviceprincipal', servicePrincipal],
  ['managedidentity', managedIdentity],
])

/** `authenticationProtocol`; `none` says nothing. OCSF has no id for the grants of OAuth: they keep their names. */
export const protocols: ReadonlyMap<
  string,
  { readonly auth_protocol_id: 5 | 6 | 99; readonly auth_protocol: string } | undefined
> = new Map([
  ['none', undefined],
  ['unknownfuturevalue', undefined],
  ['oauth2', { auth_protocol_id: 6, auth_protocol: 'OAUTH 2.0' }],
  ['saml20', { auth_protocol_id: 5, auth_protocol: 'SAML' }],
  ['wsfederation', { auth_protocol_id: 99, auth_protocol: 'WS-Federation' }],
  ['ropc', { auth_protocol_id: 99, auth_protocol: 'OAuth 2.0 password grant' }],
  ['devicecode', { auth_protocol_id: 99, auth_protocol: 'OAuth 2.0 device code' }],
  ['authenticationtransfer', { auth_protocol_id: 99, auth_protocol: 'Authentication transfer' }],
  ['nativeauth', { auth_protocol_id: 99, auth_protocol: 'Native authentication' }],
])

/** Protocols that ask for a password or a consent where no policy of the browser is: said, and never Informational. */
export const riskyProtocols: ReadonlyMap<string, string> = new Map([
  ['devicecode', ' by device code'],
  ['ropc', ' by password grant (ROPC)'],
])

/** `crossTenantAccessType`, and `userType`: as what somebody signs in to a tenant that is not theirs. */
export const strangers: ReadonlyMap<string, string> = new Map([
  ['b2bcollaboration', ' as a guest'],
  ['b2bdirectconnect', ' as a guest'],
  ['guest', ' as a guest'],
  ['microsoftsupport', ' as Microsoft support'],
  ['serviceprovider', ' as a service provider'],
])

/**
 * `clientAppUsed` of clients that Microsoft calls legacy authentication: the names of the portal's filter, and the
 * shorter ones of the resource's page. All others are `Browser`, `Mobile Apps and Desktop clients`, or say nothing.
 */
export const legacyClients: ReadonlySet<string> = new Set([
  'authenticated smtp',
  'autodiscover',
  'exchange activesync',
  'exchange online powershell',
  'exchange web services',
  'imap',
  'imap4',
  'mapi',
  'mapi over http',
  'offline address book',
  'other clients',
  'other clients; imap',
  'other clients; mapi',
  'other clients; older office clients',
  'other clients; pop',
  'other clients; smtp',
  'outlook anywhere (rpc over http)',
  'outlook service',
  'pop',
  'pop3',
  'reporting web services',
  'smtp',
  'universal outlook',
])

const sms: AuthFactor = { factor_type_id: 1, factor_type: 'SMS' }
const call: AuthFactor = { factor_type_id: 3, factor_type: 'Phone Call' }
const push: AuthFactor = { factor_type_id: 5, factor_type: 'Push Notification' }
const otp: AuthFactor = { factor_type_id: 7, factor_type: 'OTP' }
const webAuthn: AuthFactor = { factor_type_id: 10, factor_type: 'WebAuthn' }

/** `authenticationMethod` of `authenticationDetails`. Absent: OCSF's Other, under the source's name. */
export const factors: ReadonlyMap<string, AuthFactor> = new Map<string, AuthFactor>([
  ['password', { factor_type_id: 11, factor_type: 'Password' }],
  ['text message', sms],
  ['sms', sms],
  ['phone call', call],
  ['phone call approval (authentication phone)', call],
  ['phone call approval (office phone)', call],
  ['phone call approval (alternate mobile phone)', call],
  ['mobile app notification', push],
  ['mobile app verification code', otp],
  ['oath verification code', otp],
  ['software oath token', otp],
  ['hardware oath token', { factor_type_id: 6, factor_type: 'Hardware Token' }],
  ['email', { factor_type_id: 8, factor_type: 'Email' }],
  ['fido2 security key', webAuthn],
  ['passkey', webAuthn],
  ['passkey (device-bound)', webAuthn],
  ['passkey (synced)', webAuthn],
  ['passkey (microsoft authenticator)', webAuthn],
])

/** Of `authenticationMethod`: a claim of an earlier sign-in, no factor of this one. */
export const EARLIER_METHOD = 'previously satisfied'

/** `authenticationStepRequirement` of a second factor. */
export const SECOND_FACTOR = 'multi-factor authentication'

/** Beginnings of `status.additionalDetails` that say that MFA was passed. */
export const mfaPassed: readonly string[] = [
  'mfa requirement satisfied',
  'mfa completed',
  'mfa successfully completed',
  'mfa required in azure ad and completed',
]

/** Beginnings of `deviceDetail.operatingSystem`, to be tried in this order. */
export const operatingSystems: readonly (readonly [
  begins: string,
  type_id: 99 | 100 | 101 | 200 | 201 | 300 | 301 | 302,
  device: 0 | 4 | 5,
])[] = [
  ['windows phone', 101, 5],
  ['windows', 100, 0],
  ['macos', 300, 0],
  ['ios', 301, 5],
  ['ipados', 302, 4],
  ['android', 201, 5],
  ['linux', 200, 0],
]

/** `riskLevel…`: OCSF's severity of it, and its risk level. `hidden` (no licence) and `none` raise nothing. */
export interface RiskLevel {
  readonly severity: 1 | 2 | 3 | 4
  readonly id: 0 | 1 | 2 | 3
  readonly name: string
  /** As the source and the sentence have it. */
  readonly word: string
}

export const riskLevels: ReadonlyMap<string, RiskLevel> = new Map([
  ['none', { severity: 1, id: 0, name: 'Info', word: 'none' }],
  ['low', { severity: 2, id: 1, name: 'Low', word: 'low' }],
  ['medium', { severity: 3, id: 2, name: 'Medium', word: 'medium' }],
  ['high', { severity: 4, id: 3, name: 'High', word: 'high' }],
])

/** `riskState` that takes a risk back: its level raises nothing any more. */
export const settledRisks: ReadonlySet<string> = new Set(['confirmedsafe', 'remediated', 'dismissed'])

/** Properties of the sign-in without a place in OCSF that tell a reader something; kept under their own names. */
export const kept: readonly string[] = [
  'appliedConditionalAccessPolicies',
  'authenticationDetails',
  'authenticationProcessingDetails',
  'authenticationProtocol',
  'authenticationRequirement',
  'clientAppUsed',
  'clientCredentialType',
  'conditionalAccessStatus',
  'crossTenantAccessType',
  'deviceDetail',
  'federatedCredentialId',
  'flaggedForReview',
  'homeTenantId',
  'incomingTokenType',
  'isTenantRestricted',
  'isThroughGlobalSecureAccess',
  'networkLocationDetails',
  'originalRequestId',
  'resourceTenantId',
  'riskEventTypes_v2',
  'riskState',
  'servicePrincipalCredentialKeyId',
  'servicePrincipalCredentialThumbprint',
  'sessionLifetimePolicies',
  'signInTokenProtectionStatus',
  'userType',
]
