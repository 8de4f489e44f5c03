// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What normalising promises of every event, whoever wrote it: an OCSF event that the schema finds valid, or a Base
// Event that says why not; one sentence; and never an exception.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import type { Entry } from '@stele/proof'
import { demoStory } from '../src/demo/story.ts'
import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { MappingFault } from '../src/sources/connector.ts'
import { normalise } from '../src/sources/normalise.ts'
import { kindOf } from '../src/sources/registry.ts'
import { ownMappings } from '../src/sources/stele.ts'
import { OcsfChecker, schemaSkip } from './ocsf-check.ts'
import { eventsOf, linesIn, refusalOf, sharedFixtures, sharedSkip } from './sources-bodies.ts'

const AT = '2026-01-12T08:14:05.123Z'
const NOW_MS = Date.UTC(2026, 10, 27, 11, 4, 0)
const fixtures = join(import.meta.dirname, 'fixtures')
const checker = schemaSkip === false ? new OcsfChecker() : undefined

function entry(source: string, media: Entry['media'] = 'application/json'): Entry {
  return { at: AT, source, by: 'test', media, size: 1, sha256: 'A'.repeat(43) }
}

function ocsfOf(event: object | string, source = 'generic'): OcsfEvent {
  const bytes = Buffer.from(typeof event === 'string' ? event : JSON.stringify(event))
  return normalise(entry(source), bytes).ocsf
}

/** Valid, with one sentence; a Base Event says why it is one. */
function assertSound(ocsf: OcsfEvent, of: string): void {
  assert.deepEqual(checker?.faults(ocsf) ?? [], [], of)
  assert.match(ocsf.message ?? '', /^[^\x00-\x1f]{1,500}$/, of)
  assert.doesNotMatch(ocsf.message ?? '', /[^.]\.$/, of)
  if (ocsf.class_uid === 0) assert.ok((ocsf.status_detail ?? '') !== '', of)
}

/** Counts what the lines become, each cut as it would arrive. */
function tally(context: TestContext, name: string, lines: readonly string[]): { count: number; specific: number } {
  let [specific, valid] = [0, 0]
  for (const [type, bytes] of eventsOf(lines.join('\n'), 'application/x-ndjson')) {
    const { ocsf } = normalise(entry(type), Buffer.from(bytes, 'latin1'))
    assertSound(ocsf, bytes)
    valid++
    if (ocsf.class_uid !== 0) specific++
  }
  const share = (part: number): string => `${((100 * part) / lines.length).toFixed(1)} %`
  context.diagnostic(`${name}: ${lines.length} lines, specific ${share(specific)}, valid ${share(valid)}`)
  return { count: lines.length, specific }
}

test(
  'every Entra line of the shared fixtures becomes a valid event, of a specific class if it says what was done',
  {
    skip: sharedSkip,
  },
  (context) => {
    for (const name of readdirSync(sharedFixtures).filter((name) => name.startsWith('entra-'))) {
      const { count, specific } = tally(context, name, linesIn(join(sharedFixtures, name)))
      // Those lines are a time and nothing else.
      assert.equal(specific, name === 'entra-diag-timeformats' ? 0 : count, name)
    }
  },
)

test('every other line of the shared fixtures becomes a valid event', { skip: sharedSkip }, (context) => {
  const folders = readdirSync(sharedFixtures, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of folders) {
    if (!name.startsWith('entra-')) tally(context, name, linesIn(join(sharedFixtures, name)))
  }
})

test('our own fixtures become valid events, and those that say what was done are of a specific class', (context) => {
  for (const name of readdirSync(fixtures)) {
    const { count, specific } = tally(context, name, linesIn(join(fixtures, name)))
    // Those of `entra` are shells: what a shape asks for, and no more. Of the others a few are of no known activity.
    if (name.startsWith('entra-')) assert.ok(specific > 0.98 * count, name)
  }
})

test('the demo’s story is valid events of specific classes', (context) => {
  const { count, specific } = tally(context, 'the demo', demoStory(NOW_MS).body.trimEnd().split('\n'))
  assert.equal(specific, count)
})

