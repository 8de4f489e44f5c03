// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Which bytes of a body are its events, and of which source each is: docs/design/containers.md, row by row.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { MAX_EVENTS_PER_BODY, MAX_JSON_DEPTH } from '../src/schema/limits.ts'
import { cut, cutInSteps } from '../src/sources/cut.ts'
import { drawsFrom, eventsOf, linesIn, pick, refusalOf, shown } from './sources-bodies.ts'

const entra = linesIn(join(import.meta.dirname, 'fixtures/entra'))
const misses = linesIn(join(import.meta.dirname, 'fixtures/generic'))
const audit = '{"time":"2026-01-12T08:14:06Z","category":"AuditLogs","n":1}'
const signin = '{"time":"2026-01-12T08:14:07Z","category":"SignInLogs", "n":2}'
const other = '{"time":"t","category":"NewLogs","resourceId":"/tenants/x/providers/Microsoft.aadiam"}'
const stranger = '{"time":"t","category":"Administrative"}'
const ndjson = 'application/x-ndjson'

test('an object is one event, whatever white space and byte order mark lie around it', () => {
  assert.deepEqual(eventsOf(` \r\n\t${audit}\n `), [['entra.audit', audit]])
  assert.deepEqual(eventsOf(`\ufeff${audit}`), [['entra.audit', audit]])
  assert.deepEqual(eventsOf(`\ufeff\n${audit}\r\n`, ndjson), [['entra.audit', audit]])
  const { starts, ends, count, media, asserted } = cut(Buffer.from(`\ufeff ${audit} `), 'application/json')
  assert.deepEqual([starts[0], ends[0], count, media, asserted], [4, 4 + audit.length, 1, 'application/json', false])
})

test('the elements of an array are the events, of any JSON type', () => {
  const elements = [audit, '[ ]', '"é"', '-0', 'null', '{ }', signin, '[[1 , 2]]']
  const types = ['entra.audit', ...Array.from({ length: 5 }, () => 'generic'), 'entra.signin', 'generic']
  const expected = elements.map((element, position) => [types[position], shown(element)])
  assert.deepEqual(eventsOf(`[${elements.join(',')}]`), expected)
  assert.deepEqual(eventsOf(` [\n${elements.join('\r\n ,\t')} ] `), expected)
  assert.deepEqual(eventsOf('[]'), [])
  assert.deepEqual(eventsOf('[ \n ]'), [])
  assert.deepEqual(eventsOf(`[{"records":[${audit}]}]`), [['generic', `{"records":[${audit}]}`]])
})

test('values with white space between are one event each, and arrays among them are framing', () => {
  assert.deepEqual(eventsOf(`${audit}\n${signin}\r\n\n1 2`), [
    ['entra.audit', audit],
    ['entra.signin', signin],
    ['generic', '1'],
    ['generic', '2'],
  ])
  assert.deepEqual(
    eventsOf('[1,2] [] [[3]]').map(([, bytes]) => bytes),
    ['1', '2', '[3]'],
  )
  assert.deepEqual(eventsOf('{\n  "a": 1\n}\n{\n  "a": 2\n}').length, 2)
  for (const [body, offset, event] of [
    ['{}{}', 2, 1],
    ['[1][2]', 3, 1],
    ['"a""b"', 3, 1],
    ['1,2', 1, 1],
    ['[1],', 3, 1],
  ] as const) {
    const { code, place } = refusalOf(() => eventsOf(body))
    assert.deepEqual([code, place], ['malformed-json', { offset, event }], body)
  }
})

test('each line of NDJSON is one event; blank lines, CRLF and a missing last line feed do not matter', () => {
  const lines = [audit, '  ', '[1,2]', '\t{"a":\r"b"} \r', '', '1', 'null', signin]
  assert.deepEqual(eventsOf(lines.join('\n'), ndjson), [
    ['entra.audit', audit],
    ['generic', '[1,2]'],
    ['generic', '{"a":\r"b"}'],
    ['generic', '1'],
    ['generic', 'null'],
    ['entra.signin', signin],
  ])
  assert.deepEqual(eventsOf(`\n\n${lines.join('\r\n')}\n\n`, ndjson).length, 6)
  assert.deepEqual(
    eventsOf('"\u2028"\n"\u2029\u0085"', ndjson).map(([, bytes]) => bytes),
    [shown('"\u2028"'), shown('"\u2029\u0085"')],
  )
})

