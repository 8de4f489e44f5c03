// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Groups and administrative units, in the form that activity-table.ts explains. */
export const groupActivities = `
# Core Directory
Add group | create group | 1 | created/create {group}
Update group | update | 1 | changed/change {group}{CHANGES}
Delete group | delete group | 1 | deleted/delete {group}
Hard Delete group | delete group | 2 | deleted/delete {group} for good
Restore group | change group | 1 | restored/restore {group}
Add member to group | add member | 1 | added/add {WHO} to {group}
Remove member from group | remove member | 1 | removed/remove {WHO} from {group}
Add owner to group | grant in group = Owner | 2 | made/make {WHO} an owner of {group}
Remove owner from group | revoke in group = Owner | 1 | removed/remove {WHO} as an owner of {group}
Set group to be managed by user | grant in group = Manager | 1 | let/let {WHO} manage {group}
Set group license | update | 1 | changed/change the licences of {group}{CHANGES}
Start applying group based license to users | update | 1 | began/begin to apply the licences of {group} to its users
Finish applying group based license to user | update | 1 | applied/apply the licences of {group} to its users
Trigger group license recalculation | update | 1 | had/have the licences of {group} calculated anew
Assign label to group | update | 1 | gave/give {group} a label
Remove label from group | update | 1 | took/take a label off {group}
Create group settings | create | 1 | created/create {group settings}
Update group settings | update | 2 | changed/change {group settings}{CHANGES}
Delete group settings | delete | 2 | deleted/delete {group settings}
Grant contextual consent to application | grant in group | 2 | let/let {app} act in {group}
Bulk import group members - finished (bulk) | change group | 1 | added/add members to {group} in bulk
Bulk remove group members - finished (bulk) | change group | 1 | removed/remove members from {group} in bulk
Download group members - finished (bulk) | read | 1 | downloaded/download the members of {group}
Download groups - finished (bulk) | read | 1 | downloaded/download the list of groups

# Self-service group management
Request to join a group | change group | 1 | asked/ask to join {group}
Cancel a pending request to join a group | change group | 1 | cancelled/cancel a request to join {group}
Delete a pending request to join a group | change group | 1 | deleted/delete a request to join {group}
Approve a pending request to join a group | change group | 1 | approved/approve a request to join {group}
Reject a pending request to join a group | change group | 1 | rejected/reject a request to join {group}
Renew group | change group | 1 | renewed/renew {group}
Autorenew group | change group | 1 | renewed/renew {group} automatically
Create lifecycle management policy | create | 1 | created/create {group lifecycle policy}
Update lifecycle management policy | update | 1 | changed/change {group lifecycle policy}{CHANGES}
Delete lifecycle management policy | delete | 1 | deleted/delete {group lifecycle policy}
Group_Create | create group | 1 | created/create {group} by self-service
Group_Update | update | 1 | changed/change {group} by self-service{CHANGES}
Group_Delete | delete group | 1 | deleted/delete {group} by self-service
Group_Restore | change group | 1 | restored/restore {group} by self-service
Group_AddMember | add member | 1 | added/add {WHO} to {group} by self-service
Group_RemoveMember | remove member | 1 | removed/remove {WHO} from {group} by self-service
Group_AddOwner | grant in group = Owner | 2 | made/make {WHO} an owner of {group} by self-service
Group_RemoveOwner | revoke in group = Owner | 1 | removed/remove {WHO} as an owner of {group} by self-service
GroupLifecyclePolicies_addGroup | update | 1 | put/put {group} under a lifecycle policy
GroupLifecyclePolicies_removeGroup | update | 1 | took/take {group} out of a lifecycle policy
LcmPolicy_RenewGroup | change group | 1 | renewed/renew {group}
Approvals_Post | change group | 1 | asked/ask for an approval in {group}
Approvals_ActOnApproval | change group | 1 | decided/decide on a request to join {group}
Approval_Act | change group | 1 | decided/decide on a request to join {group}
ApprovalNotification_Create | change group | 1 | notified/notify the approvers of {group}
Features_UpdateFeaturesAsync | update | 1 | changed/change the self-service features of the tenant{CHANGES}
Updated MyApps feature value | update | 1 | changed/change a feature of My Apps{CHANGES}
Update MyStaff feature value | update | 1 | changed/change a feature of My Staff{CHANGES}
Updated ConvergedUXV2 feature value | update | 1 | changed/change the combined registration feature{CHANGES}
Updated SSPRConvergence feature value | update | 1 | changed/change the combined registration feature{CHANGES}
Updated SignInReports feature value | update | 1 | changed/change the sign-in reports feature{CHANGES}

# Administrative units
Add administrative unit | create | 1 | created/create {administrative unit}
Update administrative unit | update | 1 | changed/change {administrative unit}{CHANGES}
Delete administrative unit | delete | 2 | deleted/delete {administrative unit}
Hard Delete administrative unit | delete | 2 | deleted/delete {administrative unit} for good
Restore administrative unit | update | 1 | restored/restore {administrative unit}
Add member to administrative unit | add member | 1 | added/add {WHO} to {administrative unit}
Remove member from administrative unit | remove member | 1 | removed/remove {WHO} from {administrative unit}
Add member to restricted management administrative unit | add member | 2 | added/add {WHO} to {restricted administrative unit}
Remove member from restricted management administrative unit | remove member | 3 | removed/remove {WHO} from {restricted administrative unit}
Bulk add members to administrative unit - finished (bulk) | update | 1 | added/add members to {administrative unit} in bulk
Bulk remove members to administrative unit - finished (bulk) | update | 1 | removed/remove members from {administrative unit} in bulk
`
