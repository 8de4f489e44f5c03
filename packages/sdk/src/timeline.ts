// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Timelines and related events. Hits are checked like those of a search; in which direction an event goes, what it changed
// and what else somebody is called is the server's reading of the bytes that came.

import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'
import { type Hit, type HitOrder, type HitPlace, readHits, type SearchPage, type SearchQuestion } from './search.ts'

export interface TimelineOptions extends SearchQuestion {
  /** Events at most, 1 to 1,000; 50. */
  readonly limit?: number
  /** Newest first, where it is not said. */
  readonly order?: HitOrder
  /** `next` of the page before. */
  readonly cursor?: string
  readonly signal?: AbortSignal | undefined
}

/** What a value was and became: texts as they are, others as JSON. */
export interface Change {
  readonly target?: string
  readonly name: string
  readonly old?: string
  readonly new?: string
}

export interface TimelineHit extends Hit {
  /** Whether the identity acted, or something was done to it. */
  readonly direction: 'did' | 'done-to' | 'both'
  /** Of an attempt that failed, what was to change. */
  readonly changes: readonly Change[]
  /** How many changes are not shown. */
  readonly moreChanges: number
}

export interface Timeline extends Omit<SearchPage, 'hits'> {
  readonly hits: readonly TimelineHit[]
  /** What else these events call it, and how many of them do; nothing was searched for by these names. */
  readonly aliases: readonly { readonly value: string; readonly attribute: string; readonly count: number }[]
}

export const RELATIONS = ['correlation', 'session'] as const
export type Relation = (typeof RELATIONS)[number]

export interface RelatedOptions {
  /** By which ids; all. */
  readonly by?: readonly Relation[]
  /** Events at most, 1 to 1,000; 100. */
  readonly limit?: number
  /** Whether to look in all ledgers that the token may read. */
  readonly everyLedger?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface RelatedHit extends Hit {
  /** Which ids it shares with the event that was asked about. */
  readonly by: readonly Relation[]
}

export interface Related extends Omit<SearchPage, 'hits' | 'next'> {
  /** In the order of time, the event that was asked about among them. */
  readonly hits: readonly RelatedHit[]
  /** Ids of that event. */
  readonly ids: Readonly<Partial<Record<Relation, readonly string[]>>>
  /** Whether there are more before these, and after these. */
  readonly earlier: boolean
  readonly later: boolean
}

export async function readTimeline(
  value: unknown,
  ledger: string,
  wish: { readonly limit: number; readonly before: HitPlace | undefined; readonly order: HitOrder },
): Promise<Timeline> {
  const page = await readHits(value, ledger, wish, (fields, hit) => {
    const moreChanges = fields.has('moreChanges') ? fields.whole('moreChanges') : 0
    if (fields.has('moreChanges') && moreChanges === 0) throw untrustworthy('more changes are said to be none')
    const direction = fields.oneOf('direction', ['did', 'done-to', 'both'])
    return { ...hit, direction, changes: fields.list('changes').map(readChange), moreChanges }
  })
  const aliases = new Fields('the timeline', value).list('aliases').map((one) => {
    const fields = new Fields('an alias', one)
    const count = fields.whole('count')
    if (count === 0 || count > page.hits.length) throw untrustworthy('an alias is in more events than came, or in none')
    return { value: fields.anyText('value'), attribute: fields.text('attribute'), count }
  })
  return { ...page, aliases }
}

function readChange(value: unknown): Change {
  const fields = new Fields('a change', value)
  const optional = (name: 'target' | 'old' | 'new') => (fields.has(name) ? { [name]: fields.anyText(name) } : {})
  return { ...optional('target'), name: fields.anyText('name'), ...optional('old'), ...optional('new') }
}

export async function readRelated(
  value: unknown,
  searched: string,
  asked: { readonly ledger: string; readonly index: number; readonly by: readonly Relation[]; readonly limit: number },
): Promise<Related> {
  const { by, limit } = asked
  const wish = { limit, before: undefined, order: 'oldest' } as const
  const { next: _, ...page } = await readHits(value, searched, wish, (fields, hit) => {
    return { ...hit, by: fields.texts('by').map((text) => relationOf(text, by)) }
  })
  if (!page.hits.some(({ ledger, index }) => ledger === asked.ledger && index === asked.index)) {
    throw untrustworthy(`event ${asked.index} is not among those that belong to it`)
  }
  const fields = new Fields('the related events', value)
  const ids = fields.members('ids').map(([name]) => {
    return [relationOf(name, by), new Fields('the ids', fields.object('ids')).texts(name)] as const
  })
  return { ...page, ids: Object.fromEntries(ids), earlier: fields.flag('earlier'), later: fields.flag('later') }
}

function relationOf(text: string, asked: readonly Relation[]): Relation {
  const relation = asked.find((one) => one === text)
  if (relation === undefined) throw untrustworthy(`what is shared is said to be ${text}, which was not asked for`)
  return relation
}
