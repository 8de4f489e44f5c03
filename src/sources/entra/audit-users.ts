// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Users, their credentials and their risk, in the form that activity-table.ts explains. */
export const userActivities = `
# Core Directory: accounts
Add user | create account | 1 | created/create {user}
Delete user | delete account | 1 | deleted/delete {user}
Hard Delete user | delete account | 2 | deleted/delete {user} for good
Restore user | change account | 2 | restored/restore {user}
Update user | update | 1 | changed/change {user}{CHANGES}
Enable account | enable account | 2 | enabled/enable {WHOSE} account
Disable account | disable account | 2 | disabled/disable {WHOSE} account
Change user license | update | 1 | changed/change {WHOSE} licences{CHANGES}
Set user manager | update | 1 | set/set {WHOSE} manager
Convert federated user to managed | change account | 3 | converted/convert {user} from federated to managed
Update StsRefreshTokenValidFrom Timestamp | change account | 2 | revoked/revoke {WHOSE} sessions
Update external secrets | update | 3 | changed/change {WHOSE} external secrets
Viral user creation | create account | 1 | created/create {user} by self-service sign-up
Assign label to user | update | 1 | gave/give {user} a label
Undo user delete | change account | 2 | restored/restore {user}

# Core Directory: passwords and strong authentication
Change user password | change password | 1 | changed/change {WHOSE} password
Reset password | reset password | 2 | reset/reset {WHOSE} password
Reset user password | reset password | 2 | reset/reset {WHOSE} password
Set force change user password | change account | 1 | made/make {WHO} change the password at the next sign-in
Create application password for user | add factor | 2 | created/create an app password for {WHO}
Delete application password for user | remove factor | 1 | deleted/delete {WHOSE} app password
Enable Strong Authentication | add factor | 1 | required/require multifactor authentication of {WHO}
Disable Strong Authentication | remove factor | 3 | switched/switch off multifactor authentication for {WHO}
Add users strong authentication phone app detail | add factor | 2 | added/add an authenticator app for {WHO}
Remove users strong authentication phone app detail | remove factor | 3 | removed/remove {WHOSE} authenticator app
Set user oath token metadata enabled | add factor | 1 | enabled/enable an OATH token for {WHO}

# Authentication Methods
User registered security info | add factor | 1 | registered/register {METHOD} for {WHO}
User registered all required security info | add factor | 1 | registered/register all required security info for {WHO}
User updated security info | change account | 1 | changed/change {WHOSE} security info{METHOD BEHIND}
User changed default security info | change account | 1 | changed/change {WHOSE} default security info
User deleted security info | remove factor | 2 | deleted/delete {WHOSE} {METHOD}
User reviewed security info | change account | 1 | reviewed/review {WHOSE} security info
User started security info registration | change account | 1 | began/begin to register security info for {WHO}
User canceled security info registration | change account | 1 | stopped/stop registering security info for {WHO}
User started password change | change account | 1 | began/begin to change {WHOSE} password
User started password reset | change account | 1 | began/begin to reset {WHOSE} password
Admin registered security info | add factor | 2 | registered/register {METHOD} for {WHO}
Admin updated security info | change account | 2 | changed/change {WHOSE} security info{METHOD BEHIND}
Admin deleted security info | remove factor | 3 | deleted/delete {WHOSE} {METHOD}
Admin started password reset | reset password | 2 | began/begin to reset {WHOSE} password
Get passkey creation options | change account | 1 | asked/ask for the options to create a passkey for {WHO}
Assign Hardware Oath Token | add factor | 1 | assigned/assign a hardware OATH token to {WHO}
Create Hardware Oath Token | create | 1 | created/create a hardware OATH token
Update Hardware Oath Token | update | 1 | changed/change a hardware OATH token
Delete Hardware Oath Token | delete | 2 | deleted/delete a hardware OATH token
Bulk upload Hardware Oath Token | create | 1 | uploaded/upload hardware OATH tokens
PATCH UserAuthMethod.PatchSignInPreferencesAsync | change account | 1 | changed/change {WHOSE} sign-in preferences{CHANGES}

# Device Registration Service: credentials of a user
Add FIDO2 security key | add factor | 1 | added/add a FIDO2 security key for {WHO}
Add Windows Hello for Business credential | add factor | 1 | added/add Windows Hello for Business for {WHO}
Add passwordless phone sign-in credential | add factor | 1 | added/add passwordless phone sign-in for {WHO}
Add platform credential | add factor | 1 | added/add a platform credential for {WHO}
Add passkey (device-bound) | add factor | 1 | added/add a passkey for {WHO}
Delete FIDO2 security key(s) | remove factor | 2 | deleted/delete {WHOSE} FIDO2 security key
Delete FIDO2 security key | remove factor | 2 | deleted/delete {WHOSE} FIDO2 security key
Delete Windows Hello for Business credential | remove factor | 2 | deleted/delete {WHOSE} Windows Hello for Business credential
Delete passwordless phone sign-in credential | remove factor | 2 | deleted/delete {WHOSE} passwordless phone sign-in
Delete platform credential | remove factor | 2 | deleted/delete {WHOSE} platform credential
Delete passkey (device-bound) | remove factor | 2 | deleted/delete {WHOSE} passkey

# Multifactor authentication
Fraud reported - no action taken | change account | 3 | reported/report a fraudulent MFA prompt to {WHO}
Fraud reported - user is blocked for MFA | disable account | 4 | reported/report a fraudulent MFA prompt, and {WHO} was blocked for MFA
Suspicious activity reported | change account | 4 | reported/report an MFA prompt to {WHO} as suspicious
Add blocked user | disable account | 2 | blocked/block {WHO} for MFA
Clear block on user | enable account | 2 | lifted/lift {WHOSE} MFA block
Add bypass user | change account | 3 | let/let {WHO} bypass MFA
Remove bypassed user | change account | 1 | ended/end {WHOSE} MFA bypass
POST Tenant.CreateBlockedUser | disable account | 2 | blocked/block {WHO} for MFA
POST Tenant.RemoveBlockedUser | enable account | 2 | lifted/lift {WHOSE} MFA block
POST Tenant.CreateBypassedUser | change account | 3 | let/let {WHO} bypass MFA
POST Tenant.RemoveBypassedUser | change account | 1 | ended/end {WHOSE} MFA bypass
POST TenantRemoveBypassedUser | change account | 1 | ended/end {WHOSE} MFA bypass

# Self-service password management
Reset password (self-service) | reset password | 1 | reset/reset {WHOSE} password by self-service
Reset password (by admin) | reset password | 2 | reset/reset {WHOSE} password
Change password (self-service) | change password | 1 | changed/change {WHOSE} password by self-service
Unlock user account (self-service) | unlock account | 1 | unlocked/unlock {WHOSE} account by self-service
Blocked from self-service password reset | change account | 2 | was/be blocked from resetting {WHOSE} password by self-service
Security info saved for self-service password reset | add factor | 1 | saved/save {WHOSE} security info for password reset
Self-service password reset flow activity progress | change account | 1 | went/go on with resetting {WHOSE} password by self-service
User Password Registration | change account | 1 | registered/register {WHO} for password reset
User Password Reset | reset password | 1 | reset/reset {WHOSE} password

# Invited users and B2B
Invite external user | create account | 1 | invited/invite {WHO} as a guest
Invite external user with reset invitation status | change account | 1 | invited/invite {WHO} as a guest anew
Invite internal user to B2B collaboration | change account | 1 | invited/invite {user} to B2B collaboration
Redeem external user invite | enable account | 1 | redeemed/redeem {WHOSE} invitation
Redeem extern user invite | enable account | 1 | redeemed/redeem {WHOSE} invitation
Delete external user | delete account | 1 | deleted/delete the guest {WHO}
Email not sent, user unsubscribed | change account | 1 | sent/send no invitation to {WHO}, who does not want any
Email subscribed | change account | 1 | subscribed/subscribe {WHO} to invitations by email
Email unsubscribed | change account | 1 | unsubscribed/unsubscribe {WHO} from invitations by email

# Identity Protection
ConfirmAccountCompromised | change account | 4 | confirmed/confirm that {WHOSE} account is compromised
ConfirmCompromised | change account | 4 | confirmed/confirm {WHOSE} sign-in as compromised
ConfirmSafe | change account | 2 | confirmed/confirm {WHOSE} sign-in as safe
DismissUser | change account | 3 | dismissed/dismiss {WHOSE} risk
DismissRisk | change account | 3 | dismissed/dismiss one of {WHOSE} risks
Dismiss user risk | change account | 3 | dismissed/dismiss {WHOSE} risk
Remediate user | change account | 2 | remediated/remediate {WHOSE} risk
ConfirmServicePrincipalCompromised | update | 4 | confirmed/confirm that {service principal} is compromised
DismissServicePrincipal | update | 3 | dismissed/dismiss the risk of {service principal}
Generate one time password | change account | 1 | asked/ask for a one-time password for {WHO}
Verify one time password | change account | 1 | verified/verify {WHOSE} one-time password

# Custom security attributes and profiles
Update attribute values assigned to a user | update | 2 | changed/change {WHOSE} custom security attributes{CHANGES}
Create ExternalUserProfile | create account | 1 | created/create the external user profile of {user}
Update ExternalUserProfile | update | 1 | changed/change the external user profile of {user}
Delete ExternalUserProfile | delete account | 1 | deleted/delete the external user profile of {user}
Hard Delete ExternalUserProfile | delete account | 1 | deleted/delete the external user profile of {user} for good
Restore ExternalUserProfile | change account | 1 | restored/restore the external user profile of {user}
Create PendingExternalUserProfile | create account | 1 | created/create the pending external user profile of {user}
Update PendingExternalUserProfile | update | 1 | changed/change the pending external user profile of {user}
Delete PendingExternalUserProfile | delete account | 1 | deleted/delete the pending external user profile of {user}
Hard Delete PendingExternalUserProfile | delete account | 1 | deleted/delete the pending external user profile of {user} for good

# B2C
A self-service sign-up request was completed | create account | 1 | completed/complete the self-service sign-up of {user}
An API was called as part of a user flow | other | 1 | called/call an API as part of a user flow
Federate with an identity provider | other | 1 | signed/sign in by way of {identity provider}
Delete all available strong authentication devices | remove factor | 3 | deleted/delete all of {WHOSE} strong authentication devices
Register TOTP secret | add factor | 1 | registered/register a TOTP secret for {WHO}

# Bulk operations of the admin center
Bulk create users - finished (bulk) | create | 1 | created/create users in bulk
Bulk delete users - finished (bulk) | delete | 2 | deleted/delete users in bulk
Bulk invite users - finished (bulk) | create | 1 | invited/invite guests in bulk
Bulk restore deleted users - finished (bulk) | update | 1 | restored/restore deleted users in bulk
Download users - finished (bulk) | read | 2 | downloaded/download the list of users
`
