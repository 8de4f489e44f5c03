// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Permissions of Microsoft Graph by id: an application's wishes name them by nothing else. Every row was checked against
// Microsoft's permissions reference (learn.microsoft.com/graph/permissions-reference). Those that many ask for and those
// that give much; others are told by their number.

const rows = `
e1fe6dd8-ba31-4d61-89e7-88639da4683d User.Read
37f7f235-527c-4136-accd-4a02d197296e openid
14dad69e-099b-42c9-810b-d002981feec1 profile
64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0 email
7427e0e9-2fba-42fe-b0c0-848c9e6a8182 offline_access
0e263e50-5827-48a4-b97c-d940288653c7 Directory.AccessAsUser.All
06da0dbc-49e2-44d2-8312-53f166ab848a Directory.Read.All
7ab1d382-f21e-4acd-a863-ba3e13f7da61 Directory.Read.All
c5366453-9fb0-48a5-a156-24f0c49a4b84 Directory.ReadWrite.All
19dbc75e-c2e2-444c-a770-ec69d8559fc7 Directory.ReadWrite.All
a154be20-db9c-4678-8ab7-66f6cc099a59 User.Read.All
df021288-bdef-4463-88db-98f22de89214 User.Read.All
b340eb25-3456-403f-be2f-af7a0d370277 User.ReadBasic.All
204e0828-b5ca-4ad8-b9f3-f32a958e7cc4 User.ReadWrite.All
741f803b-c850-494e-b5df-cde7c675a1ca User.ReadWrite.All
5f8c59db-677d-491f-a6b8-5f174b11ec1d Group.Read.All
5b567255-7703-4780-807c-7be8301ae99b Group.Read.All
4e46008b-f24c-477d-8fff-7bb4ec7aafe0 Group.ReadWrite.All
62a82d76-70ea-41e2-9197-370581804d09 Group.ReadWrite.All
dbaae8cf-10b5-4b86-a4a1-f871c94c6695 GroupMember.ReadWrite.All
c79f8feb-a9db-4090-85f9-90d820caa0eb Application.Read.All
9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30 Application.Read.All
bdfbf15f-ee85-4955-8675-146e8e5296b5 Application.ReadWrite.All
1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9 Application.ReadWrite.All
18a4783c-866b-4cc7-a460-3d5e5662c884 Application.ReadWrite.OwnedBy
06b708a9-e830-4db3-a914-8e69da51d44f AppRoleAssignment.ReadWrite.All
d01b97e9-cbc0-49fe-810a-750afd5527a3 RoleManagement.ReadWrite.Directory
9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8 RoleManagement.ReadWrite.Directory
483bed4a-2ad3-4361-a73b-c83ccdbdc53c RoleManagement.Read.Directory
50483e42-d915-4231-9639-7fdb7fd190e5 UserAuthenticationMethod.ReadWrite.All
246dd0d5-5bd0-4def-940b-0421030a5b68 Policy.Read.All
01c0a623-fc9b-48e9-b794-0756f8e8f067 Policy.ReadWrite.ConditionalAccess
e4aa47b9-9a69-4109-82ed-36ec70d85ff1 AccessReview.ReadWrite.All
e4c9e354-4dc5-45b8-9e7c-e1393b0b1a20 AuditLog.Read.All
b0afded3-3588-46d8-8b3d-9842eff778da AuditLog.Read.All
570282fd-fa5c-430d-a7fd-fc8dc98a9dca Mail.Read
810c84a8-4a9e-49e6-bf7d-12d183f40d01 Mail.Read
024d486e-b451-40bb-833d-3e66d98c5c73 Mail.ReadWrite
e2a3a72e-5f79-4c64-b1b1-878b674786c9 Mail.ReadWrite
e383f46e-2787-4529-855e-0e479a3ffac0 Mail.Send
b633e1c5-b582-4048-a93e-9f11b44c7e96 Mail.Send
818c620a-27a9-40bd-a6a5-d96f7d610b4b MailboxSettings.ReadWrite
6931bccd-447a-43d1-b442-00a195474933 MailboxSettings.ReadWrite
465a38f9-76ea-45b9-9f34-9e8b0d4b0b42 Calendars.Read
798ee544-9d2d-430c-a058-570e29e34338 Calendars.Read
1ec239c2-d7c9-4623-a91a-a9775856bb36 Calendars.ReadWrite
ef54d2bf-783f-4e0f-bca1-3210c0444d99 Calendars.ReadWrite
10465720-29dd-4523-a11a-6a75c743c9d9 Files.Read
df85f4d6-205c-4ac5-a5ea-6bf408dba283 Files.Read.All
01d4889c-1287-42c6-ac1f-5d1e02578ef6 Files.Read.All
5c28f0bf-8a70-41f1-8ab2-9032436ddb65 Files.ReadWrite
863451e7-0667-486c-a5d6-d135439485f0 Files.ReadWrite.All
75359482-378d-4052-8f01-80520e7db3cd Files.ReadWrite.All
205e70e5-aba6-4c52-a976-6d2d46c48043 Sites.Read.All
332a536c-c7ef-4017-ab91-336970924f0d Sites.Read.All
89fe6a52-be36-487e-b7d8-d061c450a026 Sites.ReadWrite.All
9492366f-7969-46a4-8d15-ed1a20078fff Sites.ReadWrite.All
a82116e5-55eb-4c41-a434-62fe8a61c773 Sites.FullControl.All
`

export const graphPermissions: ReadonlyMap<string, string> = new Map(
  rows
    .trim()
    .split('\n')
    .map((row) => [row.slice(0, 36), row.slice(37)] as const),
)
