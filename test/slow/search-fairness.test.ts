// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What one token searches does not make another's searches, or anybody's appends, wait: their median at most doubles.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { noClickHouse } from '../clickhouse-fixture.ts'
import { append, caughtUp } from '../index-children.ts'
import { startTestServer, type TestServer } from '../server-fixture.ts'

const BEARABLE = 2
const EVENTS = 30_000
const EVENTS_PATH = '/v1/ledgers/main/events'
/** Every text is held against each of them, and has none. */
const HEAVY = Array.from({ length: 250 }, (_, at) => `*q${at}z*w${at}*`).join(' OR ')

async function medianMs(work: () => Promise<void>, count: number): Promise<number> {
  const took: number[] = []
  for (let turn = 0; turn < count; turn++) {
    const startedMs = performance.now()
    await work()
    took.push(performance.now() - startedMs)
  }
  return took.toSorted((a, b) => a - b)[Math.floor(count / 2)]!
}

function askedHeavily(server: TestServer, token: string): { readonly codes: Set<string>; stop: () => Promise<void> } {
  const over = new AbortController()
  const codes = new Set<string>()
  const asking = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) {
      try {
        const path = `${EVENTS_PATH}?q=${encodeURIComponent(HEAVY)}`
        const response = await server.ask(path, { token, signal: over.signal })
        const { code = 'found' } = (await response.json()) as { code?: string }
        codes.add(code)
      } catch (error) {
        // Whoever leaves gives the place to the next.
        if (!over.signal.aborted) throw error
      }
    }
  })
  return {
    codes,
    stop: async () => {
      over.abort()
      await Promise.all(asking)
    },
  }
}

test(
  'eight heavy searches of one token at a time: they end within bounds, another’s searches and appends take twice as long at most',
  { skip: noClickHouse, timeout: 110_000 },
  async (context) => {
    const server = await startTestServer(context, { config: { noIndex: false } })
    await append(server, EVENTS, 10_000)
    await caughtUp(server, 60_000)
    const heavy = await server.token(['read'])
    let next = 0
    const search = async () => {
      const { hits } = await server.askJson(`${EVENTS_PATH}?q=target:main-${next++ % EVENTS}&limit=10`)
      assert.equal(hits.length, 1)
    }
    const send = async () => void (await append(server, 1))
    let least = { search: Infinity, append: Infinity }
    const codes = new Set<string>()
    for (let attempt = 0; attempt < 3 && Math.max(least.search, least.append) > BEARABLE; attempt++) {
      const quiet = [await medianMs(search, 60), await medianMs(send, 60)] as const
      const asked = askedHeavily(server, heavy)
      // The first of them show that they are heavy.
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      const noisy = [await medianMs(search, 100), await medianMs(send, 100)] as const
      const [searchTimes, appendTimes] = [noisy[0] / quiet[0], noisy[1] / quiet[1]]
      const figures = [...quiet, ...noisy].map((ms) => ms.toFixed(1)).join(' ')
      context.diagnostic(
        `search ${searchTimes.toFixed(2)} times, append ${appendTimes.toFixed(2)} times (${figures} ms)`,
      )
      least = { search: Math.min(least.search, searchTimes), append: Math.min(least.append, appendTimes) }
      await asked.stop()
      for (const code of asked.codes) codes.add(code)
    }
    assert.ok(least.search <= BEARABLE && least.append <= BEARABLE, JSON.stringify(least))
    for (const code of codes) assert.match(code, /^(query-too-heavy|too-many-requests|found)$/)
    context.diagnostic([...codes].join(' '))
  },
)
