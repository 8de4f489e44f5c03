// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Bytes of a stream as they come, held until they are taken, with their place in it. A stream may be endless (a pipe),
// so waiting for more can be given up for a moment and goes on later.

import type { Clock } from '../../platform/clock.ts'

const LINE_FEED = 0x0a
const FIRST_BYTES = 64 * 1024

export class ByteWindow {
  readonly #chunks: AsyncIterator<Uint8Array, unknown>
  readonly #clock: Clock
  #next: Promise<IteratorResult<Uint8Array, unknown>> | undefined
  #store = Buffer.allocUnsafe(FIRST_BYTES)
  #start = 0
  #end = 0
  /** Offset in the stream of the first byte held, and the number of its line, from 1. */
  offset: number
  line: number
  ended = false

  /** `start` is where in the stream the first of the chunks begins. */
  constructor(chunks: AsyncIterable<Uint8Array>, clock: Clock, start = { offset: 0, line: 1 }) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#clock = clock
    this.offset = start.offset
    this.line = start.line
  }

  /** What is held; valid until the next call of `more`. */
  get held(): Buffer {
    return this.#store.subarray(this.#start, this.#end)
  }

  /** Waits for more bytes, at most so long: false where none came, because of the time or because the stream ended. */
  async more(patienceMs?: number): Promise<boolean> {
    if (this.ended) return false
    const next = (this.#next ??= this.#chunks.next())
    if (patienceMs !== undefined && !(await this.#within(next, patienceMs))) return false
    this.#next = undefined
    const result = await next
    if (result.done === true) this.ended = true
    else this.#keep(result.value)
    return !this.ended
  }

  /** Takes bytes off the front; what is returned stays as it is. */
  take(length: number): Buffer {
    const taken = Buffer.from(this.held.subarray(0, length))
    this.skip(length)
    return taken
  }

  skip(length: number): void {
    this.line += lineFeeds(this.held, 0, length)
    this.offset += length
    this.#start += length
  }

  /** Lets go of the stream. */
  async close(): Promise<void> {
    // A read under way may never end (a terminal, a pipe): nobody waits for it.
    if (this.#next !== undefined) void this.#next.catch(() => {})
    else await this.#chunks.return?.()
  }

  async #within(next: Promise<unknown>, patienceMs: number): Promise<boolean> {
    const stop = new AbortController()
    const settled = next.then(
      () => true,
      () => true,
    )
    const late = this.#clock.sleep(patienceMs, stop.signal).then(
      () => false,
      () => false,
    )
    const isThere = await Promise.race([settled, late])
    stop.abort()
    return isThere
  }

  #keep(chunk: Uint8Array): void {
    const heldBytes = this.#end - this.#start
    if (this.#end + chunk.length > this.#store.length) {
      const needed = heldBytes + chunk.length
      const store =
        needed * 2 <= this.#store.length ? this.#store : Buffer.allocUnsafe(Math.max(FIRST_BYTES, needed * 2))
      this.#store.copy(store, 0, this.#start, this.#end)
      this.#store = store
      this.#start = 0
      this.#end = heldBytes
    }
    this.#store.set(chunk, this.#end)
    this.#end += chunk.length
  }
}

export function lineFeeds(bytes: Buffer, start: number, end: number): number {
  let found = 0
  for (let at = bytes.indexOf(LINE_FEED, start); at !== -1 && at < end; at = bytes.indexOf(LINE_FEED, at + 1)) found++
  return found
}
