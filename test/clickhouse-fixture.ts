// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A real ClickHouse for tests: the embedded server, in a folder of its own.

import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import type { ClickHouseClient } from '@clickhouse/client'

import { connect } from '../src/index/connection.ts'
import { EmbeddedServer } from '../src/index/embedded.ts'
import type { RowBlock } from '../src/index/rows.ts'
import { createTable, quoted } from '../src/index/tables.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { NodeFiles } from '../src/platform/files.ts'
import { SystemRandom } from '../src/platform/random.ts'

/** Why there is no server on this machine; false where there is one. */
export const noClickHouse: string | false = (() => {
  const require = createRequire(import.meta.url)
  try {
    require.resolve('@chdb/lib-linux-x64-gnu')
    require.resolve('ffi-rs')
    return false
  } catch {
    return 'the embedded ClickHouse is not installed on this platform'
  }
})()

/** What a search has, and what a follower has. */
export interface TestClickHouse extends AsyncDisposable {
  readonly search: ClickHouseClient
  readonly feed: ClickHouseClient
}

export async function startClickHouse(): Promise<TestClickHouse> {
  const directory = mkdtempSync(join(tmpdir(), 'stele-clickhouse-'))
  const server = EmbeddedServer.start({
    directory: join(directory, 'index'),
    disk: new NodeDisk(),
    files: new NodeFiles(),
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: () => {},
  })
  const access = await server.whenReady(AbortSignal.timeout(60_000))
  const search = connect(access.search)
  const feed = connect(access.feed)
  return {
    search,
    feed,
    async [Symbol.asyncDispose]() {
      await Promise.all([search.close(), feed.close()])
      await server.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A table of the index, filled with one part a block. */
export async function fillTable({ feed }: TestClickHouse, table: string, blocks: readonly RowBlock[]): Promise<void> {
  await drained(feed, createTable(table))
  for (const { bytes } of blocks) {
    await drained(feed, `INSERT INTO ${quoted(table)} FORMAT RowBinary`, Readable.from([bytes], { objectMode: false }))
  }
}

async function drained(client: ClickHouseClient, query: string, values?: Readable): Promise<void> {
  const { stream } = await client.exec({ query, ...(values === undefined ? {} : { values }) })
  for await (const _ of stream) continue
}
