// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Entry, JsonValue } from '@stele/proof'
import fc from 'fast-check'

import { addressBytes, canonicalAddress, formatNetwork, parseAddress, parseNetwork } from '../src/query/address.ts'
import { documentOf, emptyDocument, MAX_FIELD_VALUES, type SearchDocument } from '../src/query/document.ts'
import { valuesOf } from '../src/query/evaluate.ts'
import { MAX_TEXT_CHARS } from '../src/query/event-text.ts'
import { fields } from '../src/query/fields.ts'
import { fold, foldWithin, MAX_VALUE_CHARS } from '../src/query/fold.ts'
import { matchesWhole, matchesWords, piecesOf } from '../src/query/match.ts'
import type { Pattern } from '../src/query/tree.ts'
import { type OcsfEvent, ocsfClasses } from '../src/schema/ocsf.ts'
import { oddTexts } from './search-arbitraries.ts'

const entry: Entry = {
  at: '2026-01-02T03:04:05.678Z',
  source: 'entra.audit/Contoso',
  by: 'x',
  media: 'application/json',
  size: 1,
  sha256: '',
}

/** What every class demands, and nothing that could be found. */
function bareEvent(classUid: number): Record<string, unknown> {
  return { class_uid: classUid, severity_id: 1, metadata: { version: '1.8.0', product: {} }, api: {} }
}

function documentWith(event: Record<string, unknown>, value?: JsonValue): SearchDocument {
  return documentOf(entry, event as unknown as OcsfEvent, value)
}

/** Puts a value under a path as `evidences[].user.name`. */
function put(object: Record<string, unknown>, path: string, value: unknown): void {
  const steps = path.split('.')
  let at = object
  for (const [position, step] of steps.entries()) {
    const isLast = position === steps.length - 1
    if (step.endsWith('[]')) {
      const member: Record<string, unknown> = {}
      at[step.slice(0, -2)] = [isLast ? value : member]
      at = member
    } else {
      at[step] = isLast ? value : (at[step] ?? {})
      at = at[step] as Record<string, unknown>
    }
  }
}

