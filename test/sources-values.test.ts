// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The readers that all mappings share: of foreign JSON, of times and of addresses.

import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'

import fc from 'fast-check'
import { addressOf } from '../src/sources/address.ts'
import { arrayOf, booleanOf, clip, decoded, memberOf, numberOf, objectOf, text, without } from '../src/sources/json.ts'
import type { JsonObject } from '../src/sources/json.ts'
import { emailOf, endpointOf, entityOf, sentence } from '../src/sources/ocsf-base.ts'
import { parseTime } from '../src/sources/time.ts'

const SEED = 0x71e5

test('every form in which sources write times is read, without an offset as UTC', () => {
  const instants: readonly (readonly [written: string, iso: string])[] = [
    ['2007-01-09T09:41:00.22Z', '2007-01-09T09:41:00.220Z'],
    ['2007-01-09T09:41:00.6816663Z', '2007-01-09T09:41:00.681Z'],
    ['2007-01-09T09:41:00.992099+00:00', '2007-01-09T09:41:00.992Z'],
    ['2022-09-09T9:59:27.958Z', '2022-09-09T09:59:27.958Z'],
    ['2007-01-09T09:41:00', '2007-01-09T09:41:00.000Z'],
    ['2025-01-15 14:20:35.456', '2025-01-15T14:20:35.456Z'],
    ['2025-01-15 14:20:35 -0130', '2025-01-15T15:50:35.000Z'],
    ['2025-01-15T14:20Z', '2025-01-15T14:20:00.000Z'],
    ['2025-01-15', '2025-01-15T00:00:00.000Z'],
    ['8/22/2022 6:11:52 PM', '2022-08-22T18:11:52.000Z'],
    ['9/9/2022 12:00:00 AM', '2022-09-09T00:00:00.000Z'],
    ['01/09/2007 09:41:00', '2007-01-09T09:41:00.000Z'],
    ['1/9/2007 10:41:00 AM +01:00', '2007-01-09T09:41:00.000Z'],
    ['2024-02-29T23:59:60Z', '2024-02-29T23:59:59.000Z'],
    ['2299-12-31T23:59:59.999Z', '2299-12-31T23:59:59.999Z'],
  ]
  for (const [written, iso] of instants) {
    const ms = parseTime(written)
    assert.equal(ms === undefined ? undefined : new Date(ms).toISOString(), iso, written)
  }
})

test('what is no instant of the calendar, or no time that an event can have, is no time', () => {
  const none = [
    '',
    'now',
    '2025',
    '2025-02-29T00:00:00Z',
    '2025-13-01T00:00:00Z',
    '2025-00-01T00:00:00Z',
    '2025-01-00',
    '2025-01-01T24:00:00Z',
    '2025-01-01T00:60:00Z',
    '2025-01-01T00:00:61Z',
    '2025-01-01T00:00:00.Z',
    '0001-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '2300-01-01T00:00:00Z',
    '1970-01-01T00:00:00+01:00',
    '13/1/2022 6:11:52 PM',
    '8/22/2022 13:11:52 PM',
    '2025-01-01T00:00:00+15:00',
    '2025-01-01T00:00:00+01:60',
    '2025-01-01T00:00:00ZZ',
    'x2025-01-01T00:00:00Z',
    '2025-01-01T00:00:00.12x4Z',
    '２０２５-01-01T00:00:00Z',
  ]
  for (const written of none) assert.equal(parseTime(written), undefined, written)
})

