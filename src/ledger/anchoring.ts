// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Writes an anchor whenever the log has grown by so much, one at a time, behind the commits. */
import { type Disk, isNoRoom } from '../platform/disk.ts'
import { type Anchor, type RecentMark, writeAnchor } from './anchor.ts'
import type { Signer } from './signing.ts'
import type { Log } from './log.ts'

export interface AnchoringOptions {
  readonly disk: Disk
  readonly directory: string
  readonly everyBytes: number
  readonly logs: () => readonly Log[]
  /** All of the anchor but what its logs say, as it is now. */
  readonly rest: () => Omit<Anchor, 'v' | 'ledgers' | 'recent'>
  /** Writes down what is remembered of the last entries up to these sizes. */
  readonly flushRecent: (logs: Anchor['ledgers']) => Promise<RecentMark>
  /** Undefined where the start failed before the keys were there: no anchor then, the next start reads the log instead. */
  readonly signer: () => Signer | undefined
  readonly onFailure: (error: unknown) => void
}

export class Anchoring {
  readonly #options: AnchoringOptions
  #grownBytes = 0
  #current: Promise<void> | undefined

  constructor(options: AnchoringOptions) {
    this.#options = options
  }

  /** The log has grown by so much. */
  grown(bytes: number): void {
    this.#grownBytes += bytes
    if (this.#grownBytes < this.#options.everyBytes || this.#current !== undefined) return
    this.#begin().catch(() => {})
  }

  /** Writes an anchor of the state as it is now, once the one under way is done. */
  async write(): Promise<void> {
    await this.settled()
    await this.#begin()
  }

  async settled(): Promise<void> {
    while (this.#current !== undefined) await this.#current.catch(() => {})
  }

  /**
   * Whoever it fails for, it is final, but for want of room: what a sync that failed has lost, the next one would call
   * durable, and the anchor would count it. For want of room it is tried again after the next commit.
   */
  async #begin(): Promise<void> {
    const writing = this.#write()
      .catch((error: unknown) => {
        if (isNoRoom(error)) this.#grownBytes = this.#options.everyBytes
        else this.#options.onFailure(error)
        throw error
      })
      .finally(() => (this.#current = undefined))
    this.#current = writing
    await writing
  }

  /** What is committed meanwhile is beyond the anchor and does no harm. */
  async #write(): Promise<void> {
    const { disk, directory, logs, rest, flushRecent, signer } = this.#options
    const key = signer()
    if (key === undefined) return
    this.#grownBytes = 0
    const states = logs().map((log) => ({ log, runs: log.keptRuns, size: log.size, root: hex(log.root) }))
    const ledgers = states.map(({ log: { name }, runs: { leavesFrom, places }, size, root }) => {
      return { name, size, root, places: places.count, placesFrom: places.from, leavesFrom }
    })
    const { published, ...where } = rest()
    // In the order of the schema, in which it is read back.
    const anchor: Anchor = { v: 2, ...where, ledgers, published }
    for (const { log } of states) await log.flush(true)
    const recent = await flushRecent(ledgers)
    await writeAnchor(disk, directory, { ...anchor, recent }, key)
    // What the anchor does not count on any more can go, and no sooner.
    for (const { log, runs } of states) await log.dropSealed(runs)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
