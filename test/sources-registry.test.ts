// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What every connector must keep, whoever adds it, and what the fixtures that nobody here wrote are recognised as.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Mark, Shape } from '../src/sources/connector.ts'
import { Marks } from '../src/sources/marks.ts'
import { Recognition } from '../src/sources/recognition.ts'
import { connectors } from '../src/sources/registry.ts'
import { Scanner } from '../src/sources/scan.ts'
import { eventsOf, linesIn, refusalOf, sharedFixtures, sharedSkip, shown } from './sources-bodies.ts'

const fixtures = join(import.meta.dirname, 'fixtures')
const generic = connectors[0]!
const recognised = connectors.filter((connector) => connector !== generic)

/** `audit.diagnostic.ndjson` in the folder of the family. */
function fixtureLines(type: string, shape: string): readonly string[] {
  const [family, ...rest] = type.split('.')
  return linesIn(join(fixtures, family!), new RegExp(`^${rest.join('\\.')}\\.${shape}\\.ndjson$`))
}

function fits(shape: Shape, line: string): boolean {
  const marks = new Marks(new Recognition([generic, { ...generic, type: 'probe.one', shapes: [shape] }]))
  new Scanner(Buffer.from(line), false).value(0, marks, null)
  return marks.verdict() === 1
}

/** The shape once for each value that it admits. */
function singleValued(shape: Shape): readonly Shape[] {
  const valued = shape.all.findIndex(({ is = [] }) => is.length > 1)
  if (valued === -1) return [shape]
  return shape.all[valued]!.is!.flatMap((value) => {
    const [first, ...rest] = shape.all.with(valued, { ...shape.all[valued]!, is: [value] })
    return singleValued({ ...shape, all: [first!, ...rest] })
  })
}

test('generic is kind 0 and claims nothing', () => {
  assert.deepEqual([generic.type, generic.shapes, generic.containers], ['generic', [], []])
})

test('a key is found under its own parent alone, however many there are', () => {
  const names = Array.from({ length: 300 }, (_, position) => `key${position}`)
  const marks = [...names.map((key) => ({ key })), ...names.slice(0, 150).map((key) => ({ in: 'key7', key }))]
  const shapes: readonly Shape[] = marks.map((mark) => ({ name: 'probe', all: [mark] }))
  const recognition = new Recognition([generic, { ...generic, shapes }])
  const parent = recognition.find(0, Buffer.from('"key7"'), 1, 5)
  const ids = marks.map((mark) => {
    const bytes = Buffer.from(`"${mark.key}"`)
    return recognition.find('in' in mark ? parent : 0, bytes, 1, bytes.length - 1)
  })
  assert.equal(new Set([0, ...ids]).size, 451)
  for (const name of [...names.slice(150), 'key', 'key300', 'Key7', '']) {
    const bytes = Buffer.from(`"${name}"`)
    assert.equal(recognition.find(parent, bytes, 1, bytes.length - 1), 0)
  }
})

test('types are dotted, unique, and begin with their family', () => {
  assert.equal(new Set(connectors.map(({ type }) => type)).size, connectors.length)
  assert.equal(new Set(connectors.map(({ title }) => title)).size, connectors.length)
  for (const { type, family, title } of recognised) {
    assert.match(type, /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+$/)
    assert.equal(type.split('.')[0], family)
    assert.ok(title.length > 0 && title.length < 60)
  }
})

test('every shape of every connector is shown by a fixture, and every fixture is recognised as its type', () => {
  for (const { type, shapes } of recognised) {
    assert.ok(shapes.length > 0, type)
    const names = new Set(shapes.map(({ name }) => name))
    for (const name of names) {
      const lines = fixtureLines(type, name)
      assert.ok(lines.length > 0, `${type} has no fixture of the shape ${name}`)
      const events = eventsOf(lines.join('\n'), 'application/x-ndjson')
      assert.deepEqual(
        events,
        lines.map((line) => [type, shown(line)]),
      )
      for (const shape of shapes.filter((shape) => shape.name === name).flatMap(singleValued)) {
        assert.ok(
          lines.some((line) => fits(shape, line)),
          `no fixture shows ${JSON.stringify(shape)}`,
        )
      }
    }
    const family = readdirSync(join(fixtures, type.split('.')[0]!))
    const own = family.filter((name) => name.startsWith(`${type.split('.').slice(1).join('.')}.`))
    assert.deepEqual(new Set(own.map((name) => name.split('.').at(-2))), names, 'a fixture of no shape')
  }
})

