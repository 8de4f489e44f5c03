// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A witness over HTTP: the few paths of C2SP tlog-witness, in plain text as that document has it, and what an operator
 * asks. Nobody needs a token: a log shows itself by its signature, and all that is answered is public.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Clock } from '../platform/clock.ts'
import { Refusal } from '../witness/witnessing/fault.ts'
import type { Witness } from '../witness/witnessing/witness.ts'
import type { WitnessKey } from '../witness/witnessing/witness-key.ts'
import type { WitnessState } from '../witness/witnessing/witness-state.ts'
import { METRICS_TYPE, MetricsText } from './metrics.ts'

/** More than 16 signatures of any kind, which everybody must take, and a proof. */
const MAX_REQUEST_BYTES = 128 * 1024
/** What is read on of a body that was refused, so that its sender sees why. */
const MAX_DISCARDED_BYTES = 1024 * 1024
const TEXT = 'text/plain; charset=utf-8'
const CHECKPOINT = /^\/([0-9a-f]{64})\/checkpoint$/

const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
  'referrer-policy': 'no-referrer',
}

interface Answer {
  readonly status?: number
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

export interface WitnessRequestsOptions {
  readonly witness: Witness
  readonly key: WitnessKey
  readonly state: WitnessState
  readonly clock: Clock
  readonly version: string
  readonly isSecure: boolean
  /** Whether the clock jumped, so that times go on without it. */
  readonly hasJumped: () => boolean
  readonly log: (line: object) => void
}

export class WitnessRequests {
  readonly #options: WitnessRequestsOptions
  readonly #counts = new Map<number, number>()
  #contradictionCount = 0
  #answerSeconds = 0
  #isStopping = false

  constructor(options: WitnessRequestsOptions) {
    this.#options = options
  }

  readonly listener: RequestListener = (request, response) => {
    void this.#serve(request, response)
  }

  /** Each connection ends with its answer from now on. */
  stop(): void {
    this.#isStopping = true
  }

  contradicted(): void {
    this.#contradictionCount++
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer
    try {
      answer = await this.#answer(request, response)
    } catch (error) {
      answer = this.#refused(error)
      discard(request)
    }
    if (response.destroyed) return
    const body = Buffer.from(answer.body)
    response.writeHead(answer.status ?? 200, {
      ...securityHeaders,
      ...(this.#options.isSecure ? { 'strict-transport-security': 'max-age=31536000' } : {}),
      ...(this.#isStopping ? { connection: 'close' } : {}),
      'cache-control': 'no-store',
      'content-type': answer.type ?? TEXT,
      'content-length': body.length,
      ...answer.headers,
    })
    response.end(body)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const [pathname = '/'] = (request.url ?? '/').split('?', 1)
    if (pathname === '/add-checkpoint') {
      demandMethod(request, 'POST')
      return await this.#addCheckpoint(request, response)
    }
    if (pathname === '/sign-subtree') {
      demandMethod(request, 'POST')
      return { body: await this.#options.witness.signSubtree(await bodyOf(request, response)) }
    }
    const read = this.#reads[pathname] ?? this.#checkpointOf(pathname)
    if (read === undefined)
      throw new Refusal(404, 'there is nothing here: c2sp.org/tlog-witness says what a witness answers')
    demandMethod(request, 'GET')
    return await read()
  }

  async #addCheckpoint(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const { witness, clock } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      const body = await witness.addCheckpoint(await bodyOf(request, response))
      this.#count(200)
      this.#answerSeconds += (clock.monotonicMs() - startedMs) / 1_000
      return { body }
    } catch (error) {
      this.#count(error instanceof Refusal ? error.status : 500)
      throw error
    }
  }

  #checkpointOf(pathname: string): (() => Promise<Answer>) | undefined {
    const hash = CHECKPOINT.exec(pathname)?.[1]
    if (hash === undefined) return undefined
    // Verifiers in browsers read it too; it is no secret.
    const headers = { 'cache-control': 'no-cache', 'access-control-allow-origin': '*' }
    return async () => ({ headers, body: await this.#options.witness.checkpoint(hash) })
  }

  readonly #reads: Readonly<Partial<Record<string, () => Answer | Promise<Answer>>>> = {
    '/': () => {
      const { key, version } = this.#options
      const words = 'This is a witness of transparency logs: c2sp.org/tlog-witness. Its keys:'
      return { body: `${words}\n\n${key.vkeys.join('\n')}\n\nstele ${version}\n` }
    },
    '/healthz': () => this.#health(),
    '/readyz': () => this.#health(),
    '/metrics': () => ({ type: METRICS_TYPE, body: this.#metrics() }),
  }

  #health(): Answer {
    if (this.#options.state.failure !== undefined) throw new Refusal(503, 'the witness has stopped; its log says why')
    return { body: 'ok\n' }
  }

  #refused(error: unknown): Answer {
    if (!(error instanceof Refusal)) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#options.log({ level: 'error', message: 'request failed', reason })
      return { status: 500, body: 'the witness failed; its log says how\n' }
    }
    const { status, message, cosignedSize, knownCheckpoint, retryAfterSeconds } = error
    // The document gives this answer its type, to the letter: a client compares it whole.
    if (cosignedSize !== undefined) return { status, type: 'text/x.tlog.size', body: `${cosignedSize}\n` }
    if (knownCheckpoint !== undefined) return { status, body: knownCheckpoint }
    return {
      status,
      body: `${message}\n`,
      headers: {
        ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
        ...(status === 405 ? { allow: message.split(' ', 1)[0]! } : {}),
      },
    }
  }

  #count(status: number): void {
    this.#counts.set(status, (this.#counts.get(status) ?? 0) + 1)
  }

