// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Directory roles and Privileged Identity Management, in the form that activity-table.ts explains. PIM writes the same
 * names for directory roles, for Azure resources and for groups.
 */
export const roleActivities = `
# Core Directory
Add member to role | grant | role | gave/give {ROLE} to {WHO}
Add eligible member to role | grant | role | made/make {WHO} eligible for {ROLE}
Add scoped member to role | grant | role | gave/give {ROLE} over {administrative unit} to {WHO}
Add member to role scoped over Restricted Management Administrative Unit | grant | role | gave/give {ROLE} over {administrative unit} to {WHO}
Add role assignment to role definition | grant | role | gave/give {ROLE} to {WHO}
Add EligibleRoleAssignment to RoleDefinition | grant | role | made/make {WHO} eligible for {ROLE}
Remove member from role | revoke | role removed | took/take {ROLE} away from {WHO}
Remove eligible member from role | revoke | role removed | ended/end {WHOSE} eligibility for {ROLE}
Remove scoped member from role | revoke | role removed | took/take {ROLE} over {administrative unit} away from {WHO}
Remove member from role scoped over Restricted Management Administrative Unit | revoke | role removed | took/take {ROLE} over {administrative unit} away from {WHO}
Remove role assignment from role definition | revoke | role removed | took/take {ROLE} away from {WHO}
Remove EligibleRoleAssignment from RoleDefinition | revoke | role removed | ended/end {WHOSE} eligibility for {ROLE}
Add role definition | create | 3 | created/create {role}
Update role definition | update | 3 | changed/change {role}{CHANGES}
Delete role definition | delete | 3 | deleted/delete {role}
Add role from template | create | 1 | added/add {role} from its template
Update role | update | 2 | changed/change {role}{CHANGES}

# Azure roles that Entra logs
User has elevated their access to User Access Administrator for their Azure Resources | grant = User Access Administrator | 4 | elevated/elevate {SELF} access to User Access Administrator over all Azure resources
User has removed their elevated access to User Access Administrator for their Azure Resources | revoke = User Access Administrator | 2 | gave/give up {SELF} access as User Access Administrator over all Azure resources
Create role assignment | grant | role | gave/give {ROLE} to {WHO}
Add role assignment | grant | role | gave/give {ROLE} to {WHO}
Delete role assignment | revoke | role removed | took/take {ROLE} away from {WHO}
Remove role assignment | revoke | role removed | took/take {ROLE} away from {WHO}

# PIM: active assignments
Add member to role in PIM requested (permanent) | access | role asked | asked/ask PIM to give {ROLE} to {WHO} permanently
Add member to role in PIM requested (timebound) | access | role asked | asked/ask PIM to give {ROLE} to {WHO} for a limited time
Add member to role in PIM requested (renew) | access | role asked | asked/ask PIM to renew {ROLE} for {WHO}
Add member to role in PIM completed (permanent) | grant | role | gave/give {ROLE} to {WHO} permanently through PIM
Add member to role in PIM completed (timebound) | grant | role | gave/give {ROLE} to {WHO} for a limited time through PIM
Add member to role in PIM completed (renew) | grant | role | renewed/renew {ROLE} for {WHO} through PIM
Add member to role in PIM canceled (permanent) | access | 1 | cancelled/cancel the request to give {ROLE} to {WHO} permanently
Add member to role in PIM canceled (timebound) | access | 1 | cancelled/cancel the request to give {ROLE} to {WHO} for a limited time
Add member to role in PIM canceled (renew) | access | 1 | cancelled/cancel the request to renew {ROLE} for {WHO}
Add member to role outside of PIM (permanent) | grant | role | recorded/record that {WHO} got {ROLE} permanently, outside of PIM
Approve request - direct role assignment | access | role | approved/approve the assignment of {ROLE} to {WHO}
Deny request - direct role assignment | access | 1 | denied/deny the assignment of {ROLE} to {WHO}
Remove member from role in PIM requested (permanent) | access | 1 | asked/ask PIM to take {ROLE} away from {WHO}
Remove member from role in PIM requested (timebound) | access | 1 | asked/ask PIM to take {ROLE} away from {WHO}
Remove member from role in PIM completed (permanent) | revoke | role removed | took/take {ROLE} away from {WHO} through PIM
Remove member from role in PIM completed (timebound) | revoke | role removed | took/take {ROLE} away from {WHO} through PIM
Remove permanent direct role assignment | revoke | role removed | took/take the permanent assignment of {ROLE} away from {WHO}
Restore member from role | grant | role | gave/give {ROLE} back to {WHO}
Restore member from role in PIM completed | grant | role | gave/give {ROLE} back to {WHO} through PIM
Restore permanent direct role assignment | grant | role | gave/give the permanent assignment of {ROLE} back to {WHO}
Update member in PIM requested (extend) | access | role asked | asked/ask PIM to extend {ROLE} for {WHO}
Update member in PIM canceled (extend) | access | 1 | cancelled/cancel the request to extend {ROLE} for {WHO}
Update member in PIM approved by admin (extend/renew) | grant | role | extended/extend {ROLE} for {WHO}
Update member in PIM denied by admin (extend/renew) | access | 1 | refused/refuse to extend {ROLE} for {WHO}

# PIM: eligible assignments
Add eligible member to role in PIM requested (permanent) | access | role asked | asked/ask PIM to make {WHO} permanently eligible for {ROLE}
Add eligible member to role in PIM requested (timebound) | access | role asked | asked/ask PIM to make {WHO} eligible for {ROLE} for a limited time
Add eligible member to role in PIM requested (renew) | access | role asked | asked/ask PIM to renew {WHOSE} eligibility for {ROLE}
Add eligible member to role in PIM completed (permanent) | grant | role | made/make {WHO} permanently eligible for {ROLE}
Add eligible member to role in PIM completed (timebound) | grant | role | made/make {WHO} eligible for {ROLE} for a limited time
Add eligible member to role in PIM completed (renew) | grant | role | renewed/renew {WHOSE} eligibility for {ROLE}
Add eligible member to role in PIM canceled (permanent) | access | 1 | cancelled/cancel the request to make {WHO} permanently eligible for {ROLE}
Add eligible member to role in PIM canceled (timebound) | access | 1 | cancelled/cancel the request to make {WHO} eligible for {ROLE}
Add eligible member to role in PIM canceled (renew) | access | 1 | cancelled/cancel the request to renew {WHOSE} eligibility for {ROLE}
Remove eligible member from role in PIM requested (permanent) | access | 1 | asked/ask PIM to end {WHOSE} eligibility for {ROLE}
Remove eligible member from role in PIM requested (timebound) | access | 1 | asked/ask PIM to end {WHOSE} eligibility for {ROLE}
Remove eligible member from role in PIM completed (permanent) | revoke | role removed | ended/end {WHOSE} eligibility for {ROLE}
Remove eligible member from role in PIM completed (timebound) | revoke | role removed | ended/end {WHOSE} eligibility for {ROLE}
Remove permanent eligible role assignment | revoke | role removed | ended/end {WHOSE} permanent eligibility for {ROLE}
Restore eligible member from role in PIM completed | grant | role | restored/restore {WHOSE} eligibility for {ROLE}
Restore permanent eligible role assignment | grant | role | restored/restore {WHOSE} permanent eligibility for {ROLE}
Update eligible member in PIM requested (extend) | access | role asked | asked/ask PIM to extend {WHOSE} eligibility for {ROLE}
Update eligible member in PIM canceled (extend) | access | 1 | cancelled/cancel the request to extend {WHOSE} eligibility for {ROLE}

# PIM: activation
Add member to role requested (PIM activation) | access | role asked | asked/ask to activate {ROLE} for {WHO} through PIM
Add member to role approval requested (PIM activation) | access | role asked | asked/ask for approval to activate {ROLE} for {WHO}
Add member to role request approved (PIM activation) | access | role asked | approved/approve the activation of {ROLE} for {WHO}
Add member to role request denied (PIM activation) | access | 2 | denied/deny {WHO} the activation of {ROLE}
Add member to role canceled (PIM activation) | access | 1 | cancelled/cancel the activation of {ROLE} for {WHO}
Add member to role completed (PIM activation) | grant | role activated | activated/activate {ROLE} for {WHO} through PIM
PIM activation request expired | access | 1 | recorded/record that {WHOSE} request to activate {ROLE} expired
Remove member from role (PIM activation expired) | revoke | 1 | recorded/record that {WHOSE} activation of {ROLE} expired
Remove member from role requested (PIM deactivate) | access | 1 | asked/ask to deactivate {ROLE} for {WHO}
Remove member from role completed (PIM deactivate) | revoke | 1 | deactivated/deactivate {ROLE} for {WHO}

# PIM: requests of either kind
Cancel request @ PIM | access | 1 | cancelled/cancel a request for {ROLE}
Cancel request for role removal | access | 1 | cancelled/cancel a request to take {ROLE} away from {WHO}
Cancel request for role update | access | 1 | cancelled/cancel a request to change the assignment of {ROLE} to {WHO}
Process request | access | 1 | processed/process a request for {ROLE}
Process role removal request | access | 1 | processed/process a request to take {ROLE} away from {WHO}
Process role update request | access | 1 | processed/process a request to change the assignment of {ROLE} to {WHO}
Remove request | access | 1 | removed/remove a request for {ROLE}

# PIM: settings, alerts, what it manages
Update role setting in PIM | update | role | changed/change the PIM settings of {role}{SETTING}
PIM policy removed | delete | role | removed/remove the PIM policy of {role}
Role definition created | create | 2 | created/create {role}
Triggered PIM alert | other | 3 | raised/raise {PIM alert}
Enable PIM alert | enable | 1 | enabled/enable {PIM alert}
Disable PIM alert | disable | 3 | disabled/disable {PIM alert}
Deactivate PIM alert | deactivate | 3 | deactivated/deactivate {PIM alert}
Resolve PIM alert | update | 2 | resolved/resolve {PIM alert}
Refresh PIM alert | update | 1 | refreshed/refresh {PIM alert}
Update PIM alert setting | update | 3 | changed/change the settings of {PIM alert}{CHANGES}
Onboarded resource to PIM | enroll | 1 | put/put {resource} under PIM
Onboarded resource from PIM | enroll | 1 | put/put {resource} under PIM
Offboarded resource from PIM | unenroll | 3 | took/take {resource} out of PIM
Tenant offboarded from PIM | unenroll | 4 | took/take {tenant} out of PIM
Resource updated | update | 1 | changed/change {resource} in PIM{CHANGES}
`
