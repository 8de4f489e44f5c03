// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The head that is kept outside, in a store that survives whatever happens to the machine. Its answers take time, get
// lost on the way (a swap whose outcome is unknown), or never come. It remembers every head that it ever kept.

import { type HeadStore, sameBytes } from '../../src/ledger/head-store.ts'
import type { SeededRandom } from '../scratch.ts'
import { Counts, type FaultPlan, type Operation } from './fault-plan.ts'
import type { SimTime } from './time.ts'

/** What is kept, whatever process asks. */
export interface KeptHeads {
  now: Buffer | undefined
  readonly history: Buffer[]
}

export interface SimHeadParts {
  readonly kept: KeptHeads
  readonly time: SimTime
  readonly random: SeededRandom
  readonly faults: FaultPlan
  readonly onOperation: (operation: Operation, path: string, bytes: number) => void
}

export class SimHeadStore implements HeadStore {
  readonly where = 'the simulated store of heads'
  readonly injected = new Counts()
  readonly #parts: SimHeadParts
  #isDead = false

  constructor(parts: SimHeadParts) {
    this.#parts = parts
  }

  /** The process that asked has died. */
  kill(): void {
    this.#isDead = true
  }

  async read(): Promise<Buffer | undefined> {
    return await this.#operate('headRead', () => this.#parts.kept.now)
  }

  async swap(expected: Buffer | undefined, next: Buffer): Promise<boolean> {
    const { kept } = this.#parts
    return await this.#operate('headSwap', () => {
      if (!sameBytes(kept.now, expected)) return false
      kept.now = Buffer.from(next)
      kept.history.push(kept.now)
      return true
    })
  }

  async #operate<T>(operation: Operation, work: () => T): Promise<T> {
    const { time, random, faults, onOperation } = this.#parts
    if (this.#isDead) return await new Promise<T>(() => {})
    onOperation(operation, this.where, 0)
    const fault = faults.next(operation)
    if (fault !== undefined) this.injected.add(`${operation} ${fault.way}`)
    // What arrives late arrives all the same: the store does not hear that its client has died.
    await time.sleep(fault?.way === 'late' ? fault.lateMs : random.next() * 50)
    if (fault?.way === 'failed') throw new Error('the store cannot be reached')
    if (fault?.way === 'hung') {
      if (fault.partly) work()
      return await new Promise<T>(() => {})
    }
    const answer = work()
    if (fault?.way === 'applied') throw new Error('the answer was lost')
    await time.sleep(random.next() * 50)
    return answer
  }
}
