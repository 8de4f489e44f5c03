// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Paths, ranges and times in queries, and the places of values in documents that they ask for.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Entry, JsonValue } from '@stele/proof'

import { documentOf } from '../src/query/document.ts'
import { pathValues } from '../src/query/evaluate.ts'
import { MAX_RAW_PATHS_CHARS, MAX_RAW_PLACES, PLACE_LINES } from '../src/query/event-text.ts'
import { QueryFault } from '../src/query/fault.ts'
import { formatQuery } from '../src/query/format.ts'
import { MAX_PATH_CHARS, PathNames } from '../src/query/path-names.ts'
import { ocsfPaths, pathOf } from '../src/query/paths.ts'
import { parseQuery } from '../src/query/parse.ts'
import type { PathTest, Query } from '../src/query/tree.ts'
import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { placeholderOf } from '../src/schema/placeholder.ts'
import { NOW_MS } from './search-arbitraries.ts'

const parse = (text: string): Query => parseQuery(text, NOW_MS)
const and = (...of: Query[]): Query => ({ kind: 'and', of })
const or = (...of: Query[]): Query => ({ kind: 'or', of })
const not = (of: Query): Query => ({ kind: 'not', of })
const at = (path: string, test: PathTest): Query => ({ kind: 'path', path, test })
const bound = (value: number, isIncluded: boolean) => ({ value, isIncluded })
const day = (from: string, until: string): Query =>
  and({ kind: 'after', ms: Date.parse(from) }, { kind: 'before', ms: Date.parse(until) })

