// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Devices, domains, federation and the company itself, in the form that activity-table.ts explains. */
export const directoryActivities = `
# Core Directory: devices
Add device | create | 1 | created/create {device}
Update device | update | 1 | changed/change {device}{CHANGES}
Delete device | delete | 1 | deleted/delete {device}
Add registered owner to device | update | 1 | made/make {WHO} the registered owner of {device}
Add registered users to device | update | 1 | made/make {WHO} a registered user of {device}
Remove registered owner from device | update | 1 | removed/remove {WHO} as the registered owner of {device}
Remove registered users from device | update | 1 | removed/remove {WHO} as a registered user of {device}
Device no longer compliant | update | 2 | recorded/record that {device} is no longer compliant
Device no longer managed | update | 2 | recorded/record that {device} is no longer managed
Disable device | disable | 1 | disabled/disable {device}
Enable device | enable | 1 | enabled/enable {device}
Add device configuration | create | 1 | created/create {device configuration}
Update device configuration | update | 1 | changed/change {device configuration}{CHANGES}
Delete device configuration | delete | 1 | deleted/delete {device configuration}
Add device from DeviceTemplate | create | 1 | created/create {device} from a template
Update DeviceTemplate | update | 1 | changed/change {device template}{CHANGES}
Delete DeviceTemplate | delete | 1 | deleted/delete {device template}
Download devices - finished (bulk) | read | 1 | downloaded/download the list of devices

# Device Registration Service
Register device | enroll | 1 | registered/register {device}
Unregister device | unenroll | 1 | unregistered/unregister {device}
Pre-create device | create | 1 | created/create {device} in advance
Delete pre-created device | delete | 1 | deleted/delete {device}, which had been created in advance
Set device registration policies | update | 3 | changed/change the device registration policies{CHANGES}
Reveal local administrator password | read | 3 | read/read the local administrator password of {device}
Recover device local administrator password | read | 3 | read/read the local administrator password of {device}
Update local administrator password | update | 1 | changed/change the local administrator password of {device}
Add BitLocker key | create | 1 | stored/store the BitLocker key of {device}
Read BitLocker key | read | 3 | read/read the BitLocker key of {device}
Delete BitLocker key | delete | 2 | deleted/delete the BitLocker key of {device}

# Core Directory: domains and federation
Add unverified domain | create | 2 | added/add {domain}, not yet verified
Add verified domain | create | 3 | added/add {domain}, verified
Verify domain | update | 3 | verified/verify {domain}
Verify email verified domain | update | 2 | verified/verify {domain} by email
Update domain | update | 2 | changed/change {domain}{CHANGES}
Remove unverified domain | delete | 2 | removed/remove {domain}, which was not verified
Remove verified domain | delete | 3 | removed/remove {domain}, which was verified
Promote sub domain to root domain | update | 2 | made/make {domain} a root domain
Get cross-cloud verification code for domain | read | 1 | read/read the cross-cloud verification code of {domain}
Set domain authentication | update | 4 | changed/change how {domain} authenticates{CHANGES}
Set federation settings on domain | update | 4 | changed/change the federation settings of {domain}{CHANGES}
Schedule Add sharedEmailDomain | create | 1 | scheduled/schedule the sharing of {domain}
Schedule Remove sharedEmailDomain | delete | 1 | scheduled/schedule an end to the sharing of {domain}
Update sharedEmailDomain | update | 1 | changed/change the sharing of {domain}{CHANGES}
Add sharedEmailDomainInvitation | create | 1 | invited/invite another tenant to share {domain}
Update sharedEmailDomainInvitation | update | 1 | changed/change the invitation to share {domain}{CHANGES}
Add kerberos domain | create | 3 | added/add {Kerberos domain}
Update kerberos domain | update | 3 | changed/change {Kerberos domain}{CHANGES}
Delete kerberos domain | delete | 3 | deleted/delete {Kerberos domain}
Restore kerberos domain | update | 3 | restored/restore {Kerberos domain}
Create Identity Provider | create | 4 | added/add {identity provider}
Update Identity Provider | update | 4 | changed/change {identity provider}{CHANGES}
Delete Identity Provider | delete | 3 | deleted/delete {identity provider}
Create custom identity provider | create | 4 | added/add {identity provider}
Update custom identity provider | update | 4 | changed/change {identity provider}{CHANGES}
Update local identity provider | update | 3 | changed/change {identity provider}{CHANGES}

# Core Directory: company
Create Company | create | 1 | created/create {tenant}
Update company | update | 2 | changed/change {tenant}{CHANGES}
Set Company Information | update | 2 | changed/change the information of {tenant}{CHANGES}
Create company settings | create | 2 | created/create the settings of {tenant}
Update company settings | update | 2 | changed/change the settings of {tenant}{CHANGES}
Delete company settings | delete | 2 | deleted/delete the settings of {tenant}
Set company allowed data location | update | 2 | changed/change where the data of {tenant} may lie
Delete company allowed data location | update | 2 | deleted/delete a place where the data of {tenant} may lie
Set company multinational feature enabled | update | 2 | enabled/enable the multinational feature of {tenant}
Set directory feature on tenant | update | 2 | changed/change a feature of {tenant}{CHANGES}
Set DirSyncEnabled flag | update | 3 | changed/change whether {tenant} is synchronised{CHANGES}
Set DirSync feature | update | 3 | changed/change a synchronisation feature of {tenant}{CHANGES}
Set accidental deletion threshold | update | 2 | changed/change the accidental deletion threshold of {tenant}{CHANGES}
Delete subscription | delete | 2 | deleted/delete a subscription of {tenant}
Directory deleted | delete | 4 | deleted/delete {tenant}
Directory deleted permanently | delete | 4 | deleted/delete {tenant} permanently
Directory scheduled for deletion (Lifecycle) | delete | 4 | scheduled/schedule {tenant} for deletion
Directory scheduled for deletion (UserRequest) | delete | 4 | scheduled/schedule {tenant} for deletion
Add partner to company | create | 3 | added/add {partner}
Remove partner from company | delete | 2 | removed/remove {partner}
Set Partnership | update | 3 | changed/change the partnership with {partner}
Promote company to partner | update | 3 | made/make {tenant} a partner
Demote partner | update | 2 | ended/end the partner status of {tenant}
Add contact | create | 1 | created/create {contact}
Update contact | update | 1 | changed/change {contact}{CHANGES}
Delete contact | delete | 1 | deleted/delete {contact}
Add label | create | 1 | created/create {label}
Update label | update | 1 | changed/change {label}{CHANGES}
Delete label | delete | 1 | deleted/delete {label}
Add PrivateEndpoint | create | 2 | created/create {private endpoint}
Delete PrivateEndpoint | delete | 2 | deleted/delete {private endpoint}
Add PrivateLinkResource | create | 2 | created/create {private link}
Update PrivateLinkResource | update | 2 | changed/change {private link}{CHANGES}
Delete PrivateLinkResource | delete | 2 | deleted/delete {private link}

# Custom security attributes
Add an attribute set | create | 2 | created/create {attribute set}
Update an attribute set | update | 2 | changed/change {attribute set}{CHANGES}
Add custom security attribute definition in an attribute set | create | 2 | created/create {custom security attribute}
Update custom security attribute definition in an attribute set | update | 2 | changed/change {custom security attribute}{CHANGES}

# Microsoft's support, recommendations, reports
Request created | other | 2 | recorded/record a request of Microsoft support for access
Request approved | other | 3 | approved/approve a request of Microsoft support for access
Request rejected | other | 1 | rejected/reject a request of Microsoft support for access
Request canceled | other | 1 | cancelled/cancel a request of Microsoft support for access
Approval approved | other | 3 | approved/approve the access of Microsoft support
Approval removed | other | 1 | ended/end the access of Microsoft support
Dismiss recommendation | update | 1 | dismissed/dismiss {recommendation}
Mark recommendation as complete | update | 1 | marked/mark {recommendation} as complete
Postpone recommendation | update | 1 | postponed/postpone {recommendation}
Download registration and reset events - finished (bulk) | read | 1 | downloaded/download the registration and reset events
Download role assignments - finished (bulk) | read | 2 | downloaded/download the role assignments
Download service principals - finished (bulk) | read | 1 | downloaded/download the list of service principals
Download user registration details - finished (bulk) | read | 2 | downloaded/download the registration details of users
Bulk download hardware tokens - finished (bulk) | read | 2 | downloaded/download the hardware tokens
Bulk add authentication devices - finished (bulk) | create | 1 | added/add authentication devices in bulk
Export summary data - finished (bulk) | read | 1 | exported/export summary data
Export summary data new - finished (bulk) | read | 1 | exported/export summary data
Started (bulk) | other | 1 | started/start a bulk operation

# B2C: keys and policies
Create policy key | create | 2 | created/create {policy key}
Update policy key | update | 3 | changed/change {policy key}{CHANGES}
Delete policy key | delete | 3 | deleted/delete {policy key}
Restore policy key | update | 2 | restored/restore {policy key}
Generate key | update | 3 | generated/generate {policy key}
Upload key to policy key | update | 3 | uploaded/upload {policy key}
Upload secret into policy key | update | 3 | uploaded/upload a secret into {policy key}
Upload certificate to policy key | update | 3 | uploaded/upload a certificate into {policy key}
Create custom policy | create | 3 | created/create {custom policy}
Update custom policy | update | 3 | changed/change {custom policy}{CHANGES}
Delete custom policy | delete | 3 | deleted/delete {custom policy}
Create user flow | create | 2 | created/create {user flow}
Update user flow | update | 2 | changed/change {user flow}{CHANGES}
Delete user flow | delete | 2 | deleted/delete {user flow}

# Verified ID
Create authority | create | 2 | created/create {issuing authority}
Update authority | update | 2 | changed/change {issuing authority}{CHANGES}
Create contract | create | 1 | created/create {credential contract}
Update contract | update | 1 | changed/change {credential contract}{CHANGES}
Create issuance policy | create | 1 | created/create {issuance policy}
Update issuance policy | update | 1 | changed/change {issuance policy}{CHANGES}
Delete issuance policy | delete | 1 | deleted/delete {issuance policy}
Revoke credential | update | 2 | revoked/revoke {verifiable credential}
Rotate signing key | update | 2 | rotated/rotate the signing key of {issuing authority}
Update linked domains | update | 2 | changed/change the linked domains of {issuing authority}{CHANGES}
Update MyAccount settings | update | 1 | changed/change the My Account settings{CHANGES}
Tenant onboarding | enroll | 1 | set/set up Verified ID for {tenant}
Tenant opt-out | unenroll | 2 | took/take {tenant} out of Verified ID
`
