// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Follows a ledger through interruptions. The client counts by itself, so a server that leaves an event out, repeats one
// or swaps two is found out; and what was interrupted goes on with the next event, whoever answers then.

import { readEvent, type RecordedEvent } from './answers.ts'
import { SteleError, untrustworthy } from './error.ts'
import type { Sleep } from './platform.ts'
import { serverSentEvents } from './sse.ts'

export interface TailOptions {
  /** First index; without it, the next one to be appended. */
  readonly from?: number
  readonly signal?: AbortSignal | undefined
  /** Told of every interruption, and how long it will be until the next try. */
  readonly onInterruption?: (error: SteleError, waitMs: number) => void
}

const FIRST_WAIT_MS = 250
const MAX_WAIT_MS = 10_000

export async function* tail(
  connect: (from: number) => AsyncIterable<Uint8Array>,
  retries: { readonly sleep: Sleep; readonly attempts: number },
  options: TailOptions & { readonly from: number },
): AsyncGenerator<RecordedEvent, void> {
  const { signal, onInterruption } = options
  let next = options.from
  let failures = 0
  let wasConnected = false
  for (;;) {
    let failure = new SteleError('interrupted', 'the server ended the stream')
    try {
      for await (const event of connected(connect(next), () => (wasConnected = true))) {
        failures = 0
        yield await eventOf(event, next)
        next += 1
      }
    } catch (error) {
      if (signal?.aborted === true) return
      if (!(error instanceof SteleError) || !isPassing(error)) throw error
      failure = error
    }
    failures += 1
    // Somebody who mistyped the address wants to hear of it; somebody whose server restarts does not.
    if (!wasConnected && failures >= retries.attempts) throw failure
    const waitMs = failure.problem.retryAfterMs ?? Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), MAX_WAIT_MS)
    if (wasConnected) onInterruption?.(failure, waitMs)
    try {
      await retries.sleep(waitMs, signal)
    } catch (error) {
      if (signal?.aborted === true) return
      throw error
    }
  }
}

async function* connected(
  chunks: AsyncIterable<Uint8Array>,
  onConnected: () => void,
): AsyncGenerator<{ readonly id: string | undefined; readonly data: string }, void> {
  const seen = async function* () {
    for await (const chunk of chunks) {
      onConnected()
      yield chunk
    }
  }
  for await (const event of serverSentEvents(seen())) {
    // Coming back would meet the same event again.
    if (event.type === 'damaged') throw untrustworthy('the next event was changed on its disk, and it says so')
    if (event.type === 'message') yield event
  }
}

async function eventOf(
  { id, data }: { readonly id: string | undefined; readonly data: string },
  index: number,
): Promise<RecordedEvent> {
  if (id !== String(index)) throw untrustworthy(`event ${index} of the stream is due, and ${id ?? 'none'} came`)
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch (error) {
    throw untrustworthy(`event ${index} of the stream is not JSON`, error)
  }
  return await readEvent(value, index)
}

function isPassing(error: SteleError): boolean {
  if (error.failure === 'refused') return (error.status ?? 0) >= 500 || error.status === 429
  return error.failure !== 'untrustworthy'
}
