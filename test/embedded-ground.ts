// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The embedded ClickHouse as the server starts it, for tests: over a folder of their own, and what any local process
// could ask of it.

import { existsSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { connect, type IndexAccess } from '../src/index/connection.ts'
import { EmbeddedServer } from '../src/index/embedded.ts'
import { SystemClock } from '../src/platform/clock.ts'
import { NodeDisk } from '../src/platform/disk.ts'
import { NodeFiles } from '../src/platform/files.ts'
import { SystemRandom } from '../src/platform/random.ts'
import { scratch } from './scratch.ts'

const library = fileURLToPath(new URL('../node_modules/@chdb/lib-linux-x64-gnu/libchdb.so', import.meta.url))

/** What node:test takes: false where ClickHouse is installed. Under CI it is. */
export const embeddedSkip: string | false =
  existsSync(library) || process.env['CI'] !== undefined ? false : 'ClickHouse is not installed for this platform'

export interface Embedded {
  readonly server: EmbeddedServer
  readonly directory: string
  /** Everything that it logged, as it goes into the server's log. */
  readonly log: object[]
}

type After = Pick<TestContext, 'after'>

/** What was made last is undone first: a server is closed before its folder goes. */
export function lastFirst(test: { readonly after: (work: () => Promise<void>) => void }): After {
  const undo: (() => unknown)[] = []
  test.after(async () => {
    for (const work of undo.reverse()) await work()
  })
  return { after: (work) => void undo.push(work as () => unknown) }
}

/** Starts one; it is closed after the test. */
export function startEmbedded(
  test: After,
  directory = `${scratch(test)}/index`,
  libraries?: readonly string[],
): Embedded {
  const log: object[] = []
  const server = EmbeddedServer.start({
    directory,
    disk: new NodeDisk(),
    files: new NodeFiles(),
    clock: new SystemClock(),
    random: new SystemRandom(),
    log: (line) => void log.push(line),
    ...(libraries === undefined ? {} : { libraries }),
  })
  test.after(async () => await server.close())
  return { server, directory, log }
}

export interface Answered {
  readonly status: number
  readonly text: string
}

/** One request as anybody on the machine could make it. */
export async function ask(url: string, headers: Readonly<Record<string, string>>, query?: string): Promise<Answered> {
  const options = query === undefined ? { headers } : { headers, method: 'POST', body: query }
  // A connection that stays open would have the server wait for it when it is to stop.
  const answer = await fetch(url, { ...options, headers: { ...headers, connection: 'close' } })
  return { status: answer.status, text: await answer.text() }
}

/** One query with the secret of a user; `parameters` go into the address. */
export async function askAs(access: IndexAccess, query: string, parameters = ''): Promise<Answered> {
  return await ask(`${access.url}/?database=${access.database}&${parameters}`, access.headers, query)
}

/** The first column of what a query gives. */
export async function column(access: IndexAccess, query: string): Promise<string[]> {
  const client = connect(access)
  try {
    const rows = await (await client.query({ query, format: 'JSONCompactEachRow' })).json<unknown[]>()
    return rows.map(([value]) => String(value))
  } finally {
    await client.close()
  }
}

export async function command(access: IndexAccess, query: string): Promise<void> {
  const client = connect(access)
  try {
    await client.command({ query })
  } finally {
    await client.close()
  }
}

export function isAlive(pid: number): boolean {
  try {
    // A process that has ended and was not waited for yet is a zombie.
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')
  } catch {
    return false
  }
}
