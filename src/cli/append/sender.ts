// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

// Sends pieces one after another, through interruptions, and knows what is stored.

import { type Appended, type SteleClient, SteleError } from '@stele/sdk'

import { Problem } from '../../schema/problem.ts'
import type { Cut } from '../../sources/cut.ts'
import type { Connection } from '../connect.ts'
import { count, counted, printable } from '../display.ts'
import type { Environment } from '../environment.ts'
import { callFailure, exitCodeOf, Failure } from '../failure.ts'
import type { LedgerState } from './completion.ts'
import { cutPiece, halves, type Piece, placeIn, withoutFirst } from './piece.ts'

export interface SenderOptions {
  readonly connection: Connection
  readonly environment: Environment
  readonly ledger: string
  readonly source: string | undefined
  /** Events at the beginning that are stored already. */
  readonly skip: number
  /** Takes the receipts of the events with these indexes. */
  readonly keepReceipts: ((indexes: readonly number[], receipts: readonly string[]) => Promise<void>) | undefined
  readonly maxEvents: number
  /** How long the server may be away, once it has answered. */
  readonly patienceMs: number
  /** Whether a later run begins with the file of now alone: what was renamed away is behind it. */
  readonly isFollowing: boolean
  /** Tells whoever waits. */
  readonly say: (text: string) => Promise<void>
}

/** What is stored of the files so far. */
export interface Stored {
  events: number
  /** Events that were there already. */
  duplicates: number
  requests: number
  bytes: number
  first: number | undefined
  last: number | undefined
  size: number | undefined
  root: Uint8Array | undefined
}

export interface SendingFile {
  readonly name: string
  /** Of the run that began it: with it, a request that is made once more is known to the server. */
  run: string
  /** Whether the same command goes on where this one stops. */
  isNoted: boolean
  /** Told when a request was refused as a whole. */
  refused: () => Promise<void>
  /** Events of it that are stored, skipped ones included. */
  events: number
  skipped: number
  first: number | undefined
  last: number | undefined
}

const FIRST_WAIT_MS = 250
const MAX_WAIT_MS = 5_000

