// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** How long connections may take, in milliseconds. */
export interface Timeouts {
  /** For the headers of a request. */
  readonly headersMs: number
  /** For a whole request. */
  readonly requestMs: number
  /** A connection on which nothing moves; tails have heartbeats. */
  readonly idleMs: number
  /** Between an answer and the next request. */
  readonly keepAliveMs: number
  /** How often the two first are looked at. */
  readonly checkedEveryMs: number
  /** When the server stops: for a sender to finish its request, or a reader to take its answer. */
  readonly stopSlowMs: number
  /** When the server stops: for a request that was received whole to be answered. */
  readonly stopAnswersMs: number
}

export const TIMEOUTS: Timeouts = {
  headersMs: 20_000,
  // 64 MiB at about 2 Mbit/s.
  requestMs: 300_000,
  idleMs: 120_000,
  keepAliveMs: 65_000,
  checkedEveryMs: 5_000,
  stopSlowMs: 10_000,
  stopAnswersMs: 60_000,
}
