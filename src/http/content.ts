// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads one event back: as a hit, as its exact bytes, as a proof. Content is the event and its salt (docs/format.md):
 * with salt and entry a low-entropy event could be guessed, so a proof carries the salt only for whoever may read,
 * and that is recorded like any other read (docs/design/receipts-and-salts.md).
 */
import { isUtf8 } from 'node:buffer'
import { formatProof, formatReceipt } from '@stele/proof'
import type { z } from 'zod'
import { allows } from '../access/credentials.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import type { StoredEvent } from '../ledger/read.ts'
import { Problem } from '../schema/problem.ts'
import type { Answer, Call, Services } from './route.ts'
import type { eventParams, Hit } from './schemas.ts'

type EventCall = Call<z.output<typeof eventParams>, undefined, undefined>

export const PROOF_TYPE = 'text/plain; charset=utf-8'

export async function readEvent({ params }: EventCall, { ledgers }: Services): Promise<Answer> {
  const stored = await storedEvent(ledgers, params.ledger, params.index)
  return { body: JSON.stringify(hitOf(stored)), carries: { ledger: params.ledger, first: params.index, count: 1 } }
}

/** The exact bytes, as something that a browser saves and never runs. */
export async function readEventBytes({ params }: EventCall, { ledgers }: Services): Promise<Answer> {
  const { entry, event } = await storedEvent(ledgers, params.ledger, params.index)
  return {
    type: entry.media,
    headers: { 'content-disposition': `attachment; filename="${params.ledger}-${params.index}"` },
    body: event,
    carries: { ledger: params.ledger, first: params.index, count: 1 },
  }
}

export async function readProof({ params, caller }: EventCall, { ledgers }: Services): Promise<Answer> {
  const { ledger, index } = params
  demandIndex(ledgers, ledger, index)
  // One tick, so that both are of the same tree.
  const { size } = ledgers.log(ledger)
  const checkpoint = ledgers.checkpoint(ledger)
  const hashes = await ledgers.prove(ledger, index, size)
  if (caller.credential === undefined || !allows(caller.credential, 'read', ledger)) {
    return { type: PROOF_TYPE, body: formatProof({ index, hashes, checkpoint }), carries: 'no content' }
  }
  const { salt, entryBytes } = await ledgers.event(ledger, index)
  const body = formatReceipt({ salt, entry: entryBytes, index, hashes, checkpoint })
  return { type: PROOF_TYPE, body, carries: { ledger, first: index, count: 1 } }
}

export function hitOf({ index, entry, entryBytes, salt, event }: StoredEvent): Hit {
  return {
    index,
    at: entry.at,
    source: entry.source,
    ...(isUtf8(event) ? { event: event.toString('utf8') } : { eventBase64: event.toString('base64') }),
    entry: entryBytes.toString('latin1'),
    salt: salt.toString('base64'),
  }
}

async function storedEvent(ledgers: Ledgers, ledger: string, index: number): Promise<StoredEvent> {
  demandIndex(ledgers, ledger, index)
  return await ledgers.event(ledger, index)
}

function demandIndex(ledgers: Ledgers, ledger: string, index: number): void {
  const { size } = ledgers.log(ledger)
  if (index >= size)
    throw new Problem('index-unknown', `The ledger has ${size} entries, the first is 0.`, { limit: size })
}
