// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A log behind HTTP, as src/evidence/monitor asks for it. Every call ends: silence, a trickle and an endless answer are
// all cut off. What only the connection can be blamed for is silence; an answer that no log can give is a fault.

import type { LogClient, SteleClient } from '@stele/sdk'
import { SteleError } from '@stele/sdk'
import { z } from 'zod'

import { type LogSource, SourceSilent } from '../../evidence/monitor/log-source.ts'
import { type ServedEvent, ServedFault } from '../../evidence/served-ledger.ts'
import type { Clock } from '../../platform/clock.ts'

/** Longest time for one call in all, and for the next event of a stream that must have one. */
const MAX_CALL_MS = 120_000
const MAX_EVENT_WAIT_MS = 30_000

/** A rotation is a note of about 500 bytes, or 2,300 with a second key. */
const MAX_KEYS_BYTES = 16 * 1024 * 1024

const keysSchema = z.looseObject({ rotations: z.array(z.string()) })

/** Clients of one ledger: its log, what it tells of its keys, and the server. */
export interface LedgerClients {
  readonly log: LogClient
  readonly keys: LogClient
  readonly stele: SteleClient
  /** Whether its heads must have the cosignatures of witnesses. */
  readonly isWitnessed: boolean
}

/** What bounds calls in time. */
export interface CallBounds {
  readonly clock: Clock
  readonly interrupted: AbortSignal
}

export class LogBySdk implements LogSource {
  readonly url: string
  readonly #log: LogClient
  readonly #bounds: CallBounds

  constructor(log: LogClient, url: string, bounds: CallBounds) {
    this.#log = log
    this.url = url
    this.#bounds = bounds
  }

  async checkpoint(): Promise<Uint8Array> {
    return await bounded(this.#bounds, async (signal) => await this.#log.checkpoint({ signal }))
  }

  async tile(level: number, index: number, width: number): Promise<Uint8Array> {
    return await bounded(this.#bounds, async (signal) => await this.#log.tile(level, index, width, { signal }))
  }

  async entries(index: number, width: number): Promise<readonly Uint8Array[]> {
    return await bounded(this.#bounds, async (signal) => await this.#log.entries(index, width, { signal }))
  }
}

/** A ledger of a Stele server. */
export class LedgerBySdk extends LogBySdk {
  readonly ledger: string
  readonly #clients: LedgerClients
  readonly #ledgerBounds: CallBounds

  constructor(clients: LedgerClients, place: { url: string; ledger: string }, bounds: CallBounds) {
    super(clients.log, place.url, bounds)
    this.ledger = place.ledger
    this.#clients = clients
    this.#ledgerBounds = bounds
  }

  /** Of `heads`, where witnesses are demanded, the newest head that they cosigned: the current one cannot have them yet. */
  override async checkpoint(): Promise<Uint8Array> {
    if (!this.#clients.isWitnessed) return await super.checkpoint()
    return await bounded(this.#ledgerBounds, async (signal) => {
      return await this.#clients.log.checkpoint({ signal, query: { witnessed: 'true' } })
    })
  }

  async rotations(): Promise<readonly string[]> {
    let bytes: Uint8Array
    try {
      bytes = await bounded(this.#ledgerBounds, async (signal) => {
        return await this.#clients.keys.document(MAX_KEYS_BYTES, { signal })
      })
    } catch (error) {
      // Servers of before told none.
      if (error instanceof SourceSilent && error.status === 404) return []
      throw error
    }
    try {
      return keysSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))).rotations
    } catch (error) {
      if (error instanceof z.ZodError || error instanceof SyntaxError) {
        throw new ServedFault(`what it tells of its keys is not in its form: ${error.message}`)
      }
      throw error
    }
  }

  async *events(from: number): AsyncGenerator<ServedEvent, void> {
    const { clock, interrupted } = this.#ledgerBounds
    const stop = new AbortController()
    let moves = 0
    void stopWhereStill(clock, stop, () => moves)
    const signal = AbortSignal.any([stop.signal, interrupted])
    try {
      const onInterruption = () => stop.abort()
      for await (const event of this.#clients.stele.tail(this.ledger, { from, signal, onInterruption })) {
        moves++
        yield event
      }
    } catch (error) {
      throw spoken(error)
    } finally {
      stop.abort()
    }
  }
}

/** Makes a call that ends in time, and says how it failed. */
export async function bounded<T>(
  { clock, interrupted }: CallBounds,
  make: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const [late, done] = [new AbortController(), new AbortController()]
  const silent = new SourceSilent(`no whole answer came within ${MAX_CALL_MS / 1000} s`)
  clock.sleep(MAX_CALL_MS, done.signal).then(
    () => late.abort(silent),
    () => {},
  )
  try {
    return await make(AbortSignal.any([late.signal, interrupted]))
  } catch (error) {
    throw spoken(error)
  } finally {
    done.abort()
  }
}

function spoken(error: unknown): unknown {
  if (!(error instanceof SteleError)) return error
  if (error.failure === 'untrustworthy' || error.code === 'content-damaged') return new ServedFault(error.message)
  const { status } = error
  const said = status === undefined ? error.message : `it answers with ${status}: ${error.message}`
  return new SourceSilent(said, status)
}

async function stopWhereStill(clock: Clock, stop: AbortController, moves: () => number): Promise<void> {
  try {
    for (let seen = -1; seen !== moves();) {
      seen = moves()
      await clock.sleep(MAX_EVENT_WAIT_MS, stop.signal)
    }
    stop.abort()
  } catch {
    // The stream is over.
  }
}
