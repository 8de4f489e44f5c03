// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The HTTP server: the table of routes on Fastify, with bounds on what a connection may take. */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import assert from 'node:assert/strict'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Rates } from '../access/rates.ts'
import type { DamagedError } from '../ledger/read.ts'
import { MAX_QUERY_CHARS } from '../query/parse.ts'
import type { Random } from '../platform/random.ts'
import { Problem } from '../schema/problem.ts'
import { ByteBudget } from './budget.ts'
import { Connections } from './connections.ts'
import { Cursors } from './cursor.ts'
import { Exports } from './exports.ts'
import { Heads } from './heads.ts'
import { Intake } from './intake.ts'
import { LargeAppends } from './large-appends.ts'
import { Metrics } from './metrics.ts'
import { PROBLEM_TYPE, problemAnswer } from './problem-answer.ts'
import type { Route, Services } from './route.ts'
import { routes } from './routes.ts'
import { RouteServer } from './serve.ts'
import { Searches } from './searches.ts'
import { Tails } from './tail.ts'
import { TIMEOUTS, type Timeouts } from './timeouts.ts'
import { VerifierPage } from './verifier-page.ts'

/** Descriptors are what the ledger's own files need too. */
const MAX_CONNECTIONS = 2_000
/** A query of 8,192 characters, most of them escaped, and a cursor over a thousand ledgers. */
const MAX_HEADER_BYTES = 40 * 1024
/** Held by reads, and by answers that are on their way to their readers. */
const ROOM_BYTES = 256 * 1024 * 1024
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

export interface HttpOptions extends Pick<
  Services,
  | 'ledgers'
  | 'administration'
  | 'authenticator'
  | 'audit'
  | 'space'
  | 'clock'
  | 'version'
  | 'index'
  | 'keeper'
  | 'cosigning'
  | 'normalise'
> {
  readonly random: Random
  /** Other than what is usual. */
  readonly timeouts?: Partial<Timeouts>
  /** What the searches of one token may take of the index's time a minute. */
  readonly searchBudgetMs?: number
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer }
  /** The file that is handed out to whoever wants to verify a receipt. */
  readonly verifierPage: Buffer
  /** Takes one line of the log; it gets no event content and no secrets. */
  readonly log: (line: object) => void
}

export interface HttpServer {
  /** Resolves to the URL once it answers. */
  listen(host: string, port: number): Promise<string>
  /** Takes nothing new, finishes what was accepted, ends tails and exports: see connections.ts. */
  close(): Promise<void>
}

