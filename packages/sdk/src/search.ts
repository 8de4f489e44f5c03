// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Answers to searches, and about the index. A hit is checked like any event: its bytes are what its entry commits to.
// That nothing was left out, and what is counted, cannot be seen from an answer; what can is that it contradicts itself.

import { readEvent, type RecordedEvent } from './answers.ts'
import { untrustworthy } from './error.ts'
import { Fields, LEDGER_NAME } from './fields.ts'
import { timeMs } from './platform.ts'

/** All ledgers that the token may read. */
export const EVERY_LEDGER = '*'

export interface SearchQuestion {
  /** In the search language; everything, where absent. */
  readonly q?: string
  /** Only events at or after: a date, RFC 3339, or as `-24h`. */
  readonly since?: string
  /** Only events before. */
  readonly until?: string
}

export interface SearchOptions extends SearchQuestion {
  /** Hits at most, 1 to 1,000; 50. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly cursor?: string
  /** Waits until the event of this index can be found. */
  readonly wait?: number
  readonly signal?: AbortSignal | undefined
}

export interface Hit extends RecordedEvent {
  /** Where it was found. */
  readonly ledger: string
}

/** `indexed` of `size` entries can be found. */
export interface Progress {
  readonly indexed: number
  readonly size: number
}

/** How far an answer goes. */
export interface Reach extends Progress {
  /** Of each ledger, where all were searched. */
  readonly ledgers?: Readonly<Record<string, Progress>>
  /** Why entries that are stored cannot be found for now. */
  readonly heldUp?: string
}

export interface SearchPage extends Reach {
  /** Newest first, by the time of the event. */
  readonly hits: readonly Hit[]
  /** Cursor for the page behind; absent where there is none. */
  readonly next?: string
  /** How many the index counts; `exact` is false where there are more. */
  readonly total: { readonly count: number; readonly exact: boolean }
  /** Hits that the index claimed and the ledger did not bear out; they were left out. */
  readonly disagreements: number
}

export interface ValueCount {
  readonly value: string
  /** Of a class or a severity, whose value is its number. */
  readonly name?: string
  readonly count: number
}

export interface Facets extends Reach {
  /** By field: values and how many events have them, the most frequent first. */
  readonly facets: Readonly<Record<string, readonly ValueCount[]>>
}

export interface Histogram extends Reach {
  /** RFC 3339: begin of the first bucket, and end of the last, which does not belong to it. */
  readonly from: string
  readonly to: string
  readonly stepSeconds: number
  /** All of them, the empty ones too; none where nothing was found. */
  readonly buckets: readonly HistogramBucket[]
}

export interface HistogramBucket {
  /** Begin, RFC 3339. */
  readonly time: string
  readonly count: number
  /** The most frequent values. */
  readonly by?: readonly ValueCount[]
  /** How many values there are besides, and what these count together; absent where there are none. */
  readonly moreValues?: number
  readonly moreCount?: number
}

/** What stands where among hits. */
export type HitPlace = Pick<Hit, 'ledger' | 'index' | 'time'>

/** Newest first, or the same turned around. */
export type HitOrder = 'newest' | 'oldest'

/** Reads a page of hits. `before` is the last hit of the page before. */
export async function readPage(
  value: unknown,
  ledger: string,
  limit: number,
  before: HitPlace | undefined,
): Promise<SearchPage> {
  return await readHits(value, ledger, { limit, before, order: 'newest' }, (_, hit) => hit)
}

export interface HitsWish {
  readonly limit: number
  readonly before: HitPlace | undefined
  readonly order: HitOrder
}

/** Reads hits and what stands beside them; `more` reads what each has besides. */
export async function readHits<H extends Hit>(
  value: unknown,
  ledger: string,
  { limit, before, order }: HitsWish,
  more: (fields: Fields, hit: Hit) => H,
): Promise<Omit<SearchPage, 'hits'> & { readonly hits: readonly H[] }> {
  const fields = new Fields('the answer to the search', value)
  const values = fields.list('hits')
  if (values.length > limit) throw untrustworthy(`${limit} hits were asked for, and ${values.length} came`)
  const hits: H[] = []
  const seen = new Set<string>()
  for (const one of values) {
    const hit = more(new Fields('the hit', one), await readHit(one, ledger))
    const last = hits.at(-1) ?? before
    const isInOrder = last === undefined || (order === 'newest' ? isBehind(hit, last) : isBehind(last, hit))
    if (!isInOrder) throw untrustworthy(`the hits are not ${order} first, each once`)
    const key = `${hit.ledger} ${hit.index}`
    if (seen.has(key)) throw untrustworthy(`two hits are number ${hit.index} of ${hit.ledger}`)
    seen.add(key)
    hits.push(hit)
  }
  const totals = new Fields('the total', fields.object('total'))
  const total = { count: totals.whole('count'), exact: totals.flag('exact') }
  const next = fields.optionalText('next')
  const disagreements = fields.has('disagreements') ? fields.whole('disagreements') : 0
  if (fields.has('disagreements') && disagreements === 0) throw untrustworthy('disagreements are said to be none')
  if (total.count < hits.length) throw untrustworthy(`${hits.length} hits are counted as ${total.count}`)
  const reach = readReach(fields, ledger)
  for (const { ledger: name, index } of hits) {
    const { size } = reach.ledgers?.[name] ?? reach
    if (index >= size) throw untrustworthy(`a hit is number ${index} of ${size} entries`)
  }
  return { hits, ...(next === undefined ? {} : { next }), total, disagreements, ...reach }
}

