// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Bodies that somebody built to hurt: refused with a place, in time that grows no faster than the body.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { MAX_BODY_BYTES, MAX_EVENT_BYTES, MAX_JSON_DEPTH, MAX_NUMBER_BYTES } from '../src/schema/limits.ts'
import { Problem } from '../src/schema/problem.ts'
import { type BodyMedia, cut } from '../src/sources/cut.ts'
import { eventsOf, refusalOf, shown } from './sources-bodies.ts'

const jsonMedia = ['application/json', 'application/x-ndjson'] as const

test('64 MiB of opening brackets are refused at the bracket that is too deep', () => {
  for (const bracket of ['[', '{"a":']) {
    const body = Buffer.alloc(MAX_BODY_BYTES, bracket)
    const { code, place } = refusalOf(() => cut(body, 'application/x-ndjson'))
    const offset = MAX_JSON_DEPTH * bracket.length
    assert.deepEqual([code, place], ['depth-exceeded', { offset, line: 1, event: 0, limit: MAX_JSON_DEPTH }])
  }
  // The array of a JSON body is framing and no level of the event.
  const { place } = refusalOf(() => cut(Buffer.alloc(MAX_BODY_BYTES, '['), 'application/json'))
  assert.equal(place.offset, MAX_JSON_DEPTH + 1)
})

test('a number as long as the limit is taken, a longer one refused where it begins', () => {
  for (const [before, behind] of [
    ['', ''],
    ['[1,', ']'],
    ['{"a":', '}'],
  ] as const) {
    const longest = '-1.' + '0'.repeat(MAX_NUMBER_BYTES - 6) + 'e+1'
    assert.equal(eventsOf(before + longest + behind).length, before === '[1,' ? 2 : 1)
    const { code, place } = refusalOf(() => eventsOf(before + longest + '0' + behind))
    const event = before === '[1,' ? 1 : 0
    assert.deepEqual([code, place], ['number-too-long', { offset: before.length, event, limit: MAX_NUMBER_BYTES }])
  }
  assert.equal(refusalOf(() => cut(Buffer.alloc(MAX_BODY_BYTES, '9'), 'application/json')).code, 'number-too-long')
})

test('an event as long as the limit is taken, a longer one refused', () => {
  const event = (size: number): Buffer => {
    const bytes = Buffer.alloc(size, 'a')
    bytes.write('{"time":1,"category":"AuditLogs","a":"')
    bytes.write('"}', size - 2)
    return bytes
  }
  const longest = event(MAX_EVENT_BYTES)
  const longer = event(MAX_EVENT_BYTES + 1)
  for (const [before, behind, position] of [
    ['', '', 0],
    ['[1,', ']', 1],
    ['{"records":[', ']}', 0],
    ['1\n2\n', '', 2],
  ] as const) {
    const around = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(before), bytes, Buffer.from(behind)])
    const { count, starts, ends } = cut(around(longest), 'application/json')
    assert.equal(ends[count - 1]! - starts[count - 1]!, MAX_EVENT_BYTES)
    const { code, place } = refusalOf(() => cut(around(longer), 'application/json'))
    assert.deepEqual(
      [code, place],
      ['event-too-large', { offset: before.length, event: position, limit: MAX_EVENT_BYTES }],
    )
  }
  for (const media of ['text/plain', 'application/octet-stream'] as const) {
    assert.equal(cut(longest, media).count, 1)
    assert.equal(refusalOf(() => cut(longer, media)).code, 'event-too-large')
  }
})

test('a body longer than the limit is refused in every media type', () => {
  const body = Buffer.alloc(MAX_BODY_BYTES + 1, ' ')
  for (const media of [...jsonMedia, 'text/plain', 'application/octet-stream'] satisfies BodyMedia[]) {
    const { code, place } = refusalOf(() => cut(body, media))
    assert.deepEqual([code, place], ['body-too-large', { limit: MAX_BODY_BYTES }])
  }
})

test('a byte that is not UTF-8 is refused at every position, with its offset, line and event', () => {
  const body = Buffer.from('{"a":"é€😀","b":[1]}\n{"c":"😀"}\n')
  for (const bad of [
    [0xff],
    [0xc3],
    [0x80],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xa2],
    [0xf4, 0x90, 0x80, 0x80],
    [0xef, 0xbf],
  ]) {
    for (let at = 0; at <= body.length; at++) {
      const broken = Buffer.concat([body.subarray(0, at), Buffer.from(bad), body.subarray(at)])
      const { code, place } = refusalOf(() => cut(broken, 'application/x-ndjson'))
      assert.equal(code, 'malformed-json')
      // In the middle of a character the fault may be this character's.
      assert.ok(Math.abs(place.offset! - at) < 4, `${place.offset} for ${at}`)
      assert.equal(place.line, broken.subarray(0, place.offset).toString('latin1').split('\n').length)
    }
  }
  const inSecond = Buffer.from('[1, {"a":"\u0001"}]'.replace('\u0001', '?'))
  inSecond[inSecond.indexOf('?')] = 0xff
  assert.deepEqual(refusalOf(() => cut(inSecond, 'application/json')).place, { offset: 10, event: 1 })
  // Between events, in what a container has beside them.
  const beside = Buffer.from('{"@odata.context":"?","value":[{"time":1,"category":"AuditLogs"}]}')
  beside[beside.indexOf('?')] = 0xff
  assert.deepEqual(refusalOf(() => cut(beside, 'application/json')).place, { offset: 19 })
})

