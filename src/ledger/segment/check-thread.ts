// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The thread that reads segments again for the writer; it answers with the first flaw of each. */
import { NodeDisk } from '../../platform/disk.ts'
import { answerJobs } from '../../platform/workers.ts'
import { DirectoryStore } from '../store/directory-store.ts'
import { checkSegment, type SegmentFlaw } from './check-segment.ts'
import type { Segment } from './segment.ts'

/** What the thread is given, by the pool of threaded-check.ts alone. */
export interface CheckJob {
  readonly directory: string
  readonly segment: Segment
}

/** A reading that failed is told, too: it must not end the thread. */
export type CheckAnswer = { readonly flaw: SegmentFlaw | undefined } | { readonly failure: string }

answerJobs(async (job) => ({ answer: await checked(job as CheckJob), moved: [] }))

async function checked({ directory, segment }: CheckJob): Promise<CheckAnswer> {
  try {
    for await (const flaw of checkSegment(new DirectoryStore(new NodeDisk(), directory), segment)) return { flaw }
    return { flaw: undefined }
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) }
  }
}
