// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A receipt that witnesses vouch for: the entry in its ledger, up to a checkpoint of that ledger, and that checkpoint in
 * `heads`, up to a head that the quorum has cosigned (docs/format.md). What it takes may have to be published, and be
 * cosigned, first.
 */
import { formatReceipt } from '@stele/proof'
import type { Ledgers } from '../ledger/ledgers.ts'
import { Problem } from '../schema/problem.ts'
import type { CosigningService, WitnessedHead } from './cosigning.ts'
import type { Statement } from './statements.ts'

const HEADS = 'heads'

/** How an entry's ledger is vouched for. */
export interface Vouched {
  /** The ledger's checkpoint, exactly as `heads` has it; the head itself for an entry of `heads`. */
  readonly checkpoint: Buffer
  /** Entries that it counts. */
  readonly size: number
  /** The receipt of that checkpoint in `heads`; none for an entry of `heads`. */
  readonly headsReceipt: string | undefined
}

/** Waits until entry `index` of a ledger is below a witnessed head; rejects with the signal's reason. */
export async function vouchedFor(
  cosigning: CosigningService,
  ledgers: Ledgers,
  ledger: string,
  index: number,
  signal: AbortSignal,
): Promise<Vouched> {
  if (ledger === HEADS) {
    const { note, size } = await cosigning.witnessed(index + 1, signal)
    return { checkpoint: note, size, headsReceipt: undefined }
  }
  const { head, statement } = await witnessedStatement(cosigning, ledgers, ledger, index, signal)
  const stored = await ledgers.event(HEADS, statement.index)
  const hashes = await ledgers.prove(HEADS, statement.index, head.size)
  const { salt, entryBytes: entry, event } = stored
  const headsReceipt = formatReceipt({ salt, entry, index: statement.index, hashes, checkpoint: head.note })
  return { checkpoint: event, size: statement.size, headsReceipt }
}

/** The newest statement that will do in the newest witnessed head, else in the next one that has it. */
async function witnessedStatement(
  cosigning: CosigningService,
  ledgers: Ledgers,
  ledger: string,
  index: number,
  signal: AbortSignal,
): Promise<{ head: WitnessedHead; statement: Statement }> {
  const { statements, newest } = cosigning
  const known = newest === undefined ? undefined : await statements.newest(ledger, newest.size, signal)
  if (newest !== undefined && known !== undefined && known.size > index) return { head: newest, statement: known }
  let latest = await statements.newest(ledger, ledgers.log(HEADS).size, signal)
  if (latest === undefined || latest.size <= index) {
    await ledgers.publish()
    latest = await statements.newest(ledger, ledgers.log(HEADS).size, signal)
  }
  if (latest === undefined || latest.size <= index) {
    throw new Problem('not-witnessed', 'The entry is not published yet. Try again in a moment.', { retryAfter: 1 })
  }
  return { head: await cosigning.witnessed(latest.index + 1, signal), statement: latest }
}
