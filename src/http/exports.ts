// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Exports under way, and the signed summaries of those that ended. An export asks the index for a page of places at a
 * time and reads the events of one piece when its reader has taken the last: it holds the same memory for ten events and
 * for ten million, and a slow reader costs nothing. Only one that gave every event has a summary; whatever breaks one off
 * breaks off the connection, too, so that no part of it looks whole.
 */
import { createHash } from 'node:crypto'
import { formatExportSummary, formatNote } from '@stele/proof'
import { type Found, type Search, SearchFault, type SearchScope } from '../index/search.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import { type Clock, timeText } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import { ByteBudget, Holding } from './budget.ts'
import { comesBefore, type HitForm, HitReader, type HitSources } from './hits.ts'

const MAX_OF_ONE_TOKEN = 2
const MAX_OF_ALL = 8
const RETRY_AFTER_SECONDS = 10
/** Places that the index is asked for at once. */
export const PAGE_COUNT = 1_000
/** Of rows that are sent together; one event may be larger. */
const PIECE_BYTES = 256 * 1024
/** Held by all exports together: only events larger than a piece come near it. */
const HELD_BYTES = 128 * 1024 * 1024
/** An index that is away comes back by itself, mostly sooner. */
const MAX_TRIES = 30
const PAUSE_MS = 1_000
/** Summaries are kept until so many newer ones came, and no longer than the server runs. */
const MAX_KEPT = 1_000

/** What is exported, of which state of the ledger. */
export interface ExportRun {
  readonly ledger: string
  readonly query: string
  readonly format: string
  readonly scope: SearchScope
  /** Of the tree that is searched. */
  readonly size: number
  readonly root: Uint8Array
  /** That the ledger has now. */
  readonly entries: number
  readonly askedMs: number
  readonly header: Buffer | undefined
  readonly form: HitForm
  /** The first page of places. */
  readonly finds: readonly Found[]
}

/** How far an export is. */
export interface ExportProgress {
  count: number
  bytes: number
  first: number | undefined
  last: number | undefined
  leftOut: number
  /** Base64, of an export that ended as it should. */
  sha256: string | undefined
}

export interface ExportEnds {
  /** What the next page is asked of; throws `too-many-requests` where it has to wait. */
  readonly search: () => Search
  readonly sources: (holding: Holding) => HitSources
  readonly signal: AbortSignal
  /** Throws where the caller may not go on. */
  readonly demandGoingOn: () => void
  readonly onEnd: (end: ExportEnd) => void
}

/** The signed summary, or why there is none. */
type ExportEnd = { readonly summary: string } | { readonly failure: string }

export class Exports {
  readonly #ledgers: Ledgers
  readonly #clock: Clock
  readonly #running = new Map<AbortController, string>()
  readonly #kept = new Map<string, ExportEnd | 'running'>()
  readonly #budget = new ByteBudget(HELD_BYTES)

  constructor(ledgers: Ledgers, clock: Clock) {
    this.#ledgers = ledgers
    this.#clock = clock
  }

  get runningCount(): number {
    return this.#running.size
  }

