// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Policies that guard the tenant, in the form that activity-table.ts explains. */
export const policyActivities = `
# Conditional Access
Add Conditional Access policy | create | 3 | created/create {Conditional Access policy}
Update Conditional Access policy | update | 4 | changed/change {Conditional Access policy}{CHANGES}
Delete Conditional Access policy | delete | 4 | deleted/delete {Conditional Access policy}
Restore Conditional Access policy | update | 3 | restored/restore {Conditional Access policy}
Hard Delete Conditional Access policy | delete | 4 | deleted/delete {Conditional Access policy} for good
Add named location | create | 3 | created/create {named location}
Update named location | update | 3 | changed/change {named location}{CHANGES}
Delete named location | delete | 3 | deleted/delete {named location}
Add AuthenticationContextClassReference | create | 2 | created/create {authentication context}
Update AuthenticationContextClassReference | update | 3 | changed/change {authentication context}{CHANGES}
Delete AuthenticationContextClassReference | delete | 3 | deleted/delete {authentication context}
Update security defaults | update | 4 | changed/change the security defaults{CHANGES}
Update continuous access evaluation | update | 3 | changed/change continuous access evaluation{CHANGES}

# Core Directory
Add policy | create | 2 | created/create {policy}
Update policy | update | 3 | changed/change {policy}{CHANGES}
Delete policy | delete | 3 | deleted/delete {policy}
Add owner to policy | grant = Owner | 2 | made/make {WHO} an owner of {policy}
Remove owner from policy | revoke = Owner | 1 | removed/remove {WHO} as an owner of {policy}
Remove policy credentials | update | 3 | removed/remove credentials from {policy}
Update authorization policy | update | 3 | changed/change {authorization policy}{CHANGES}
Add CertificationBasedAuthConfiguration | create | 4 | added/add {certificate-based authentication configuration}
Delete CertificationBasedAuthConfiguration | delete | 3 | deleted/delete {certificate-based authentication configuration}
Add CertificateBasedAuthConfiguration | create | 4 | added/add {certificate-based authentication configuration}
Delete CertificateBasedAuthConfiguration | delete | 3 | deleted/delete {certificate-based authentication configuration}
Add SOA policy | create | 2 | created/create {source of authority policy}
Set password policy | update | 3 | changed/change the password policy of {domain}{CHANGES}

# Authentication Methods
Authentication Methods Policy Update | update | 3 | changed/change {authentication methods policy}{CHANGES}
Update authentication methods policy | update | 3 | changed/change {authentication methods policy}{CHANGES}
Authentication Methods Policy Reset | update | 3 | reset/reset {authentication methods policy}
Authentication Strength Policy Create | create | 2 | created/create {authentication strength}
Authentication Strength Policy Update | update | 3 | changed/change {authentication strength}{CHANGES}
Authentication Strength Policy Delete | delete | 3 | deleted/delete {authentication strength}
Authentication Strength Combination Configuration Create | create | 2 | created/create a combination of {authentication strength}
Authentication Strength Combination Configuration Update | update | 3 | changed/change a combination of {authentication strength}{CHANGES}
Authentication Strength Combination Configuration Delete | delete | 3 | deleted/delete a combination of {authentication strength}
PATCH Tenant.Patch | update | 2 | changed/change the MFA settings of the tenant{CHANGES}
POST Tenant.GenerateNewActivationCredentials | create | 3 | generated/generate activation credentials for the MFA server
Enable password writeback for directory | enable | 2 | enabled/enable password writeback
Disable password writeback for directory | disable | 2 | disabled/disable password writeback

# Cross-tenant access
Add a partner to cross-tenant access setting | create | 3 | added/add {partner} to the cross-tenant access settings
Update a partner cross-tenant access setting | update | 3 | changed/change the cross-tenant access settings of {partner}{CHANGES}
Delete partner specific cross-tenant access setting | delete | 3 | deleted/delete the cross-tenant access settings of {partner}
Reset the cross-tenant access default setting | update | 3 | reset/reset the default cross-tenant access settings
Update the company default cross-tenant access setting | update | 3 | changed/change the default cross-tenant access settings{CHANGES}
Migrated partner cross-tenant access settings to the scalable model | update | 1 | migrated/migrate the cross-tenant access settings of {partner}
Create a partner cross-tenant identity sync setting | create | 3 | set/set up identity synchronisation with {partner}
Update a partner cross-tenant identity sync setting | update | 3 | changed/change the identity synchronisation with {partner}{CHANGES}
Delete a partner cross-tenant identity sync setting | delete | 2 | deleted/delete the identity synchronisation with {partner}
Create a MultiTenantOrg | create | 3 | created/create {multitenant organisation}
Update a MultiTenantOrg | update | 3 | changed/change {multitenant organisation}{CHANGES}
Hard Delete MultiTenantOrg | delete | 3 | deleted/delete {multitenant organisation} for good
Add MultiTenantOrg tenant | update | 3 | added/add {tenant} to the multitenant organisation
Update MultiTenantOrg tenant | update | 2 | changed/change {tenant} in the multitenant organisation{CHANGES}
Delete MultiTenantOrg tenant | update | 2 | removed/remove {tenant} from the multitenant organisation
Hard Delete MultiTenantOrg tenant | update | 2 | removed/remove {tenant} from the multitenant organisation for good
Tenant joining MultiTenantOrg tenant | update | 3 | joined/join the multitenant organisation of {tenant}
Update a multitenant org identity sync policy template | update | 3 | changed/change {multitenant synchronisation template}{CHANGES}
Reset a multitenant org identity sync policy template | update | 3 | reset/reset {multitenant synchronisation template}
Update a multitenant org partner configuration template | update | 3 | changed/change {multitenant partner template}{CHANGES}
Reset a multitenant org partner configuration template | update | 3 | reset/reset {multitenant partner template}

# Identity Protection and MFA policies of the admin center
Update IdentityProtectionPolicy | update | 3 | changed/change {Identity Protection policy}{CHANGES}
Update NotificationSettings | update | 2 | changed/change the notifications of Identity Protection{CHANGES}
Update Sign-In Risk Policy | update | 3 | changed/change the sign-in risk policy{CHANGES}
Update User Risk and MFA Registration Policy | update | 3 | changed/change the user risk and MFA registration policy{CHANGES}

# Terms of use
Create Terms Of Use | create | 1 | created/create {terms of use}
Edit Terms Of Use | update | 1 | changed/change {terms of use}{CHANGES}
Publish Terms Of Use | update | 1 | published/publish {terms of use}
Delete Terms Of Use | delete | 2 | deleted/delete {terms of use}
Accept Terms Of Use | other | 1 | accepted/accept {terms of use}
Decline Terms Of Use | other | 1 | declined/decline {terms of use}
Delete Consent | other | 1 | deleted/delete {WHOSE} acceptance of the terms of use
Add agreement | create | 1 | created/create {agreement}
Update agreement | update | 1 | changed/change {agreement}{CHANGES}
Delete agreement | delete | 1 | deleted/delete {agreement}
Hard delete agreement | delete | 1 | deleted/delete {agreement} for good

# Global Secure Access and mobility
Create Filtering Policy | create | 2 | created/create {filtering policy}
Update Filtering Policy | update | 3 | changed/change {filtering policy}{CHANGES}
Delete Filtering Policy | delete | 3 | deleted/delete {filtering policy}
Create Filtering Policy Profile | create | 2 | created/create {security profile}
Update Filtering Policy Profile | update | 3 | changed/change {security profile}{CHANGES}
Update Filtering Profile | update | 3 | changed/change {security profile}{CHANGES}
Delete Filtering Policy Profile | delete | 3 | deleted/delete {security profile}
Create Forwarding Policy | create | 2 | created/create {forwarding policy}
Update Forwarding Policy | update | 3 | changed/change {forwarding policy}{CHANGES}
Update Forwarding Options Policy | update | 2 | changed/change {forwarding options policy}{CHANGES}
Update Forwarding Profile | update | 3 | changed/change {traffic forwarding profile}{CHANGES}
Update Adaptive Access Policy | update | 3 | changed/change {adaptive access policy}{CHANGES}
Update Enriched Audit Logs Settings | update | 3 | changed/change the enriched audit log settings{CHANGES}
Create Branch | create | 1 | created/create {remote network}
Update Branch | update | 1 | changed/change {remote network}{CHANGES}
Onboarding Process Started | other | 1 | began/begin to set up Global Secure Access
Update mobility management policy | update | 2 | changed/change {mobility management policy}{CHANGES}
`
