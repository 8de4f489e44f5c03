// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A server with its index as it runs: follower and ClickHouse beside it, what tests do to them, and what must hold after.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'

import { isIndexed } from '../src/index/ledger-source.ts'
import { type CheckReport } from '../src/index/messages.ts'
import { eventText } from './index-ground.ts'
import { eventually, type TestServer } from './server-fixture.ts'

export const CLICKHOUSE = 'embedded-child.ts'
export const FOLLOWER = 'follower.ts'

/** The process that `parent` has started with this script. */
export function childOf(script: string, parent = process.pid): number | undefined {
  return childrenOf(parent).find((pid) => commandOf(pid).includes(script))
}

export function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  return pids.map(Number).filter((pid) => Number(statusOf(pid, 'PPid')) === parent)
}

/** The most memory that a process has had. */
export function peakBytes(pid: number): number {
  return Number.parseInt(statusOf(pid, 'VmHWM') ?? '0', 10) * 1024
}

function statusOf(pid: number, name: string): string | undefined {
  try {
    return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** Appends the next `count` events, in batches; resolves to how long the slowest batch took. */
export async function append(server: TestServer, count: number, batch = 1_000, ledger = 'main'): Promise<number> {
  let slowestMs = 0
  for (let done = 0; done < count; done += batch) {
    const { size } = server.ledgers.log(ledger)
    const length = Math.min(batch, count - done)
    const body = Array.from({ length }, (_, at) => eventText(ledger, size + at)).join('\n')
    const startedMs = performance.now()
    await server.askJson(`/v1/ledgers/${ledger}/events`, { body, type: 'application/x-ndjson' })
    slowestMs = Math.max(slowestMs, performance.now() - startedMs)
  }
  return slowestMs
}

/** Resolves once the index is said to hold all that the ledgers do. */
export async function caughtUp(server: TestServer, withinMs = 30_000): Promise<void> {
  await eventually(() => {
    const { state, reason } = server.index.status()
    const names = server.ledgers.names.filter(isIndexed)
    const isWhole = names.every((name) => server.index.indexed(name) >= server.ledgers.log(name).size)
    return state === 'ready' && reason === undefined && isWhole
  }, withinMs)
}

/** Holds the index against the ledgers. */
async function checked(server: TestServer): Promise<CheckReport> {
  await eventually(async () => {
    if (server.index.checkReport?.state === 'running') return false
    return (await server.ask('/v1/index/check', { method: 'POST' })).status === 202
  })
  await eventually(() => !['running', undefined].includes(server.index.checkReport?.state), 30_000)
  return server.index.checkReport!
}

/** Nothing is missing, invented, changed or doubled, and all was looked at. */
export async function agrees(server: TestServer): Promise<void> {
  await caughtUp(server)
  const { state, reason, findings, checked: count } = await checked(server)
  assert.deepEqual({ state, reason, findings }, { state: 'done', reason: undefined, findings: [] })
  assert.ok(count >= server.ledgers.log('main').size)
}

/** A search that asks for one event, which must be there. */
export async function finds(server: TestServer, index: number): Promise<void> {
  const { hits } = await server.askJson(`/v1/ledgers/main/events?q=target:main-${index}`)
  assert.deepEqual(
    hits.map((hit: { index: number }) => hit.index),
    [index],
  )
}

/** Everything that has to go on whatever becomes of the index. */
export async function ledgerGoesOn(server: TestServer): Promise<void> {
  const tookMs = await append(server, 3)
  assert.ok(tookMs < 2_000, `${tookMs} ms`)
  const last = server.ledgers.log('main').size - 1
  await server.askJson(`/v1/ledgers/main/events/${last}`)
  assert.equal((await server.ask(`/v1/ledgers/main/events/${last}/proof`)).status, 200)
  assert.equal((await server.ask('/readyz')).status, 200)
}
