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
import { timeText } from '../platform/clock.ts'
import { MAX_TIME_MS, MIN_TIME_MS } from '../query/time.ts'
import type { OcsfEvent } from '../schema/ocsf.ts'
import { Problem } from '../schema/problem.ts'
import type { Answer, Call, Services } from './route.ts'
import type { eventParams, Hit, proofQuery } from './schemas.ts'
import { PROOF_TYPE, readWitnessedProof } from './witnessed-proof.ts'

/** What a hit adds to the event: entry, salt, and the OCSF form of a small event. */
const HIT_BYTES = 8 * 1024

type EventCall = Call<z.output<typeof eventParams>, undefined, undefined>
type ProofCall = Call<z.output<typeof eventParams>, z.output<typeof proofQuery>, undefined>

export async function readEvent({ params, holding }: EventCall, { ledgers, normalise }: Services): Promise<Answer> {
  const { ledger, index } = params
  demandIndex(ledgers, ledger, index)
  const stored = await ledgers.event(ledger, index, (bytes) => holding.take(hitRoomBytes(bytes)))
  const body = JSON.stringify(hitOf(stored, normalise(stored.entry, stored.event).ocsf))
  return { body, carries: { ledger, first: index, count: 1 } }
}

/** The exact bytes, as something that a browser saves and never runs. */
export async function readEventBytes({ params, holding }: EventCall, { ledgers }: Services): Promise<Answer> {
  const { ledger, index } = params
  demandIndex(ledgers, ledger, index)
  const { entry, event } = await ledgers.event(ledger, index, (bytes) => holding.take(bytes))
  return {
    type: entry.media,
    headers: { 'content-disposition': `attachment; filename="${ledger}-${index}"` },
    body: event,
    carries: { ledger, first: index, count: 1 },
  }
}

export async function readProof(call: ProofCall, services: Services): Promise<Answer> {
  const { params, query, caller, holding } = call
  const { ledgers } = services
  const { ledger, index } = params
  demandIndex(ledgers, ledger, index)
  if (query.witnessed) return await readWitnessedProof(call, services)
  // One tick, so that both are of the same tree.
  const { size } = ledgers.log(ledger)
  const checkpoint = ledgers.checkpoint(ledger)
  const hashes = await ledgers.prove(ledger, index, size)
  if (caller.credential === undefined || !allows(caller.credential, 'read', ledger)) {
    return { type: PROOF_TYPE, body: formatProof({ index, hashes, checkpoint }), carries: 'no content' }
  }
  const { salt, entryBytes } = await ledgers.event(ledger, index, (bytes) => holding.take(bytes))
  const body = formatReceipt({ salt, entry: entryBytes, index, hashes, checkpoint })
  return { type: PROOF_TYPE, body, carries: { ledger, first: index, count: 1 } }
}

/** What it takes to make a hit of an event: its bytes, its text, the OCSF form that may hold all of it again. */
export function hitRoomBytes(contentBytes: number): number {
  return 4 * contentBytes + HIT_BYTES
}

export function hitOf({ index, entry, entryBytes, salt, event }: StoredEvent, ocsf: OcsfEvent): Hit {
  return {
    index,
    at: entry.at,
    time: ocsf.time >= MIN_TIME_MS && ocsf.time <= MAX_TIME_MS ? timeText(ocsf.time) : entry.at,
    source: entry.source,
    ...(isUtf8(event) ? { event: event.toString('utf8') } : { eventBase64: event.toString('base64') }),
    entry: entryBytes.toString('latin1'),
    salt: salt.toString('base64'),
    ocsf: { ...ocsf },
  }
}

/** Throws `index-unknown`. */
export function demandIndex(ledgers: Ledgers, ledger: string, index: number): void {
  const { size } = ledgers.log(ledger)
  if (index >= size)
    throw new Problem('index-unknown', `The ledger has ${size} entries, the first is 0.`, { limit: size })
}
