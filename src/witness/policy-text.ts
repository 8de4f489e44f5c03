// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The policy (C2SP tlog-policy) by which an auditor checks witnessed receipts: the keys of `heads`, the witnesses, and how
 * many of them. Where witnesses must cosign, the keys that `heads` had before are listed too: receipts of their days stay
 * good, for whoever has such a key gets no cosignatures for another history. It is the server's word: an auditor compares the keys with what the witnesses themselves publish.
 */
import { type KeyPeriod, parsePolicy } from '@stele/proof'
import type { WitnessList } from '../state/witness-list.ts'

/** Key pairs that a policy lists at most: it must not outgrow what is read of one. */
const MAX_PERIODS = 100

export function policyText(witnesses: WitnessList, headsPeriods: readonly KeyPeriod[], url?: string): string {
  const { asked, neededCount } = witnesses
  // The oldest first: a monitor goes on from it to the others, by the signed statements.
  const periods = headsPeriods.slice(neededCount === 0 ? -1 : -MAX_PERIODS)
  const headsVkeys = periods.flatMap(({ vkey, mldsaVkey }) => (mldsaVkey === undefined ? [vkey] : [vkey, mldsaVkey]))
  const behind = url === undefined ? '' : ` ${url}`
  const names = asked.map(({ name }) => name).join(' ')
  const lines = [
    '# Logs and witnesses to trust (https://c2sp.org/tlog-policy). The server says so: compare each key with what its',
    '# owner publishes before you rely on it.',
    ...headsVkeys.map((vkey) => `log ${vkey}${behind}`),
    ...asked.map((witness) => `witness ${witness.name} ${witness.vkey} ${witness.url}`),
    ...(asked.length === 0 ? ['quorum none'] : [`group quorum ${neededCount} ${names}`, 'quorum quorum']),
  ]
  const text = `${lines.join('\n')}\n`
  parsePolicy(text)
  return text
}