describe('the document of an event', () => {
  const arrays = fields.filter(
    ({ kind, name }) => (kind === 'text' || kind === 'ip') && name !== 'ledger' && name !== 'outcome',
  )
  const classUids = Object.keys(ocsfClasses).map(Number)

  it('has the values of each path that the table of fields names, in its classes and in no other', () => {
    const paths = new Set(arrays.flatMap(({ paths }) => paths.map(({ path }) => path)))
    for (const path of paths) {
      for (const classUid of classUids) {
        const event = bareEvent(classUid)
        const value = /(?:ip|ips\[\]|^observables.*)$/.test(path) ? '10.1.2.3' : 'Found'
        put(event, path, value)
        for (const observable of (event['observables'] ?? []) as Record<string, unknown>[]) observable['type_id'] = 2
        const document = documentWith(event)
        for (const field of arrays) {
          const named = field.paths.some(
            (known: { path: string; classes?: readonly number[] }) =>
              known.path === path && (known.classes?.includes(classUid) ?? true),
          )
          assert.deepEqual(
            valuesOf(field.name, document, ''),
            named ? [fold(value)] : [],
            `${path} of ${classUid} in ${field.name}`,
          )
        }
      }
    }
  })

  it('has nothing of what the table does not name', () => {
    const event = bareEvent(3005)
    for (const path of [
      'message',
      'status_detail',
      'unmapped.x',
      'metadata.uid',
      'metadata.log_name',
      'actor.idp.name',
      'user.type',
      'src_endpoint.name',
      'http_request.user_agent',
      'observables[].value',
    ]) {
      put(event, path, 'hidden')
    }
    const document = documentWith(event, {})
    for (const { name } of fields) {
      if (name !== 'source' && name !== 'ledger') assert.ok(!valuesOf(name, document, '').includes('hidden'), name)
    }
    assert.equal(document.text, '')
  })

  it('names an application as the actor only where no user is', () => {
    const event = bareEvent(3001)
    put(event, 'actor.app_name', 'HR Sync')
    assert.deepEqual(documentWith(event).actor, ['hr sync'])
    put(event, 'actor.user.name', 'Alice')
    assert.deepEqual(documentWith(event).actor, ['alice'])
    assert.deepEqual(documentWith(event).app, ['hr sync'])
  })

  it('has one outcome at most, in OCSF’s words or the source’s own, and none for a finding', () => {
    const outcome = (rest: Record<string, unknown>, classUid = 3002) =>
      documentWith({ ...bareEvent(classUid), ...rest }).outcome
    assert.deepEqual(outcome({ status_id: 0 }), ['unknown'])
    assert.deepEqual(outcome({ status_id: 1, status: 'OK' }), ['success'])
    assert.deepEqual(outcome({ status_id: 2 }), ['failure'])
    assert.deepEqual(outcome({ status_id: 99, status: 'Denied' }), ['denied'])
    assert.deepEqual(outcome({ status_id: 99 }), ['other'])
    assert.deepEqual(outcome({}), [])
    assert.deepEqual(outcome({ status_id: 1 }, 2004), [])
  })

  it('is at event time, and at ledger time where that is none that the index could hold', () => {
    const atMs = Date.parse(entry.at)
    for (const [time, expected] of [
      [1_700_000_000_123, 1_700_000_000_123],
      [-1, -1],
      [Number.NaN, atMs],
      [1e300, atMs],
      [1.5, atMs],
      ['x', atMs],
    ] as const) {
      const document = documentWith({ ...bareEvent(0), time })
      assert.deepEqual([document.timeMs, document.atMs], [expected, atMs])
    }
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1900-01-01'), max: new Date('2298-12-31'), noInvalidDate: true }),
        (date) => {
          assert.equal(emptyDocument({ ...entry, at: date.toISOString() }).atMs, date.getTime())
        },
      ),
    )
  })

  it('has every value of the event in its text, once, folded, and no key', () => {
    const value = {
      a: 'Alice',
      b: ['Bob', 'Alice', 1.5, true, null],
      key: { nested: { 'line\nbreak': 'two\nlines' } },
      ['__proto__']: 'own',
      n: -0,
      big: 1e21,
      e: 'E\u0301',
      s: 'a  b\t c',
      empty: '',
    }
    const { text } = documentWith(bareEvent(0), value)
    // In any order: what is quick to fold stands first.
    const lines = ['alice', 'bob', '1.5', 'true', 'own', '0', '1e+21', 'two lines', 'é', 'a b c']
    assert.deepEqual(text.split('\n').toSorted(), lines.toSorted())
    assert.equal(documentWith(bareEvent(0), 'Plain\ntext').text, 'plain text')
    assert.equal(documentWith(bareEvent(0)).text, '')
    assert.equal(documentWith(bareEvent(0), null).text, '')
  })

  it('is bounded in values, in their length and in its text, and cuts no character in two', () => {
    const event = bareEvent(3005)
    event['privileges'] = Array.from({ length: 1_000 }, (_, at) => `Role ${at}`)
    put(event, 'user.name', `${'x'.repeat(MAX_VALUE_CHARS - 1)}😀`)
    const document = documentWith(event, ['é'.repeat(3 * MAX_TEXT_CHARS), 'behind'])
    assert.equal(document.privilege.length, MAX_FIELD_VALUES)
    assert.equal(document.target[0], 'x'.repeat(MAX_VALUE_CHARS - 1))
    assert.equal(document.text.length, MAX_TEXT_CHARS)
    const many = documentWith(
      event,
      Array.from({ length: 100_000 }, (_, at) => `value number ${at}`),
    )
    assert.ok(many.text.length <= MAX_TEXT_CHARS && many.text.length > MAX_TEXT_CHARS - 100)
    const pairs = documentWith(event, `a${'😀'.repeat(MAX_TEXT_CHARS)}`).text
    assert.ok(pairs.isWellFormed() && pairs.length === MAX_TEXT_CHARS - 1)
  })
})

describe('folding', () => {
  const texts = fc.oneof(
    fc.constantFrom(...oddTexts),
    fc.string({ unit: 'binary' }),
    fc.string({
      unit: fc.constantFrom(
        'İ',
        'i',
        '\u0307',
        '\u0323',
        '\u0301',
        'Σ',
        'σ',
        'ς',
        'ẞ',
        'ﬁ',
        'Å',
        'K',
        ' ',
        '\n',
        '\ud800',
        'A',
      ),
    }),
  )

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(texts, (text) => {
        assert.equal(fold(fold(text)), fold(text))
        assert.equal(foldWithin(foldWithin(text)), foldWithin(text))
        assert.ok(fold(text).isWellFormed())
        assert.doesNotMatch(fold(text), /[\0-\x1fA-Z]| {2}|^ | $/)
      }),
      { numRuns: 5_000 },
    )
  })

  it('makes equal what people take for equal', () => {
    for (const [one, other] of [
      ['E\u0301', 'é'],
      ['\u212b', 'å'],
      ['\u212a', 'k'],
      ['ΟΔΟΣ', 'οδος'],
      ['STRAẞE', 'straße'],
      [' a\t\n b\u00a0', 'A b'],
      ['\ud800', '\ufffd'],
      ['İ', 'i\u0307'],
    ] as const) {
      assert.equal(fold(one), fold(other))
    }
    // Lower case is not the same as alike.
    for (const [one, other] of [
      ['straße', 'strasse'],
      ['İ', 'i'],
      ['ı', 'i'],
      ['é', 'e'],
      ['ﬁ', 'fi'],
    ] as const) {
      assert.notEqual(fold(one), fold(other))
    }
  })
})

