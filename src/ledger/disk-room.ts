// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Waits for room on a full disk. A write that found none left nothing that anybody was told of, and the same bytes at
 * the same place make it whole: so it is made again instead of stopping the writer. A sync that says so is another
 * matter: what it lost cannot be known, and it fails like every other.
 */
import type { Clock } from '../platform/clock.ts'
import { isNoRoom } from '../platform/disk.ts'

const LOOKED_EVERY_MS = 1_000

export class DiskRoom {
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #isPatient = false
  #isLacking = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether something waits for room at this moment. */
  get isLacking(): boolean {
    return this.#isLacking
  }

  /** From now on what finds no room waits. Before that it fails: a start on a full disk is to say so. */
  open(): void {
    this.#isPatient = true
  }

  /** Does the work again and again until there is room for it. */
  async with<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const done = await work()
        this.#isLacking = false
        return done
      } catch (error) {
        if (!isNoRoom(error) || !this.#isPatient) throw error
        this.#isLacking = true
        await this.#clock.sleep(LOOKED_EVERY_MS, this.#closing.signal).catch(() => {})
        // Set by `close` meanwhile.
        if (!this.#isPatient) throw error
      }
    }
  }

  /** Waits no more: what finds no room fails. */
  close(): void {
    this.#isPatient = false
    this.#closing.abort()
  }
}
