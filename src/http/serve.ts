// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The way of every request, whatever its route: admit the caller, check what the schemas say, let the handler work,
 * record what content the answer carries, and only then send. A handler cannot send by itself, so none can forget.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Problem, type ProblemCode } from '../schema/problem.ts'
import { admit } from './admission.ts'
import { Holding } from './budget.ts'
import { discard } from './body.ts'
import { checked } from './checked.ts'
import { DirectExchange, type Exchange, RoutedExchange } from './exchange.ts'
import { asProblem, PROBLEM_TYPE, problemAnswer } from './problem-answer.ts'
import type { Answer, Caller, Route, Services } from './route.ts'

const SLOW_MS = 1_000
/** A restart takes about as long. */
const RETRY_AFTER_SECONDS = 5
/** While nothing can be searched, every search would say so in the log. */
const UNAVAILABLE_EVERY_MS = 5_000
const MAX_KNOWN = 1_000
/** Addresses longer than this are not kept. */
const MAX_KNOWN_CHARS = 512

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
}

/** Where a request is addressed to: its route, and what that route's schemas made of its path and query. */
interface Addressed {
  readonly route: Route
  readonly ledger: string | undefined
  readonly params: unknown
  readonly query: unknown
}

export class RouteServer {
  readonly #services: Services
  readonly #log: (line: object) => void
  #headers: Readonly<Record<string, string>>
  #isStopping = false
  readonly #endings = new Set<Promise<void>>()
  readonly #known = new Map<string, Addressed>()
  #directCount = 0
  #unavailable: { sinceMs: number; unloggedCount: number } | undefined

  constructor(services: Services, log: (line: object) => void, isSecure: boolean) {
    this.#services = services
    this.#log = log
    const strict = isSecure ? { 'strict-transport-security': 'max-age=31536000' } : {}
    this.#headers = { ...securityHeaders, ...strict }
  }

  /** Refuses what comes from now on, and says of every connection that it ends with its answer. */
  stop(): void {
    this.#isStopping = true
    this.#headers = { ...this.#headers, connection: 'close' }
  }

