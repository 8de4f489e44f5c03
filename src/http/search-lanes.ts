// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * How questions to the index share the machine. Each is tried in the quick lane first, for a moment; what does not end by
 * then begins again in the slow lane, which has one thread a question and room for few, and where tokens take turns. So
 * nobody has to say which question is heavy, and the light ones never wait for those that are. A token that has used up
 * its budget of the last minute is told to come back.
 */
import { SearchFault } from '../index/search-fault.ts'
import type { Ask, Turn } from '../index/search-turn.ts'
import type { Clock } from '../platform/clock.ts'
import { FairTurns } from '../platform/turns.ts'
import { Problem } from '../schema/problem.ts'

/** Longer than any question of docs/performance.md takes. */
const QUICK_MS = 1_000
/** Of a token that has lately asked what is heavy, for so long: its tries would add up. */
const HEAVY_QUICK_MS = 200
const HEAVY_MS = 3_000
const QUICK_OF_ONE_TOKEN = 2
const MINUTE_MS = 60_000

export interface LaneOptions {
  readonly clock: Clock
  readonly processors: number
  /** Time of ClickHouse that a token may use a minute. */
  readonly budgetMs: number
}

interface Token {
  readonly quick: FairTurns
  /** What it has used, less what it was given back since. */
  usedMs: number
  /** Of that for what is heavy; half of it is forgotten in a minute. */
  heavyMs: number
  atMs: number
}

export class SearchLanes {
  readonly #options: LaneOptions
  readonly #slow: FairTurns
  readonly #tokens = new Map<string, Token>()

  constructor(options: LaneOptions) {
    this.#options = options
    this.#slow = new FairTurns(Math.max(1, Math.floor(options.processors / 2)))
  }

  /** Throws `too-many-requests` where the token has used up its budget. */
  demand(token: string): void {
    const { budgetMs } = this.#options
    const overMs = this.#tokenOf(token).usedMs - budgetMs
    if (overMs < 0) return
    // A tenth of it may then be used at once.
    const retryAfter = Math.ceil((overMs / budgetMs + 0.1) * (MINUTE_MS / 1_000))
    const seconds = Math.round(budgetMs / 1_000)
    throw new Problem(
      'too-many-requests',
      `The searches of this token have taken ${seconds} s of the index's time within a minute, which is as much as one may.`,
      { limit: seconds, retryAfter },
    )
  }

  /** How the questions of a search wait for each other; one that nobody waits for any more leaves the line. */
  of(name: string, gone: AbortSignal): Turn {
    return async (timeMs, ask) => {
      const token = this.#tokenOf(name)
      const quickMs = Math.min(timeMs, token.heavyMs > HEAVY_MS ? HEAVY_QUICK_MS : QUICK_MS)
      try {
        return await token.quick.run(name, async () => await this.#timed(token, ask, quickMs, 'quick'), gone)
      } catch (error) {
        const isSlow = error instanceof SearchFault && error.isOfTime && timeMs > quickMs
        if (!isSlow) throw error
        token.heavyMs += quickMs
      }
      return await this.#slow.run(name, async () => await this.#timed(token, ask, timeMs, 'slow'), gone)
    }
  }

  async #timed<T>(token: Token, ask: Ask<T>, timeMs: number, lane: 'quick' | 'slow'): Promise<T> {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      return await ask({ timeMs, lane })
    } finally {
      const tookMs = clock.monotonicMs() - startedMs
      token.usedMs += tookMs
      if (lane === 'slow') token.heavyMs += tookMs
    }
  }

  #tokenOf(name: string): Token {
    const nowMs = this.#options.clock.monotonicMs()
    const token = this.#tokens.get(name) ?? {
      quick: new FairTurns(QUICK_OF_ONE_TOKEN),
      usedMs: 0,
      heavyMs: 0,
      atMs: nowMs,
    }
    // Tokens are never forgotten, so there are no more of these.
    this.#tokens.set(name, token)
    const minutes = (nowMs - token.atMs) / MINUTE_MS
    token.usedMs = Math.max(0, token.usedMs - minutes * this.#options.budgetMs)
    token.heavyMs *= 0.5 ** minutes
    token.atMs = nowMs
    return token
  }
}
