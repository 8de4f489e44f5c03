// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'

import { demoStory } from '../src/demo/story.ts'
import { documentOf } from '../src/query/document.ts'
import { ocsfClasses } from '../src/schema/ocsf.ts'
import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { activityNamed, auditActivities, foldedName } from '../src/sources/entra/activity-table.ts'
import { builtInRoles } from '../src/sources/entra/built-in-roles.ts'
import { propertyLines } from '../src/sources/entra/property-activity.ts'
import type { Json, JsonObject } from '../src/sources/json.ts'
import { areas, eventsOf, folder, mapped, told } from './entra-audit-golden.ts'
import { OcsfChecker, schemaSkip } from './ocsf-check.ts'

const entry: Entry = {
  at: '2026-01-02T03:04:05.678Z',
  source: 'entra.audit',
  by: 'x',
  media: 'application/json',
  size: 1,
  sha256: '',
}

const ours = areas.flatMap((area) => eventsOf(join(folder, `${area}.ndjson`)))

for (const area of areas) {
  test(`an Entra audit about ${area} becomes what its expected line says`, () => {
    const expected = readFileSync(join(folder, `${area}.expected.txt`), 'utf8')
      .trimEnd()
      .split('\n')
    assert.deepEqual(
      eventsOf(join(folder, `${area}.ndjson`)).map((event) => told(mapped(event))),
      expected,
    )
  })
}

test('the resource alone, in its envelope and as a row give the same event, but for the tenant', () => {
  const [graph, ...others] = eventsOf(join(folder, 'forms.ndjson')).map((event) => whole(mapped(event)))
  assert.equal(others.length, 2)
  for (const other of others) {
    assert.equal(other.metadata.tenant_uid, '0d4f7c1a-5b1e-4c37-9a60-7e5f2f6d1b90')
    assert.deepEqual(
      { ...other, metadata: { ...other.metadata, tenant_uid: undefined } },
      withTenant(graph!, undefined),
    )
  }
})

function whole(event: OcsfEvent): OcsfEvent {
  return JSON.parse(JSON.stringify(event)) as OcsfEvent
}

function withTenant(event: OcsfEvent, tenant: string | undefined): unknown {
  return { ...event, metadata: { ...event.metadata, tenant_uid: tenant } }
}

test('the envelope fills in what the resource lacks, and never overrides it', () => {
  const resource = { activityDisplayName: 'Add user', activityDateTime: '2026-01-01T00:00:00Z', result: 'success' }
  const bare = mapped({
    time: '2026-02-02T00:00:00Z',
    operationName: 'Delete user',
    category: 'AuditLogs',
    correlationId: 'c-1',
    callerIpAddress: '[2001:db8::7]:443',
    identity: 'Alice Moreau',
    resultType: 'Failure',
    resultDescription: 'no',
    Level: '4',
    properties: resource,
  })
  assert.deepEqual(
    [bare.metadata.event_code, bare.time, bare.status_id, bare.metadata.correlation_uid, bare.status_detail],
    ['Add user', Date.UTC(2026, 0, 1), 1, 'c-1', 'no'],
  )
  assert.equal(bare.class_uid === 3001 ? bare.src_endpoint?.ip : '', '2001:db8::7')
  assert.equal(bare.message, '“Alice Moreau” created a user')
  const empty = mapped({
    time: '1/9/2026 10:41:00 AM +01:00',
    operationName: 'Delete user',
    resultType: 0,
    properties: {},
  })
  assert.deepEqual([empty.time, empty.status_id, empty.type_uid], [Date.UTC(2026, 0, 9, 9, 41), 1, 300_106])
})