test('NUL, control characters, a byte order mark in the middle and foreign white space are no JSON', () => {
  for (const body of [
    '\0',
    '{}\0',
    '[1\0]',
    '"\0"',
    '"\u001f"',
    '[\ufeff1]',
    '1\ufeff',
    '\ufeff\ufeff1',
    '\u00a01',
    '1\u2028',
    '\v1',
    '1\f',
  ]) {
    for (const media of jsonMedia) assert.equal(refusalOf(() => eventsOf(body, media)).code, 'malformed-json', body)
  }
  for (const body of ['"\u007f\ufeff\u2028"', '"\\u0000"', '"\\ud800\\udbff"', '{"\\ud800":1e999}', '[-0,1E400]']) {
    for (const media of jsonMedia) assert.ok(eventsOf(body, media).length > 0)
  }
  const odd = '{"":1,"":{"__proto__":-0},"a\\u0000":1e999,"\\ud800":"\\udc00"}'
  assert.deepEqual(eventsOf(odd), [['generic', shown(odd)]])
})

test('a line feed in a string is named as what it is', () => {
  assert.match(refusalOf(() => eventsOf('["a\nb"]')).message, /control character .* escaped, found 0x0a at byte 3$/)
  assert.match(refusalOf(() => eventsOf('["a\nb"]', 'application/x-ndjson')).message, /the line ends at byte 3/)
})

test('a fault at the end of a batch refuses all of it, and says where', () => {
  const events = Array.from({ length: 1_000 }, (_, position) => `{"n":${position},"s":"${'x'.repeat(position % 50)}"}`)
  const lines = events.join('\n')
  for (const [media, body, line] of [
    ['application/x-ndjson', `${lines}\n{"n":`, 1_001],
    ['application/json', `[${events.join(',')},{"n":`, undefined],
    ['application/json', `${lines}\n{"n":`, undefined],
  ] as const) {
    const { code, place, message } = refusalOf(() => eventsOf(body, media))
    assert.deepEqual([code, place.offset, place.line, place.event], ['malformed-json', body.length, line, 1_000])
    assert.match(message, new RegExp(`ends at byte ${body.length.toLocaleString('en-US')}`))
  }
})

test('a problem quotes nothing of the event but one byte', () => {
  for (const body of [
    '{"secret":"hunter2"x}',
    '[hunter2]',
    '{"hunter2" 1}',
    '"hunter2',
    '{"a":truhunter2}',
    '"\\hunter2"',
    '"\\uhunter2"',
  ]) {
    for (const media of jsonMedia) {
      const { message } = refusalOf(() => eventsOf(body, media))
      assert.doesNotMatch(message, /hun|unter|secret/)
    }
  }
})

test('work grows with the body and not faster', () => {
  const member = '{"time":1,"category":"AuditLogs"},'
  const hostile: readonly (readonly [string, (sizeBytes: number) => Buffer, BodyMedia])[] = [
    [
      'one string',
      (size) => Buffer.concat([Buffer.from('"'), Buffer.alloc(size, 'a'), Buffer.from('"')]),
      'application/json',
    ],
    [
      'escapes',
      (size) => Buffer.concat([Buffer.from('"'), Buffer.alloc(size & ~1, '\\"'), Buffer.from('"')]),
      'application/json',
    ],
    ['white space', (size) => Buffer.concat([Buffer.from('1'), Buffer.alloc(size, ' ')]), 'application/json'],
    ['blank lines', (size) => Buffer.concat([Buffer.alloc(size, '\n'), Buffer.from('1')]), 'application/x-ndjson'],
    [
      'almost a container',
      (size) => Buffer.from(`{"records":[${member.repeat(size / member.length)}1]}`),
      'application/json',
    ],
    [
      'containers that fail',
      (size) => Buffer.from(`{"records":[${member}1]} `.repeat(size / (member.length + 17))),
      'application/json',
    ],
    [
      'values a pattern may match',
      (size) => Buffer.from(`{"resourceId":"${'/providers/microsoft.aadia'.repeat(size / 26)}"}`),
      'application/json',
    ],
    [
      'one key over and over',
      (size) => Buffer.from(`{${'"properties":{"id":1},'.repeat(size / 22)}"a":1}`),
      'application/json',
    ],
    ['an array that ends badly', (size) => Buffer.from(`[[${'0,'.repeat(size / 2)}`), 'application/json'],
    ['brackets', (size) => Buffer.from(`[[${'[[],{}],'.repeat(size / 8)}0]]`), 'application/json'],
  ]
  for (const [name, make, media] of hostile) {
    const body = make(4 * 1024 * 1024)
    const start = performance.now()
    try {
      cut(body, media)
    } catch (error) {
      assert.ok(error instanceof Problem, String(error))
    }
    // Linear work takes some 20 ms, work that grows with the square of the size hours.
    assert.ok(performance.now() - start < 10_000, name)
  }
})
