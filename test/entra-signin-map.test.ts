// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Sign-ins of every kind and form in OCSF.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'

import { documentOf } from '../src/query/document.ts'
import type { Authentication } from '../src/schema/ocsf.ts'
import { MappingFault } from '../src/sources/connector.ts'
import { mapGraphActivity } from '../src/sources/entra/graph-activity-map.ts'
import { mapProvisioning } from '../src/sources/entra/provisioning-map.ts'
import { signInError, signInErrorRows } from '../src/sources/entra/sign-in-errors.ts'
import { mapSignIn } from '../src/sources/entra/sign-in-map.ts'
import {
  factors,
  kept,
  kindByEventType,
  kindByLog,
  legacyClients,
  mfaPassed,
  operatingSystems,
  protocols,
  riskLevels,
  riskyProtocols,
  settledRisks,
  strangers,
} from '../src/sources/entra/sign-in-terms.ts'
import { entraSignin } from '../src/sources/entra/signin.ts'
import type { JsonObject } from '../src/sources/json.ts'
import { agree, assertFit, context, golden, mapped, survive } from './entra-ground.ts'
import { linesIn, sharedFixtures, sharedSkip } from './sources-bodies.ts'

const folder = 'entra-signin'

const entry: Entry = {
  at: '2026-01-02T03:04:05.678Z',
  source: 'entra.signin',
  by: 'x',
  media: 'application/json',
  size: 1,
  sha256: '',
}

/** A sign-in of Graph that says only what a test is about. */
function signIn(more: JsonObject): Authentication {
  const who = { userPrincipalName: 'bob@northwindferries.example', appDisplayName: 'Azure Portal' }
  return mapSignIn({ createdDateTime: '2026-02-03T08:00:00Z', ...who, status: { errorCode: 0 }, ...more }, context)
}

function failed(errorCode: number, more: JsonObject = {}): Authentication {
  return signIn({ status: { errorCode, ...more } })
}

test('people read what happened, in every form and of every kind', () => golden(entraSignin, folder))

test('the three forms of a sign-in give the same event', () => {
  for (const line of [0, 1, 2, 3, 4]) {
    const files = ['graph-beta.ndjson', 'diagnostic.ndjson', 'log-analytics.ndjson']
    agree(
      entraSignin,
      folder,
      files.map((file) => ({ file, line })),
    )
  }
  agree(entraSignin, folder, [
    { file: 'graph-beta.ndjson', line: 6 },
    { file: 'log-analytics.ndjson', line: 5 },
  ])
})

test('no member of a sign-in, whatever it holds, breaks the mapping or its validity', { timeout: 60_000 }, () => {
  for (const file of ['graph-beta.ndjson', 'diagnostic.ndjson', 'log-analytics.ndjson']) {
    assert.ok(survive(entraSignin, folder, file) > 5_000)
  }
})

test('sign-ins that nobody here wrote are all mapped', { skip: sharedSkip }, () => {
  const lines = linesIn(join(sharedFixtures, 'entra-diag-signinlogs'), /(?<!index)\.ndjson$/)
  assert.ok(lines.length > 20)
  for (const line of lines) {
    const event = mapped(entraSignin, line)
    assert.equal(event.class_uid, 3002)
    assert.notEqual(event.status, 'Unknown', line)
    assertFit(event, line)
  }
})

test('every form of time that was found is read', { skip: sharedSkip }, () => {
  const lines = linesIn(join(sharedFixtures, 'entra-diag-timeformats'), /(?<!index)\.ndjson$/)
  assert.equal(lines.length, 8)
  for (const line of lines) {
    const { time } = JSON.parse(line) as { time: string }
    const properties = { userPrincipalName: 'bob@northwindferries.example' }
    for (const event of [
      { time, category: 'SignInLogs', properties },
      { time: '2026-02-03T08:00:00Z', category: 'SignInLogs', properties: { ...properties, createdDateTime: time } },
      { TimeGenerated: time, Type: 'SigninLogs', UserPrincipalName: 'bob@northwindferries.example' },
    ]) {
      const made = mapSignIn(event, context)
      assert.equal(new Date(made.time).toISOString().slice(0, 19), '2007-01-09T09:41:00', line)
      assert.equal(made.metadata.original_time, undefined)
    }
  }
})

