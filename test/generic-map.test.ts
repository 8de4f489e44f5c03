// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What an application's event may never be made to say: that something was done to whoever did it, that somebody holds
// what another was given, or anything that the event does not say.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'
import fc from 'fast-check'
import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { normalise } from '../src/sources/normalise.ts'
import { OcsfChecker, schemaSkip } from './ocsf-check.ts'

const SEED = 0x6e6e
const RUNS = 5_000
const checker = schemaSkip === false ? new OcsfChecker() : undefined

function ocsfOf(event: object, source = 'generic'): OcsfEvent {
  const at = '2026-01-12T08:14:05.123Z'
  const entry: Entry = { at, source, by: 'test', media: 'application/json', size: 1, sha256: 'A'.repeat(43) }
  const { ocsf } = normalise(entry, Buffer.from(JSON.stringify(event)))
  assert.deepEqual(checker?.faults(ocsf) ?? [], [], JSON.stringify(event))
  return ocsf
}

/** Whom or what it was done to. */
function affectedBy(ocsf: OcsfEvent): readonly (string | undefined)[] {
  if (ocsf.class_uid === 3004) return [ocsf.entity.name, ocsf.entity.uid]
  if (ocsf.class_uid === 3001 || ocsf.class_uid === 3005) return [ocsf.user.name, ocsf.user.uid]
  if (ocsf.class_uid === 3006) return [ocsf.user?.name, ocsf.user?.uid, ocsf.group.name, ocsf.group.uid]
  return []
}

interface Case {
  readonly event: object
  readonly is: string
  readonly actor?: string
  readonly user?: string
  readonly severity?: number
  readonly changes?: unknown
}

const file = join(import.meta.dirname, 'fixtures/generic/said.ndjson')
const cases = readFileSync(file, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)

test('each event of the fixtures becomes the class, the sentence and the parties that stand beside it', () => {
  for (const { event, is, actor, user, severity, changes } of cases) {
    const ocsf = ocsfOf(event)
    const about = JSON.stringify(event)
    assert.equal(`${ocsf.class_uid} ${ocsf.activity_name}: ${ocsf.message}`, is, about)
    const named = 'actor' in ocsf ? ocsf.actor?.user?.name : undefined
    if (actor !== undefined) assert.equal(named, actor, about)
    const { user: whom } = ocsf as { user?: { name?: string } }
    if (user !== undefined) assert.equal(whom?.name, user, about)
    if (severity !== undefined) assert.equal(ocsf.severity_id, severity, about)
    if (changes !== undefined) assert.deepEqual(ocsf.unmapped?.['changes'], changes, about)
    if (ocsf.class_uid === 0) assert.ok((ocsf.status_detail ?? '') !== '', about)
  }
})

const verbs =
  'create created add added invite remove removed delete deleted grant granted assign assigned revoke revoked update changed ' +
  'reset enable enabled disable disabled lock locked unlock move read viewed export impersonate impersonated denied ' +
  'failed approved rejected promoted suspended'
const nouns = 'user account member role permission scope password mfa passkey group team session token db policy'
const word = (words: string): fc.Arbitrary<string> => fc.constantFrom(...words.split(' '))
const action = fc.oneof(
  fc
    .tuple(fc.subarray(nouns.split(' '), { maxLength: 3 }), word(verbs))
    .map(([objects, verb]) => [...objects, verb].join('.')),
  fc.tuple(word(verbs), word(nouns), word('to_group to_role from_team of_user')).map((words) => words.join('_')),
)
const targetTypes = word('user User account admin service group team role device workspace Invoice token')

function shapes(name: string): fc.Arbitrary<unknown> {
  const email = `${name}@example.com`
  return fc.oneof(
    fc.constantFrom<unknown>(name, { id: `${name}-1`, name }, { email }, { id: `${name}-1` }, [{ name }]),
    targetTypes.map((type) => ({ type, name, id: `${name}-1` })),
  )
}

