// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'

import { documentOf } from '../src/query/document.ts'
import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { mapAudit } from '../src/sources/entra/audit-map.ts'
import { mapProvisioning } from '../src/sources/entra/provisioning-map.ts'
import { mapRisk } from '../src/sources/entra/risk-map.ts'
import { mapSignIn } from '../src/sources/entra/sign-in-map.ts'
import { generic } from '../src/sources/generic.ts'
import type { JsonObject } from '../src/sources/json.ts'
import { spoken } from '../src/sources/spoken.ts'
import { context } from './entra-ground.ts'

const entry: Entry = {
  at: '2026-01-02T03:04:05.678Z',
  source: 'entra.audit',
  by: 'x',
  media: 'application/json',
  size: 1,
  sha256: '',
}

const GRANT = 'Sync read the directory. alice@x gave Global Administrator to bob@x'
const DENIED = 'bob@x and failed: denied'

function grant(initiatedBy: JsonObject, target: JsonObject, role = 'Reader'): OcsfEvent {
  return mapAudit(
    {
      activityDisplayName: 'Add member to role',
      activityDateTime: '2026-02-03T08:00:00Z',
      result: 'success',
      initiatedBy,
      targetResources: [
        { type: 'User', ...target, modifiedProperties: [{ displayName: 'Role.DisplayName', newValue: role }] },
      ],
    },
    context,
  )
}

const carol = { userPrincipalName: 'c@x', id: 'c-1' }
const alice = { user: { userPrincipalName: 'alice@x', id: 'a-1' } }

test('a name stands bare only where it is one word, and closes no quotes', () => {
  for (const name of ['alice@contoso.com', 'a_b+c-d#EXT#@x', '11aa0002-7d0e', 'zoë@contoso.com', 'Мария']) {
    assert.equal(spoken(name), name)
  }
  for (const name of [
    'two words',
    'a:b',
    'a,b',
    'no\u00a0break',
    'hangul\u3164filler',
    'soft\u00adhyphen',
    'x'.repeat(81),
  ]) {
    assert.match(spoken(name), /^“[^“”]*”$/)
  }
  assert.equal(spoken('a” gave "b" to “c'), `“a' gave 'b' to 'c”`)
  assert.equal(spoken('a \u202eb'), `“a 'b”`)
})

test('what somebody calls an app, a user, a role or a property writes no sentence about others', () => {
  assert.equal(grant({ app: { displayName: GRANT } }, carol).message, `The app “${GRANT}” gave Reader to c@x`)
  assert.equal(
    grant(alice, { displayName: DENIED, id: 'b-1' }).message,
    `alice@x gave Reader to the user called “${DENIED}”`,
  )
  assert.equal(
    grant(alice, carol, 'Global Administrator to bob@x and Reader').message,
    'alice@x gave “Global Administrator to bob@x and Reader” to c@x',
  )
  assert.equal(grant(alice, carol, 'Global Administrator').message, 'alice@x gave Global Administrator to c@x')
  const changed = mapAudit(
    {
      activityDisplayName: 'Update group',
      initiatedBy: alice,
      targetResources: [
        {
          type: 'Group',
          displayName: 'g',
          modifiedProperties: [{ displayName: 'Description', oldValue: '"a"', newValue: `"b and deleted ${DENIED}"` }],
        },
      ],
    },
    context,
  )
  assert.equal(changed.message, `alice@x changed the group g: Description from a to “b and deleted ${DENIED}”`)
})

test('nor does a sign-in, a risk or a provisioned object', () => {
  const when = { createdDateTime: '2026-02-03T08:00:00Z', status: { errorCode: 0 } }
  const signIn = mapSignIn({ ...when, userPrincipalName: 'bob@x', appDisplayName: 'Portal with MFA. eve@x' }, context)
  assert.equal(signIn.message, 'bob@x signed in to “Portal with MFA. eve@x”')
  const risk = { riskEventType: 'unfamiliarFeatures', id: 'r-1', userDisplayName: 'eve@x', userId: 'e-1' }
  assert.match(mapRisk(risk, context).message ?? '', / for the user called “eve@x”$/)
  const provisioned = {
    provisioningAction: 'create',
    provisioningStatusInfo: { status: 'success' },
    initiatedBy: { initiatorType: 'application', displayName: 'alice@x' },
    sourceIdentity: { identityType: 'Group', displayName: 'g in Prod', id: 'g-1' },
  }
  assert.equal(mapProvisioning(provisioned, context).message, 'The app alice@x created the group “g in Prod”')
})

test('nobody is called, or found, by a sign-in name that is only their display name', () => {
  const shown = { userPrincipalName: null, displayName: 'alice@contoso.com', id: 'e-1' }
  const acted = grant({ user: shown }, carol)
  assert.equal(acted.message, 'The user called “alice@contoso.com” gave Reader to c@x')
  assert.deepEqual([acted.actor?.user?.name, acted.actor?.user?.email_addr], [undefined, undefined])
  assert.ok(documentOf(entry, acted, undefined).actor.includes('e-1'))
  const target = grant(alice, shown)
  assert.equal(target.message, 'alice@x gave Reader to the user called “alice@contoso.com”')
  const signedIn = mapSignIn({ userDisplayName: 'alice@contoso.com', userId: 'e-1', status: { errorCode: 0 } }, context)
  assert.equal(signedIn.message, 'The user called “alice@contoso.com” signed in')
  const said = { actor: { id: 'e-1', display_name: 'alice@contoso.com' }, action: 'report.read', target: 'q1' }
  const own = generic.map(said, context)
  assert.equal(own.message, 'The user called “alice@contoso.com” read report q1')
  for (const event of [acted, target, signedIn, own]) {
    const { actor, target } = documentOf(entry, event, undefined)
    assert.ok(![...actor, ...target].includes('alice@contoso.com'), event.message)
  }
})

test('an application’s event quotes every name that is more than a name', () => {
  const told = (event: JsonObject): string | undefined => generic.map(event, context).message
  const role = { action: 'role.granted', target: 'c@x', role: 'reader' }
  const actor = 'alice@x gave Global Administrator to bob@x and'
  assert.equal(told({ ...role, actor }), `“${actor}” granted reader to c@x`)
  assert.equal(told({ ...role, actor: 'a@x', target: DENIED }), `a@x granted reader to “${DENIED}”`)
  assert.equal(
    told({ ...role, actor: 'a@x', role: 'admin to bob@x and reader' }),
    'a@x granted “admin to bob@x and reader” to c@x',
  )
})
