// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What the tests of Entra's mappings share: fixtures mapped, what a person reads of an event, and events with one
// member after another replaced by what no source documents.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { OcsfEvent } from '../src/schema/ocsf.ts'
import { type Connector, MappingFault } from '../src/sources/connector.ts'
import type { JsonObject } from '../src/sources/json.ts'
import { OcsfChecker, schemaSkip } from './ocsf-check.ts'

export const context = { receivedMs: 1_770_000_000_000, source: 'entra.test/fixtures' }

export function linesOf(folder: string, name: string): readonly string[] {
  return readFileSync(join(import.meta.dirname, 'fixtures', folder, name), 'utf8')
    .trimEnd()
    .split('\n')
}

export function mapped({ map, type }: Connector, line: string): OcsfEvent {
  assert.ok(map, `${type} has no mapping`)
  return map(JSON.parse(line) as JsonObject, context)
}

/** What a serialisation holds: members that are undefined are absent. */
export function plain(event: OcsfEvent): Record<string, unknown> {
  return JSON.parse(JSON.stringify(event)) as Record<string, unknown>
}

type Members = Readonly<Record<string, unknown>>

function at(event: Members, path: string): unknown {
  let value: unknown = event
  for (const key of path.split('.')) value = (value as Members | undefined)?.[key]
  return value
}

const columns = {
  class: 'class_name',
  activity: 'activity_name',
  user: 'user.name',
  group: 'group.name',
  entity: 'entity.name',
  finding: 'finding_info.title',
  app: 'actor.app_name',
  service: 'service.name',
  operation: 'api.operation',
  ip: 'src_endpoint.ip',
  mfa: 'is_mfa',
  status: 'status',
  code: 'status_code',
  severity: 'severity',
} as const

/** What a person wants to know of an event. */
function summary(event: OcsfEvent): string {
  const made = plain(event)
  const told: Record<string, unknown> = { message: made['message'], time: new Date(event.time).toISOString() }
  for (const [name, path] of Object.entries(columns)) {
    const value = at(made, path)
    if (value !== undefined) told[name] = value
  }
  return JSON.stringify(told)
}

/** Every `.ndjson` of the folder against the `.golden` beside it, which `UPDATE_GOLDEN=1` writes anew. */
export function golden(connector: Connector, folder: string): void {
  const names = readdirSync(join(import.meta.dirname, 'fixtures', folder)).filter((name) => name.endsWith('.ndjson'))
  assert.ok(names.length > 0)
  for (const name of names) {
    const made = linesOf(folder, name).map((line) => `${summary(mapped(connector, line))}\n`)
    const file = join(import.meta.dirname, 'fixtures', folder, name.replace('.ndjson', '.golden'))
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, made.join(''))
    assert.equal(made.join(''), readFileSync(file, 'utf8'), `${folder}/${name}`)
  }
}

interface Agreement {
  readonly file: string
  readonly line: number
}

/**
 * Forms of one event give the same event, but for what is kept as the source wrote it, and for the tenant, of which a
 * resource on its own does not speak.
 */
export function agree(connector: Connector, folder: string, forms: readonly Agreement[]): void {
  const [first, ...others] = forms.map(({ file, line }) => {
    const { unmapped: _, metadata, ...event } = plain(mapped(connector, linesOf(folder, file)[line]!))
    return { ...event, metadata: { ...(metadata as Members), tenant_uid: undefined } }
  })
  for (const [position, other] of others.entries()) {
    assert.deepEqual(other, first, `${forms[position + 1]!.file}:${forms[position + 1]!.line}`)
  }
}

const junk: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e300,
  '',
  ' ',
  'none',
  'x'.repeat(5_000),
  'a\nb\u2028c',
  '\ud800',
  '9999-99-99T99:99:99Z',
  '0001-01-01T00:00:00Z',
  '{"a":1}',
  '[[1]]',
  '{',
  [],
  {},
  [null, {}, 'a', [1], { displayName: 5 }],
  JSON.parse('{"__proto__":{"id":1},"constructor":5,"toString":null}'),
]

function* variations(node: unknown, whole: unknown): Generator<string> {
  if (typeof node !== 'object' || node === null) return
  const members = node as Record<string, unknown>
  for (const key of Object.keys(members)) {
    const was = members[key]
    for (const value of junk) {
      members[key] = value
      yield JSON.stringify(whole)
    }
    if (!Array.isArray(node)) {
      delete members[key]
      yield JSON.stringify(whole)
    }
    members[key] = was
    yield* variations(was, whole)
  }
}

const checker = schemaSkip === false ? new OcsfChecker() : undefined

/** Throws unless the event is fit for people, and valid where the schema is there to say so. */
export function assertFit(event: OcsfEvent, line: string): void {
  const { message } = event
  const shown = line.length > 2_000 ? `${line.slice(0, 2_000)}…` : line
  assert.ok(message !== undefined && message !== '' && message.length <= 200, `${message}\n${shown}`)
  assert.doesNotMatch(message, /[\n\r\u2028\u2029]|\.$|undefined|\[object/, shown)
  assert.ok(Number.isSafeInteger(event.time) && event.time >= 0, shown)
  assert.deepEqual(checker?.faults(event) ?? [], [], shown)
}

/** Each variation of each line is mapped, or refused with a reason; how many were mapped. */
export function survive(connector: Connector, folder: string, name: string): number {
  let count = 0
  for (const line of linesOf(folder, name)) {
    const event = JSON.parse(line) as unknown
    for (const variation of variations(event, event)) {
      try {
        assertFit(mapped(connector, variation), variation)
        count++
      } catch (error) {
        if (!(error instanceof MappingFault)) throw error
      }
    }
  }
  return count
}
