// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The scanner against JSON.parse, which is the oracle. STELE_FUZZ_CASES and STELE_FUZZ_SEED set how much and which.

import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'

import { Problem } from '../src/schema/problem.ts'
import { cut } from '../src/sources/cut.ts'
import { Scanner } from '../src/sources/scan.ts'
import { wellFormedLength } from '../src/sources/utf8.ts'
import { type Draw, drawsFrom, pick } from './sources-bodies.ts'

const cases = Number(process.env['STELE_FUZZ_CASES'] ?? 250_000)
const seed = Number(process.env['STELE_FUZZ_SEED'] ?? 20_260_806)

function parses(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  try {
    JSON.parse(bytes.toString())
    return true
  } catch {
    return false
  }
}

function scans(bytes: Buffer): boolean {
  try {
    const scanner = new Scanner(bytes, false)
    return scanner.space(scanner.value(0, null, null)) === bytes.length && isUtf8(bytes)
  } catch (error) {
    assert.ok(error instanceof Problem, String(error))
    const { offset } = error.place
    assert.ok(offset !== undefined && offset <= bytes.length, `offset ${offset} of ${bytes.length}`)
    return false
  }
}

const spaces = ['', '', '', '', ' ', '\n', '\t', '\r', ' \r\n\t ']
const strings = [
  '',
  'a',
  'value',
  'é',
  '€',
  '😀',
  '\u2028',
  '\\n',
  '\\"',
  '\\\\',
  '\\/',
  '\\u00e9',
  '\\ud800',
  '\\uDFff\\b',
]
const scalars = [
  'true',
  'false',
  'null',
  '0',
  '-0',
  '1.5',
  '1e999',
  '-1E-5',
  '10',
  '1.0e+07',
  '123456789012345678901234567890',
]

/** A random JSON text, not deep. */
function json(draw: Draw, depth: number): string {
  const space = (): string => pick(draw, spaces)
  const string = (): string => `"${Array.from({ length: draw(4) }, () => pick(draw, strings)).join('')}"`
  const list = (member: () => string): string =>
    Array.from({ length: draw(4) }, () => space() + member() + space()).join(',') || space()
  switch (draw(depth > 3 ? 2 : 4)) {
    case 0:
      return pick(draw, scalars)
    case 1:
      return string()
    case 2:
      return `[${list(() => json(draw, depth + 1))}]`
    default:
      return `{${list(() => `${string()}${space()}:${space()}${json(draw, depth + 1)}`)}}`
  }
}

const odd = [...'{}[],:"\\+-.0123456789eEtfnu /b \t\r\n\0\u001f\u007f'].map((char) => char.charCodeAt(0))
const oddBytes = [...odd, 0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xff]

function mutated(draw: Draw, bytes: Buffer): Buffer {
  const at = draw(bytes.length + 1)
  const to = Math.min(bytes.length, at + draw(4))
  switch (draw(4)) {
    case 0:
      return Buffer.concat([bytes.subarray(0, at), Buffer.of(pick(draw, oddBytes)), bytes.subarray(at)])
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.of(pick(draw, oddBytes)), bytes.subarray(at + 1)])
    default:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
  }
}

test('the scanner accepts what JSON.parse accepts and nothing else', (context) => {
  context.diagnostic(`seed ${seed}, ${cases} cases`)
  const draw = drawsFrom(seed)
  const stackTraceLimit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  let accepted = 0
  for (let index = 0; index < cases;) {
    let bytes: Buffer = Buffer.from(pick(draw, spaces) + json(draw, 0) + pick(draw, spaces))
    // The text itself, and then with one, two, three faults in it.
    for (let faults = 0; faults < 4; faults++, index++) {
      const expected = parses(bytes)
      if (scans(bytes) !== expected) {
        assert.fail(
          `case ${index}: JSON.parse ${expected ? 'accepts' : 'refuses'} ${JSON.stringify(bytes.toString('latin1'))}`,
        )
      }
      if (expected) accepted++
      bytes = mutated(draw, bytes)
    }
  }
  Error.stackTraceLimit = stackTraceLimit
  assert.ok(accepted > cases / 4 && accepted < cases * 0.9, `${accepted} of ${cases} were JSON: the fuzz says little`)
})