describe('matching', () => {
  const units = fc.constantFrom('a', 'b', 'é', ' ', '-', '.', '😀')
  const patterns = fc
    .array(fc.string({ unit: units, maxLength: 3 }), { minLength: 1, maxLength: 5 })
    .map((parts): Pattern => parts.filter((part, at) => part !== '' || at === 0 || at === parts.length - 1))
    .filter((pattern) => pattern.some((part) => part !== ''))
  const texts = fc.string({ unit: fc.oneof(units, fc.constant('\n')), maxLength: 40 })
  const literal = (text: string) => text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&')

  it('is what a regular expression of the same meaning finds', () => {
    const isWord = '[0-9a-z\\u0080-\\uffff]'
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        const whole = new RegExp(`^${pattern.map(literal).join('.*')}$`, 's')
        assert.equal(matchesWhole(pattern, text), whole.test(text))
        const expression = piecesOf(pattern)
          .map(({ pattern }) =>
            pattern.every((part) => part === '') ? `${isWord}+` : pattern.map(literal).join(`${isWord}*`),
          )
          .join('')
        const first = expression.startsWith('[') || /^[a-zé\ud83d]/.test(expression) ? `(?<!${isWord})` : ''
        const last = piecesOf(pattern).at(-1)?.kind === 'word' ? `(?!${isWord})` : ''
        assert.equal(matchesWords(pattern, text), new RegExp(first + expression + last).test(text))
      }),
      { numRuns: 20_000 },
    )
  })

  it('takes time in proportion to the text, whatever is looked for in whatever', () => {
    const long = 'a'.repeat(MAX_TEXT_CHARS)
    const dotted = 'a.'.repeat(MAX_TEXT_CHARS / 2)
    const hostile: [Pattern, string][] = [
      [['a'.repeat(1_000) + 'b'], long],
      [['b' + 'a'.repeat(1_000)], long],
      [['a'.repeat(1_000)], long],
      [['a.'.repeat(500)], dotted],
      [['a.'.repeat(7), 'b'], dotted],
      [Array.from({ length: 17 }, () => 'a'), `${long}b`],
      [Array.from({ length: 17 }, () => 'aaaaaaaab'), long],
      [['', ...Array.from({ length: 7 }, () => '.'), ''], dotted],
      [['-', 'x'], '-'.repeat(MAX_TEXT_CHARS)],
    ]
    const startedMs = performance.now()
    for (const [pattern, text] of hostile) {
      matchesWords(pattern, text)
      matchesWhole(pattern, text)
    }
    // A quarter of a second; the bound is for a machine that is busy.
    assert.ok(performance.now() - startedMs < 10_000)
  })
})

describe('an address', () => {
  it('has one spelling', () => {
    for (const [text, canonical] of [
      ['10.1.2.3', '10.1.2.3'],
      ['::ffff:10.1.2.3', '10.1.2.3'],
      ['::FFFF:0a01:0203', '10.1.2.3'],
      ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['::1', '::1'],
      ['1::', '1::'],
      ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
      ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ] as const) {
      assert.equal(canonicalAddress(text), canonical, text)
      assert.equal(canonicalAddress(canonical), canonical)
      assert.deepEqual(Buffer.from(addressBytes(text)).toString('hex'), parseAddress(text))
    }
    for (const text of [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '256.1.1.1',
      '1.2.3.',
      '.1.2.3',
      '1..2.3',
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4::5:6:7:8',
      '::1::',
      '12345::',
      '::g',
      '1.2.3.4::',
      '::1.2.3.4:1',
      '::1.2.3',
      'fe80::1%eth0',
      '[::1]',
      '1.2.3.4:80',
      ' 1.2.3.4',
      '1:',
      ':1',
    ]) {
      assert.equal(canonicalAddress(text), undefined, text)
    }
  })

  it('is in the networks that hold it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(128), (text, bits) => {
        const isV4 = !text.includes(':')
        const prefix = isV4 ? bits % 33 : bits
        const network = parseNetwork(`${text}/${prefix}`)
        const hex = parseAddress(text)
        assert.ok(network !== undefined && hex !== undefined, text)
        assert.ok(hex >= network.from && hex <= network.to)
        const size = BigInt(`0x${network.to}`) - BigInt(`0x${network.from}`) + 1n
        assert.equal(size, 1n << BigInt((isV4 ? 32 : 128) - prefix))
        assert.deepEqual(parseNetwork(formatNetwork(network)), network)
      }),
      { numRuns: 2_000 },
    )
    for (const text of ['10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/33', '::/129', '/8', '10.0.0.0/8/8']) {
      assert.equal(parseNetwork(text), undefined, text)
    }
  })
})
