// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// ClickHouse in the hands of somebody who may do everything to it: what root does to an index.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
  const server = await startServer({ directory, host: '127.0.0.1', port: await freePort(), more: '' })
  return {
    url: server.url,
    async stop() {
      await server.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export interface OwnedCluster {
  readonly name: string
  /** One a shard, each at a loopback address of its own and at the same port, as the machines of a cluster are. */
  readonly urls: readonly string[]
  /** Kills the server of a shard; what it holds stays. */
  stopShard(shard: number): Promise<void>
  startShard(shard: number): Promise<void>
  stop(): Promise<void>
}

/** The cluster `spread` of so many shards, and `doubled`, which has two replicas of one. */
export async function startOwnedCluster(shardCount: number): Promise<OwnedCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'stele-clickhouse-'))
  const [port, tcpPort] = [await freePort(), await freePort()]
  const hosts = Array.from({ length: shardCount }, (_, shard) => `127.0.0.${shard + 1}`)
  const more = `<tcp_port>${tcpPort}</tcp_port>${remoteServers(hosts, tcpPort)}`
  const start = async (shard: number) =>
    await startServer({ directory: join(directory, String(shard)), host: hosts[shard]!, port, more })
  const servers = await Promise.all(hosts.keys().map(start))
  return {
    name: 'spread',
    urls: servers.map(({ url }) => url),
    stopShard: async (shard) => await servers[shard]!.stop(),
    startShard: async (shard) => void (servers[shard] = await start(shard)),
    async stop() {
      for (const server of servers) await server.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function remoteServers(hosts: readonly string[], port: number): string {
  const replicas = hosts.map(
    (host) =>
      `<replica><host>${host}</host><port>${port}</port><user>stele</user><password>${OWNED_PASSWORD}</password></replica>`,
  )
  const shards = replicas.map((replica) => `<shard>${replica}</shard>`).join('')
  return `<remote_servers><spread>${shards}</spread><doubled><shard>${replicas.join('')}</shard></doubled></remote_servers>`
}

interface ServerPlace {
  readonly directory: string
  readonly host: string
  readonly port: number
  /** Of the configuration; with a `tcp_port` servers ask each other. */
  readonly more: string
}

/** Begins a server, or one again that was killed. */
async function startServer({ directory, host, port, more }: ServerPlace): Promise<OwnedClickHouse> {
  const config = join(directory, 'config.xml')
  const users = join(directory, 'users.xml')
  const whence = `<user_directories><users_xml><path>${users}</path></users_xml></user_directories>`
  mkdirSync(directory, { recursive: true })
  writeFileSync(config, `<clickhouse>${whence}${more}</clickhouse>`, { mode: 0o600 })
  writeFileSync(users, USERS, { mode: 0o600 })
  const child = spawnClickHouse([
    `--path=${join(directory, 'data')}`,
    `--config-file=${config}`,
    `--listen_host=${host}`,
    `--http_port=${port}`,
    '--query=CREATE DATABASE IF NOT EXISTS stele ENGINE = Atomic; SYSTEM START LISTEN HTTP; ' +
      (more === '' ? '' : 'SYSTEM START LISTEN TCP; ') +
      "SELECT count() FROM file('-','LineAsString','l String') FORMAT Null",
  ])
  const ended = once(child, 'exit')
  const url = `http://${host}:${port}`
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
