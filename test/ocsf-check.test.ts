// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The checker is what says that events are valid, so each kind of fault is shown to it once, alone in an event that is
// valid otherwise: it must name that attribute and no other.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { ocsfTypes } from '../scripts/ocsf-types.ts'
import { OcsfChecker, schemaFile, schemaSkip } from './ocsf-check.ts'

const valid = {
  class_uid: 3002,
  class_name: 'Authentication',
  category_uid: 3,
  activity_id: 1,
  activity_name: 'Logon',
  type_uid: 300_201,
  time: 1_768_205_645_123,
  severity_id: 1,
  severity: 'Informational',
  status_id: 1,
  metadata: { version: '1.8.0', product: { name: 'Entra' }, profiles: ['host'] },
  user: { name: 'ada@example.com', email_addr: 'ada@example.com', groups: [{ name: 'Staff' }] },
  service: { name: 'Portal' },
  src_endpoint: { ip: '2001:db8::7', port: 443, location: { city: 'Bern', lat: 46.9 } },
  device: { type_id: 2, uid: 'd-1' },
  http_request: { http_method: 'GET' },
  observables: [{ name: 'src_endpoint.ip', type_id: 2, value: '2001:db8::7' }],
  unmapped: { anything: [null, { deep: true }] },
  status_detail: undefined,
}

/** Some faults are two: a sum that is none of the values follows from an activity that is none. */
type Faulty = readonly [kind: string, paths: string, change: Readonly<Record<string, unknown>>]

const { user, metadata } = valid
const canaries: readonly Faulty[] = [
  ['a class that there is not', 'class_uid', { class_uid: 3099 }],
  ['a class that is text', 'class_uid', { class_uid: '3002' }],
  ['a category of another class', 'category_uid', { category_uid: 6 }],
  ['a sum that is none', 'type_uid', { type_uid: 300_202 }],
  [
    'an activity that the class has not',
    'activity_id type_uid',
    { activity_id: 8, type_uid: 300_208, activity_name: undefined },
  ],
  ['a required attribute left out', 'severity_id', { severity_id: undefined, severity: undefined }],
  ['a required object left out', 'user', { user: undefined }],
  ['a required attribute of an object left out', 'metadata.product', { metadata: { ...metadata, product: undefined } }],
  ['another version', 'metadata.version', { metadata: { ...metadata, version: '1.7.0' } }],
  ['an attribute that there is not', 'sevrity', { sevrity: 1 }],
  ['an attribute of another class', 'privileges', { privileges: ['admin'] }],
  ['an attribute that an object has not', 'user.age', { user: { ...user, age: 36 } }],
  ['a key of the prototype', 'constructor', { constructor: 'x' }],
  ['none of at least one', 'event', { service: undefined }],
  ['none of at least one in an object', 'user', { user: { display_name: 'Ada' } }],
  ['none of at least one in an array', 'user.groups[0]', { user: { ...user, groups: [{ desc: 'x' }] } }],
  ['a profile not declared', 'device', { metadata: { ...metadata, profiles: undefined } }],
  ['a profile that the class has not', 'metadata.profiles', { metadata: { ...metadata, profiles: ['host', 'trace'] } }],
  ['a profile without what it requires', 'cloud', { metadata: { ...metadata, profiles: ['host', 'cloud'] } }],
  ['a value that is none', 'status_id', { status_id: 7 }],
  ['a text that is none of the values', 'http_request.http_method', { http_request: { http_method: 'LOOK' } }],
  ['null', 'message', { message: null }],
  ['a number for text', 'message', { message: 5 }],
  ['text for a number', 'time', { time: '1768205645123' }],
  ['a fraction for a whole number', 'time', { time: 1.5 }],
  [
    'no number for a number',
    'src_endpoint.location.lat',
    { src_endpoint: { ip: '::1', location: { city: 'x', lat: NaN } } },
  ],
  ['text for a boolean', 'is_mfa', { is_mfa: 'true' }],
  ['text for an object', 'service', { service: 'Portal' }],
  ['an array for an object', 'user', { user: [user] }],
  ['an object for an array', 'observables', { observables: { type_id: 2 } }],
  [
    'a wrong member of an array',
    'metadata.profiles metadata.profiles[1]',
    { metadata: { ...metadata, profiles: ['host', 5] } },
  ],
  ['an address that is none', 'src_endpoint.ip', { src_endpoint: { ip: '192.0.2.7:443' } }],
  ['an email that is none', 'user.email_addr', { user: { ...user, email_addr: 'ada' } }],
  ['a port out of range', 'src_endpoint.port', { src_endpoint: { ip: '::1', port: 65_536 } }],
  ['a caption of another value', 'severity_id', { severity: 'High' }],
  ['unmapped that is no object', 'unmapped', { unmapped: ['x'] }],
]

test(
  'a valid event has no fault, with attributes that are undefined and with a session just one of its kinds',
  {
    skip: schemaSkip,
  },
  () => {
    const checker = new OcsfChecker()
    assert.deepEqual(checker.faults(valid), [])
    const session = {
      class_uid: 3003,
      category_uid: 3,
      activity_id: 1,
      type_uid: 300_301,
      time: 0,
      severity_id: 1,
      metadata: { version: '1.8.0', product: { name: 'x' } },
      user: { name: 'x' },
    }
    assert.deepEqual(checker.faults({ ...session, privileges: ['x'] }), [])
    for (const both of [{}, { privileges: ['x'], group: { name: 'x' } }]) {
      assert.deepEqual(checker.faults({ ...session, ...both }), ['event: has not just one of privileges, group'])
    }
  },
)

test('every kind of fault is found, and named by its path alone', { skip: schemaSkip }, () => {
  const checker = new OcsfChecker()
  for (const [kind, expected, change] of canaries) {
    const faults = checker.faults({ ...valid, ...change })
    const paths = new Set(faults.map((fault) => fault.slice(0, fault.indexOf(': '))))
    assert.deepEqual([...paths].toSorted(), expected.split(' '), `${kind}: ${faults.join('; ')}`)
  }
  for (const nothing of [null, 5, 'x', [valid], undefined]) assert.equal(checker.faults(nothing).length, 1)
})

test('the types in src/schema are what the script makes of the schema', { skip: schemaSkip }, () => {
  const bare = (text: string): string => text.replaceAll(/[\s|,]/g, '')
  for (const [name, made] of Object.entries(ocsfTypes(schemaFile))) {
    assert.equal(bare(readFileSync(join(import.meta.dirname, '../src/schema', name), 'utf8')), bare(made), name)
  }
})