test('the events cut from a random array are its elements, byte for byte', (context) => {
  context.diagnostic(`seed ${seed + 1}`)
  const draw = drawsFrom(seed + 1)
  for (let index = 0; index < cases / 20; index++) {
    const elements = Array.from({ length: draw(5) }, () => json(draw, 1))
    const body = Buffer.from(
      `[${elements.map((element) => pick(draw, spaces) + element + pick(draw, spaces)).join(',')}]`,
    )
    const { count, starts, ends } = cut(body, 'application/json')
    const slices = Array.from({ length: count }, (_, position) => body.subarray(starts[position], ends[position]))
    assert.deepEqual(slices.map(String), elements)
    assert.ok(
      isDeepStrictEqual(
        slices.map((slice) => JSON.parse(slice.toString())),
        JSON.parse(body.toString()),
      ),
    )
  }
})

test('every byte at every place of the grammar is judged as JSON.parse judges it', () => {
  const holes = [
    '?',
    '? 1',
    '1 ?',
    '[?]',
    '[1?]',
    '[1?2]',
    '[1,?]',
    '{?}',
    '{"a"?1}',
    '{"a":?}',
    '{"a":1?}',
    '{"a":1,?}',
    '"?"',
    '"\\?"',
    '"\\u?000"',
    '"\\u0?00"',
    '"\\u00?0"',
    '"\\u000?"',
    '-?',
    '0?',
    '1?',
    '1.?',
    '1.0?',
    '1e?',
    '1e+?',
    '1E0?',
    'tr?e',
    't?',
    'fals?',
    'nul?',
    '?ull',
    '{?"a":1}',
    '[[]?[]]',
    '"a"?',
    '"a?',
    '\\?',
  ]
  for (const hole of holes) {
    const [before = '', behind = ''] = hole.split('?')
    for (let byte = 0; byte < 256; byte++) {
      const bytes = Buffer.concat([Buffer.from(before), Buffer.of(byte), Buffer.from(behind)])
      assert.equal(scans(bytes), parses(bytes), `${hole} with 0x${byte.toString(16)}`)
    }
  }
})

test('every prefix of a JSON text is judged as JSON.parse judges it', () => {
  const text = Buffer.from(' {"k\\u00e9y" : [ -1.5e+10 , true,{},[ ] , "é€😀\\"" ], "" :null}\r\n')
  for (let end = 0; end <= text.length; end++) {
    const prefix = text.subarray(0, end)
    assert.equal(scans(prefix), parses(prefix), prefix.toString('latin1'))
  }
})

/** Takes one sequence after the other off the front: slow, and nothing to get wrong. */
function naiveWellFormedLength(bytes: Buffer): number {
  for (let at = 0; at < bytes.length;) {
    const size = [1, 2, 3, 4].find((size) => at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)))
    if (size === undefined) return at
    at += size
  }
  return bytes.length
}

test('the first byte that is not UTF-8 is found wherever it stands', (context) => {
  context.diagnostic(`seed ${seed + 2}`)
  for (let pair = 0; pair < 65_536; pair++) {
    const bytes = Buffer.of(pair >>> 8, pair & 0xff)
    assert.equal(wellFormedLength(bytes), naiveWellFormedLength(bytes), bytes.toString('hex'))
  }
  const draw = drawsFrom(seed + 2)
  const edges = [
    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xef, 0xf0,
  ]
  const bytesToDraw = [...edges, 0xf1, 0xf4, 0xf5, 0xff, ...Buffer.from('aé€😀')]
  for (let index = 0; index < 50_000; index++) {
    const bytes = Buffer.from(Array.from({ length: draw(7) }, () => pick(draw, bytesToDraw)))
    assert.equal(wellFormedLength(bytes), naiveWellFormedLength(bytes), bytes.toString('hex'))
    assert.equal(wellFormedLength(bytes) === bytes.length, isUtf8(bytes))
  }
})
