// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** How Stele reaches ClickHouse: the embedded server or one by URL, through the same client. */
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'

export interface IndexAccess {
  readonly url: string
  /** What the server knows the request by; where there is one, no user name or password is sent. */
  readonly headers: Readonly<Record<string, string>>
  readonly username: string
  readonly password: string
  readonly database: string
  /** Name of the cluster over whose shards the index is spread. */
  readonly cluster?: string
}

export interface ConnectOptions {
  /** How long an answer may take. */
  readonly requestTimeoutMs?: number
  readonly maxConnections?: number
  readonly settings?: Readonly<Record<string, string | number>>
}

/** What is wrong with a `--index-url`, and how to mend it; never with the password that is in it. */
export class IndexUrlFault extends Error {
  override readonly name = 'IndexUrlFault'
}

const REQUEST_TIMEOUT_MS = 60_000
const MAX_CONNECTIONS = 16
/** Below the server's keep-alive time, or the client would write to a connection that the server is closing. */
const IDLE_SOCKET_MS = 2_000

/** A shard that is away is an error, whatever its servers are set to: what is left would look like all. */
const wholeCluster = { skip_unavailable_shards: 0 } as const

export function connect(access: IndexAccess, options: ConnectOptions = {}): ClickHouseClient {
  const { url, headers, username, password, database } = access
  const byHeader = Object.keys(headers).length > 0
  return createClient({
    url,
    username,
    password,
    database,
    http_headers: headers,
    set_basic_auth_header: !byHeader,
    request_timeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    max_open_connections: options.maxConnections ?? MAX_CONNECTIONS,
    compression: { request: false, response: false },
    keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS, eagerly_destroy_stale_sockets: true },
    clickhouse_settings: { ...(access.cluster === undefined ? {} : wholeCluster), ...options.settings },
    // What fails is thrown, and told by whoever catches it.
    log: { level: ClickHouseLogLevel.OFF },
  })
}

/** Reads `https://user:password@host:8443/database?cluster=name`; user and database are `default` where not named. */
export function parseIndexUrl(text: string): IndexAccess {
  const form = 'Give --index-url https://USER:PASSWORD@HOST:8443/DATABASE'
  if (!URL.canParse(text)) throw new IndexUrlFault(`the index's address is not a URL. ${form}`)
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new IndexUrlFault(
      `the index's address begins with ${url.protocol}, and ClickHouse is asked over HTTP. ${form}`,
    )
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new IndexUrlFault(
      `the index at ${url.host} is on another machine, and without TLS its password and events would cross the network ` +
        'readable. Give an https:// address, or forward a port of this machine to it and name 127.0.0.1',
    )
  }
  const cluster = clusterOf(url)
  if (cluster === 'something else' || url.hash !== '')
    throw new IndexUrlFault(`the index's address has more than a database and a cluster. ${form}`)
  const database = decoded(url.pathname.slice(1).replace(/\/$/, ''), form)
  if (database.includes('/'))
    throw new IndexUrlFault(`the index's address has a path, not the name of a database. ${form}`)
  return {
    url: url.origin,
    headers: {},
    username: decoded(url.username, form) || 'default',
    password: decoded(url.password, form),
    database: database || 'default',
    ...cluster,
  }
}

/** Names are pasted into SQL. */
const CLUSTER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/

function clusterOf({ searchParams }: URL): { readonly cluster?: string } | 'something else' {
  const cluster = searchParams.get('cluster')
  if (searchParams.size === 0) return {}
  return searchParams.size === 1 && cluster !== null && CLUSTER.test(cluster) ? { cluster } : 'something else'
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.[0-9]+){3}$/.test(hostname)
}

function decoded(part: string, form: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new IndexUrlFault(`the index's address has a % that is not followed by two hexadecimal digits. ${form}`)
  }
}
