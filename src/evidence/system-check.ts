// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Holds what `system` names, its ledgers and their keys, against the log and against keys that were pinned. */
import { parseVkey, type Policy } from '@stele/proof'
import type { Findings } from './finding.ts'
import type { Replay } from './replay.ts'

/** Every ledger of the log must be one that `system` created, under the directory's origin. */
export function checkLedgers(replay: Replay, findings: Findings): void {
  const { state, originPrefix } = replay
  for (const name of replay.ledgers.keys()) {
    if (state.ledgers.has(name)) continue
    findings.add({
      kind: 'system',
      ledger: name,
      index: 0,
      what: `the log has entries of ${name}, which system never created`,
    })
  }
  for (const { name, origin } of state.ledgers.values()) {
    const expected = `${originPrefix}/${name}`
    if (origin === expected) continue
    findings.add({
      kind: 'system',
      ledger: 'system',
      what: `${name} has the origin of another directory`,
      expected,
      found: origin,
    })
  }
}

/** Names of the ledgers whose keys are pinned. */
export function checkPinned(
  { vkeys = [], policy }: { readonly vkeys?: readonly string[]; readonly policy?: Policy },
  replay: Replay,
  findings: Findings,
): ReadonlySet<string> {
  const pinned = [...vkeys.map(parseVkey), ...(policy?.logs.map((log) => log.key) ?? [])]
  const names = new Set<string>()
  for (const key of pinned) {
    const ledger = [...replay.state.ledgers.values()].find(({ origin }) => origin === key.name)
    if (ledger === undefined && !replay.systemKnown) continue
    if (ledger === undefined) {
      // A policy may list logs of other directories.
      if (vkeys.length > 0)
        findings.add({ kind: 'key', what: 'the key that you gave is of no ledger here', found: key.name })
    } else if (Buffer.from(parseVkey(ledger.vkey).publicKey).equals(key.publicKey)) names.add(ledger.name)
    else {
      const what = `the key of ${ledger.name} is not the one that you gave`
      findings.add({ kind: 'key', ledger: ledger.name, what, found: ledger.vkey })
    }
  }
  return names
}
