// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which delegated permissions an event granted or revoked. A consent writes them as text, the whole grant before and
// after: `[] => [[Id: …, ResourceId: …, ConsentType: AllPrincipals, Scope:  Mail.Read User.Read, …]]; `.

import { valueOf } from './audit-reading.ts'
import type { AuditReading } from './audit-reading.ts'

export interface GrantedScopes {
  /** What came or went; all of the grant where nothing did. */
  readonly scopes: readonly string[]
  /** For all users of the tenant. An administrator may also consent for nobody but themself. */
  readonly forEverybody: boolean
  /** The service principal of the API, where a consent names it. */
  readonly resourceId: string | undefined
}

const MAX_SCOPES = 64
const MAX_CONSENT_CHARS = 65_536

export function grantedScopes(reading: AuditReading, removed: boolean): GrantedScopes {
  const consent = consentOf(reading)
  if (consent === undefined) {
    const type = valueOf(reading, 'DelegatedPermissionGrant.ConsentType', removed)
    return { scopes: changedScopes(reading, removed), forEverybody: type === 'AllPrincipals', resourceId: undefined }
  }
  const arrow = consent.indexOf(' => ')
  const before = arrow === -1 ? [] : scopesIn(consent.slice(0, arrow))
  const after = scopesIn(arrow === -1 ? consent : consent.slice(arrow))
  const everybody = valueOf(reading, 'ConsentContext.OnBehalfOfAll', false)
  return {
    scopes: beyond(after, before),
    forEverybody: everybody === undefined ? consent.includes('AllPrincipals') : everybody.toLowerCase() === 'true',
    resourceId: wordAfter(consent, 'ResourceId: ', 0),
  }
}

function consentOf(reading: AuditReading): string | undefined {
  const change = reading.changes.find(({ name }) => name === 'ConsentAction.Permissions')
  const text = change?.new ?? change?.old
  return typeof text === 'string' ? text.slice(0, MAX_CONSENT_CHARS) : undefined
}

function changedScopes(reading: AuditReading, removed: boolean): readonly string[] {
  const change = reading.changes.find(({ name }) => name === 'DelegatedPermissionGrant.Scope')
  const [before, after] = removed ? [change?.new, change?.old] : [change?.old, change?.new]
  return beyond(words(typeof after === 'string' ? after : ''), words(typeof before === 'string' ? before : ''))
}

function beyond(after: readonly string[], before: readonly string[]): readonly string[] {
  const added = before.length === 0 ? after : after.filter((scope) => !before.includes(scope))
  return added.length === 0 ? after : added
}

function scopesIn(grants: string): string[] {
  const scopes: string[] = []
  for (let at = grants.indexOf('Scope:'); at !== -1; at = grants.indexOf('Scope:', at + 1)) {
    const ends = [grants.indexOf(',', at), grants.indexOf(']', at)].filter((end) => end !== -1)
    for (const scope of words(grants.slice(at + 6, Math.min(grants.length, ...ends)))) {
      if (!scopes.includes(scope) && scopes.length < MAX_SCOPES) scopes.push(scope)
    }
  }
  return scopes
}

function words(text: string): string[] {
  return text
    .slice(0, MAX_SCOPES * 64)
    .split(' ')
    .filter((word) => word !== '')
    .slice(0, MAX_SCOPES)
}

function wordAfter(text: string, mark: string, from: number): string | undefined {
  const start = text.indexOf(mark, from)
  if (start === -1) return undefined
  const end = text.indexOf(',', start)
  const word = text.slice(start + mark.length, end === -1 ? undefined : end).trim()
  return word === '' || word.length > 64 ? undefined : word
}