test('a time is what the calendar of the platform says', () => {
  const whole = fc.integer({ min: 0, max: Date.UTC(2299, 11, 31) })
  const written = fc.tuple(whole, fc.nat(9_999), fc.constantFrom('Z', '+00:00', '+02:00', '-11:30'))
  fc.assert(
    fc.property(written, ([ms, more, offset]) => {
      const iso = new Date(ms).toISOString()
      assert.equal(parseTime(iso), ms)
      const long = `${iso.slice(0, -1)}${String(more).padStart(4, '0')}${offset}`
      const expected = Date.parse(iso.slice(0, -1) + offset)
      assert.equal(parseTime(long), expected < 0 ? undefined : expected, long)
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('an address is what the platform takes for one, without port, brackets and zone', () => {
  const pairs: readonly (readonly [written: string, address: string | undefined])[] = [
    ['192.0.2.7:51234', '192.0.2.7'],
    ['[2001:db8::7]:443', '2001:db8::7'],
    ['[::1]', '::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.0.2.7', '::ffff:192.0.2.7'],
    ['0.0.0.0', '0.0.0.0'],
    ['192.0.2.7:', undefined],
    ['192.0.2.7:70000', undefined],
    ['[::1]443', undefined],
    ['[192.0.2.7]', undefined],
    ['192.0.2.7, 198.51.100.1', undefined],
    ['::ffff:192.0.2.7:1', undefined],
    ['localhost:1', undefined],
  ]
  for (const [written, address] of pairs) assert.equal(addressOf(written), address, written)
  const part = fc.constantFrom(
    '',
    '0',
    '00',
    '1',
    '01',
    '255',
    '256',
    'ffff',
    'fffff',
    'g',
    '192.0.2.7',
    '1.2.3',
    '1.2.3.4.5',
  )
  const texts = fc.tuple(fc.array(part, { maxLength: 9 }), fc.constantFrom('.', ':')).map(([all, by]) => all.join(by))
  fc.assert(
    fc.property(texts, (written) => {
      const hasPort = /^[^:]*:[^:]*$/.test(written)
      if (!hasPort) assert.equal(addressOf(written) !== undefined, isIP(written) !== 0, written)
    }),
    { seed: SEED, numRuns: 5_000 },
  )
  assert.equal(endpointOf('nowhere', { city: 'Bern' }), undefined)
})

test('text is trimmed and clipped, and never cut within a character', () => {
  assert.deepEqual(
    [text('  a b\t'), text(' '), text(7), text(true), text(null), text({}), text(['x'])],
    ['a b', undefined, '7', undefined, undefined, undefined, undefined],
  )
  assert.equal(text('x'.repeat(2_000))?.length, 1_024)
  assert.deepEqual([clip('abc', 3), clip('abcd', 3), clip('a😀bc', 3)], ['abc', 'ab…', 'a…'])
  assert.equal(sentence('One.\nTwo.\t\u2028Three...'), 'One. Two. Three...')
  assert.equal(sentence('One.'), 'One')
})

test('values of another kind than expected are passed over', () => {
  assert.deepEqual([objectOf([]), objectOf(null), objectOf({})], [undefined, undefined, {}])
  assert.deepEqual([arrayOf({ length: 3 }), arrayOf('abc'), arrayOf([1])], [[], [], [1]])
  assert.deepEqual(
    [numberOf('5'), numberOf(' -1.5 '), numberOf('0x5'), numberOf('1e3'), numberOf('')],
    [5, -1.5, undefined, undefined, undefined],
  )
  assert.deepEqual([booleanOf('True'), booleanOf('FALSE'), booleanOf(1)], [true, false, undefined])
  assert.deepEqual(
    [emailOf('a@b.c'), emailOf('a@b'), emailOf('@b.c'), emailOf('a b@c.d')],
    ['a@b.c', undefined, undefined, undefined],
  )
  assert.deepEqual(entityOf('device', 'x', undefined), { name: 'x', uid: undefined, type: 'Device', type_id: 1 })
  assert.equal(entityOf('Device', undefined, undefined), undefined)
})

test('JSON inside a string is read as deep as an event may be, and what is none stays as it is', () => {
  const pairs: readonly (readonly [inside: string, value: unknown])[] = [
    ['"x"', 'x'],
    ['"a\\"b"', 'a"b'],
    ['"a"b"', '"a"b"'],
    ['"', '"'],
    ['""', ''],
    ['[true]', [true]],
    [' {"a":null} ', { a: null }],
    ['null', null],
    ['true', true],
    ['12', '12'],
    ['{no}', '{no}'],
    ['', undefined],
  ]
  for (const [inside, value] of pairs) assert.deepEqual(decoded(inside), value, inside)
  assert.deepEqual(decoded(['"x"']), ['"x"'])
  assert.ok(Array.isArray(decoded('['.repeat(32) + ']'.repeat(32))))
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  assert.equal(decoded(deep), deep)
})

test('no key of an event is taken for one of a prototype, nor becomes one', () => {
  const event = JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"kept":3}') as JsonObject
  assert.deepEqual([memberOf(event, 'toString'), memberOf(event, 'constructor')], [undefined, 2])
  const rest = without(event, new Set(['kept']))
  assert.ok(rest !== undefined)
  assert.deepEqual(Object.keys(rest), ['__proto__', 'constructor'])
  assert.equal(Object.getPrototypeOf(rest), Object.prototype)
  assert.equal('polluted' in rest, false)
  assert.equal(without(event, new Set(Object.keys(event))), undefined)
})
