// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { Connector } from '../connector.ts'
import { containers, diagnostic, recordIds, resource, row } from './shapes.ts'
import { mapSignIn } from './sign-in-map.ts'

/** Sign-ins of every kind: interactive or not, of users, service principals and managed identities: Graph `signIn`. */
export const entraSignin: Connector = {
  type: 'entra.signin',
  title: 'Microsoft Entra sign-in logs',
  family: 'entra',
  shapes: [
    ...diagnostic(
      'SignInLogs',
      'NonInteractiveUserSignInLogs',
      'ServicePrincipalSignInLogs',
      'ManagedIdentitySignInLogs',
      'MicrosoftServicePrincipalSignInLogs',
      'ADFSSignInLogs',
    ),
    ...resource('conditionalAccessStatus', 'createdDateTime', 'appId', 'resourceDisplayName'),
    row(
      'SigninLogs',
      'AADNonInteractiveUserSignInLogs',
      'AADServicePrincipalSignInLogs',
      'AADManagedIdentitySignInLogs',
      'ADFSSignInLogs',
    ),
    {
      name: 'log-analytics',
      all: [{ key: 'ConditionalAccessStatus' }, { key: 'TimeGenerated' }, { key: 'AppId' }, { key: 'CreatedDateTime' }],
    },
  ],
  containers,
  ids: recordIds,
  map: mapSignIn,
}
