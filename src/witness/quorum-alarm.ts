// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Watches how long a published head has been waiting for its quorum. Too long, that goes on record in `system`, once, and
 * once more when the quorum is met again; a restart in between repeats neither, for what is on record is looked at.
 */
import { type Clock, timeText } from '../platform/clock.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import type { WitnessList } from '../state/witness-list.ts'

const LONGEST_LOOK_MS = 5_000

export interface QuorumAlarmOptions {
  readonly witnesses: WitnessList
  readonly clock: Clock
  /** A head may wait so long for its quorum. */
  readonly afterMs: number
  readonly record: (event: SystemEvent) => Promise<void>
  readonly log: (line: object) => void
  /** Sizes of the newest published and the newest witnessed head, and witnesses that did not cosign the former. */
  readonly state: () => { readonly published: number; readonly witnessed: number; readonly missing: readonly string[] }
}

export class QuorumAlarm {
  readonly #options: QuorumAlarmOptions
  readonly #stop: () => void
  /** The head that is waited for, and since when. */
  #waiting: { readonly size: number; readonly sinceMs: number; readonly sinceWallMs: number } | undefined
  #recording: Promise<void> | undefined

  constructor(options: QuorumAlarmOptions) {
    this.#options = options
    const everyMs = Math.min(LONGEST_LOOK_MS, Math.max(10, options.afterMs / 4))
    this.#stop = options.clock.every(everyMs, () => this.look())
  }

  /** For how long a head has been waiting; 0 where none is. */
  get unmetMs(): number {
    return this.#waiting === undefined ? 0 : this.#options.clock.monotonicMs() - this.#waiting.sinceMs
  }

  /** Whether that is too long. */
  get isRaised(): boolean {
    return this.#waiting !== undefined && this.unmetMs >= this.#options.afterMs
  }

  /** Since when, where it is too long: RFC 3339. */
  get since(): string | undefined {
    return this.isRaised && this.#waiting !== undefined ? timeText(this.#waiting.sinceWallMs) : undefined
  }

  /** Looks at what was published and witnessed meanwhile. */
  look(): void {
    const { witnesses, clock, state } = this.#options
    const { published, witnessed } = state()
    const isWanted = witnesses.neededCount > 0 && published > 0
    // Of the records of the alarm itself there are new heads, which wait in their turn.
    const isMet = isWanted && witnessed >= Math.min(published, this.#waiting?.size ?? published)
    if (!isWanted || witnessed >= published) this.#waiting = undefined
    else if (this.#waiting === undefined || isMet) {
      this.#waiting = { size: published, sinceMs: clock.monotonicMs(), sinceWallMs: clock.wallMs() }
    }
    const isOnRecord = witnesses.alarm !== undefined
    if (this.isRaised && !isOnRecord) this.#record(this.#unmet())
    else if (isMet && isOnRecord) this.#record({ type: 'witness.quorum.met', v: 1, size: witnessed })
  }

  async close(): Promise<void> {
    this.#stop()
    await this.#recording
  }

  #unmet(): SystemEvent {
    const { witnesses, state } = this.#options
    const { published: size, witnessed, missing } = state()
    const { neededCount: needed } = witnesses
    return {
      type: 'witness.quorum.unmet',
      v: 1,
      since: this.since ?? '',
      size,
      witnessed,
      needed,
      missing: [...missing],
    }
  }

  #record(event: SystemEvent): void {
    if (this.#recording !== undefined) return
    const { record, log } = this.#options
    const { type, v: _, ...rest } = event
    const isMet = type === 'witness.quorum.met'
    const message = isMet ? 'the quorum of witnesses is met again' : 'the quorum of witnesses is not met'
    log({ level: isMet ? 'info' : 'error', message, ...rest })
    this.#recording = record(event)
      // Without room for it, it is tried again at the next look.
      .catch((error: unknown) => log({ level: 'error', message: 'not recorded', reason: String(error) }))
      .finally(() => (this.#recording = undefined))
  }
}
