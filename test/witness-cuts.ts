// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A witness that is ended in the middle of its work, started again, and tempted to contradict itself: by a fork that the
// log itself has signed, so that nothing but the witness's memory keeps it from cosigning.

import assert from 'node:assert/strict'

import { PowerCutDisk } from './power-cut-disk.ts'
import { SeededRandom, TurnedClock } from './scratch.ts'
import { bareWitness, type BareWitness, DiskHeadStore, requestOf, TestLog } from './witnessing-ground.ts'

/** So that the journal is written anew within a test. */
const OUTDATED_BYTES = 12_000

/** A log of two minds: from its second entry on it has two histories, and signs both. */
class ForkedLog {
  readonly honest: TestLog
  readonly forked: TestLog

  constructor(origin: string, count: number) {
    this.honest = new TestLog(origin).grow(count)
    this.forked = new TestLog(origin)
    this.forked.leaves = this.honest.leaves.map((leaf, at) => (at === 1 ? Buffer.from('another') : leaf))
  }

  request(which: 'honest' | 'forked', old: number, size: number): string {
    const tree = this[which]
    return requestOf(old, tree.proof(old, size), this.honest.note(tree.text(size)))
  }
}

/** All that was ever cosigned of each log: which of its histories, up to which size. */
class Answers {
  readonly #cosigned = new Map<string, { which: string; size: number }>()

  get count(): number {
    return this.#cosigned.size
  }

  size(origin: string): number {
    return this.#cosigned.get(origin)?.size ?? 0
  }

  take(origin: string, which: string, size: number): void {
    const before = this.#cosigned.get(origin)
    // Of one entry both histories have the same root.
    if (before !== undefined && before.size > 1)
      assert.equal(which, before.which, `${origin}: two histories were cosigned`)
    assert(size >= (before?.size ?? 0), `${origin}: shrank from ${before?.size} to ${size}`)
    this.#cosigned.set(origin, { which, size })
  }
}

export const forkedLogs = ['a', 'b', 'c'].map((origin) => new ForkedLog(origin, 12))
export const trustedLogs = forkedLogs.map(({ honest }) => honest)

/** Each log grows step by step, all at the same time, until the power goes. */
async function grow(witness: BareWitness, answers: Answers): Promise<void> {
  await Promise.all(
    forkedLogs.map(async (log) => {
      const { origin } = log.honest
      let old = witness.state.latest(origin)?.size ?? 0
      for (const size of [2, 3, 5, 6, 7, 9, 12].filter((step) => step > old)) {
        const { status } = await witness.add(log.request('honest', old, size))
        if (status !== 200) return
        answers.take(origin, 'honest', size)
        old = size
      }
    }),
  )
}

/** Offers both histories from wherever the witness is, the forked one first. */
async function tempt(witness: BareWitness, answers: Answers): Promise<void> {
  for (const log of forkedLogs) {
    const { origin } = log.honest
    for (const size of [2, 3, 7, 12]) {
      for (const which of ['forked', 'honest'] as const) {
        const old = witness.state.latest(origin)?.size ?? 0
        if (old > size) continue
        const { status } = await witness.add(log.request(which, old, size))
        if (status === 200) answers.take(origin, which, size)
        else assert.equal(status, 422)
      }
    }
  }
}

/** A witness and its head on one disk that loses power. */
export async function openCutWitness(disk: PowerCutDisk): Promise<BareWitness> {
  return await bareWitness({
    disk,
    head: new DiskHeadStore(disk),
    logs: trustedLogs,
    clock: new TurnedClock(),
    outdatedBytes: OUTDATED_BYTES,
  })
}

interface Ends {
  readonly end: 'afterPowerCut' | 'afterKill'
  readonly seed: number
  /** Operations of the disk after which it ends: the first, and from one to the next. */
  readonly first: number
  readonly step: number
}

/** Ends a witness after more and more operations, each time on a fresh disk, until it comes to the end of its work. */
export async function endEverywhere({
  end,
  seed,
  first,
  step,
}: Ends): Promise<{ endCount: number; answeredCount: number }> {
  const random = new SeededRandom(seed)
  let endCount = 0
  let answeredCount = 0
  for (let operations = first; ; operations += step) {
    const answers = new Answers()
    let disk = new PowerCutDisk()
    disk.operationsLeft = operations
    const begun = await openCutWitness(disk).catch(() => undefined)
    if (begun !== undefined) await grow(begun, answers)
    const isWhole = disk.operationsLeft > 0
    // Twice: what a start mends may be cut short too.
    for (const left of [random.below(30), Infinity]) {
      disk = disk[end](random)
      disk.operationsLeft = left
      const witness = await openCutWitness(disk).catch((error: Error) => error)
      if (witness instanceof Error) {
        assert.match(witness.message, /the power is off/, `after ${operations} operations, seed ${seed}`)
        continue
      }
      for (const { origin } of trustedLogs) {
        assert(
          (witness.state.latest(origin)?.size ?? 0) >= answers.size(origin),
          `${origin} after ${operations}, seed ${seed}`,
        )
      }
      if (left === Infinity) await tempt(witness, answers)
      else await grow(witness, answers)
    }
    endCount++
    answeredCount += answers.count
    if (isWhole) return { endCount, answeredCount }
  }
}
