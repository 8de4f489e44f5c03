// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Random events and random queries that have much to do with each other, so that both find and do not find.

import type { Entry, JsonValue } from '@stele/proof'
import fc from 'fast-check'

import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { documentOf, type SearchDocument } from '../src/query/document.ts'
import { fields } from '../src/query/fields.ts'
import { parseQuery } from '../src/query/parse.ts'
import { addressTexts, names, networks, numbers, pathTermsOf } from './search-path-arbitraries.ts'

export const NOW_MS = 1_767_225_600_000

/** Each of them looks like something else to somebody. */
export const oddTexts: readonly string[] = [
  'alice@contoso.com',
  'ALICE@Contoso.com',
  'alice',
  'alice.smith@contoso.com',
  'bob',
  'Bob Ö. Müller',
  'CONTOSO\\alice',
  'Add member to role',
  'add  member\tto\nrole',
  'Add member to role.',
  'member',
  'Global Administrator',
  'Global Admin',
  'İstanbul',
  'istanbul',
  'ISTANBUL',
  'ıstanbul',
  'straße',
  'STRASSE',
  'STRAẞE',
  'ΟΔΟΣ',
  'οδος',
  'οδοσ',
  'ΟΔΟΣΑ',
  'é',
  'e\u0301',
  'E\u0301',
  '\u0301',
  'Å',
  'A\u030a',
  '\u212b',
  'ﬁ',
  '\u0130\u0323',
  '王小明',
  '王*明',
  '王',
  '😀',
  '😀😀',
  'a😀b',
  '\ud83d',
  '\ude00',
  '%',
  '_',
  '%_%',
  '100%',
  'a_b',
  'ab',
  'a%b',
  '\\',
  '\\\\',
  '\\%',
  '\\n',
  '\\x41',
  "'",
  "''",
  '"',
  '`',
  '"; DROP TABLE events; --',
  "' OR '1'='1",
  '{p0:String}',
  '{',
  '}',
  '$',
  '^',
  '.',
  '.*',
  '(',
  ')',
  '[a-z]',
  '[',
  ']',
  '|',
  '+',
  '?',
  '(?i)a',
  '\\d',
  '\\Q',
  'a.b.c',
  'axbxc',
  '-',
  '--',
  '/',
  '//',
  '/* */',
  '*',
  'a*b',
  '\0',
  'a\0b',
  '\u200b',
  'a\u200bb',
  '\u00a0',
  'a\u00a0b',
  '\ufeff',
  '\u202e',
  '\u2028',
  '\u0085',
  'a-b',
  'b-a',
  'a b',
  'b',
  'a',
  'aa',
  'aaa',
  'aab',
  'a a a b',
  '10.1.2.3',
  '10.1.2.30',
  '2001:db8::1',
  'true',
  'false',
  'null',
  '0',
  '1',
  '1.5',
  '-1',
  '1e21',
  '2026-01-01T00:00:00Z',
  'and',
  'or',
  'not',
  'AND',
  'OR',
  'NOT',
  'actor:alice',
  'a:b',
  'entra.audit',
  'b6e4c2a0-0f0e-4c5e-9d5c-0a7b8c9d0e1f',
  'B6E4C2A0-0F0E-4C5E-9D5C-0A7B8C9D0E1F',
  'x'.repeat(1_023) + '😀',
  'y'.repeat(3_000),
  'long '.repeat(400),
  '',
  ' ',
  '   ',
  '\n',
]

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...oddTexts) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom('a', 'b', 'B', ' ', '-', '.', '*', 'é', '\\', '"', '%', '_', '1'), { maxLength: 8 })
      .map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...oddTexts), fc.constantFrom(...oddTexts)).map((two) => two.join(' ')),
  },
)
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 })

const addresses = [
  '10.1.2.3',
  '10.1.2.30',
  '10.200.0.1',
  '192.168.0.1',
  '0.0.0.0',
  '255.255.255.255',
  '::',
  '::1',
  '2001:db8::1',
  '2001:DB8:0:0:0:0:0:1',
  '::ffff:10.1.2.3',
  'fe80::1',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  'no address',
  '10.1.2.3.4',
  '010.1.2.3',
]
const times = fc.oneof(
  fc.integer({ min: -5, max: 5 }).map((seconds) => NOW_MS + seconds * 1_000),
  fc.constantFrom(NOW_MS, NOW_MS + 1, NOW_MS - 1, Number.NaN, 1e300, -1e15, 0, -1),
)

const users = fc.record({ name: maybe(text), uid: maybe(text), email_addr: maybe(text), display_name: maybe(text) })
const named = fc.record({ name: maybe(text), uid: maybe(text) })

