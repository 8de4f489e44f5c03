// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** What the benchmarks of search ask: eight kinds of question, of each so many different ones, about bench/search-events.ts. */
import { DAY_MS } from '../src/demo/calendar.ts'
import { Draw } from '../src/demo/draw.ts'
import type { FieldName } from '../src/query/fields.ts'
import { type Account, BODY_COUNT, DAYS, type SearchEvents, START_MS } from './search-events.ts'

export const LIMIT = 50
export const FACET_FIELDS = [
  'actor',
  'target',
  'action',
  'outcome',
  'ip',
  'app',
  'country',
  'class',
] as const satisfies readonly FieldName[]
/** Days of a month that are a third of it. */
const THIRD_DAYS = DAYS / 3
const WEEK_MS = 7 * DAY_MS
/** Who administers is among the first of all. */
const ADMINISTRATOR_COUNT = 600

export interface Question {
  readonly name: string
  /** Milliseconds that p95 is to stay under. */
  readonly barMs: number
  readonly route: 'events' | 'timeline' | 'histogram' | 'facets'
  /** Of each turn. */
  readonly asked: readonly Asked[]
}

export interface Asked {
  /** In the search language. */
  readonly q: string
  readonly sinceMs?: number
  readonly untilMs?: number
  readonly entity?: string
  readonly buckets?: number
  /** What PostgreSQL is asked by. */
  readonly values: readonly string[]
}

export function questionsOf(events: SearchEvents, count: number): readonly Question[] {
  const draw = new Draw(11)
  const turns = Array.from({ length: count }, (_, turn) => turn)
  /** From the busiest on, and further apart the further down. */
  const someone = (turn: number, among: number): Account => events.people[Math.floor(among * (turn / count) ** 2)]!
  const moment = (turn: number, fromDay: number, days: number) =>
    START_MS + Math.floor((fromDay + (days * turn) / count) * DAY_MS)
  return [
    {
      name: 'newest 50 of an actor',
      barMs: 20,
      route: 'events',
      asked: turns.map((turn) => {
        const { upn } = someone(turn, events.people.length)
        return { q: `actor:${upn}`, values: [upn] }
      }),
    },
    {
      name: 'two rare tokens',
      barMs: 20,
      route: 'events',
      asked: turns.map(() => {
        const tokens = rareTokens(events.lines(draw.below(events.bodyCount))[draw.below(BODY_COUNT)]!)
        return { q: tokens.join(' '), values: tokens }
      }),
    },
    {
      name: 'a common and a rarer token',
      barMs: 30,
      route: 'events',
      asked: turns.map((turn) => {
        const tokens = ['success', someone(turn, ADMINISTRATOR_COUNT).upn.split(/[.@]/)[1]!]
        return { q: tokens.join(' '), values: tokens }
      }),
    },
    {
      name: 'actor, action and time range',
      barMs: 30,
      route: 'events',
      asked: turns.map((turn) => {
        const { upn } = someone(turn, ADMINISTRATOR_COUNT)
        const sinceMs = moment(turn, 0, DAYS - 7)
        const values = [upn, 'add member to group']
        return { q: `actor:${upn} action:"${values[1]!}"`, sinceMs, untilMs: sinceMs + WEEK_MS, values }
      }),
    },
    {
      name: 'broad filter, newest 50',
      barMs: 20,
      route: 'events',
      asked: turns.map((turn) => ({
        q: 'action:"remove member from group"',
        untilMs: moment(turn, 1, DAYS - 1),
        values: ['remove member from group'],
      })),
    },
    {
      name: 'histogram of all by outcome',
      barMs: 60,
      route: 'histogram',
      asked: turns.map((turn) => ({ q: '', buckets: 30 + turn, values: [] })),
    },
    {
      name: 'facets of 8 fields over a third',
      barMs: 200,
      route: 'facets',
      asked: turns.map((turn) => {
        const sinceMs = moment(turn, 0, DAYS - THIRD_DAYS)
        return { q: '', sinceMs, untilMs: sinceMs + THIRD_DAYS * DAY_MS, values: [] }
      }),
    },
    {
      name: 'timeline of one identity',
      barMs: 50,
      route: 'timeline',
      asked: turns.map((turn) => {
        const { upn } = someone(turn, events.people.length)
        return { q: `actor:${upn} OR target:${upn}`, entity: upn, values: [upn] }
      }),
    },
  ]
}

/** What only this event has: the ends of its two ids. */
function rareTokens(line: string): readonly [string, string] {
  const { correlationId, properties } = JSON.parse(line) as { correlationId: string; properties: { id: string } }
  return [correlationId.slice(-12), properties.id.split(/[-_]/).at(-1)!.toLowerCase()]
}

/** The parameters of the route. */
export function parametersOf({ route }: Question, asked: Asked): URLSearchParams {
  const { q, sinceMs, untilMs, entity, buckets } = asked
  const time = (ms: number) => new Date(ms).toISOString()
  return new URLSearchParams({
    ...(route === 'timeline' ? { entity: entity ?? '' } : { q }),
    ...(sinceMs === undefined ? {} : { since: time(sinceMs) }),
    ...(untilMs === undefined ? {} : { until: time(untilMs) }),
    ...(route === 'events' || route === 'timeline' ? { limit: String(LIMIT) } : {}),
    ...(route === 'histogram' ? { by: 'outcome', buckets: String(buckets) } : {}),
    ...(route === 'facets' ? { fields: FACET_FIELDS.join(',') } : {}),
  })
}
