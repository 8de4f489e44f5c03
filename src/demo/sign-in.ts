// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** A sign-in of a person, interactive or not, as the line that Entra exports for it. */
import type { Application } from './applications.ts'
import type { Account, Device, Network } from './company.ts'
import { askedPolicy, authenticationDetails, controlsMet, failureReason, status } from './authentication.ts'
import type { Attempt } from './authentication.ts'
import { appliedPolicies, conditionalAccessStatus } from './conditional-access.ts'
import type { AppliedPolicy, Policies, SignInFacts } from './conditional-access.ts'
import type { Draw } from './draw.ts'
import { envelope, stamp } from './envelope.ts'
import type { DemoEvent, Stamp } from './envelope.ts'

export interface SignIn extends Attempt {
  readonly who: Account
  readonly from: Network
  readonly device: Device
  readonly app: Application
  readonly resource: Application
  readonly interactive: boolean
  /** Ties together all that came of one interactive sign-in. */
  readonly session: string
  readonly administrator?: boolean
  readonly risk?: SignInFacts['risk']
  readonly riskEvents?: readonly string[]
  readonly correlationId?: string
}

export function signIn(draw: Draw, tenantId: string, policies: Policies, atMs: number, happened: SignIn): DemoEvent {
  const at = stamp(draw, atMs)
  const reason = failureReason(happened)
  const correlationId = happened.correlationId ?? draw.guid()
  const head = {
    operationName: 'Sign-in activity',
    category: happened.interactive ? 'SignInLogs' : 'NonInteractiveUserSignInLogs',
    resultType: String(happened.failure ?? 0),
    resultSignature: reason === undefined ? 'SUCCESS' : 'FAILURE',
    resultDescription: reason,
    callerIpAddress: happened.from.ip,
    correlationId,
    identity: happened.who.name,
    location: happened.from.place.country,
  }
  const applied = askedPolicy(happened) ? appliedPolicies(policies, factsOf(happened, atMs)) : []
  return envelope(tenantId, at, head, properties(draw, tenantId, at, happened, correlationId, applied))
}

function factsOf(happened: SignIn, atMs: number): SignInFacts {
  const { resource, from, risk = 'none', administrator = false } = happened
  return { atMs, resource, administrator, country: from.place.country, risk, satisfied: controlsMet(happened) }
}

