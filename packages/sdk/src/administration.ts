// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Answers about who may do what, and about the server itself.

import { untrustworthy } from './error.ts'
import { Fields } from './fields.ts'
import { INDEX_STATES, type IndexState } from './search-index.ts'

export const SCOPES = ['append', 'read', 'verify', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** How fast a token may append; what is absent is not limited. */
export interface RateLimits {
  readonly eventsPerSecond?: number | undefined
  readonly bytesPerSecond?: number | undefined
  /** So many seconds of its rate may come at once; 10, where absent. */
  readonly burstSeconds?: number | undefined
}

/** What a new token may do. */
export interface TokenRequest {
  readonly scopes: readonly Scope[]
  /** Names; `*` is all. */
  readonly ledgers: readonly string[]
  /** Source types that it may append, each TYPE or TYPE/INSTANCE; all, where absent. */
  readonly sources?: readonly string[]
  readonly limits?: RateLimits
  /** RFC 3339 in UTC with milliseconds. */
  readonly expiresAt?: string
  readonly label?: string
}

export interface TokenInfo extends TokenRequest {
  readonly id: string
  readonly createdAt: string
  readonly createdBy: string
  readonly revokedAt?: string
  readonly revokedBy?: string
}

/** A new token, with its secret, which is shown this once. */
export interface MintedToken extends TokenInfo {
  readonly token: string
}

export interface ServerStatus {
  readonly version: string
  readonly name: string
  readonly installId: string
  readonly ready: boolean
  /** Why it is not ready, in words. */
  readonly reasons: readonly string[]
  /** A jump of the server's clock that nobody has confirmed: the times on both clocks. */
  readonly clockJump?: { readonly wall: string; readonly ledger: string }
  readonly freeBytes: number
  readonly reserveBytes: number
  /** Whether events can be searched, and why not, in words. */
  readonly index: { readonly state: IndexState; readonly reason?: string }
}

export function readToken(value: unknown): TokenInfo {
  const fields = new Fields('the token', value)
  const optional = {
    expiresAt: fields.optionalTime('expiresAt'),
    label: fields.optionalText('label'),
    revokedAt: fields.optionalTime('revokedAt'),
    revokedBy: fields.optionalText('revokedBy'),
    ...(fields.has('sources') ? { sources: fields.texts('sources') } : {}),
    ...(fields.has('limits') ? { limits: readLimits(fields.object('limits')) } : {}),
  }
  return {
    id: fields.text('id'),
    scopes: fields.texts('scopes').map(readScope),
    ledgers: fields.texts('ledgers'),
    createdAt: fields.time('createdAt'),
    createdBy: fields.text('createdBy'),
    ...present(optional),
  }
}

/** Reads the answer to `request`: a token that may do more, elsewhere or for longer is not what was asked for. */
export function readMintedToken(value: unknown, request: TokenRequest): MintedToken {
  const minted = { ...readToken(value), token: new Fields('the token', value).text('token') }
  if (!/^[!-~]+$/.test(minted.token)) throw untrustworthy('the token is not one word')
  const told = [minted.scopes, minted.ledgers, minted.sources, ...figures(minted), minted.expiresAt, minted.label]
  const asked = [
    request.scopes,
    request.ledgers,
    request.sources,
    ...figures(request),
    request.expiresAt,
    request.label,
  ]
  if (JSON.stringify(told) !== JSON.stringify(asked)) throw untrustworthy('the token is not the one that was asked for')
  if (minted.revokedAt !== undefined) throw untrustworthy('the new token is revoked already')
  return minted
}

export function readStatus(value: unknown): ServerStatus {
  const fields = new Fields('the status', value)
  const space = new Fields("the status's space", fields.object('space'))
  const index = new Fields("the status's index", fields.object('index'))
  const reason = index.optionalText('reason')
  const jump = fields.has('clockJump') ? new Fields("the status's clockJump", fields.object('clockJump')) : undefined
  return {
    version: fields.text('version'),
    name: fields.text('name'),
    installId: fields.text('installId'),
    ready: fields.flag('ready'),
    reasons: fields.texts('reasons'),
    ...(jump === undefined ? {} : { clockJump: { wall: jump.time('wall'), ledger: jump.time('ledger') } }),
    freeBytes: space.whole('freeBytes'),
    reserveBytes: space.whole('reserveBytes'),
    index: { state: index.oneOf('state', INDEX_STATES), ...(reason === undefined ? {} : { reason }) },
  }
}

const limitNames = ['eventsPerSecond', 'bytesPerSecond', 'burstSeconds'] as const

function readLimits(value: unknown): RateLimits {
  const fields = new Fields("the token's limits", value)
  const given = limitNames.filter((name) => fields.has(name))
  if (given.length === 0) throw untrustworthy('the token has limits that limit nothing')
  return Object.fromEntries(given.map((name) => [name, fields.whole(name)]))
}

function figures({ limits }: TokenRequest): readonly (number | undefined)[] {
  return limitNames.map((name) => limits?.[name])
}

function readScope(text: string): Scope {
  const scope = SCOPES.find((known) => known === text)
  if (scope === undefined) throw untrustworthy(`the token has a scope that is unknown here: ${text}`)
  return scope
}

type Present<T> = { readonly [Name in keyof T]?: Exclude<T[Name], undefined> }

/** Without what is undefined. */
function present<T extends object>(values: T): Present<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Present<T>
}