describe('paths, ranges and times', () => {
  const readings: [string, Query][] = [
    ['actor.user.NAME:Alice', at('actor.user.name', { kind: 'pattern', pattern: ['alice'] })],
    ['raw.Properties.durationMs:>=500', at('raw.properties.durationms', { kind: 'range', from: bound(500, true) })],
    ['raw.x:5..10', at('raw.x', { kind: 'range', from: bound(5, true), to: bound(10, true) })],
    ['raw.x:<-0.5', at('raw.x', { kind: 'range', to: bound(-0.5, false) })],
    ['raw.x:..1e3', at('raw.x', { kind: 'range', to: bound(1000, true) })],
    ['raw.x:"5..10"', at('raw.x', { kind: 'pattern', pattern: ['5..10'] })],
    ['raw.file:../etc/passwd', at('raw.file', { kind: 'pattern', pattern: ['../etc/passwd'] })],
    ['raw.x:10.1.2.3', at('raw.x', { kind: 'pattern', pattern: ['10.1.2.3'] })],
    ['raw.x:::1', at('raw.x', { kind: 'cidr', from: `${'0'.repeat(31)}1`, to: `${'0'.repeat(31)}1` })],
    ['raw.x:"10.0.0.0/8"', at('raw.x', { kind: 'pattern', pattern: ['10.0.0.0/8'] })],
    ['raw."my Key: (1)"."q\\"".@t:*', at('raw.my key: (1).q".@t', { kind: 'exists' })],
    ['exists:raw.a.b', at('raw.a.b', { kind: 'exists' })],
    ['exists:"raw.my key"', at('raw.my key', { kind: 'exists' })],
    ['exists:actor.user', at('actor.user', { kind: 'exists' })],
    ['raw.a:(x OR 1..2)', or(parse('raw.a:x'), parse('raw.a:1..2'))],
    ['raw.a:(https://x.org OR b)', or(parse('raw.a:"https://x.org"'), parse('raw.a:b'))],
    ['risk_score:>3', at('risk_score', { kind: 'range', from: bound(3, false) })],
    ['severity:low..high', { kind: 'number', field: 'severity', from: 2, to: 4 }],
    ['severity:..low', { kind: 'number', field: 'severity', from: 0, to: 2 }],
    ['time:2026-01-01', day('2026-01-01', '2026-01-02')],
    ['time:2025-12..2026-02', day('2025-12-01', '2026-02-01')],
    ['time:2025-12', day('2025-12-01', '2026-01-01')],
    ['time:>=2026-01-01', { kind: 'after', ms: Date.parse('2026-01-01') }],
    ['time:>2026-01-01', { kind: 'after', ms: Date.parse('2026-01-02') }],
    ['time:<2026-01-01T10:30', { kind: 'before', ms: Date.parse('2026-01-01T10:30:00Z') }],
    ['time:<=2026-01-01T10:30', { kind: 'before', ms: Date.parse('2026-01-01T10:31:00Z') }],
    ['time:-24h..', { kind: 'after', ms: NOW_MS - 86_400_000 }],
    ['-time:2026-01-01', not(day('2026-01-01', '2026-01-02'))],
  ]
  for (const [text, tree] of readings) {
    it(`are read: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parse(text), tree)
      assert.deepEqual(parse(formatQuery(tree)), tree)
    })
  }

  // Text, column, length, part of the message, and the suggestion where there is one.
  const faults: [string, number, number, RegExp, string?][] = [
    ['actor.usr.name:alice', 1, 14, /no field actor.usr.name/, 'actor.user.name'],
    ['actor.user:alice', 1, 10, /no value of its own/, 'actor.user.name'],
    ['properties.category:x', 1, 19, /no field properties.category/, 'raw.properties.category'],
    ['unmapped.x:1', 1, 12, /its own path, as raw.name/, '"unmapped.x:1"'],
    ['metadata.logged_time:1', 1, 20, /no attribute that events are read into/, 'raw.metadata.logged_time'],
    ['exists:unmapped', 8, 8, /its own path, as raw.name/],
    ['exists:unmapped.foo', 8, 12, /its own path, as raw.name/],
    ['http://foo', 1, 10, /text with a colon stands in quotes/, '"http://foo"'],
    ['a raw.x.targets[0].id:x', 3, 19, /members of an array/, 'raw.x.targets.id'],
    ['raw.targets[].id:(x OR y)', 1, 16, /members of an array/, 'raw.targets.id'],
    ['-raw.targets[*]:x', 2, 14, /members of an array/, 'raw.targets'],
    ['resources[0].name:x', 1, 17, /members of an array/, 'resources.name'],
    ['exists:raw.targets[1].id', 8, 17, /members of an array/, 'raw.targets.id'],
    ['class:3001..3002', 7, 10, /no order/, '(3001 OR 3002)'],
    ['severity:foo', 10, 3, /name: they are unknown, informational, low, medium, high, critical, fatal, other/],
    ['risk_scor:>5', 1, 9, /no field/, 'risk_score'],
    ['raw.:x', 1, 6, /written raw.name/, '"raw.:x"'],
    ['raw:x', 1, 5, /written raw.name/, '"raw:x"'],
    ['x raw.x:>=abc', 9, 5, /by >= is a number/, '">=abc"'],
    ['raw.x:5..abc', 7, 6, /by .. is a number/, '"5..abc"'],
    ['raw.x:10..5', 7, 5, /from the lower to the higher/, '5..10'],
    [`raw.x:>${'9'.repeat(31)}`, 7, 32, /is a number/, `">${'9'.repeat(31)}"`],
    ['raw.x>=5', 1, 7, /is written raw.x:>=/, 'raw.x:>='],
    ['raw.a:(b raw.c:d)', 10, 5, /holds no other field/],
    ['exists:raw.', 8, 4, /no such field/],
    ['exists:actor.usr', 8, 9, /no such field/, 'actor.user.name'],
    ['time:*', 1, 6, /every event has a time/, '*'],
    ['time:soon', 6, 4, /a time is written/],
    ['time:2026-02..2026-01', 6, 16, /from the lower/, '2026-01..2026-02'],
    ['severity:high..low', 10, 9, /0 to 6/],
    ['class:3001..3005', 7, 10, /no order/, '(3001 OR 3002 OR 3003 OR 3004 OR 3005)'],
    ['class:>=3005', 7, 6, /no order/, '(3005 OR 3006 OR 6003)'],
  ]
  for (const [text, column, length, message, suggestion] of faults) {
    it(`are refused with the place and what to write: ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parse(text),
        (fault) => {
          assert.ok(fault instanceof QueryFault)
          assert.deepEqual([fault.column, fault.length, fault.suggestion], [column, length, suggestion], fault.message)
          assert.match(fault.message, message)
          if (suggestion !== undefined) parse(text.slice(0, column - 1) + suggestion + text.slice(column - 1 + length))
          return true
        },
      )
    })
  }

  it('are refused or read in no time, whatever they are', () => {
    const startedMs = performance.now()
    for (const text of [
      `raw${'.a'.repeat(4_000)}:x`,
      `raw.${'"'.repeat(8_000)}:x`,
      'raw."a '.repeat(1_000),
      `raw."${'\\'.repeat(8_000)}`,
      `raw.x:${'.'.repeat(8_000)}`,
      `raw.x:${'9'.repeat(8_000)}..1`,
      `raw.x:${'*a'.repeat(4_000)}`,
      `actor${'.user'.repeat(1_600)}:x`,
      `${'user.'.repeat(1_600)}name:x`,
      `time:${'.'.repeat(8_000)}`,
      `exists:${'actor.'.repeat(1_300)}`,
    ]) {
      try {
        formatQuery(parse(text))
      } catch (error) {
        assert.ok(error instanceof QueryFault, String(error))
      }
    }
    // Some milliseconds; the bound is for a machine that is busy.
    assert.ok(performance.now() - startedMs < 2_000)
  })

  it('are any attribute of OCSF that has a value, and each is known to be one', () => {
    const paths = [...ocsfPaths().keys()]
    assert.ok(paths.length > 300 && paths.includes('actor.user.name') && paths.includes('evidences.src_endpoint.ip'))
    for (const path of paths) assert.equal(pathOf(path.toUpperCase()), path)
  })
})