test('case, dashes and the space that live data ends with do not hide an activity', () => {
  const name = 'Update application - Certificates and secrets management'
  const spellings = ['Update application – Certificates and secrets management ', name.toUpperCase(), ` ${name}`]
  for (const spelling of spellings) assert.equal(activityNamed(spelling, undefined)?.name, name)
  assert.equal(activityNamed('ADD MEMBER TO ROLE COMPLETED (pim activation)', 'PIM')?.meaning[0], 3005)
  assert.equal(activityNamed('Cancel request', 'PIM')?.name, 'Cancel request @ PIM')
  assert.equal(activityNamed('Cancel request', 'Access Reviews')?.name, 'Cancel request')
  assert.equal(activityNamed('toString', undefined), undefined)
})

test('each line of the tables has a class, an activity of it, and words for the target that the class needs', () => {
  const seen = new Set<string>()
  for (const { name, meaning, needs, noun, privilege, past, infinitive } of auditActivities) {
    assert.ok(!seen.has(foldedName(name)), `${name} is there twice`)
    seen.add(foldedName(name))
    const [uid, id] = meaning
    assert.ok(Object.hasOwn(ocsfClasses[uid].activities, id), name)
    assert.match(`${past} ${infinitive}`, /^[a-z]+ [a-z]+$/, name)
    const grants = ['ROLE', 'SCOPES', 'PERMISSION', 'AS PERMISSION'] as const
    if (uid === 3001) assert.ok(needs.has('WHO') || noun === 'user', `${name} names no user`)
    if (uid === 3005) assert.ok(privilege ?? noun ?? grants.find((slot) => needs.has(slot)), `${name} grants nothing`)
    if (uid === 3005) assert.ok(needs.has('WHO') || needs.has('CLIENT') || needs.has('SELF') || needs.has('ROLE'), name)
    if (uid === 3006) assert.ok(noun !== undefined, `${name} names no group`)
  }
  assert.ok(seen.size > 600)
})

test('each activity has a sentence for success, failure and an event that says nothing else', () => {
  for (const { name } of auditActivities) {
    const [activityDisplayName, loggedByService] = name.split(' @ ') as [string, string?]
    const bare = loggedByService === undefined ? { activityDisplayName } : { activityDisplayName, loggedByService }
    const done = mapped({ ...bare, result: 'success' })
    const failed = mapped({ ...bare, result: 'failure', resultReason: 'Forbidden.' })
    assert.match(done.message ?? '', /^An unknown actor [a-z]+(?! to be)[^{}]{3,}$/, name)
    assert.match(failed.message ?? '', /^An unknown actor tried to [a-z]+[^{}]* and failed: Forbidden$/, name)
    assert.ok(failed.severity_id >= 2 && failed.severity_id <= 3, name)
  }
})

test('each line of the properties has a class and a sentence, and is reached by an event that has that property', () => {
  const seen = new Set<string>()
  for (const { name, property, way, meaning, needs, noun } of propertyLines) {
    const line = `${name} | ${property} | ${way}`
    assert.ok(!seen.has(line), `${line} is there twice`)
    seen.add(line)
    assert.ok(activityNamed(name, undefined), `${name} is in no table`)
    if (meaning[0] === 3001) assert.ok(needs.has('WHO') || noun === 'user', line)
    if (way !== 'named') continue
    const modifiedProperties = [{ displayName: 'Included Updated Properties', newValue: JSON.stringify(property) }]
    const event = mapped({ activityDisplayName: name, targetResources: [{ displayName: 'It', modifiedProperties }] })
    assert.equal(event.type_uid, meaning[0] * 100 + meaning[1], line)
    assert.doesNotMatch(event.message ?? '', /[<>{}]|undefined/)
  }
})

