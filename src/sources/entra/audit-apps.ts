// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Applications, service principals, consent and provisioning, in the form that activity-table.ts explains. */
export const applicationActivities = `
# Core Directory: applications
Add application | create | 1 | registered/register {app}
Update application | update | 1 | changed/change {app}{CHANGES}
Delete application | delete | 2 | deleted/delete {app}
Hard Delete application | delete | 2 | deleted/delete {app} for good
Restore application | update | 1 | restored/restore {app}
Update application - Certificates and secrets management | update | 3 | changed/change the credentials of {app}{KEYS}
Add owner to application | grant = Owner | 3 | made/make {WHO} an owner of {app}
Remove owner from application | revoke = Owner | 1 | removed/remove {WHO} as an owner of {app}
Add policy to application | update | 1 | put/put {app} under {policy}
Remove policy from application | update | 2 | took/take {app} out of {policy}
Set verified publisher | update | 1 | set/set a verified publisher for {app}
Unset verified publisher | update | 2 | removed/remove the verified publisher of {app}
Update application with safe rollout | update | 1 | began/begin a safe rollout of a change to {app}
Complete application update after safe rollout | update | 1 | completed/complete the safe rollout of a change to {app}
Cancel application update with safe rollout | update | 1 | cancelled/cancel the safe rollout of a change to {app}
Add federated identity credential | update | 3 | added/add a federated identity credential to {app}
Update federated identity credential | update | 3 | changed/change a federated identity credential of {app}
Delete federated identity credential | update | 1 | deleted/delete a federated identity credential of {app}

# Core Directory: service principals
Add service principal | create | 1 | created/create {service principal}
Update service principal | update | 1 | changed/change {service principal}{CHANGES}
Remove service principal | delete | 2 | deleted/delete {service principal}
Hard delete service principal | delete | 2 | deleted/delete {service principal} for good
Restore service principal | update | 1 | restored/restore {service principal}
Add service principal credentials | update | 3 | added/add credentials to {service principal}{KEYS}
Remove service principal credentials | update | 2 | removed/remove credentials from {service principal}{KEYS}
Add owner to service principal | grant = Owner | 3 | made/make {WHO} an owner of {service principal}
Remove owner from service principal | revoke = Owner | 1 | removed/remove {WHO} as an owner of {service principal}
Add policy to service principal | update | 1 | put/put {service principal} under {policy}
Remove policy from service principal | update | 2 | took/take {service principal} out of {policy}
Update attribute values assigned to a servicePrincipal | update | 2 | changed/change custom security attributes of {service principal}{CHANGES}

# Core Directory: consent and permissions
Consent to application | grant | scopes | consented/consent{FOR EVERYBODY} to {SCOPES} for {CLIENT}
Restore consent | grant | scopes | restored/restore the consent{FOR EVERYBODY} to {SCOPES} for {CLIENT}
Add delegated permission grant | grant | scopes | granted/grant {SCOPES} on {API} to {CLIENT}{FOR EVERYBODY}
Remove delegated permission grant | revoke | 1 | revoked/revoke {SCOPES} on {API} from {CLIENT}
Add app role assignment to service principal | grant | permission | granted/grant the app role {PERMISSION} on {API} to {CLIENT}
Remove app role assignment from service principal | revoke | 1 | revoked/revoke the app role {PERMISSION} on {API} from {CLIENT}
Add app role assignment grant to user | grant | 1 | assigned/assign {WHO} to {app}{AS PERMISSION}
Add app role assignment to user | grant | 1 | assigned/assign {WHO} to {app}{AS PERMISSION}
Remove app role assignment from user | revoke | 1 | removed/remove {WHO} from {app}{AS PERMISSION}
Add app role assignment to group | grant | 1 | assigned/assign {WHO} to {app}{AS PERMISSION}
Remove app role assignment from group | revoke | 1 | removed/remove {WHO} from {app}{AS PERMISSION}
Add permission grant policy | create | 3 | created/create {permission grant policy}
Update permission grant policy | update | 3 | changed/change {permission grant policy}{CHANGES}
Delete permission grant policy | delete | 3 | deleted/delete {permission grant policy}

# B2C and External ID: applications
Create V2 application | create | 1 | registered/register {app}
Update V2 application | update | 1 | changed/change {app}{CHANGES}
Delete V2 application | delete | 2 | deleted/delete {app}
Add V2 application permissions | update | 2 | added/add permissions to {app}{CHANGES}
Update V2 application permission grant | update | 2 | changed/change a permission grant of {app}{CHANGES}
Delete V2 application permission grant | update | 1 | deleted/delete a permission grant of {app}

# Account Provisioning
Add provisioning configuration | create | 1 | set/set up provisioning to {app}
Delete provisioning configuration | delete | 2 | deleted/delete the provisioning to {app}
Disable/pause provisioning configuration | disable | 2 | paused/pause the provisioning to {app}
Enable/restart provisioning configuration | enable | 1 | restarted/restart the provisioning to {app}
Enable/start provisioning configuration | enable | 1 | started/start the provisioning to {app}
Update attribute mappings or scope | update | 2 | changed/change the mappings or scope of the provisioning to {app}{CHANGES}
Update provisioning setting or credentials | update | 3 | changed/change the settings or credentials of the provisioning to {app}{CHANGES}
Quarantine | suspend | 2 | put/put the provisioning to {app} in quarantine
Synchronization rule action | other | 1 | applied/apply a provisioning rule to {object}
Process escrow | other | 1 | tried/try again to provision {object}
User Provisioning | other | 1 | provisioned/provision {object}
Export | other | 1 | exported/export {object} to another system
Import | other | 1 | imported/import {object} from another system
Other | other | 1 | recorded/record a provisioning event of {object}

# Application Proxy and hybrid authentication
Enable application proxy | enable | 2 | enabled/enable Application Proxy
Disable application proxy | disable | 2 | disabled/disable Application Proxy
Enable passthrough authentication | enable | 3 | enabled/enable pass-through authentication
Disable passthrough authentication | disable | 3 | disabled/disable pass-through authentication
Enable Desktop Sso | enable | 3 | enabled/enable seamless single sign-on
Disable Desktop Sso | disable | 2 | disabled/disable seamless single sign-on
Enable Desktop Sso for a specific domain | enable | 3 | enabled/enable seamless single sign-on for {domain}
Disable Desktop Sso for a specific domain | disable | 2 | disabled/disable seamless single sign-on for {domain}
Register connector | enroll | 3 | registered/register {connector}
Add connector Group | create | 1 | created/create {connector group}
Update Connector Group | update | 1 | changed/change {connector group}{CHANGES}
Delete Connector Group | delete | 1 | deleted/delete {connector group}
Add a Connector to Connector Group | update | 1 | added/add a connector to {connector group}
Add application SSL certificate | update | 2 | added/add a TLS certificate to {app}
Delete SSL binding | update | 2 | deleted/delete a TLS binding of {app}
Create rollout policy for feature | create | 2 | created/create {staged rollout}
Update rollout policy of feature | update | 2 | changed/change {staged rollout}{CHANGES}
Delete rollout policy of feature | delete | 2 | deleted/delete {staged rollout}
Add a group to feature rollout | update | 2 | added/add {group} to a staged rollout
Remove a group from feature rollout | update | 1 | removed/remove {group} from a staged rollout
Add user to feature rollout | update | 1 | added/add {user} to a staged rollout
Remove user from feature rollout | update | 1 | removed/remove {user} from a staged rollout

# My Apps
Create application collection | create | 1 | created/create {application collection}
Update application collection | update | 1 | changed/change {application collection}{CHANGES}
Delete application collection | delete | 1 | deleted/delete {application collection}
Update application collection order | update | 1 | reordered/reorder the application collections
Update preview settings | update | 1 | changed/change the preview settings of My Apps{CHANGES}
`
