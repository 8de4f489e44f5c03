// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { QueryFault } from '../src/query/fault.ts'
import { fields, keywords } from '../src/query/fields.ts'
import { formatQuery } from '../src/query/format.ts'
import { MAX_DEPTH, MAX_QUERY_CHARS, MAX_TERMS, parseQuery } from '../src/query/parse.ts'
import { formatTime, MAX_TIME_MS, MIN_TIME_MS, parseTime } from '../src/query/time.ts'
import type { Query } from '../src/query/tree.ts'
import { NOW_MS, oddTexts, queryTexts } from './search-arbitraries.ts'

const parse = (text: string): Query => parseQuery(text, NOW_MS)
const actor = (...pattern: string[]): Query => ({ kind: 'field', field: 'actor', pattern })
const word = (...pattern: string[]): Query => ({ kind: 'text', pattern })
const and = (...of: Query[]): Query => ({ kind: 'and', of })
const or = (...of: Query[]): Query => ({ kind: 'or', of })
const not = (of: Query): Query => ({ kind: 'not', of })

function faultOf(text: string): QueryFault {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof QueryFault, String(error))
    assert.ok(error.column >= 1 && error.length >= 1, error.message)
    return error
  }
  throw new Error(`${text.slice(0, 100)} was read`)
}

/** The query with what the fault suggests in place of what it marks. */
function mended(text: string, { column, length, suggestion }: QueryFault): string {
  return text.slice(0, column - 1) + suggestion + text.slice(column - 1 + length)
}

describe('the search language', () => {
  const readings: [string, Query][] = [
    ['', { kind: 'all' }],
    [' \n\t ', { kind: 'all' }],
    ['*', { kind: 'all' }],
    ['alice', word('alice')],
    ['Alice Bob', and(word('alice'), word('bob'))],
    ['a b OR c d', or(and(word('a'), word('b')), and(word('c'), word('d')))],
    ['a AND b OR c', or(and(word('a'), word('b')), word('c'))],
    ['a (b OR c)', and(word('a'), or(word('b'), word('c')))],
    ['(a b) c', and(word('a'), word('b'), word('c'))],
    ['NOT a b', and(not(word('a')), word('b'))],
    ['-a -(b c)', and(not(word('a')), not(and(word('b'), word('c'))))],
    ['NOT NOT a', not(not(word('a')))],
    ['"Add member  to\trole"', word('add member to role')],
    ['adm*', word('adm', '')],
    ['"global adm*"', word('global adm', '')],
    ['a**b', word('a', 'b')],
    ['"a\\*b"', word('a*b')],
    ['"say \\"hi\\" \\\\ \\n"', word('say "hi" \\ \\n')],
    ['CONTOSO\\alice', word('contoso\\alice')],
    ['actor:alice@contoso.com', actor('alice@contoso.com')],
    ['ACTOR:Alice', actor('alice')],
    ['actor:"Alice *"', actor('alice ', '')],
    ['actor:*@contoso.com', actor('', '@contoso.com')],
    ['actor:CONTOSO\\*', actor('contoso\\', '')],
    ['actor:*', { kind: 'exists', field: 'actor' }],
    ['exists:ip', { kind: 'exists', field: 'ip' }],
    ['actor:(a OR "b c")', or(actor('a'), actor('b c'))],
    ['actor:(a* -b)', and(actor('a', ''), not(actor('b')))],
    ['-actor:a', not(actor('a'))],
    ['ip:(fe80::1 OR 10.0.0.1)', or(parse('ip:fe80::1'), parse('ip:10.0.0.1'))],
    ['ip:10.1.2.3/8', { kind: 'cidr', from: `${'0'.repeat(20)}ffff0a000000`, to: `${'0'.repeat(20)}ffff0affffff` }],
    ['class:3005', { kind: 'number', field: 'class', from: 3005, to: 3005 }],
    ['class:"Account Change"', { kind: 'number', field: 'class', from: 3001, to: 3001 }],
    ['class:account_change', { kind: 'number', field: 'class', from: 3001, to: 3001 }],
    ['severity:>=HIGH', { kind: 'number', field: 'severity', from: 4, to: 6 }],
    ['severity:<3', { kind: 'number', field: 'severity', from: 0, to: 2 }],
    ['source:entra.audit/Contoso', { kind: 'source', parts: [['entra.audit'], ['contoso']] }],
    [
      'source:*/c*',
      {
        kind: 'source',
        parts: [
          ['', ''],
          ['c', ''],
        ],
      },
    ],
    ['after:2026-01-01', { kind: 'after', ms: 1_767_225_600_000 }],
    ['before:-24h', { kind: 'before', ms: NOW_MS - 86_400_000 }],
    ['12:30:00', word('12:30:00')],
    ['a-b', word('a-b')],
    ['this or that one', and(word('this'), word('or'), word('that'), word('one'))],
    ['signed in and out', and(word('signed'), word('in'), word('and'), word('out'))],
    ['not found', and(word('not'), word('found'))],
    ['a=b path>2 "!a" "actor=b"', and(word('a=b'), word('path>2'), word('!a'), word('actor=b'))],
    ['after:today', { kind: 'after', ms: Math.floor(NOW_MS / 86_400_000) * 86_400_000 }],
    ['before:2026-02', { kind: 'before', ms: Date.parse('2026-02-01') }],
    ['"or" actor:a', and(word('or'), actor('a'))],
    ['ΟΔΟΣ*', word('οδοσ', '')],
    ['__proto__ constructor', and(word('__proto__'), word('constructor'))],
    ['a\u00a0b', and(word('a'), word('b'))],
  ]
  for (const [text, tree] of readings) {
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parse(text), tree))
  }

  it('reads every example of the table of fields', () => {
    for (const { example } of [...fields, ...keywords]) assert.notEqual(parse(example).kind, 'text', example)
  })
})