const ocsfEvents = fc
  .record({
    class_uid: fc.constantFrom(0, 2004, 3001, 3002, 3003, 3004, 3005, 3006, 6003),
    time: times,
    severity_id: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 99),
    status_id: fc.constantFrom(undefined, 0, 1, 2, 99),
    status: maybe(text),
    activity_name: maybe(text),
    metadata: fc.record({
      version: fc.constant('1.8.0'),
      product: fc.constant({}),
      event_code: maybe(text),
      correlation_uid: maybe(text),
    }),
    actor: maybe(
      fc.record({
        user: maybe(users),
        app_name: maybe(text),
        app_uid: maybe(text),
        session: maybe(fc.record({ uid: maybe(text) })),
      }),
    ),
    src_endpoint: maybe(
      fc.record({ ip: maybe(fc.constantFrom(...addresses)), location: maybe(fc.record({ country: maybe(text) })) }),
    ),
    device: maybe(fc.record({ ip: maybe(fc.constantFrom(...addresses)) })),
    user: users,
    entity: named,
    group: named,
    service: named,
    api: fc.record({ operation: text, service: maybe(named) }),
    resources: maybe(fc.array(named, { maxLength: 70 })),
    privileges: fc.array(text, { maxLength: 4 }),
    session: maybe(fc.record({ uid: maybe(text) })),
  })
  // As hostile as a mapping could at worst be.
  .map((event) => event as unknown as OcsfEvent)

const values = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.oneof(text, fc.constant(null), fc.boolean(), fc.double({ noNaN: true }), fc.integer(), numbers, addressTexts),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, names), tie('value'), { maxKeys: 5 }),
  ),
})).value

const entries = fc
  .record({
    at: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z', '2025-12-31T23:59:59.999Z'),
    source: fc.constantFrom(
      'entra',
      'entra.audit',
      'entra.audit/contoso',
      'entra.audit/Contoso/x',
      'entra-x',
      'entra.signin/contoso/entra',
      'okta',
      'okta/entra',
      'generic/x%y',
      'generic/a_b',
      'generic',
    ),
  })
  .map((fields): Entry => ({ ...fields, by: 'x', media: 'application/json', size: 1, sha256: '' }))

export const documents: fc.Arbitrary<SearchDocument> = fc
  .tuple(entries, ocsfEvents, fc.option(values, { nil: undefined, freq: 10 }))
  .map(([entry, ocsf, value]) => documentOf(entry, ocsf, value))

/** A value in quotes, as itself or with wildcards in it. */
const quotedText = fc.tuple(text, fc.array(fc.nat({ max: 12 }), { maxLength: 2 })).map(([value, stars]) => {
  const chars = [...value.toWellFormed()].map((char) => (/["\\*]/.test(char) ? `\\${char}` : char))
  for (const at of stars) {
    if (at % 2 === 0) chars.splice(Math.min(at, chars.length), 0, '*')
    else chars.splice(Math.min(at, chars.length), at, '*')
  }
  return `"${chars.join('')}"`
})

const textFields = fields.filter(({ kind }) => kind === 'text').map(({ name }) => name)
const terms = fc.oneof(
  { weight: 4, arbitrary: quotedText },
  { weight: 6, arbitrary: pathTermsOf(quotedText) },
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom(...textFields), quotedText).map((pair) => pair.join(':')) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'outcome:success',
      'outcome:fail*',
      'outcome:*',
      'ledger:main',
      'ledger:p*',
      '-ledger:access',
      'actor:*',
      '*',
      '*@*',
      'a*',
      '*a',
      '*.*',
      'contoso.*',
      '*.com',
      'a-*',
      '-a*',
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('actor', 'target', 'outcome', 'ip', 'session', 'country', 'privilege')
      .map((name) => `exists:${name}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...networks).map((network) => `ip:${network}`),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        'entra',
        'entra.audit',
        'entra/contoso',
        'entra*',
        '*/contoso',
        'entra/CONTOSO',
        'entra/contoso/x',
        'ent',
        '*',
        'okta',
        'generic/x%y',
        'generic/x_y',
        '*/*',
        '*/*/*',
        'entra/*o',
      )
      .map((source) => `source:${source}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'class:authentication',
      'class:0',
      'class:"account change"',
      'severity:high',
      'severity:>=medium',
      'severity:<2',
      'severity:99',
      'severity:>0',
      'severity:low..high',
      'severity:2..2',
      'severity:..1',
      'time:2026-01-01',
      'time:>2025-12-31',
      'time:2025-12..2026-01',
      'time:<=2025-12-31T23:59:59Z',
      'time:(-1s..now OR +2s..)',
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('after', 'before'),
        fc.constantFrom('now', '-1s', '+2s', '2026-01-01', '1900-01-01', '2298-12-31', '2025-12-31T23:59:59.999Z'),
      )
      .map((pair) => pair.join(':')),
  },
)

/** Texts that are read as queries. */
export const queryTexts: fc.Arbitrary<string> = fc
  .letrec<{ query: string }>((tie) => ({
    query: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      terms,
      fc.tuple(tie('query'), tie('query')).map((parts) => parts.join(' ')),
      fc.tuple(tie('query'), tie('query')).map((parts) => parts.join(' OR ')),
      tie('query').map((query) => `NOT (${query})`),
      tie('query').map((query) => `-(${query})`),
      fc
        .tuple(fc.constantFrom(...textFields), fc.array(quotedText, { minLength: 1, maxLength: 3 }))
        .map(([field, list]) => `${field}:(${list.join(' OR ')})`),
    ),
  }))
  .query.filter((query) => {
    try {
      parseQuery(query, NOW_MS)
      return true
    } catch {
      return false
    }
  })
