// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Applications, roles and groups of the tenant. Microsoft's own carry their published identifiers. */
import type { Draw } from './draw.ts'

export interface Application {
  readonly name: string
  readonly appId: string
  /** The tenant that it is registered in. */
  readonly ownerTenantId: string
  /** Object id of the application in its home tenant. */
  readonly objectId: string
  readonly servicePrincipalId: string
}

export interface Role {
  readonly name: string
  readonly templateId: string
  readonly wellKnownName: string
}

export interface Group {
  readonly id: string
  readonly name: string
}

/** Microsoft's own tenant, in which its applications are registered. */
const MICROSOFT_TENANT = 'f8cdef31-a31e-4b4a-93e4-5f571e91255a'

const microsoftApplications = {
  entraPortal: ['ADIbizaUX', '74658136-14ec-4630-ad9b-26e160ff0fc6'],
  azurePortal: ['Azure Portal', 'c44b4083-3bb0-49c1-b47d-974e53cbdf3c'],
  broker: ['Microsoft Authentication Broker', '29d9ed98-a469-4536-ade2-f981bc1d605e'],
  commandLine: ['Microsoft Graph Command Line Tools', '14d82eec-204b-4c2f-b7e8-296a70dab67e'],
  directory: ['Windows Azure Active Directory', '00000002-0000-0000-c000-000000000000'],
  exchange: ['Office 365 Exchange Online', '00000002-0000-0ff1-ce00-000000000000'],
  graph: ['Microsoft Graph', '00000003-0000-0000-c000-000000000000'],
  management: ['Windows Azure Service Management API', '797f4846-ba00-4fd7-ba43-dac1f8f63013'],
  myProfile: ['My Profile', '8c59ead7-d703-4a27-9e55-c96a0054c8d2'],
  office: ['Microsoft Office', 'd3590ed6-52b3-4102-aeff-aad2292ab01c'],
  officeHome: ['OfficeHome', '4765445b-32c6-49b0-83e6-1d93765276ca'],
  oneDrive: ['OneDrive SyncEngine', 'ab9b8c07-8f02-4f72-87fa-80105867a763'],
  outlookMobile: ['Outlook Mobile', '27922004-5251-4030-b22d-91ecd9a37ea4'],
  sharePoint: ['Office 365 SharePoint Online', '00000003-0000-0ff1-ce00-000000000000'],
  storage: ['Azure Storage', 'e406a681-f3d4-42a8-90b6-c2b029497af1'],
  teams: ['Microsoft Teams', '1fec8e78-bce4-4aaf-ab1b-5451cc387264'],
  teamsService: ['Microsoft Teams Services', 'cc15fd57-2c6c-4117-a88c-83b1d56b4bbe'],
  vault: ['Azure Key Vault', 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093'],
  windows: ['Windows Sign In', '38aa3b87-a06d-4817-b275-7a316988d93b'],
} as const

const ownApplications = {
  backup: 'Larkfield Backup Sync',
  deploy: 'Larkfield CI Deploy',
  fieldService: 'Field Service Portal',
  intranet: 'Larkfield Intranet',
  provisioning: 'Larkfield HR Provisioning',
  telemetry: 'Instrument Telemetry API',
} as const

/** The phishing application: registered in somebody else's tenant, named to look like a tool one needs. */
const foreignApplications = { phish: 'DocuVault Secure Viewer' } as const

/** Services of Microsoft that change the directory by themselves; they appear without an appId in live data. */
const actingServices = {
  deviceRegistration: 'Device Registration Service',
  pim: 'MS-PIM',
  licensing: 'Microsoft Substrate Management',
} as const

type Names = typeof ownApplications & typeof foreignApplications & typeof actingServices
export type Applications = Readonly<Record<keyof typeof microsoftApplications | keyof Names, Application>>

export function applications(draw: Draw, tenantId: string): Applications {
  const named: Record<string, Application> = {}
  for (const [key, [name, appId]] of Object.entries(microsoftApplications)) {
    named[key] = { ...registered(draw, name, MICROSOFT_TENANT), appId }
  }
  for (const [key, name] of Object.entries(actingServices)) named[key] = registered(draw, name, MICROSOFT_TENANT)
  for (const [key, name] of Object.entries(ownApplications)) named[key] = registered(draw, name, tenantId)
  for (const [key, name] of Object.entries(foreignApplications)) named[key] = registered(draw, name, draw.guid())
  return named as Applications
}

export function registered(draw: Draw, name: string, ownerTenantId: string): Application {
  return { name, appId: draw.guid(), ownerTenantId, objectId: draw.guid(), servicePrincipalId: draw.guid() }
}

/** Built-in roles with their published template ids. */
export const roles = {
  applicationAdministrator: role('Application Administrator', '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3'),
  authenticationAdministrator: role('Authentication Administrator', 'c4e39bd9-1100-46d3-8c65-fb160da0071f'),
  conditionalAccessAdministrator: role('Conditional Access Administrator', 'b1be1c3e-b65d-4f19-8427-f6fa0d97feb9'),
  exchangeAdministrator: role('Exchange Administrator', '29232cdf-9323-42fd-ade2-1d097af3e4de'),
  globalAdministrator: role('Global Administrator', '62e90394-69f5-4237-9190-012177145e10', 'TenantAdmins'),
  helpdeskAdministrator: role('Helpdesk Administrator', '729827e3-9c14-49f7-bb1b-9608f156bbb8'),
  intuneAdministrator: role('Intune Administrator', '3a2c62db-5318-420d-8d74-23affee5d9d5'),
  securityAdministrator: role('Security Administrator', '194ae4cb-b126-40b2-bd5b-6091b380977d'),
  userAdministrator: role('User Administrator', 'fe930be7-5e62-47db-91af-98c3a49a38b1'),
} as const

function role(name: string, templateId: string, wellKnownName = `${name.replaceAll(' ', '')}s`): Role {
  return { name, templateId, wellKnownName }
}

const groupNames = [
  'All Utrecht',
  'All Leeds',
  'All Toronto',
  'Finance – month end',
  'Metrology Lab',
  'Firmware',
  'Field Service',
  'Sales EMEA',
  'Sales Americas',
  'SG-Licence-E3',
  'SG-Licence-F3',
  'SG-VPN-Users',
  'SG-Intune-Windows',
  'SG-BitLocker-Readers',
  'Project Osprey',
  'Project Kestrel',
] as const

export function groups(draw: Draw): Group[] {
  return groupNames.map((name) => ({ id: draw.guid(), name }))
}
