// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What belongs to the same request or session as an event, in the order of time around it: the events that bear one of
 * the ids that it bears. The ids are read from the event itself in the ledger, not from the index; that two events share
 * one is what their senders say.
 */
import type { z } from 'zod'
import type { Found, SearchScope } from '../index/search.ts'
import type { SearchDocument } from '../query/document.ts'
import { documentOf } from '../query/document.ts'
import { quoted } from '../query/tokens.ts'
import { EVERY_LEDGER } from './admission.ts'
import { demandIndex, hitRoomBytes } from './content.ts'
import type { Question } from './cursor.ts'
import { hitMembers, HitReader } from './hits.ts'
import { demandSearched, ledgersOf, reachOf, recordOf, scopeOf, sizesNow } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { eventParams } from './schemas.ts'
import type { RELATIONS, relatedQuery } from './search-schemas.ts'
import { atLeast, hitSources, pageBody, shownOf } from './search.ts'
import type { Searching } from './searches.ts'

type RelatedCall = Call<z.output<typeof eventParams>, z.output<typeof relatedQuery>, undefined>
type Relation = (typeof RELATIONS)[number]
type Ids = Readonly<Partial<Record<Relation, readonly string[]>>>

export async function readRelated(call: RelatedCall, services: Services): Promise<Answer> {
  const { params, query, caller, response } = call
  const { ledger, index } = params
  demandSearched(ledger)
  demandIndex(services.ledgers, ledger, index)
  return await services.searches.run(caller, response, async (searching) => {
    const document = await documentAt(call, services)
    const ids: Ids = Object.fromEntries(
      query.by.flatMap((relation) => (document[relation].length === 0 ? [] : [[relation, document[relation]]])),
    )
    const question = questionFor(ids, query.everyLedger ? EVERY_LEDGER : ledger)
    const nowMs = services.clock.wallMs()
    const readable = ledgersOf(question, nowMs, caller, services)
    // One of Stele's own is not among all; the event that is asked about is.
    const names = readable.includes(ledger) ? readable : [...readable, ledger]
    const scope = scopeOf(question, names, sizesNow(names, services), nowMs)
    const asked = { ledger, index, timeMs: document.timeMs }
    return await answerAround({ asked, ids, question, names, scope }, searching, call, services)
  })
}

interface Around {
  readonly asked: Found
  readonly ids: Ids
  readonly question: Question
  readonly names: readonly string[]
  readonly scope: SearchScope
}

async function answerAround(
  { asked, ids, question, names, scope }: Around,
  { search, gone }: Searching,
  { holding, query: { limit } }: RelatedCall,
  services: Services,
): Promise<Answer> {
  const isAlone = Object.keys(ids).length === 0
  const side = async (order: 'newest' | 'oldest') =>
    isAlone ? [] : (await search.hits(scope, { limit, after: asked, order }, gone)).hits
  const [before, after] = [await side('newest'), await side('oldest')]
  const { earlier, later } = nearest(before, after, limit - 1)
  const finds = [...earlier.toReversed(), asked, ...later]
  const reader = new HitReader(hitSources(holding, gone, services), {
    scope: withWhole(scope, asked, services),
    order: 'oldest',
    after: undefined,
    form: (hit) => {
      const by = (Object.keys(ids) as Relation[]).filter((relation) => isShared(ids[relation], hit.document[relation]))
      return Buffer.from(JSON.stringify({ ...hitMembers(hit, question.ledger === EVERY_LEDGER), by }))
    },
  })
  const isAll = before.length === earlier.length && after.length === later.length
  const foundCount = before.length + 1 + after.length
  const counted = isAll ? { count: foundCount, exact: true } : await search.count(scope, gone)
  const read = await reader.read(finds)
  services.metrics.disagreed(read.disagreements)
  const total = atLeast(counted, foundCount)
  const besides = {
    ids,
    earlier: before.length > earlier.length,
    later: after.length > later.length || read.seenCount < finds.length,
  }
  return {
    body: pageBody(read, besides, { total, ...reachOf(question.ledger, names, services) }),
    carries: isAlone
      ? { ledger: asked.ledger, first: asked.index, count: 1 }
      : {
          ledger: question.ledger,
          count: read.texts.length,
          total,
          asked: recordOf(question),
          ledgers: shownOf(read),
        },
  }
}

async function documentAt({ params, holding }: RelatedCall, services: Services): Promise<SearchDocument> {
  const { ledgers, normalise } = services
  const { entry, event } = await ledgers.event(params.ledger, params.index, (bytes) => {
    holding.take(hitRoomBytes(bytes))
  })
  const { ocsf, value } = normalise(entry, event)
  return documentOf(entry, ocsf, value)
}

/** An event without any of the ids is found by none. */
function questionFor(ids: Ids, ledger: string): Question {
  const terms = Object.entries(ids).flatMap(([relation, values]) =>
    values.map((value) => `${relation}:${quoted(value, 'literal')}`),
  )
  return { ledger, q: terms.join(' OR '), since: undefined, until: undefined }
}

/** Half of what there is room for on each side; what one side leaves the other gets. */
function nearest(
  before: readonly Found[],
  after: readonly Found[],
  room: number,
): { readonly earlier: readonly Found[]; readonly later: readonly Found[] } {
  const half = Math.floor(room / 2)
  const earlierCount = Math.min(before.length, Math.max(half, room - after.length))
  return { earlier: before.slice(0, earlierCount), later: after.slice(0, room - earlierCount) }
}

/** The event that is asked about may not be indexed yet. */
function withWhole(scope: SearchScope, { ledger }: Found, { ledgers }: Services): SearchScope {
  return {
    ...scope,
    ledgers: scope.ledgers.map((one) => (one.name === ledger ? { ...one, size: ledgers.log(ledger).size } : one)),
  }
}

function isShared(ids: readonly string[] | undefined, values: readonly string[]): boolean {
  return ids !== undefined && values.some((value) => ids.includes(value))
}