describe('the places of values in a document', () => {
  const entry: Entry = {
    at: '2026-01-02T03:04:05.678Z',
    source: 'x',
    by: 'x',
    media: 'application/json',
    size: 1,
    sha256: '',
  }
  const names = new PathNames()
  const documentWith = (event: object, value?: JsonValue) =>
    documentOf(entry, { class_uid: 0, severity_id: 1, metadata: {}, ...event } as unknown as OcsfEvent, value, names)

  it('are those of the source’s form and of OCSF’s, each value once', () => {
    const ocsf = {
      message: 'Alice was here',
      actor: { user: { name: 'Alice', uid: undefined }, app_name: 'ALICE' },
      resources: [{ name: 'one' }, { name: 'Two ' }],
      is_mfa: true,
      unmapped: { a: 'one' },
      user: placeholderOf({ name: 'Unknown' }),
      time: 1,
    }
    const value = {
      User: { 'Na.me': 'Alice' },
      list: ['one', { Key: 2.5 }, ['é', 'one']],
      on: true,
      none: null,
      e: '',
      edge: ' Two',
    }
    const document = documentWith(ocsf, value)
    for (const [path, values] of [
      ['raw.user.na.me', ['alice']],
      ['raw.list', ['one', 'é', 'one']],
      ['raw.list.key', ['2.5']],
      ['raw.on', ['true']],
      ['raw.edge', ['two']],
      ['is_mfa', ['true']],
      ['actor.user.name', ['alice']],
      ['actor.app_name', ['alice']],
      ['resources.name', ['one', 'two']],
      ['message', ['alice was here']],
      ['class_uid', ['0']],
      ...['user.name', 'unmapped.a', 'time', 'raw', 'raw.none', 'raw.e', 'raw.user', 'actor.user.uid'].map(
        (path) => [path, []] as const,
      ),
    ] as const) {
      assert.deepEqual(pathValues(path, document), values, path)
    }
    assert.deepEqual(document.more.split('\n'), ['0', '1', 'alice was here', 'alice', 'two'])
    assert.deepEqual(document.text.split('\n'), ['alice', 'one', '2.5', 'true', 'é', 'two'])
    assert.deepEqual(
      documentWith(ocsf, value),
      documentOf(entry, { class_uid: 0, severity_id: 1, metadata: {}, ...ocsf } as unknown as OcsfEvent, value),
      'whatever was met before',
    )
  })

  it('are bounded in paths and in places, and OCSF’s have room of their own', () => {
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`k${at}`, `v${at}`]))
    const wide = documentWith({ message: 'said' }, many)
    assert.ok(wide.paths.length <= MAX_RAW_PATHS_CHARS + 200)
    assert.deepEqual(pathValues('message', wide), ['said'])
    assert.deepEqual(pathValues('raw.k0', wide), ['v0'])
    assert.deepEqual(pathValues('raw.k4999', wide), [])
    assert.ok(wide.text.endsWith('v4999'))
    const long = documentWith({ message: 'said' }, { a: Array.from({ length: 10_000 }, (_, at) => at) })
    assert.equal(pathValues('raw.a', long).length, MAX_RAW_PLACES)
    assert.deepEqual(pathValues('message', long), ['said'])
    // The smallest names that there are, and as many attributes as no form has.
    const empty = Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [String.fromCharCode(0x4e00 + at), at]))
    const all = documentWith({ resources: [empty] }, empty)
    assert.ok(all.places.every((place) => place < 2 ** 32 && place % PLACE_LINES > 0))
    const key = 'x'.repeat(MAX_PATH_CHARS - 'raw.'.length)
    const deep = documentWith({}, { [key]: 1, [`${key}x`]: 2, a: { [key]: { b: 3 } }, c: 4 })
    assert.deepEqual(pathValues(`raw.${key}`, deep), ['1'])
    assert.deepEqual(pathValues('raw.c', deep), ['4'])
    assert.equal(deep.paths.split('\n').filter((path) => path.startsWith('raw.')).length, 2)
    const cut = documentWith({ message: 'said' }, { a: 'x '.repeat(2 ** 19), b: 'behind', c: 'é'.repeat(10) })
    assert.deepEqual(pathValues('message', cut), ['said'])
  })

  it('keep no more names than there is an end to, whatever keys come', () => {
    const names = new PathNames()
    for (let event = 0; event < 40; event++) {
      const value = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`key ${event} ${at}`, at]))
      const document = documentOf(
        entry,
        { class_uid: 0, severity_id: 1, metadata: {} } as unknown as OcsfEvent,
        value,
        names,
      )
      assert.deepEqual(pathValues(`raw.key ${event} 7`, document), ['7'])
    }
    assert.ok(names.raw.members.size <= 21_000)
  })
})
