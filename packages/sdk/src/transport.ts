// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One HTTP exchange with the server, bounded in time and size, and its repetition where that can do no harm. The server
// is not trusted: redirects are not followed (they would carry the token elsewhere), and an endless answer is cut off.

import { fromUtf8 } from '@stele/proof'

import { SteleError, untrustworthy } from './error.ts'
import type { Fetch, Sleep } from './platform.ts'
import { readProblem } from './problem.ts'

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the server's address, beginning with a slash. */
  readonly path: string
  /** A parameter that is there several times has a list. */
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Made twice it has one effect, although it is no GET. */
  readonly isRepeatable?: boolean
  /** Media type that is asked for. */
  readonly accept: string
  /** Longest answer that is read. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  /** Media type without parameters, in lower case. */
  readonly type: string
  readonly bytes: Uint8Array
}

export interface TransportOptions {
  readonly url: string
  readonly token?: string | undefined
  readonly fetch: Fetch
  readonly sleep: Sleep
  /** How often a call is tried in all, where trying again is safe. */
  readonly attempts: number
  /** Longest silence: of the server before it answers, and within its answer. */
  readonly timeoutMs: number
}

const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const MAX_PROBLEM_BYTES = 64 * 1024
const FIRST_WAIT_MS = 200
const MAX_WAIT_MS = 30_000

export class Transport {
  readonly #base: string
  readonly #options: TransportOptions

  constructor(options: TransportOptions) {
    this.#base = baseOf(options.url)
    if (options.token !== undefined && !/^[!-~]+$/.test(options.token)) {
      throw new TypeError('a token is one word of printable ASCII characters')
    }
    this.#options = options
  }

