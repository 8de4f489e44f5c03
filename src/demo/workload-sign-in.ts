// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Sign-ins without a person: of service principals and of managed identities. */
import type { Application } from './applications.ts'
import type { Network } from './company.ts'
import type { Draw } from './draw.ts'
import { envelope, stamp } from './envelope.ts'
import type { DemoEvent } from './envelope.ts'
import { location, requestGuid, tokenIdentifier } from './sign-in.ts'

export interface WorkloadSignIn {
  readonly app: Application
  readonly resource: Application
  /** Absent for a managed identity: its sign-ins come from inside the cloud, without an address. */
  readonly from?: Network
  readonly credentialKeyId?: string
  readonly failure?: 7000215
}

const FAILURE =
  'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app.'

export function workloadSignIn(
  draw: Draw,
  tenantId: string,
  atMs: number,
  { app, resource, from, credentialKeyId, failure }: WorkloadSignIn,
): DemoEvent {
  const at = stamp(draw, atMs)
  const correlationId = draw.guid()
  const id = requestGuid(draw)
  const head = {
    operationName: 'Sign-in activity',
    category: from === undefined ? 'ManagedIdentitySignInLogs' : 'ServicePrincipalSignInLogs',
    resultType: String(failure ?? 0),
    resultSignature: failure === undefined ? 'SUCCESS' : 'FAILURE',
    resultDescription: failure === undefined ? undefined : FAILURE,
    callerIpAddress: from?.ip,
    correlationId,
    ...(from === undefined ? {} : { location: from.place.country }),
  }
  return envelope(tenantId, at, head, {
    id,
    createdDateTime: at.offset,
    userId: null,
    appId: app.appId,
    ipAddress: from?.ip ?? '',
    status: failure === undefined ? { errorCode: 0 } : { errorCode: failure, failureReason: FAILURE },
    location:
      from === undefined
        ? { city: '', state: '', countryOrRegion: '', geoCoordinates: { latitude: 0, longitude: 0 } }
        : location(from),
    correlationId,
    conditionalAccessStatus: 'notApplied',
    appliedConditionalAccessPolicies: [],
    isInteractive: false,
    tokenIssuerType: 'AzureAD',
    authenticationProcessingDetails: [
      {
        key: 'Azure AD App Authentication Library',
        value: 'Family: MSAL Library: MSAL.NetCore 4.66.2.0 Platform: NetCore',
      },
    ],
    clientCredentialType: from === undefined ? 'managedIdentity' : 'clientSecret',
    processingTimeInMilliseconds: 0,
    riskDetail: 'none',
    riskLevelAggregated: 'none',
    riskLevelDuringSignIn: 'none',
    riskState: 'none',
    resourceDisplayName: resource.name,
    resourceId: resource.appId,
    resourceTenantId: tenantId,
    homeTenantId: tenantId,
    tenantId,
    servicePrincipalName: app.name,
    servicePrincipalId: app.servicePrincipalId,
    flaggedForReview: false,
    isTenantRestricted: false,
    ...(from === undefined ? {} : { autonomousSystemNumber: from.asn }),
    crossTenantAccessType: 'none',
    ...(credentialKeyId === undefined ? {} : { servicePrincipalCredentialKeyId: credentialKeyId }),
    uniqueTokenIdentifier: tokenIdentifier(id),
    incomingTokenType: 'none',
    authenticationProtocol: 'none',
    resourceServicePrincipalId: resource.servicePrincipalId,
    federatedCredentialId: '',
    managedIdentityType: from === undefined ? 'systemAssigned' : 'none',
    isThroughGlobalSecureAccess: false,
    sessionId: '',
    appOwnerTenantId: app.ownerTenantId,
    agent: { agentType: 'notAgentic', agentSubjectType: 'notAgentic' },
  })
}
