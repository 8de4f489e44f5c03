// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * From acknowledged to searchable: how fast events are normalised, how fast a log that is there gets into an empty
 * index, how long an event takes at a steady rate, and what appends lose while the index is fed. Server, follower,
 * ClickHouse and the load run on this one machine.
 */
import { parseEntry, formatEntry } from '@stele/proof'
import { demoStory } from '../src/demo/story.ts'
import { documentOf } from '../src/query/document.ts'
import { cut } from '../src/sources/cut.ts'
import { normalise } from '../src/sources/normalise.ts'
import { appendAll, indexProgress, inFolder, reached, startIndexed } from './filled.ts'
import { entraMix, events1k } from './generate.ts'
import { runLoad, wrkInstalled } from './load.ts'
import { count, table } from './report.ts'
import { bodyFiles, type Running, startStele } from './subjects.ts'

const BATCH = 500
const BODY_COUNT = 16
const NORMALISE_MS = 3_000
const STEADY_PER_SECOND = 1_000
const STEADY_MS = 10_000
const TICK_MS = 10

export async function benchIndex(eventCount: number, seconds: number): Promise<string> {
  const parts = [normalising(), await filling(eventCount), await steady()]
  parts.push(wrkInstalled() ? await besideAppends(seconds) : 'appends while it is fed: wrk is not installed')
  return parts.join('\n\n')
}

/** One core, no disk, no index. */
function normalising(): string {
  const rows = [['one core', 'bytes an event', 'JSON.parse alone/s', 'normalised/s', 'and made a row/s']]
  for (const [name, body] of [
    ['audits of 1 KB', events1k(2_000, 1)],
    ['Entra mix', entraMix(2_000, 1)],
    ['the demo story', Buffer.from(demoStory(1_767_571_200_000).body)],
  ] as const) {
    const cases = casesOf(body)
    const rates = [
      perSecond(cases, ({ event }) => void JSON.parse(event.toString('utf8'))),
      perSecond(cases, ({ entry, event }) => void normalise(entry, event)),
      perSecond(cases, ({ entry, event }) => {
        const { ocsf, value } = normalise(entry, event)
        documentOf(entry, ocsf, value)
      }),
    ]
    rows.push([name, count(body.length / cases.length), ...rates.map(count)])
  }
  return `normalising\n${table(rows)}`
}

type Case = ReturnType<typeof casesOf>[number]

function casesOf(body: Buffer) {
  const { count: events, starts, ends, sources, kinds } = cut(body, 'application/x-ndjson')
  return Array.from({ length: events }, (_, at) => {
    const event = body.subarray(starts[at], ends[at])
    const known = {
      at: '2026-01-05T00:00:00.000Z',
      by: 'bench',
      media: 'application/json',
      sha256: 'A'.repeat(43),
    } as const
    const line = formatEntry({ ...known, source: sources[kinds[at] ?? 0] ?? 'generic', size: event.length })
    return { entry: parseEntry(Buffer.from(line)), event }
  })
}

function perSecond(cases: readonly Case[], work: (one: Case) => void): number {
  for (const one of cases) work(one)
  let done = 0
  const startedMs = performance.now()
  while (performance.now() - startedMs < NORMALISE_MS) {
    for (const one of cases) work(one)
    done += cases.length
  }
  return done / ((performance.now() - startedMs) / 1_000)
}

/** The log is there, the index holds nothing: from the moment at which it can be asked until all can be found. */
async function filling(eventCount: number): Promise<string> {
  const rows = [['an empty index', 'events', 'searchable/s', 'MB/s', 'index bytes a byte']]
  for (const [name, make, events] of [
    ['audits of 1 KB', events1k, eventCount],
    ['Entra mix', entraMix, Math.ceil(eventCount / 8)],
  ] as const) {
    rows.push(
      await inFolder(async (folder) => {
        const bodies = Array.from({ length: BODY_COUNT }, (_, seed) => make(BATCH, seed, true))
        const { running, tookMs, indexBytes } = await startIndexed(folder, bodies, events)
        await running.stop()
        const eventBytes = (bodies.reduce((sum, body) => sum + body.length, 0) / (BODY_COUNT * BATCH)) * events
        const perMs = events / tookMs
        const megabytes = (eventBytes / 1e3 / tookMs).toFixed(0)
        return [name, count(events), count(perMs * 1_000), megabytes, (indexBytes / eventBytes).toFixed(3)]
      }),
    )
  }
  return `filling\n${table(rows)}`
}