test('every example of docs/events.md becomes what the page says', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/events.md'), 'utf8')
  const examples = [...page.matchAll(/```json\n(.+)\n```\n\n> (.+)/g)]
  assert.equal(examples.length, [...page.matchAll(/```json/g)].length)
  assert.ok(examples.length > 5)
  for (const [, event = '', said] of examples) {
    const ocsf = ocsfOf(event)
    assertSound(ocsf, event)
    assert.equal(`${ocsf.class_uid} ${ocsf.activity_name}: ${ocsf.message}`, said)
  }
})

test('an application’s event keeps who, what, whom, when, how and from where in their places', () => {
  const ocsf = ocsfOf(
    {
      occurred_at: '2026-01-12T09:14:05+01:00',
      actor: { id: 7, username: 'ada', display_name: 'Ada L.', type: 'admin', department: 'R&D' },
      action: 'permission.revoked',
      target: 'bob@example.com',
      permissions: ['ledger.read', { name: 'ledger.write' }],
      result: 'denied',
      error: { message: 'no right to', code: 'E7' },
      context: { ip: '[2001:db8::7]:443', request_id: 'r1', user_agent: 'curl/8', page: 3 },
      session: { id: 's1' },
      severity: 'critical',
      changes: [{ field: 'plan', from: 1, to: 2 }],
      __extra: true,
    },
    'generic/billing/eu',
  )
  assert.ok(ocsf.class_uid === 3005)
  const { actor, src_endpoint, http_request, metadata, user, privileges, unmapped } = ocsf
  assert.deepEqual(JSON.parse(JSON.stringify({ actor, src_endpoint, http_request, user, privileges })), {
    actor: {
      user: { name: 'ada', uid: '7', display_name: 'Ada L.', type_id: 2, type: 'Admin' },
      session: { uid: 's1' },
    },
    src_endpoint: { ip: '2001:db8::7' },
    http_request: { user_agent: 'curl/8' },
    user: { name: 'bob@example.com', email_addr: 'bob@example.com', type_id: 1, type: 'User' },
    privileges: ['ledger.read', 'ledger.write'],
  })
  assert.deepEqual(
    [ocsf.activity_id, ocsf.time, ocsf.severity_id, ocsf.status_id, ocsf.status_detail],
    [2, Date.UTC(2026, 0, 12, 8, 14, 5), 5, 2, 'no right to'],
  )
  assert.deepEqual(
    [metadata.product.name, metadata.event_code, metadata.correlation_uid],
    ['billing', 'permission.revoked', 'r1'],
  )
  assert.equal(ocsf.message, 'ada failed to revoke ledger.read, ledger.write from bob@example.com: “no right to”')
  // What is read in part only stays whole; what is read whole is not said twice.
  assert.deepEqual(Object.keys(unmapped ?? {}).toSorted(), [
    '__extra',
    'actor',
    'changes',
    'context',
    'error',
    'session',
  ])
  assert.deepEqual(unmapped?.['changes'], [{ name: 'plan', old: 1, new: 2 }])
})

test('of an application’s event nothing is invented: no outcome is unknown, an unreadable time is the ledger’s', () => {
  const ocsf = ocsfOf({ action: 'page.viewed', target: 'p1', time: 'yesterday', changes: 'many' })
  assert.deepEqual([ocsf.status_id, ocsf.time, ocsf.metadata.original_time], [0, Date.parse(AT), 'yesterday'])
  assert.deepEqual(ocsf.unmapped, { raw_changes: 'many' })
  assert.ok(ocsf.class_uid === 3004 && ocsf.actor === undefined && ocsf.src_endpoint === undefined)
  for (const [outcome, id] of [
    ['ok', 1],
    ['Denied ', 2],
    [204, 1],
    [403, 2],
    [true, 1],
    ['queued', 99],
  ] as const) {
    assert.equal(ocsfOf({ action: 'a', target: 't', outcome }).status_id, id, String(outcome))
  }
  for (const time of [1_768_205_645, 1_768_205_645_000, '1768205645000000', 1_768_205_645_000_000_000]) {
    assert.equal(ocsfOf({ action: 'a', target: 't', time }).time, 1_768_205_645_000, String(time))
  }
})

test('what is no JSON object is a Base Event with its first line and the reason', () => {
  const text = normalise(entry('generic', 'text/plain'), Buffer.from('\n  first line\r\nsecond'))
  assert.deepEqual([text.ocsf.message, text.value], ['first line', '\n  first line\r\nsecond'])
  const octets = normalise(entry('generic', 'application/octet-stream'), Buffer.from([0, 255]))
  assert.deepEqual([octets.ocsf.message, octets.value], ['2 bytes that are no text', undefined])
  const broken = normalise(entry('entra.audit'), Buffer.from('{"a":'))
  assert.deepEqual([broken.ocsf.message, broken.value], ['{"a":', '{"a":'])
  const array = normalise(entry('entra.audit'), Buffer.from('[1]'))
  assert.deepEqual(array.value, [1])
  const foreign = normalise(entry('nobody.knows'), Buffer.from('{"message":"hello."}'))
  assert.equal(foreign.ocsf.message, 'hello')
  const reasons = [text, octets, broken, array, foreign].map(({ ocsf }) => {
    assertSound(ocsf, ocsf.message ?? '')
    assert.deepEqual([ocsf.class_uid, ocsf.activity_id, ocsf.severity_id, ocsf.time], [0, 0, 1, Date.parse(AT)])
    return ocsf.status_detail
  })
  assert.equal(new Set(reasons).size, reasons.length)
})

test('Stele’s own events say who read and administered what, and no client can post one', () => {
  const by = 'tok-1'
  const via = '192.0.2.7'
  const read = ocsfOf({ type: 'read', v: 1, action: 'event.read', ledger: 'main', first: 17, by, via }, 'stele.access')
  assert.ok(read.class_uid === 6003)
  assert.deepEqual([read.actor.user?.uid, read.src_endpoint.ip, read.api.operation], [by, via, 'event.read'])
  assert.deepEqual([read.activity_id, read.message], [2, 'tok-1 read event 17 of main'])
  const created = { type: 'token.created', v: 1, id: 't1', hash: 'h', scopes: ['append', 'read'], ledgers: ['*'], by }
  const system: readonly (readonly [event: object, classUid: number, message: string])[] = [
    [created, 3005, 'tok-1 created the token t1 with the scopes append, read on all ledgers'],
    [{ type: 'token.revoked', v: 1, id: 't1', by }, 3004, 'tok-1 revoked the token t1'],
    [{ type: 'install', v: 1, name: 'a', installId: 'b' }, 3004, 'Stele set up the installation a'],
    [
      { type: 'ledger.created', v: 1, name: 'pay', origin: 'a/b/pay', vkey: 'k', public: false, by: 'stele' },
      ...([3004, 'Stele created the ledger pay'] as const),
    ],
    [{ type: 'server.started', v: 1, version: '1.2' }, 3004, 'Stele 1.2 started'],
    [{ type: 'server.stopped', v: 1 }, 3004, 'Stele stopped'],
    [
      { type: 'recovered', v: 1, file: 'wal/1', position: 9, bytesCut: 12, ledgers: [] },
      ...([2004, 'Stele cut 12 bytes of an unfinished commit off wal/1'] as const),
    ],
    [{ type: 'derived.rebuilt', v: 1, reason: 'gone' }, 3004, 'Stele rebuilt what it derives from the log: gone'],
    [{ type: 'head.missing', v: 1, where: 'F' }, 2004, 'Stele found no head in F'],
    [
      { type: 'clock.jumped', v: 1, wall: AT, ledger: AT },
      ...([2004, `The wall clock jumped to ${AT} while ledger time was ${AT}`] as const),
    ],
    [{ type: 'clock.confirmed', v: 1, by }, 3004, 'tok-1 confirmed the wall clock'],
    [{ type: 'verification.requested', v: 1, by }, 3004, 'tok-1 had the ledgers verified'],
    [
      { type: 'verification.passed', v: 1, startedAt: AT, endedAt: AT, entryCount: 3, readBytes: 9 },
      ...([3004, 'Stele verified its ledgers: 3 entries are as they must be'] as const),
    ],
    [
      {
        type: 'verification.failed',
        v: 1,
        startedAt: AT,
        endedAt: AT,
        findingCount: 3,
        first: { what: 'the body was changed', file: 'wal/1', offset: 7, ledger: 'main', index: 2 },
      },
      2004,
      'Stele verified its ledgers and found what must not be: the body was changed (wal/1, byte 7), and 2 more',
    ],
    [
      { type: 'witness.added', v: 1, name: 'one', vkey: 'w+1+A', url: 'https://w.example', by: 'k3v7' },
      ...([3004, 'k3v7 added the witness one at “https://w.example”'] as const),
    ],
    [{ type: 'witness.removed', v: 1, name: 'one', by: 'k3v7' }, ...([3004, 'k3v7 removed the witness one'] as const)],
    [
      { type: 'witness.quorum', v: 1, count: 'all', by: 'k3v7' },
      ...([3004, 'k3v7 had it that all witnesses must cosign'] as const),
    ],
    [
      { type: 'witness.contradicted', v: 1, name: 'one', kind: 'ahead', size: 4, told: 9, root: '', evidence: 'e' },
      ...([2004, 'The witness one has seen 9 published heads, and there are 4'] as const),
    ],
    [
      { type: 'witness.contradicted', v: 1, name: 'one', kind: 'fork', size: 4, root: '', evidence: 'e' },
      ...([2004, 'The witness one does not accept that the head of heads at 4 follows what it has seen'] as const),
    ],
    [
      { type: 'witness.quorum.unmet', v: 1, since: AT, size: 4, witnessed: 2, needed: 2, missing: ['one'] },
      ...([2004, `Too few witnesses have cosigned a head since ${AT}: 2 must`] as const),
    ],
    [
      { type: 'witness.quorum.met', v: 1, size: 4 },
      ...([3004, 'Enough witnesses have cosigned again, the head of heads at 4'] as const),
    ],
    [
      { type: 'refused', v: 1, via, code: 'unauthenticated', action: 'none', count: 2, since: AT, until: AT },
      ...([6003, 'Someone without a valid token was refused none 2 times from 192.0.2.7: unauthenticated'] as const),
    ],
  ]
  for (const [event, classUid, message] of system) {
    const ocsf = ocsfOf(event, 'stele.system')
    assertSound(ocsf, message)
    assert.deepEqual([ocsf.class_uid, ocsf.message], [classUid, message])
    assert.doesNotMatch(JSON.stringify(ocsf), /"hash"/)
  }
  for (const [type] of ownMappings) assert.equal(refusalOf(() => kindOf(type)).code, 'source-unknown')
  assert.deepEqual(eventsOf(JSON.stringify(created)), [['generic', JSON.stringify(created)]])
})

test('a mapping says what is wrong with an event, and what is a bug in it is told apart', () => {
  assert.equal(new MappingFault('x').name, 'MappingFault')
  const unknown = ocsfOf({ type: 'token.eaten', v: 1 }, 'stele.system')
  assert.deepEqual([unknown.class_uid, unknown.status_detail], [0, 'it is no event of system that this version knows'])
})
