// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What Entra calls `Update …` whatever was changed: the property tells. Two columns stand before the kind of
 * activity-table.ts, the property and what became of it: `on`, `off`, `set` to another value; `gained`, `lost`,
 * `exchanged` or `kept` members of a list; `named` where the event says that it changed and not how. Of several
 * properties the gravest line counts, then the first. `<gained>`, `<lost>`, `<old>` and `<new>` name the values.
 */
export const propertyActivities = `
Update user | AccountEnabled | off | disable account | 2 | disabled/disable {WHOSE} account
Update user | AccountEnabled | on | enable account | 2 | enabled/enable {WHOSE} account
Update user | StrongAuthenticationMethod | gained | add factor | 2 | added/add <gained> to {WHO} for MFA
Update user | StrongAuthenticationMethod | lost | remove factor | 3 | removed/remove <lost> from {WHO}
Update user | StrongAuthenticationMethod | exchanged | change account | 3 | replaced/replace <lost> of {WHO} by <gained> for MFA
Update user | StrongAuthenticationMethod | kept | change account | 1 | changed/change {WHOSE} default method for MFA
Update user | StrongAuthenticationMethod | named | change account | 2 | changed/change {WHOSE} methods for MFA
Update user | StrongAuthenticationPhoneAppDetail | gained | add factor | 2 | added/add <gained> to {WHO}
Update user | StrongAuthenticationPhoneAppDetail | lost | remove factor | 3 | removed/remove <lost> from {WHO}
Update user | StrongAuthenticationPhoneAppDetail | exchanged | change account | 3 | replaced/replace <lost> of {WHO} by <gained>
Update user | StrongAuthenticationPhoneAppDetail | kept | change account | 1 | changed/change the details of {WHOSE} authenticator
Update user | StrongAuthenticationPhoneAppDetail | named | change account | 2 | changed/change {WHOSE} authenticators
Update user | StrongAuthenticationRequirement | gained | add factor | 1 | required/require multifactor authentication of {WHO}
Update user | StrongAuthenticationRequirement | lost | remove factor | 3 | switched/switch off multifactor authentication for {WHO}
Update user | StrongAuthenticationUserDetails | set | change account | 2 | changed/change {WHOSE} phone or email for MFA
Update user | StrongAuthenticationUserDetails | named | change account | 2 | changed/change {WHOSE} phone or email for MFA
Update user | SearchableDeviceKey | gained | add factor | 2 | added/add <gained> to {WHO}
Update user | SearchableDeviceKey | lost | remove factor | 2 | removed/remove <lost> from {WHO}
Update user | UserPrincipalName | set | update | 2 | changed/change {WHOSE} sign-in name from <old> to <new>
Update user | UserPrincipalName | named | update | 2 | changed/change {WHOSE} sign-in name
Update device | AccountEnabled | off | disable | 1 | disabled/disable {device}
Update device | AccountEnabled | on | enable | 1 | enabled/enable {device}
Update service principal | AccountEnabled | off | disable | 2 | disabled/disable {service principal}
Update service principal | AccountEnabled | on | enable | 2 | enabled/enable {service principal}
Update service principal | KeyDescription | gained | update | 3 | changed/change the credentials of {service principal}{KEYS}
Update service principal | KeyDescription | exchanged | update | 3 | changed/change the credentials of {service principal}{KEYS}
Update service principal | KeyDescription | lost | update | 2 | changed/change the credentials of {service principal}{KEYS}
Update service principal | KeyDescription | named | update | 3 | changed/change the credentials of {service principal}
Update application | KeyDescription | gained | update | 3 | changed/change the credentials of {app}{KEYS}
Update application | KeyDescription | exchanged | update | 3 | changed/change the credentials of {app}{KEYS}
Update application | KeyDescription | lost | update | 2 | changed/change the credentials of {app}{KEYS}
Update application | KeyDescription | named | update | 3 | changed/change the credentials of {app}
Update service principal | AppAddress | gained | update | 3 | added/add the redirect address <gained> to {service principal}
Update service principal | AppAddress | exchanged | update | 3 | added/add the redirect address <gained> to {service principal}
Update service principal | AppAddress | lost | update | 1 | removed/remove the redirect address <lost> from {service principal}
Update service principal | AppAddress | named | update | 2 | changed/change the redirect addresses of {service principal}
Update application | AppAddress | gained | update | 3 | added/add the redirect address <gained> to {app}
Update application | AppAddress | exchanged | update | 3 | added/add the redirect address <gained> to {app}
Update application | AppAddress | lost | update | 1 | removed/remove the redirect address <lost> from {app}
Update application | AppAddress | named | update | 2 | changed/change the redirect addresses of {app}
Update application | RequiredResourceAccess | gained | update | permission asked | made/make {app} ask for <gained>
Update application | RequiredResourceAccess | exchanged | update | permission asked | made/make {app} ask for <gained> in place of <lost>
Update application | RequiredResourceAccess | lost | update | 1 | made/make {app} no longer ask for <lost>
Update application | RequiredResourceAccess | named | update | 2 | changed/change what permissions {app} asks for
`

/** Other names of the properties above. */
export const propertyNames: ReadonlyMap<string, string> = new Map([
  ['ReplyUrls', 'AppAddress'],
  ['ReplyUrl', 'AppAddress'],
  ['RedirectUris', 'AppAddress'],
])
