// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What of an event is said to have changed: from fixtures of Entra, an application's own events, and hostile ones.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'

import { changesOf } from '../src/sources/changes.ts'
import { normalise } from '../src/sources/normalise.ts'

const fixtures = new URL('fixtures/entra-audit/', import.meta.url)

function changed(event: object, source = 'generic') {
  const entry = { at: '2026-01-02T03:04:05.678Z', source, media: 'application/json' } as Entry
  return changesOf(normalise(entry, Buffer.from(JSON.stringify(event))).ocsf)
}

/** Of the first fixture in the file whose sentence has these words. */
function fixture(file: string, words: RegExp) {
  for (const line of readFileSync(new URL(file, fixtures), 'utf8').trim().split('\n')) {
    const entry = { at: '2026-01-02T03:04:05.678Z', source: 'entra.audit', media: 'application/json' } as Entry
    const { ocsf } = normalise(entry, Buffer.from(line))
    if (words.test(ocsf.message ?? '')) return changesOf(ocsf).changes
  }
  return assert.fail(`${file} has no ${String(words)}`)
}

test('old and new values of Entra are read out of JSON within texts, documents member by member, lists by what came and went', () => {
  assert.deepEqual(fixture('directory.ndjson', /changed the federation settings/), [
    {
      name: 'IssuerUri',
      old: 'http://sts.contoso.com/adfs/services/trust',
      new: 'http://sts.contoso.com.example.net/adfs/services/trust',
    },
  ])
  assert.deepEqual(fixture('policies.ndjson', /changed the named location/), [
    { name: 'NamedLocation.isTrusted', old: 'false', new: 'true' },
    { name: 'NamedLocation.ipRanges[]', new: '{"cidrAddress":"203.0.113.0/24"}' },
  ])
  assert.deepEqual(fixture('users.ndjson', /switched off multifactor/), [
    { name: 'StrongAuthenticationRequirement', old: '{"RelyingParty":"*","State":1}' },
  ])
})

test('who got and who lost a role stands first, as what came and what went', () => {
  const [given] = fixture('roles.ndjson', /gave Global Administrator to bob/)
  assert.deepEqual(given, { target: 'bob@contoso.com', name: 'privilege', new: 'Global Administrator' })
  const [taken] = fixture('roles.ndjson', /deactivated Global Administrator/)
  assert.deepEqual(taken, { target: 'bob@contoso.com', name: 'privilege', old: 'Global Administrator' })
  const [joined] = fixture('groups.ndjson', /added .* to the group/)
  assert.equal(joined?.name, 'member')
  assert.ok(joined.new !== undefined && joined.old === undefined)
})

test("an application's own forms of old and new are shown, and what is the same on both sides is not", () => {
  const event = { actor: 'alice', action: 'user.update', target: 'bob' }
  assert.deepEqual(changed({ ...event, changes: { plan: { old: 'free', new: 'team' }, same: { old: 1, new: 1 } } }), {
    changes: [{ name: 'plan', old: 'free', new: 'team' }],
    moreCount: 0,
  })
  const lists = {
    tags: [
      ['a', 'b', 'c'],
      ['c', 'a', 'd'],
    ],
  }
  assert.deepEqual(changed({ ...event, changes: lists }).changes, [{ name: 'tags[]', old: 'b', new: 'd' }])
})

test('whatever an event holds, what is shown of its changes is bounded, and what is left out is counted', () => {
  const event = { actor: 'alice', action: 'user.update', target: 'bob' }
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`k${n}`, { old: n, new: n + 1 }]))
  const { changes, moreCount } = changed({ ...event, changes: many })
  assert.deepEqual([changes.length, moreCount], [64, 136])
  const long = changed({ ...event, changes: { text: { old: 'x'.repeat(1e6), new: 'y'.repeat(1e6) } } })
  assert.ok(JSON.stringify(long).length < 3_000)
  let deep: object = { leaf: 1 }
  for (let depth = 0; depth < 50; depth++) deep = { deep }
  const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k${n}`, n]))
  const hostile = [
    { changes: { doc: { old: deep, new: { deep: 1 } } } },
    { changes: { doc: { old: wide, new: {} } } },
    { changes: { doc: { old: ['__proto__'], new: [{ __proto__: null, constructor: 1 }] } } },
    { changes: [null, 1, { name: {}, old: 1, new: 2 }] },
  ]
  for (const more of hostile) assert.ok(JSON.stringify(changed({ ...event, ...more })).length < 200_000)
  assert.ok(changed({ ...event, changes: { doc: { old: wide, new: {} } } }).moreCount > 0)
})
