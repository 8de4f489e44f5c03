// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Events that were made to hurt: whatever stands where in an event of any source, normalising gives a valid event of
// bounded size or a Base Event with a reason, and never an exception.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Entry } from '@stele/proof'
import fc from 'fast-check'
import { demoStory } from '../src/demo/story.ts'
import { normalise } from '../src/sources/normalise.ts'
import { connectors } from '../src/sources/registry.ts'
import { hostile } from './hostile-values.ts'
import { OcsfChecker, schemaSkip } from './ocsf-check.ts'
import { linesIn, sharedFixtures, sharedSkip } from './sources-bodies.ts'

const SEED = 0x0c5f
const RUNS = 3_000
const types = [...connectors.map(({ type }) => type), 'stele.access', 'stele.system']
const checker = schemaSkip === false ? new OcsfChecker() : undefined

function assertSafe(json: string, source: string): void {
  const entry: Entry = {
    at: '2026-01-12T08:14:05.123Z',
    source,
    by: 'test',
    media: 'application/json',
    size: 1,
    sha256: 'A'.repeat(43),
  }
  const bytes = Buffer.from(json)
  const { ocsf } = normalise(entry, bytes)
  const { unmapped, ...own } = ocsf
  const about = (): string => `${source}: ${json.slice(0, 2_000)}`
  assert.deepEqual(checker?.faults(ocsf) ?? [], [], about())
  assert.equal(Object.getPrototypeOf(ocsf), Object.prototype, about())
  if (unmapped !== undefined) assert.equal(Object.getPrototypeOf(unmapped), Object.prototype, about())
  assert.ok((ocsf.message ?? '').length > 0 && (ocsf.message ?? '').length <= 500, about())
  // A bug in a mapping is caught, and found here.
  assert.doesNotMatch(ocsf.status_detail ?? '', /^the mapping of \S+ (?:failed|gave)/, about())
  assert.equal(JSON.stringify(normalise(entry, bytes).ocsf), JSON.stringify(ocsf), about())
  assert.ok(JSON.stringify(own).length < 300_000, `${JSON.stringify(own).length} characters: ${about()}`)
}

const huge = JSON.stringify('ü'.repeat(1 << 20))

test('any JSON under any source', (context) => {
  context.diagnostic(`seed ${SEED}`)
  const keys = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom('__proto__', 'constructor', 'properties', 'time', 'category', 'initiatedBy', 'targetResources'),
    fc.constantFrom('actor', 'action', 'target', 'type', 'v', 'user', 'status', 'context', 'changes', 'TimeGenerated'),
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, false, 0, 1, -1, 1e308, '', 'x', 'create user', 'ada@example.com', '192.0.2.7'),
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(keys, tie('value')), { maxLength: 8 }).map((members) => Object.fromEntries(members)),
    ),
  }))
  fc.assert(
    fc.property(fc.constantFrom(...types), value, (source, event) => assertSafe(JSON.stringify(event), source)),
    { seed: SEED, numRuns: RUNS },
  )
})

/** The event with one value, drawn by walking down, replaced by what `json` says; keys are kept as they are. */
function replaced(event: unknown, draws: readonly number[], json: string): string {
  const [draw = 0, ...rest] = draws
  if (typeof event !== 'object' || event === null || rest.length === 0) return json
  const members = Object.entries(event)
  if (members.length === 0) return json
  const chosen = draw % members.length
  const shown = members.map(([key, value], position) => {
    const text = position === chosen ? replaced(value, rest, json) : JSON.stringify(value)
    return Array.isArray(event) ? text : `${JSON.stringify(key)}:${text}`
  })
  return Array.isArray(event) ? `[${shown.join()}]` : `{${shown.join()}}`
}

/** Every fixture and a tenth of the story. */
function knownEvents(): readonly unknown[] {
  const fixtures = join(import.meta.dirname, 'fixtures')
  const folders = readdirSync(fixtures).filter((name) => name.startsWith('entra'))
  const story = demoStory(Date.UTC(2026, 10, 27, 11, 4, 0))
    .body.trimEnd()
    .split('\n')
  const shared = sharedSkip === false ? linesIn(join(sharedFixtures, 'entra-loganalytics-auditlogs')) : []
  const own = folders.flatMap((name) => linesIn(join(fixtures, name)))
  return [...own, ...shared, ...story.filter((_, index) => index % 10 === 0)].map((line): unknown => JSON.parse(line))
}

const events = knownEvents()
const entra = types.filter((type) => type.startsWith('entra.'))
const places = fc.array(fc.nat(1_000), { minLength: 2, maxLength: 7 })

test('any event that is known, with anything in the place of any value of it', (context) => {
  context.diagnostic(`seed ${SEED}`)
  fc.assert(
    fc.property(
      fc.constantFrom(...entra),
      fc.constantFrom(...events),
      places,
      fc.constantFrom(...hostile),
      (source, event, draws, json) => assertSafe(replaced(event, draws, json), source),
    ),
    { seed: SEED, numRuns: RUNS },
  )
})

test('any event that is known, with a million characters in the place of any value of it', (context) => {
  context.diagnostic(`seed ${SEED}`)
  fc.assert(
    fc.property(fc.constantFrom(...entra, 'generic'), fc.constantFrom(...events), places, (source, event, draws) =>
      assertSafe(replaced(event, draws, huge), source),
    ),
    { seed: SEED, numRuns: 60, endOnFailure: true },
  )
})

test('each key of an application’s conventions, with anything in its place', () => {
  const keys = [
    'actor',
    'action',
    'target',
    'targets',
    'resource',
    'user',
    'group',
    'roles',
    'time',
    'outcome',
    'status',
    'success',
    'ip',
    'context',
    'source',
    'session',
    'correlation_id',
    'message',
    'severity',
    'changes',
    'error',
    'event',
    'location',
    'service',
    'id',
    '__proto__',
    'constructor',
    'actor_id',
    'user_agent',
    'status_code',
  ]
  for (const action of ['role.grant', 'user.create', 'group add', 'login', 'mfa.reset', 'x', 'password.reset']) {
    for (const key of keys) {
      for (const json of hostile) {
        const before = `{"action":${JSON.stringify(action)},"user":"u","target":"t","role":"r","group":"g"`
        assertSafe(`${before},${JSON.stringify(key)}:${json}}`, 'generic')
      }
    }
  }
})

test('an event with more values than fit in memory is found by its text, and says why', () => {
  const entry = {
    v: 1,
    at: '2026-01-01T00:00:00.000Z',
    by: 't',
    source: 'generic',
    media: 'application/json',
    size: 1,
    sha256: 'A',
  } as const
  const many = `{"action":"x","a":[${'{},'.repeat(500_000)}0]}`
  const { ocsf, value } = normalise(entry, Buffer.from(many))
  assert.equal(ocsf.status_detail, 'the event has more than 500,000 values')
  assert.equal(value, many)
  const inText = JSON.stringify({ action: 'x', note: String.raw`\"`.repeat(10) + ','.repeat(1_000_000) })
  assert.doesNotMatch(normalise(entry, Buffer.from(inText)).ocsf.status_detail ?? '', /values/)
})
