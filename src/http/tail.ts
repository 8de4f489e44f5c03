// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Streams a ledger as it grows (server-sent events, `id` is the index). A tail holds a cursor and one piece of text:
 * it reads on by index when its reader has taken the last piece, so a slow reader costs the server nothing and misses
 * nothing. Room for a piece is taken before it is read. A token that ends or is revoked ends its tails.
 */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Ledgers } from '../ledger/ledgers.ts'
import { DamagedError, type StoredEvent } from '../ledger/read.ts'
import type { Clock } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import { staysAdmitted } from './admission.ts'
import { ByteBudget, Holding } from './budget.ts'
import { hitOf, hitRoomBytes } from './content.ts'
import type { Answer, Call, Normalise, Services } from './route.ts'
import type { ledgerParams, tailQuery } from './schemas.ts'

export const TAIL_TYPE = 'text/event-stream'

const MAX_TAILS = 64
const PIECE_BYTES = 256 * 1024
/** Held by all tails together: only events larger than a piece come near it. */
const HELD_BYTES = 128 * 1024 * 1024
const HEARTBEAT_MS = 15_000
/** How long a tail waits that finds no room. */
const PAUSE_MS = 1_000
const RETRY_AFTER_SECONDS = 5

type TailCall = Call<z.output<typeof ledgerParams>, z.output<typeof tailQuery>, undefined>

/** One reader's position. */
interface Cursor {
  readonly ledger: string
  next: number
}

export class Tails {
  readonly #ledgers: Ledgers
  readonly #normalise: Normalise
  readonly #clock: Clock
  readonly #open = new Set<AbortController>()
  readonly #budget = new ByteBudget(HELD_BYTES)
  readonly #onDamage: (error: DamagedError) => void

  constructor(ledgers: Ledgers, normalise: Normalise, clock: Clock, onDamage: (error: DamagedError) => void) {
    this.#ledgers = ledgers
    this.#normalise = normalise
    this.#clock = clock
    this.#onDamage = onDamage
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Starts a tail that goes on while `mayGoOn` says so and `response` is open. Throws `overloaded`. */
  open(cursor: Cursor, response: ServerResponse, mayGoOn: () => boolean): Readable {
    if (this.#open.size >= MAX_TAILS) {
      const detail = `${MAX_TAILS} tails are open, which is as many as there may be.`
      throw new Problem('overloaded', detail, { limit: MAX_TAILS, retryAfter: RETRY_AFTER_SECONDS })
    }
    const stop = new AbortController()
    this.#open.add(stop)
    const stream = Readable.from(this.#pieces(cursor, mayGoOn, stop), { objectMode: false })
    stream.once('close', () => this.#open.delete(stop))
    // The stream itself closes only when the generator has stopped waiting.
    response.once('close', () => stop.abort())
    return stream
  }

  /** Ends every tail. */
  close(): void {
    for (const stop of this.#open) stop.abort()
  }

  async *#pieces(cursor: Cursor, mayGoOn: () => boolean, stop: AbortController): AsyncGenerator<string> {
    const { signal: stopped } = stop
    yield 'retry: 1000\n\n'
    while (!stopped.aborted && mayGoOn()) {
      const { size } = this.#ledgers.log(cursor.ledger)
      if (cursor.next < size) yield* this.#piece(cursor, size, stop)
      else if (!(await this.#grown(cursor, stopped)) && !stopped.aborted) yield ': heartbeat\n\n'
    }
  }

  /** The next events; in place of one that was changed on the disk the last word, and a heartbeat where there is no room. */
  async *#piece(cursor: Cursor, size: number, stop: AbortController): AsyncGenerator<string> {
    const holding = new Holding(this.#budget)
    try {
      const stored = await this.#intact(cursor, size, holding)
      const text = stored.map((one) => this.#message(one)).join('')
      const count = stored.length
      // What was taken for the work goes back before the reader is waited for.
      holding.settle(text.length)
      yield count === 0 ? damagedText(cursor.next) : text
      cursor.next += count
      if (count === 0) stop.abort()
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'overloaded') throw error
      if (await this.#paused(stop.signal)) yield ': heartbeat\n\n'
    } finally {
      holding.release()
    }
  }

  #message(stored: StoredEvent): string {
    const { ocsf } = this.#normalise(stored.entry, stored.event)
    return `id: ${stored.index}\ndata: ${JSON.stringify(hitOf(stored, ocsf))}\n\n`
  }

  /** The next events, up to one that was changed on the disk; none where that is the next. */
  async #intact({ ledger, next }: Cursor, size: number, holding: Holding): Promise<StoredEvent[]> {
    const admit = (bytes: number) => holding.settle(hitRoomBytes(bytes))
    for (let end = size; end > next; end = next + Math.floor((end - next) / 2)) {
      try {
        return await this.#ledgers.events(ledger, next, end, PIECE_BYTES, admit)
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error
        if (end === next + 1) this.#onDamage(error)
      }
    }
    return []
  }

  /** Waits a moment; false when the tail was stopped meanwhile. */
  async #paused(stopped: AbortSignal): Promise<boolean> {
    await this.#clock.sleep(PAUSE_MS, stopped).catch(() => {})
    return !stopped.aborted
  }

  /** Waits until there is more than the cursor has seen; false when that took as long as a heartbeat. */
  async #grown({ ledger, next }: Cursor, stopped: AbortSignal): Promise<boolean> {
    const pause = new AbortController()
    const wake = () => pause.abort()
    stopped.addEventListener('abort', wake, { once: true })
    const stopClock = this.#clock.every(HEARTBEAT_MS, wake)
    try {
      const log = this.#ledgers.log(ledger)
      await log.grownBeyond(next, pause.signal)
      return log.size > next
    } finally {
      stopClock()
      stopped.removeEventListener('abort', wake)
    }
  }
}

/** The last word of a tail that cannot go on: coming back would meet the same. */
function damagedText(index: number): string {
  return `event: damaged\ndata: ${JSON.stringify({ code: 'content-damaged', index })}\n\n`
}

export function tail({ params, query, headers, caller, response }: TailCall, services: Services): Answer {
  const { ledgers, tails, authenticator } = services
  const { ledger } = params
  const { size } = ledgers.log(ledger)
  const first = lastEventId(headers['last-event-id']) ?? query.from ?? size
  if (first > size) {
    const detail = `The ledger has ${size} entries, so nothing can go on at ${first}: it was rolled back, or is another one.`
    throw new Problem('index-unknown', detail, { limit: size })
  }
  const cursor = { ledger, next: first }
  const mayGoOn = () => staysAdmitted(headers, caller, authenticator)
  return {
    type: TAIL_TYPE,
    headers: { 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    body: tails.open(cursor, response, mayGoOn),
    carries: { ledger, first, end: () => ({ count: cursor.next - first }) },
  }
}

/** What the reader saw last makes it go on behind it. */
function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined
  if (typeof header !== 'string' || !/^[0-9]{1,15}$/.test(header)) {
    throw new Problem('invalid-field', 'Last-Event-ID is not an index.')
  }
  return Number(header) + 1
}