/** Events come one by one; of each, the time from its acknowledgement until the index is said to hold it. */
async function steady(): Promise<string> {
  return await inFolder(async (folder) => {
    const running = await startStele(folder)
    try {
      await appendAll(running, [events1k(BATCH, 99)], BATCH)
      // Both children are there, and warm.
      await reached(running, ({ indexed, size }) => indexed >= size)
      const events = events1k(STEADY_PER_SECOND, 5).toString('latin1').trimEnd().split('\n')
      const acknowledged: Acknowledged[] = []
      const tookMs: number[] = []
      const startedMs = performance.now()
      let sent = 0
      const sending: Promise<void>[] = []
      while (performance.now() - startedMs < STEADY_MS || acknowledged.length > 0) {
        const elapsedMs = Math.min(performance.now() - startedMs, STEADY_MS)
        for (; sent < (elapsedMs / 1_000) * STEADY_PER_SECOND; sent++) {
          sending.push(appendOne(running, events[sent % events.length]!, acknowledged))
        }
        const { indexed } = await indexProgress(running)
        const nowMs = performance.now()
        for (let at = acknowledged.length - 1; at >= 0; at--) {
          const { index, atMs } = acknowledged[at]!
          if (index >= indexed) continue
          tookMs.push(nowMs - atMs)
          acknowledged.splice(at, 1)
        }
        await new Promise((resolve) => setTimeout(resolve, TICK_MS))
      }
      await Promise.all(sending)
      tookMs.sort((one, other) => one - other)
      const at = (share: number) => count(tookMs[Math.floor((tookMs.length - 1) * share)] ?? 0)
      const rows = [['a steady rate', 'events', 'p50 ms', 'p99 ms', 'max ms']]
      rows.push([`${STEADY_PER_SECOND} one a request a second`, count(tookMs.length), at(0.5), at(0.99), at(1)])
      return `from acknowledged to searchable\n${table(rows)}`
    } finally {
      await running.stop()
    }
  })
}

interface Acknowledged {
  readonly index: number
  readonly atMs: number
}

async function appendOne({ url, headers }: Running, body: string, acknowledged: Acknowledged[]): Promise<void> {
  const answer = await fetch(url, { method: 'POST', headers, body })
  const { first } = (await answer.json()) as { first: number }
  acknowledged.push({ index: first, atMs: performance.now() })
}

async function besideAppends(seconds: number): Promise<string> {
  const rows = [
    ['appending 1 KB, NDJSON of 500, 8 connections', 'events/s', 'p99 ms', 'errors', 'share', 'indexed/s meanwhile'],
  ]
  let alone = 0
  for (const [name, args] of [
    ['without an index', ['--no-index']],
    ['while the index is fed', []],
  ] as const) {
    rows.push(
      await inFolder(async (folder) => {
        const bodies = Array.from({ length: BODY_COUNT }, (_, seed) => events1k(BATCH, seed, true))
        const running = await startStele(folder, args)
        try {
          const { url, headers } = running
          const load = { url, headers, bodyPaths: bodyFiles(folder, bodies), connections: 8, folder }
          await runLoad({ ...load, seconds: 3 })
          const before = await indexProgress(running)
          const { requestsPerSecond, p99Ms, errors } = await runLoad({ ...load, seconds })
          const { indexed } = await indexProgress(running)
          if (alone === 0) alone = requestsPerSecond
          const share = `${((requestsPerSecond / alone) * 100).toFixed(0)} %`
          return [
            name,
            count(requestsPerSecond * BATCH),
            p99Ms.toFixed(1),
            String(errors),
            share,
            count((indexed - before.indexed) / seconds),
          ]
        } finally {
          await running.stop()
        }
      }),
    )
  }
  return `appends\n${table(rows)}`
}
