// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// One seed: a machine, a few processes on it one after the other, people who append, read, prove and administer, and
// everything that goes wrong meanwhile. Whatever was acknowledged must be there after each start, byte for byte, and
// no size may ever be seen with two roots.

import assert from 'node:assert/strict'
import { join } from 'node:path'

import { verifyDirectory } from '../../src/evidence/verify-directory.ts'
import { powerCutDirectory as directory } from '../power-cut-disk.ts'
import { hex, openStele, SeededRandom, type Stele, TurnedClock } from '../scratch.ts'
import { Counts, NoFaults, RandomFaults } from './fault-plan.ts'
import { Keeper } from './keeper.ts'
import { demandExpected, FailedStart, Machine, type Process } from './machine.ts'
import { Oracle } from './oracle.ts'
import { People } from './people.ts'

const LIVES = 5
const STOP_MS = 600_000
/** What is tried behind a failure is refused; that is seen in this time. */
const AFTER_FAILURE_MS = 2_000
const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

export interface Outcome {
  readonly seed: number
  readonly simulatedMs: number
  readonly traceHash: string
  readonly counts: Counts
}

export class Episode {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #machine: Machine
  readonly #oracle = new Oracle()
  readonly #counts = new Counts()
  #seenKept = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new SeededRandom(seed)
    this.#machine = new Machine(this.#random)
  }

  async run(): Promise<Outcome> {
    for (let life = 0; life < LIVES; life++) await this.#live()
    const { stele } = await this.#machine.start(new NoFaults())
    await this.#check(stele)
    await this.#stop(stele)
    await this.#verify()
    this.#machine.end('kill')
    const { time, traceHash } = this.#machine
    const counts = this.#counts
    counts.merge(this.#machine.counts)
    counts.add('appends acknowledged', this.#oracle.acknowledged.length)
    counts.add('events acknowledged', this.#oracle.eventCount)
    return { seed: this.#seed, simulatedMs: time.nowMs, traceHash, counts }
  }

  async #live(): Promise<void> {
    const random = this.#random
    const faults = new RandomFaults(random)
    if (random.below(3) === 0) faults.oneIn = 20 + random.below(200)
    let process: Process
    try {
      process = await this.#machine.start(faults)
    } catch (error) {
      if (!(error instanceof FailedStart)) throw error
      this.#counts.add('starts that failed')
      return this.#end()
    }
    this.#counts.add('starts')
    faults.oneIn = 0
    const { stele, disk } = process
    // What was under way when a stop began may fail, or hang, after it.
    const excused = (error: unknown): boolean => {
      if (this.#machine.injectedCount === 0) throw error
      demandExpected(error)
      return false
    }
    // A start under faults may have stopped the writer by its end.
    if (stele.ledgers.failure === undefined) await this.#check(stele)
    await this.#work(process, faults)
    faults.oneIn = 0
    disk.roomBytes = Infinity
    for (const failure of stele.failures) excused(failure)
    const hasStopped = stele.ledgers.failure !== undefined
    if (hasStopped) this.#counts.add('writers stopped')
    else if (random.below(3) === 0 && (await this.#stop(stele).catch(excused))) await this.#rollBack()
    // Where the writer has stopped the server is started again, most of the time, and not the machine.
    this.#end(hasStopped)
  }

  /** People work while things go wrong, until the time is over or the writer has stopped. */
  async #work({ stele, disk }: Process, faults: RandomFaults): Promise<void> {
    const random = this.#random
    const { time } = this.#machine
    // Most lives are short and busy; some are hours in which little happens.
    const lengthMs = random.below(4) === 0 ? random.below(2 * HOUR_MS) : random.below(60_000)
    const endMs = time.nowMs + lengthMs
    const people = new People({ stele, random, oracle: this.#oracle, machine: this.#machine, counts: this.#counts })
    people.begin(lengthMs)
    const keeper = new Keeper({ stele, random, faults, machine: this.#machine, counts: this.#counts })
    keeper.begin()
    if (random.below(2) === 0) {
      time.after(random.below(lengthMs + 1), () => (faults.oneIn = 10 + random.below(300)))
    }
    if (random.below(6) === 0) {
      time.after(random.below(lengthMs + 1), () => (disk.roomBytes = random.below(20_000)))
    }
    if (random.below(4) === 0) faults.datasyncsLeft = random.below(60)
    for (let jumps = random.below(3); jumps > 0; jumps--) {
      time.after(random.below(lengthMs + 1), () => this.#jump())
    }
    const failure = () => people.failure ?? keeper.failure
    await time.run(() => stele.ledgers.failure !== undefined || failure() !== undefined, endMs)
    if (stele.ledgers.failure !== undefined) {
      people.stopped()
      await time.run(() => failure() !== undefined, time.nowMs + AFTER_FAILURE_MS)
    }
    people.end()
    keeper.end()
    const fault = failure()
    if (fault !== undefined) throw fault
  }

  #jump(): void {
    const { clock, time } = this.#machine
    const jumps: Record<string, () => void> = {
      'clock −1 h': () => clock.jump(-HOUR_MS),
      'clock +1 y': () => clock.jump(YEAR_MS),
      'clock frozen': () => {
        clock.freeze()
        time.after(this.#random.below(HOUR_MS), () => clock.thaw())
      },
      'machine suspended': () => clock.suspend(this.#random.below(24 * HOUR_MS)),
    }
    const names = Object.keys(jumps)
    const name = names[this.#random.below(names.length)]!
    this.#counts.add(name)
    jumps[name]!()
  }

  #end(isKillLikely = false): void {
    const isLikely = this.#random.below(3) > 0
    const how = isLikely === isKillLikely ? 'kill' : 'power cut'
    this.#counts.add(`${how}s`)
    this.#machine.clock.thaw()
    this.#machine.end(how)
  }

  async #check(stele: Stele): Promise<void> {
    const { kept } = this.#machine
    for (; this.#seenKept < kept.history.length; this.#seenKept++) this.#oracle.seeKept(kept.history[this.#seenKept]!)
    await this.#toEnd(this.#oracle.check(stele))
    this.#counts.add('full checks')
  }

  /** Stops as SIGTERM does; whether it got there before anybody lost patience. */
  async #stop(stele: Stele): Promise<boolean> {
    await this.#toEnd(stele.close())
    this.#counts.add('stops')
    const { kept } = this.#machine
    const { size } = stele.ledgers.log('heads')
    return kept.now !== undefined && kept.now.toString('latin1').split('\n')[1] === String(size)
  }

  /** Lets time pass until this is done. */
  async #toEnd(work: Promise<unknown>): Promise<void> {
    let outcome: { readonly error?: unknown } | undefined
    work.then(
      () => (outcome = {}),
      (error: unknown) => (outcome = { error }),
    )
    const { time } = this.#machine
    const isDone = await time.run(() => outcome !== undefined, time.nowMs + STOP_MS)
    if (!isDone) throw new Error('it hangs')
    if (outcome !== undefined && 'error' in outcome) throw outcome.error
  }

  /** Somebody takes the last frames off a stopped directory, or brings an older log back: a start must be refused. */
  async #rollBack(): Promise<void> {
    const random = this.#random
    const disk = this.#machine.platters.copy()
    const last = disk.paths.filter((path) => path.startsWith(join(directory, 'wal'))).at(-1)
    assert(last !== undefined)
    const bytes = disk.bytes(last)
    if (bytes.length <= 4_096) return
    disk.tamper(last, bytes.subarray(0, 4_096 + random.below(bytes.length - 4_096)))
    if (random.below(2) === 0) disk.tamper(join(directory, 'derived', 'anchor.json'), undefined)
    const { kept } = this.#machine
    const head = { where: 'the head', read: async () => kept.now, swap: async () => true }
    const opened = await openStele({
      disk,
      directory,
      clock: new TurnedClock(),
      random: new SeededRandom(1),
      head,
    }).then(
      () => true,
      () => false,
    )
    assert(!opened, 'a log whose end was taken off behind a published head was opened')
    this.#counts.add('cut logs refused')
  }

  /** A second opinion: the code that verifies directories shares nothing with the start but the format. */
  async #verify(): Promise<void> {
    const { kept, platters } = this.#machine
    const heads = kept.now === undefined ? [] : [{ where: 'the head', bytes: kept.now }]
    const report = await verifyDirectory({ disk: platters, directory, heads, threadCount: 0 })
    assert.deepEqual([report.verdict, report.findings], ['unchanged', []])
    assert.equal(hex(Buffer.from(report.originPrefix)), hex(Buffer.from('stele.test/abcdefghijklm')))
    this.#counts.add('directories verified')
    this.#counts.add('entries verified', report.entryCount)
  }
}
