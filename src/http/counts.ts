// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Facets and histograms: how many events a search finds, by value and over time. They are what the index counts; that
 * it counts right is what `check index` shows.
 */
import type { z } from 'zod'
import type { LedgerRead } from '../access/audit.ts'
import type { Bucket, SearchScope, ValueCount } from '../index/search.ts'
import { timeText } from '../platform/clock.ts'
import { type FieldName, fieldOf, fields, severities } from '../query/fields.ts'
import { ocsfClasses } from '../schema/ocsf.ts'
import { Problem } from '../schema/problem.ts'
import { demandSearched, ledgersOf, questionOf, reachOf, recordOf, scopeOf, sizesNow } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { searchParams } from './schemas.ts'
import type { FacetsAnswer, facetsQuery, HistogramAnswer, histogramQuery, valueCount } from './search-schemas.ts'
import type { Searching } from './searches.ts'
import { type Steps, stepsOver } from './time-steps.ts'

type FacetsCall = Call<z.output<typeof searchParams>, z.output<typeof facetsQuery>, undefined>
type HistogramCall = Call<z.output<typeof searchParams>, z.output<typeof histogramQuery>, undefined>

const MAX_FIELDS = 8

export async function readFacets(call: FacetsCall, services: Services): Promise<Answer> {
  const { query } = call
  const names = [...new Set(query.fields.split(','))].map((name) => countedField('fields', name))
  if (names.length > MAX_FIELDS) {
    throw new Problem('invalid-field', `fields: ask for ${MAX_FIELDS} at most.`, { limit: MAX_FIELDS })
  }
  return await counted(call, names, services, async ({ search, gone }, scope, reach) => {
    const facets = await search.facets(scope, names, query.top, gone)
    const each = names.map((name) => [name, facets[name].map((one) => named(name, one))] as const)
    const body: FacetsAnswer = { facets: Object.fromEntries(each), ...reach() }
    return body
  })
}

export async function readHistogram(call: HistogramCall, services: Services): Promise<Answer> {
  const { query } = call
  const by = query.by === undefined ? undefined : countedField('by', query.by)
  return await counted(call, by === undefined ? [] : [by], services, async (searching, scope, reach) => {
    const steps = await stepsFor(searching, scope, query.buckets)
    const nowMs = services.clock.wallMs()
    const body: HistogramAnswer = {
      ...(steps === undefined ? nothing(scope, nowMs) : await histogramOf(searching, scope, steps, by)),
      ...reach(),
    }
    return body
  })
}

/** Where a bound is not asked for, the events that are found have it; undefined where there are none. */
async function stepsFor({ search, gone }: Searching, scope: SearchScope, maxCount: number): Promise<Steps | undefined> {
  const { sinceMs, untilMs } = scope
  if (sinceMs !== undefined && untilMs !== undefined) return stepsOver(sinceMs, untilMs, maxCount)
  const span = await search.span(scope, gone)
  if (span === undefined) return undefined
  return stepsOver(sinceMs ?? span.firstMs, untilMs ?? span.lastMs + 1, maxCount)
}

type Counts = Pick<HistogramAnswer, 'from' | 'to' | 'stepSeconds' | 'buckets'>

async function histogramOf(
  { search, gone }: Searching,
  scope: SearchScope,
  { fromMs, toMs, stepMs }: Steps,
  by: FieldName | undefined,
): Promise<Counts> {
  const request = { fromMs, toMs, stepMs, ...(by === undefined ? {} : { by }) }
  const found = new Map<number, Bucket>()
  for (const bucket of await search.histogram(scope, request, gone)) found.set(bucket.startMs, bucket)
  const buckets = Array.from({ length: (toMs - fromMs) / stepMs }, (_, position) => {
    const startMs = fromMs + position * stepMs
    const bucket = found.get(startMs)
    const values = by === undefined ? {} : { by: (bucket?.by ?? []).map((one) => named(by, one)) }
    const { moreValues = 0, moreCount } = bucket ?? {}
    const more = moreValues === 0 ? {} : { moreValues, moreCount }
    return { time: timeText(startMs), count: bucket?.count ?? 0, ...values, ...more }
  })
  return { from: timeText(fromMs), to: timeText(toMs), stepSeconds: stepMs / 1_000, buckets }
}

function nothing({ sinceMs, untilMs }: SearchScope, nowMs: number): Counts {
  const time = timeText(sinceMs ?? untilMs ?? nowMs)
  return { from: time, to: time, stepSeconds: 1, buckets: [] }
}

function countedField(parameter: 'fields' | 'by', name: string): FieldName {
  const field = fieldOf(name)
  if (field !== undefined) return field.name
  const known = fields.map((one) => one.name).join(', ')
  throw new Problem('invalid-field', `${parameter}: the fields are ${known}.`)
}

const severityNames = new Map([...severities].map(([name, id]) => [id, name]))

/** Classes and severities are counted by number. */
export function named(field: FieldName, { value, count }: ValueCount): z.infer<typeof valueCount> {
  const captions: Readonly<Record<string, { readonly caption: string } | undefined>> = ocsfClasses
  const name =
    field === 'class' ? captions[value]?.caption : field === 'severity' ? severityNames.get(Number(value)) : undefined
  return name === undefined ? { value, count } : { value, name, count }
}

/** Asked when the index has answered. */
type Reach = () => ReturnType<typeof reachOf>

/** Asks, and says what of which ledgers was counted. */
async function counted<B extends object>(
  { params, query, caller, response }: FacetsCall | HistogramCall,
  fields: readonly string[],
  services: Services,
  ask: (searching: Searching, scope: SearchScope, reach: Reach) => Promise<B>,
): Promise<Answer> {
  const question = questionOf(params.ledger, query)
  demandSearched(params.ledger)
  const nowMs = services.clock.wallMs()
  scopeOf(question, [], [], nowMs)
  return await services.searches.run(caller, response, async (searching) => {
    const names = ledgersOf(question, nowMs, caller, services)
    const scope = scopeOf(question, names, sizesNow(names, services), nowMs)
    const body = await ask(searching, scope, () => reachOf(params.ledger, names, services))
    const ledgers: LedgerRead[] = scope.ledgers.map(({ name, size }) => ({ ledger: name, size }))
    return { body, carries: { ledger: params.ledger, asked: recordOf(question, fields), ledgers } }
  })
}
