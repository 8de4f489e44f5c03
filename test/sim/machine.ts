// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// A simulated machine that runs the real ledger code, one process after the other on one disk, with one clock and one
// head outside. Each process ends by a stop, a kill or a power cut, and the next one starts on what is left.

import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'

import { Problem } from '../../src/schema/problem.ts'
import { PowerCutDisk, powerCutDirectory } from '../power-cut-disk.ts'
import { openStele, SeededRandom, type Stele } from '../scratch.ts'
import { Counts, type FaultPlan } from './fault-plan.ts'
import { SimDisk } from './sim-disk.ts'
import { type KeptHeads, SimHeadStore } from './sim-head-store.ts'
import { SimClock, SimTime } from './time.ts'

/** Small, so that a life sees several anchors, WAL files and whole segments. */
const SIZES = { anchorEveryBytes: 24_000, walFileBytes: 40_000, segmentEntries: 256 }
/** A start under faults may hang; whoever watches it gives up then. */
const START_MS = 3_600_000

export interface Process {
  readonly stele: Stele
  readonly disk: SimDisk
}

/** A start that did not come to its end because of what was injected into it. */
export class FailedStart extends Error {
  override readonly name = 'FailedStart'
}

export class Machine {
  readonly time = new SimTime()
  readonly clock = new SimClock(this.time)
  readonly kept: KeptHeads = { now: undefined, history: [] }
  readonly counts = new Counts()
  readonly #random: SeededRandom
  readonly #trace: Hash = createHash('sha256')
  #platters = new PowerCutDisk()
  #disk: SimDisk | undefined
  #head: SimHeadStore | undefined
  #others: SimDisk[] = []

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** What the disk holds, to be looked at between processes. */
  get platters(): PowerCutDisk {
    return this.#platters
  }

  /** Of everything that was asked of the disk and of the store of heads, in order, with its time. */
  get traceHash(): string {
    return this.#trace.copy().digest('hex').slice(0, 16)
  }

  /** What went wrong in this process because it was told to. */
  get injectedCount(): number {
    const all = [this.#disk, this.#head, ...this.#others]
    return all.reduce((sum, part) => sum + (part?.injected.total ?? 0), 0)
  }

  note(what: string): void {
    this.#trace.update(`${this.time.nowMs} ${what}\n`)
  }

  /** Starts a process; a FailedStart where what was injected kept it from coming up. */
  async start(faults: FaultPlan): Promise<Process> {
    const { time, clock, kept } = this
    const random = new SeededRandom(this.#random.below(2 ** 31))
    const onOperation = (operation: string, path: string, bytes: number) => this.note(`${operation} ${path} ${bytes}`)
    const parts = { time, random, faults, onOperation }
    const disk = new SimDisk(this.#platters, parts)
    const head = new SimHeadStore({ ...parts, kept })
    this.#disk = disk
    this.#head = head
    let outcome: Stele | { readonly error: Error } | undefined
    const ground = { disk, directory: powerCutDirectory, clock, random, head, sizes: SIZES }
    openStele(ground).then(
      (stele) => (outcome = stele),
      (error: Error) => (outcome = { error }),
    )
    await time.run(() => outcome !== undefined, time.nowMs + START_MS)
    if (outcome === undefined || 'error' in outcome) {
      const error = outcome?.error ?? new Error('the start hangs')
      if (this.injectedCount === 0) throw error
      demandExpected(error)
      throw new FailedStart(String(error))
    }
    return { stele: outcome, disk }
  }

  /** Another process beside it, on the same disk: the keeper. It lives no longer than until the machine's next end. */
  beside(faults: FaultPlan): SimDisk {
    const { time } = this
    const random = new SeededRandom(this.#random.below(2 ** 31))
    const onOperation = (operation: string, path: string, bytes: number) =>
      this.note(`keeper: ${operation} ${path} ${bytes}`)
    const disk = new SimDisk(this.#platters, { time, random, faults, onOperation })
    this.#others.push(disk)
    return disk
  }

  /** The process dies, or the power fails as well: the next start finds what is left. */
  end(how: 'kill' | 'power cut'): void {
    const [disk, head] = [this.#disk, this.#head]
    assert(disk !== undefined && head !== undefined)
    const disks = [disk, ...this.#others]
    this.#others = []
    for (const one of disks) one.kill()
    head.kill()
    this.time.endLife()
    for (const { injected } of [...disks, head]) this.counts.merge(injected)
    for (const { operationCount } of disks) this.counts.add('disk operations', operationCount)
    this.note(how)
    const random = this.#random
    this.#platters = how === 'kill' ? this.#platters.afterKill(random) : this.#platters.afterPowerCut(random)
  }
}

/** What an operation may be refused with after something was injected; anything else is a fault of the ledger. */
export function demandExpected(error: unknown): void {
  const isExpected =
    error instanceof Problem ||
    (error instanceof Error && 'code' in error && (error.code === 'EIO' || error.code === 'ENOSPC')) ||
    (error instanceof Error && /hangs|the store cannot be reached|the answer was lost/.test(error.message))
  if (!isExpected) throw error
}
