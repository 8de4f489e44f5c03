// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Searching, and the index behind it. `*` as the ledger is all that the token may read.

import { MAX_NOTE_BYTES } from '@stele/proof'

import { type CallOptions, ledgerPath } from './calls.ts'
import { SteleError, untrustworthy } from './error.ts'
import { type CheckedSummary, type ExportOptions, type ExportReceived, readSummary } from './result-export.ts'
import {
  EVERY_LEDGER,
  type Facets,
  type Histogram,
  type Hit,
  type Reach,
  readFacets,
  readHistogram,
  readPage,
  type SearchOptions,
  type SearchPage,
  type SearchQuestion,
} from './search.ts'
import { readSearchFields, type SearchFields } from './search-fields.ts'
import { type IndexCheck, type IndexStatus, readIndexCheck, readIndexStatus } from './search-index.ts'
import {
  readRelated,
  readTimeline,
  type Related,
  type RelatedOptions,
  RELATIONS,
  type Timeline,
  type TimelineOptions,
} from './timeline.ts'
import { WitnessesClient } from './witnesses-client.ts'

const DEFAULT_LIMIT = 50
const DEFAULT_TOP = 10
const DEFAULT_PATHS = 100
const DEFAULT_RELATED = 100
/** An answer of 32 MiB, or one event of 16 MiB, escaped at its worst, and what comes with it. */
const MAX_PAGE_BYTES = 256 * 1024 * 1024

export class SearchClient extends WitnessesClient {
  /** One page of hits, newest first. Each is checked like any event; reading content is recorded by the server. */
  async search(ledger: string, options: SearchOptions = {}): Promise<SearchPage> {
    return await this.#page(ledger, options, undefined)
  }

  /** All hits of a moment, newest first, page by page: what is stored meanwhile is not among them. */
  async *searchPages(ledger: string, options: SearchOptions = {}): AsyncGenerator<SearchPage, void> {
    let last: Hit | undefined
    let page = await this.#page(ledger, options, undefined)
    for (;;) {
      yield page
      last = page.hits.at(-1) ?? last
      const cursor = page.next
      if (cursor === undefined) return
      const { wait: _, ...rest } = options
      page = await this.#page(ledger, { ...rest, cursor }, last)
      if (page.next === cursor) throw untrustworthy('a page of the search leads to itself')
    }
  }

  /** The same, hit by hit. */
  async *searchAll(ledger: string, options: SearchOptions = {}): AsyncGenerator<Hit, void> {
    for await (const page of this.searchPages(ledger, options)) yield* page.hits
  }

  /**
   * A page of what an identity did and of what was done to it. Several names are those of one; other names that the
   * events call it by are told and not searched for.
   */
  async timeline(ledger: string, names: readonly string[], options: TimelineOptions = {}): Promise<Timeline> {
    return await this.#timeline(ledger, names, options, undefined)
  }

  /** All of it, page by page, as it is at one moment. */
  async *timelinePages(
    ledger: string,
    names: readonly string[],
    options: TimelineOptions = {},
  ): AsyncGenerator<Timeline, void> {
    let last: Hit | undefined
    let page = await this.#timeline(ledger, names, options, undefined)
    for (;;) {
      yield page
      last = page.hits.at(-1) ?? last
      const cursor = page.next
      if (cursor === undefined) return
      page = await this.#timeline(ledger, names, { ...options, cursor }, last)
      if (page.next === cursor) throw untrustworthy('a page of the timeline leads to itself')
    }
  }

  /** What belongs to the same request or session as an event, in order around it. */
  async related(ledger: string, index: number, options: RelatedOptions = {}): Promise<Related> {
    const { by = RELATIONS, limit, everyLedger = false, signal } = options
    const query = { by: by.join(','), limit: limit?.toString(), everyLedger: everyLedger ? 'true' : undefined }
    const floors = this.seen.floors()
    const asked = { query, maxBytes: MAX_PAGE_BYTES, signal }
    const value = await this.json('the related events', `${ledgerPath(ledger)}/events/${index}/related`, asked)
    const searched = everyLedger ? EVERY_LEDGER : ledger
    const wish = { ledger, index, by, limit: limit ?? DEFAULT_RELATED }
    return this.#claimed(floors, searched, await readRelated(value, searched, wish))
  }

  /** The bytes of the export of all hits, as they come. Where they break off, they are not all. */
  exportResult(ledger: string, options: ExportOptions = {}): AsyncGenerator<Uint8Array, void> {
    const { q, since, until, format, receipts = false, name, signal } = options
    const query = { q, since, until, format, receipts: receipts ? 'true' : undefined, name }
    const path = `${ledgerPath(ledger)}/events/export`
    return this.transport.stream({ method: 'GET', path, query, accept: '*/*', signal })
  }

