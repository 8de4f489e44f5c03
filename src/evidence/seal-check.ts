// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Holds what the seal says against what the segments give. */
import type { Seal } from '../ledger/seal.ts'
import { timeMs } from '../platform/clock.ts'
import type { Findings } from './finding.ts'
import { SEAL_FILE } from './open-log.ts'
import type { Replay } from './replay.ts'

/** Every ledger must have the root that the seal says, at its size. */
export function checkRoots(seal: Seal, replay: Replay, findings: Findings): void {
  for (const { name, size, root } of seal.ledgers) {
    const ledger = replay.ledgers.get(name)
    // Where a leaf is lost there is no root to compare, and the loss has been told.
    if (ledger?.root === undefined || (ledger.size === size && ledger.root === root)) continue
    const what = `the seal says another root of ${name} than its segments give`
    const range = { ledger: name, index: 0, count: Math.max(1, size) }
    const [expected, found] = [`${size} ${root}`, `${ledger.size} ${ledger.root}`]
    findings.add({ kind: 'root', file: SEAL_FILE, ...range, what, expected, found })
  }
}

/** What `heads` had said last, and the newest time, when the seal was made. */
export function checkSealFacts(seal: Seal, replay: Replay, findings: Findings): void {
  const heads = replay.ledgers.get('heads')
  if (heads?.root !== undefined) {
    const rows = [...replay.published.latest].map(([name, { size, root }]) => `${name} ${size} ${root}`)
    const said = seal.published.map(({ name, size, root }) => `${name} ${size} ${root}`)
    const [expected, found] = [rows.toSorted().join(', '), said.toSorted().join(', ')]
    const what = 'the seal says something else of what was published than heads'
    if (expected !== found) findings.add({ kind: 'seal', file: SEAL_FILE, what, expected, found })
  }
  const newest =
    [...replay.ledgers.values()]
      .map(({ lastTime }) => lastTime)
      .toSorted()
      .at(-1) ?? ''
  if (newest === '' || timeMs(newest) <= seal.lastMs) return
  const what = 'the seal is older than what is sealed'
  findings.add({ kind: 'seal', file: SEAL_FILE, what, expected: `${timeMs(newest)} or later`, found: `${seal.lastMs}` })
}