test('a fault in NDJSON is named with its line, its event and its offset', () => {
  for (const [body, place, detail] of [
    ['1\n\n{\n"a":1}\n', { offset: 4, line: 3, event: 1 }, /the line ends at byte 4: write each value on one line/],
    ['1\n[1,\n2]', { offset: 5, line: 2, event: 1 }, /the line ends/],
    ['1\n"a\nb"', { offset: 4, line: 2, event: 1 }, /control character/],
    ['1 2', { offset: 2, line: 1, event: 0 }, /the end of the line after a value, found 0x32 at byte 2/],
    ['\r\n\r\n{"a":1}{"b":2}', { offset: 11, line: 3, event: 0 }, /the end of the line/],
    [
      `{"records":[${audit},${signin},x]}`,
      { offset: 13 + audit.length + signin.length + 1, line: 1, event: 2 },
      /a JSON value/,
    ],
    ['1\n2\n3\n\ufeff4', { offset: 6, line: 4, event: 3 }, /a JSON value, found 0xef at byte 6/],
    ['1\n2\n{"a":', { offset: 9, line: 3, event: 2 }, /the line ends at byte 9/],
  ] as const) {
    const problem = refusalOf(() => eventsOf(body, ndjson))
    assert.deepEqual([problem.code, problem.place], ['malformed-json', place], body)
    assert.match(problem.message, detail)
  }
})

test('a container is opened when all its members are of one family, each with its own type', () => {
  const expected = [
    ['entra.audit', audit],
    ['entra.signin', signin],
    ['entra.other', other],
  ]
  const page =
    '"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#auditLogs/signIns","@odata.nextLink":"https://x"'
  for (const body of [
    `{"records":[${audit},${signin},${other}]}`,
    ` { "records" : [ ${audit} ,\n${signin}\t,${other} ] } `,
    `{${page},"value":[${audit},${signin},${other}]}`,
    `{"value":[${audit},${signin},${other}],${page}}`,
  ]) {
    assert.deepEqual(eventsOf(body), expected, body)
  }
  const batches = `{"records":[${audit}]}\n{"records":[${signin},${other}]}`
  assert.deepEqual(eventsOf(batches), expected)
  assert.deepEqual(eventsOf(batches, ndjson), expected)
})

test('an object that could be a container stays one event where opening it could lose anything', () => {
  for (const body of [
    `{"records":[${audit},${stranger}]}`,
    `{"records":[${stranger},${audit}]}`,
    `{"records":[${stranger}]}`,
    `{"records":[${audit},1]}`,
    `{"records":[${audit},[${audit}]]}`,
    '{"records":[]}',
    '{"value":[]}',
    `{"records":[${audit}],"signature":"x"}`,
    `{"signature":"x","records":[${audit}]}`,
    `{"records":[${audit}],"@odata.nextLink":"x"}`,
    `{"records":[${audit}],"records":[${signin}]}`,
    `{"records":[${audit}],"records":null}`,
    `{"records":null,"records":[${audit}]}`,
    `{"records":[${audit}],"value":[${signin}]}`,
    `{"value":[${audit}],"\\u0076alue":[]}`,
    `{"Records":[${audit}]}`,
    `{"records":{"records":[${audit}]}}`,
    `{"data":{"value":[${audit}]}}`,
    `{"tables":[{"name":"PrimaryResult","columns":[],"rows":[["AuditLogs"]]}]}`,
  ]) {
    assert.deepEqual(eventsOf(body), [['generic', body]], body)
    assert.deepEqual(eventsOf(body, ndjson), [['generic', body]], body)
  }
  // An envelope may itself have a key that looks like a frame's.
  const envelope = `{"time":"t","category":"AuditLogs","value":[${signin}]}`
  assert.deepEqual(eventsOf(envelope), [['entra.audit', envelope]])
})