  /** The signed summary of an export that came whole, held against what came. */
  async exportSummary(ledger: string, received: ExportReceived, options: CallOptions = {}): Promise<CheckedSummary> {
    const path = `${ledgerPath(ledger)}/exports/${encodeURIComponent(received.name)}`
    const { bytes } = await this.get(path, 'text/plain', { ...options, maxBytes: MAX_NOTE_BYTES })
    return await readSummary(bytes, received)
  }

  /** The most frequent values of fields in the events that are found, as the index counts. */
  async facets(
    ledger: string,
    fields: readonly string[],
    options: SearchQuestion & CallOptions & { readonly top?: number } = {},
  ): Promise<Facets> {
    const { q, since, until, top, signal } = options
    const query = { q, since, until, fields: fields.join(','), top: top?.toString() }
    const floors = this.seen.floors()
    const value = await this.json('the facets', `${ledgerPath(ledger)}/facets`, { query, signal })
    return this.#claimed(floors, ledger, readFacets(value, ledger, fields, top ?? DEFAULT_TOP))
  }

  /** Counts over time of the events that are found, as the index counts. */
  async histogram(
    ledger: string,
    options: SearchQuestion & CallOptions & { readonly buckets?: number; readonly by?: string } = {},
  ): Promise<Histogram> {
    const { q, since, until, buckets, by, signal } = options
    const query = { q, since, until, buckets: buckets?.toString(), by }
    const floors = this.seen.floors()
    const value = await this.json('the histogram', `${ledgerPath(ledger)}/histogram`, { query, signal })
    return this.#claimed(floors, ledger, readHistogram(value, ledger))
  }

  /** What can be searched by, with examples out of the ledger's events; showing them is recorded by the server. */
  async fields(
    ledger: string,
    options: CallOptions & { readonly begin?: string; readonly limit?: number } = {},
  ): Promise<SearchFields> {
    const { begin, limit, signal } = options
    const floors = this.seen.floors()
    const query = { ledger, begin, limit: limit?.toString() }
    const value = await this.json('the fields', '/v1/fields', { query, signal })
    return this.#claimed(floors, ledger, readSearchFields(value, ledger, limit ?? DEFAULT_PATHS))
  }

  async indexStatus(options: CallOptions = {}): Promise<IndexStatus> {
    return readIndexStatus(await this.json("the index's status", '/v1/index', options))
  }

  /** Has the index made anew; it goes on by itself. Where one is being made already, it is that one. */
  async rebuildIndex(options: CallOptions = {}): Promise<IndexStatus> {
    return readIndexStatus(await this.post("the index's status", '/v1/index/rebuild', undefined, options))
  }

  /** Has the index held against the ledgers; it goes on by itself. */
  async startIndexCheck(options: CallOptions = {}): Promise<IndexCheck> {
    return readIndexCheck(await this.post("the index's check", '/v1/index/check', undefined, options))
  }

  /** The last check, or the one that goes on; undefined where there was none since the server started. */
  async indexCheck(options: CallOptions = {}): Promise<IndexCheck | undefined> {
    try {
      return readIndexCheck(await this.json("the index's check", '/v1/index/check', options))
    } catch (error) {
      if (error instanceof SteleError && error.status === 404) return undefined
      throw error
    }
  }

  async #page(ledger: string, options: SearchOptions, before: Hit | undefined): Promise<SearchPage> {
    const { q, since, until, limit, cursor, wait, signal } = options
    const floors = this.seen.floors()
    const query = { q, since, until, limit: limit?.toString(), cursor, wait: wait?.toString() }
    const asked = { query, maxBytes: MAX_PAGE_BYTES, signal }
    const value = await this.json('the answer to the search', `${ledgerPath(ledger)}/events`, asked)
    const page = await readPage(value, ledger, limit ?? DEFAULT_LIMIT, before)
    // A page goes on with the sizes of the first.
    return cursor === undefined ? this.#claimed(floors, ledger, page) : page
  }

  async #timeline(
    ledger: string,
    names: readonly string[],
    { q, since, until, limit, order, cursor, signal }: TimelineOptions,
    before: Hit | undefined,
  ): Promise<Timeline> {
    const floors = this.seen.floors()
    const query = { entity: names, q, since, until, limit: limit?.toString(), order, cursor }
    const asked = { query, maxBytes: MAX_PAGE_BYTES, signal }
    const value = await this.json('the timeline', `${ledgerPath(ledger)}/timeline`, asked)
    const wish = { limit: limit ?? DEFAULT_LIMIT, before, order: order ?? 'newest' } as const
    const page = await readTimeline(value, ledger, wish)
    return cursor === undefined ? this.#claimed(floors, ledger, page) : page
  }

  /** An answer whose sizes agree with what was seen before. */
  #claimed<T extends Reach>(floors: ReadonlyMap<string, number>, ledger: string, answer: T): T {
    const each = answer.ledgers ?? { [ledger]: answer }
    for (const [name, { size }] of Object.entries(each)) this.seen.claim(floors, name, size)
    return answer
  }
}
