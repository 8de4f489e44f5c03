// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How grave a change of the directory is: what the activity's line says, or what was given to whom. A failure is one
// level below its success and never below Low.

import type { Severity } from './activity-table.ts'
import { tierOf } from './built-in-roles.ts'

export type Level = 1 | 2 | 3 | 4

/** What decides, where the activity alone does not. */
export interface Grant {
  readonly role: string | undefined
  readonly privileges: readonly string[]
  readonly forEverybody: boolean
}

export function levelOf(severity: Severity, grant: Grant, failed: boolean): Level {
  const level = typeof severity === 'number' ? severity : levelOfGrant(severity, grant)
  if (!failed) return level
  return level === 4 ? 3 : 2
}

function levelOfGrant(rule: Exclude<Severity, number>, { role, privileges, forEverybody }: Grant): Level {
  switch (rule) {
    case 'role':
      return levelOfRole(role)
    case 'role asked':
    case 'role activated':
      return lower(levelOfRole(role))
    case 'role removed':
      return levelOfRole(role) > 2 ? 2 : 1
    case 'scopes':
      if (!forEverybody) return privileges.some(isBroad) ? 3 : 1
      return privileges.some(isDangerous) ? 4 : 3
    case 'permission':
      return privileges.some(isDangerous) ? 4 : 3
    case 'permission asked':
      return privileges.some(isDangerous) ? 3 : privileges.some(isBroad) ? 2 : 1
  }
}

/** A role that the tenant made itself may be anything. */
function levelOfRole(role: string | undefined): Level {
  const tier = role === undefined ? undefined : tierOf(role)
  return tier === 3 ? 4 : tier === 2 ? 3 : tier === 1 ? 1 : 2
}

function lower(level: Level): Level {
  return level === 4 ? 3 : level === 3 ? 2 : 1
}

function isDangerous(permission: string): boolean {
  return dangerous.has(permission.toLowerCase())
}

/** A permission that is not known to be harmless and says that it is for everything, or to write. */
function isBroad(permission: string): boolean {
  const name = permission.toLowerCase()
  return dangerous.has(name) || ((name.endsWith('.all') || name.includes('.readwrite')) && !harmless.has(name))
}

/** Names that say more than they give: everybody's names, or what is the user's or the app's own. */
const harmless: ReadonlySet<string> = new Set([
  'files.readwrite.appfolder',
  'tasks.readwrite',
  'user.readbasic.all',
  'user.readwrite',
  'useractivity.readwrite.createdbyapp',
])

/** Permissions that read or send everybody's mail and files, or that can give themselves further ones. */
const dangerous: ReadonlySet<string> = new Set(
  `
AdministrativeUnit.ReadWrite.All Application.ReadWrite.All Application.ReadWrite.OwnedBy AppRoleAssignment.ReadWrite.All
BitlockerKey.Read.All ChannelMessage.Read.All Chat.Read Chat.Read.All Chat.ReadWrite Chat.ReadWrite.All Contacts.ReadWrite DelegatedPermissionGrant.ReadWrite.All
DeviceLocalCredential.Read.All DeviceManagementConfiguration.ReadWrite.All DeviceManagementManagedDevices.PrivilegedOperations.All
DeviceManagementRBAC.ReadWrite.All Directory.AccessAsUser.All Directory.ReadWrite.All Directory.Write.Restricted
Domain.ReadWrite.All EntitlementManagement.ReadWrite.All EWS.AccessAsUser.All Exchange.ManageAsApp Files.Read
Files.Read.All Files.ReadWrite Files.ReadWrite.All full_access_as_app full_access_as_user Group.ReadWrite.All
GroupMember.ReadWrite.All IdentityProvider.ReadWrite.All IMAP.AccessAsUser.All Mail.Read Mail.Read.All Mail.Read.Shared
Mail.ReadWrite Mail.ReadWrite.All Mail.ReadWrite.Shared Mail.Send Mail.Send.All Mail.Send.Shared
MailboxSettings.ReadWrite MultiTenantOrganization.ReadWrite.All Notes.Read.All Notes.ReadWrite.All
Organization.ReadWrite.All OrgSettings-AppsAndServices.ReadWrite.All Policy.ReadWrite.ApplicationConfiguration
Policy.ReadWrite.AuthenticationFlows Policy.ReadWrite.AuthenticationMethod Policy.ReadWrite.Authorization
Policy.ReadWrite.ConditionalAccess Policy.ReadWrite.CrossTenantAccess Policy.ReadWrite.FeatureRollout
Policy.ReadWrite.PermissionGrant Policy.ReadWrite.SecurityDefaults Policy.ReadWrite.TrustFramework
POP.AccessAsUser.All PrivilegedAccess.ReadWrite.AzureAD PrivilegedAccess.ReadWrite.AzureADGroup
PrivilegedAccess.ReadWrite.AzureResources PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup
PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup RoleAssignmentSchedule.ReadWrite.Directory
RoleEligibilitySchedule.ReadWrite.Directory RoleManagement.ReadWrite.All RoleManagement.ReadWrite.Directory
RoleManagementPolicy.ReadWrite.AzureADGroup RoleManagementPolicy.ReadWrite.Directory
ServicePrincipalEndpoint.ReadWrite.All Sites.FullControl.All Sites.Manage.All Sites.Read.All Sites.ReadWrite.All
SMTP.Send Synchronization.ReadWrite.All User.DeleteRestore.All User.EnableDisableAccount.All User.ManageIdentities.All
User.ReadWrite.All User-PasswordProfile.ReadWrite.All user_impersonation UserAuthenticationMethod.ReadWrite
UserAuthenticationMethod.ReadWrite.All
`
    .trim()
    .toLowerCase()
    .split(/\s+/),
)
