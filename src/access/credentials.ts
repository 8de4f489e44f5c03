// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Who is asking and what they may do. Tokens are random, shown once and kept as a hash; rights are the token's own
 * scopes and ledgers, and none follows from another: `admin` neither reads nor appends.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { type Random, randomBase32 } from '../platform/random.ts'
import { timeMs } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import type { RateLimits, Scope } from '../schema/system-events.ts'
import type { SystemState, TokenRecord } from '../state/system-state.ts'

const ID_CHARS = 12
const SECRET_BYTES = 32
const MAX_SEEN = 1_000
const TOKEN = /^stele_([a-z2-7]{12})_[A-Za-z0-9_-]{43}$/

export interface Credential {
  readonly id: string
  readonly scopes: ReadonlySet<Scope>
  /** Names of ledgers; `*` is all. */
  readonly ledgers: readonly string[]
  readonly sources: readonly string[] | undefined
  readonly limits: RateLimits | undefined
}

/** Makes a token: `stele_<id>_<secret>`, with the hash under which it is recorded. */
export function mintToken(random: Random): { id: string; token: string; hash: string } {
  const id = randomBase32(random, ID_CHARS)
  const secret = Buffer.alloc(SECRET_BYTES)
  random.fill(secret, 0, SECRET_BYTES)
  const token = `stele_${id}_${secret.toString('base64url')}`
  return { id, token, hash: tokenHash(token) }
}

/** The hash under which a token is recorded in `system`. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'hex')
}

export class Authenticator {
  readonly #state: SystemState
  readonly #nowMs: () => number
  readonly #credentials = new WeakMap<TokenRecord, Credential>()
  /** Records that headers were found to name, by the headers' hashes: no secret is kept. */
  readonly #seen = new Map<string, TokenRecord>()

  /** `nowMs` is ledger time: set back, the wall clock would revive tokens that have expired. */
  constructor(state: SystemState, nowMs: () => number) {
    this.#state = state
    this.#nowMs = nowMs
  }

  /** The credential behind an Authorization header; undefined where there is none. Throws `unauthenticated`. */
  authenticate(authorization: string | undefined): Credential | undefined {
    if (authorization === undefined) return undefined
    const record = this.#record(authorization)
    if (record.revokedAt !== undefined) throw new Problem('unauthenticated', `The token ${record.id} was revoked.`)
    if (record.expiresAt !== undefined && timeMs(record.expiresAt) <= this.#nowMs()) {
      throw new Problem('unauthenticated', `The token ${record.id} expired at ${record.expiresAt}.`)
    }
    return this.#credential(record)
  }

  #record(authorization: string): TokenRecord {
    const digest = hash('sha256', authorization, 'binary')
    const seen = this.#seen.get(digest)
    // A record that has changed since is another one.
    if (seen !== undefined && this.#state.tokens.get(seen.id) === seen) return seen
    const [scheme, token, ...rest] = authorization.split(' ')
    if (scheme?.toLowerCase() !== 'bearer' || token === undefined || rest.length > 0) {
      throw new Problem('unauthenticated', 'The Authorization header is not of the form "Bearer TOKEN".')
    }
    const id = TOKEN.exec(token)?.[1]
    const record = id === undefined ? undefined : this.#state.tokens.get(id)
    if (record === undefined || !timingSafeEqual(Buffer.from(tokenHash(token)), Buffer.from(record.hash))) {
      throw new Problem('unauthenticated', 'The token is not one of this server.')
    }
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear()
    this.#seen.set(digest, record)
    return record
  }

  #credential(record: TokenRecord): Credential {
    const known = this.#credentials.get(record)
    if (known !== undefined) return known
    const { id, scopes, ledgers, sources, limits } = record
    const credential = { id, scopes: new Set(scopes), ledgers, sources, limits }
    this.#credentials.set(record, credential)
    return credential
  }
}

/** Whether a credential has a scope, on a ledger where the act concerns one. */
export function allows(credential: Credential, scope: Scope, ledger: string | undefined): boolean {
  if (!credential.scopes.has(scope)) return false
  return ledger === undefined || credential.ledgers.includes('*') || credential.ledgers.includes(ledger)
}

/** Demands that the credential may append from these source types. A token bound to an instance appends only as it. */
export function demandSource(credential: Credential, types: readonly string[], instance?: string): void {
  const { sources } = credential
  if (sources === undefined) return
  const asking = (type: string) => (instance === undefined ? type : `${type}/${instance}`)
  const refused = types.find((type) => !sources.includes(type) && !sources.includes(asking(type)))
  if (refused === undefined) return
  const asked = asking(refused)
  throw new Problem('source-forbidden', `This token appends ${sources.join(', ')} only, not ${asked}.`)
}
