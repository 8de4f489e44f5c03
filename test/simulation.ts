// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One seed drives a workload, kills, power cuts and failing datasyncs over a simulated disk with the real ledger code.
// The oracle is what was acknowledged. A failure says how to replay its seed.

import assert from 'node:assert/strict'

import { rootAt } from '@stele/proof'

import { append, hex, MemoryHeadStore, openStele, readAll, SeededRandom, type Stele, TurnedClock } from './scratch.ts'
import { PowerCutDisk, powerCutDirectory } from './power-cut-disk.ts'

const LIVES = 4
/** Small, so that a life sees several anchors and WAL files. */
const SIZES = { anchorEveryBytes: 24_000, walFileBytes: 40_000 }

interface Acknowledged {
  readonly ledger: string
  readonly first: number
  readonly events: readonly Buffer[]
  readonly size: number
  readonly root: Uint8Array
}

class Simulation {
  readonly #random: SeededRandom
  readonly #clock = new TurnedClock()
  readonly #head = new MemoryHeadStore()
  readonly #acknowledged: Acknowledged[] = []
  readonly #sent = new Set<string>()
  readonly #ledgers = new Set(['main'])
  readonly #tokens = new Set<string>()
  #disk = new PowerCutDisk()

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      this.#disk.operationsLeft = this.#random.below(300)
      if (this.#random.below(3) === 0) this.#disk.datasyncsLeft = this.#random.below(40)
      await this.#live()
      this.#disk =
        this.#random.below(3) === 0 ? this.#disk.afterKill(this.#random) : this.#disk.afterPowerCut(this.#random)
    }
    const stele = await this.#open()
    await this.#check(stele)
    await stele.close()
    assert.deepEqual(stele.failures, [])
  }

  async #open(): Promise<Stele> {
    const parts = { clock: this.#clock, random: this.#random, head: this.#head, sizes: SIZES }
    return await openStele({ ...parts, disk: this.#disk, directory: powerCutDirectory })
  }

  async #live(): Promise<void> {
    const disk = this.#disk
    let stele: Stele
    try {
      stele = await this.#open()
    } catch (error) {
      if (disk.operationsLeft > 0 && disk.datasyncsLeft >= 0) throw error
      return
    }
    const acts: Promise<void>[] = []
    while (stele.ledgers.failure === undefined && acts.length < 60) {
      acts.push(this.#act(stele).catch(() => {}))
      if (this.#random.below(3) === 0) await acts.at(-1)
      if (this.#random.below(3) === 0) await new Promise(setImmediate)
      this.#clock.pass(this.#random.below(50))
    }
    await Promise.all(acts)
    if (this.#random.below(4) === 0) await stele.close().catch(() => {})
  }

  async #act({ ledgers, administration }: Stele): Promise<void> {
    const kind = this.#random.below(12)
    if (kind === 0) {
      const name = `ledger-${this.#random.below(1_000_000)}`
      await administration.createLedger({ name }, 'tester')
      this.#ledgers.add(name)
    } else if (kind === 1) {
      const { id } = await administration.createToken({ scopes: ['read'], ledgers: ['*'] }, 'tester')
      this.#tokens.add(id)
    } else if (kind === 2) {
      await ledgers.publish()
    } else {
      const open = [...this.#ledgers].filter((name) => ledgers.has(name))
      const ledger = open[this.#random.below(open.length)] ?? 'main'
      const events = Array.from({ length: 1 + this.#random.below(3) }, () => this.#event())
      for (const event of events) this.#sent.add(hex(event))
      const { first, size, root } = await append(ledgers, ledger, events)
      this.#acknowledged.push({ ledger, first, events, size, root })
    }
  }

  #event(): Buffer {
    return this.#random.bytes(this.#random.below(this.#random.below(20) === 0 ? 20_000 : 500))
  }

  async #check({ ledgers, administration }: Stele): Promise<void> {
    const stored = new Map<string, Buffer[]>()
    for (const ledger of this.#ledgers) {
      assert(administration.state.ledgers.has(ledger), `ledger ${ledger} was acknowledged and is gone`)
      stored.set(ledger, await readAll(ledgers, ledger))
    }
    for (const token of this.#tokens) assert(administration.state.tokens.has(token), `token ${token} is gone`)
    for (const { ledger, first, events, size, root } of this.#acknowledged) {
      for (const [position, event] of events.entries()) {
        assert(
          stored.get(ledger)?.[first + position]?.equals(event),
          `${ledger} ${first + position} is not what was acknowledged`,
        )
      }
      assert.equal(
        hex(await rootAt(size, ledgers.log(ledger).hashes)),
        hex(root),
        `${ledger} has another root at ${size}`,
      )
    }
    for (const [ledger, events] of stored) {
      for (const [index, event] of events.entries())
        assert(this.#sent.has(hex(event)), `${ledger} ${index} was never sent`)
    }
  }
}

/** Runs seeds `from` to `to`, or the one that STELE_SEED names. */
export async function simulate(from: number, to: number): Promise<void> {
  const replayed = process.env['STELE_SEED']
  const [first, end] = replayed === undefined ? [from, to] : [Number(replayed), Number(replayed) + 1]
  for (let seed = first; seed < end; seed++) {
    try {
      await new Simulation(seed).run()
    } catch (error) {
      throw new Error(`replay with STELE_SEED=${seed} node --test test/simulation.test.ts`, { cause: error })
    }
  }
}