test('a named source is that of every event, is marked as asserted, and opens the containers of its connector', () => {
  const row = '{"anything":1}'
  for (const body of [
    `${row} ${row}`,
    `[${row},${row}]`,
    `{"value":[${row},${row}]}`,
    `{"records":[ ${row},${row}]}`,
  ]) {
    assert.deepEqual(
      eventsOf(body, 'application/json', 'entra.audit'),
      [
        ['entra.audit', row],
        ['entra.audit', row],
      ],
      body,
    )
  }
  assert.equal(cut(Buffer.from(row), 'application/json', { type: 'entra.audit' }).asserted, true)
  assert.deepEqual(eventsOf('{"value":[]}', 'application/json', 'entra.audit'), [])
  assert.deepEqual(eventsOf(`{"value":[${audit},${other}]}`, 'application/json', 'entra.audit').length, 2)
  for (const whole of ['{"value":[1,2]}', `{"value":[${row}],"more":1}`, '{"value":1}', `{"Records":[${row}]}`]) {
    assert.deepEqual(eventsOf(whole, 'application/json', 'entra.audit'), [['entra.audit', whole]], whole)
  }
  // Nothing is opened for generic, not even what would be recognised.
  const batch = `{"records":[${audit}]}`
  assert.deepEqual(eventsOf(batch, 'application/json', 'generic'), [['generic', batch]])
  // Whoever names an event that stands alone knows better than the tables.
  assert.deepEqual(eventsOf(signin, 'application/json', 'entra.audit'), [['entra.audit', signin]])
  assert.deepEqual(eventsOf(`{"signature":1,"value":[${signin}]}`, 'application/json', 'entra.audit').length, 1)
})

test('a container of another source than the named one is refused', () => {
  const body = ` 1\n{"records":[${audit},${signin}]}`
  const { code, place, message } = refusalOf(() => eventsOf(body, ndjson, 'entra.audit'))
  assert.deepEqual([code, place], ['source-mismatch', { offset: body.indexOf(signin), line: 2, event: 2 }])
  assert.match(message, /event 2 .* without a name/)
})

test('a source that does not exist is refused with the nearest names', () => {
  const { code, message } = refusalOf(() => eventsOf('1', 'application/json', 'entra.sigin'))
  assert.equal(code, 'source-unknown')
  assert.match(message, /nearest are entra\.signin, /)
  assert.equal(refusalOf(() => eventsOf('1', 'text/plain', 'x'.repeat(1e6))).code, 'source-unknown')
})

test('text and octets are one event, of the named source or generic', () => {
  const text = ' <14>1 2026-01-12T08:00:00Z host é \n'
  assert.deepEqual(eventsOf(text, 'text/plain'), [['generic', shown(text)]])
  assert.deepEqual(eventsOf(`\ufeff${audit}\n`, 'text/plain', 'entra.audit'), [
    ['entra.audit', shown(`\ufeff${audit}\n`)],
  ])
  const octets = Buffer.of(0xff, 0x00, 0x0a, 0x20)
  assert.deepEqual(eventsOf(octets, 'application/octet-stream'), [['generic', octets.toString('latin1')]])
  assert.equal(cut(octets, 'application/octet-stream').media, 'application/octet-stream')
  const { code, place } = refusalOf(() => eventsOf(Buffer.of(0x61, 0xc3, 0x28), 'text/plain'))
  assert.deepEqual([code, place], ['malformed-text', { offset: 1, event: 0 }])
})

