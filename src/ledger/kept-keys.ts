// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keys by which a head of `heads` may be signed, found before `system` has been replayed: a start looks at the head
 * that is kept outside before it changes anything. Behind a rotation that head may still be of the key before, of which
 * only `system` tells. All of it is looked at once more when the keys are taken into use.
 */
import { type KeyPeriod, openByPeriods, ProofError } from '@stele/proof'
import { systemEventSchema } from '../schema/system-events.ts'
import { type KeyEvent, type KeyHistory, keyEventLedger, keysAfter } from './key-periods.ts'
import type { Log } from './log.ts'
import type { Reader } from './read.ts'
import type { Signer } from './signing.ts'

const READ_BYTES = 1024 * 1024

export async function keyPeriodsOf(
  kept: Buffer,
  signers: readonly Signer[],
  reader: Reader,
  system: Log | undefined,
): Promise<readonly KeyPeriod[]> {
  const lying = signers.map(({ vkey }) => ({ vkey, from: 0 }))
  try {
    await openByPeriods(kept, lying)
    return lying
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
  }
  const named = system === undefined ? undefined : await namedKeys(reader, system)
  // Its last key must be one that lies here: else all of it is of another directory.
  const isOurs = signers.some(({ vkey }) => vkey === named?.periods.at(-1)?.vkey)
  return isOurs && named !== undefined ? named.periods : lying
}

async function namedKeys(reader: Reader, system: Log): Promise<KeyHistory | undefined> {
  let keys: KeyHistory | undefined
  for (let index = 0; index < system.size;) {
    const stored = await reader.events(system, index, system.size, READ_BYTES)
    for (const { event } of stored) {
      const change = keyEventOf(event)
      if (change !== undefined && keyEventLedger(change) === 'heads') keys = keysAfter(keys, change)
    }
    index += stored.length
  }
  return keys
}

/** What does not belong into `system` is said when it is replayed. */
function keyEventOf(event: Uint8Array): KeyEvent | undefined {
  try {
    const { success, data } = systemEventSchema.safeParse(JSON.parse(Buffer.from(event).toString('utf8')))
    if (!success) return undefined
    return data.type === 'ledger.created' || data.type === 'key.added' || data.type === 'key.rotated' ? data : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
