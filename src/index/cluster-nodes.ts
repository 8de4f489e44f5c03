// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The servers of a ClickHouse cluster, out of what one of them says of it. */
import { IndexUrlFault, isLoopback } from './connection.ts'

export interface ClusterRow {
  readonly cluster: string
  readonly shard: number
  readonly host: string
}

/** Addresses by shard, at the port of `url`. Throws an IndexUrlFault where the cluster is none that can hold the index. */
export function clusterNodes(rows: readonly ClusterRow[], cluster: string, url: string): string[] {
  const nodes = rows.filter((row) => row.cluster === cluster)
  if (nodes.length === 0) {
    const known = [...new Set(rows.map((row) => row.cluster))].slice(0, 10).join(', ') || 'none'
    throw new IndexUrlFault(`the search server knows no cluster ${cluster}; it has ${known}`)
  }
  const shards = new Set(nodes.map(({ shard }) => shard))
  if (shards.size < nodes.length) {
    const mend = 'the index is made from the ledgers and needs none: name a cluster with one server a shard'
    throw new IndexUrlFault(`the cluster ${cluster} has several replicas of a shard; ${mend}`)
  }
  return nodes.map(({ host }) => addressOf(host, url))
}

function addressOf(host: string, url: string): string {
  const address = new URL(url)
  address.hostname = host.includes(':') ? `[${host}]` : host
  if (address.protocol === 'http:' && !isLoopback(address.hostname)) {
    const mend = 'give an https:// address, and all servers of the cluster are asked over TLS'
    throw new IndexUrlFault(`${host} of the cluster is on another machine, and without TLS; ${mend}`)
  }
  return address.origin
}
