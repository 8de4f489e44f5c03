// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Hostile inputs for parsers: good files with some of their bytes, lines or numbers changed, and bytes without any form.

import fc from 'fast-check'

/** One change to a file; the numbers are taken modulo what there is. */
interface Change {
  readonly kind: (typeof KINDS)[number]
  readonly at: number
  readonly value: number
}

const KINDS = [
  'flip',
  'set',
  'insert',
  'delete',
  'cut',
  'copy line',
  'drop line',
  'swap lines',
  'number',
  'token',
] as const

/** Numbers at which a parser may slip. */
const NUMBERS = ['0', '-1', '00', '1e3', '0x10', '255', '256', '65536', '4294967296', '9007199254740991'].concat(
  '9007199254740992',
  '18446744073709551615',
  '9'.repeat(400),
)

/** Bytes that some parser gives a meaning to. */
const TOKENS = [
  '\n',
  '\n\n',
  '\r\n',
  ' ',
  '\t',
  '+',
  '=',
  '==',
  '/',
  '-',
  '—',
  '— ',
  '\u0000',
  '\u0085',
  '\ufeff',
  '"',
  '\\',
]
  .concat(
    'c2sp.org/tlog-proof@v1\n',
    'extra ',
    'index ',
    'quorum none\n',
    'group G any ',
    '{"v":1,',
    '}',
    'x'.repeat(300),
  )
  .map((token) => Buffer.from(token))
  .concat([Buffer.from([0x80]), Buffer.from([0xc3]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.alloc(4, 0xff)])

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...KINDS),
  at: fc.nat(),
  value: fc.nat(),
})

/** `samples` with up to six changes, or anything. */
export function hostile(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.array(change, { maxLength: 6 }))
    .map(([sample, changes]) => new Uint8Array(changes.reduce(apply, Buffer.from(sample))))
  return fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) })
}

function apply(bytes: Buffer, { kind, at, value }: Change): Buffer {
  const place = at % (bytes.length + 1)
  const next = Math.min(place + 1, bytes.length)
  switch (kind) {
    case 'flip':
      return splice(bytes, place, next, Buffer.from([(bytes[place] ?? 0) ^ (1 << (value % 8))]))
    case 'set':
      return splice(bytes, place, next, Buffer.from([value % 256]))
    case 'insert':
      return splice(bytes, place, place, Buffer.from([value % 256]))
    case 'delete':
      return splice(bytes, place, Math.min(place + (value % 40), bytes.length), Buffer.alloc(0))
    case 'cut':
      return bytes.subarray(0, place)
    case 'token':
      return splice(bytes, place, place, TOKENS[value % TOKENS.length]!)
    case 'number':
      return changeNumber(bytes, at, NUMBERS[value % NUMBERS.length]!)
    case 'copy line':
    case 'drop line':
    case 'swap lines':
      return changeLines(bytes, kind, at, value)
  }
}

function splice(bytes: Buffer, start: number, end: number, replacement: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), replacement, bytes.subarray(end)])
}

function changeNumber(bytes: Buffer, at: number, number: string): Buffer {
  const matches = [...bytes.toString('latin1').matchAll(/[0-9]+/g)]
  const match = matches[at % Math.max(1, matches.length)]
  if (match === undefined) return bytes
  return splice(bytes, match.index, match.index + match[0].length, Buffer.from(number))
}

function changeLines(bytes: Buffer, kind: 'copy line' | 'drop line' | 'swap lines', at: number, value: number): Buffer {
  const lines = bytes.toString('latin1').split('\n')
  const [one, other] = [at % lines.length, value % lines.length]
  if (kind === 'drop line') lines.splice(one, 1)
  else if (kind === 'copy line') lines.splice(other, 0, lines[one]!)
  else [lines[one], lines[other]] = [lines[other]!, lines[one]!]
  return Buffer.from(lines.join('\n'), 'latin1')
}
