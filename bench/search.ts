// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Searching over HTTP, warm, one question after the other: hits with their content, read from the ledger and held
 * against it. Beside it the same questions put to the same ClickHouse without Stele (what believing the index would
 * save), and to PostgreSQL with the same events (bench/postgres.ts).
 */
import { Worker } from 'node:worker_threads'
import { join } from 'node:path'
import { connect } from '../src/index/connection.ts'
import { EmbeddedServer } from '../src/index/embedded.ts'
import { Search, type SearchScope } from '../src/index/search.ts'
import { stepsOver } from '../src/http/time-steps.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { NodeFiles } from '../src/platform/files.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { parseQuery } from '../src/query/parse.ts'
import type { AppendLoad } from './append-load.ts'
import { indexProgress, inFolder } from './filled.ts'
import { events1k } from './generate.ts'
import { postgresTimes } from './postgres.ts'
import { count, table } from './report.ts'
import { type SearchGround, searchGround } from './search-ground.ts'
import { type Asked, FACET_FIELDS, LIMIT, parametersOf, type Question, questionsOf } from './search-questions.ts'
import type { Running } from './subjects.ts'

const QUESTION_COUNT = 200
const WARM_UP_COUNT = 20
const LOAD_EVENTS = 500
const LOAD_BODIES = 32
const LOAD_PER_SECOND = 20_000
const signal = new AbortController().signal

export interface SearchBench {
  /** Kept, and used again by the next run. */
  readonly folder: string | undefined
  /** While so many events are being appended and indexed. */
  readonly isUnderLoad: boolean
  readonly withPostgres: boolean
}

export async function benchSearch(
  eventCount: number,
  { folder, isUnderLoad, withPostgres }: SearchBench,
): Promise<string> {
  const work = async (place: string) => {
    const ground = await searchGround(place, eventCount)
    const questions = questionsOf(ground.events, QUESTION_COUNT)
    const parts = [await measured(ground, questions, isUnderLoad)]
    // Appending has made it another ledger: the next run fills its own.
    parts.unshift(`${count(eventCount)} events, ${QUESTION_COUNT} different questions each, newest ${LIMIT}`)
    if (!isUnderLoad) parts.push(aside('ClickHouse alone', questions, await withoutStele(place, eventCount, questions)))
    if (withPostgres) {
      const postgres = await postgresTimes(ground.events, eventCount, questions)
      parts.push(typeof postgres === 'string' ? postgres : aside(postgres.name, questions, postgres.times))
    }
    return parts.join('\n\n')
  }
  return folder === undefined ? await inFolder(work) : await work(folder)
}

async function measured(ground: SearchGround, questions: readonly Question[], isUnderLoad: boolean): Promise<string> {
  const { running, rawBytes, indexBytes, filledPerSecond, indexedMs } = ground
  const rows = [['question', 'hits', 'p50 ms', 'p95 ms', 'bar', 'within']]
  const load = isUnderLoad ? startLoad(running) : undefined
  try {
    let peakBytes = 0
    for (const question of questions) {
      const { hits, times } = await overHttp(running, question)
      const [p50 = 0, p95 = 0] = percentiles(times)
      const bar = question.barMs * (isUnderLoad ? 3 : 1)
      rows.push([
        question.name,
        hits.toFixed(1),
        p50.toFixed(1),
        p95.toFixed(1),
        String(bar),
        p95 <= bar ? 'yes' : 'no',
      ])
      peakBytes = Math.max(peakBytes, running.memoryBytes())
    }
    const facts = [
      `index: ${(indexBytes / rawBytes).toFixed(3)} bytes a raw byte (${megabytes(indexBytes)} of ${megabytes(rawBytes)})`,
      ...(indexedMs === undefined ? [] : [`rebuilt in ${(indexedMs / 1_000).toFixed(0)} s`]),
      ...(filledPerSecond === undefined ? [] : [`filled at ${count(filledPerSecond)} events/s`]),
      `memory of all processes: ${megabytes(peakBytes)}`,
      ...(load === undefined ? [] : [await load.told()]),
    ]
    return `over HTTP${isUnderLoad ? `, ${count(LOAD_PER_SECOND)} events/s being appended and indexed` : ''}\n${table(rows)}\n${facts.join('; ')}`
  } finally {
    await load?.stop()
    await running.stop()
  }
}

