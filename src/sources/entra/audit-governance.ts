// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Access reviews, entitlement management and lifecycle workflows, in the form that activity-table.ts explains. */
export const governanceActivities = `
# Access reviews
Create access review | create | 1 | created/create {access review}
Update access review | update | 1 | changed/change {access review}{CHANGES}
Delete access review | delete | 2 | deleted/delete {access review}
Access review ended | update | 1 | ended/end {access review}
Apply review | update | 1 | applied/apply the decisions of {access review}
Auto apply review | update | 1 | applied/apply the decisions of {access review} automatically
Auto review | update | 1 | reviewed/review {access review} automatically
Approve decision | access | 1 | approved/approve {WHOSE} access in {access review}
Deny decision | access | 1 | denied/deny {WHOSE} access in {access review}
Don't know decision | access | 1 | left/leave {WHOSE} access undecided in {access review}
Reset decision | access | 1 | reset/reset the decision on {WHOSE} access in {access review}
Apply decision | access | 1 | applied/apply the decision on {WHOSE} access in {access review}
Bulk Approve decisions | update | 2 | approved/approve all decisions of {access review} at once
Bulk Deny decisions | update | 1 | denied/deny all decisions of {access review} at once
Bulk Reset decisions | update | 1 | reset/reset all decisions of {access review} at once
Bulk mark decisions as don't know | update | 1 | left/leave all decisions of {access review} undecided
Deny all decisions | update | 1 | denied/deny all decisions of {access review}
Delete approvals | delete | 1 | deleted/delete approvals of {access review}
Create program | create | 1 | created/create {program}
Link program control | update | 1 | linked/link a control to {program}
Unlink program control | update | 1 | unlinked/unlink a control from {program}
Create request | other | 1 | created/create a request
Update request | other | 1 | changed/change a request{CHANGES}
Cancel request | other | 1 | cancelled/cancel a request
Request expired | other | 1 | recorded/record that a request expired
Request approved @ Access Reviews | other | 1 | approved/approve a request
Request denied | other | 1 | denied/deny a request
Create business flow | create | 1 | created/create {business flow}
Update business flow | update | 1 | changed/change {business flow}{CHANGES}
Delete business flow | delete | 1 | deleted/delete {business flow}
Approve all requests in business flow | update | 1 | approved/approve all requests in {business flow}
Deny all requests in business flow | update | 1 | denied/deny all requests in {business flow}
Create governance policy template | create | 1 | created/create {governance policy template}
Update governance policy template | update | 1 | changed/change {governance policy template}{CHANGES}
Delete governance policy template | delete | 1 | deleted/delete {governance policy template}
Update partner directory settings | update | 2 | changed/change the partner directory settings{CHANGES}

# Entitlement management: assignments
Administrator directly assigns user to access package | grant | 2 | assigned/assign {WHO} to {access package}
Administrator directly removes user access package assignment | revoke | 1 | took/take {access package} away from {WHO}
User requests access package assignment | access | 1 | asked/ask for {access package} for {WHO}
User requests an access package assignment on behalf of service principal | access | 1 | asked/ask for {access package} for {WHO}
User requests to extend access package assignment | access | 1 | asked/ask to extend {access package} for {WHO}
User requests to remove access package assignment | access | 1 | asked/ask to take {access package} away from {WHO}
Create access package assignment user update request | access | 1 | asked/ask to change the assignment of {access package} to {WHO}
Entitlement Management creates access package assignment request for user | access | 1 | asked/ask for {access package} for {WHO}
Entitlement Management removes access package assignment request for user | access | 1 | withdrew/withdraw the request of {access package} for {WHO}
Approve access package assignment request | access | 1 | approved/approve the request of {access package} for {WHO}
Auto approve access package assignment request | access | 1 | approved/approve the request of {access package} for {WHO} automatically
Approval stage completed for access package assignment request | access | 1 | completed/complete an approval stage of the request of {access package} for {WHO}
Deny access package assignment request | access | 1 | denied/deny the request of {access package} for {WHO}
Cancel access package assignment request | access | 1 | cancelled/cancel the request of {access package} for {WHO}
Update access package assignment request | access | 1 | changed/change the request of {access package} for {WHO}
Delete access package assignment request | access | 1 | deleted/delete the request of {access package} for {WHO}
Failed access package assignment request | access | 2 | recorded/record that the request of {access package} for {WHO} failed
Ready to fulfill access package assignment request | access | 1 | prepared/prepare {access package} for {WHO}
Fulfill access package assignment request | grant | 1 | gave/give {access package} to {WHO}
Partially fulfill access package assignment request | grant | 2 | gave/give a part of {access package} to {WHO}
Fulfill access package resource assignment | grant | 1 | gave/give a resource of {access package} to {WHO}
Remove access package resource assignment | revoke | 1 | took/take a resource of {access package} away from {WHO}
Extend access package assignment | grant | 1 | extended/extend {access package} for {WHO}
Schedule a future access package assignment | access | 1 | scheduled/schedule {access package} for {WHO}
Update request answers by approver | access | 1 | changed/change the answers in the request of {access package} for {WHO}

# Entitlement management: what can be requested
Create access package | create | 1 | created/create {access package}
Update access package | update | 1 | changed/change {access package}{CHANGES}
Delete access package | delete | 1 | deleted/delete {access package}
Create access package assignment policy | create | 2 | created/create {assignment policy}
Update access package assignment policy | update | 2 | changed/change {assignment policy}{CHANGES}
Delete access package assignment policy | delete | 2 | deleted/delete {assignment policy}
Delete access package assignment policy for a deleted user | delete | 1 | deleted/delete {assignment policy} of a deleted user
Create access package catalog | create | 1 | created/create {catalog}
Update access package catalog | update | 1 | changed/change {catalog}{CHANGES}
Delete access package catalog | delete | 1 | deleted/delete {catalog}
Update access package catalog resource | update | 1 | changed/change a resource of {catalog}{CHANGES}
Create resource request | update | 2 | asked/ask to add {resource} to a catalog
Create resource remove request | update | 1 | asked/ask to remove {resource} from a catalog
Create resource environment | create | 1 | created/create {resource environment}
Create incompatible access package | update | 1 | made/make {access package} incompatible with another
Delete incompatible access package | update | 2 | ended/end an incompatibility of {access package}
Create incompatible group | update | 1 | made/make {access package} incompatible with a group
Delete incompatible group | update | 2 | ended/end the incompatibility of {access package} with a group
Create connected organization | create | 2 | connected/connect {organisation}
Update connected organization | update | 2 | changed/change {connected organisation}{CHANGES}
Delete connected organization | delete | 1 | disconnected/disconnect {organisation}
Assign user as internal sponsor | grant = Internal sponsor | 1 | made/make {WHO} an internal sponsor of {connected organisation}
Assign user as external sponsor | grant = External sponsor | 2 | made/make {WHO} an external sponsor of {connected organisation}
Remove user as internal sponsor | revoke = Internal sponsor | 1 | removed/remove {WHO} as an internal sponsor of {connected organisation}
Remove user as external sponsor | revoke = External sponsor | 1 | removed/remove {WHO} as an external sponsor of {connected organisation}
Add Entitlement Management role assignment | grant | role | gave/give {ROLE} in entitlement management to {WHO}
Remove Entitlement Management role assignment | revoke | 1 | took/take {ROLE} in entitlement management away from {WHO}
Create custom extension | create | 2 | created/create {custom extension}
Update custom extension | update | 2 | changed/change {custom extension}{CHANGES}
Delete custom extension | delete | 1 | deleted/delete {custom extension}
Execute custom extension | other | 1 | ran/run {custom extension}
Update tenant setting | update | 2 | changed/change the settings of entitlement management{CHANGES}

# Lifecycle workflows
Create workflow | create | 2 | created/create {workflow}
Update workflow | update | 2 | changed/change {workflow}{CHANGES}
Delete workflow | delete | 2 | deleted/delete {workflow}
Hard delete workflow | delete | 2 | deleted/delete {workflow} for good
Restore workflow | update | 2 | restored/restore {workflow}
Enable workflow | enable | 2 | enabled/enable {workflow}
Disable workflow | disable | 2 | disabled/disable {workflow}
Enable workflow schedule | enable | 1 | enabled/enable the schedule of {workflow}
Disable workflow schedule | disable | 2 | disabled/disable the schedule of {workflow}
Add workflow version | update | 1 | added/add a version of {workflow}
Add execution conditions | update | 1 | added/add execution conditions to {workflow}
Update execution conditions | update | 1 | changed/change the execution conditions of {workflow}{CHANGES}
Set workflow for on-demand execution | update | 1 | ordered/order {workflow} to run on demand
On-demand workflow execution completed | other | 1 | ran/run {workflow} on demand
Schedule workflow execution started | other | 1 | started/start {workflow} by its schedule
Schedule workflow execution completed | other | 1 | ran/run {workflow} by its schedule
Add task to workflow | update | 1 | added/add {task} to a workflow
Update task | update | 1 | changed/change {task}{CHANGES}
Enable task | enable | 1 | enabled/enable {task}
Disable task | disable | 1 | disabled/disable {task}
Remove task from workflow | update | 1 | removed/remove {task} from a workflow
Create custom task extension | create | 2 | created/create {custom task extension}
Update custom task extension | update | 2 | changed/change {custom task extension}{CHANGES}
Delete custom task extension | delete | 1 | deleted/delete {custom task extension}
Update tenant settings | update | 2 | changed/change the settings of lifecycle workflows{CHANGES}
`
