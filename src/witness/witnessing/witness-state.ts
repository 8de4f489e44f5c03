// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * What a witness may have answered, and so must never contradict. A checkpoint takes the place of the one before it by
 * compare-and-swap; those of many logs become durable together, in one frame of the journal; then the head outside is
 * swapped for one that names the frame; only then are they answered. So whatever was answered is in the journal up to
 * the head outside, and a journal that does not reach it, or has another past, was rolled back or is a clone's: the
 * start refuses it. After a failure whose outcome nobody knows nothing is tried again: the witness stops.
 */
import assert from 'node:assert/strict'
import { fromBase64, ProofError, parseDecimal, toBase64 } from '@stele/proof'
import { type HeadStore, sameBytes } from '../../ledger/head-store.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import { Refusal, WitnessFault } from './fault.ts'
import {
  type ChainHead,
  type Cosigned,
  type CosignedNote,
  findJournal,
  follows,
  type Held,
  Journal,
  OUTDATED_BYTES,
} from './journal.ts'

const HEAD_WORDS = 'stele/witness-head/v1'
/** Left free, so that a disk that fills up refuses cosignatures instead of stopping the witness half-way. */
const RESERVE_BYTES = 64 * 1024 * 1024
const MAX_FRAME_BYTES = 4 * 1024 * 1024

export interface WitnessStateOptions {
  readonly disk: Disk
  readonly random: Random
  /** Where the journal lies. */
  readonly folder: string
  readonly head: HeadStore
  /** Name and id of the key, for which alone the head speaks. */
  readonly keyName: string
  /** Goes on where no head outside vouches for the journal. */
  readonly trustState: boolean
  /** Called where it does. */
  readonly onUnvouched: () => void
  /** How much must be outdated for the journal to be written anew, other than what is usual. */
  readonly outdatedBytes?: number
  /** Called once, when a failure has stopped it. */
  readonly onFailure: (error: Error) => void
}

interface Waiting {
  readonly record: CosignedNote
  readonly settle: (error?: Error) => void
}

export class WitnessState {
  readonly #options: WitnessStateOptions
  readonly #journal: Journal
  readonly #waiting: Waiting[] = []
  /** Logs of those that wait, or are being committed. */
  readonly #advancing = new Set<string>()
  #held: Map<string, Held>
  #kept: Buffer | undefined
  #committing: Promise<void> | undefined
  #failure: Error | undefined

  private constructor(
    options: WitnessStateOptions,
    journal: Journal,
    held: Map<string, Held>,
    kept: Buffer | undefined,
  ) {
    this.#options = options
    this.#journal = journal
    this.#held = held
    this.#kept = kept
  }

  /** Opens what is there, or begins. Throws `WitnessFault`, and has changed nothing then. */
  static async open(options: WitnessStateOptions): Promise<WitnessState> {
    const { disk, random, folder, head, keyName } = options
    const kept = await readKept(head)
    const asked = kept === undefined ? undefined : parseHead(kept, keyName, head.where)
    const found = await findJournal(disk, folder, asked?.sequence)
    if (found === undefined) {
      // A head of no frame says that nothing was ever answered.
      if (asked !== undefined && asked.sequence > 0) throw lostState(folder, head.where)
      const seed = Buffer.alloc(32)
      random.fill(seed, 0, seed.length)
      await disk.makeDirectory(folder)
      const state = new WitnessState(options, await Journal.begin(disk, folder, seed), new Map(), kept)
      await state.#swapHead()
      return state
    }
    if (asked === undefined) {
      if (found.last.sequence > 0 && !options.trustState) throw noHead(folder, head.where)
      if (found.last.sequence > 0) options.onUnvouched()
    } else if (asked.sequence > found.last.sequence) {
      throw rolledBack(found.path, head.where, asked, found.last)
    } else if (found.asked === undefined || !found.asked.equals(asked.hash)) {
      throw otherPast(found.path, head.where, asked)
    }
    const journal = await Journal.resume(disk, found)
    const state = new WitnessState(options, journal, new Map(found.held), kept)
    await state.#swapHead()
    return state
  }

  /** Why it has stopped; undefined while it works. */
  get failure(): Error | undefined {
    return this.#failure
  }

  get count(): number {
    return this.#held.size
  }

