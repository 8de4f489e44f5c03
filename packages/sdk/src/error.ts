// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// How a call fails, in the four ways that differ in what the caller may do next.

/**
 * `refused`: the server answered with a problem. `unreachable`: nothing was sent. `interrupted`: something was sent and
 * no whole answer came back, so what it asked for may have been done. `untrustworthy`: the answer is not one that an
 * honest server gives; what it was asked for may have been done.
 */
export type Failure = 'refused' | 'unreachable' | 'interrupted' | 'untrustworthy'

/** What a problem (RFC 9457) says beyond its title. */
export interface ProblemFields {
  /** From the server's closed list of codes; absent where something before the server answered. */
  readonly code?: string
  readonly detail?: string
  /** Byte offset into the decoded body, from 0. */
  readonly offset?: number
  /** Line of an NDJSON body, from 1. */
  readonly line?: number
  /** Position of the event in the body, from 0. */
  readonly event?: number
  /** The limit that was passed, in the unit that `detail` names. */
  readonly limit?: number
  /** Column of a query, from 1, and how many characters from there are meant. */
  readonly column?: number
  readonly length?: number
  /** What may have been meant instead. */
  readonly suggestion?: string
  /** How long the server asks to wait before the next try. */
  readonly retryAfterMs?: number
}

/** What every method of the client throws, but for a signal's own reason. Texts of the server may hold anything. */
export class SteleError extends Error {
  override readonly name = 'SteleError'
  readonly failure: Failure
  /** The HTTP status of a refusal. */
  readonly status: number | undefined
  readonly problem: ProblemFields

  constructor(
    failure: Failure,
    message: string,
    details: { readonly status?: number; readonly problem?: ProblemFields; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.failure = failure
    this.status = details.status
    this.problem = details.problem ?? {}
  }

  get code(): string | undefined {
    return this.problem.code
  }

  /** Whether what was asked for may have been done all the same. Asking again might then do it twice. */
  get outcomeUnknown(): boolean {
    if (this.failure === 'refused') return !refusedBeforehand(this.status ?? 0, this.code)
    return this.failure !== 'unreachable'
  }
}

/** Refusals that come before anything is written. A failing write may have reached the disk. */
function refusedBeforehand(status: number, code: string | undefined): boolean {
  return (
    (status >= 400 && status < 500) || (code !== undefined && code !== 'internal-error' && code !== 'writer-stopped')
  )
}

export function untrustworthy(message: string, cause?: unknown): SteleError {
  return new SteleError('untrustworthy', message, { cause })
}
