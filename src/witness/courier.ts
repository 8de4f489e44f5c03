// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Carries heads to one witness, one at a time, for as long as it is asked. What the witness does, and how long it takes,
 * is felt by nobody else. What it last saw is asked of it and remembered nowhere: a restart costs one answer.
 */
import { consistencyProof, type HashReader, rootAt, type Verifier, verifyConsistency } from '@stele/proof'
import { type Clock, timeText } from '../platform/clock.ts'
import { type HeadCosignature, verifierOf } from '../state/cosigned-head.ts'
import type { WitnessRecord } from '../state/witness-list.ts'
import type { PendingHead } from './head-choice.ts'
import { type Submission, submissionText, type WitnessAnswer, type WitnessClient } from './witness-client.ts'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
/** A witness that contradicts us is asked on, in case it was restored from a backup. */
const CONTRADICTED_PAUSE_MS = 300_000
/** How far its clock and ours may be apart. */
const MAX_SKEW_MS = 600_000
/** Beyond it there are no dates in JavaScript. */
const LAST_TIME_MS = 8.64e15
/** A witness tells its size once; one that tells another each time is not followed for ever. */
const MAX_TRIES = 3

/** What a witness has answered that cannot be, if we are right. */
export interface Contradiction {
  readonly kind: 'fork' | 'ahead'
  readonly head: Pick<PendingHead, 'size' | 'root' | 'note'>
  /** The size that the witness names. */
  readonly told?: number
  /** What was sent, and what came back. */
  readonly request: string
  readonly status: number
  readonly answer: Buffer
}

export interface Duties {
  readonly client: WitnessClient
  readonly clock: Clock
  /** Hashes of `heads`, and how many entries of it are durable. */
  readonly hashes: HashReader
  readonly durableSize: () => number
  /** Ledger time, which may differ from the wall clock's after a jump. */
  readonly nowMs: () => number
  readonly next: (witness: string, seen: number) => PendingHead | undefined
  /** Resolves once there may be another head to carry, or the end. */
  readonly changed: () => Promise<void>
  readonly cosigned: (witness: string, head: PendingHead, cosignature: HeadCosignature) => void
  readonly contradicted: (witness: string, contradiction: Contradiction, signal: AbortSignal) => Promise<void>
  readonly log: (line: object) => void
}

/** How a witness is, for whoever asks. */
export interface CourierStatus {
  readonly state: 'new' | 'cosigning' | 'failing' | 'contradicting'
  /** Entries of `heads` that the witness has seen, as far as it said. */
  readonly seen: number
  /** When it last cosigned, as it says, Unix seconds. */
  readonly cosignedAt?: number
  /** Why it is failing. */
  readonly reason?: string
  readonly cosignedCount: number
  readonly failedCount: number
}

export class Courier {
  readonly witness: WitnessRecord
  readonly #duties: Duties
  readonly #verifier: Verifier
  readonly #ended = new AbortController()
  readonly #running: Promise<void>
  #status: CourierStatus
  #failuresInRow = 0

  constructor(witness: WitnessRecord, seen: number, duties: Duties) {
    this.witness = witness
    this.#duties = duties
    this.#verifier = verifierOf(witness)
    this.#status = { state: 'new', seen, cosignedCount: 0, failedCount: 0 }
    this.#running = this.#run()
  }

  get status(): CourierStatus {
    return this.#status
  }

  /** Ends what goes on; `changed` must resolve, too. */
  end(): void {
    this.#ended.abort()
  }

