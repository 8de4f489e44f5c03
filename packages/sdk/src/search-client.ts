// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Searching, and the index behind it. `*` as the ledger is all that the token may read.

import { type CallOptions, ledgerPath } from './calls.ts'
import { SteleError, untrustworthy } from './error.ts'
import {
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
import { WitnessesClient } from './witnesses-client.ts'

const DEFAULT_LIMIT = 50
const DEFAULT_TOP = 10
const DEFAULT_PATHS = 100
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

  /** An answer whose sizes agree with what was seen before. */
  #claimed<T extends Reach>(floors: ReadonlyMap<string, number>, ledger: string, answer: T): T {
    const each = answer.ledgers ?? { [ledger]: answer }
    for (const [name, { size }] of Object.entries(each)) this.seen.claim(floors, name, size)
    return answer
  }
}