  /** Takes a place among those under way, until the returned function is called. Throws `too-many-requests`, `overloaded`. */
  enter(by: string): { readonly stop: AbortController; readonly leave: () => void } {
    const ofToken = [...this.#running.values()].filter((one) => one === by).length
    const retryAfter = RETRY_AFTER_SECONDS
    if (ofToken >= MAX_OF_ONE_TOKEN) {
      const detail = `${MAX_OF_ONE_TOKEN} exports of this token are under way, which is as many as there may be.`
      throw new Problem('too-many-requests', detail, { limit: MAX_OF_ONE_TOKEN, retryAfter })
    }
    if (this.#running.size >= MAX_OF_ALL) {
      const detail = `${MAX_OF_ALL} exports are under way, which is as many as there may be.`
      throw new Problem('overloaded', detail, { limit: MAX_OF_ALL, retryAfter })
    }
    const stop = new AbortController()
    this.#running.set(stop, by)
    return { stop, leave: () => void this.#running.delete(stop) }
  }

  /** Keeps how an export of this name ended, for the token that named it. */
  keep(key: string, end: ExportEnd | 'running'): void {
    this.#kept.delete(key)
    this.#kept.set(key, end)
    for (const [oldest] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT) break
      this.#kept.delete(oldest)
    }
  }

  ended(key: string): ExportEnd | 'running' | undefined {
    return this.#kept.get(key)
  }

  /** Breaks off all that are under way. */
  close(): void {
    for (const stop of this.#running.keys()) stop.abort(stopped())
  }

  /** The bytes of an export; `progress` is kept as they are taken. */
  async *pieces(run: ExportRun, progress: ExportProgress, ends: ExportEnds): AsyncGenerator<Buffer> {
    let end: ExportEnd = { failure: 'its reader left before it was whole' }
    const digest = createHash('sha256')
    const given = (bytes: Buffer): Buffer => {
      digest.update(bytes)
      progress.bytes += bytes.length
      return bytes
    }
    try {
      if (run.header !== undefined) yield given(run.header)
      let shownLast: Found | undefined
      let { finds } = run
      while (finds.length > 0) {
        const pageLast = finds.at(-1)!
        for (let left = finds; left.length > 0;) {
          ends.demandGoingOn()
          const holding = new Holding(this.#budget)
          try {
            const read = await this.#read(left, shownLast, holding, run, ends)
            left = left.slice(read.seenCount)
            shownLast = read.shownLast
            progress.leftOut += read.disagreements
            for (const index of read.shown.get(run.ledger) ?? []) {
              progress.count++
              progress.first = Math.min(progress.first ?? index, index)
              progress.last = Math.max(progress.last ?? index, index)
            }
            const bytes = Buffer.concat(read.texts)
            holding.settle(bytes.length)
            if (bytes.length > 0) yield given(bytes)
          } finally {
            holding.release()
          }
        }
        finds = finds.length < PAGE_COUNT ? [] : await this.#nextPage(pageLast, run, ends)
      }
      progress.sha256 = digest.digest('base64')
      end = { summary: this.#summary(run, progress, progress.sha256) }
    } catch (error) {
      end = { failure: error instanceof Error ? error.message : String(error) }
      throw error
    } finally {
      ends.onEnd(end)
    }
  }

  /** Reads as many of the finds as make a piece; where there is no room for the first one it waits. */
  async #read(
    finds: readonly Found[],
    after: Found | undefined,
    holding: Holding,
    { scope, form }: ExportRun,
    { sources, signal }: ExportEnds,
  ) {
    for (;;) {
      signal.throwIfAborted()
      try {
        const wish = { scope, order: 'newest', after, form, maxBytes: PIECE_BYTES } as const
        return await new HitReader(sources(holding), wish).read(finds)
      } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'overloaded') throw error
        holding.settle(0)
        await this.#clock.sleep(PAUSE_MS, signal)
      }
    }
  }

  /** An export waits where a search would be told to come back. */
  async #nextPage(after: Found, { scope }: ExportRun, ends: ExportEnds): Promise<readonly Found[]> {
    const { search, signal } = ends
    for (let tries = 1; ;) {
      ends.demandGoingOn()
      try {
        const { hits } = await search().hits(scope, { limit: PAGE_COUNT, after }, signal)
        const [last] = hits.slice(-1)
        if (last === undefined || comesBefore(after, last)) return hits
        throw new Error('the index leads in a circle: stele check index says what is wrong with it')
      } catch (error) {
        const isBudget = error instanceof Problem && error.code === 'too-many-requests'
        const isAway = error instanceof SearchFault && error.reason === 'unavailable' && tries++ < MAX_TRIES
        if (!isBudget && !isAway) throw error
        await this.#clock.sleep(PAUSE_MS, signal)
      }
    }
  }

  #summary(run: ExportRun, { count, bytes, first, last, leftOut }: ExportProgress, sha256: string): string {
    const { ledger, size, root, entries, askedMs, format, query, scope } = run
    const { sinceMs, untilMs } = scope
    const text = formatExportSummary({
      origin: this.#ledgers.origin(ledger),
      size,
      root,
      entries,
      asked: timeText(askedMs),
      format,
      query: query.toWellFormed(),
      ...(sinceMs === undefined ? {} : { since: timeText(sinceMs) }),
      ...(untilMs === undefined ? {} : { until: timeText(untilMs) }),
      bytes,
      sha256: Buffer.from(sha256, 'base64'),
      count,
      ...(first === undefined ? {} : { first }),
      ...(last === undefined ? {} : { last }),
      leftOut,
    })
    return formatNote(text, [this.#ledgers.signer(ledger).signatureLine(text)])
  }
}

function stopped(): Problem {
  return new Problem('stopping', 'The server is being stopped.')
}
