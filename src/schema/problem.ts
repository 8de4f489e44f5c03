// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Every way in which Stele refuses, with its HTTP status: a closed union, so that a client can match on `code`.
 * Codes are part of the interface: one is added, never renamed.
 */
export const problemStatus = {
  'malformed-json': 400,
  'malformed-text': 400,
  'malformed-compression': 400,
  'malformed-request': 400,
  'query-malformed': 400,
  unauthenticated: 401,
  'scope-missing': 403,
  'ledger-reserved': 403,
  'source-forbidden': 403,
  'not-found': 404,
  'ledger-unknown': 404,
  'index-unknown': 404,
  'witness-unknown': 404,
  'method-not-allowed': 405,
  'ledger-exists': 409,
  'idempotency-busy': 409,
  'witness-exists': 409,
  'quorum-impossible': 409,
  'no-witnesses': 409,
  'body-too-large': 413,
  'event-too-large': 413,
  'too-many-events': 413,
  'unsupported-media-type': 415,
  'unsupported-encoding': 415,
  'depth-exceeded': 422,
  'number-too-long': 422,
  'empty-body': 422,
  'source-unknown': 422,
  'source-mismatch': 422,
  'invalid-field': 422,
  'query-too-heavy': 422,
  'idempotency-mismatch': 422,
  'too-many-requests': 429,
  'rate-limited': 429,
  'request-head-too-large': 431,
  'internal-error': 500,
  'content-damaged': 500,
  'audit-unavailable': 503,
  'search-unavailable': 503,
  'writer-stopped': 503,
  'not-witnessed': 503,
  starting: 503,
  stopping: 503,
  overloaded: 503,
  'disk-reserve': 507,
} as const

export type ProblemCode = keyof typeof problemStatus

/** Where in the request the fault lies, as far as it is known. */
export interface ProblemPlace {
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
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number
  /** Methods that there are, for one that there is not. */
  readonly allow?: readonly string[]
}

/** A refusal: bad input or a state in which the request cannot be served. Becomes an RFC 9457 problem on the wire. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly place: ProblemPlace

  /** `detail` says what is wrong, where, and how to mend it; it never holds event content or secrets. */
  constructor(code: ProblemCode, detail: string, place: ProblemPlace = {}) {
    super(detail)
    this.code = code
    this.place = place
  }

  get status(): number {
    return problemStatus[this.code]
  }
}
