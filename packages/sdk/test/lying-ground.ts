// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A real server whose answers are changed on their way, one place at a time; each change must be found out.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

import { startTestServer, type TestServer } from '../../../test/server-fixture.ts'
import { SteleClient, SteleError } from '../src/index.ts'
import type { Json, Lie } from './lies.ts'

export type Change = (body: Buffer) => Buffer

export interface Ground {
  readonly server: TestServer
  /** A client whose answers to `path` are changed; `isPinned` gives it the ledger's key. */
  client(change?: { readonly path: RegExp; readonly change: Change }, isPinned?: boolean): SteleClient
}

export async function ground(context: TestContext): Promise<Ground> {
  // A witness may lie on this machine, too.
  const server = await startTestServer(context, { config: { privateWitnesses: true } })
  return {
    server,
    client: (lie, isPinned = true) =>
      new SteleClient({
        url: server.url,
        token: server.adminToken,
        ...(isPinned ? { vkeys: [server.ledgers.vkey('main')] } : {}),
        attempts: 1,
        fetch: async (url, init) => {
          const response = await fetch(url, init)
          if (lie === undefined || !lie.path.test(new URL(url).pathname)) return response
          const body = Buffer.from(await response.arrayBuffer())
          const { status } = response
          const headers = new Headers(response.headers)
          headers.delete('content-length')
          return new Response(new Uint8Array(lie.change(body)), { status, headers })
        },
      }),
  }
}

export function isFoundOut(error: unknown): boolean {
  assert.ok(error instanceof SteleError, String(error))
  assert.equal(error.failure, 'untrustworthy', error.message)
  return true
}

export interface Call {
  readonly path: RegExp
  readonly make: (client: SteleClient) => Promise<unknown>
}

/** Makes the call with each lie; each must be found out. */
export async function demandFoundOut(
  { client }: Pick<Ground, 'client'>,
  { path, make }: Call,
  lies: (answer: Json) => Iterable<Lie>,
  isExcused: (what: string) => boolean = () => false,
): Promise<void> {
  let answer: Json | undefined
  await make(client({ path, change: (body) => ((answer = jsonOf(body)), body) }))
  assert.ok(answer !== undefined)
  let count = 0
  for (const { what, tell } of lies(answer)) {
    if (isExcused(what)) continue
    let isLie = false
    const change = (body: Buffer) => {
      const lie = tell(jsonOf(body))
      isLie = lie !== undefined
      return isLie ? Buffer.from(JSON.stringify(lie)) : body
    }
    const outcome = await make(client({ path, change })).then(
      () => 'believed' as const,
      (error: unknown) => error,
    )
    if (!isLie) continue
    count++
    assert.notEqual(outcome, 'believed', `nobody found out: ${what}`)
    isFoundOut(outcome)
  }
  assert.ok(count > 10, `only ${count} lies were told`)
}

function jsonOf(body: Buffer): Json {
  return JSON.parse(body.toString('utf8')) as Json
}

/** Of what the server made of an event, only its time is told twice: the rest is its word. */
export function isWord(what: string): boolean {
  return /(?:^|\.)ocsf\.(?!time:)/.test(what)
}

/** Of its form only what every event has is demanded. */
export function isUnderstanding(what: string): boolean {
  return (isWord(what) && !/ocsf\.(?:class_uid|message): (?!")/.test(what)) || /ocsf\.message: undefined/.test(what)
}