  #metrics(): string {
    const { witness, state, hasJumped } = this.#options
    const text = new MetricsText()
    const answers = [...this.#counts].map(([status, count]) => [`{status="${status}"}`, count] as const)
    text.family('stele_witness_add_checkpoint_total', 'counter', 'Answers to add-checkpoint, by HTTP status.', answers)
    text.family('stele_witness_cosign_seconds', 'summary', 'Time from a request to its durable cosignature.', [
      ['_sum', this.#answerSeconds],
      ['_count', this.#counts.get(200) ?? 0],
    ])
    text.family('stele_witness_contradictions_total', 'counter', 'Second roots of a size that logs have signed.', [
      ['', this.#contradictionCount],
    ])
    text.family('stele_witness_logs', 'gauge', 'Logs that may ask.', [['', witness.logCount]])
    text.family('stele_witness_logs_cosigned', 'gauge', 'Logs of which a checkpoint was ever cosigned.', [
      ['', state.count],
    ])
    text.family('stele_witness_clock_jumped', 'gauge', '1 after the wall clock jumped, until a restart.', [
      ['', hasJumped() ? 1 : 0],
    ])
    text.family('stele_witness_stopped', 'gauge', '1 where a failure stopped the witness.', [
      ['', state.failure === undefined ? 0 : 1],
    ])
    return text.toString()
  }
}

function demandMethod(request: IncomingMessage, method: 'GET' | 'POST'): void {
  if (request.method !== method) throw new Refusal(405, `${method} is the method of this address`)
}

/** At most `MAX_REQUEST_BYTES` in memory, however they come. */
async function bodyOf(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
  const tooLarge = new Refusal(413, `a request has at most ${MAX_REQUEST_BYTES} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > MAX_REQUEST_BYTES) throw tooLarge
  if (request.headers['content-encoding'] !== undefined)
    throw new Refusal(400, 'the body is sent as it is, not compressed')
  if (request.headers.expect !== undefined) response.writeContinue()
  return await new Promise((resolve, reject) => {
    let body = Buffer.alloc(0)
    let gotBytes = 0
    request.on('data', (chunk: Buffer) => {
      if (gotBytes + chunk.length > MAX_REQUEST_BYTES) return reject(tooLarge)
      // One buffer that doubles: an object a chunk would cost hundreds of times a chunk of one byte.
      if (gotBytes + chunk.length > body.length) {
        const larger = Buffer.allocUnsafe(
          Math.min(MAX_REQUEST_BYTES, Math.max(2 * body.length, gotBytes + chunk.length)),
        )
        body.copy(larger, 0, 0, gotBytes)
        body = larger
      }
      chunk.copy(body, gotBytes)
      gotBytes += chunk.length
    })
    request.on('end', () => resolve(body.subarray(0, gotBytes)))
    request.on('close', () => reject(new Refusal(400, 'the connection ended before the body did')))
  })
}

function discard(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return
  let discardedBytes = 0
  request.removeAllListeners('data')
  request.on('data', (chunk: Buffer) => {
    discardedBytes += chunk.length
    if (discardedBytes > MAX_DISCARDED_BYTES) request.destroy()
  })
  request.resume()
}
