// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The demo's story is what a newcomer sees first: it must be the same on every machine, read like a live export, tell
// the attack where it says, and name nobody real.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { demoStory } from '../src/demo/story.ts'
import { cut } from '../src/sources/cut.ts'

const DAY_MS = 86_400_000
/** A Friday: the longest time after the attack that there can be. */
const NOW_MS = Date.UTC(2026, 10, 27, 11, 4, 0)
const EN_DASH = '–'

const story = demoStory(NOW_MS)
const lines = story.body.trimEnd().split('\n')
const events = lines.map((line) => JSON.parse(line))

/** The events that steps point at, by the steps' order. */
const told = story.steps.map((step) => events[step.index])

test('the same moment and seed give the same bytes, another seed others', () => {
  assert.equal(demoStory(NOW_MS).body, story.body)
  assert.deepEqual(demoStory(NOW_MS).steps, story.steps)
  assert.notEqual(demoStory(NOW_MS, 1).body, story.body)
})

test('a week later everything in the story is a week later, and nothing else differs', () => {
  const later = demoStory(NOW_MS + 7 * DAY_MS)
  const shifted = story.body.replaceAll(/\d{4}-\d\d-\d\d(?=T\d\d:\d\d:\d\d)/g, (date) =>
    new Date(Date.parse(date) + 7 * DAY_MS).toISOString().slice(0, 10),
  )
  assert.equal(later.body, shifted)
})

test('whenever it is played, it is about 1,000 events of the five weeks before, in order, and whole', () => {
  for (let days = 0; days < 28; days++) {
    const nowMs = NOW_MS + days * DAY_MS + days * 3_700_000
    const { body, count, steps } = demoStory(nowMs)
    const times = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).time)
    assert.equal(times.length, count)
    assert.ok(count >= 900 && count <= 1_150, `${count} events`)
    assert.ok(body.length >= 3_000_000 && Buffer.byteLength(body) <= 6_000_000, `${body.length} characters`)
    assert.ok(times.every((time, index) => index === 0 || times[index - 1] < time))
    assert.ok(Date.parse(times.at(-1)) <= nowMs && Date.parse(times.at(-1)) > nowMs - 3 * DAY_MS)
    assert.ok(Date.parse(times[0]) >= nowMs - 37 * DAY_MS)
    assert.equal(steps.length, 10)
    const [first, last] = [steps[0], steps.at(-1)]
    assert.ok(first && last && Date.parse(last.at) - Date.parse(first.at) < 2.5 * DAY_MS)
    for (const step of steps) assert.equal(step.at, times[step.index])
  }
})

test('events have the sizes of live ones: audits about 2 KB, sign-ins of people up to 11 KB', () => {
  const mean = (categories: readonly string[]) => {
    const sizes = lines
      .filter((_, index) => categories.includes(events[index].category))
      .map((line) => Buffer.byteLength(line))
    return sizes.reduce((sum, size) => sum + size, 0) / sizes.length
  }
  const audits = mean(['AuditLogs'])
  const signIns = mean(['SignInLogs', 'NonInteractiveUserSignInLogs'])
  assert.ok(audits > 1_700 && audits < 2_500, `audits have ${audits} bytes`)
  assert.ok(signIns > 8_000 && signIns < 11_500, `sign-ins have ${signIns} bytes`)
})

test('old and new values are JSON inside strings, ids are unique, and the envelope agrees with what it holds', () => {
  const ids = new Set<string>()
  for (const event of events) {
    const { properties } = event
    ids.add(properties.id)
    assert.equal(event.correlationId, properties.correlationId)
    assert.equal(Date.parse(event.time), Date.parse(properties.activityDateTime ?? properties.createdDateTime))
    if (event.category !== 'AuditLogs') continue
    assert.match(properties.id, /^[A-Z][A-Za-z -]+_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_[A-Z0-9]{5}_\d{7,9}$/)
    assert.equal(event.operationName, properties.activityDisplayName)
    for (const target of properties.targetResources) {
      for (const { oldValue, newValue } of target.modifiedProperties) {
        for (const value of [oldValue, newValue]) if (value !== null) JSON.parse(value)
      }
    }
  }
  assert.equal(ids.size, events.length)
})

