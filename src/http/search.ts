// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Searches for events: a page of hits, each read from the ledger and held against it (hits.ts), and a cursor for more. */
import type { z } from 'zod'
import type { LedgerRead } from '../access/audit.ts'
import type { Found, SearchScope } from '../index/search.ts'
import { Problem } from '../schema/problem.ts'
import { EVERY_LEDGER } from './admission.ts'
import type { Holding } from './budget.ts'
import type { Cursor, Question } from './cursor.ts'
import { type HitForm, hitForm, HitReader, type HitPage, type HitSources } from './hits.ts'
import { demandSearched, ledgersOf, questionOf, reachOf, recordOf, scopeOf, sizesNow } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { searchParams } from './schemas.ts'
import type { eventsQuery } from './search-schemas.ts'
import { type Searching, unavailable } from './searches.ts'

const MAX_WAIT_MS = 10_000

type AnyCall = Pick<Call<unknown, unknown, unknown>, 'caller' | 'response' | 'holding'>
type SearchCall = Call<z.output<typeof searchParams>, z.output<typeof eventsQuery>, undefined>

/** What a page is asked for, whatever its hits are shown as. */
export interface PageRequest {
  readonly question: Question
  readonly limit: number
  readonly cursor: string | undefined
  /** Waits until this entry can be found. */
  readonly wait?: number | undefined
  readonly form: HitForm
  /** What the answer says besides, once the hits are read. */
  readonly besides?: () => object
}

/** A page that is about to be read. */
interface Page {
  readonly request: PageRequest
  readonly names: readonly string[]
  readonly scope: SearchScope
  readonly nowMs: number
  readonly cursor: Cursor | undefined
}

export async function searchEvents(call: SearchCall, services: Services): Promise<Answer> {
  const { params, query } = call
  const { ledger } = params
  const { limit, cursor, wait } = query
  const form = hitForm(ledger === EVERY_LEDGER)
  return await answerPage(call, services, { question: questionOf(ledger, query), limit, cursor, wait, form })
}

/** Finds, reads and answers a page of hits. */
export async function answerPage(call: AnyCall, services: Services, request: PageRequest): Promise<Answer> {
  const { caller, response } = call
  const { question, wait } = request
  const { ledger } = question
  demandSearched(ledger)
  const wallMs = services.clock.wallMs()
  // What cannot be searched is refused before anybody waits for anything.
  scopeOf(question, [], [], wallMs)
  return await services.searches.run(caller, response, async (searching) => {
    if (wait !== undefined) await waitFor(ledger, wait, searching.gone, services)
    const readable = ledgersOf(question, wallMs, caller, services)
    const cursor = request.cursor === undefined ? undefined : services.cursors.parse(request.cursor, question, readable)
    const names = cursor === undefined ? readable : readable.slice(0, cursor.sizes.length)
    const nowMs = cursor?.nowMs ?? wallMs
    const scope = scopeOf(question, names, cursor?.sizes ?? sizesNow(names, services), nowMs)
    return await pageOf({ request, names, scope, nowMs, cursor }, searching, call, services)
  })
}

async function pageOf(page: Page, { search, gone }: Searching, call: AnyCall, services: Services): Promise<Answer> {
  const { request, names, scope, cursor } = page
  const { question, limit, form, besides } = request
  const { order = 'newest' } = question
  const after = cursor === undefined ? undefined : lastOf(cursor, names)
  const reader = new HitReader(hitSources(call.holding, gone, services), { scope, order, after, form })
  // One more than is shown says whether there are more.
  const { hits } = await search.hits(
    scope,
    { limit: limit + 1, order, ...(after === undefined ? {} : { after }) },
    gone,
  )
  // Pages that hold all of them have counted them; else they are counted while they are read.
  const foundCount = (cursor?.seenCount ?? 0) + hits.length
  const all = hits.length <= limit ? { count: foundCount, exact: true } : undefined
  const known = cursor?.total.exact === true ? cursor.total : (all ?? cursor?.total)
  const counting = known === undefined ? search.count(scope, gone) : Promise.resolve(known)
  // Where it fails, that is told below, once nothing is being read any more.
  counting.catch(() => {})
  const read = await reader.read(hits.slice(0, limit))
  const total = await counting
  services.metrics.disagreed(read.disagreements)
  const told = atLeast(total, foundCount)
  const isMore = read.seenCount < hits.length && read.last !== undefined
  const next = isMore ? services.cursors.format(question, names, followOn(page, told, read, read.last)) : undefined
  return {
    body: pageBody(
      read,
      { ...(next === undefined ? {} : { next }), ...besides?.() },
      {
        total: told,
        ...reachOf(question.ledger, names, services),
      },
    ),
    carries: {
      ledger: question.ledger,
      count: read.texts.length,
      total: told,
      asked: recordOf(question),
      ledgers: shownOf(read),
    },
  }
}

export function hitSources(holding: Holding, gone: AbortSignal, services: Services): HitSources {
  const { ledgers, normalise, onDamage, index } = services
  // Rows of older mappings, which are being made anew, may well say something else than the event does now.
  return { ledgers, normalise, holding, gone, isCurrent: index.isCurrent, onDamage }
}

/** What of which ledger a page shows, for the record. */
export function shownOf({ shown }: HitPage): LedgerRead[] {
  return [...shown].map(([ledger, indexes]) => ({ ledger, indexes }))
}

/** Counting may have been given up, or the index exchanged between its two answers: there are all that were found. */
export function atLeast({ count, exact }: Cursor['total'], foundCount: number): Cursor['total'] {
  return { count: Math.max(count, foundCount), exact: exact && count >= foundCount }
}

function lastOf({ last }: Cursor, names: readonly string[]): Found {
  return { ledger: names[last.ledger] ?? '', index: last.index, timeMs: last.timeMs }
}

function followOn({ names, scope, nowMs, cursor }: Page, total: Cursor['total'], read: HitPage, last: Found): Cursor {
  const sizes = scope.ledgers.map(({ size }) => size)
  const seenCount = (cursor?.seenCount ?? 0) + read.texts.length
  const { ledger, index, timeMs } = last
  return { nowMs, total, seenCount, sizes, last: { ledger: names.indexOf(ledger), index, timeMs } }
}

/** Hits are JSON already; `rest` stands behind how many of them were left out. */
export function pageBody({ texts, disagreements }: HitPage, besides: object, rest: object): Buffer {
  const tail = JSON.stringify({ ...besides, ...(disagreements === 0 ? {} : { disagreements }), ...rest })
  const pieces = texts.flatMap((text, position) => (position === 0 ? [text] : [comma, text]))
  return Buffer.concat([Buffer.from('{"hits":['), ...pieces, Buffer.from(`],${tail.slice(1)}`)])
}

const comma = Buffer.from(',')

/** Resolves once the entry can be found. */
async function waitFor(ledger: string, index: number, gone: AbortSignal, services: Services): Promise<void> {
  if (ledger === EVERY_LEDGER) throw new Problem('invalid-field', 'wait: it is an index of one ledger; name that.')
  const { size } = services.ledgers.log(ledger)
  if (index >= size) {
    throw new Problem('index-unknown', `The ledger has ${size} entries: there is no ${index} to wait for.`, {
      limit: size,
    })
  }
  if (await services.index.waitFor(ledger, index + 1, MAX_WAIT_MS, gone)) return
  const indexed = services.index.indexed(ledger)
  throw unavailable(`entry ${index} is not indexed yet, ${indexed} of ${size} are`, true)
}