  /** Unix seconds of the newest cosignature. */
  get lastTime(): number {
    return [...this.#held.values()].reduce((last, { time }) => Math.max(last, time), 0)
  }

  get origins(): Iterable<string> {
    return this.#held.keys()
  }

  /** The checkpoint of a log that was cosigned last, as far as it may be spoken of. */
  latest(origin: string): Cosigned | undefined {
    return this.#held.get(origin)
  }

  /** The note of it; undefined where none was ever cosigned. */
  async note(origin: string): Promise<Buffer | undefined> {
    const held = this.#held.get(origin)
    return held === undefined ? undefined : await this.#journal.note(held)
  }

  /**
   * Puts a checkpoint in the place of `before`, which must still be the latest; resolves once that is durable and the
   * head outside names it, so that the cosignature may be released. Throws `Refusal` where nothing was done.
   */
  async advance(before: Cosigned | undefined, record: CosignedNote): Promise<void> {
    if (this.#failure !== undefined) throw stopped()
    assert(!this.#advancing.has(record.origin), 'a log has one advance at a time')
    assert(isSame(this.#held.get(record.origin), before), 'what is replaced is what was compared with')
    assert(before === undefined || follows(before, record), 'what contradicts the latest checkpoint is not cosigned')
    this.#advancing.add(record.origin)
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        this.#advancing.delete(record.origin)
        return error === undefined ? resolve() : reject(error)
      }
      this.#waiting.push({ record, settle })
      this.#committing ??= this.#commitAll().finally(() => (this.#committing = undefined))
    })
  }

  /** Resolves once what was begun is done. */
  async close(): Promise<void> {
    await this.#committing
    await this.#journal.close()
  }

  async #commitAll(): Promise<void> {
    // What comes in the same turn shares the first frame.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch()
      const error = this.#failure === undefined ? await this.#commit(batch) : stopped()
      for (const { settle } of batch) settle(error)
    }
  }

  #takeBatch(): Waiting[] {
    let bytes = 0
    const end = this.#waiting.findIndex(({ record }) => (bytes += record.note.length) > MAX_FRAME_BYTES)
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end))
  }

  /** Resolves to why nothing of it may be answered, if so. */
  async #commit(batch: readonly Waiting[]): Promise<Error | undefined> {
    try {
      if (!(await this.#hasRoom())) return new Refusal(507, 'the disk of the witness is nearly full')
      const held = await this.#journal.append(batch.map(({ record }) => record))
      await this.#swapHead()
      for (const record of held) this.#held.set(record.origin, record)
      await this.#restate()
      return undefined
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#options.onFailure(this.#failure)
      return stopped()
    }
  }

  async #restate(): Promise<void> {
    const { outdatedBytes = OUTDATED_BYTES } = this.#options
    if (!this.#journal.isOutdated(this.#held, outdatedBytes)) return
    await this.#journal.restate(this.#held, (held) => (this.#held = held))
  }

  async #hasRoom(): Promise<boolean> {
    const { disk, folder } = this.#options
    return (await disk.space(folder)).freeBytes > RESERVE_BYTES
  }

  async #swapHead(): Promise<void> {
    const { head, keyName } = this.#options
    const next = headText(keyName, this.#journal.last)
    if (sameBytes(this.#kept, next)) return
    if (!(await head.swap(this.#kept, next))) {
      const mend =
        'Another witness with this key runs, or has run, on a copy of this folder: stop one of them for good.'
      throw new WitnessFault(`${head.where} was changed by somebody else. ${mend}`)
    }
    this.#kept = next
  }
}

function isSame(a: Cosigned | undefined, b: Cosigned | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.size === b.size && a.time === b.time && Buffer.compare(a.root, b.root) === 0
}

function headText(keyName: string, { sequence, hash }: ChainHead): Buffer {
  return Buffer.from(`${HEAD_WORDS}\n${keyName}\n${sequence}\n${toBase64(hash)}\n`)
}

function parseHead(bytes: Buffer, keyName: string, where: string): ChainHead {
  const [, , sequence = '', hash = ''] = bytes.toString('utf8').split('\n')
  try {
    const head = { sequence: parseDecimal(sequence), hash: Buffer.from(fromBase64(hash)) }
    if (headText(keyName, head).equals(bytes)) return head
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
  }
  throw new WitnessFault(`${where} is not the head of the witness ${keyName}. Put back the one that belongs there.`)
}

async function readKept(head: HeadStore): Promise<Buffer | undefined> {
  try {
    return await head.read()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const mend = 'A start needs it, to see that nothing was rolled back.'
    throw new WitnessFault(`the head in ${head.where} cannot be read: ${reason}. ${mend}`)
  }
}

function stopped(): Refusal {
  return new Refusal(503, 'the witness has stopped; its log says why', { retryAfterSeconds: 60 })
}

const RETIRE = 'Where it is lost for good, retire the key: begin another folder, and give out its keys instead.'

function lostState(folder: string, where: string): WitnessFault {
  return new WitnessFault(
    `${folder} has no journal, but ${where} says what this key has cosigned. Bring it back. ${RETIRE}`,
  )
}

function noHead(folder: string, where: string): WitnessFault {
  return new WitnessFault(
    `there is no head in ${where} that vouches for ${folder}: it may have been rolled back unnoticed. Bring the head ` +
      'back; or give --trust-state once, if you know that the folder is the newest, as after moving it to another machine.',
  )
}

function rolledBack(path: string, where: string, asked: ChainHead, last: ChainHead): WitnessFault {
  return new WitnessFault(
    `${path} was rolled back, or has lost its end: it has ${last.sequence} commits, and ${where} says that ` +
      `${asked.sequence} were answered. Cosigning from there could contradict what was cosigned. Bring the newest copy back. ${RETIRE}`,
  )
}

function otherPast(path: string, where: string, asked: ChainHead): WitnessFault {
  return new WitnessFault(
    `${path} has another past than ${where}: commit ${asked.sequence} is not the one that was answered. It is a copy that ` +
      `went its own way, or was changed. Bring back the folder that belongs to that head. ${RETIRE}`,
  )
}