  /** Serves a request that Fastify found the route of. */
  async serve(route: Route, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { ledger } = request.params as { ledger?: string }
    await this.#serve(route, ledger, new RoutedExchange(request, reply), () => {
      const params = route.params === undefined ? undefined : checked(route.params, request.params, 'path')
      const query = route.query === undefined ? undefined : checked(route.query, request.query, 'query')
      const { url = '' } = request.raw
      if (route.events !== undefined && url.length <= MAX_KNOWN_CHARS) {
        if (this.#known.size >= MAX_KNOWN) this.#known.clear()
        this.#known.set(url, { route, ledger, params, query })
      }
      return { params, query }
    })
  }

  /**
   * Serves appends to an address that came before, and says whether this is one: the same address means the same, so
   * routing it, taking it apart and checking it again would find nothing else.
   */
  serveKnown(request: IncomingMessage, response: ServerResponse): boolean {
    const addressed = request.method === 'POST' ? this.#known.get(request.url ?? '') : undefined
    if (addressed === undefined) return false
    const exchange = new DirectExchange(request, response, ++this.#directCount)
    void this.#serve(addressed.route, addressed.ledger, exchange, () => addressed)
    return true
  }

  async #serve(
    route: Route,
    ledger: string | undefined,
    exchange: Exchange,
    address: () => Pick<Addressed, 'params' | 'query'>,
  ): Promise<void> {
    if (this.#isStopping) return this.#refuse(stopping(), exchange, route)
    const services = this.#services
    const { request, response } = exchange
    const startedMs = services.clock.monotonicMs()
    const holding = new Holding(services.room)
    let by: string | undefined
    try {
      const asking = { authorization: request.headers.authorization, via: addressOf(exchange), ledger }
      const caller = admit(route.permission, asking, services, ({ id }) => (by = id))
      const { params, query } = address()
      const body =
        route.body === undefined
          ? undefined
          : checked(route.body, await services.intake.json(request, response), 'body')
      const { headers } = request
      const answer = await route.handler({ params, query, body, headers, caller, holding, request, response }, services)
      await this.#send(route, answer, caller, holding, exchange)
      holding.releaseAfter(response)
    } catch (error) {
      holding.release()
      this.#refuse(error, exchange, route, by)
    }
    const tookMs = services.clock.monotonicMs() - startedMs
    if (tookMs > SLOW_MS) {
      const { id } = exchange
      this.#log({ level: 'warn', message: 'slow request', request: id, operation: route.operation, by, tookMs })
    }
  }

  /** Answers with the problem behind an error that Fastify met before there was a route. */
  refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    this.#refuse(error, new RoutedExchange(request, reply))
  }

  /** Answers with the problem behind an error, counts it, and logs what the server itself is to blame for. */
  #refuse(error: unknown, exchange: Exchange, route?: Route, by?: string): void {
    const { audit, metrics } = this.#services
    const via = addressOf(exchange)
    let problem = asProblem(error)
    if (problem.code === 'unauthenticated' && audit.throttled(via)) {
      problem = new Problem('too-many-requests', 'Too many attempts failed from this address. Wait a minute.', {
        retryAfter: 60,
      })
    }
    const { status, code } = problem
    metrics.refused(code)
    const action = route === undefined ? 'none' : route.audit.to === 'none' ? route.operation : route.audit.action
    if (status === 401 || status === 403 || status === 429) audit.refuse({ by, via, code, action })
    if (status >= 500 && code !== 'stopping') this.#logFailure(error, code, { request: exchange.id, action, by, via })
    if (exchange.isAnswered) return
    discard(exchange.request)
    const { retryAfter, allow } = problem.place
    const headers = {
      ...this.#headers,
      'cache-control': 'no-store',
      'content-type': PROBLEM_TYPE,
      ...(status === 401 ? { 'www-authenticate': 'Bearer realm="stele"' } : {}),
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
      ...(allow === undefined ? {} : { allow: allow.join(', ') }),
    }
    // Bytes, because Fastify adds a charset to a text, which problem+json does not have.
    exchange.send(status, headers, Buffer.from(JSON.stringify(problemAnswer(problem, exchange.id))))
  }

  #logFailure(error: unknown, code: ProblemCode, who: object): void {
    const trace = code === 'internal-error' && error instanceof Error ? { stack: error.stack } : {}
    const reason = error instanceof Error ? error.message : String(error)
    const failed = { message: 'request failed', ...who, code, reason, ...trace }
    if (code !== 'search-unavailable') return this.#log({ level: 'error', ...failed })
    const nowMs = this.#services.clock.monotonicMs()
    const before = this.#unavailable
    if (before !== undefined && nowMs - before.sinceMs < UNAVAILABLE_EVERY_MS) return void before.unloggedCount++
    this.#unavailable = { sinceMs: nowMs, unloggedCount: 0 }
    const { unloggedCount = 0 } = before ?? {}
    this.#log({ level: 'warn', ...failed, ...(unloggedCount === 0 ? {} : { unloggedCount }) })
  }

  /** Resolves once the ends of all streams that have ended are on record. */
  async settled(): Promise<void> {
    await Promise.all(this.#endings)
  }

  async #send(route: Route, answer: Answer, caller: Caller, holding: Holding, exchange: Exchange): Promise<void> {
    const { status = 200, type = 'application/json', headers } = answer
    const body = written(route, answer)
    try {
      // What has been done is answered whatever happens: a refusal would have the caller do it again.
      if (!(body instanceof Readable) && route.method === 'GET') holding.settle(body.length)
      await this.#record(route, answer, caller)
    } catch (error) {
      if (body instanceof Readable) body.destroy()
      throw error
    }
    if (exchange.response.destroyed && body instanceof Readable) body.destroy()
    const common = { ...this.#headers, 'content-type': type, 'cache-control': 'no-store' }
    exchange.send(status, headers === undefined ? common : { ...common, ...headers }, body)
  }

  /** Resolves once the content that the answer carries is on record; rejects with `audit-unavailable`. */
  async #record(route: Route, { body, carries }: Answer, { by, via }: Caller): Promise<void> {
    if (route.audit.to !== 'access') return
    assert(carries !== undefined, `${route.operation} does not say which content its answer carries`)
    if (carries === 'no content') return
    const { audit, metrics } = this.#services
    const who = { by, via, action: route.audit.action }
    metrics.contentRead()
    if (!('end' in carries)) return await audit.read({ ...who, ...carries })
    const { end, ...begun } = carries
    const { ledger } = begun
    assert(body instanceof Readable)
    await audit.read({ ...who, ...begun, phase: 'open' })
    body.once('error', (error: unknown) => {
      this.#log({ level: 'error', message: 'a stream broke off', action: who.action, ledger, reason: String(error) })
    })
    body.once('close', () => {
      const ending = audit.read({ ...who, ...begun, ...end(), phase: 'close' }).catch((error: unknown) => {
        this.#log({ level: 'error', message: 'the end of a stream was not recorded', reason: String(error) })
      })
      this.#endings.add(ending)
      void ending.then(() => this.#endings.delete(ending))
    })
  }
}

function stopping(): Problem {
  return new Problem('stopping', 'The server is being stopped. Nothing was done; try again once it is back.', {
    retryAfter: RETRY_AFTER_SECONDS,
  })
}

/** An object is written as the route says it looks, and is a bug of ours where it does not look like that. */
function written(route: Route, { status = 200, body }: Answer): string | Buffer | Readable {
  if (typeof body === 'string' || Buffer.isBuffer(body) || body instanceof Readable) return body
  const form = route.answers[status]
  assert(form?.schema !== undefined, `${route.operation} has no schema for ${status}`)
  return JSON.stringify(form.schema.parse(body))
}

function addressOf({ request }: Exchange): string {
  return request.socket.remoteAddress ?? 'unknown'
}