function properties(
  draw: Draw,
  tenantId: string,
  at: Stamp,
  happened: SignIn,
  correlationId: string,
  applied: readonly AppliedPolicy[],
): object {
  const { who, from, device, app, resource, interactive, risk = 'none', riskEvents = [] } = happened
  const requestId = requestGuid(draw)
  const asked = askedPolicy(happened)
  const met = controlsMet(happened)
  const binding = device.id === '' ? 'unbound' : 'bound'
  return {
    id: requestId,
    createdDateTime: at.offset,
    userDisplayName: who.name,
    userPrincipalName: who.upn,
    userId: who.id,
    appId: app.appId,
    appDisplayName: app.name,
    ipAddress: from.ip,
    status: status(happened),
    clientAppUsed:
      device.userAgent.startsWith('Mozilla') && interactive ? 'Browser' : 'Mobile Apps and Desktop clients',
    userAgent: device.userAgent,
    deviceDetail: deviceDetail(device),
    location: location(from),
    mfaDetail: happened.method === 'password' && met ? { authMethod: 'Mobile app notification' } : {},
    correlationId,
    conditionalAccessStatus: conditionalAccessStatus(applied),
    appliedConditionalAccessPolicies: applied,
    authenticationContextClassReferences: [],
    originalRequestId: requestId,
    isInteractive: interactive,
    tokenIssuerName: '',
    tokenIssuerType: 'AzureAD',
    authenticationProcessingDetails: processingDetails(draw, happened),
    networkLocationDetails:
      from.namedLocation === undefined
        ? []
        : [{ networkType: 'trustedNamedLocation', networkNames: [from.namedLocation] }],
    clientCredentialType: 'none',
    processingTimeInMilliseconds: draw.between(68, 1_240),
    riskDetail: 'none',
    riskLevelAggregated: risk,
    riskLevelDuringSignIn: risk,
    riskState: risk === 'none' ? 'none' : 'atRisk',
    riskEventTypes: riskEvents,
    riskEventTypes_v2: riskEvents,
    resourceDisplayName: resource.name,
    resourceId: resource.appId,
    resourceTenantId: tenantId,
    homeTenantId: tenantId,
    tenantId,
    authenticationDetails: authenticationDetails(at, happened),
    authenticationRequirementPolicies: asked
      ? [{ requirementProvider: 'multiConditionalAccess', detail: 'Conditional Access' }]
      : [],
    sessionLifetimePolicies:
      happened.administrator === true && asked
        ? [{ expirationRequirement: 'signInFrequencyPeriodicReauthentication', detail: 'Conditional Access' }]
        : [],
    authenticationRequirement: asked ? 'multiFactorAuthentication' : 'singleFactorAuthentication',
    servicePrincipalId: '',
    userType: 'Member',
    flaggedForReview: false,
    isTenantRestricted: false,
    autonomousSystemNumber: from.asn,
    crossTenantAccessType: 'none',
    privateLinkDetails: {},
    ssoExtensionVersion: '',
    uniqueTokenIdentifier: tokenIdentifier(requestId),
    authenticationStrengths: [],
    incomingTokenType: interactive ? 'none' : device.id === '' ? 'refreshToken' : 'primaryRefreshToken',
    authenticationProtocol: 'none',
    appServicePrincipalId: null,
    resourceServicePrincipalId: resource.servicePrincipalId,
    rngcStatus: 0,
    signInTokenProtectionStatus: binding,
    tokenProtectionStatusDetails: {
      signInSessionStatus: binding,
      signInSessionStatusCode: binding === 'bound' ? 0 : 1_002,
    },
    originalTransferMethod: 'none',
    isThroughGlobalSecureAccess: false,
    globalSecureAccessIpAddress: '',
    conditionalAccessAudiences: [resource.appId],
    sessionId: happened.session,
    appOwnerTenantId: app.ownerTenantId,
    resourceOwnerTenantId: resource.ownerTenantId,
    agent: { agentType: 'notAgentic', agentSubjectType: 'notAgentic' },
  }
}

function deviceDetail({ id, name, operatingSystem, browser, compliant, trustType }: Device): object {
  if (id === '') return { deviceId: '', operatingSystem, browser }
  return {
    deviceId: id,
    displayName: name,
    operatingSystem,
    browser,
    isCompliant: compliant,
    isManaged: compliant,
    trustType,
  }
}

export function location({ place }: Network): object {
  const geoCoordinates = { latitude: place.latitude, longitude: place.longitude }
  return { city: place.city, state: place.state, countryOrRegion: place.country, geoCoordinates }
}

function processingDetails(draw: Draw, { interactive, app, device }: SignIn): object[] {
  const library = device.operatingSystem.startsWith('Ios')
    ? 'Family: MSAL Library: MSAL.iOS 1.8.0 Platform: iOS'
    : device.operatingSystem.startsWith('Windows')
      ? 'Family: MSAL Library: MSAL.NetCore 4.66.2.0 Platform: NetCore'
      : 'Family: MSAL Library: MSAL.JS 3.28.0 Platform: JS'
  const details: Record<string, string> = {
    ...(interactive
      ? { 'Login Hint Present': draw.chance(0.7) ? 'True' : 'False' }
      : { 'Azure AD App Authentication Library': library }),
    'Legacy TLS (TLS 1.0, 1.1, 3DES)': 'False',
    'Oauth Scope Info':
      app.name === 'OfficeHome' ? '["email","openid","profile"]' : '["user_impersonation","email","openid","profile"]',
    'Domain Hint Present': 'True',
    'Is CAE Token': interactive ? 'False' : 'True',
    'Root Key Type': 'Unknown',
  }
  return Object.entries(details).map(([key, value]) => ({ key, value }))
}

/** Ids of token requests end in a byte that counts the datacentre's slice, mostly 00. */
export function requestGuid(draw: Draw): string {
  return `${draw.guid().slice(0, -2)}${draw.chance(0.8) ? '00' : '01'}`
}

/** The request id's bytes as Windows lays a GUID out, in base64url. */
export function tokenIdentifier(guid: string): string {
  const bytes = Buffer.from(guid.replaceAll('-', ''), 'hex')
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes.toString('base64url')
}
