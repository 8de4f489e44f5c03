// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where the rows of a table lie: with one server in the table that is searched, with a cluster in tables of their own,
 * one a shard, which a Distributed table of the searched name reads as one. Each server of a cluster is asked itself, at
 * the port and as the user of the URL, so that nothing hangs on a keeper of the cluster; and a block goes to one shard
 * by its token, so that one that is sent again finds the one that was there.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import type { ClickHouseClient } from '@clickhouse/client'
import { clusterNodes, type ClusterRow } from './cluster-nodes.ts'
import { connect, type IndexAccess } from './connection.ts'
import { quoted } from './tables.ts'

export type AskRows = <Row>(query: string, parameters: Record<string, unknown>) => Promise<Row[]>

export interface Shards {
  /** Whether rows lie in other tables than the one that is searched. */
  readonly isCluster: boolean
  /** Finds out which servers there are; before that there are none. */
  lookUp(ask: AskRows): Promise<void>
  /** All servers that hold rows. */
  readonly servers: readonly ClickHouseClient[]
  /** The server that takes the insert of this token, always the same while the shards are. */
  serverOf(token: string): ClickHouseClient
  /** The table that rows are inserted into, for one that is searched. */
  rowsTable(searched: string): string
  /** What makes the searched table, where it is another. */
  createSearched(searched: string): string | undefined
}

/** One server, that may be another one by the next question. */
export class OneServer implements Shards {
  readonly isCluster = false
  readonly #client: () => ClickHouseClient

  constructor(client: () => ClickHouseClient) {
    this.#client = client
  }

  async lookUp(): Promise<void> {}

  get servers(): readonly ClickHouseClient[] {
    return [this.#client()]
  }

  serverOf(): ClickHouseClient {
    return this.#client()
  }

  rowsTable(searched: string): string {
    return searched
  }

  createSearched(): undefined {
    return undefined
  }
}

export class Cluster implements Shards {
  readonly isCluster = true
  readonly #access: IndexAccess
  readonly #name: string
  readonly #clients = new Map<string, ClickHouseClient>()
  #urls: readonly string[] = []

  constructor(access: IndexAccess, name: string) {
    this.#access = access
    this.#name = name
  }

  async lookUp(ask: AskRows): Promise<void> {
    const rows = await ask<ClusterRow>(
      'SELECT cluster, toUInt32(shard_num) AS shard, host_name AS host FROM system.clusters ORDER BY shard_num, replica_num',
      {},
    )
    this.#urls = clusterNodes(rows, this.#name, this.#access.url)
    for (const url of this.#urls) {
      if (!this.#clients.has(url)) this.#clients.set(url, connect({ ...this.#access, url }))
    }
  }

  get servers(): readonly ClickHouseClient[] {
    assert(this.#urls.length > 0, 'the servers are not looked up yet')
    return this.#urls.map((url) => this.#clients.get(url)!)
  }

  serverOf(token: string): ClickHouseClient {
    const { servers } = this
    return servers[hash('sha256', token, 'buffer').readUInt32BE() % servers.length]!
  }

  rowsTable(searched: string): string {
    return `rows_of_${searched}`
  }

  createSearched(searched: string): string {
    const rows = this.rowsTable(searched)
    return (
      `CREATE TABLE IF NOT EXISTS ${quoted(searched)} AS ${quoted(rows)} ` +
      `ENGINE = Distributed('${this.#name}', currentDatabase(), '${rows}')`
    )
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) await client.close()
  }
}
