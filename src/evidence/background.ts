// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Verifies the running data directory again and again: pass after pass, each over every byte, each told of as it goes
 * on and when it has ended. One that somebody asked for begins at once and does not rest; the one that it displaces is
 * given up, because it would not look again at what it has already read.
 */
import { type Clock, timeText } from '../platform/clock.ts'
import type { Finding } from './finding.ts'
import { PacedWork } from '../platform/paced-work.ts'
import type { DirectoryReport, Verdict } from './verify-directory.ts'

export interface PassProgress {
  readonly startedAt: string
  /** Somebody asked for it, so it does not rest. */
  readonly isRequested: boolean
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface PassResult {
  readonly startedAt: string
  readonly endedAt: string
  readonly isRequested: boolean
  /** `unfinished`: something kept it from looking at everything. */
  readonly outcome: 'passed' | 'failed' | 'unfinished'
  readonly verdict?: Verdict
  readonly entryCount: number
  readonly readBytes: number
  /** The first of them. */
  readonly findings: readonly Finding[]
  readonly findingCount: number
  /** Why it is unfinished. */
  readonly reason?: string
}

export interface PassSchedule {
  /** Of one core. */
  readonly share: number
  /** A pass ends so long after its begin, whatever share that takes. */
  readonly withinMs: number
  /** A pass begins no sooner after the begin of the one before. */
  readonly everyMs: number
}

/** With a pass within 20 hours, the next one has looked at a byte again within a day. */
export const DAILY: PassSchedule = { share: 0.05, withinMs: 20 * 3_600_000, everyMs: 60_000 }

export interface PassHooks {
  /** Called with the bytes that were looked at, as they are. */
  readonly pace: (bytes: number) => Promise<void>
}

export interface BackgroundOptions {
  readonly clock: Clock
  readonly schedule: PassSchedule
  /** Bytes that a pass has to look at. */
  readonly totalBytes: () => Promise<number>
  readonly verify: (hooks: PassHooks) => Promise<DirectoryReport>
  readonly onProgress: (progress: PassProgress) => void
  readonly onResult: (result: PassResult) => void
}

const MAX_FINDINGS = 100
const TOLD_EVERY_MS = 500

export class BackgroundVerification {
  readonly #options: BackgroundOptions
  #isRequested = false
  #isRequestedRunning = false
  /** Fires where what goes on, a pass or a pause, is to give way to a pass. */
  #giveWay = new AbortController()

  constructor(options: BackgroundOptions) {
    this.#options = options
  }

  /** Goes on until the process ends. */
  async run(): Promise<never> {
    const { clock, schedule } = this.#options
    for (;;) {
      const begunMs = clock.monotonicMs()
      this.#giveWay = new AbortController()
      this.#isRequestedRunning = this.#isRequested
      this.#isRequested = false
      await this.#pass(this.#isRequestedRunning)
      this.#isRequestedRunning = false
      const pauseMs = begunMs + schedule.everyMs - clock.monotonicMs()
      if (pauseMs > 0 && !this.#isRequested) await clock.sleep(pauseMs, this.#giveWay.signal).catch(() => {})
    }
  }

  /** Begins a pass now; where one that was asked for goes on, that is it. */
  request(): void {
    if (this.#isRequestedRunning) return
    this.#isRequested = true
    this.#giveWay.abort()
  }

  async #pass(isRequested: boolean): Promise<void> {
    const { clock, schedule, onProgress, onResult } = this.#options
    const { signal } = this.#giveWay
    const begun = { startedAt: timeText(clock.wallMs()), isRequested }
    const work = new PacedWork({ ...schedule, share: () => (isRequested ? 1 : schedule.share), clock, signal })
    let doneBytes = 0
    let toldMs = -Infinity
    const ended = (rest: Omit<PassResult, keyof typeof begun | 'endedAt' | 'readBytes'>) =>
      onResult({ ...begun, endedAt: timeText(clock.wallMs()), readBytes: doneBytes, ...rest })
    try {
      const totalBytes = await this.#options.totalBytes()
      const pace = async (bytes: number): Promise<void> => {
        doneBytes += bytes
        const nowMs = clock.monotonicMs()
        if (nowMs - toldMs >= TOLD_EVERY_MS) {
          toldMs = nowMs
          onProgress({ ...begun, doneBytes: Math.min(doneBytes, totalBytes), totalBytes })
        }
        await work.rest(totalBytes === 0 ? 1 : doneBytes / totalBytes)
      }
      await pace(0)
      const { verdict, entryCount, findings, findingCount } = await this.#options.verify({ pace })
      const outcome = verdict === 'changed' ? 'failed' : 'passed'
      ended({ outcome, verdict, entryCount, findings: findings.slice(0, MAX_FINDINGS), findingCount })
    } catch (error) {
      // It gave way to another, which will tell what it finds.
      if (signal.aborted) return
      const reason = error instanceof Error ? error.message : String(error)
      ended({ outcome: 'unfinished', entryCount: 0, findings: [], findingCount: 0, reason })
    }
  }
}
