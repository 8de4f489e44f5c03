// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'

import fc from 'fast-check'

import {
  contentHash,
  entrySource,
  formatEntry,
  MAX_EVENT_BYTES,
  MAX_EXT_BYTES,
  parseEntry,
  toBase64Url,
  utf8,
  type Entry,
  type JsonObject,
} from '../src/index.ts'
import { hex } from './signers.ts'

const entry: Entry = {
  at: '2026-01-02T03:04:05.678Z',
  source: 'entra.audit/contoso/directory',
  by: 'tok-1',
  media: 'application/json',
  size: 975,
  sha256: 'qrvMzd3u_xGqu8zN3e7_Eaq7zM3d7v8RqrvMzd3u_xE',
}
const line = formatEntry(entry)

function assertRefused(text: string): void {
  assert.throws(() => parseEntry(utf8(text)), { name: 'ProofError', code: 'entry-malformed' }, text)
}

function replaced(from: string, to: string): string {
  assert.ok(line.includes(from), from)
  return line.replace(from, to)
}

test('an entry has the one form that the format fixes', () => {
  assert.equal(
    line,
    '{"v":1,"at":"2026-01-02T03:04:05.678Z","source":"entra.audit/contoso/directory","by":"tok-1",' +
      '"media":"application/json","size":975,"sha256":"qrvMzd3u_xGqu8zN3e7_Eaq7zM3d7v8RqrvMzd3u_xE"}',
  )
  const full = formatEntry({
    ...entry,
    via: 'CN=probe, O=Contoso',
    asserted: false,
    ext: { a: [1, null], é: '\u007f"\\' },
  })
  assert.equal(
    full,
    '{"v":1,"at":"2026-01-02T03:04:05.678Z","source":"entra.audit/contoso/directory","by":"tok-1",' +
      '"via":"CN=probe, O=Contoso","asserted":false,"media":"application/json","size":975,' +
      '"sha256":"qrvMzd3u_xGqu8zN3e7_Eaq7zM3d7v8RqrvMzd3u_xE","ext":{"a":[1,null],"\\u00e9":"\\u007f\\"\\\\"}}',
  )
})