test('every step of the attack is told in order, at its index, in the words of live data', () => {
  assert.deepEqual(
    told.map((event) => event.operationName),
    [
      'Consent to application',
      'Add delegated permission grant',
      'Sign-in activity',
      `Update application ${EN_DASH} Certificates and secrets management `,
      'Sign-in activity',
      'Add member to role',
      'Update conditional access policy',
      'Admin deleted security info',
      'Update conditional access policy',
      'Disable account',
    ],
  )
  for (const { title, words } of story.steps) assert.ok(title.length < 40 && words.endsWith('.'))
})

test('the consent is a user’s, for mail that can be read for as long as the app likes', () => {
  const [consent, grant] = told
  const values = valuesOf(consent)
  assert.equal(values['ConsentContext.IsAdminConsent']?.newValue, 'False')
  assert.match(values['ConsentAction.Permissions']?.newValue, /offline_access .*Mail\.Read/)
  const scope = valuesOf(grant)['DelegatedPermissionGrant.Scope']
  assert.match(scope?.newValue, /Mail\.ReadWrite/)
  assert.ok(scope?.newValue.startsWith(scope.oldValue))
})

test('the session is the victim’s, from two addresses of one unfamiliar place', () => {
  const stolen = told[2].properties
  const uses = events.filter(({ properties }) => properties.sessionId === stolen.sessionId)
  assert.ok(uses.length > 5)
  assert.deepEqual([...new Set(uses.map(({ location }) => location))], ['RO'])
  assert.equal(new Set(uses.map(({ callerIpAddress }) => callerIpAddress)).size, 2)
  const before = events.slice(0, story.steps[2]?.index).filter(({ properties }) => properties.userId === stolen.userId)
  assert.ok(before.length > 10)
  const admitted = before.filter(({ category, resultType }) => category !== 'AuditLogs' && resultType === '0')
  assert.deepEqual(
    [...new Set(admitted.map(({ location, properties }) => `${location} ${properties.appDisplayName}`))].filter(
      (where) => !where.startsWith('NL '),
    ),
    ['RO DocuVault Secure Viewer'],
  )
})

test('the planted secret is the one that the workload then signs in with', () => {
  const added = events.filter(({ operationName }) => operationName === 'Add service principal credentials')
  assert.equal(added.length, 1)
  const [description] = valuesOf(added[0])['KeyDescription']?.newValue ?? []
  const keyId = /KeyIdentifier=([0-9a-f-]+)/.exec(description)?.[1]
  const signIn = told[4]
  assert.equal(signIn.category, 'ServicePrincipalSignInLogs')
  assert.equal(signIn.properties.servicePrincipalCredentialKeyId, keyId)
  assert.equal(signIn.properties.servicePrincipalId, told[5].properties.initiatedBy.app.servicePrincipalId)
})

test('the highest role, the guards down, the victim’s own account disabled at the end', () => {
  const [, , session, , , role, policy, securityInfo, , disabled] = told
  const victim = session.properties.userId
  assert.equal(role.properties.targetResources[0].id, victim)
  assert.equal(valuesOf(role)['Role.DisplayName']?.newValue, 'Global Administrator')
  const { oldValue, newValue } = valuesOf(policy)['ConditionalAccessPolicy'] ?? {}
  assert.deepEqual([oldValue.state, newValue.state], ['enabled', 'disabled'])
  assert.equal(securityInfo.properties.initiatedBy.user.id, victim)
  assert.equal(disabled.properties.targetResources[0].id, victim)
  const own = events.filter(
    ({ properties }) => properties.initiatedBy?.user?.id === victim || properties.userId === victim,
  )
  const after = own.filter(({ time, resultType }) => time > disabled.time && resultType !== '50057')
  assert.deepEqual(after, [])
})

