// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Ledgers, tokens and the clock: what is asked of the administration, and what of it is shown. */
import type { z } from 'zod'
import { allows, type Credential } from '../access/credentials.ts'
import { listedKeys } from '../ledger/key-periods.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import { type LedgerRequest, SCOPES, type TokenRequest } from '../schema/system-events.ts'
import type { LedgerRecord, TokenRecord } from '../state/system-state.ts'
import type { Answer, Call, Services } from './route.ts'
import type { KeysAnswer, LedgerAnswer, ledgerParams, TokenAnswer, tokenParams } from './schemas.ts'

/** More than the entry of any act. */
export const ACT_BYTES = 16 * 1024

type PlainCall = Call<undefined, undefined, undefined>

/** Ledgers on which the caller has any right; an administrator sees all. */
export function listLedgers({ caller }: PlainCall, { ledgers, administration }: Services): Answer {
  const records = [...administration.state.ledgers.values()].filter(
    ({ name }) => ledgers.has(name) && sees(caller.credential, name),
  )
  return { body: { ledgers: records.map((record) => ledgerAnswer(ledgers, record)) } }
}

function sees(credential: Credential | undefined, ledger: string): boolean {
  return credential !== undefined && SCOPES.some((scope) => allows(credential, scope, ledger))
}

export function showLedger(
  call: Call<z.output<typeof ledgerParams>, undefined, undefined>,
  services: Services,
): Answer {
  const { ledgers, administration } = services
  const record = administration.state.ledgers.get(call.params.ledger)!
  return { body: ledgerAnswer(ledgers, record) }
}

export async function createLedger(
  { body, caller }: Call<undefined, undefined, LedgerRequest>,
  { ledgers, administration, space }: Services,
): Promise<Answer> {
  const create = async () => await administration.createLedger(body, caller.by)
  const record = await space.admit('audit', ACT_BYTES, 1, create)
  return { status: 201, headers: { location: `/v1/ledgers/${record.name}` }, body: ledgerAnswer(ledgers, record) }
}

export function listKeys(
  { params }: Call<z.output<typeof ledgerParams>, undefined, undefined>,
  { administration }: Services,
): Answer {
  return { body: keysAnswer(administration.state.ledgers.get(params.ledger)!) }
}

export async function rotateKey(
  { params, caller }: Call<z.output<typeof ledgerParams>, undefined, undefined>,
  { administration, space }: Services,
): Promise<Answer> {
  const rotate = async () => await administration.rotateKey(params.ledger, caller.by)
  return { status: 201, body: keysAnswer(await space.admit('audit', ACT_BYTES, 1, rotate)) }
}

export function listTokens(_call: PlainCall, { administration }: Services): Answer {
  return { body: { tokens: [...administration.state.tokens.values()].map(tokenAnswer) } }
}

export async function createToken(
  { body, caller }: Call<undefined, undefined, TokenRequest>,
  { administration, space }: Services,
): Promise<Answer> {
  const create = async () => await administration.createToken(body, caller.by)
  const { token, record } = await space.admit('audit', ACT_BYTES, 1, create)
  return { status: 201, body: { token, ...tokenAnswer(record) } }
}

export async function revokeToken(
  { params, caller }: Call<z.output<typeof tokenParams>, undefined, undefined>,
  { administration, space }: Services,
): Promise<Answer> {
  const revoke = async () => await administration.revokeToken(params.id, caller.by)
  return { body: tokenAnswer(await space.admit('audit', ACT_BYTES, 1, revoke)) }
}

function ledgerAnswer(ledgers: Ledgers, { name, origin, public: open, createdAt }: LedgerRecord): LedgerAnswer {
  const { size, root } = ledgers.log(name)
  const vkeys = ledgers.keyring.vkeys(name)
  return { name, origin, vkeys, size, root: Buffer.from(root).toString('base64'), public: open, createdAt }
}

function keysAnswer({ origin, keys }: LedgerRecord): KeysAnswer {
  return { origin, keys: listedKeys(keys), rotations: [...keys.rotations] }
}

/** A token as it may be shown: all but its hash. */
function tokenAnswer(record: TokenRecord): TokenAnswer {
  const { hash: _, scopes, ledgers, sources, ...rest } = record
  return {
    ...rest,
    scopes: [...scopes],
    ledgers: [...ledgers],
    ...(sources === undefined ? {} : { sources: [...sources] }),
  }
}
