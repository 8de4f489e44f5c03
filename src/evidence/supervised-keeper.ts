// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The keeper as the server has it: gives it WAL files to seal, has the ledgers accept what it made, and holds what its
 * verifications found, for whoever asks. It may die at any time: sealing lags then, and nothing else notices.
 */
import { DataFault } from '../ledger/data-fault.ts'
import type { Ledgers } from '../ledger/ledgers.ts'
import { SupervisedChild } from '../platform/children.ts'
import { type Clock, timeMs, timeText } from '../platform/clock.ts'
import type { SystemEvent } from '../schema/system-events.ts'
import type { SystemState } from '../state/system-state.ts'
import { DAILY, type PassProgress, type PassResult, type PassSchedule } from './background.ts'
import type { Finding } from './finding.ts'
import type { KeeperOrder, KeeperReport, SegmentTotals } from './keeper-messages.ts'
import { SealingShare } from './sealing-share.ts'

const START_MS = 30_000
const STOP_MS = 10_000
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 300_000
const LOOKED_EVERY_MS = 500
/** What is found again is recorded again so long after, and so is it that nothing was found. */
const RECORDED_EVERY_MS = 24 * 3_600_000

export interface KeeperOptions {
  readonly ledgers: Ledgers
  readonly state: SystemState
  readonly directory: string
  /** The script of the process; without one nothing is sealed, and nothing verified. */
  readonly keeper: URL | undefined
  readonly schedule?: PassSchedule
  /** How much of the time since it was called last this thread was busy, from 0 to 1. */
  readonly busyShare: () => number
  readonly clock: Clock
  /** Appends to `system`; rejects where there is no room for it. */
  readonly record: (event: SystemEvent) => Promise<void>
  readonly log: (line: object) => void
}

export interface SealingStatus {
  /** Up to this commit everything is in segments. */
  readonly sealedCommit: number
  /** Of WAL files that are complete and not sealed. */
  readonly lagBytes: number
  readonly lastTookMs?: number
  readonly failedCount: number
  /** Why nothing is sealed any more: what was read is not as it must be. */
  readonly fault?: string
  readonly segments: SegmentTotals
  /** How often the keeper was started again. */
  readonly restarts: number
}

export interface VerificationStatus {
  /** The pass that goes on. */
  readonly running?: PassProgress
  /** When somebody last asked for one: a pass that began since then is what was asked for. */
  readonly requestedAt?: string
  /** The last one that ended. */
  readonly last?: PassResult
  readonly lastPassed?: PassResult
}

export class KeeperService {
  readonly #options: KeeperOptions
  readonly #child: SupervisedChild | undefined
  readonly #stopListening: () => void
  readonly #stopLooking: () => void
  readonly #closing = new AbortController()
  readonly #share = new SealingShare()
  /** What the keeper, or then the ledgers, have to do; undefined where there is nothing. */
  #sealing: { readonly id: number; readonly startedMs: number; isAccepting: boolean } | undefined
  #accepting: Promise<void> = Promise.resolve()
  #recording: Promise<void> = Promise.resolve()
  #lastId = 0
  #failuresInRow = 0
  #failedCount = 0
  #lastTookMs: number | undefined
  #fault: string | undefined
  #segments: SegmentTotals = { count: 0, sizeBytes: 0 }
  #verification: VerificationStatus = {}
  #isRequested = false