async function readHit(value: unknown, ledger: string): Promise<Hit> {
  const event = await readEvent(value, undefined)
  const fields = new Fields('the hit', value)
  if (ledger === EVERY_LEDGER) return { ledger: fields.ledger('ledger'), ...event }
  if (fields.has('ledger')) throw untrustworthy('a hit names a ledger, though one was searched')
  return { ledger, ...event }
}

function isBehind(hit: HitPlace, last: HitPlace): boolean {
  if (hit.time !== last.time) return hit.time < last.time
  return hit.ledger === last.ledger ? hit.index < last.index : hit.ledger > last.ledger
}

export function readFacets(value: unknown, ledger: string, names: readonly string[], top: number): Facets {
  const fields = new Fields('the facets', value)
  const given = new Fields('the facets', fields.object('facets'))
  const facets = names.map((name) => {
    const counts = readCounts(given.list(name))
    if (counts.length > top) throw untrustworthy(`${top} values of ${name} were asked for, and ${counts.length} came`)
    return [name, counts] as const
  })
  return { facets: Object.fromEntries(facets), ...readReach(fields, ledger) }
}

export function readHistogram(value: unknown, ledger: string): Histogram {
  const fields = new Fields('the histogram', value)
  const from = fields.time('from')
  const to = fields.time('to')
  const stepSeconds = fields.whole('stepSeconds')
  const buckets = fields.list('buckets').map(readBucket)
  const fromMs = timeMs(from)
  const isEven = buckets.every(({ time }, position) => timeMs(time) === fromMs + position * stepSeconds * 1_000)
  const isWhole = timeMs(to) === fromMs + buckets.length * stepSeconds * 1_000
  if (stepSeconds === 0 || !isEven || !isWhole) throw untrustworthy('the buckets are not one step behind the other')
  return { from, to, stepSeconds, buckets, ...readReach(fields, ledger) }
}

function readBucket(value: unknown): HistogramBucket {
  const fields = new Fields('a bucket', value)
  const by = fields.has('by') ? readCounts(fields.list('by')) : undefined
  const bucket = { time: fields.time('time'), count: fields.whole('count'), ...(by === undefined ? {} : { by }) }
  if (!fields.has('moreValues') && !fields.has('moreCount')) return bucket
  const moreValues = fields.whole('moreValues')
  const moreCount = fields.whole('moreCount')
  const mostCount = moreValues * (by?.at(-1)?.count ?? 0)
  if (moreValues === 0 || moreCount < moreValues || moreCount > mostCount) {
    throw untrustworthy('values that are left out of a bucket are less frequent than those in it')
  }
  return { ...bucket, moreValues, moreCount }
}

/** Values, each once, the most frequent first. */
export function readCounts(values: readonly unknown[]): ValueCount[] {
  const counts = values.map((value) => {
    const fields = new Fields('a count', value)
    const name = fields.optionalText('name')
    return { value: fields.anyText('value'), ...(name === undefined ? {} : { name }), count: fields.whole('count') }
  })
  const isOrdered = counts.every(
    ({ count }, position) => count > 0 && count <= (counts[position - 1]?.count ?? Infinity),
  )
  const isDistinct = new Set(counts.map(({ value }) => value)).size === counts.length
  if (!isOrdered || !isDistinct) throw untrustworthy('counts are not of different values, the most frequent first')
  return counts
}

export function readReach(fields: Fields, ledger: string): Reach {
  const heldUp = fields.optionalText('heldUp')
  const reach = { ...readProgress(fields), ...(heldUp === undefined ? {} : { heldUp }) }
  if (fields.has('ledgers') !== (ledger === EVERY_LEDGER))
    throw untrustworthy('ledgers are told though one was searched, or not')
  if (ledger !== EVERY_LEDGER) return reach
  const ledgers = readLedgers(fields)
  const each = Object.values(ledgers)
  const sum = (of: (one: Progress) => number) => each.reduce((total, one) => total + of(one), 0)
  if (sum(({ indexed }) => indexed) !== reach.indexed || sum(({ size }) => size) !== reach.size) {
    throw untrustworthy('the ledgers are not together what the answer says')
  }
  return { ...reach, ledgers }
}

export function readLedgers(fields: Fields): Readonly<Record<string, Progress>> {
  const members = fields.members('ledgers')
  return Object.fromEntries(
    members.map(([name, value]) => {
      if (!LEDGER_NAME.test(name)) throw untrustworthy('something is told of a ledger that has no such name')
      return [name, readProgress(new Fields(`the ledger ${name}`, value))]
    }),
  )
}

export function readProgress(fields: Fields): Progress {
  const progress = { indexed: fields.whole('indexed'), size: fields.whole('size') }
  if (progress.indexed > progress.size) throw untrustworthy('more is indexed than there is')
  return progress
}
