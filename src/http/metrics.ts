// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Counts what the server does, and writes it in the text format of Prometheus (version 0.0.4). */
import type { ProblemCode } from '../schema/problem.ts'

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

const LATENCY_BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Metrics {
  #eventCount = 0
  #bodyBytes = 0
  #bodyCount = 0
  #latencySeconds = 0
  readonly #latencyCounts = new Float64Array(LATENCY_BOUNDS_SECONDS.length)
  readonly #refusedCounts = new Map<ProblemCode, number>()
  #readCount = 0
  #searchCount = 0
  #searchSeconds = 0
  #disagreementCount = 0

  /** One body was appended, in the time from its first byte to its answer. */
  appended(eventCount: number, bodyBytes: number, tookMs: number): void {
    const seconds = tookMs / 1_000
    this.#eventCount += eventCount
    this.#bodyBytes += bodyBytes
    this.#bodyCount++
    this.#latencySeconds += seconds
    const bucket = LATENCY_BOUNDS_SECONDS.findIndex((bound) => seconds <= bound)
    if (bucket !== -1) this.#latencyCounts[bucket]!++
  }

  /** Content was read, and recorded in `access`. */
  contentRead(): void {
    this.#readCount++
  }

  /** A search was answered or refused, facets and histograms too. */
  searched(tookMs: number): void {
    this.#searchCount++
    this.#searchSeconds += tookMs / 1_000
  }

  /** Finds of the index that the ledger did not bear out. */
  disagreed(count: number): void {
    this.#disagreementCount += count
  }

  refused(code: ProblemCode): void {
    this.#refusedCounts.set(code, (this.#refusedCounts.get(code) ?? 0) + 1)
  }

  refusedCount(code: ProblemCode): number {
    return this.#refusedCounts.get(code) ?? 0
  }

  /** What was counted here; what the rest of the server knows of itself is added by the route. */
  write(text: MetricsText): void {
    text.family('stele_events_appended_total', 'counter', 'Events stored.', [['', this.#eventCount]])
    text.family('stele_append_bytes_total', 'counter', 'Bytes of bodies stored, decoded.', [['', this.#bodyBytes]])
    text.family('stele_content_reads_total', 'counter', 'Answers with content, recorded in access.', [
      ['', this.#readCount],
    ])
    text.family('stele_index_disagreements_total', 'counter', 'Finds of the index that the ledger did not bear out.', [
      ['', this.#disagreementCount],
    ])
    text.family('stele_search_seconds', 'summary', 'Time from a search, facets or histogram to its answer.', [
      ['_sum', this.#searchSeconds],
      ['_count', this.#searchCount],
    ])
    const refused = [...this.#refusedCounts].map(([code, count]) => [`{code="${code}"}`, count] as const)
    text.family('stele_refusals_total', 'counter', 'Requests refused, by the code of the problem.', refused)
    this.#writeLatency(text)
  }

  #writeLatency(text: MetricsText): void {
    let below = 0
    const buckets = LATENCY_BOUNDS_SECONDS.map((bound, position) => {
      below += this.#latencyCounts[position]!
      return [`_bucket{le="${bound}"}`, below] as const
    })
    text.family('stele_append_seconds', 'histogram', 'Time from the first byte of a body to its durable answer.', [
      ...buckets,
      ['_bucket{le="+Inf"}', this.#bodyCount],
      ['_sum', this.#latencySeconds],
      ['_count', this.#bodyCount],
    ])
  }
}

/** What stands behind a family's name: a suffix, labels, or nothing; and the value. */
type Sample = readonly [suffixAndLabels: string, value: number]

export class MetricsText {
  #text = ''

  family(
    name: string,
    type: 'counter' | 'gauge' | 'histogram' | 'summary',
    help: string,
    samples: readonly Sample[],
  ): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const [suffixAndLabels, value] of samples) this.#text += `${name}${suffixAndLabels} ${value}\n`
  }

  toString(): string {
    return this.#text
  }
}
