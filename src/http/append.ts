// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Appends a body of events: all of them or none, answered once they are durable. */
import { entrySource, formatReceipt, type EntrySource } from '@stele/proof'
import type { z } from 'zod'
import { demandSource } from '../access/credentials.ts'
import type { Batch } from '../ledger/batch.ts'
import { Problem } from '../schema/problem.ts'
import { cut, type BodyMedia, type Cut } from '../sources/cut.ts'
import { demandMedia } from './intake.ts'
import type { Answer, Call, Caller, Services } from './route.ts'
import type { appendQuery, ledgerParams } from './schemas.ts'

export const EVENT_MEDIA: readonly BodyMedia[] = [
  'application/json',
  'application/x-ndjson',
  'text/plain',
  'application/octet-stream',
]
/** Each receipt is a proof of its own: more than these are fetched one by one. */
const MAX_RECEIPTS = 1_000
const READ_BYTES = 1024 * 1024
/** A receipt of a ledger of 2^40 entries, with its checkpoint. */
const RECEIPT_BYTES = 4 * 1024
/** About what an entry takes beside its event while it waits for the disk. */
const ENTRY_BYTES = 256

type AppendCall = Call<z.output<typeof ledgerParams>, z.output<typeof appendQuery>, undefined>

export async function append(call: AppendCall, services: Services): Promise<Answer> {
  const { headers, query, params, request, response, caller, holding } = call
  if (headers['idempotency-key'] !== undefined) {
    const detail =
      'This version does not remember idempotency keys. Leave the header out; a repeated body is stored twice.'
    throw new Problem('idempotency-unsupported', detail)
  }
  const media = demandMedia(headers['content-type'], EVENT_MEDIA)
  const source = query.source === undefined ? undefined : namedSource(query.source)
  const { intake, space, rates, ledgers, heads, metrics, clock } = services
  const startedMs = clock.monotonicMs()
  // Before anything of the body is taken; what its length does not say is looked at again below.
  rates.demand(caller.credential)
  ledgers.queue.demandRoom(Number(headers['content-length'] ?? 0))
  return await intake.events(request, response, caller.by, async (body) => {
    const found = cut(body, media, source)
    demandSources(caller, found, source)
    if (query.receipts && found.count > MAX_RECEIPTS) throw tooManyReceipts()
    // Before anything is stored: what has been done is answered whatever happens.
    if (query.receipts) holding.take(READ_BYTES + found.count * RECEIPT_BYTES)
    const { ledger } = params
    let first = ledgers.log(ledger).size
    if (found.count > 0) {
      ledgers.queue.demandRoom(body.length + found.count * ENTRY_BYTES)
      rates.take(caller.credential, found.count, body.length)
      const batch = batchOf(body, found, source, caller)
      const store = async () => await ledgers.append(ledger, batch)
      first = (await space.admit('events', body.length, found.count, store)).first
    }
    // One tick, so that size, root, checkpoint and receipts are of the same tree.
    const head = heads.json(ledger, query.checkpoint)
    const receipts = query.receipts ? await receiptsJson(services, ledger, first, found.count) : ''
    metrics.appended(found.count, body.length, clock.monotonicMs() - startedMs)
    return { body: `{"ledger":"${ledger}","first":${first},"count":${found.count},${head}${receipts}}` }
  })
}

function namedSource(text: string): EntrySource {
  try {
    return entrySource(text)
  } catch (error) {
    throw new Problem('invalid-field', `source: ${error instanceof Error ? error.message : 'not as expected'}.`)
  }
}

function demandSources(caller: Caller, found: Cut, source: EntrySource | undefined): void {
  if (caller.credential?.sources === undefined) return
  demandSource(caller.credential, found.sources, source?.instance)
}

function batchOf(body: Buffer, found: Cut, source: EntrySource | undefined, caller: Caller): Batch {
  const { count, starts, ends, kinds, media, asserted } = found
  const below = [source?.instance, source?.stream].filter((part) => part !== undefined).map((part) => `/${part}`)
  const sources = below.length === 0 ? found.sources : found.sources.map((type) => type + below.join(''))
  return { body, count, starts, ends, kinds, media, asserted, sources, by: caller.by, via: caller.via }
}

/** `,"receipts":[…]`: whoever appended has the events already, so they get the salts of these without `read`. */
async function receiptsJson(services: Services, ledger: string, first: number, count: number): Promise<string> {
  const { ledgers } = services
  const { size } = ledgers.log(ledger)
  const checkpoint = ledgers.checkpoint(ledger)
  const receipts: string[] = []
  while (receipts.length < count) {
    const stored = await ledgers.events(ledger, first + receipts.length, first + count, READ_BYTES)
    for (const { index, salt, entryBytes } of stored) {
      const hashes = await ledgers.prove(ledger, index, size)
      receipts.push(JSON.stringify(formatReceipt({ salt, entry: entryBytes, index, hashes, checkpoint })))
    }
  }
  return `,"receipts":[${receipts.join(',')}]`
}

function tooManyReceipts(): Problem {
  const detail = `With receipts=true a body has at most ${MAX_RECEIPTS} events. Nothing was stored; send fewer, or without.`
  return new Problem('too-many-events', detail, { limit: MAX_RECEIPTS })
}