test('a time that nobody can read is kept as written, and the next best is taken', () => {
  const made = signIn({ createdDateTime: 'yesterday' })
  assert.deepEqual([made.time, made.metadata.original_time], [context.receivedMs, 'yesterday'])
})

test('an interrupt is no failure of the user, and no success', () => {
  for (const code of [50058, 50072, 50074, 50076, 50079, 50097, 50140, 65001, 70043, 70044]) {
    const { status_id: id, status, severity_id: severity } = failed(code)
    assert.deepEqual([id, status, severity], [99, 'Interrupted', 1], String(code))
  }
  assert.equal(
    failed(50140).message,
    'bob@northwindferries.example was asked whether to stay signed in when signing in to “Azure Portal”',
  )
})

test('a refusal is a failure with its reason, and graver where it tells of an attack', () => {
  for (const code of [50055, 50057, 50126, 53003, 700016, 7000215, 7000222]) {
    const { status_id: id, severity_id: severity, status_code: written } = failed(code)
    assert.deepEqual([id, severity, written], [2, 2, String(code)])
  }
  assert.equal(failed(50053).severity_id, 3)
  assert.equal(failed(500121).severity_id, 2)
  assert.equal(failed(500121, { additionalDetails: 'MFA denied; Phone App Reported Fraud' }).severity_id, 3)
})

test('an unknown code is a failure that says what the source says', () => {
  const said = failed(7654321, { failureReason: 'Something new. Nobody knows.' })
  assert.equal(said.message, 'bob@northwindferries.example failed to sign in to “Azure Portal”: something new')
  assert.equal(said.status_detail, 'Something new. Nobody knows.')
  const silent = failed(7654321, { failureReason: 'Other.' })
  assert.equal(silent.message, 'bob@northwindferries.example failed to sign in to “Azure Portal”: error 7654321')
})

test('a result by name or by code, as number or as text, of envelope or status, is the same result', () => {
  const base = { time: '2026-02-03T08:00:00Z', category: 'SignInLogs' }
  const properties = { userPrincipalName: 'bob@northwindferries.example' }
  const statusOf = (event: JsonObject): unknown => {
    const { status, status_code: code } = mapSignIn(event, context)
    return [status, code]
  }
  for (const resultType of [50126, '50126']) {
    assert.deepEqual(statusOf({ ...base, resultType, properties }), ['Failure', '50126'])
  }
  const worded = { ...properties, status: { errorCode: '50126' } }
  assert.deepEqual(statusOf({ ...base, resultType: 'Failure', properties: worded }), ['Failure', '50126'])
  assert.deepEqual(statusOf({ ...base, resultType: 'Failure', properties }), ['Failure', undefined])
  for (const result of [
    { resultType: '0' },
    { resultType: 0 },
    { resultType: 'Success' },
    { resultSignature: 'SUCCESS' },
  ]) {
    assert.deepEqual(statusOf({ ...base, ...result, properties }), ['Success', '0'])
  }
  assert.deepEqual(statusOf({ ...base, properties }), ['Unknown', undefined])
})

test('risk raises the severity to its level until it is taken back', () => {
  const severities = ['hidden', 'none', 'low', 'medium', 'high'].map(
    (riskLevelDuringSignIn) => signIn({ riskLevelDuringSignIn, riskState: 'atRisk' }).severity_id,
  )
  assert.deepEqual(severities, [1, 1, 2, 3, 4])
  assert.equal(signIn({ riskLevelAggregated: 'high', riskLevelDuringSignIn: 'low' }).severity_id, 4)
  for (const riskState of ['dismissed', 'remediated', 'confirmedSafe']) {
    assert.equal(signIn({ riskLevelAggregated: 'high', riskState }).severity_id, 1)
  }
  assert.equal(signIn({ riskState: 'confirmedCompromised' }).severity_id, 4)
})

