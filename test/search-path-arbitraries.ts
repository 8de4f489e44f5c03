// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Random places of values in events, and questions about them.

import fc from 'fast-check'

/** Names that lead to the same paths in several ways, and of which a query can ask. */
export const names = fc.constantFrom(
  '__proto__',
  'constructor',
  'key',
  'Key',
  'KEY ',
  'a',
  'b',
  'a.b',
  'my key',
  'q"u*o\\te',
)
const writtenPaths = [
  'raw.key',
  'RAW.Key',
  'raw.key.key',
  'raw.a',
  'raw.b',
  'raw.a.b',
  'raw."a.b"',
  'raw.a."b".key',
  'raw."My Key"',
  'raw.key."my key"',
  'raw."q\\"u*o\\\\te"',
  'raw.__proto__',
  'raw.constructor',
  'raw.nowhere',
  'actor.user.name',
  'actor.user.uid',
  'Actor.User.Email_Addr',
  'actor.app_name',
  'actor.session.uid',
  'user.name',
  'resources.name',
  'privileges',
  'src_endpoint.ip',
  'device.ip',
  'metadata.event_code',
  'metadata.product.name',
  'severity_id',
  'class_uid',
  'status',
  'activity_name',
  'api.operation',
] as const
/** Next to each other, at the ends of what a number can be, and what is hardly one. */
export const numbers = fc.constantFrom(
  0,
  -0,
  0.1,
  0.30000000000000004,
  0.3,
  1,
  2,
  3004,
  2 ** 53,
  2 ** 53 + 2,
  1e21,
  1e22,
  1e99,
  1e100,
  1.7976931348623157e308,
  5e-324,
  1e-7,
  123_456_789.123_456_79,
  -5,
  -4.999_999_999_999_999,
  '1',
  '01',
  '1.',
  '.5',
  '+1',
  '1e3',
  '1E3',
  '1e+3',
  '0x10',
  'Infinity',
  'NaN',
  '1_000',
  ' 7 ',
  '-',
  '--1',
  '1'.repeat(30),
  '1'.repeat(31),
  `0.${'3'.repeat(30)}`,
  '1e99',
  '1e100',
  '1e-99',
  '9'.repeat(30) + 'e99',
)
const bounds = fc.oneof(
  fc.constantFrom('0', '-0', '0.1', '0.3', '1', '2', '3004', '9007199254740992', '9007199254740994', '1e21', '1e99'),
  fc.constantFrom('123456789.12345679', '-5', '-4.999999999999999', '1e-7', '1e-99', '1000', '7'),
  fc.integer({ min: -10, max: 10 }).map(String),
)
const ranges = fc.oneof(
  fc.tuple(fc.constantFrom('<', '<=', '>', '>='), bounds).map((parts) => parts.join('')),
  fc.tuple(bounds, bounds).map((pair) => pair.toSorted((one, other) => Number(one) - Number(other)).join('..')),
  bounds.map((bound) => `${bound}..`),
  bounds.map((bound) => `..${bound}`),
)
export const addressTexts: fc.Arbitrary<string> = fc.constantFrom(
  ...`10.1.2.3 10.01.2.3 ::ffff:10.1.2.3 ::FFFF:A01:203 2001:db8::1 2001:0DB8:0::0:1 :: ::1
1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1:2:3:4:5:6:1.2.3.4 ::1.2.3.4 1::2::3 :1 1: 1.2.3
fe80::1%eth0 256.1.1.1 1.2.3.4.5 12345:: ::1.2.3.4:1 ::01.2.3.4 1.2.3.4:: abcd de.ad
face:b00c ::1.2.3 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7 0:0:0:0:0:ffff:10.1.2.3
::ffff:0:10.1.2.3 10.1.2.3/8`.split(/\s+/),
)

export const networks = [
  '10.1.2.3',
  '10.0.0.0/8',
  '0.0.0.0/0',
  '::/0',
  '::1',
  '2001:db8::/32',
  '10.1.2.3/31',
  '::ffff:10.1.2.3',
  'fe80::/10',
  '*',
]

export const pathTermsOf = (quotedText: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...writtenPaths), quotedText).map((pair) => pair.join(':')) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...writtenPaths), ranges).map((pair) => pair.join(':')) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...writtenPaths), fc.constantFrom(...networks)).map((pair) => pair.join(':')),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(
          'raw.key',
          'raw.a',
          'raw.constructor',
          '"raw.my key"',
          'actor',
          'actor.user',
          'user.name',
          'api',
          'raw.nowhere',
        )
        .map((path) => `exists:${path}`),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom(...writtenPaths),
          fc.array(fc.oneof(quotedText, ranges, fc.constantFrom(...networks)), { minLength: 1, maxLength: 3 }),
        )
        .map(([path, list]) => `${path}:(${list.join(' OR ')})`),
    },
  )