  async ended(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    const { next, changed, clock, log } = this.#duties
    const { signal } = this.#ended
    const { name } = this.witness
    while (!signal.aborted) {
      const waiting = changed()
      const head = next(name, this.#status.seen)
      if (head === undefined) {
        await waiting
        continue
      }
      head.asked.add(name)
      const pauseMs = await this.#carry(head).catch((error: unknown) => {
        // What is ours to answer for: hashes that cannot be read.
        log({
          level: 'error',
          message: 'a head could not be carried to a witness',
          witness: name,
          reason: String(error),
        })
        return LONGEST_PAUSE_MS
      })
      head.asked.delete(name)
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {})
    }
  }

  /** Asks for one head; returns for how long the witness is to be left alone. */
  async #carry(head: PendingHead): Promise<number> {
    const { client, hashes, durableSize } = this.#duties
    const { url } = this.witness
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const old = Math.min(this.#status.seen, head.size)
      const submission = { old, proof: await consistencyProof(old, head.size, hashes), note: head.note }
      const answer = await client.addCheckpoint(url, this.#verifier, submission, this.#ended.signal)
      if (this.#ended.signal.aborted) return 0
      if (answer.kind === 'cosigned') return this.#cosigned(head, answer.cosignature)
      if (answer.kind === 'failed') return this.#failed(answer.reason)
      if (answer.kind === 'fork') return await this.#forked(head, submission, answer)
      const { size } = answer
      if (size > durableSize()) return await this.#contradicted('ahead', head, submission, answer, size)
      // It was told that very size, so it must be the root that it objects to.
      if (size === old) return await this.#forked(head, submission, answer)
      this.#status = { ...this.#status, seen: size }
      // It has seen a newer head of ours than this one.
      if (size > head.size) return 0
    }
    return this.#failed('it names another size each time it is asked')
  }

  #cosigned(head: PendingHead, cosignature: HeadCosignature): number {
    const { clock, nowMs, cosigned } = this.#duties
    const saidMs = cosignature.time * 1_000
    // After a jump the clocks differ, and either may be the right one.
    const isNear = [clock.wallMs(), nowMs()].some((ms) => Math.abs(ms - saidMs) <= MAX_SKEW_MS)
    this.#status = { ...this.#status, seen: head.size }
    if (!isNear) return this.#failed(`it says that it is ${timeOf(saidMs)}: its clock or ours is wrong`)
    this.#failuresInRow = 0
    const { seen, cosignedCount, failedCount } = this.#status
    const cosignedAt = cosignature.time
    this.#status = { state: 'cosigning', seen, cosignedAt, cosignedCount: cosignedCount + 1, failedCount }
    cosigned(this.witness.name, head, cosignature)
    return 0
  }

  #failed(reason: string): number {
    const { log } = this.#duties
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failuresInRow++, 30))
    const isNew = this.#status.reason !== reason
    this.#status = { ...this.#status, state: 'failing', reason, failedCount: this.#status.failedCount + 1 }
    const { name } = this.witness
    if (isNew) log({ level: 'warn', message: 'a witness did not cosign', witness: name, reason, againInMs: pauseMs })
    return pauseMs
  }

  /** Before a witness is taken at its word, our own proof is checked: it may be our tiles that are damaged. */
  async #forked(head: PendingHead, submission: Submission, answer: Objection): Promise<number> {
    const { old, proof } = submission
    const { hashes } = this.#duties
    const root = Buffer.from(head.root, 'hex')
    if (old > 0) verifyConsistency(old, await rootAt(old, hashes), head.size, root, proof)
    return await this.#contradicted('fork', head, submission, answer)
  }

  async #contradicted(
    kind: Contradiction['kind'],
    head: PendingHead,
    submission: Submission,
    { status, body }: Objection,
    told?: number,
  ): Promise<number> {
    const request = submissionText(submission)
    const reason =
      kind === 'fork'
        ? `it does not accept that the head of size ${head.size} follows what it has seen (${status})`
        : `it has seen ${told} published heads, and there are ${this.#duties.durableSize()}`
    const { failedCount } = this.#status
    this.#status = { ...this.#status, state: 'contradicting', reason, failedCount: failedCount + 1 }
    const said = { kind, head, ...(told === undefined ? {} : { told }), request, status, answer: body }
    await this.#duties.contradicted(this.witness.name, said, this.#ended.signal)
    return CONTRADICTED_PAUSE_MS
  }
}

type Objection = Extract<WitnessAnswer, { readonly status: number }>

function timeOf(ms: number): string {
  return ms <= LAST_TIME_MS ? timeText(ms) : 'a time that no calendar has'
}