test('MFA is claimed only where the record says so without contradicting itself', () => {
  const claim = { errorCode: 0, additionalDetails: 'MFA requirement satisfied by claim in the token' }
  const second = { authenticationStepRequirement: 'Multi-factor authentication', succeeded: true }
  assert.equal(signIn({ status: claim }).is_mfa, true)
  assert.equal(signIn({ authenticationRequirement: 'multiFactorAuthentication' }).is_mfa, true)
  assert.equal(signIn({ authenticationDetails: [second] }).is_mfa, true)
  assert.equal(signIn({ authenticationRequirement: 'singleFactorAuthentication' }).is_mfa, false)
  assert.equal(signIn({ authenticationRequirement: 'singleFactorAuthentication', status: claim }).is_mfa, undefined)
  assert.equal(signIn({}).is_mfa, undefined)
  const denied = { authenticationRequirement: 'multiFactorAuthentication', status: { errorCode: 500121 } }
  assert.equal(signIn({ ...denied, authenticationDetails: [{ ...second, succeeded: false }] }).is_mfa, false)
})

test('an address is an address alone, and its place is told with it', () => {
  const location = { city: 'Lyon', countryOrRegion: 'FR' }
  assert.deepEqual(JSON.parse(JSON.stringify(signIn({ ipAddress: '203.0.113.24:51344', location }).src_endpoint)), {
    ip: '203.0.113.24',
    location: { city: 'Lyon', country: 'FR' },
  })
  assert.equal(signIn({ ipAddress: '[2001:db8::7]:443' }).src_endpoint?.ip, '2001:db8::7')
  for (const ipAddress of ['', 'unknown', '300.1.1.1', 5, null]) {
    assert.equal(signIn({ ipAddress }).src_endpoint, undefined)
  }
})

test('a legacy client is marked, in the event and in the sentence', () => {
  const made = signIn({ clientAppUsed: 'POP3' })
  assert.equal(made.unmapped?.['legacyAuthentication'], true)
  assert.match(made.message ?? '', /by legacy authentication \(POP3\)$/)
  for (const clientAppUsed of ['Browser', 'Mobile Apps and Desktop clients', 'Unknown', null]) {
    assert.equal(signIn({ clientAppUsed }).unmapped?.['legacyAuthentication'], undefined)
  }
})

test('a device code, a password grant and a guest are told, and the first two are never Informational', () => {
  const told = (more: JsonObject): unknown => {
    const { message, severity_id: severity } = signIn({ userPrincipalName: 'eve@adatum.example', ...more })
    return [message, severity]
  }
  assert.deepEqual(told({ authenticationProtocol: 'deviceCode' }), [
    'eve@adatum.example signed in to “Azure Portal” by device code',
    2,
  ])
  assert.deepEqual(told({ authenticationProtocol: 'ropc', status: { errorCode: 50126 } }), [
    'eve@adatum.example failed to sign in to “Azure Portal”: invalid username or password, by password grant (ROPC)',
    2,
  ])
  for (const more of [{ crossTenantAccessType: 'b2bCollaboration' }, { userType: 'guest' }]) {
    assert.deepEqual(told(more), ['eve@adatum.example signed in as a guest to “Azure Portal”', 1])
  }
  assert.deepEqual(told({ crossTenantAccessType: 'none', userType: 'member', authenticationProtocol: 'oAuth2' }), [
    'eve@adatum.example signed in to “Azure Portal”',
    1,
  ])
})

test('a name at the begin of a reason stays as it is written', () => {
  assert.match(
    failed(7654321, { failureReason: 'TLS 1.0 is not allowed.' }).message ?? '',
    /: TLS 1\.0 is not allowed$/,
  )
})

test('a request is joined to its sign-in by session or by token, and neither passes for the other', () => {
  const made = signIn({ sessionId: 's-1', uniqueTokenIdentifier: 't-1' })
  assert.deepEqual([made.session?.uid, made.session?.uid_alt], ['s-1', 't-1'])
  const without = signIn({ uniqueTokenIdentifier: 't-1' })
  assert.deepEqual([without.session?.uid, without.session?.uid_alt], [undefined, 't-1'])
  const request = {
    requestMethod: 'GET',
    requestUri: 'https://graph.microsoft.com/v1.0/users',
    signInActivityId: 't-1',
  }
  const called = mapGraphActivity(request, context)
  for (const event of [made, without, called]) {
    assert.ok(documentOf(entry, event, undefined).session.includes('t-1'), event.message)
  }
})