test('a body without an event is refused, an array without elements is not', () => {
  for (const body of ['', ' ', '\n\r\n\t', '\ufeff', '\ufeff \n']) {
    for (const media of ['application/json', ndjson] as const) {
      assert.equal(refusalOf(() => eventsOf(body, media)).code, 'empty-body', JSON.stringify(body))
    }
  }
  assert.equal(refusalOf(() => eventsOf('', 'text/plain')).code, 'empty-body')
  assert.equal(refusalOf(() => eventsOf(' \n', 'text/plain')).code, 'empty-body')
  assert.equal(refusalOf(() => eventsOf('', 'application/octet-stream')).code, 'empty-body')
  assert.equal(eventsOf(' ', 'application/octet-stream').length, 1)
  assert.deepEqual(eventsOf('[]', ndjson), [['generic', '[]']])
})

test('sources lists each type that occurs once, in order of appearance', () => {
  const { sources, kinds, count } = cut(Buffer.from(`[${signin},1,${audit},${signin},2]`), 'application/json')
  assert.deepEqual(sources, ['entra.signin', 'generic', 'entra.audit'])
  assert.deepEqual([...kinds.subarray(0, count)], [0, 1, 2, 0, 1])
  // What looked like a member of a container that was not opened leaves nothing behind.
  assert.deepEqual(cut(Buffer.from(`{"records":[${signin},1]}`), 'application/json').sources, ['generic'])
})

test('the same events come out of every frame, byte for byte, however the frame is spaced', () => {
  const draw = drawsFrom(7)
  const space = (): string => pick(draw, ['', ' ', '\n', '\t', '\r\n', '  \n\n '])
  const expected = entra.map((line) => shown(line))
  const spaced = (): string => entra.map((line) => space() + line + space()).join(',')
  for (let round = 0; round < 50; round++) {
    for (const body of [
      `${space()}[${spaced()}]${space()}`,
      `{${space()}"records"${space()}:${space()}[${spaced()}]${space()}}`,
      `{"@odata.context":"x",${space()}"value":[${spaced()}]}`,
      entra.join(`\n${space()}`),
    ]) {
      assert.deepEqual(
        eventsOf(body).map(([, bytes]) => bytes),
        expected,
      )
    }
    assert.deepEqual(
      eventsOf(entra.join(pick(draw, ['\n', '\r\n', '\n \n'])), ndjson).map(([, bytes]) => bytes),
      expected,
    )
  }
  const types = eventsOf(entra.join('\n'), ndjson).map(([type]) => type)
  const pretty = entra.map((line) => JSON.stringify(JSON.parse(line), null, 2))
  const body = JSON.stringify({ records: entra.map((line) => JSON.parse(line)) }, null, 2)
  assert.deepEqual(
    eventsOf(pretty.join('\n')),
    pretty.map((event, position) => [types[position], shown(event)]),
  )
  assert.deepEqual(
    eventsOf(body).map(([, bytes]) => bytes.replaceAll('\n    ', '\n')),
    pretty.map(shown),
  )
})

test('what nobody recognises is generic, in every frame, and frames around it are not opened', () => {
  const generic = misses.map((line) => ['generic', shown(line)])
  assert.deepEqual(eventsOf(misses.join('\n'), ndjson), generic)
  assert.deepEqual(eventsOf(`[${misses.join(' , ')}]`), generic)
  for (const line of misses) {
    const body = `{"records":[${line}]}`
    assert.deepEqual(eventsOf(body), [['generic', shown(body)]])
    // One stranger among the members keeps the others from being cut.
    const mixed = `{"value":[${entra[0]!},${line}]}`
    assert.equal(eventsOf(mixed).length, 1)
  }
})

test('of repeated keys the last one counts, as for JSON.parse', () => {
  const aadiam = '"resourceId":"/tenants/x/providers/Microsoft.aadiam"'
  assert.equal(eventsOf('{"time":1,"category":"AuditLogs","category":"SignInLogs"}')[0]![0], 'entra.signin')
  assert.equal(eventsOf('{"time":1,"category":"AuditLogs","category":null}')[0]![0], 'generic')
  assert.equal(eventsOf(`{"time":1,"category":"AuditLogs","resourceId":"/x",${aadiam}}`)[0]![0], 'entra.audit')
  assert.equal(eventsOf(`{"time":1,"category":"AuditLogs",${aadiam},"resourceId":"/x"}`)[0]![0], 'generic')
  const properties = '{"activityDateTime":1,"loggedByService":1,"operationType":1,"initiatedBy":1}'
  assert.equal(eventsOf(`{"time":1,"category":"x","properties":${properties}}`)[0]![0], 'entra.audit')
  assert.equal(eventsOf(`{"time":1,"category":"x","properties":${properties},"properties":{}}`)[0]![0], 'generic')
})

