// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Searches for events: a page of hits, each read from the ledger and held against it (hits.ts), and a cursor for more. */
import type { z } from 'zod'
import type { Found, SearchScope } from '../index/search.ts'
import { Problem } from '../schema/problem.ts'
import { EVERY_LEDGER } from './admission.ts'
import { type Cursor, formatCursor, parseCursor, type Question } from './cursor.ts'
import { HitReader, type HitPage } from './hits.ts'
import { demandSearched, ledgersOf, questionOf, reachOf, recordOf, scopeOf, sizesNow } from './question.ts'
import type { Answer, Call, Services } from './route.ts'
import type { searchParams } from './schemas.ts'
import type { eventsQuery } from './search-schemas.ts'
import { type Searching, unavailable } from './searches.ts'

const MAX_WAIT_MS = 10_000

type SearchCall = Call<z.output<typeof searchParams>, z.output<typeof eventsQuery>, undefined>

/** A page that is about to be read. */
interface Page {
  readonly question: Question
  readonly names: readonly string[]
  readonly scope: SearchScope
  readonly nowMs: number
  readonly cursor: Cursor | undefined
}

export async function searchEvents(call: SearchCall, services: Services): Promise<Answer> {
  const { params, query, caller, response } = call
  const { ledger } = params
  const question = questionOf(ledger, query)
  demandSearched(ledger)
  const wallMs = services.clock.wallMs()
  // What cannot be searched is refused before anybody waits for anything.
  scopeOf(question, [], [], wallMs)
  return await services.searches.run(caller, response, async (searching) => {
    if (query.wait !== undefined) await waitFor(ledger, query.wait, searching.gone, services)
    const readable = ledgersOf(question, wallMs, caller, services)
    const cursor = query.cursor === undefined ? undefined : parseCursor(query.cursor, question, readable)
    const names = cursor === undefined ? readable : readable.slice(0, cursor.sizes.length)
    const nowMs = cursor?.nowMs ?? wallMs
    const scope = scopeOf(question, names, sizesOf(names, cursor, services), nowMs)
    return await pageOf({ question, names, scope, nowMs, cursor }, searching, call, services)
  })
}

async function pageOf(page: Page, { search, gone }: Searching, call: SearchCall, services: Services): Promise<Answer> {
  const { question, names, scope, cursor } = page
  const { limit } = call.query
  const after = cursor === undefined ? undefined : lastOf(cursor, names)
  const { ledgers, normalise, metrics, onDamage, index } = services
  // Rows of older mappings, which are being made anew, may well say something else than the event does now.
  const sources = { ledgers, normalise, holding: call.holding, gone, isCurrent: index.isCurrent, onDamage }
  const reader = new HitReader(sources, scope, after, question.ledger === EVERY_LEDGER)
  // One more than is shown says whether there are more.
  const { hits } = await search.hits(scope, { limit: limit + 1, ...(after === undefined ? {} : { after }) }, gone)
  // A first page that holds all of them has counted them; else they are counted while they are read.
  const isAll = cursor === undefined && hits.length <= limit
  const known = isAll ? { count: hits.length, exact: true } : cursor?.total
  const counting = known === undefined ? search.count(scope, gone) : Promise.resolve(known)
  // Where it fails, that is told below, once nothing is being read any more.
  counting.catch(() => {})
  const read = await reader.read(hits.slice(0, limit))
  const total = await counting
  metrics.disagreed(read.disagreements)
  const told = atLeast(total, read.seenCount)
  const isMore = read.seenCount < hits.length && read.last !== undefined
  const next = isMore ? formatCursor(question, names, followOn(page, told, read.last)) : undefined
  return {
    body: bodyOf(read, next, { total: told, ...reachOf(question.ledger, names, services) }),
    carries: {
      ledger: question.ledger,
      count: read.texts.length,
      total: told,
      asked: recordOf(question),
      ledgers: [...read.shown].map(([ledger, indexes]) => ({ ledger, indexes })),
    },
  }
}

/** Counting may have been given up, or the index exchanged between its two answers. */
function atLeast({ count, exact }: Cursor['total'], seenCount: number): Cursor['total'] {
  return { count: Math.max(count, seenCount), exact }
}

/** The durable sizes as the first page found them, or those of now: what is searched, and no more until the last page. */
function sizesOf(names: readonly string[], cursor: Cursor | undefined, services: Services): readonly number[] {
  if (cursor === undefined) return sizesNow(names, services)
  const { ledgers } = services
  if (names.every((name, position) => (cursor.sizes[position] ?? 0) <= ledgers.log(name).size)) return cursor.sizes
  throw new Problem(
    'invalid-field',
    'cursor: the ledger is smaller than it was: it was rolled back, or is another one.',
  )
}

function lastOf({ last }: Cursor, names: readonly string[]): Found {
  return { ledger: names[last.ledger] ?? '', index: last.index, timeMs: last.timeMs }
}

function followOn({ names, scope, nowMs }: Page, total: Cursor['total'], { ledger, index, timeMs }: Found): Cursor {
  const sizes = scope.ledgers.map(({ size }) => size)
  return { nowMs, total, sizes, last: { ledger: names.indexOf(ledger), index, timeMs } }
}

/** The fields in the order of the schema; hits are JSON already. */
function bodyOf({ texts, disagreements }: HitPage, next: string | undefined, rest: object): Buffer {
  const tail = JSON.stringify({
    ...(next === undefined ? {} : { next }),
    ...(disagreements === 0 ? {} : { disagreements }),
    ...rest,
  })
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
