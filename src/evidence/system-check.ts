// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Holds what `system` names, its ledgers and their keys, against the log and against keys that were pinned. */
import { parseVkey, type Policy, type VerifierKey } from '@stele/proof'
import { endWords, rotationsFault } from '../ledger/key-periods.ts'
import type { LedgerRecord } from '../state/system-state.ts'
import type { Findings } from './finding.ts'
import { toHex } from './ledger-replay.ts'
import type { Replay } from './replay.ts'
import { UNKNOWN_ROOT } from './sealed-roots.ts'

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

/** Rotations must be signed by the key before and the key behind them, and say what the ledger was. */
export async function checkRotations(replay: Replay, findings: Findings): Promise<void> {
  for (const { name, keys } of replay.state.ledgers.values()) {
    const fault = await rotationsFault(keys)
    if (fault === undefined) continue
    findings.add({
      kind: 'system',
      ledger: 'system',
      what: `the rotations of the keys of ${name} do not hold: ${fault}`,
    })
  }
  for (const { name, end, root, ...place } of replay.rotations) {
    const data = replay.ledgers.get(name)
    const found = root ?? (await data?.sealedRootAt(end.size))
    if (found === toHex(end.root) || found === UNKNOWN_ROOT || data?.isWhole === false) continue
    const what = `a rotation of the keys of ${name} speaks of another history than this one`
    const entry = { kind: 'system' as const, ledger: 'system', ...place, what }
    findings.add({ ...entry, expected: endWords(end), found: found === undefined ? 'no such size' : `root ${found}` })
  }
}

/** Names of the ledgers whose keys are pinned: those in force, or earlier ones that rotations lead on from. */
export function checkPinned(
  { vkeys = [], policy }: { readonly vkeys?: readonly string[]; readonly policy?: Policy },
  replay: Replay,
  findings: Findings,
  remarks: string[],
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
      continue
    }
    const period = periodOf(ledger, key)
    if (period === undefined) {
      const what = `the key of ${ledger.name} is not the one that you gave`
      findings.add({ kind: 'key', ledger: ledger.name, what, found: ledger.vkey })
      continue
    }
    names.add(ledger.name)
    if (period.until === undefined) continue
    const words = `The key of ${ledger.name} that you gave was retired at ${period.until.size} entries`
    remarks.push(`${words}; signed rotations lead from it to the key of today, ${ledger.vkey}.`)
  }
  return names
}

function periodOf({ keys }: LedgerRecord, key: VerifierKey) {
  const isKey = (vkey: string | undefined) =>
    vkey !== undefined && Buffer.from(parseVkey(vkey).publicKey).equals(key.publicKey)
  return keys.periods.find(({ vkey, mldsaVkey }) => isKey(vkey) || isKey(mldsaVkey))
}
