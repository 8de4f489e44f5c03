// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// ClickHouse in the hands of somebody who may do everything to it: what root does to an index.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'

const require = createRequire(import.meta.url)
const STARTED_WITHIN_MS = 30_000

const CHILD = `
const { DataType, load, open } = require('ffi-rs')
const args = JSON.parse(process.argv[1])
open({ library: 'chdb', path: process.argv[2] })
load({ library: 'chdb', funcName: 'chdb_query_cmdline', retType: DataType.External,
  paramsType: [DataType.I32, DataType.StringArray], paramsValue: [args.length, args] })
`
/** Of the user `stele`. */
export const OWNED_PASSWORD = 'a%20secret'
const USERS =
  '<clickhouse><users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>' +
  `<quota>default</quota></default><stele><password>${OWNED_PASSWORD}</password><networks><ip>127.0.0.1</ip></networks>` +
  '<profile>default</profile><quota>default</quota></stele></users><profiles><default/></profiles><quotas><default/></quotas></clickhouse>'

export interface OwnedClickHouse {
  /** The user `default` may do everything; the database is `stele`. */
  readonly url: string
  stop(): Promise<void>
}

export async function startOwnedClickHouse(): Promise<OwnedClickHouse> {
  const directory = mkdtempSync(join(tmpdir(), 'stele-clickhouse-'))
  const port = await freePort()
  const config = join(directory, 'config.xml')
  const users = join(directory, 'users.xml')
  const whence = `<user_directories><users_xml><path>${users}</path></users_xml></user_directories>`
  writeFileSync(config, `<clickhouse>${whence}</clickhouse>`, { mode: 0o600 })
  writeFileSync(users, USERS, { mode: 0o600 })
  const child = spawnClickHouse([
    `--path=${join(directory, 'data')}`,
    `--config-file=${config}`,
    '--listen_host=127.0.0.1',
    `--http_port=${port}`,
    '--query=CREATE DATABASE stele ENGINE = Atomic; SYSTEM START LISTEN HTTP; ' +
      "SELECT count() FROM file('-','LineAsString','l String') FORMAT Null",
  ])
  const ended = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  const startedMs = performance.now()
  while (!(await answers(`${url}/ping`))) {
    if (performance.now() - startedMs > STARTED_WITHIN_MS || child.exitCode !== null) {
      throw new Error('ClickHouse did not start')
    }
    await sleep(20)
  }
  return {
    url,
    async stop() {
      child.kill('SIGKILL')
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** What a person with all rights does by hand. */
export async function byHand(client: ClickHouseClient, statement: string): Promise<void> {
  await client.command({ query: statement, clickhouse_settings: { mutations_sync: '2', wait_end_of_query: 1 } })
}

function spawnClickHouse(args: readonly string[]): ChildProcess {
  const library = join(dirname(require.resolve('@chdb/lib-linux-x64-gnu')), 'libchdb.so')
  return spawn(process.execPath, ['-e', CHILD, JSON.stringify(['clickhouse', ...args]), library], {
    cwd: dirname(import.meta.dirname),
    stdio: ['pipe', 'ignore', 'ignore'],
  })
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    (answer) => answer.ok,
    () => false,
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