async function overHttp(running: Running, question: Question): Promise<{ hits: number; times: readonly number[] }> {
  const times: number[] = []
  let hits = 0
  for (const [turn, asked] of [...question.asked.slice(0, WARM_UP_COUNT), ...question.asked].entries()) {
    const parameters = parametersOf(question, asked).toString()
    const startedMs = performance.now()
    const answer = (await answerOf(running, question.route, parameters)) as { hits?: unknown[] }
    if (turn < WARM_UP_COUNT) continue
    times.push(performance.now() - startedMs)
    hits += answer.hits?.length ?? 0
  }
  return { hits: hits / times.length, times }
}

async function withoutStele(folder: string, size: number, questions: readonly Question[]): Promise<number[][]> {
  const parts = { disk: new NodeDisk(), files: new NodeFiles(), clock: new SystemClock(), random: new SystemRandom() }
  const server = EmbeddedServer.start({ directory: join(folder, 'data/index'), ...parts, log: () => {} })
  const client = connect((await server.whenReady()).search)
  const feed = connect((await server.whenReady()).feed)
  try {
    const [row] = await (
      await feed.query({ query: "SELECT name FROM system.tables WHERE database = 'stele'", format: 'JSONEachRow' })
    ).json<{ name: string }>()
    const search = new Search(
      () => client,
      () => row!.name,
    )
    const all: number[][] = []
    for (const { route, asked } of questions) {
      const times: number[] = []
      for (const [turn, one] of [...asked.slice(0, WARM_UP_COUNT), ...asked].entries()) {
        const startedMs = performance.now()
        await askIndex(search, route, one, size)
        if (turn >= WARM_UP_COUNT) times.push(performance.now() - startedMs)
      }
      all.push(times)
    }
    return all
  } finally {
    await client.close()
    await feed.close()
    await server.close()
  }
}

async function askIndex(search: Search, route: Question['route'], asked: Asked, size: number): Promise<void> {
  const { q, sinceMs, untilMs, buckets } = asked
  const scope: SearchScope = {
    ledgers: [{ name: 'main', size }],
    query: parseQuery(q, 0),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  }
  if (route === 'facets') await search.facets(scope, FACET_FIELDS, 10, signal)
  else if (route === 'histogram') {
    const { firstMs = 0, lastMs = 0 } = (await search.span(scope, signal)) ?? {}
    await search.histogram(scope, { ...stepsOver(firstMs, lastMs + 1, buckets ?? 1), by: 'outcome' }, signal)
  } else await search.hits(scope, { limit: LIMIT + 1 }, signal)
}

async function answerOf({ url, headers }: Running, route: string, parameters: string): Promise<unknown> {
  const address = new URL(`/v1/ledgers/main/${route}?${parameters}`, url)
  const answer = await fetch(address, { headers: { authorization: headers['authorization'] ?? '' } })
  if (answer.status !== 200) throw new Error(`${address.href}: ${answer.status} ${await answer.text()}`)
  return await answer.json()
}

interface Load {
  /** How fast it was, and how far the index is behind. */
  told(): Promise<string>
  stop(): Promise<void>
}

function startLoad(running: Running): Load {
  const { url, headers } = running
  const appended = new SharedArrayBuffer(8)
  const bodies = Array.from({ length: LOAD_BODIES }, (_, seed) => new Uint8Array(events1k(LOAD_EVENTS, seed, true)))
  const rate = { eventsPerBody: LOAD_EVENTS, eventsPerSecond: LOAD_PER_SECOND }
  const workerData: AppendLoad = { url, headers, bodies, appended, ...rate }
  const worker = new Worker(new URL('append-load.ts', import.meta.url), { workerData })
  const startedMs = performance.now()
  return {
    async told() {
      const { indexed, size } = await indexProgress(running)
      const perSecond = new Float64Array(appended)[0]! / ((performance.now() - startedMs) / 1_000)
      return `${count(perSecond)} events/s were appended, the index is ${count(size - indexed)} behind`
    },
    async stop() {
      await worker.terminate()
    },
  }
}

function aside(name: string, questions: readonly Question[], times: readonly (readonly number[])[]): string {
  const rows = [['question', 'p50 ms', 'p95 ms']]
  for (const [at, question] of questions.entries()) {
    rows.push([question.name, ...percentiles(times[at] ?? []).map((ms) => ms.toFixed(1))])
  }
  return `${name}\n${table(rows)}`
}

function percentiles(times: readonly number[]): number[] {
  const sorted = times.toSorted((one, other) => one - other)
  return [0.5, 0.95].map((share) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
}

function megabytes(bytes: number): string {
  return `${count(bytes / 1e6)} MB`
}
