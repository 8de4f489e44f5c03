// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Searching over HTTP, warm, one question after the other: hits with their content, read from the ledger and held
 * against it. Beside it the same questions put to the same ClickHouse without Stele: what believing the index would save.
 */
import { join } from 'node:path'
import { connect } from '../src/index/connection.ts'
import { EmbeddedServer } from '../src/index/embedded.ts'
import { Search, type SearchScope } from '../src/index/search.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { NodeFiles } from '../src/platform/files.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { parseQuery } from '../src/query/parse.ts'
import { inFolder, startIndexed } from './filled.ts'
import { events1k } from './generate.ts'
import { count, table } from './report.ts'
import type { Running } from './subjects.ts'

const BATCH = 500
const BODY_COUNT = 64
const QUESTION_COUNT = 200
const WARM_UP_COUNT = 20
const LIMIT = 50
const SETTLED_MS = 15_000

interface Question {
  readonly name: string
  readonly route: 'events' | 'histogram'
  readonly by?: string
  /** In the search language, all different where the question has a variable. */
  readonly queries: readonly string[]
}

export async function benchSearch(eventCount: number): Promise<string> {
  return await inFolder(async (folder) => {
    const bodies = Array.from({ length: BODY_COUNT }, (_, seed) => events1k(BATCH, seed, true))
    const { running } = await startIndexed(folder, bodies, eventCount)
    // ClickHouse merges what was just inserted.
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS))
    const rows = [['question', 'hits', 'Stele p50 ms', 'p95 ms', 'ClickHouse alone p50 ms', 'p95 ms']]
    try {
      const questions = await questionsOf(running)
      const served: string[][] = []
      for (const question of questions) served.push(await overHttp(running, question))
      await running.stop()
      const alone = await withoutStele(folder, eventCount, questions)
      for (const [at, row] of served.entries()) rows.push([...row, ...(alone[at] ?? [])])
    } finally {
      await running.stop()
    }
    return `${count(eventCount)} events of 1 KB, ${QUESTION_COUNT} different questions each, newest ${LIMIT}\n${table(rows)}`
  })
}

async function questionsOf(running: Running): Promise<Question[]> {
  const { hits } = (await answerOf(running, 'events', 'limit=1000')) as { hits: { event: string }[] }
  const events = hits.map(
    ({ event }) =>
      JSON.parse(event) as {
        correlationId: string
        properties: {
          id: string
          initiatedBy: { user: { userPrincipalName: string } }
          targetResources: { id: string }[]
        }
      },
  )
  const distinct = (values: readonly string[]) => [...new Set(values)].slice(0, QUESTION_COUNT)
  const actors = distinct(events.map(({ properties }) => properties.initiatedBy.user.userPrincipalName))
  return [
    { name: 'newest 50 of an actor', route: 'events', queries: actors.map((actor) => `actor:${actor}`) },
    {
      name: 'two rare tokens',
      route: 'events',
      queries: distinct(
        events.map(
          ({ correlationId, properties }) =>
            `${correlationId.slice(-12)} ${properties.targetResources[0]!.id.slice(0, 8)}`,
        ),
      ),
    },
    {
      name: 'actor, action and time range',
      route: 'events',
      queries: actors.map(
        (actor) => `actor:${actor} action:"Add member to group" after:2026-01-05T06:00Z before:2026-01-05T18:00Z`,
      ),
    },
    { name: 'broad filter', route: 'events', queries: actors.map(() => 'action:"Remove member from group"') },
    { name: 'histogram of all by outcome', route: 'histogram', by: 'outcome', queries: actors.map(() => '') },
  ]
}

async function overHttp(running: Running, { name, route, by, queries }: Question): Promise<string[]> {
  const times: number[] = []
  let hitCount = 0
  for (const [turn, q] of [...queries.slice(0, WARM_UP_COUNT), ...queries].entries()) {
    const parameters = new URLSearchParams({
      q,
      ...(route === 'events' ? { limit: String(LIMIT) } : { by: by ?? 'outcome' }),
    })
    const startedMs = performance.now()
    const answer = (await answerOf(running, route, parameters.toString())) as { hits?: unknown[] }
    if (turn < WARM_UP_COUNT) continue
    times.push(performance.now() - startedMs)
    hitCount += answer.hits?.length ?? 0
  }
  return [name, (hitCount / times.length).toFixed(1), ...percentiles(times)]
}

async function withoutStele(folder: string, eventCount: number, questions: readonly Question[]): Promise<string[][]> {
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
    const rows: string[][] = []
    for (const question of questions) rows.push(await aloneTimes(search, eventCount, question))
    return rows
  } finally {
    await client.close()
    await feed.close()
    await server.close()
  }
}

async function aloneTimes(search: Search, eventCount: number, { route, by, queries }: Question): Promise<string[]> {
  const times: number[] = []
  const signal = new AbortController().signal
  for (const [turn, q] of [...queries.slice(0, WARM_UP_COUNT), ...queries].entries()) {
    const scope: SearchScope = { ledgers: [{ name: 'main', size: eventCount }], query: parseQuery(q, 0) }
    const startedMs = performance.now()
    if (route === 'events') await search.hits(scope, { limit: LIMIT }, signal)
    else {
      const dayMs = 86_400_000
      const fromMs = Date.parse('2026-01-05T00:00:00Z')
      await search.histogram(
        scope,
        { fromMs, toMs: fromMs + dayMs, stepMs: dayMs / 48, ...(by === 'outcome' ? { by } : {}) },
        signal,
      )
    }
    if (turn >= WARM_UP_COUNT) times.push(performance.now() - startedMs)
  }
  return percentiles(times)
}

async function answerOf({ url, headers }: Running, route: string, parameters: string): Promise<unknown> {
  const address = new URL(`/v1/ledgers/main/${route}?${parameters}`, url)
  const answer = await fetch(address, { headers: { authorization: headers['authorization'] ?? '' } })
  if (answer.status !== 200) throw new Error(`${address.href}: ${answer.status} ${await answer.text()}`)
  return await answer.json()
}

function percentiles(times: readonly number[]): string[] {
  const sorted = times.toSorted((one, other) => one - other)
  return [0.5, 0.95].map((share) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1))
}
