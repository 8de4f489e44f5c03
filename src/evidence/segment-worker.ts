// SPDX-FileCopyrightText: The Stele authors
// SPDX-License-Identifier: Apache-2.0

/** The worker thread of a verification: checks whole segments, which it reads itself. */
import type { Segment } from '../ledger/segment/segment.ts'
import { DirectoryStore } from '../ledger/store/directory-store.ts'
import { NodeDisk } from '../platform/disk.ts'
import { rowHasher } from '../platform/row-hasher.ts'
import { answerJobs } from '../platform/workers.ts'
import { checkWhole, type Used } from './segment-check.ts'

export interface SegmentJob {
  /** That of the segments. */
  readonly directory: string
  readonly segment: Segment
  readonly used: Used
  readonly withContent: boolean
}

const rows = rowHasher()

answerJobs(async (job) => {
  const { directory, segment, used, withContent } = job as SegmentJob
  const store = new DirectoryStore(new NodeDisk(), directory)
  return { answer: await checkWhole(store, segment, used, { withContent, rows }), moved: [] }
})
