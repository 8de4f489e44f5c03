// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Changes to applications, their credentials and what they were consented to. */
import type { Application } from './applications.ts'
import { modified } from './audit.ts'
import type { Change, Initiator, ModifiedProperty, Target } from './audit.ts'
import type { Account } from './company.ts'
import { coreChange, included, userTarget } from './people-changes.ts'

/** With an en dash and a space at its end: so it is in live data. */
const CERTIFICATES_AND_SECRETS = 'Update application – Certificates and secrets management '

function appTarget(app: Application, ...modifiedProperties: ModifiedProperty[]): Target {
  return { id: app.objectId, displayName: app.name, type: 'Application', modifiedProperties }
}

function principalTarget(app: Application, ...properties: ModifiedProperty[]): Target {
  return {
    id: app.servicePrincipalId,
    displayName: app.name,
    type: 'ServicePrincipal',
    modifiedProperties: [...properties, principalNames(app)],
  }
}

function principalNames(app: Application): ModifiedProperty {
  return modified('TargetId.ServicePrincipalNames', null, app.appId)
}

function appChange(
  activity: string,
  operation: Change['operation'],
  by: Initiator,
  app: Application,
  targets: readonly Target[],
): Change {
  const details = { ...(by.userAgent === undefined ? { 'User-Agent': 'EvoSTS' } : {}), AppId: app.appId }
  return coreChange({ activity, category: 'ApplicationManagement', operation, by, targets, details })
}

export function addApplication(by: Initiator, app: Application): Change {
  return appChange('Add application', 'Add', by, app, [
    appTarget(
      app,
      modified(
        'AppAddress',
        [],
        [
          {
            AddressType: 0,
            Address: `https://${app.name.toLowerCase().replaceAll(' ', '-')}.larkfield.example/signin-oidc`,
            ReplyAddressClientType: 1,
          },
        ],
      ),
      modified('AppId', [], [app.appId]),
      modified('AvailableToOtherTenants', [], [false]),
      modified('DisplayName', [], [app.name]),
      modified(
        'RequiredResourceAccess',
        [],
        [
          {
            ResourceAppId: '00000003-0000-0000-c000-000000000000',
            RequiredAppPermissions: [
              {
                EntitlementId: 'e1fe6dd8-ba31-4d61-89e7-88639da4683d',
                DirectAccessGrant: false,
                ImpersonationAccessGrants: [20],
              },
            ],
            EncodingVersion: 1,
          },
        ],
      ),
      included('AppAddress', 'AppId', 'AvailableToOtherTenants', 'DisplayName', 'RequiredResourceAccess'),
    ),
  ])
}

export function updateApplication(
  by: Initiator,
  app: Application,
  property: string,
  oldValue: unknown,
  newValue: unknown,
): Change {
  return appChange('Update application', 'Update', by, app, [
    appTarget(app, modified(property, oldValue, newValue), included(property)),
  ])
}

export function addOwner(by: Initiator, app: Application, owner: Account): Change {
  const owned = userTarget(owner, [
    modified('Application.ObjectID', null, app.objectId),
    modified('Application.DisplayName', null, app.name),
    modified('Application.AppId', null, app.appId),
  ])
  return appChange('Add owner to application', 'Assign', by, app, [owned, appTarget(app)])
}

export function addPrincipal(by: Initiator, app: Application, verified: boolean): Change {
  return appChange('Add service principal', 'Add', by, app, [
    principalTarget(
      app,
      modified('AccountEnabled', [], [true]),
      modified('AppPrincipalId', [], [app.appId]),
      modified('DisplayName', [], [app.name]),
      modified('ServicePrincipalName', [], [app.appId]),
      modified(
        'Credential',
        [],
        [
          {
            CredentialType: 2,
            KeyStoreId: '291154f0-a9f5-45bb-87be-9c8ee5b6d62c',
            KeyGroupId: '291154f0-a9f5-45bb-87be-9c8ee5b6d62c',
          },
        ],
      ),
      modified('PublisherVerified', [], [verified]),
      included(
        'AccountEnabled',
        'AppPrincipalId',
        'DisplayName',
        'ServicePrincipalName',
        'Credential',
        'PublisherVerified',
      ),
    ),
  ])
}

export function removePrincipal(by: Initiator, app: Application): Change {
  return appChange('Remove service principal', 'Delete', by, app, [principalTarget(app)])
}

/** What one consent leaves behind, in its order, all under one correlation id. */
export interface Consent {
  readonly app: Application
  readonly resource: Application
  readonly user: Account
  readonly administrator: boolean
  readonly grantId: string
  readonly oldScope?: string
  readonly scope: string
}