/** Thrown out of a wait when the user has had enough. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

export class Sender {
  readonly stored: Stored = {
    events: 0,
    duplicates: 0,
    requests: 0,
    bytes: 0,
    first: undefined,
    last: undefined,
    size: undefined,
    root: undefined,
  }
  readonly #options: SenderOptions
  readonly #client: SteleClient
  #origin = ''
  #toSkip: number
  /** Events that earlier runs have stored, told or noted. */
  #before: number
  #awaySinceMs: number | undefined

  constructor(options: SenderOptions) {
    this.#options = options
    this.#client = options.connection.client
    this.#toSkip = options.skip
    this.#before = options.skip
  }

  get skipLeft(): number {
    return this.#toSkip
  }

  /** Events of all files up to here, those that were stored by an earlier run included. */
  get total(): number {
    return this.#before - this.#toSkip + this.stored.events + this.stored.duplicates
  }

  /** As of the last answer. */
  get ledgerState(): LedgerState {
    return { origin: this.#origin, size: this.stored.size ?? 0 }
  }

  /** The first events of the file that comes are stored: `passed` are not in what is sent, or else left out of it. */
  resume(file: SendingFile, events: number, how: 'passed' | 'left out'): void {
    this.#before += events
    if (how === 'left out') {
      this.#toSkip += events
      return
    }
    file.events += events
    file.skipped += events
  }

  /** Makes sure that the ledger is there and learns its size. Throws a Failure. */
  async begin(): Promise<void> {
    const { connection, ledger, patienceMs } = this.#options
    for (;;) {
      try {
        const { origin, size, root } = await this.#client.ledger(ledger)
        this.#origin = origin
        this.#isBack()
        Object.assign(this.stored, { size, root })
        return
      } catch (error) {
        if (!(error instanceof SteleError)) throw error
        const isHopeless = patienceMs !== Infinity || !isPassing(error)
        if (isHopeless) throw callFailure(error, { ...connection, safe: 'Nothing was stored' })
        await this.#wait(error)
      }
    }
  }

  /** Stores a piece, in several requests where one can't hold its events. Throws a Failure, or Interrupted. */
  async send(piece: Piece, file: SendingFile): Promise<void> {
    const found = this.#cut(piece)
    const { maxEvents, source } = this.#options
    const parts = found === 'too many' || (found !== undefined && found.count > maxEvents) ? halves(piece) : undefined
    if (parts !== undefined) {
      for (const part of parts) await this.send(part, file)
      return
    }
    if (this.#toSkip === 0)
      return await this.#store(piece, typeof found === 'object' ? eventsIn(piece, found) : undefined, file)
    if (typeof found !== 'object') {
      // Throws what is wrong with it.
      cutPiece(piece, source)
      return
    }
    const skipped = Math.min(this.#toSkip, found.count)
    this.#toSkip -= skipped
    file.skipped += skipped
    file.events += skipped
    if (skipped < found.count) await this.send(skipped === 0 ? piece : withoutFirst(piece, skipped, found), file)
  }

  /** Undefined where this side would refuse it: then the server shall say what is wrong. */
  #cut(piece: Piece): Cut | 'too many' | undefined {
    try {
      return cutPiece(piece, this.#options.source)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return error.code === 'too-many-events' ? 'too many' : undefined
    }
  }

  async #store(piece: Piece, events: readonly Uint8Array[] | undefined, file: SendingFile): Promise<void> {
    const { keepReceipts } = this.#options
    const { receipts = [], ...appended } = await this.#deliver(piece, events, file)
    const { count: added, duplicates, size, root } = appended
    const { stored } = this
    stored.events += added
    stored.duplicates += duplicates
    stored.requests += 1
    stored.bytes += piece.body.length
    stored.size = size
    stored.root = root
    file.events += added + duplicates
    const indexes = indexesOf(appended)
    if (added > 0) {
      // What is new lies together, behind all that was there already.
      const last = indexes.reduce((largest, index) => Math.max(largest, index))
      stored.first ??= last + 1 - added
      stored.last = last
      file.first ??= last + 1 - added
      file.last = last
    }
    if (keepReceipts !== undefined) await keepReceipts(indexes, receipts)
  }

  async #deliver(piece: Piece, events: readonly Uint8Array[] | undefined, file: SendingFile): Promise<Appended> {
    const { ledger, source, keepReceipts } = this.#options
    let isUnsure = false
    for (;;) {
      try {
        const appended = await this.#client.append(ledger, piece.body, {
          media: piece.media,
          ...(source === undefined ? {} : { source }),
          ...(events === undefined ? {} : { events }),
          receipts: keepReceipts !== undefined,
          idempotencyKey: `${file.run}-${file.events}`,
        })
        this.#isBack()
        return appended
      } catch (error) {
        if (!(error instanceof SteleError)) throw error
        isUnsure ||= error.outcomeUnknown || error.code?.startsWith('idempotency') === true
        if (!isPassing(error) && !isUnsure) {
          await file.refused()
          throw this.#refusal(error, piece, file)
        }
        if (!isPassing(error)) throw this.#unsure(error, piece, file)
        await this.#waitToRepeat(error, isUnsure, piece, file)
      }
    }
  }

  /** Under its key the request may be made again, whatever became of it; only who gives up does not know. */
  async #waitToRepeat(error: SteleError, isUnsure: boolean, piece: Piece, file: SendingFile): Promise<void> {
    try {
      await this.#wait(error)
    } catch (cause) {
      if (!isUnsure || !(cause instanceof Failure || cause instanceof Interrupted)) throw cause
      throw this.#unsure(error, piece, file)
    }
  }

  /** Waits before the next try. Throws where that is no use, where it has taken too long, and Interrupted. */
  async #wait(error: SteleError): Promise<void> {
    const { environment, connection, patienceMs, say } = this.#options
    const { clock, interrupted } = environment
    const nowMs = clock.monotonicMs()
    if (this.#awaySinceMs === undefined) {
      this.#awaySinceMs = nowMs
      await say(
        `${connection.url} cannot store events now (${printable(error.message)}). Nothing is lost. Waiting for it …`,
      )
    }
    const awayMs = nowMs - this.#awaySinceMs
    if (awayMs > patienceMs) {
      throw callFailure(error, { ...connection, safe: this.#safe(), unsure: this.#safe() })
    }
    const waitMs = error.problem.retryAfterMs ?? Math.min(Math.max(FIRST_WAIT_MS, awayMs), MAX_WAIT_MS)
    try {
      await clock.sleep(waitMs, interrupted)
    } catch (cause) {
      if (interrupted.aborted) throw new Interrupted('interrupted while waiting', { cause })
      throw cause
    }
  }

  #isBack(): void {
    if (this.#awaySinceMs === undefined) return
    this.#awaySinceMs = undefined
    void this.#options.say('The server is back.').catch(() => {})
  }

  #refusal(error: SteleError, piece: Piece, file: SendingFile): Failure {
    const { problem, code } = error
    const { offset, event } = problem
    const place = offset === undefined ? undefined : placeIn(piece, Math.min(offset, piece.body.length))
    // The server counts bytes from the beginning of the body; the reader of its words looks into the file.
    const words = printable(
      place === undefined
        ? error.message
        : error.message.replaceAll(`byte ${count(offset!)}`, `byte ${count(place.offset)}`),
    )
    const where = place === undefined ? '' : `, line ${count(place.line)}, byte ${count(place.offset)}`
    const which = event === undefined ? '' : ` (its event ${count(file.events + event)}, counted from 0)`
    const isOfFile = error.status === 400 || error.status === 413 || error.status === 422
    const what = isOfFile ? `${file.name}${where}${which} was refused: ${words}` : `the server refused: ${words}`
    if (!isOfFile) return callFailure(error, { ...this.#options.connection, safe: this.#safe() })
    const isFirst = file.events + (event ?? 0) === 0 && code === 'malformed-json'
    const asText = isFirst ? '. If each of its lines is an event that is not JSON, give --as text' : ''
    const mend =
      code === 'source-unknown' || code === 'source-mismatch' ? 'Give another --source or none' : 'Mend the file'
    const goOn =
      this.total === 0
        ? `${mend}, and run the command again${asText}`
        : `${mend}, and go on with the same command and --skip ${this.#skipNext(file)}`
    return new Failure(exitCodeOf(error), what, this.#safe(file), goOn)
  }

  #unsure(error: SteleError, piece: Piece, file: SendingFile): Failure {
    const from = this.total
    const { url } = this.#options.connection
    const place = placeIn(piece, 0)
    return new Failure(
      3,
      `${url} gave no answer that can be relied on (${printable(error.message)}), so it is not known whether the events of ${file.name} from line ${count(place.line)} on were stored`,
      `The ${counted(from, 'event')} before them are stored`,
      file.isNoted
        ? 'The same command goes on there: it repeats that request, and what was stored is not stored again'
        : `Look at the ledger with 'stele tail --ledger ${this.#options.ledger} --from ${this.stored.last === undefined ? (this.stored.size ?? 0) : this.stored.last + 1}'; where they are not there, go on with the same command and --skip ${this.#skipNext(file)}`,
    )
  }

  #safe(file?: SendingFile): string {
    const total = this.total
    if (total === 0) return 'Nothing was stored'
    if (file === undefined || file.events === total)
      return `${counted(total, 'event')} before it ${total === 1 ? 'is' : 'are'} stored`
    return `${counted(file.events, 'event')} of that file and ${count(total)} in all are stored`
  }

  /** What a later run leaves out. */
  #skipNext(file: SendingFile): number {
    return this.#options.isFollowing ? file.events : this.total
  }
}

function eventsIn({ body }: Piece, found: Cut): Uint8Array[] {
  return Array.from({ length: found.count }, (_, position) =>
    body.subarray(found.starts[position], found.ends[position]),
  )
}

function indexesOf({ first, count: added, duplicates, indexes }: Appended): readonly number[] {
  return indexes ?? Array.from({ length: added + duplicates }, (_, position) => first + position)
}

/** Whether the same request may succeed later. */
function isPassing({ failure, status, code }: SteleError): boolean {
  if (failure === 'refused')
    return (
      code === 'idempotency-busy' ||
      status === 429 ||
      (status === 503 && code !== 'writer-stopped') ||
      status === 502 ||
      status === 504
    )
  return failure !== 'untrustworthy'
}
