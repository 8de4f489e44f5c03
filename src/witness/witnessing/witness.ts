// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A witness (C2SP tlog-witness): cosigns a checkpoint of a log that it was told of, if the log has signed it and proves
 * that it only added to the checkpoint that was cosigned before. The checks and their order are the document's. What is
 * cosigned is durable, here and outside, before anybody sees the cosignature; requests of one log take turns, so what
 * was compared is what is replaced.
 */
import { createHash } from 'node:crypto'
import {
  type Checkpoint,
  EMPTY_ROOT,
  equalBytes,
  fromBase64,
  openNote,
  parseCheckpoint,
  parseNote,
  ProofError,
  verifyConsistency,
} from '@stele/proof'
import type { LedgerTime } from '../../ledger/ledger-time.ts'
import { type AddCheckpoint, parseAddCheckpoint, reading, reducedNote } from './add-checkpoint.ts'
import { Refusal } from './fault.ts'
import type { Cosigned } from './journal.ts'
import type { WitnessedLog } from './log-list.ts'
import type { RequestRates } from './request-rates.ts'
import { parseSignSubtree, signSubtree } from './sign-subtree.ts'
import type { WitnessKey } from './witness-key.ts'
import type { WitnessState } from './witness-state.ts'

/** Requests of one log that wait for their turn. */
const MAX_WAITING = 32
/** Requests that are worked on at the same time, of all logs. */
const MAX_UNDER_WAY = 512

export interface WitnessParts {
  readonly key: WitnessKey
  readonly state: WitnessState
  readonly time: LedgerTime
  readonly rates: RequestRates
  /** A log has signed two roots of one size. */
  readonly onContradiction: (origin: string, cosigned: Buffer, contradicting: Buffer) => Promise<void>
}

/** A checkpoint that the log has signed, and the note with its signatures only. */
interface Signed {
  readonly checkpoint: Checkpoint
  readonly note: Buffer
  readonly textBytes: Uint8Array
}

export class Witness {
  readonly #parts: WitnessParts
  #logs = new Map<string, WitnessedLog>()
  #originOfHash = new Map<string, string>()
  /** The last of those that wait, a log, and how many they are. */
  readonly #turns = new Map<string, { last: Promise<unknown>; count: number }>()
  #underWayCount = 0

  constructor(parts: WitnessParts, logs: readonly WitnessedLog[]) {
    this.#parts = parts
    this.setLogs(logs)
  }

