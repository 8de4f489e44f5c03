// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What all searches have in common: so many at a time, of one token and in all; ended when their caller has gone; and
 * refused in plain words where there is no index to ask. Appending, reading by index and proving never come here.
 */
import type { ServerResponse } from 'node:http'
import { type Search, SearchFault } from '../index/search.ts'
import type { IndexService, IndexStatus } from '../index/supervised-index.ts'
import type { Clock } from '../platform/clock.ts'
import { cpuCount } from '../platform/workers.ts'
import { Problem } from '../schema/problem.ts'
import type { Metrics } from './metrics.ts'
import type { Caller } from './route.ts'
import { SearchLanes } from './search-lanes.ts'

/** Of the index's time, for one token a minute: two questions beside each other all the time. */
const SEARCH_BUDGET_MS = 120_000
const MAX_OF_ONE_TOKEN = 8
const MAX_OF_ALL = 32
const RETRY_AFTER_SECONDS = 1
/** The index comes back by itself, mostly sooner. */
const RETRY_AFTER_INDEX_SECONDS = 5

export interface Searching {
  readonly search: Search
  /** Fires when the caller has gone. */
  readonly gone: AbortSignal
}

export class Searches {
  readonly #index: IndexService
  readonly #clock: Clock
  readonly #metrics: Metrics
  readonly #lanes: SearchLanes
  readonly #running = new Map<string, number>()
  #runningCount = 0

  constructor(index: IndexService, clock: Clock, metrics: Metrics, budgetMs: number = SEARCH_BUDGET_MS) {
    this.#lanes = new SearchLanes({ clock, processors: cpuCount(), budgetMs })
    this.#index = index
    this.#clock = clock
    this.#metrics = metrics
  }

  get runningCount(): number {
    return this.#runningCount
  }

  /** Runs a search for the caller. Throws `too-many-requests`, `overloaded`, `search-unavailable`, `query-too-heavy`. */
  async run<T>({ by }: Caller, response: ServerResponse, work: (searching: Searching) => Promise<T>): Promise<T> {
    this.#enter(by)
    const startedMs = this.#clock.monotonicMs()
    const controller = new AbortController()
    const { signal: gone } = controller
    const leave = () => controller.abort()
    response.once('close', leave)
    try {
      demandSearchable(this.#index)
      return await work({ search: this.#index.search.inTurn(this.#lanes.of(by, gone)), gone })
    } catch (error) {
      if (gone.aborted) throw new Problem('malformed-request', 'The connection ended before the search did.')
      throw error instanceof SearchFault ? problemOf(error) : error
    } finally {
      response.off('close', leave)
      this.#leave(by)
      this.#metrics.searched(this.#clock.monotonicMs() - startedMs)
    }
  }

  /** For work that goes on when its search was answered: its next question. Throws `too-many-requests` like any other. */
  inTurnOf(by: string, gone: AbortSignal): Search {
    this.#lanes.demand(by)
    return this.#index.search.inTurn(this.#lanes.of(by, gone))
  }

  #enter(by: string): void {
    this.#lanes.demand(by)
    const ofToken = this.#running.get(by) ?? 0
    const retryAfter = RETRY_AFTER_SECONDS
    if (ofToken >= MAX_OF_ONE_TOKEN) {
      const detail = `${MAX_OF_ONE_TOKEN} searches of this token are running, which is as many as there may be.`
      throw new Problem('too-many-requests', detail, { limit: MAX_OF_ONE_TOKEN, retryAfter })
    }
    if (this.#runningCount >= MAX_OF_ALL) {
      const detail = `${MAX_OF_ALL} searches are running, which is as many as there may be.`
      throw new Problem('overloaded', detail, { limit: MAX_OF_ALL, retryAfter })
    }
    this.#running.set(by, ofToken + 1)
    this.#runningCount++
  }

  #leave(by: string): void {
    const ofToken = this.#running.get(by) ?? 0
    if (ofToken > 1) this.#running.set(by, ofToken - 1)
    else this.#running.delete(by)
    this.#runningCount--
  }
}

/** Throws `search-unavailable` with the reason where there is nothing to ask. */
export function demandSearchable(index: IndexService): void {
  const { state, reason } = index.status()
  if (isSearchable(state)) return
  throw unavailable(reason ?? (state === 'off' ? 'this server has no index' : 'the index is starting'), state !== 'off')
}

/** An index that is being built is searched as far as it is. */
export function isSearchable(state: IndexStatus['state']): boolean {
  return state === 'ready' || state === 'building'
}

export function problemOf(fault: SearchFault): Problem {
  switch (fault.reason) {
    case 'too-heavy':
      return new Problem('query-too-heavy', fault.message)
    case 'unavailable':
      return unavailable(fault.message, true)
  }
}

/** Without the words of a system call: whoever searches knows no address of a search server. */
export function plainReason(reason: string): string {
  if (!/\bECONN[A-Z]+\b|\bEPIPE\b|socket hang up/.test(reason)) return reason
  return 'the search server does not answer; it is being started again, or cannot be reached'
}

/** Says that events are safe: whoever searches in an incident has to know. */
export function unavailable(reason: string, isPassing: boolean): Problem {
  const detail = `Nothing can be searched now: ${plainReason(reason)}. Events are stored, read by index and proven as ever.`
  return new Problem('search-unavailable', detail, isPassing ? { retryAfter: RETRY_AFTER_INDEX_SECONDS } : {})
}