const others = fc.record(
  {
    role: word('admin viewer'),
    permissions: fc.constant(['p.read', 'p.write']),
    group: fc.constant('ops'),
    team: fc.constant({ id: 't-1', name: 'red' }),
    changes: fc.constantFrom<unknown>(
      { role: ['viewer', 'admin'] },
      { old: 'a', new: 'b' },
      { plan: { old: 1, new: 2 } },
    ),
    outcome: word('success failure'),
  },
  { requiredKeys: [] },
)

test('where actor and target are both given and are two, what was done was not done to the actor', (context) => {
  context.diagnostic(`seed ${SEED}`)
  const actorKeys = word('actor principal username by who user actor+user')
  const event = fc
    .tuple(actorKeys, shapes('bob'), word('target targets resource object entity'), shapes('carol'), action, others)
    .map(([actorKey, actor, targetKey, target, action, rest]) => ({
      ...Object.fromEntries(actorKey.split('+').map((key) => [key, Array.isArray(actor) ? 'bob' : actor])),
      action,
      [targetKey]: target,
      ...rest,
    }))
  const isBob = (name: string | undefined): boolean => name?.startsWith('bob') === true
  fc.assert(
    fc.property(event, (event) => {
      const ocsf = ocsfOf(event)
      const about = `${JSON.stringify(event)}: ${ocsf.class_uid} ${ocsf.message}`
      assert.ok(!affectedBy(ocsf).some(isBob), about)
      assert.match(ocsf.message ?? '', /^bob/, about)
      assert.doesNotMatch(ocsf.message ?? '', /.bob/, about)
    }),
    { seed: SEED, numRuns: RUNS },
  )
})

test('what has no place in the class is among the unmapped, and what has one is not', () => {
  const text = (event: object): string => JSON.stringify(ocsfOf(event))
  fc.assert(
    fc.property(action, others, (action, rest) => {
      const event = { actor: 'alice', action, target: 'carol', user: 'dave', ...rest }
      for (const value of ['alice', 'carol', 'dave']) assert.ok(text(event).includes(value), text(event))
      if (rest.role !== undefined && rest.permissions === undefined)
        assert.ok(text(event).includes(rest.role), text(event))
      if (rest.group !== undefined) assert.ok(text(event).includes('"ops"'), text(event))
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('times and messages are read as the usual loggers write them', () => {
  const at = 1_768_205_645_123
  for (const [key, value] of [
    ['ts', 1_768_205_645.123],
    ['ts', at],
    ['ts', '2026-01-12T08:14:05.123Z'],
    ['eventTime', '2026-01-12T08:14:05.123Z'],
    ['datetime', '2026-01-12 08:14:05.123'],
  ] as const) {
    const ocsf = ocsfOf({ [key]: value, msg: 'hello.' })
    assert.deepEqual([ocsf.time, ocsf.message, ocsf.unmapped], [at, 'hello', undefined], key)
  }
})

test('an event’s own severity is kept, whatever was done', () => {
  for (const action of ['mfa.disabled', 'user.impersonated', 'role.granted']) {
    assert.equal(ocsfOf({ actor: 'a', action, target: 'b', role: 'admin', severity: 'info' }).severity_id, 1, action)
  }
})

test('a record of a search says how many of how many were shown, to whom, and what was counted', () => {
  const told = (event: object): string | undefined =>
    ocsfOf({ type: 'read', v: 1, ledger: 'main', by: 'tok-1', via: '192.0.2.7', query: 'x', ...event }, 'stele.access')
      .message
  const search = { action: 'events.search', count: 1 }
  assert.equal(told({ ...search, total: 68, exact: true }), 'tok-1 was shown 1 of 68 by the query “x” in main')
  assert.equal(
    told({ ...search, total: 68, exact: false }),
    'tok-1 was shown 1 of at least 68 by the query “x” in main',
  )
  assert.equal(told(search), 'tok-1 was shown 1 event by the query “x” in main')
  const facets = { action: 'facets.read', fields: ['actor', 'class'], label: 'the audit desk' }
  const said = 'tok-1 (“the audit desk”) counted the values of actor, class by the query “x” in main'
  assert.equal(told(facets), said)
})
