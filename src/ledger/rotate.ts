// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

import type { KeyPeriod } from '@stele/proof'
import type { Batch } from './batch.ts'
import type { Ledgers } from './ledgers.ts'

/**
 * Lets new keys follow those of a ledger. `record` makes the batch of `system` that says so, of the signed statement;
 * `onDurable` is called in the moment in which it is durable, and answers the periods from then on.
 */
export async function rotateKeys(
  ledgers: Ledgers,
  name: string,
  record: (statement: string) => Batch,
  onDurable: () => readonly KeyPeriod[],
): Promise<void> {
  const { keyring, appending } = ledgers
  const next = await keyring.prepareNext(name)
  const make = async () => record(keyring.statement(ledgers.log(name), next))
  await appending.alone('system', make, () => {
    keyring.replace(name, next, onDurable())
    appending.forgetKeys(name)
  })
  await keyring.finish(name)
  await ledgers.publish()
}