  /** Takes these logs from now on. What was cosigned of others is remembered, should they come back. */
  setLogs(logs: readonly WitnessedLog[]): void {
    this.#logs = new Map(logs.map((log) => [log.origin, log]))
    const origins = [...this.#logs.keys(), ...this.#parts.state.origins]
    this.#originOfHash = new Map(origins.map((origin) => [originHash(origin), origin]))
  }

  get logCount(): number {
    return this.#logs.size
  }

  /** `POST <prefix>/add-checkpoint`: the signature lines. Throws `Refusal`. */
  async addCheckpoint(body: Buffer): Promise<string> {
    return await this.#admitted(async () => {
      const request = parseAddCheckpoint(body)
      const log = this.#logOf(request.origin)
      const signed = await verified(request, log)
      if (request.oldSize > signed.checkpoint.size) {
        throw new Refusal(400, 'the old size is larger than the checkpoint')
      }
      return await this.#inTurn(log.origin, async () => await this.#cosign(request, signed, log))
    })
  }

  /** `POST <prefix>/sign-subtree`: the signature line. Throws `Refusal`. */
  async signSubtree(body: Buffer): Promise<string> {
    return await this.#admitted(async () => {
      const { key, state, rates } = this.#parts
      const request = parseSignSubtree(body)
      const { origin, perSecond } = this.#logOf(request.checkpoint.origin)
      rates.take(origin, 'subtree', perSecond)
      return await signSubtree(request, key, state)
    })
  }

  /** `GET <prefix>/<hex of SHA-256(origin)>/checkpoint`: the note that was cosigned last. Throws `Refusal` 404. */
  async checkpoint(hash: string): Promise<Buffer> {
    const origin = this.#originOfHash.get(hash)
    const note = origin === undefined ? undefined : await this.#parts.state.note(origin)
    if (note === undefined) throw new Refusal(404, 'no checkpoint of such an origin was ever cosigned here')
    return note
  }

  #logOf(origin: string): WitnessedLog {
    const log = this.#logs.get(origin)
    if (log === undefined) throw new Refusal(404, 'this witness does not know that origin')
    return log
  }

  async #admitted<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWayCount >= MAX_UNDER_WAY) throw busy()
    this.#underWayCount++
    try {
      return await work()
    } finally {
      this.#underWayCount--
    }
  }

  async #cosign(request: AddCheckpoint, signed: Signed, log: WitnessedLog): Promise<string> {
    const { key, state, time, rates } = this.#parts
    const { checkpoint, note, textBytes } = signed
    const { origin, size, root } = checkpoint
    const before = state.latest(origin)
    await this.#demandConsistency(request, signed, before)
    rates.take(origin, before?.size === size ? 'repeat' : 'growth', log.perSecond)
    const seconds = Math.floor(time.nowMs() / 1_000)
    const same = before?.size === size && before.time === seconds ? await this.#linesOf(origin, textBytes) : undefined
    if (same !== undefined) return same
    const lines = await key.cosign(checkpoint, textBytes, seconds)
    await state.advance(before, { origin, size, root, time: seconds, note: Buffer.concat([note, Buffer.from(lines)]) })
    return lines
  }

  async #demandConsistency(
    { oldSize, proof }: AddCheckpoint,
    { checkpoint, note }: Signed,
    before: Cosigned | undefined,
  ): Promise<void> {
    const { origin, size, root } = checkpoint
    const cosignedSize = before?.size ?? 0
    if (oldSize !== cosignedSize) {
      throw new Refusal(409, `the latest checkpoint that was cosigned has the size ${cosignedSize}`, { cosignedSize })
    }
    const oldRoot = before?.root ?? EMPTY_ROOT
    if (oldSize === size && before !== undefined && !equalBytes(oldRoot, root)) {
      const cosigned = await this.#parts.state.note(origin)
      if (cosigned !== undefined) await this.#parts.onContradiction(origin, cosigned, note)
      throw new Refusal(422, 'another root of this size was cosigned: the log contradicts itself')
    }
    try {
      verifyConsistency(oldSize, oldRoot, size, root, proof)
    } catch (error) {
      if (error instanceof ProofError) throw new Refusal(422, `the consistency proof does not hold: ${error.message}`)
      throw error
    }
  }

  /** The witness's lines of the latest note, if it has this very text: asked again within a second, it says the same. */
  async #linesOf(origin: string, text: Uint8Array): Promise<string | undefined> {
    const note = await this.#parts.state.note(origin)
    if (note === undefined) return undefined
    const { textBytes, signatures } = parseNote(note)
    if (!equalBytes(textBytes, text)) return undefined
    const own = signatures.filter((signature) => this.#parts.key.isOwn(signature)).length
    return note
      .toString('utf8')
      .split('\n')
      .slice(-own - 1)
      .join('\n')
  }

  async #inTurn<T>(origin: string, work: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(origin) ?? { last: Promise.resolve(), count: 0 }
    if (turns.count >= MAX_WAITING) throw busy()
    this.#turns.set(origin, turns)
    turns.count++
    const mine = turns.last.then(work)
    turns.last = mine.catch(() => {})
    try {
      return await mine
    } finally {
      if (--turns.count === 0) this.#turns.delete(origin)
    }
  }
}

/** Throws `Refusal` 403 where no trusted key has signed, or a signature of one is bad; 400, 422 where it has signed nonsense. */
async function verified({ note, origin }: AddCheckpoint, { keys }: WitnessedLog): Promise<Signed> {
  const reduced = reducedNote(note, keys)
  if (reduced === undefined) throw new Refusal(403, 'no key that this witness trusts for that origin has signed')
  try {
    const { text, textBytes } = await openNote(reduced, keys)
    demandEmptyRoot(text)
    const checkpoint = reading('the checkpoint', () => parseCheckpoint(text))
    return { checkpoint, note: reduced, textBytes }
  } catch (error) {
    if (!(error instanceof ProofError)) throw error
    throw new Refusal(error.code === 'signature-invalid' ? 403 : 400, `the checkpoint of ${origin}: ${error.message}`)
  }
}

/** The document has a status of its own for an empty tree of another root. */
function demandEmptyRoot(text: string): void {
  const [, size, root = ''] = text.split('\n')
  if (
    size === '0' &&
    !equalBytes(
      reading('the root', () => fromBase64(root)),
      EMPTY_ROOT,
    )
  ) {
    throw new Refusal(422, 'the root of the empty tree is the hash of nothing')
  }
}

function originHash(origin: string): string {
  return createHash('sha256').update(origin).digest('hex')
}

function busy(): Refusal {
  return new Refusal(503, 'too many requests are under way', { retryAfterSeconds: 1 })
}
