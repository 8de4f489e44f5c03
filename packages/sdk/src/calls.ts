// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// What all calls of a client share: the connection, the keys, and what was seen of each ledger.

import { bytesOf } from './body.ts'
import { type Fetch, platformFetch, platformSleep, type Sleep } from './platform.ts'
import { SeenHeads } from './seen-heads.ts'
import { type Answer, type Call, jsonOf, Transport } from './transport.ts'

export interface ClientOptions {
  /** As `http://127.0.0.1:7835`. */
  readonly url: string
  readonly token?: string
  /**
   * Keys that came from elsewhere than this server: every checkpoint must then be signed by one of them, or by one to
   * which signed rotations lead from there.
   */
  readonly vkeys?: readonly string[]
  readonly fetch?: Fetch
  readonly sleep?: Sleep
  /** How often a call is tried in all, where trying again can do no harm; 3. */
  readonly attempts?: number
  /** Longest silence of the server; a minute. */
  readonly timeoutMs?: number
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export class Calls {
  readonly url: string
  protected readonly transport: Transport
  protected readonly seen: SeenHeads = new SeenHeads()
  protected readonly sleep: Sleep
  protected readonly attempts: number

  /** Throws a TypeError for an address or a token that can't be one. */
  constructor(options: ClientOptions) {
    const { url, token, fetch = platformFetch, sleep = platformSleep, attempts = 3, timeoutMs = 60_000 } = options
    this.url = url
    this.transport = new Transport({ url, token, fetch, sleep, attempts, timeoutMs })
    this.sleep = sleep
    this.attempts = attempts
  }

  protected async get(
    path: string,
    accept: string,
    options: Pick<Call, 'query' | 'maxBytes' | 'signal'>,
  ): Promise<Answer> {
    return await this.transport.request({ method: 'GET', path, accept, ...options })
  }

  protected async json(
    what: string,
    path: string,
    options: Pick<Call, 'query' | 'maxBytes' | 'signal'>,
  ): Promise<unknown> {
    return jsonOf(what, await this.get(path, 'application/json', options))
  }

  protected async post(
    what: string,
    path: string,
    request: object | undefined,
    options: CallOptions,
  ): Promise<unknown> {
    const body =
      request === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: await bytesOf(JSON.stringify(request)) }
    const call: Call = { method: 'POST', path, accept: 'application/json', ...body, ...options }
    return jsonOf(what, await this.transport.request(call))
  }
}

export function ledgerPath(ledger: string): string {
  return `/v1/ledgers/${encodeURIComponent(ledger)}`
}
