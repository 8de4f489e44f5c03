// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Ledger time (design: `at` of an entry). It never goes backwards, over restarts too, and it does not follow a jump
 * of the wall clock: after one, time goes on from the monotonic clock until an administrator confirms. A machine that
 * slept looks like a jump to the monotonic clock; the boot clock tells the two apart where there is one.
 */
import { type Clock, timeText } from '../platform/clock.ts'

/** More than a leap second, less than any jump worth lying about; within an hour, so that small steps do not add up. */
const TOLERATED_MS = 1_000
const CALIBRATED_EVERY_MS = 3_600_000

/** One look at all three clocks. */
interface Look {
  readonly wallMs: number
  readonly monotonicMs: number
  readonly bootMs: number | undefined
}

export interface ClockJump {
  /** What the wall clock says, and what ledger time says, in Unix milliseconds. */
  readonly wallMs: number
  readonly ledgerMs: number
}

export class LedgerTime {
  readonly #clock: Clock
  readonly #onJump: (jump: ClockJump) => void
  #calibrated: Look
  #lastMs: number
  #text = { ms: Number.NaN, text: '' }
  #jumped: ClockJump | undefined
  /** Ledger time and monotonic clock when a jump was found: from there on the one follows the other. */
  #heldMs = 0
  #heldMonotonicMs = 0

  /** `lastMs` is the newest ledger time on record; a wall clock behind it at the start is a jump. */
  constructor(clock: Clock, lastMs: number, onJump: (jump: ClockJump) => void) {
    this.#clock = clock
    this.#onJump = onJump
    this.#lastMs = lastMs
    this.#calibrated = this.#look()
    const { wallMs } = this.#calibrated
    if (lastMs - wallMs > TOLERATED_MS) this.#jump({ wallMs, ledgerMs: lastMs })
  }

  /** The newest time given, Unix milliseconds. */
  get lastMs(): number {
    return this.#lastMs
  }

  /** The unconfirmed jump, if there is one. */
  get jump(): ClockJump | undefined {
    return this.#jumped
  }

  /** `nowMs` as entries write it; many appends fall into one millisecond. */
  nowText(): string {
    const ms = this.nowMs()
    if (ms !== this.#text.ms) this.#text = { ms, text: timeText(ms) }
    return this.#text.text
  }

  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs()
    if (this.#jumped === undefined) {
      const wallMs = this.#clock.wallMs()
      const passedMs = monotonicMs - this.#calibrated.monotonicMs
      const expectedMs = this.#calibrated.wallMs + passedMs
      if (Math.abs(wallMs - expectedMs) <= TOLERATED_MS || this.#slept()) {
        if (passedMs > CALIBRATED_EVERY_MS) this.#calibrated = this.#look()
        return this.#advanceTo(wallMs)
      }
      this.#jump({ wallMs, ledgerMs: Math.max(Math.floor(expectedMs), this.#lastMs) })
    }
    return this.#advanceTo(this.#heldMs + (monotonicMs - this.#heldMonotonicMs))
  }

  /** Follows the wall clock again, though never back. */
  confirm(): void {
    this.#jumped = undefined
    this.#calibrated = this.#look()
  }

  /** Goes on without the wall clock after a restart, because of a jump that was recorded and not confirmed. */
  distrust(jump: ClockJump): void {
    if (this.#jumped === undefined) this.#hold(jump, this.#lastMs)
  }

  #look(): Look {
    return { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs(), bootMs: this.#clock.bootMs() }
  }

  #advanceTo(ms: number): number {
    this.#lastMs = Math.max(this.#lastMs, Math.floor(ms))
    return this.#lastMs
  }

  #jump(jump: ClockJump): void {
    this.#hold(jump, jump.ledgerMs)
    this.#onJump(jump)
  }

  #hold(jump: ClockJump, ledgerMs: number): void {
    this.#jumped = jump
    this.#heldMs = ledgerMs
    this.#heldMonotonicMs = this.#clock.monotonicMs()
  }

  /** Whether the time that passed outside the monotonic clock passed on the boot clock. */
  #slept(): boolean {
    const before = this.#calibrated
    const now = this.#look()
    if (now.bootMs === undefined || before.bootMs === undefined) return false
    const bootPassedMs = now.bootMs - before.bootMs
    const sleptMs = bootPassedMs - (now.monotonicMs - before.monotonicMs)
    const unexplainedMs = now.wallMs - before.wallMs - bootPassedMs
    if (sleptMs <= TOLERATED_MS || Math.abs(unexplainedMs) > TOLERATED_MS) return false
    this.#calibrated = now
    return true
  }
}
