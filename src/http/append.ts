// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Appends a body of events: all of them or none, answered once they are durable. An event or a request that was sent
 * before is not stored again.
 */
import { entrySource, formatReceipt, type EntrySource } from '@stele/proof'
import type { z } from 'zod'
import { allows, demandSource } from '../access/credentials.ts'
import type { Appended, Stamp } from '../ledger/appending.ts'
import type { Batch } from '../ledger/batch.ts'
import { Problem } from '../schema/problem.ts'
import { cut, cutInSteps, type BodyMedia, type Cut } from '../sources/cut.ts'
import type { Holding } from './budget.ts'
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
/** Larger bodies are cut in steps. */
const STEPPED_BYTES = 1024 * 1024
const KEY = /^[ -~]{1,255}$/
/** A receipt of a ledger of 2^40 entries, with its checkpoint. */
const RECEIPT_BYTES = 4 * 1024
/** About what an entry takes beside its event while it waits for the disk. */
const ENTRY_BYTES = 256

type AppendCall = Call<z.output<typeof ledgerParams>, z.output<typeof appendQuery>, undefined>

export async function append(call: AppendCall, services: Services): Promise<Answer> {
  const { headers, query, params, request, response, caller, holding } = call
  const key = idempotencyKey(headers['idempotency-key'])
  const media = demandMedia(headers['content-type'], EVENT_MEDIA)
  const source = query.source === undefined ? undefined : namedSource(query.source)
  const { intake, space, rates, large, ledgers, heads, metrics, clock } = services
  const startedMs = clock.monotonicMs()
  // Before anything of the body is taken; what its length does not say is looked at again below.
  rates.demand(caller.credential)
  const announcedBytes = Number(headers['content-length'] ?? 0)
  ledgers.queue.demandRoom(announcedBytes)
  large.demandRoom(announcedBytes)
  return await intake.events(request, response, caller.by, async (body) => {
    const { ledger } = params
    // Whatever comes of it: a body that is refused costs work too.
    rates.take(caller.credential, 1, body.length)
    const isLarge = large.isLarge(body.length)
    const store = async (stamp?: Stamp): Promise<Appended> => {
      const found =
        body.length <= STEPPED_BYTES ? cut(body, media, source) : await large.inSteps(cutInSteps(body, media, source))
      demandSources(caller, found, source)
      // Before anything is stored: what has been done is answered whatever happens.
      if (query.receipts) holdReceipts(holding, found.count)
      if (found.count === 0) return { first: ledgers.log(ledger).size, count: 0, duplicates: 0 }
      rates.charge(caller.credential, found.count - 1, 0)
      const batch = batchOf(body, found, source, caller)
      const bytes = body.length + found.count * ENTRY_BYTES
      const append = async () => await ledgers.appending.new(ledger, batch, stamp)
      const admitted = async () => {
        ledgers.queue.demandRoom(bytes)
        return await space.admit('events', body.length, found.count, append)
      }
      return isLarge ? await admitted() : await large.store(bytes, admitted)
    }
    const storeInTurn = isLarge ? async (stamp?: Stamp) => await large.store(body.length, () => store(stamp)) : store
    const about = `${media} ${query.source ?? ''}`
    const appended =
      key === undefined
        ? await storeInTurn()
        : await ledgers.appending.once(ledger, { by: caller.by, key, about, body }, storeInTurn)
    if (appended.isRepeat && query.receipts) holdReceipts(holding, appended.count + appended.duplicates)
    if (appended.damaged !== undefined) services.onDamage(appended.damaged)
    // One tick, so that size, root, checkpoint and receipts are of the same tree.
    const head = heads.json(ledger, query.checkpoint)
    const receipts = query.receipts ? await receiptsJson(services, ledger, appended, caller) : ''
    if (!appended.isRepeat) metrics.appended(appended.count, body.length, clock.monotonicMs() - startedMs)
    return { body: `{"ledger":"${ledger}",${factsJson(appended)},${head}${receipts}}` }
  })
}

function idempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (typeof header === 'string' && KEY.test(header)) return header
  throw new Problem('malformed-request', 'Idempotency-Key must be 1 to 255 printable ASCII characters.')
}

function factsJson({ first, count, duplicates, indexes }: Appended): string {
  const facts = `"first":${first},"count":${count}`
  if (duplicates === 0) return facts
  const listed = indexes === undefined ? '' : `,"indexes":[${indexes.join(',')}]`
  return `${facts},"duplicates":${duplicates}${listed}`
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
  const { count, starts, ends, kinds, ids, media, asserted } = found
  const below = [source?.instance, source?.stream].filter((part) => part !== undefined).map((part) => `/${part}`)
  const sources = below.length === 0 ? found.sources : found.sources.map((type) => type + below.join(''))
  return {
    body,
    count,
    starts,
    ends,
    kinds,
    media,
    asserted,
    sources,
    by: caller.by,
    via: caller.via,
    ...(ids && { ids }),
  }
}

/**
 * `,"receipts":[…]`: whoever appended has the events already, so they get the salts of these without `read`. Of what
 * another credential appended they get none: they may have guessed it.
 */
async function receiptsJson(
  services: Services,
  ledger: string,
  appended: Appended,
  { by, credential }: Caller,
): Promise<string> {
  const { ledgers } = services
  const { first, count, duplicates } = appended
  if (duplicates > 0 && appended.indexes === undefined) {
    const detail =
      `Of this request ${count} events were stored and ${duplicates} had been before, but which those are is not known ` +
      'any more. Send it without receipts=true, and read the receipts by index.'
    throw new Problem('index-unknown', detail)
  }
  const indexes = appended.indexes ?? Float64Array.from({ length: count }, (_, position) => first + position)
  const { size } = ledgers.log(ledger)
  const checkpoint = ledgers.checkpoint(ledger)
  const mayRead = credential !== undefined && allows(credential, 'read', ledger)
  const receipts: string[] = []
  while (receipts.length < indexes.length) {
    const start = indexes[receipts.length]!
    let end = start + 1
    for (let at = receipts.length + 1; indexes[at] === end; at++) end++
    const stored = await ledgers.events(ledger, start, end, READ_BYTES)
    for (const { index, salt, entry, entryBytes } of stored) {
      if (entry.by !== by && !mayRead) {
        receipts.push('""')
        continue
      }
      const hashes = await ledgers.prove(ledger, index, size)
      receipts.push(JSON.stringify(formatReceipt({ salt, entry: entryBytes, index, hashes, checkpoint })))
    }
  }
  return `,"receipts":[${receipts.join(',')}]`
}

function holdReceipts(holding: Holding, count: number): void {
  if (count > MAX_RECEIPTS) {
    const detail = `With receipts=true a body has at most ${MAX_RECEIPTS} events. Nothing was stored; send fewer, or without.`
    throw new Problem('too-many-events', detail, { limit: MAX_RECEIPTS })
  }
  holding.take(READ_BYTES + count * RECEIPT_BYTES)
}