test('the burst is at least twelve policy changes within six minutes by one account, where routine is a few in hours', () => {
  const victim = told[2].properties.userId
  const policyChange = /policy|named location|role setting|PIM alert|cross-tenant/
  const startMs = Date.parse(told[8].time)
  const changes = events.filter(
    ({ category, operationName }) => category === 'AuditLogs' && policyChange.test(operationName),
  )
  const burst = changes.filter(({ time }) => Date.parse(time) >= startMs && Date.parse(time) < startMs + 6 * 60_000)
  assert.ok(burst.length >= 12)
  assert.ok(burst.every(({ properties }) => properties.initiatedBy.user.id === victim))
  const routine = changes.filter(({ time }) => Date.parse(time) < Date.parse(told[0].time))
  assert.ok(routine.length > 2 && routine.length < 8)
  assert.ok(routine.every(({ properties }) => properties.initiatedBy.user.id !== victim))
})

test('most of it is ordinary: people at their working hours, failures of every kind, machines by night', () => {
  const codes = new Set(events.map(({ resultType }) => resultType))
  for (const code of ['0', '50126', '500121', '50140', '50074', '50057']) assert.ok(codes.has(code), code)
  const categories = new Set(events.map(({ category }) => category))
  assert.equal(categories.size, 5)
  const people = events.filter(({ category }) => category === 'SignInLogs')
  const weekend = people.filter(({ time }) => [0, 6].includes(new Date(time).getUTCDay()))
  assert.ok(weekend.length < people.length / 15)
  assert.ok(new Set(people.map(({ properties }) => properties.userId)).size >= 25)
})

test('no domain and no address belongs to anybody', () => {
  const address = /(?<![\d.-])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/g
  const documentation = /^(?:192\.0\.2|198\.51\.100|203\.0\.113)\./
  // Versions of browsers and libraries look like addresses.
  const text = story.body.replaceAll(/(?:Chrome|Edg|Firefox|MSAL\.NetCore)[/ ][\d.]+/g, '')
  for (const [found] of text.matchAll(address)) assert.match(found, documentation)
  for (const [found] of text.matchAll(/[\da-f]*(?::[\da-f]*){3,}/g)) assert.match(found, /^2001:db8:/)
  const host = /(?:https?:\/\/|@)([a-z0-9.-]+)/gi
  for (const [, name] of text.matchAll(host)) assert.match(name ?? '', /\.example$/)
  assert.doesNotMatch(text, /\b[a-z0-9-]+\.(?:com|net|org|io|eu|nl|uk|ca|microsoft)\b/)
  for (const { properties } of events) {
    const { autonomousSystemNumber: asn } = properties
    if (asn !== undefined) assert.ok(asn >= 64_496 && asn <= 64_511, `AS ${asn} is for documentation`)
  }
})

test('each event is recognised as what it is, and comes out of the body as it went in', () => {
  const body = Buffer.from(story.body)
  const found = cut(body, 'application/x-ndjson')
  assert.equal(found.count, story.count)
  for (let index = 0; index < found.count; index++) {
    assert.equal(body.toString('utf8', found.starts[index], found.ends[index]), lines[index])
    const kind = found.sources[found.kinds[index] ?? -1]
    assert.equal(kind, events[index].category === 'AuditLogs' ? 'entra.audit' : 'entra.signin', lines[index])
  }
})

interface Modified {
  readonly displayName: string
  readonly oldValue: string | null
  readonly newValue: string | null
}

/** The modified properties of all targets by name, with their inner JSON parsed. */
function valuesOf(event: { properties: { targetResources: readonly { modifiedProperties: readonly Modified[] }[] } }) {
  return Object.fromEntries(
    event.properties.targetResources.flatMap(({ modifiedProperties }) =>
      modifiedProperties.map(({ displayName, oldValue, newValue }) => {
        return [
          displayName,
          { oldValue: JSON.parse(oldValue ?? 'null'), newValue: JSON.parse(newValue ?? 'null') },
        ] as const
      }),
    ),
  )
}