test('an update counts by the gravest of the properties that it changed, and by none that stayed', () => {
  const change = (displayName: string, old: Json, now: Json): JsonObject => ({
    displayName,
    oldValue: JSON.stringify(old),
    newValue: JSON.stringify(now),
  })
  const update = (...modifiedProperties: JsonObject[]): OcsfEvent =>
    mapped({
      activityDisplayName: 'Update user',
      targetResources: [{ type: 'User', userPrincipalName: 'dave@contoso.com', modifiedProperties }],
    })
  const department = change('Department', ['Sales'], ['Finance'])
  const disabled = change('AccountEnabled', [true], [false])
  const lost = change('StrongAuthenticationMethod', [{ MethodType: 6 }], [])
  assert.equal(update(department, disabled, lost).type_uid, 300_111)
  assert.equal(update(department, disabled).type_uid, 300_105)
  assert.equal(update(department, change('AccountEnabled', [true], [true])).type_uid, 300_403)
  assert.equal(update(change('StrongAuthenticationMethod', '[', { MethodType: [] })).severity_id, 3)
})

test('what OCSF demands and nobody named is shown, and is found by no field', () => {
  for (const activityDisplayName of [
    'Add member to role',
    'Add user',
    'Set domain authentication',
    'Add member to group',
  ]) {
    const event = mapped({ activityDisplayName })
    assert.match(JSON.stringify(event), /"Unknown"/)
    const { target, privilege } = documentOf(entry, event, undefined)
    assert.deepEqual([target, privilege], [[], []], activityDisplayName)
  }
  const called = mapped({
    activityDisplayName: 'Add member to role',
    targetResources: [
      { type: 'User', displayName: 'Unknown' },
      { type: 'Role', displayName: 'Unknown' },
    ],
  })
  const { target, privilege } = documentOf(entry, called, undefined)
  assert.deepEqual([target, privilege], [['unknown'], ['unknown']])
})

test('every address of an audit is found, and what is no address stays readable', () => {
  const initiatedBy = { user: { userPrincipalName: 'alice@contoso.com', ipAddress: '203.0.113.20' } }
  const properties = { activityDisplayName: 'Add user', initiatedBy }
  const event = mapped({ time: '2026-01-01T00:00:00Z', callerIpAddress: '198.51.100.7', properties })
  assert.deepEqual(documentOf(entry, event, undefined).ip, ['203.0.113.20', '198.51.100.7'])
  const stray = mapped({ time: '2026-01-01T00:00:00Z', callerIpAddress: '::2a02:cf40:1:2:3:4:5:6', properties })
  assert.deepEqual(documentOf(entry, stray, undefined).ip, ['203.0.113.20'])
  assert.equal(stray.unmapped?.['callerIpAddress'], '::2a02:cf40:1:2:3:4:5:6')
})

test('a role is found by where it applies', () => {
  const event = mapped({
    activityDisplayName: 'Add role assignment',
    targetResources: [{ type: 'User', userPrincipalName: 'bob@contoso.com' }],
    additionalDetails: [
      { key: 'RoleName', value: 'Owner' },
      { key: 'Scope', value: '/subscriptions/sub-1' },
    ],
  })
  assert.equal(event.message, 'An unknown actor gave Owner on “/subscriptions/sub-1” to bob@contoso.com')
  assert.ok(documentOf(entry, event, undefined).target.includes('/subscriptions/sub-1'))
})

test('each built-in role stands once, by name and by template id', () => {
  const ids = builtInRoles.map(({ templateId }) => templateId).filter((id) => id !== '-')
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(new Set(builtInRoles.map(({ name }) => name)).size, builtInRoles.length)
  for (const { tier } of builtInRoles) assert.ok(tier >= 1 && tier <= 3)
})

test('a role that an event only numbers is named by its template id', () => {
  const event = mapped({
    activityDisplayName: 'Add member to role',
    result: 'success',
    targetResources: [{ type: 'User', userPrincipalName: 'bob@contoso.com' }],
    additionalDetails: [{ key: 'TemplateId', value: 'E8611AB8-C189-46E8-94E1-60213AB1F814' }],
  })
  assert.equal(event.message, 'An unknown actor gave Privileged Role Administrator to bob@contoso.com')
  assert.equal(event.severity_id, 4)
})