test('an address of the envelope that differs is found too, and one that is none stays readable', () => {
  const properties = { userPrincipalName: 'bob@northwindferries.example', ipAddress: '203.0.113.24' }
  const envelope = { time: '2026-02-03T08:00:00Z', category: 'SignInLogs', properties }
  const made = mapSignIn({ ...envelope, callerIpAddress: '198.51.100.7' }, context)
  assert.deepEqual(documentOf(entry, made, undefined).ip, ['203.0.113.24', '198.51.100.7'])
  const same = mapSignIn({ ...envelope, callerIpAddress: '203.0.113.24:443' }, context)
  assert.equal(same.src_endpoint?.intermediate_ips, undefined)
  const stray = mapSignIn({ ...envelope, callerIpAddress: 'fe80::1::2' }, context)
  assert.equal(stray.unmapped?.['callerIpAddress'], 'fe80::1::2')
})

test('the system that was provisioned to is a target, of a user, a group and anything else', () => {
  for (const identityType of ['user', 'group', 'building']) {
    const event = {
      provisioningAction: 'create',
      sourceIdentity: { id: 'i-1', displayName: 'It', identityType },
      targetSystem: { id: 'd-1', displayName: 'Dropbox' },
    }
    const made = mapProvisioning(event, context)
    assert.match(made.message ?? '', / in Dropbox$/)
    const { target } = documentOf(entry, made, undefined)
    assert.ok(target.includes('dropbox') && target.includes('d-1') && target.includes('it'), identityType)
  }
})

test('a sign-in of nobody is refused', () => {
  assert.throws(() => mapSignIn({ time: '2026-02-03T08:00:00Z', category: 'SignInLogs' }, context), MappingFault)
  const nobody = { createdDateTime: '2026-02-03T08:00:00Z', userId: '00000000-0000-0000-0000-000000000000' }
  assert.throws(() => mapSignIn(nobody, context), MappingFault)
})

test('codes stand once, in order, and their words complete a sentence', () => {
  const codes = signInErrorRows.map(([code]) => code)
  assert.deepEqual(
    codes,
    [...new Set(codes)].toSorted((one, other) => one - other),
  )
  for (const [code, end, words, more] of signInErrorRows) {
    assert.match(words, end === 'asked' ? /^(?:to|for|whether) / : /^[a-zA-Z]/, String(code))
    assert.doesNotMatch(words, /\.$|  /)
    assert.ok(words.length <= 70, words)
    assert.deepEqual(signInError(code, ''), { end, words, ...more })
    if (more?.unless !== undefined) {
      assert.equal(signInError(code, `so it ${more.unless.says} it`)?.words, more.unless.words)
    }
    if (end === 'asked') assert.equal(more, undefined, String(code))
  }
  assert.equal(signInError(1, ''), undefined)
})

test('values are looked up in lower case, so tables hold them so', () => {
  const keys = [kindByLog, kindByEventType, protocols, factors, riskLevels, riskyProtocols, strangers].flatMap(
    (table) => [...table.keys()],
  )
  const words = [...legacyClients, ...settledRisks, ...mfaPassed, ...operatingSystems.map(([begins]) => begins)]
  for (const key of [...keys, ...words]) assert.equal(key, key.toLowerCase())
  assert.deepEqual(kept, [...new Set(kept)].toSorted())
  const logs = new Set([...kindByLog.values()].map(({ log }) => log.toLowerCase()))
  for (const log of logs) assert.equal(kindByLog.get(log)?.log.toLowerCase(), log)
})

test('an event of 16 MiB costs no more text than its names may have', () => {
  const made = signIn({ userPrincipalName: 'x'.repeat(16_000_000), appDisplayName: 'y'.repeat(1_000_000) })
  assert.ok(JSON.stringify({ ...made, unmapped: undefined }).length < 8_000)
})
