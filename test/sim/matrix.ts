// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The matrix of faults: every operation of one short life, at each place where it happens, fails, is done and says that
// it failed, never answers, or answers a minute late; whoever was refused tries again; then the process is killed or the
// power fails, and what was acknowledged must be there.

import assert from 'node:assert/strict'

import { sealAll } from '../scratch.ts'
import { append, SeededRandom, type Stele } from '../scratch.ts'
import { powerCutDirectory as directory } from '../power-cut-disk.ts'
import {
  Counts,
  type Fault,
  type FaultPlan,
  NoFaults,
  OneFault,
  type Operation,
  OPERATIONS,
  WAYS,
} from './fault-plan.ts'
import { demandExpected, FailedStart, Machine, type Process } from './machine.ts'
import { Oracle } from './oracle.ts'

const LATE_MS = 60_000
/** What has not come to its end by then hangs. */
const PATIENCE_MS = 180_000
const ROUNDS = 5

export interface Case {
  readonly operation: Operation
  readonly nth: number
  readonly fault: Fault
  readonly end: 'kill' | 'power cut'
}

class Counting implements FaultPlan {
  readonly counts = new Counts()

  next(operation: Operation): undefined {
    this.counts.add(operation)
  }
}

/** Every case there is. */
export async function allCases(): Promise<Case[]> {
  const plan = new Counting()
  await new Life(plan).run()
  return OPERATIONS.flatMap((operation) =>
    Array.from({ length: plan.counts.of(operation) }, (_, nth) =>
      WAYS.flatMap((way) =>
        (['kill', 'power cut'] as const).map((end) => {
          const fault = { way, partly: nth % 2 === 0, lateMs: LATE_MS }
          return { operation, nth, fault, end }
        }),
      ),
    ).flat(),
  )
}

/** Whether the fault came to pass, and whether everything was acknowledged all the same. */
export async function runCase({ operation, nth, fault, end }: Case): Promise<{ isHit: boolean; isWhole: boolean }> {
  const plan = new OneFault(operation, nth, fault)
  const life = new Life(plan)
  try {
    const isWhole = await life.run()
    if (fault.way === 'late') assert(isWhole, 'what came late did not come at all')
    await life.restart(end)
    return { isHit: plan.hasHappened, isWhole }
  } catch (error) {
    throw new Error(`${operation} ${nth} ${fault.way}, then ${end}`, { cause: error })
  }
}

class Life {
  readonly #machine = new Machine(new SeededRandom(7))
  readonly #random = new SeededRandom(8)
  readonly #oracle = new Oracle()
  readonly #plan: FaultPlan

  constructor(plan: FaultPlan) {
    this.#plan = plan
  }

  /** Whether all of it was done. */
  async run(): Promise<boolean> {
    let process: Process
    try {
      process = await this.#machine.start(this.#plan)
    } catch (error) {
      if (error instanceof FailedStart) return false
      throw error
    }
    const { stele } = process
    const isWhole = await this.#toEnd(this.#script(process))
    for (const failure of stele.failures) demandExpected(failure)
    if (isWhole) return true
    const { failure } = stele.ledgers
    const again = async () => {
      for (let round = 0; round < 3; round++) await this.#append(stele)
    }
    const isDone = await this.#toEnd(again())
    assert(failure === undefined || !isDone, 'an append was acknowledged although the writer had stopped')
    return false
  }

  async restart(end: Case['end']): Promise<void> {
    this.#machine.end(end)
    const { stele } = await this.#machine.start(new NoFaults())
    for (const note of this.#machine.kept.history) this.#oracle.seeKept(note)
    const check = async () => {
      await this.#oracle.check(stele)
      await this.#append(stele)
      await stele.close()
    }
    await this.#demandEnd(check())
    assert.deepEqual(stele.failures, [])
  }

  async #script({ stele, disk }: Process): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      if (round === 1) {
        await stele.administration.createLedger({ name: 'ledger-1' }, 'tester')
        this.#oracle.ledgers.add('ledger-1')
      }
      await Promise.all([this.#append(stele), this.#append(stele)])
      await stele.ledgers.publish()
      if (round > 2) await sealAll(stele, disk, directory)
    }
    await stele.close()
  }

  async #append(stele: Stele): Promise<void> {
    const events = this.#oracle.send('main', this.#random, 8_000)
    const { first, size, root } = await append(stele.ledgers, 'main', events)
    this.#oracle.acknowledge('main', first, events, size, root)
  }

  /** Whether it comes to its end and is not refused. */
  async #toEnd(work: Promise<unknown>): Promise<boolean> {
    try {
      await this.#demandEnd(work)
      return true
    } catch (error) {
      demandExpected(error)
      return false
    }
  }

  async #demandEnd(work: Promise<unknown>): Promise<void> {
    let outcome: { readonly error?: Error } | undefined
    work.then(
      () => (outcome = {}),
      (error: Error) => (outcome = { error }),
    )
    const { time } = this.#machine
    if (!(await time.run(() => outcome !== undefined, time.nowMs + PATIENCE_MS))) throw new Error('it hangs')
    if (outcome?.error !== undefined) throw outcome.error
  }
}
