// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Holds events that may be repeats against what is stored. Only an entry of the same source whose event has the very
 * same bytes makes one a repeat; only entries of the same id and length come here at all. Reading is bounded by what was
 * sent: whoever can append can make events that look like repeats, and what is beyond the bound, or cannot be read,
 * counts as not seen.
 */
import { AssertionError } from 'node:assert'
import type { Batch } from './batch.ts'
import type { Log } from './log.ts'
import { DamagedError, type Reader, type StoredEvent } from './read.ts'

/** An event of the batch, by its position, that may be in the entry `index`. */
export interface Suspicion {
  readonly position: number
  readonly index: number
}

/** What came of it, by position. */
export interface Verdicts {
  /** The first entry with the same bytes. */
  readonly same: Map<number, number>
  /** What is stored and is not what was committed to. */
  readonly damaged: DamagedError | undefined
}

/** Entries that are read at once even if some between them are not asked for. */
const GAP_COUNT = 32
const READ_BYTES = 1024 * 1024
/** Reads of one batch: one for each event, and some. */
const MAX_READS = 1_024
const SPARE_READS = 16
/** Bytes of contents: its own so many times, and a block of a segment for each suspicion. */
const MAX_TIMES = 2
const BLOCK_BYTES = 128 * 1024
const MAX_BYTES = 256 * 1024 * 1024

/** Thrown out of a read that would be beyond the bound. */
class Exhausted extends Error {
  override readonly name = 'Exhausted'
}

export async function verdictsOn(
  log: Log,
  reader: Reader,
  batch: Batch,
  suspicions: readonly Suspicion[],
): Promise<Verdicts> {
  const verdicts = { same: new Map<number, number>(), damaged: undefined }
  const comparison = new Comparison(log, reader, batch, verdicts, suspicions.length)
  // In the ledger's order, so that what lies together is read together, and the first that fits is the first.
  const sorted = suspicions.toSorted((one, other) => one.index - other.index)
  for (let at = 0; at < sorted.length;) {
    let end = at + 1
    while (end < sorted.length && sorted[end]!.index <= sorted[end - 1]!.index + GAP_COUNT) end++
    await comparison.run(sorted.slice(at, end))
    if (comparison.isExhausted) break
    at = end
  }
  return verdicts
}

class Comparison {
  isExhausted = false
  readonly #log: Log
  readonly #reader: Reader
  readonly #batch: Batch
  readonly #verdicts: { -readonly [name in keyof Verdicts]: Verdicts[name] }
  #readsLeft: number
  #bytesLeft: number

  constructor(log: Log, reader: Reader, batch: Batch, verdicts: Verdicts, suspicionCount: number) {
    this.#log = log
    this.#reader = reader
    this.#batch = batch
    this.#verdicts = verdicts
    this.#readsLeft = Math.min(batch.count + SPARE_READS, MAX_READS)
    this.#bytesLeft = Math.min(MAX_TIMES * batch.body.length + suspicionCount * BLOCK_BYTES, MAX_BYTES)
  }

  /** Looks into entries that lie near each other. */
  async run(suspicions: readonly Suspicion[]): Promise<void> {
    const end = suspicions.at(-1)!.index + 1
    let start = suspicions[0]!.index
    let at = 0
    while (start < end && !this.isExhausted) {
      const stored = await this.#read(start, end)
      for (const event of stored) {
        for (; at < suspicions.length && suspicions[at]!.index <= event.index; at++) {
          if (suspicions[at]!.index === event.index) this.#compare(suspicions[at]!.position, event)
        }
      }
      start += Math.max(1, stored.length)
    }
  }

  /** Some events from `start` on; none where that one cannot be had. */
  async #read(start: number, end: number): Promise<StoredEvent[]> {
    if (this.#readsLeft-- === 0) {
      this.isExhausted = true
      return []
    }
    const admit = (bytes: number) => {
      if (bytes > this.#bytesLeft) throw new Exhausted()
      this.#bytesLeft -= bytes
    }
    try {
      return await this.#reader.events(this.#log, start, end, READ_BYTES, admit)
    } catch (error) {
      if (error instanceof AssertionError) throw error
      // One that is too large for what is left has other bytes; or one beside it is, or is damaged: then by itself.
      if (end > start + 1) return await this.#read(start, start + 1)
      if (error instanceof DamagedError) this.#verdicts.damaged ??= error
      return []
    }
  }

  #compare(position: number, stored: StoredEvent): void {
    const { body, starts, ends, kinds, sources, asserted, media } = this.#batch
    const { same } = this.#verdicts
    const { entry, event } = stored
    const source = sources[kinds[position]!]!
    if (entry.source !== source || entry.media !== media || (entry.asserted ?? true) !== asserted) return
    if (same.has(position)) return
    if (body.compare(event, 0, event.length, starts[position], ends[position]) === 0) same.set(position, stored.index)
  }
}
