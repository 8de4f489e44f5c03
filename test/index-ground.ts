// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A data directory in a temporary folder with a table of ClickHouse fed from it, in one process.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type ClickHouseClient, createClient } from '@clickhouse/client'
import { type CheckResult, IndexCheck } from '../src/index/check.ts'
import { Feed, type FeedOptions, type Render } from '../src/index/feed.ts'
import type { Durable, LedgerSource } from '../src/index/ledger-source.ts'
import { IndexStore } from '../src/index/store.ts'
import { TABLE_VERSION, type TableKey, tableName } from '../src/index/tables.ts'
import { WriterSide } from '../src/index/writer-side.ts'
import { ownBatch } from '../src/ledger/batch.ts'
import { filesOf, type StreamedEntry, type Whereabouts } from '../src/ledger/entry-stream.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { randomBase32, SystemRandom } from '../src/platform/random.ts'
import { documentOf, type SearchDocument } from '../src/query/document.ts'
import { normalise } from '../src/sources/normalise.ts'
import { MemoryHeadStore, openStele, sealAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'

export const render: Render = (entry, event) => {
  const { ocsf, value } = normalise(entry, event)
  return documentOf(entry, ocsf, value)
}

function document({ entry, event }: StreamedEntry): SearchDocument {
  return render(entry, event)
}

export interface Ground {
  readonly stele: Stele
  readonly directory: string
  readonly store: IndexStore
  readonly client: ClickHouseClient
  readonly source: LedgerSource
  readonly table: TableKey
  /** Its name for SQL. */
  readonly sql: string
  readonly indexed: () => Readonly<Record<string, number>>
  readonly logged: readonly object[]
  /** Why indexing was held up, in order; undefined where it went on. */
  readonly troubles: readonly (string | undefined)[]
  append(ledger: string, count: number): Promise<void>
  /** Seals what is complete of the log, which is gone then; resolves to how many files that were. */
  seal(): Promise<number>
  feed(options?: Partial<FeedOptions>): Feed
  /** Resolves once the index is said to hold all entries. */
  caughtUp(): Promise<void>
  /** A check that was not run yet. */
  checkOf(table?: TableKey, held?: Readonly<Record<string, number>>): IndexCheck
  check(table?: TableKey): Promise<CheckResult>
}

/** `url` is a ClickHouse whose user `default` may do everything. */
export async function indexGround(context: Pick<TestContext, 'after'>, url: string): Promise<Ground> {
  const directory = await mkdtemp(join(tmpdir(), 'stele-index-'))
  const disk = new NodeDisk()
  const parts = { clock: new TurnedClock(), random: new SeededRandom(11), head: new MemoryHeadStore() }
  const sizes = { anchorEveryBytes: 2 ** 40, walFileBytes: 256 * 1024 }
  const stele = await openStele({ ...parts, disk, directory, sizes })
  const client = createClient({ url, username: 'default', database: 'stele' })
  const installId = randomBase32(new SystemRandom(), 13)
  const store = new IndexStore(() => client, installId, new SystemRandom())
  const source = sourceOf(new WriterSide(stele.ledgers))
  const table = { installId, tableVersion: TABLE_VERSION, mapperVersion: 1, generation: 1 }
  const files = filesOf(disk, directory)
  const feeds: Feed[] = []
  const [logged, troubles]: [object[], (string | undefined)[]] = [[], []]
  let indexed: Readonly<Record<string, number>> = {}
  context.after(async () => {
    for (const feed of feeds) feed.stop()
    await client.close()
    await stele.close()
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  const checkOf = (of = table, held = indexed) =>
    new IndexCheck({ store, table: of, source, document, files, indexed: held, pace: async () => {} })
  return {
    stele,
    directory,
    store,
    client,
    source,
    table,
    sql: `\`${tableName(table)}\``,
    indexed: () => indexed,
    logged,
    troubles,
    async append(ledger, count) {
      const { size } = stele.ledgers.log(ledger)
      const events = Array.from({ length: count }, (_, position) => Buffer.from(eventText(ledger, size + position)))
      await stele.ledgers.append(ledger, ownBatch(events, 'generic', 'application/json', 'tester'))
    },
    seal: async () => await sealAll(stele, disk, directory),
    feed(options = {}) {
      const feed = new Feed({
        store,
        table,
        source,
        render,
        files,
        clock: new SystemClock(),
        log: (line) => logged.push(line),
        onProgress: (progress) => (indexed = progress),
        onTrouble: (reason) => troubles.push(reason),
        ...options,
      })
      feeds.push(feed)
      return feed
    },
    async caughtUp() {
      const startedMs = performance.now()
      for (;;) {
        const { sizes } = await source.now()
        if (Object.entries(sizes).every(([ledger, size]) => (indexed[ledger] ?? 0) >= size)) return
        if (performance.now() - startedMs > 30_000)
          throw new Error(`not caught up: ${JSON.stringify({ sizes, indexed })}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    checkOf,
    async check(of) {
      const check = checkOf(of)
      await check.run()
      return check.result
    },
  }
}

export function sourceOf(writer: WriterSide): LedgerSource {
  return {
    now: async () => (await writer.answer({ what: 'now' })) as Durable,
    beyond: async (position) => (await writer.answer({ what: 'beyond', position })) as Durable,
    locate: async (next) => (await writer.answer({ what: 'locate', next })) as Whereabouts,
  }
}

export function eventText(ledger: string, index: number): string {
  const outcome = index % 3 === 0 ? 'failure' : 'success'
  const actor = `user${index % 7}@contoso.test`
  return JSON.stringify({
    actor,
    action: 'document.read',
    target: `${ledger}-${index}`,
    outcome,
    time: 1_767_571_200_000 + index,
  })
}