  private constructor(options: KeeperOptions) {
    this.#options = options
    const { ledgers, keeper, clock, log } = options
    this.#stopListening = ledgers.onFileCompleted(() => this.#sealNext())
    this.#stopLooking = clock.every(LOOKED_EVERY_MS, () => this.#look())
    if (keeper === undefined) return
    this.#child = SupervisedChild.start({
      name: 'keeper',
      script: keeper,
      prepare: async () => await Promise.resolve([]),
      channel: true,
      startTimeoutMs: START_MS,
      stopTimeoutMs: STOP_MS,
      clock,
      log,
      onReady: () => this.#ready(),
      onDeath: () => this.#died(),
      // The keeper is our own code, started by us, over a channel of its own.
      onMessage: (message) => this.#take(message as KeeperReport),
    })
  }

  static start(options: KeeperOptions): KeeperService {
    return new KeeperService(options)
  }

  get sealing(): SealingStatus {
    const { ledgers } = this.#options
    return {
      sealedCommit: ledgers.sealed.commit,
      lagBytes: ledgers.walBytes - ledgers.durableEnd.position,
      ...(this.#lastTookMs === undefined ? {} : { lastTookMs: this.#lastTookMs }),
      failedCount: this.#failedCount,
      ...(this.#fault === undefined ? {} : { fault: this.#fault }),
      segments: this.#segments,
      restarts: Math.max(0, (this.#child?.startCount ?? 1) - 1),
    }
  }

  get verification(): VerificationStatus {
    return this.#verification
  }

  /** Has the directory verified now, without rests; where that is being done, it is that pass. */
  verifyNow(): void {
    const { requestedAt, last } = this.#verification
    if (requestedAt === undefined || (last !== undefined && last.startedAt >= requestedAt)) {
      this.#verification = { ...this.#verification, requestedAt: timeText(this.#options.clock.wallMs()) }
    }
    if (this.#order({ type: 'verify' })) return
    // The keeper is on its way back.
    this.#isRequested = true
  }

  async close(): Promise<void> {
    this.#stopListening()
    this.#stopLooking()
    this.#closing.abort()
    await this.#child?.stop()
    await this.#accepting
    await this.#recording
  }

  #ready(): void {
    const { ledgers, directory, schedule = DAILY } = this.#options
    this.#order({ type: 'open', directory, keptHead: ledgers.keptHead.where, schedule })
    this.#order({ type: 'share', share: this.#share.now })
    if (this.#isRequested) this.verifyNow()
    this.#isRequested = false
    this.#accepting = this.#accepting.then(async () => await this.#finish())
  }

  /** What a crash left of sealed files goes first; a failure is told like one of sealing. */
  async #finish(): Promise<void> {
    const { ledgers, clock } = this.#options
    if (this.#sealing !== undefined || this.#fault !== undefined) return
    const id = ++this.#lastId
    this.#sealing = { id, startedMs: clock.monotonicMs(), isAccepting: true }
    try {
      await ledgers.finishSealing()
      this.#sealing = undefined
      this.#sealNext()
    } catch (error) {
      this.#unsealed({ id, reason: reasonOf(error), isFault: error instanceof DataFault })
    }
  }

  #look(): void {
    const before = this.#share.now
    const share = this.#share.look(this.#options.busyShare(), this.sealing.lagBytes)
    if (share !== before) this.#order({ type: 'share', share })
  }

  #died(): void {
    const { running, ...rest } = this.#verification
    // What somebody had asked for is begun again.
    if (running?.isRequested === true) this.#isRequested = true
    this.#verification = rest
    if (this.#sealing?.isAccepting === false) this.#sealing = undefined
  }

  #take(report: KeeperReport): void {
    if (report.type === 'sealed') this.#accept(report)
    else if (report.type === 'unsealed') this.#unsealed(report)
    else if (report.type === 'segments') this.#segments = report.segments
    else if (report.type === 'progress') this.#verification = { ...this.#verification, running: report.progress }
    else if (report.type === 'result') this.#ended(report.result)
    else this.#options.log({ ...report.line, child: 'keeper' })
  }

  #sealNext(): void {
    const { ledgers, clock } = this.#options
    if (this.#sealing !== undefined || this.#fault !== undefined || this.#closing.signal.aborted) return
    const task = ledgers.failure === undefined ? ledgers.sealTask() : undefined
    if (task === undefined) return
    const id = ++this.#lastId
    if (this.#order({ type: 'seal', id, task }))
      this.#sealing = { id, startedMs: clock.monotonicMs(), isAccepting: false }
  }

  #accept({ id, seal }: KeeperReport & { type: 'sealed' }): void {
    const sealing = this.#sealing
    // One that died was given the same file again.
    if (sealing?.id !== id) return
    sealing.isAccepting = true
    const { ledgers, clock, log } = this.#options
    const accept = async (): Promise<void> => {
      try {
        await ledgers.acceptSeal(seal)
        this.#failuresInRow = 0
        this.#lastTookMs = clock.monotonicMs() - sealing.startedMs
        log({ level: 'info', message: 'a WAL file was sealed', commit: seal.commit, tookMs: this.#lastTookMs })
        this.#sealing = undefined
        this.#sealNext()
      } catch (error) {
        this.#unsealed({ id, reason: reasonOf(error), isFault: error instanceof DataFault })
      }
    }
    this.#accepting = accept()
  }

  #unsealed({
    id,
    reason,
    isFault,
  }: {
    readonly id: number
    readonly reason: string
    readonly isFault: boolean
  }): void {
    if (this.#sealing?.id !== id) return
    this.#failedCount++
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failuresInRow++)
    const { log, clock } = this.#options
    if (isFault) {
      this.#fault = reason
      log({ level: 'error', message: 'sealing has stopped: the stored data is not as it must be', reason })
      // Says what else is wrong, and records it.
      return this.verifyNow()
    }
    log({ level: 'error', message: 'a WAL file could not be sealed', reason, againInMs: pauseMs })
    const again = () => {
      if (this.#sealing?.id === id) this.#sealing = undefined
      this.#sealNext()
    }
    clock.sleep(pauseMs, this.#closing.signal).then(again, () => {})
  }

  #ended(result: PassResult): void {
    const { log } = this.#options
    const { running: _, ...before } = this.#verification
    this.#verification = { ...before, last: result, ...(result.outcome === 'passed' ? { lastPassed: result } : {}) }
    const { outcome, findingCount, reason, entryCount, readBytes } = result
    const [first] = result.findings
    if (outcome === 'failed') log({ level: 'error', message: 'verification failed', findingCount, first })
    else if (outcome === 'unfinished') log({ level: 'error', message: 'verification could not be finished', reason })
    else log({ level: 'info', message: 'verification passed', entryCount, readBytes })
    this.#recording = this.#recording
      .then(async () => await this.#record(result))
      .catch((error: unknown) => log({ level: 'error', message: 'not recorded', reason: reasonOf(error) }))
  }

  /** What is found anew is recorded at once, and so is it that nothing is found any more; the same once a day. */
  async #record({
    outcome,
    startedAt,
    endedAt,
    entryCount,
    readBytes,
    findingCount,
    findings,
  }: PassResult): Promise<void> {
    const { state, ledgers, record } = this.#options
    if (outcome === 'unfinished' || ledgers.failure !== undefined) return
    const failure = findings[0] === undefined ? undefined : { findingCount, first: firstOf(findings[0]) }
    const known = state.verification
    // Entries that come behind a damage may raise the count of what is found.
    const isKnown = known !== undefined && JSON.stringify(known.failure?.first) === JSON.stringify(failure?.first)
    if (isKnown && ledgers.time.nowMs() - timeMs(known.at) < RECORDED_EVERY_MS) return
    const times = { v: 1 as const, startedAt, endedAt }
    if (failure === undefined) await record({ type: 'verification.passed', ...times, entryCount, readBytes })
    else await record({ type: 'verification.failed', ...times, ...failure })
  }

  #order(order: KeeperOrder): boolean {
    return this.#child?.send(order) ?? false
  }
}

function firstOf({ what, file, offset, ledger, index }: Finding) {
  return {
    what,
    ...(file === undefined ? {} : { file }),
    ...(offset === undefined ? {} : { offset }),
    ...(ledger === undefined ? {} : { ledger }),
    ...(index === undefined ? {} : { index }),
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
