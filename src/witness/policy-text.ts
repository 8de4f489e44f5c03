// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The policy (C2SP tlog-policy) by which an auditor checks witnessed receipts: the keys of `heads`, the witnesses, and how
 * many of them. It is the server's word: an auditor compares the keys with what the witnesses themselves publish.
 */
import { type KeyPeriod, parseNote, parsePolicy, parseVkey } from '@stele/proof'
import type { WitnessList } from '../state/witness-list.ts'

/**
 * The keys of `heads` in force, and those retired ones that signed the newest witnessed head: until the witnesses' owners
 * know the new keys there is no later one, and what it vouches for stays true.
 */
export function policyVkeys(periods: readonly KeyPeriod[], witnessedHead: Uint8Array | undefined): string[] {
  const signatures = witnessedHead === undefined ? [] : parseNote(witnessedHead).signatures
  const hasSigned = (vkey: string) => {
    const { name, keyId } = parseVkey(vkey)
    return signatures.some((signature) => signature.name === name && signature.keyId === keyId)
  }
  const retired = periods.slice(0, -1).flatMap(vkeysOf).filter(hasSigned)
  return [...periods.slice(-1).flatMap(vkeysOf), ...retired]
}

function vkeysOf({ vkey, mldsaVkey }: KeyPeriod): string[] {
  return mldsaVkey === undefined ? [vkey] : [vkey, mldsaVkey]
}

export function policyText(witnesses: WitnessList, headsVkeys: readonly string[], url?: string): string {
  const { asked, neededCount } = witnesses
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
