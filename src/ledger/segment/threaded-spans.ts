// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Reads scattered entries and contents in threads beside the writer: a page of a search decompresses a hundred parts,
 * which in the writer's own thread held up appends for as long. A few are read where they are asked for; when many are
 * asked for in one turn they go to the threads, which begin when that happens first. Whatever these cannot read is read
 * in this thread, which says why.
 */
import { afterThisTurn } from '../../platform/turns.ts'
import { cpuCount, WorkerPool } from '../../platform/workers.ts'
import type { Span, SpanReading } from './span.ts'
import type { SpanAnswer, SpanJob } from './span-thread.ts'

/** Beyond that the hardware is for those who append and search. */
const MAX_THREADS = 2
/** As many are asked for together by whoever reads one entry and its content. */
const FEW_COUNT = 8
/** Of one turn, for a thread: so that the first can be gone on with while the next are read. */
const JOBS_A_THREAD = 2
const MAX_JOB_SPANS = 64
/** A larger part is a large event: it is decompressed beside other work wherever it is. */
const MAX_RAW_BYTES = 256 * 1024

interface Asked {
  readonly span: Span
  /** Without items: it is to be read here. */
  readonly resolve: (items?: readonly Buffer[]) => void
}

export class ThreadedSpans implements SpanReading {
  readonly #directory: string
  readonly #onFailure: (error: Error) => void
  readonly #threadCount = Math.min(MAX_THREADS, cpuCount())
  #state: 'not begun' | 'beginning' | 'up' | 'ended' = 'not begun'
  #pool: WorkerPool<SpanJob, SpanAnswer> | undefined
  /** In this turn. */
  #asked: Asked[] = []

  /** `directory` is that of the segments; `onFailure` is told if the threads have ended by themselves. */
  constructor(directory: string, onFailure: (error: Error) => void) {
    this.#directory = directory
    this.#onFailure = onFailure
  }

  async read(span: Span, here: () => Promise<readonly Buffer[]>): Promise<readonly Buffer[]> {
    const isLarge = span.part !== undefined && span.part.rawBytes > MAX_RAW_BYTES
    const items = isLarge || this.#state === 'ended' ? undefined : await this.#ask(span)
    return items ?? (await here())
  }

  async close(): Promise<void> {
    this.#state = 'ended'
    await this.#pool?.close()
  }

  async #ask(span: Span): Promise<readonly Buffer[] | undefined> {
    return await new Promise((resolve) => {
      this.#asked.push({ span, resolve })
      if (this.#asked.length === 1) void afterThisTurn().then(() => this.#distribute())
    })
  }

  #distribute(): void {
    const asked = this.#asked
    this.#asked = []
    const isMany = asked.length > FEW_COUNT
    if (isMany && this.#state === 'not begun') void this.#begin()
    if (!isMany || this.#state !== 'up') return giveBack(asked)
    for (const batch of this.#batches(asked)) void this.#work(batch)
  }

  async #begin(): Promise<void> {
    this.#state = 'beginning'
    const pool = new WorkerPool<SpanJob, SpanAnswer>(new URL('span-thread.ts', import.meta.url), this.#threadCount)
    this.#pool = pool
    try {
      const nothing = { directory: this.#directory, spans: [] }
      await Promise.all(Array.from({ length: this.#threadCount }, async () => await pool.run(nothing, [])))
      if (this.#state === 'beginning') this.#state = 'up'
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Those of one object behind each other, so that it is opened, and each of its parts decompressed, once. */
  #batches(asked: readonly Asked[]): Asked[][] {
    const count = Math.min(MAX_JOB_SPANS, Math.ceil(asked.length / (this.#threadCount * JOBS_A_THREAD)))
    const batches: Asked[][] = []
    let batch: Asked[] = []
    for (const ofObject of Map.groupBy(asked, ({ span }) => span.key).values()) {
      ofObject.sort((one, other) => one.span.position - other.span.position)
      for (const one of ofObject) {
        if (batch.length >= MAX_JOB_SPANS) batches.push(batch.splice(0))
        batch.push(one)
      }
      if (batch.length >= count) batches.push(batch.splice(0))
    }
    if (batch.length > 0) batches.push(batch)
    return batches
  }

  async #work(batch: readonly Asked[]): Promise<void> {
    try {
      const spans = batch.map(({ span }) => span)
      const { bytes, lengths } = await this.#pool!.run({ directory: this.#directory, spans }, [])
      const all = Buffer.from(bytes.buffer)
      let at = 0
      for (const [position, { resolve }] of batch.entries()) {
        resolve(lengths[position]?.map((length) => all.subarray(at, (at += length))))
      }
    } catch (error) {
      this.#fail(error)
      giveBack(batch)
    }
  }

  #fail(error: unknown): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#onFailure(error instanceof Error ? error : new Error(String(error)))
  }
}

function giveBack(asked: readonly Asked[]): void {
  for (const { resolve } of asked) resolve()
}