export function addGrant(by: Initiator, { app, resource, administrator, oldScope, scope }: Consent): Change {
  const consentType = administrator ? 'AllPrincipals' : 'Principal'
  return appChange('Add delegated permission grant', 'Assign', by, app, [
    principalTarget(
      resource,
      modified('DelegatedPermissionGrant.Scope', oldScope ?? null, scope),
      modified('DelegatedPermissionGrant.ConsentType', oldScope === undefined ? null : consentType, consentType),
      modified('ServicePrincipal.ObjectID', null, app.servicePrincipalId),
      modified('ServicePrincipal.DisplayName', null, null),
      modified('ServicePrincipal.AppId', null, null),
      modified('ServicePrincipal.Name', null, null),
    ),
    { id: app.servicePrincipalId, displayName: null, type: 'ServicePrincipal' },
  ])
}

export function removeGrant(by: Initiator, { app, resource, scope }: Consent): Change {
  return appChange('Remove delegated permission grant', 'Unassign', by, app, [
    principalTarget(
      resource,
      modified('DelegatedPermissionGrant.Scope', scope, null),
      modified('ServicePrincipal.ObjectID', app.servicePrincipalId, null),
    ),
    { id: app.servicePrincipalId, displayName: app.name, type: 'ServicePrincipal' },
  ])
}

export function assignToUser(by: Initiator, { app, user }: Consent, atIso: string): Change {
  const assignment = principalTarget(
    app,
    modified('AppRole.Id', null, '00000000-0000-0000-0000-000000000000'),
    modified('AppRole.Value', null, ''),
    modified('AppRole.DisplayName', null, ''),
    modified('AppRoleAssignment.CreatedDateTime', null, atIso),
    modified('AppRoleAssignment.LastModifiedDateTime', null, atIso),
    modified('User.ObjectID', null, user.id),
    modified('User.UPN', null, user.upn),
  )
  return {
    ...appChange('Add app role assignment grant to user', 'Assign', by, app, [assignment, userTarget(user)]),
    category: 'UserManagement',
  }
}

export function consent(
  by: Initiator,
  { app, resource, user, administrator, grantId, oldScope, scope }: Consent,
): Change {
  const grant = (text: string, created: string) =>
    `[[Id: ${grantId}, ClientId: ${app.servicePrincipalId}, PrincipalId: ${administrator ? '' : user.id}, ResourceId: ${resource.servicePrincipalId}, ConsentType: ${administrator ? 'AllPrincipals' : 'Principal'}, Scope:  ${text}, CreatedDateTime: ${created}, LastModifiedDateTime ]]`
  return appChange('Consent to application', 'Assign', by, app, [
    principalTarget(
      app,
      modified('ConsentContext.IsAdminConsent', null, administrator ? 'True' : 'False'),
      modified('ConsentContext.IsAppOnly', null, 'False'),
      modified('ConsentContext.OnBehalfOfAll', null, administrator ? 'True' : 'False'),
      modified('ConsentContext.Tags', null, 'WindowsAzureActiveDirectoryIntegratedApp'),
      modified(
        'ConsentAction.Permissions',
        null,
        `${oldScope === undefined ? '[]' : grant(oldScope, '')} => ${grant(scope, '')}; `,
      ),
    ),
  ])
}

function keyDescription(keyId: string, name: string): string {
  return `[KeyIdentifier=${keyId},KeyType=Password,KeyUsage=Verify,DisplayName=${name}]`
}

export interface Key {
  readonly id: string
  readonly name: string
}

function keys(list: readonly Key[]): string[] {
  return list.map(({ id, name }) => keyDescription(id, name))
}

/** Adds or removes a secret of an application: the list of its keys before and after. */
export function changeSecrets(by: Initiator, app: Application, before: readonly Key[], after: readonly Key[]): Change {
  return appChange(CERTIFICATES_AND_SECRETS, 'Update', by, app, [
    appTarget(app, modified('KeyDescription', keys(before), keys(after)), included('KeyDescription')),
  ])
}

/** The same on the service principal itself, where the portal's list of secrets does not show it. */
export function changePrincipalKeys(
  activity: 'Add service principal credentials' | 'Remove service principal credentials',
  by: Initiator,
  app: Application,
  before: readonly Key[],
  after: readonly Key[],
): Change {
  return appChange(activity, 'Update', by, app, [
    principalTarget(app, modified('KeyDescription', keys(before), keys(after)), included('KeyDescription')),
  ])
}

export function updatePrincipal(by: Initiator, app: Application, property: string): Change {
  return appChange('Update service principal', 'Update', by, app, [principalTarget(app, included(property))])
}
