// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A benchmark is only as good as its load: sizes and kinds must be what its tables say.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { entraMix, events1k } from '../bench/generate.ts'
import { BODY_COUNT, SearchEvents } from '../bench/search-events.ts'
import { cut } from '../src/sources/cut.ts'

for (const generate of [events1k, entraMix]) {
  test(`${generate.name} makes the same events for the same seed, as many as asked for, none twice`, () => {
    const body = generate(1_300, 7)
    assert.deepEqual(generate(1_300, 7), body)
    assert.notDeepEqual(generate(1_300, 8), body)
    const lines = body.toString('utf8').trimEnd().split('\n')
    assert.equal(lines.length, 1_300)
    assert.equal(new Set(lines.map((line) => JSON.parse(line).properties.id)).size, 1_300)
  })
}

test('events of 1 KB have 1,024 bytes each and are recognised', () => {
  const body = events1k(700, 1)
  const { count, sources, starts } = cut(body, 'application/x-ndjson')
  assert.deepEqual([count, sources], [700, ['entra.audit']])
  assert.deepEqual(
    [...starts.subarray(0, count)],
    Array.from({ length: count }, (_, index) => index * 1_024),
  )
})

test('the Entra mix is mostly sign-ins of people, with audits of 2 KB, all recognised, a few users having most', () => {
  const body = entraMix(1_000, 1)
  const { count, sources } = cut(body, 'application/x-ndjson')
  assert.deepEqual([count, sources.toSorted((a, b) => a.localeCompare(b))], [1_000, ['entra.audit', 'entra.signin']])
  const lines = body.toString('utf8').trimEnd().split('\n')
  const events = lines.map((line) => JSON.parse(line))
  const sized = (categories: RegExp) => lines.filter((_, index) => categories.test(events[index].category))
  const audits = sized(/^AuditLogs$/)
  const people = sized(/^(?:NonInteractiveUser)?SignInLogs$/)
  assert.ok(audits.length > 80 && audits.length < 160 && people.length > 630 && people.length < 770)
  assert.ok(Math.abs(mean(audits) - 2_000) < 200 && Math.abs(mean(people) - 10_500) < 700)
  const shares = Map.groupBy(events, ({ properties }) => properties.userId ?? properties.initiatedBy?.user.id)
  const counts = [...shares.values()].map(({ length }) => length).toSorted((a, b) => b - a)
  assert.ok(counts.length > 100 && counts.slice(0, 10).reduce((sum, each) => sum + each, 0) > 350)
})

test('a month of events is the same each time, recognised, of about 1 KB, in the order of time but for a few, skewed', () => {
  const events = new SearchEvents(3, 20_000)
  const lines = Array.from({ length: events.bodyCount }, (_, number) => events.lines(number)).flat()
  assert.equal(lines.length, 20_000)
  assert.deepEqual(new SearchEvents(3, 20_000).body(7), events.body(7))
  const { count, sources } = cut(events.body(7), 'application/x-ndjson')
  assert.deepEqual([count, sources.length], [BODY_COUNT, 2])
  assert.ok(Math.abs(mean(lines) - 1_100) < 50)
  const parsed = lines.map((line) => JSON.parse(line))
  const days = parsed.map(({ time }) => Date.parse(time) / 86_400_000)
  const late = days.filter((day, at) => at > 0 && day < days[at - 1]! - 1 / 24).length
  assert.ok(late > 200 && late < 800 && Math.max(...days) - Math.min(...days) > 29)
  const removals = parsed.filter(({ operationName }) => operationName === 'Remove member from group')
  assert.ok(Math.abs(removals.length / lines.length - 0.07) < 0.01)
  const users = Map.groupBy(parsed, ({ properties }) => properties.userId ?? properties.initiatedBy.user.id)
  const counts = [...users.values()].map(({ length }) => length).toSorted((one, other) => other - one)
  assert.ok(counts.length > 4_000 && counts[0]! > 150)
})

function mean(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0) / lines.length
}
