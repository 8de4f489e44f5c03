// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Proves one entry up to a head that the quorum of witnesses has cosigned; waits for that, within a bound. */
import { formatProof, formatReceipt, formatWitnessedReceipt } from '@stele/proof'
import type { ServerResponse } from 'node:http'
import type { z } from 'zod'
import { allows } from '../access/credentials.ts'
import type { Clock } from '../platform/clock.ts'
import { Problem } from '../schema/problem.ts'
import { vouchedFor } from '../witness/witnessed-receipt.ts'
import type { Answer, Call, Services } from './route.ts'
import type { eventParams, proofQuery } from './schemas.ts'
import { demandWitnesses } from './witnesses.ts'

export const PROOF_TYPE = 'text/plain; charset=utf-8'
const RETRY_AFTER_SECONDS = 5

export async function readWitnessedProof(
  call: Call<z.output<typeof eventParams>, z.output<typeof proofQuery>, undefined>,
  services: Services,
): Promise<Answer> {
  const { params, query, caller, holding, response } = call
  const { ledgers, cosigning, administration, clock } = services
  const { ledger, index } = params
  demandWitnesses(administration)
  const vouched = await bounded(clock, response, query.timeout, async (signal) => {
    return await vouchedFor(cosigning, ledgers, ledger, index, signal)
  })
  const { checkpoint, size, headsReceipt } = vouched
  const hashes = await ledgers.prove(ledger, index, size)
  if (caller.credential === undefined || !allows(caller.credential, 'read', ledger)) {
    // Without salt and entry it is two proofs all the same, of which the second is whole.
    const body = `${formatProof({ index, hashes, checkpoint })}${headsReceipt ?? ''}`
    return { type: PROOF_TYPE, body, carries: 'no content' }
  }
  const { salt, entryBytes: entry } = await ledgers.event(ledger, index, (bytes) => holding.take(bytes))
  const receipt = formatReceipt({ salt, entry, index, hashes, checkpoint })
  const body = headsReceipt === undefined ? receipt : formatWitnessedReceipt({ receipt, headsReceipt })
  return { type: PROOF_TYPE, body, carries: { ledger, first: index, count: 1 } }
}

/** Does work that ends once so many seconds have passed, or nobody is there any more to be answered. */
async function bounded<T>(
  clock: Clock,
  response: ServerResponse,
  seconds: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const [ended, done] = [new AbortController(), new AbortController()]
  const end = () => ended.abort()
  response.once('close', end)
  clock.sleep(seconds * 1_000, done.signal).then(end, () => {})
  try {
    return await work(ended.signal)
  } catch (error) {
    if (!ended.signal.aborted || error instanceof Problem) throw error
    const detail =
      `Too few witnesses have cosigned a head with this entry within ${seconds} s. It is stored and published; ` +
      'What the witnesses do, stele witness list says, or GET /v1/witnesses.'
    throw new Problem('not-witnessed', detail, { retryAfter: RETRY_AFTER_SECONDS })
  } finally {
    done.abort()
    response.off('close', end)
  }
}
