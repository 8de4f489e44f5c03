// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Bounds on bytes that are held at the same time: room is taken before the bytes are there, never afterwards. */
import type { ServerResponse } from 'node:http'
import { Problem } from '../schema/problem.ts'

const RETRY_AFTER_SECONDS = 1
/** What small answers hold is not counted: they go on when large ones have taken all the room. */
const FREE_BYTES = 64 * 1024

/** A bound, whoever holds the bytes. */
export class ByteBudget {
  readonly limitBytes: number
  #heldBytes = 0

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Takes the bytes if they fit. */
  take(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.limitBytes) return false
    this.#heldBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }
}

/** What one request holds of a budget: for the work on it, and then until its reader has taken the answer or left. */
export class Holding {
  readonly #budget: ByteBudget
  #bytes = 0
  #isOver = false

  constructor(budget: ByteBudget) {
    this.#budget = budget
  }

  /** Takes more, if it fits. */
  tries(bytes: number): boolean {
    const more = counted(this.#bytes + bytes) - counted(this.#bytes)
    if (more > 0 && (this.#isOver || !this.#budget.take(more))) return false
    if (more < 0) this.#budget.release(-more)
    this.#bytes += bytes
    return true
  }

  /** Takes more, or throws `overloaded`. */
  take(bytes: number): void {
    if (this.tries(bytes)) return
    const detail = 'Large answers are on their way to as many readers as there is room for. Try again in a moment.'
    throw new Problem('overloaded', detail, { retryAfter: RETRY_AFTER_SECONDS })
  }

  /** Holds exactly so much from now on: what was thought to be needed becomes what is. */
  settle(bytes: number): void {
    this.take(bytes - this.#bytes)
  }

  /** Gives all back, for good. */
  release(): void {
    this.#isOver = true
    this.settle(0)
  }

  /** Gives all back once the connection is done with the answer; called when the work is over, not before. */
  releaseAfter(response: ServerResponse): void {
    if (counted(this.#bytes) === 0) return
    // Whoever has gone has said so already.
    if (response.destroyed || response.closed) this.release()
    else response.once('close', () => this.release())
  }
}

function counted(bytes: number): number {
  return Math.max(0, bytes - FREE_BYTES)
}