export async function createHttpServer(options: HttpOptions): Promise<HttpServer> {
  const { tls, log, ledgers, clock, index, normalise } = options
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const metrics = new Metrics()
  const onDamage = (error: DamagedError) => {
    metrics.refused('content-damaged')
    log({ level: 'error', message: 'stored content was changed', reason: error.message })
  }
  const tails = new Tails(ledgers, normalise, clock, onDamage)
  const exports = new Exports(ledgers, clock)
  const services: Services = {
    ...options,
    intake: new Intake(),
    rates: new Rates(clock),
    large: new LargeAppends(clock),
    room: new ByteBudget(ROOM_BYTES),
    heads: new Heads(ledgers),
    metrics,
    tails,
    exports,
    cursors: new Cursors(options.random),
    searches: new Searches(index, clock, metrics, options.searchBudgetMs),
    verifierPage: new VerifierPage(options.verifierPage),
    onDamage,
  }
  const server = new RouteServer(services, log, tls !== undefined)
  const app = createApp(options, timeouts, (error, request, reply) => server.refuse(error, request, reply))
  for (const route of routes) {
    app.route({
      method: methodsOf(route),
      url: route.path,
      handler: (request, reply) => void server.serve(route, request, reply),
    })
  }
  for (const [url, allow] of methodsByPath()) {
    const method = METHODS.filter((one) => !allow.includes(one))
    app.route({ method, url, handler: (request, reply) => server.refuse(notAllowed(request, allow), request, reply) })
  }
  takeFirst(app.server, (request, response) => server.serveKnown(request, response))
  const connections = new Connections(app.server, clock, timeouts)
  await app.ready()
  return {
    listen: async (host, port) => {
      await app.listen({ host, port })
      const address = app.server.address()
      const bound = typeof address === 'object' && address !== null ? address.port : port
      return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${bound}`
    },
    close: async () => {
      server.stop()
      tails.close()
      exports.close()
      const stop = connections.stop()
      await app.close().finally(stop)
      await server.settled()
    },
  }
}

/** Offers requests to `take` before Fastify gets to see them. */
function takeFirst(server: Server, take: (request: IncomingMessage, response: ServerResponse) => boolean): void {
  const [router, ...others] = server.listeners('request')
  assert(router !== undefined && others.length === 0, 'Fastify alone listens for requests')
  server.removeAllListeners('request')
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!take(request, response)) router.call(server, request, response)
  })
}

/** The methods that each path has; what else is tried there is refused with them. */
function methodsByPath(): Map<string, string[]> {
  const paths = new Map<string, string[]>()
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), ...methodsOf(route)])
  return paths
}

function methodsOf({ method, withHead }: Route): string[] {
  return withHead === true ? [method, 'HEAD'] : [method]
}

function notAllowed({ method }: FastifyRequest, allow: readonly string[]): Problem {
  const detail = `There is no ${method} here, but ${allow.join(' and ')}. What each does stands in /openapi.json.`
  return new Problem('method-not-allowed', detail, { allow })
}

type Refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void

function createApp({ tls }: HttpOptions, timeouts: Timeouts, refuse: Refuse): FastifyInstance {
  const bounds = {
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    headersTimeout: timeouts.headersMs,
    maxHeaderSize: MAX_HEADER_BYTES,
    connectionsCheckingInterval: timeouts.checkedEveryMs,
  }
  const common = {
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    connectionTimeout: timeouts.idleMs,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    frameworkErrors: refuse,
    clientErrorHandler: refuseConnection,
    // Schemas are checked in serve.ts: Fastify's own compilers are not even loaded.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  } as const
  const app: FastifyInstance =
    tls === undefined
      ? fastify({ ...common, http: bounds })
      : fastify({ ...common, https: { ...bounds, ...tls, minVersion: 'TLSv1.2' } })
  app.server.maxConnections = MAX_CONNECTIONS
  // Whoever waits for 100 Continue is told when the body is wanted, or gets the refusal instead.
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    app.server.emit('request', request, response)
  })
  // Bodies are read in intake.ts, after the caller was admitted: to Fastify no method has one.
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    app.addHttpMethod(method, { overrideExisting: true })
  app.setErrorHandler(refuse)
  app.setNotFoundHandler((request, reply) => {
    const detail = `There is no ${request.method} here. All that there is stands in /openapi.json.`
    refuse(new Problem('not-found', detail), request, reply)
  })
  return app
}

function noCompiler(): never {
  throw new Error('no route has a schema of Fastify')
}

/** What is not HTTP never becomes a request. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const answer = problemAnswer(connectionProblem(error.code), '')
  const body = JSON.stringify(answer)
  socket.end(
    `HTTP/1.1 ${answer.status} ${answer.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  )
}

function connectionProblem(code: string | undefined): Problem {
  if (code !== 'HPE_HEADER_OVERFLOW') {
    return new Problem('malformed-request', 'What arrived is not HTTP/1.1 as it is written down, or took too long.')
  }
  const detail =
    `The address and the headers of a request have ${MAX_HEADER_BYTES} bytes together at most; ` +
    `a query has at most ${MAX_QUERY_CHARS} characters. Ask for less at a time.`
  return new Problem('request-head-too-large', detail, { limit: MAX_HEADER_BYTES })
}