test('a shape asks for enough to be nobody else’s: a value and another key, or four keys', () => {
  const keyCount = ({ all }: Shape): number => new Set(all.map(({ in: outer, key }) => `${outer}/${key}`)).size
  for (const { type, shapes } of recognised) {
    for (const shape of shapes) {
      const valued = shape.all.some(({ is }: Mark) => is !== undefined)
      assert.ok(keyCount(shape) >= (valued ? 2 : 4), `${type}: ${JSON.stringify(shape)}`)
      for (const { is = [] } of shape.all) assert.ok(is.every((value) => value.replaceAll('*', '').length >= 8))
    }
  }
})

test('no fixture satisfies the shapes of two types, but for a catch-all', () => {
  for (const { type, shapes } of recognised) {
    const lines = [...new Set(shapes.map(({ name }) => name))].flatMap((name) => fixtureLines(type, name))
    for (const other of recognised) {
      if (other.type === type || other.catchAll === true) continue
      for (const line of lines) {
        assert.ok(
          !other.shapes.some((shape) => fits(shape, line)),
          `${other.type} claims a fixture of ${type}: ${line}`,
        )
      }
    }
  }
})

test('the containers of every connector are opened around its fixtures, and around a foreigner they are not', () => {
  for (const { type, shapes, containers } of recognised) {
    const lines = [...new Set(shapes.map(({ name }) => name))].flatMap((name) => fixtureLines(type, name))
    for (const { key, beside } of containers) {
      const frame = (members: readonly string[]): string =>
        `{${beside.map((name) => `${JSON.stringify(name)}:"x",`).join('')}${JSON.stringify(key)}:[${members.join(',')}]}`
      assert.deepEqual(
        eventsOf(frame(lines)),
        lines.map((line) => [type, shown(line)]),
      )
      assert.equal(eventsOf(frame([...lines, '{"time":1}'])).length, 1)
      assert.equal(eventsOf(frame(lines).replace('{', '{"more":1,')).length, 1)
      const stranger = recognised.find((other) => other.type !== type && other.catchAll !== true)!
      const lineOfStranger = fixtureLines(stranger.type, stranger.shapes[0]!.name)[0]!
      const { code } = refusalOf(() => eventsOf(frame([lineOfStranger]), 'application/json', type))
      assert.equal(code, 'source-mismatch')
    }
  }
})

/** What the folders of the shared fixtures hold; those not named here hold nothing that is recognised yet. */
const sharedTypes: Readonly<Record<string, string>> = {
  'entra-diag-auditlogs': 'entra.audit',
  'entra-diag-provisioning': 'entra.provisioning',
  'entra-diag-risk': 'entra.risk',
  'entra-diag-signinlogs': 'entra.signin',
  'entra-diag-timeformats': 'entra.audit',
  'entra-graph-directoryaudits': 'entra.audit',
  'entra-loganalytics-auditlogs': 'entra.audit',
}

test(
  'every line of the shared fixtures is its folder’s type, byte for byte, in every frame',
  { skip: sharedSkip },
  () => {
    const folders = readdirSync(sharedFixtures, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    assert.ok(Object.keys(sharedTypes).every((name) => folders.some((folder) => folder.name === name)))
    for (const { name } of folders) {
      const type = sharedTypes[name] ?? 'generic'
      const lines = linesIn(join(sharedFixtures, name))
      const expected = lines.map((line) => [type, shown(line)])
      assert.deepEqual(eventsOf(lines.join('\n'), 'application/x-ndjson'), expected, name)
      assert.deepEqual(eventsOf(lines.join(' \r\n\t')), expected, name)
      assert.deepEqual(eventsOf(`\n[ ${lines.join(' ,\n ')} ]`), expected, name)
      for (const line of lines) assert.deepEqual(eventsOf(line), [[type, shown(line)]], name)
      for (const frame of [
        `{"records":[${lines.join(',')}]}`,
        `{ "@odata.context" : "x" , "value" : [\n${lines.join('\n,')}\n] }\n`,
      ]) {
        assert.deepEqual(eventsOf(frame), type === 'generic' ? [['generic', shown(frame.trim())]] : expected, name)
      }
      const pretty = lines.map((line) => JSON.stringify(JSON.parse(line), null, 2))
      const prettyExpected = pretty.map((event) => [type, shown(event)])
      assert.deepEqual(eventsOf(pretty.join('\n')), prettyExpected, name)
      assert.deepEqual(eventsOf(`[${pretty.join(',\n')}]`), prettyExpected, name)
      if (type !== 'generic') assert.deepEqual(eventsOf(`{"records": [${pretty.join(', ')}]}`), prettyExpected, name)
    }
  },
)