test('every entry comes back as it was written', () => {
  const word = (pattern: RegExp) => fc.stringMatching(pattern)
  const json = fc.dictionary(
    fc.string({ unit: 'binary', maxLength: 5 }),
    fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }),
    { maxKeys: 3 },
  )
  const any = fc.record(
    {
      at: fc
        .date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true })
        .map((date) => date.toISOString()),
      source: word(/^[a-z0-9]{1,9}([.-][a-z0-9]{1,9}){0,3}(\/[A-Za-z0-9._~@:-]{1,20}(\/[A-Za-z0-9._~@:-]{1,20})?)?$/),
      by: word(/^[A-Za-z0-9._:-]{1,64}$/),
      via: word(/^[ !#-[\]-~]{1,128}$/),
      asserted: fc.constant(false as const),
      media: fc.constantFrom('application/json' as const, 'text/plain' as const, 'application/octet-stream' as const),
      size: fc.nat(MAX_EVENT_BYTES),
      sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toBase64Url),
      ext: json
        .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject)
        .filter((value) => JSON.stringify(value).length < 600),
    },
    { requiredKeys: ['at', 'source', 'by', 'media', 'size', 'sha256'], noNullPrototype: true },
  )
  fc.assert(
    fc.property(any, (value) => {
      const text = formatEntry(value)
      assert.match(text, /^[ -~]+$/)
      assert.deepEqual(parseEntry(utf8(text)), value)
      assert.equal(formatEntry(parseEntry(utf8(text))), text)
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('no byte of an entry can be changed, added or left out and another line be read as the same entry', () => {
  const bytes = utf8(line)
  for (let i = 0; i < bytes.length; i++) {
    for (const replacement of [[], [0x20], [0x0a], [bytes[i]!, 0x20], [0xc3], [0x00], [bytes[i]! ^ 1]]) {
      const changed = new Uint8Array([...bytes.subarray(0, i), ...replacement, ...bytes.subarray(i + 1)])
      let read: Entry
      try {
        read = parseEntry(changed)
      } catch (error) {
        assert.equal((error as Error).name, 'ProofError')
        continue
      }
      assert.equal(formatEntry(read), Buffer.from(changed).toString(), 'what is read is canonical')
      assert.notDeepEqual(read, entry)
    }
  }
})

test('an unknown version, key, order, space or trailing byte is refused', () => {
  assert.throws(() => parseEntry(utf8(replaced('"v":1', '"v":2'))), { name: 'ProofError', code: 'entry-version' })
  for (const text of [
    '',
    '{}',
    'null',
    ` ${line}`,
    `${line}\n`,
    `${line} `,
    `\ufeff${line}`,
    replaced('"v":1', '"v":1.0'),
    replaced('"by"', '"foo":1,"by"'),
    replaced(',"by":"tok-1"', ''),
    replaced(',"by":"tok-1"', ',"by":"tok-1","by":"tok-1"'),
    replaced('"by":"tok-1"', '"asserted":true,"by":"tok-1"'),
    replaced(',"media"', ',"asserted":true,"media"'),
    replaced(',"media"', ',"asserted":false,"via":"x","media"'),
    replaced('"at"', '"\\u0061t"'),
    replaced('tok-1', 'tok\\u002d1'),
    replaced(',', ', '),
    replaced('975', '0975'),
    replaced('975', '975.0'),
    replaced('975', '-1'),
    replaced('975', '1e3'),
    replaced('975', String(MAX_EVENT_BYTES + 1)),
  ]) {
    if (/"v":1\.0/.test(text)) assert.throws(() => parseEntry(utf8(text)), { code: 'entry-version' })
    else assertRefused(text)
  }
  assert.throws(() => parseEntry(new Uint8Array(65_536)), { code: 'entry-malformed' })
  assert.throws(() => parseEntry(new Uint8Array([0xff])), { code: 'entry-malformed' })
})

test('an event has at most 16 MiB', () => {
  assert.equal(parseEntry(utf8(replaced('975', String(MAX_EVENT_BYTES)))).size, MAX_EVENT_BYTES)
  assertRefused(replaced('975', String(MAX_EVENT_BYTES + 1)))
})

test('a time that is no instant of the calendar is refused', () => {
  for (const at of [
    '2026-02-29T00:00:00.000Z',
    '2026-00-01T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '2026-01-00T00:00:00.000Z',
    '2026-04-31T00:00:00.000Z',
    '2100-02-29T00:00:00.000Z',
    '2026-01-01T24:00:00.000Z',
    '2026-01-01T00:60:00.000Z',
    '2016-12-31T23:59:60.000Z',
    '2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00.0000Z',
    '2026-01-01t00:00:00.000z',
    '2026-01-01T00:00:00.000+00:00',
    '+02026-01-01T00:00:00.000Z',
  ]) {
    assertRefused(replaced('2026-01-02T03:04:05.678Z', at))
  }
  for (const at of [
    '2024-02-29T23:59:59.999Z',
    '2000-02-29T00:00:00.000Z',
    '0000-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ]) {
    assert.equal(parseEntry(utf8(replaced('2026-01-02T03:04:05.678Z', at))).at, at)
  }
})

test('source, by, via, media and hash are of their forms', () => {
  const long = 'a'.repeat(64)
  for (const source of ['generic', 'a.b-c', `${long}/i`, `a/${'~'.repeat(128)}/${'@'.repeat(128)}`]) {
    assert.equal(parseEntry(utf8(formatEntry({ ...entry, source }))).source, source)
  }
  for (const source of [
    '',
    'A',
    'a.',
    '.a',
    'a..b',
    'a-',
    'a_b',
    'a/',
    'a//b',
    'a/b/',
    'a/b/c/d',
    'a/b c',
    'a/é',
    `${long}a`,
    `${long.slice(1)}.a`,
    `a/${'b'.repeat(129)}`,
    'a"',
    'a\\b',
  ]) {
    assert.throws(() => formatEntry({ ...entry, source }), { name: 'ProofError', code: 'entry-malformed' }, source)
    assert.throws(() => entrySource(source), { code: 'entry-malformed' }, source)
  }
  for (const by of ['', 'a b', 'é', 'a/b', 'a'.repeat(65)]) assert.throws(() => formatEntry({ ...entry, by }))
  for (const via of ['', 'a"b', 'a\\b', 'é', 'a\n', '\u007f', 'a'.repeat(129)])
    assert.throws(() => formatEntry({ ...entry, via }))
  assertRefused(replaced('application/json', 'text/html'))
  const { sha256 } = entry
  for (const other of [
    sha256.slice(1),
    `${sha256}A`,
    `${sha256.slice(0, -1)}F`,
    `${sha256.slice(0, -1)}=`,
    sha256.replace('_', '/'),
  ]) {
    assertRefused(replaced(sha256, other))
  }
})

test('a source is taken apart', () => {
  assert.deepEqual(entrySource('entra.audit'), { type: 'entra.audit' })
  assert.deepEqual(entrySource('entra.audit/contoso'), { type: 'entra.audit', instance: 'contoso' })
  assert.deepEqual(entrySource('a/B/c:1'), { type: 'a', instance: 'B', stream: 'c:1' })
})

test('ext is an object in the serialisation of JSON.stringify with all but printable ASCII escaped', () => {
  const withExt = (ext: string) => `${line.slice(0, -1)},"ext":${ext}}`
  for (const ext of ['{}', '{"a":1}', '{"a":{"b":[true,false,null,1e+21,0.5,"\\u00e9\\n"]}}', '{"__proto__":1}']) {
    assert.equal(formatEntry(parseEntry(utf8(withExt(ext)))), withExt(ext))
  }
  for (const ext of [
    '',
    '1',
    '[]',
    'null',
    '"a"',
    '{"a":1',
    '{"a":1}}',
    '{}{}',
    '{"a":1,"a":1}',
    '{ }',
    '{"a": 1}',
    '{"a":1.0}',
    '{"a":-0}',
    '{"a":1e3}',
    '{"a":"\\u0061"}',
    '{"a":"\\u00E9"}',
    '{"a":"\\/"}',
    '{"a":"é"}',
    '{"2":1,"1":1}',
    '{"a":9007199254740993}',
    '{},"x":{}',
  ]) {
    assertRefused(withExt(ext))
  }
  const longest = `{"a":"${'a'.repeat(MAX_EXT_BYTES - 8)}"}`
  assert.equal(formatEntry(parseEntry(utf8(withExt(longest)))), withExt(longest))
  assertRefused(withExt(longest.replace('a"}', 'aa"}')))
  assertRefused(withExt(`{"a":"${'a'.repeat(MAX_EXT_BYTES)}"}`))
  const deep = `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`
  assert.equal(formatEntry(parseEntry(utf8(withExt(deep)))), withExt(deep))
})

test('the content hash is SHA-256(salt ‖ event), and a salt has 16 bytes', () => {
  const [salt, event] = [new Uint8Array(16).fill(3), utf8('{"a":1}')]
  assert.equal(hex(contentHash(salt, event)), createHash('sha256').update(salt).update(event).digest('hex'))
  for (const bytes of [0, 15, 17, 32]) {
    assert.throws(() => contentHash(new Uint8Array(bytes), event), { name: 'ProofError', code: 'content-mismatch' })
  }
})

test('a hostile line is refused in linear time', () => {
  for (const text of [
    `{"v":1,"at":"${'0'.repeat(65_000)}`,
    replaced('entra.audit', `${'a.'.repeat(30_000)}!`),
    replaced('entra.audit', 'a'.repeat(60_000)),
    `${line.slice(0, -1)},"ext":{${'{'.repeat(60_000)}}`,
  ]) {
    const start = performance.now()
    assert.throws(() => parseEntry(utf8(text)))
    assert.ok(performance.now() - start < 2_000)
  }
})
