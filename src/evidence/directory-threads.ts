// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The threads of a verification of a directory. They begin at once, while what is little is checked in this one. */
import assert from 'node:assert/strict'
import { WorkerPool } from '../platform/workers.ts'
import type { BlockAnswer, DirectoryAnswer, DirectoryJob } from './directory-worker.ts'
import type { CheckedSegment } from './segment-check.ts'

type Given<Kind extends string> = Extract<DirectoryJob, Readonly<Record<Kind, unknown>>>

export class DirectoryThreads {
  readonly count: number
  readonly #pool: WorkerPool<DirectoryJob, DirectoryAnswer>

  constructor(count: number) {
    this.count = count
    this.#pool = new WorkerPool(new URL('./directory-worker.ts', import.meta.url), count)
  }

  async checkSegment(job: Given<'segment'>): Promise<CheckedSegment> {
    const answer = await this.#pool.run(job, [])
    assert('flaws' in answer)
    return answer
  }

  /** Takes the memory, which comes back. */
  async checkBlock(job: Given<'memory'>): Promise<BlockAnswer> {
    const answer = await this.#pool.run(job, [job.memory])
    assert('frames' in answer)
    return answer
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }
}