  /** Sends the call, again where that is safe, and reads the whole answer of a call that succeeded. */
  async request(call: Call): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(call)
      } catch (error) {
        const waitMs = error instanceof SteleError ? waitBefore(error, call, attempt) : undefined
        if (waitMs === undefined || attempt >= this.#options.attempts) throw error
        await this.#options.sleep(waitMs, call.signal)
      }
    }
  }

  /** Sends the call once, and hands out the bytes of the answer as they come. */
  async *stream(call: Call): AsyncGenerator<Uint8Array, void> {
    const exchange = new Exchange(call, this.#options)
    try {
      yield* exchange.chunks(await exchange.open(this.#urlOf(call)))
    } finally {
      exchange.close()
    }
  }

  async #once(call: Call): Promise<Answer> {
    const exchange = new Exchange(call, this.#options)
    try {
      const response = await exchange.open(this.#urlOf(call))
      const bytes = await exchange.all(response, call.maxBytes ?? MAX_ANSWER_BYTES)
      return { status: response.status, type: mediaType(response), bytes }
    } finally {
      exchange.close()
    }
  }

  #urlOf({ path, query = {} }: Call): string {
    const asked = Object.entries(query).flatMap(([name, value]) =>
      [value].flat().flatMap((one): [string, string][] => (one === undefined ? [] : [[name, one]])),
    )
    const parameters = new URLSearchParams(asked).toString()
    return `${this.#base}${path}${parameters === '' ? '' : `?${parameters}`}`
  }
}

/** One request and its answer, under a watchdog that ends it when nothing moves. */
class Exchange {
  readonly #call: Call
  readonly #options: TransportOptions
  readonly #timeout = new AbortController()
  readonly #done = new AbortController()
  #moves = 0

  constructor(call: Call, options: TransportOptions) {
    this.#call = call
    this.#options = options
    void this.#watch()
  }

  close(): void {
    this.#done.abort()
  }

  /** The response of a call that succeeded; throws for any other. */
  async open(url: string): Promise<Response> {
    const { method, accept, headers, body, signal } = this.#call
    const { token } = this.#options
    const signals = [this.#timeout.signal, this.#done.signal, ...(signal === undefined ? [] : [signal])]
    let response: Response
    try {
      response = await this.#options.fetch(url, {
        method,
        headers: { accept, ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        // Not shared memory: fetch takes no view of that, and nobody hands one in.
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        signal: AbortSignal.any(signals),
        redirect: 'manual',
        cache: 'no-store',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
      })
    } catch (error) {
      throw this.#failure(error)
    }
    this.#moves++
    if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
      throw untrustworthy('the server redirects elsewhere, which is not followed: use the address that it leads to')
    }
    if (!response.ok) throw await this.#refusal(response)
    return response
  }

  async *chunks(response: Response): AsyncGenerator<Uint8Array, void> {
    const reader = response.body?.getReader()
    if (reader === undefined) return
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        this.#moves++
        yield value
      }
    } catch (error) {
      throw this.#failure(error)
    } finally {
      // The answer may have failed already, which has been said.
      await reader.cancel().catch(() => {})
    }
  }

  async all(response: Response, maxBytes: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of this.chunks(response)) {
      length += chunk.length
      if (length > maxBytes) throw untrustworthy(`the answer has more than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
    const bytes = new Uint8Array(length)
    let at = 0
    for (const chunk of chunks) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    return bytes
  }

  async #refusal(response: Response): Promise<SteleError> {
    const isProblem = mediaType(response) === 'application/problem+json'
    const bytes = isProblem ? await this.all(response, MAX_PROBLEM_BYTES) : undefined
    if (bytes === undefined) await response.body?.cancel()
    return readProblem(response.status, bytes, response.headers.get('retry-after'))
  }

  #failure(error: unknown): unknown {
    const { signal } = this.#call
    if (error instanceof SteleError) return error
    if (signal?.aborted === true) return signal.reason
    if (this.#timeout.signal.aborted) {
      const seconds = Math.round(this.#options.timeoutMs / 1000)
      return new SteleError('interrupted', `the server was silent for ${seconds} s`)
    }
    return connectionFailure(error)
  }

  async #watch(): Promise<void> {
    const { sleep, timeoutMs } = this.#options
    try {
      for (let seen = -1; seen !== this.#moves;) {
        seen = this.#moves
        await sleep(timeoutMs, this.#done.signal)
      }
      this.#timeout.abort()
    } catch {
      // The exchange is over.
    }
  }
}

/** How long to wait before the call is tried again; undefined where it must not be. */
function waitBefore(error: SteleError, call: Call, attempt: number): number | undefined {
  if (call.method !== 'GET' && call.isRepeatable !== true && error.outcomeUnknown) return undefined
  if (error.failure === 'untrustworthy') return undefined
  if (error.failure === 'refused') {
    // These pass too, but not within the time that a call is tried again: the caller is told.
    const isLasting = error.code === 'writer-stopped' || error.code === 'search-unavailable'
    const isBusy = error.code === 'idempotency-busy'
    const isPassing = (isBusy || [429, 502, 503, 504].includes(error.status ?? 0)) && !isLasting
    if (!isPassing) return undefined
  }
  const waitMs = error.problem.retryAfterMs ?? FIRST_WAIT_MS * 2 ** (attempt - 1)
  return waitMs > MAX_WAIT_MS ? undefined : waitMs
}

interface SystemFault {
  readonly code?: unknown
  readonly syscall?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

const spoken: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EAI_AGAIN: 'the name could not be looked up',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ENOTFOUND: 'there is no such host',
  ETIMEDOUT: 'the connection timed out',
  'bad port': 'the port belongs to another protocol, and no request is sent to it',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_SOCKET: 'the connection was closed',
}

/** Where the platform says that no connection came about, nothing was sent; where it says nothing, something may have been. */
function connectionFailure(error: unknown): SteleError {
  const fault = rootFault(error)
  const code = typeof fault.code === 'string' ? fault.code : ''
  const isBefore =
    fault.syscall === 'connect' ||
    fault.syscall === 'getaddrinfo' ||
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    fault.message === 'bad port' ||
    /CERT|TLS|SELF_SIGNED|UNABLE_TO/.test(code)
  const said = typeof fault.message === 'string' ? fault.message : String(error)
  return new SteleError(isBefore ? 'unreachable' : 'interrupted', spoken[code] ?? spoken[said] ?? said, {
    cause: error,
  })
}

function rootFault(error: unknown): SystemFault {
  let fault = error as SystemFault
  while (typeof fault.cause === 'object' && fault.cause !== null) fault = fault.cause
  const [first] = Array.isArray(fault.errors) ? (fault.errors as readonly SystemFault[]) : []
  return first ?? fault
}

function mediaType(response: Response): string {
  return (response.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase()
}

function baseOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TypeError(`a server's address begins with http:// or https://, unlike ${JSON.stringify(text)}`)
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError("a server's address has no user, query or fragment")
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** The JSON of an answer that says it is JSON. */
export function jsonOf(what: string, answer: Answer): unknown {
  if (answer.type !== 'application/json') {
    throw untrustworthy(`${what} is ${answer.type === '' ? 'of no type' : answer.type}, not JSON`)
  }
  try {
    return JSON.parse(fromUtf8(answer.bytes)) as unknown
  } catch (error) {
    throw untrustworthy(`${what} is not JSON`, error)
  }
}
