// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// The keeper of a simulated machine: a process beside the writer that seals completed WAL files, is killed in the
// middle of it, and begins the file again. What it could not seal it tries again after a while, as the real one does.

import { join } from 'node:path'

import { DataFault } from '../../src/ledger/data-fault.ts'
import { SEGMENTS } from '../../src/ledger/sealed-entries.ts'
import { sealWalFile } from '../../src/ledger/sealing.ts'
import { DirectoryStore } from '../../src/ledger/store/directory-store.ts'
import { powerCutDirectory as directory } from '../power-cut-disk.ts'
import type { SeededRandom, Stele } from '../scratch.ts'
import type { Counts, FaultPlan } from './fault-plan.ts'
import { demandExpected, type Machine } from './machine.ts'
import type { SimDisk } from './sim-disk.ts'

const PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 600_000

export interface KeeperParts {
  readonly stele: Stele
  readonly random: SeededRandom
  readonly faults: FaultPlan
  readonly machine: Machine
  readonly counts: Counts
}

export class Keeper {
  /** What nothing excuses. */
  failure: Error | undefined
  readonly #parts: KeeperParts
  #isOver = false
  #failuresInRow = 0

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  begin(): void {
    const { machine, random, faults, counts, stele } = this.#parts
    if (stele.ledgers.sealTask() === undefined) {
      const stop = stele.ledgers.onFileCompleted(() => {
        stop()
        this.#again()
      })
      return
    }
    const disk = machine.beside(faults)
    let isDone = false
    void this.#sealing(
      disk,
      () => (isDone = true),
      () => this.#again(),
    )
    if (random.below(4) > 0) return
    // Killed alone: the writer goes on, with what it accepts too, and the next one begins again.
    machine.time.after(random.below(100), () => {
      if (this.#isOver || isDone) return
      disk.kill()
      counts.add('keepers killed')
      this.#again()
    })
  }

  end(): void {
    this.#isOver = true
  }

  #again(): void {
    const { machine, random } = this.#parts
    const pauseMs = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** this.#failuresInRow)
    machine.time.after(random.below(pauseMs), () => {
      if (!this.#isOver) this.begin()
    })
  }

  async #sealing(disk: SimDisk, settled: () => void, next: () => void): Promise<void> {
    try {
      await this.#seal(disk, settled)
      settled()
      this.#failuresInRow = 0
    } catch (error) {
      settled()
      this.#failuresInRow++
      this.#note(error)
    }
    next()
  }

  async #seal(disk: SimDisk, settled: () => void): Promise<void> {
    const { stele, counts } = this.#parts
    const store = new DirectoryStore(disk, join(directory, SEGMENTS))
    await store.removeDrafts()
    const task = stele.ledgers.sealTask()
    if (task === undefined) return
    const seal = await sealWalFile({ disk, directory, store }, task)
    if (this.#isOver || stele.ledgers.failure !== undefined) return
    settled()
    await stele.ledgers.acceptSeal(seal)
    counts.add('WAL files sealed')
  }

  #note(error: unknown): void {
    const { machine, counts } = this.#parts
    try {
      // A swap of the seal whose outcome was never known is found by the next one.
      const isKnown = error instanceof DataFault && /somebody else has moved the seal/.test(error.message)
      if (!isKnown || machine.injectedCount === 0) demandExpected(error)
      counts.add('sealings that failed')
    } catch (fault) {
      this.failure ??= fault instanceof Error ? fault : new Error(String(fault))
    }
  }
}