test('an event may be as deep in a container as it may be alone', () => {
  const nested = (depth: number): string => audit.replace('1}', `${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
  const deepest = nested(MAX_JSON_DEPTH)
  const tooDeep = nested(MAX_JSON_DEPTH + 1)
  for (const [before, behind] of [
    ['', ''],
    ['[', ']'],
    ['{"records":[', ']}'],
    [`{"records":[${audit},`, ']}'],
  ] as const) {
    assert.equal(eventsOf(before + deepest + behind).at(-1)?.[1], deepest)
    const { code, place } = refusalOf(() => eventsOf(before + tooDeep + behind))
    const offset = before.length + tooDeep.indexOf('[') + MAX_JSON_DEPTH - 1
    assert.deepEqual([code, place.offset, place.limit], ['depth-exceeded', offset, MAX_JSON_DEPTH])
  }
  // What looked like a container and is one event must itself keep the limit.
  const body = `{"records":[${deepest},1]}`
  const { code, place } = refusalOf(() => eventsOf(body))
  assert.deepEqual(
    [code, place.event, place.offset],
    ['depth-exceeded', 0, 12 + deepest.indexOf('[') + MAX_JSON_DEPTH - 3],
  )
  const shallower = `{"records":[${nested(MAX_JSON_DEPTH - 2)},1]}`
  assert.deepEqual(eventsOf(shallower), [['generic', shallower]])
})

test('a body holds no more events than the limit, counted where they are', () => {
  const full = Array.from({ length: MAX_EVENTS_PER_BODY }, () => '{"time":1,"category":"AuditLogs"}')
  const frames = [
    (events: readonly string[]) => [`[${events.join(',')}]`, 'application/json'] as const,
    (events: readonly string[]) => [events.join('\n'), ndjson] as const,
    (events: readonly string[]) => [`{"records":[${events.join(',')}]}`, 'application/json'] as const,
  ]
  for (const frame of frames) {
    const [body, media] = frame(full)
    assert.equal(cut(Buffer.from(body), media).count, MAX_EVENTS_PER_BODY)
    const [over, overMedia] = frame([...full, full[0]!])
    const { code, place } = refusalOf(() => cut(Buffer.from(over), overMedia))
    assert.deepEqual([code, place.event, place.limit], ['too-many-events', MAX_EVENTS_PER_BODY, MAX_EVENTS_PER_BODY])
  }
  // One event with a longer array in it is one event.
  assert.equal(eventsOf(`{"records":[${[...full, ...full, '1'].join(',')}]}`).length, 1)
  assert.equal(eventsOf(`{"value":[${'0,'.repeat(MAX_EVENTS_PER_BODY)}0]}`).length, 1)
})

test('a large body is cut in steps of bounded length, into the same events', () => {
  const event = `{"a":"${'x'.repeat(1_000)}"}`
  const count = 4_000
  for (const [media, text] of [
    ['application/x-ndjson', `${event}\n`.repeat(count)],
    ['application/json', `[${Array(count).fill(event).join()}]`],
    ['application/json', `${event} `.repeat(count)],
  ] as const) {
    const body = Buffer.from(text)
    const steps = cutInSteps(body, media)
    let stepCount = 0
    let step = steps.next()
    for (; !step.done; step = steps.next()) stepCount++
    assert.ok(stepCount >= 7, `${stepCount} steps`)
    assert.equal(step.value.count, count)
    assert.deepEqual(step.value, cut(body, media))
  }
})
