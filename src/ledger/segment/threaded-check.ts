// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** Reads segments again in a thread beside the writer: hashing 256 MB in its own would hold up appends for a second. */
import { WorkerPool } from '../../platform/workers.ts'
import type { SegmentFlaw } from './check-segment.ts'
import type { CheckAnswer, CheckJob } from './check-thread.ts'
import type { Segment } from './segment.ts'

export class ThreadedCheck {
  readonly #directory: string
  #pool: WorkerPool<CheckJob, CheckAnswer> | undefined

  /** `directory` is that of the segments. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** The first thing that is wrong with a segment; rejects where it could not be read. */
  readonly check = async (segment: Segment): Promise<SegmentFlaw | undefined> => {
    this.#pool ??= new WorkerPool(new URL('check-thread.ts', import.meta.url), 1)
    const answer = await this.#pool.run({ directory: this.#directory, segment }, [])
    if ('failure' in answer) throw new Error(answer.failure)
    return answer.flaw
  }

  async close(): Promise<void> {
    await this.#pool?.close()
  }
}