describe('a fault in a query', () => {
  // Text, column, length, part of the message, and the suggestion where there is one.
  const faults: [string, number, number, RegExp, string?][] = [
    ['actr:alice', 1, 4, /no field actr/, 'actor'],
    ['a AND user:alice', 7, 4, /no field user/, 'actor'],
    ['since:-1h', 1, 5, /no field/, 'after'],
    ['urn:uuid:1', 1, 10, /colon/, '"urn:uuid:1"'],
    ['https://x.org', 1, 13, /colon/, '"https://x.org"'],
    ['fe80::1', 1, 7, /no field/, 'ip:fe80::1'],
    ['__proto__:x', 1, 11, /no field/, '"__proto__:x"'],
    ['constructor:x', 1, 13, /no field/, '"constructor:x"'],
    ['rol:(a OR b)', 1, 3, /no field/, 'privilege'],
    ['x actor:"alice', 9, 6, /quote is never closed/, '"alice"'],
    ['"a\\', 1, 3, /never closed/, '"a\\\\"'],
    ['"a\\"', 1, 4, /never closed/, '"a\\""'],
    ['(a OR b', 1, 7, /never closed/, '(a OR b)'],
    ['a (b', 3, 2, /never closed/, '(b)'],
    ['(', 1, 1, /never closed/],
    ['a) b', 2, 1, /never opened/, ''],
    ['()', 1, 2, /nothing in/],
    ['actor:()', 1, 8, /nothing in/],
    ['a AND', 3, 3, /nothing follows AND/],
    ['a OR', 3, 2, /nothing follows OR/],
    ['NOT', 1, 3, /nothing follows NOT/],
    ['OR a', 1, 2, /nothing stands before OR/],
    ['a AND OR b', 3, 3, /between this and OR/],
    ['a - b', 3, 1, /minus/, '"-"'],
    ['actor:', 1, 6, /no value/],
    ['actor: alice', 1, 12, /without a space/, 'actor:alice'],
    ['actor: OR b', 1, 6, /no value/],
    ['actor:""', 7, 2, /nothing in the quotes/],
    ['"  "', 1, 4, /nothing in the quotes/],
    ['actor:a or actor:b', 9, 2, /capitals/, 'OR'],
    ['actor:(a or b)', 10, 2, /capitals/, 'OR'],
    ['not actor:a', 1, 3, /capitals/, 'NOT'],
    ['a && b', 3, 2, /AND/, 'AND'],
    ['a | b', 3, 1, /OR/, 'OR'],
    ['“Add member”', 1, 12, /quote of the keyboard/, '"Add member"'],
    ['actor:“Add', 7, 1, /quote of the keyboard/],
    ['alice or bob', 7, 2, /capitals/, 'OR'],
    ['alice and bob and carol', 7, 3, /capitals/, 'AND'],
    ['!alice', 1, 1, /! is written NOT or -/, '-'],
    ['a !(b c)', 3, 1, /! is written NOT or -/, '-'],
    ['actor=bob', 1, 6, /actor= is written actor:/, 'actor:'],
    ['a actor!="bob c"', 3, 7, /is written -actor:/, '-actor:'],
    ['severity>=high', 1, 10, /is written severity:>=/, 'severity:>='],
    ['from:1.2.3.4', 1, 12, /no field from/, 'ip:1.2.3.4'],
    ['user:1.2.3.4', 1, 4, /no field user/, 'actor'],
    ['to:bob', 1, 6, /no field to/, '"to:bob"'],
    ['actr:a actr:b', 1, 4, /no field actr/, 'actor'],
    ['severity:7', 10, 1, /no severity 7: they go from 0 to 6/],
    ['class:9999', 7, 4, /no class 9999: events have 0, 2004/],
    ['–source:okta', 1, 1, /minus of the keyboard/, '-'],
    ['key(s)', 1, 6, /parenthesis/, '"key(s)"'],
    ['foo"bar"', 1, 8, /quote/, '"foo\\"bar\\""'],
    ['"a"b', 4, 1, /space is missing/],
    ['actor:(a target:b)', 10, 6, /holds no other field/],
    ['actor:(a target:(b))', 10, 6, /holds no other field/],
    ['ip:10.*', 4, 4, /address/, '10.0.0.0/8'],
    ['ip:192.168.*.*', 4, 11, /address/, '192.168.0.0/16'],
    ['ip:10.0.0.0/33', 4, 11, /address/],
    ['ip:300.1.1.1', 4, 9, /address/],
    ['ip:010.1.1.1', 4, 9, /address/],
    ['class:authentcation', 7, 13, /no class/, 'authentication'],
    ['class:>3005', 7, 5, /no order/, '(3006 OR 6003)'],
    ['severity:hgh', 10, 3, /no severity/, 'high'],
    ['severity:>fatal', 10, 6, /0 to 6/],
    ['after:tomorrow', 7, 8, /a time is written .*yesterday/],
    ['after:2026-02-30', 7, 10, /a time is written/],
    ['exists:actr', 8, 4, /no such field/, 'actor'],
    ['exists:class', 1, 12, /every event has a class/, '*'],
    ['source:a/b/c/d', 8, 7, /source is written/],
    ['source:entra/', 8, 6, /source is written/],
    [`actor:${'a*'.repeat(17)}`, 7, 34, /at most 16 wildcards/],
    [`actor:${'a'.repeat(1_025)}`, 7, 1_025, /at most 1024 characters/],
    [`"${'a '.repeat(8)}b*"`, 1, 20, /at most 8 words/],
  ]
  for (const [text, column, length, message, suggestion] of faults) {
    it(`is placed and mended: ${JSON.stringify(text.slice(0, 40))}`, () => {
      const fault = faultOf(text)
      assert.deepEqual([fault.column, fault.length, fault.suggestion], [column, length, suggestion], fault.message)
      assert.match(fault.message, message)
      if (suggestion === undefined) return
      const further = mended(text, fault)
      if (/capitals|actr:b/.test(further + fault.message)) return
      assert.doesNotThrow(() => parse(further), further)
    })
  }

  it('has a suggestion for each other name of a field', () => {
    const values: { readonly [name: string]: string | undefined } = {
      ip: '10.0.0.1',
      class: '3002',
      severity: 'high',
      after: '-1h',
      before: 'now',
      time: 'today',
      exists: 'actor',
    }
    for (const { name, also } of [...fields, ...keywords]) {
      const value = values[name] ?? 'x'
      for (const other of also) assert.equal(faultOf(`${other}:${value}`).suggestion, name, other)
    }
  })

  it('lies within the text, whatever is typed', () => {
    const pieces = fc.constantFrom(
      ...oddTexts,
      'actor:',
      '(',
      ')',
      '"',
      '*',
      '-',
      ' ',
      ' OR ',
      ' AND ',
      'NOT ',
      'ip:',
      'after:',
      'source:',
      'class:',
      'severity:>',
      '\\',
      'exists:',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join('').slice(0, MAX_QUERY_CHARS)
        try {
          parse(text)
        } catch (error) {
          assert.ok(error instanceof QueryFault, String(error))
          assert.ok(error.column >= 1 && error.column <= text.length + 1)
          assert.ok(error.length >= 1 && error.column + error.length <= text.length + 2)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('a hostile query', () => {
  const deep = (count: number) => `${'('.repeat(count)}a${')'.repeat(count)}`

  it('is read up to the limits and refused beyond', () => {
    assert.deepEqual(parse(deep(MAX_DEPTH)), word('a'))
    assert.match(faultOf(deep(MAX_DEPTH + 1)).message, /32 deep/)
    assert.equal(faultOf(deep(MAX_DEPTH + 1)).column, MAX_DEPTH + 1)
    assert.match(faultOf('-'.repeat(MAX_DEPTH + 1) + 'a').message, /32 deep/)
    const terms = Array.from({ length: MAX_TERMS }, (_, at) => `t${at}`)
    assert.equal(parse(terms.join(' ')).kind, 'and')
    assert.match(faultOf(`${terms.join(' ')} more`).message, /256 terms/)
    assert.match(faultOf(`actor:(${terms.join(' OR ')} OR more)`).message, /256 terms/)
    assert.equal(parse(`"${'a'.repeat(1_024)}"`).kind, 'text')
    assert.match(faultOf('a'.repeat(MAX_QUERY_CHARS + 1)).message, /8192 characters/)
  })

  it('is refused or read in no time', () => {
    const { length } = deep(4_096)
    assert.equal(length > MAX_QUERY_CHARS, true)
    const hostile = [
      deep(10_000),
      deep(4_000),
      '('.repeat(8_192),
      ')'.repeat(8_192),
      '-'.repeat(8_192),
      '-('.repeat(4_096),
      'NOT '.repeat(2_048),
      'actor:('.repeat(1_000),
      Array.from({ length: 10_000 }, () => 'a').join(' '),
      'a OR '.repeat(1_638),
      'a '.repeat(4_096),
      '*'.repeat(8_192),
      '* '.repeat(4_096),
      'a*'.repeat(4_096),
      '"*'.repeat(4_096),
      '"'.repeat(8_191),
      '"'.repeat(8_192),
      '\\'.repeat(8_192),
      `"${'\\'.repeat(8_191)}`,
      `"${'\\"'.repeat(4_095)}`,
      'actor:'.repeat(1_365),
      ':'.repeat(8_192),
      'a:'.repeat(4_096),
      ' '.repeat(8_192),
      `actor:${' '.repeat(8_000)}a`,
      `ip:${':'.repeat(8_000)}`,
      `ip:${'1.'.repeat(4_000)}*`,
      `after:${'9'.repeat(8_000)}`,
      `class:${'a'.repeat(8_000)}`,
      `source:${'/'.repeat(8_000)}`,
      'a'.repeat(8_192),
      '王'.repeat(8_192),
      '\u0301'.repeat(8_192),
      '\ud800'.repeat(8_192),
      '\u0130'.repeat(1_024),
      `${'a'.repeat(8_000)}:x`,
      `severity:${'>'.repeat(8_000)}`,
    ]
    const startedMs = performance.now()
    for (const text of hostile) {
      try {
        formatQuery(parse(text))
      } catch (error) {
        assert.ok(error instanceof QueryFault, `${text.slice(0, 20)}: ${String(error)}`)
      }
    }
    // Some milliseconds; the bound is for a machine that is busy.
    assert.ok(performance.now() - startedMs < 2_000)
  })
})

describe('a query as text again', () => {
  it('is read into the same tree', () => {
    fc.assert(
      fc.property(queryTexts, (text) => {
        const tree = parse(text)
        const again = formatQuery(tree)
        if (again.length <= MAX_QUERY_CHARS) assert.deepEqual(parse(again), tree, again)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('times of queries', () => {
  it('are those of the calendar, in UTC', () => {
    for (const [text, iso] of [
      ['2026-01-02', '2026-01-02T00:00:00.000Z'],
      ['2024-02-29', '2024-02-29T00:00:00.000Z'],
      ['2026-01-02T03:04', '2026-01-02T03:04:00.000Z'],
      ['2026-01-02 03:04:05', '2026-01-02T03:04:05.000Z'],
      ['2026-01-02T03:04:05.6789Z', '2026-01-02T03:04:05.678Z'],
      ['2026-01-02T03:04:05+02:30', '2026-01-02T00:34:05.000Z'],
      ['2026-01-02t03:04:05.1-11:00', '2026-01-02T14:04:05.100Z'],
      ['1900-01-01', '1900-01-01T00:00:00.000Z'],
    ] as const) {
      assert.equal(parseTime(text, NOW_MS), Date.parse(iso), text)
    }
    assert.equal(parseTime('now', NOW_MS), NOW_MS)
    assert.equal(parseTime('7d', NOW_MS), NOW_MS - 7 * 86_400_000)
    assert.equal(parseTime('-30m', NOW_MS), NOW_MS - 1_800_000)
    assert.equal(parseTime('+1w', NOW_MS), NOW_MS + 604_800_000)
    for (const text of [
      '',
      '1899-12-31',
      '2299-01-01',
      '2025-02-29',
      '2026-13-01',
      '2026-00-01',
      '2026-01-00',
      '2026-01-01T24:00',
      '2026-01-01T00:60',
      '2026-1-1',
      '24',
      '-1y',
      'NOW',
      '-9999999s',
      '999999w',
      '2026-01-01Z',
      ' now',
    ]) {
      assert.equal(parseTime(text, NOW_MS), undefined, text)
    }
  })

  it('are written as the calendar has them, every millisecond of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }), (ms) => {
        assert.equal(formatTime(ms), new Date(ms).toISOString())
        assert.equal(parseTime(formatTime(ms), 0), ms)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('docs/search.md', () => {
  it('lists the fields as they are', () => {
    const page = readFileSync(new URL('../docs/search.md', import.meta.url), 'utf8')
    const rows = [...fields, ...keywords].map(
      ({ name, title, example }) => `| \`${name}\` | ${title} | \`${example}\` |`,
    )
    assert.ok(page.includes(rows.join('\n')), `the table should be\n${rows.join('\n')}`)
  })
})
