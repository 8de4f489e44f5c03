// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a row of the route table says. Everything is demanded: a route that does not say who may call it and what of
 * it is audited does not compile.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import type { Asked, Audit, LedgerRead, StreamEnd, Total } from '../access/audit.ts'
import type { Authenticator, Credential } from '../access/credentials.ts'
import type { Rates } from '../access/rates.ts'
import type { SpaceGuard } from '../access/space.ts'
import type { KeeperService } from '../evidence/supervised-keeper.ts'
import type { IndexService } from '../index/supervised-index.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import type { DamagedError } from '../ledger/read.ts'
import type { Clock } from '../platform/clock.ts'
import type { ProblemCode } from '../schema/problem.ts'
import type { Scope } from '../schema/system-events.ts'
import type { normalise } from '../sources/normalise.ts'
import type { Administration } from '../state/administration.ts'
import type { CosigningService } from '../witness/cosigning.ts'
import type { ByteBudget, Holding } from './budget.ts'
import type { Cursors } from './cursor.ts'
import type { Exports } from './exports.ts'
import type { Heads } from './heads.ts'
import type { Intake } from './intake.ts'
import type { LargeAppends } from './large-appends.ts'
import type { Metrics } from './metrics.ts'
import type { Searches } from './searches.ts'
import type { Tails } from './tail.ts'
import type { VerifierPage } from './verifier-page.ts'

export type Normalise = typeof normalise

/** What a caller must have; `public` is open to everybody. */
export type Permission = 'public' | Demand

export interface Demand {
  /** Any one of these scopes. */
  readonly scope: Scope | readonly Scope[]
  /** The scope must be held on the ledger that the path names, and that ledger must exist. */
  readonly ledger?: 'path'
  /** `*` in the path stands for all ledgers on which the scope is held. */
  readonly everyLedger?: true
  /** Open without a token where that ledger is public. */
  readonly publicLedger?: true
  /** Stele's own ledgers are closed to it, whoever asks. */
  readonly notReserved?: true
}

type AuditRule =
  /** The answer carries content: it is recorded in `access` before its first byte. */
  | { readonly to: 'access'; readonly action: string }
  /** An administrative act: the handler's act is itself an entry in `system`. */
  | { readonly to: 'system'; readonly action: string }
  | { readonly to: 'none'; readonly because: string }

/** Who is asking. */
export interface Caller {
  /** Id of the credential; `public` where there is none. */
  readonly by: string
  /** Address of the peer. */
  readonly via: string
  readonly credential: Credential | undefined
}

export interface Call<P, Q, B> {
  readonly params: P
  readonly query: Q
  readonly body: B
  readonly headers: IncomingHttpHeaders
  readonly caller: Caller
  /** Room for what is read and answered; taken before it is there. */
  readonly holding: Holding
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Which content an answer carries; a route that is audited to `access` must say so in every answer. */
type Carried =
  | 'no content'
  | { readonly ledger: string; readonly first: number; readonly count: number }
  /** What a search shows, and how many, or what it counts, of each ledger. */
  | {
      readonly ledger: string
      readonly count?: number
      readonly total?: Total
      readonly asked: Asked
      readonly ledgers: readonly LedgerRead[]
    }
  /** A stream, recorded when it opens and when it closes. */
  | {
      readonly ledger: string
      readonly first?: number
      readonly asked?: Asked
      readonly format?: string
      readonly ledgers?: readonly LedgerRead[]
      readonly end: () => StreamEnd
    }

export interface Answer {
  readonly status?: number
  /** Media type; `application/json` where it is not said. */
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /** An object is written as the route's schema says; all else is sent as it is. */
  readonly body: object | string | Buffer | Readable
  readonly carries?: Carried
}

/** What handlers work with. */
export interface Services {
  readonly ledgers: Ledgers
  readonly administration: Administration
  readonly authenticator: Authenticator
  readonly audit: Audit
  readonly space: SpaceGuard
  readonly rates: Rates
  readonly large: LargeAppends
  readonly clock: Clock
  readonly version: string
  readonly intake: Intake
  readonly room: ByteBudget
  readonly heads: Heads
  readonly metrics: Metrics
  readonly tails: Tails
  readonly exports: Exports
  readonly cursors: Cursors
  readonly index: IndexService
  readonly keeper: KeeperService
  readonly cosigning: CosigningService
  readonly normalise: Normalise
  readonly searches: Searches
  readonly verifierPage: VerifierPage
  /** Stored content was found changed: it is said where operators look. */
  readonly onDamage: (error: DamagedError) => void
}

/** What an answer of one status looks like, for OpenAPI; `schema` is also what an object is written by. */
export interface AnswerForm {
  readonly description: string
  readonly type?: string
  readonly schema?: z.ZodType
  readonly example?: unknown
}

interface RouteOf<P, Q, B> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** HEAD is answered, too. Only where reading leaves no record: a HEAD of content would be a read that shows nothing. */
  readonly withHead?: true
  /** As Fastify writes it: `:name` is one segment, `*` the rest. */
  readonly path: string
  readonly operation: string
  readonly summary: string
  readonly permission: Permission
  readonly audit: AuditRule
  readonly params?: z.ZodType<P>
  readonly query?: z.ZodType<Q>
  /** Headers that the route understands, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>
  /** A JSON body. A route that takes events reads them itself. */
  readonly body?: z.ZodType<B>
  /** Media types of events, where it takes those. */
  readonly events?: readonly string[]
  readonly example?: unknown
  readonly answers: Readonly<Record<number, AnswerForm>>
  /** Refusals of its own, besides those that follow from the rest of the row. */
  readonly refusals: readonly ProblemCode[]
  /** Called with what the schemas made of the request. A method, so that rows of different types make one table. */
  handler(call: Call<P, Q, B>, services: Services): Answer | Promise<Answer>
}

export type Route = RouteOf<unknown, unknown, unknown>

/** A row of the table, its handler checked against its schemas. */
export function route<P = undefined, Q = undefined, B = undefined>(row: RouteOf<P, Q, B>): Route {
  return row
}
