// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A server with an index in memory, and events a minute apart.

import type { TestContext } from 'node:test'

import { foundSchema } from '../src/http/search-schemas.ts'
import { ListedIndex } from './listed-index.ts'
import { type Json, startTestServer, type TestServer } from './server-fixture.ts'

export const EVENTS = '/v1/ledgers/main/events'
export const MINUTE_MS = 60_000
export const START_MS = Date.parse('2026-01-05T00:00:00Z')

export interface Ground {
  readonly server: TestServer
  readonly index: ListedIndex
}

export async function ground(context: TestContext): Promise<Ground> {
  const server = await startTestServer(context)
  return { server, index: ListedIndex.of(server) }
}

export function eventAt(minute: number, rest: object = {}): string {
  return JSON.stringify({ time: new Date(START_MS + minute * MINUTE_MS).toISOString(), actor: 'alice', ...rest })
}

export async function append(server: TestServer, events: readonly string[], ledger = 'main'): Promise<void> {
  await server.askJson(`/v1/ledgers/${ledger}/events`, { body: events.join('\n'), type: 'application/x-ndjson' })
}

export async function search(
  server: TestServer,
  query: Record<string, string> = {},
  token = server.adminToken,
): Promise<Json> {
  const { ledger = 'main', ...rest } = query
  const answer = await server.askJson(`/v1/ledgers/${ledger}/events?${new URLSearchParams(rest).toString()}`, { token })
  foundSchema.parse(answer)
  return answer
}

export function indexesOf({ hits }: Json): number[] {
  return hits.map(({ index }: Json) => index)
}