test('an application never passes for a person, whatever it calls itself', () => {
  const event = mapped({
    activityDisplayName: 'Add user',
    initiatedBy: { app: { displayName: 'alice@contoso.com', servicePrincipalId: 's-1' } },
  })
  assert.equal(event.message, 'The app alice@contoso.com created a user')
  assert.equal(event.actor?.user, undefined)
})

const shared = join(import.meta.dirname, '../../shared/fixtures')
const foreign = ['entra-diag-auditlogs/elastic', 'entra-diag-auditlogs/panther']
  .concat(['entra-graph-directoryaudits/msgraphdocs', 'entra-loganalytics-auditlogs/otrf'])
  .map((name) => join(shared, `${name}.ndjson`))

test(
  'every audit that others published has a class of its own and a sentence',
  { skip: existsSync(shared) ? false : 'the shared fixtures are not beside this folder' },
  () => {
    for (const event of foreign.flatMap(eventsOf)) {
      const { class_uid, message } = mapped(event)
      assert.notEqual(class_uid, 0, message)
      assert.doesNotMatch(message ?? '', /unnamed|unknown actor/)
    }
  },
)

test('every audit of the demo is in the tables and names who did it', () => {
  const lines = demoStory(Date.UTC(2026, 10, 20, 12)).body.split('\n')
  const audits = lines.filter((line) => line.includes('"category": "AuditLogs"'))
  assert.ok(audits.length > 300)
  for (const line of audits) {
    const event = mapped(JSON.parse(line) as JsonObject)
    assert.ok(activityNamed(event.metadata.event_code ?? '', undefined), event.metadata.event_code)
    assert.doesNotMatch(event.message ?? '', /unnamed|unknown/)
  }
})

/** What may stand where anything else was expected. */
const hostile: readonly Json[] = [
  null,
  0,
  '',
  [],
  {},
  [[], null, 'x'],
  'x'.repeat(100_000),
  `\u0000\n\u2028${'\u{1f4a5}'.repeat(600)}`,
  '[object Object]',
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  JSON.parse('{"__proto__":{"type":"User"},"constructor":1,"toString":null,"length":9}') as Json,
  '{"type":"Role","displayName":"Global Administrator"}',
]

/** The value with one of its members, wherever it lies, replaced; every member in turn. */
function* variations(value: Json): Generator<Json> {
  yield* hostile
  if (Array.isArray(value)) {
    const list = value as readonly Json[]
    for (const [index, member] of list.entries()) for (const other of variations(member)) yield list.with(index, other)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      for (const other of variations(member)) yield { ...value, [key]: other }
    }
  }
}

const checker = schemaSkip === false ? new OcsfChecker() : undefined

test('every audit here is valid OCSF 1.8.0', { skip: schemaSkip }, () => {
  const others = existsSync(shared) ? foreign.flatMap(eventsOf) : []
  for (const event of [...ours, ...others]) assert.deepEqual(checker!.faults(mapped(event)), [], JSON.stringify(event))
})

test('no value in any place stops the mapping, breaks the schema or gets into a second line', () => {
  const chosen = [
    ours[1]!,
    ours[11]!,
    ...eventsOf(join(folder, 'forms.ndjson')),
    ...eventsOf(join(folder, 'groups.ndjson')).slice(4, 6),
  ]
  const policies = eventsOf(join(folder, 'policies.ndjson'))
  let count = 0
  for (const original of [...chosen, policies[1]!]) {
    for (const event of variations(original)) {
      if (typeof event !== 'object' || event === null || Array.isArray(event)) continue
      const ocsf = mapped(event as JsonObject)
      assert.ok((ocsf.message ?? '').length <= 200)
      assert.doesNotMatch(ocsf.message ?? '', /[\u0000-\u001f\u2028\u2029]/)
      // Every tenth is enough for the slow check.
      if (checker !== undefined && count++ % 10 === 0) assert.deepEqual(checker.faults(ocsf), [])
    }
  }
})
